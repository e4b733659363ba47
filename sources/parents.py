"""The instructions of a source, as the records that augmenters read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import Max

from sources import workers
from sources.errors import SourceError
from sources.jobs import JobState
from sources.models import Instruction, InstructionState, PersonalFinding, Provenance, Screening, Source
from sources.readers import Piece
from sources.rows import Parent, Span

BATCH = 500
PARENTS_OF_CHUNK = 2_000


class NotScreened(SourceError):
    """{count:,} instructions of {source} are not screened yet: personal information and languages in them are not
    known; start a worker first ({start}), or wait for the one that runs"""


def not_screened(source: Source) -> NotScreened | None:
    """What to say of those instructions of ``source`` whose screening waits or runs; None where there are none."""
    given = Provenance.objects.filter(source=source)
    ranges = _waiting()
    count = sum(given.filter(instruction__gte=low, instruction__lte=high).count() for low, high in ranges)
    return NotScreened(count=count, source=source, start=workers.START) if count else None


def _waiting() -> list[tuple[int, int]]:
    """The ranges of ids that are to be screened, in order; those that meet are one."""
    jobs = Screening.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING]).order_by("lowest", "highest")
    found = list[tuple[int, int]]()
    for lowest, highest in jobs.values_list("lowest", "highest"):
        if found and lowest <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], highest)
        else:
            found.append((lowest, highest))
    return found


def pieces(source: Source) -> Iterator[Piece]:
    """Ranges of ids that hold about as many instructions of ``source`` each, in order."""
    given = Provenance.objects.filter(source=source)
    start, number = 0, 1
    while True:
        batch = given.filter(instruction_id__gte=start).order_by("instruction_id")[:PARENTS_OF_CHUNK]
        last = batch.aggregate(last=Max("instruction_id"))["last"]
        if last is None:
            return
        yield Piece(start, last + 1, number)
        start, number = last + 1, number + PARENTS_OF_CHUNK


def records(source: Source, start: int, end: int) -> Iterator[tuple[str, Parent]]:
    """The available instructions of ``source`` with ids from ``start`` up to ``end``, each with its public id."""
    given = Provenance.objects.filter(
        source=source,
        instruction_id__gte=start,
        instruction_id__lt=end,
        instruction__state=InstructionState.AVAILABLE,
    )
    rows = list(given.order_by("instruction_id").values_list("instruction_id", "source_labels", "suggested"))
    for first in range(0, len(rows), BATCH):
        yield from _batch({pk: said for pk, *said in rows[first : first + BATCH]})


def _batch(given: dict[int, list[Any]]) -> Iterator[tuple[str, Parent]]:
    """The instructions with these ids; with each stand the labels of its source, and what they suggest."""
    spans = defaultdict[int, list[Span]](list)
    for found in PersonalFinding.objects.filter(instruction__in=given):
        spans[found.instruction_id].append(Span(turn=found.turn, start=found.start, end=found.end, kind=found.kind))
    for instruction in Instruction.objects.filter(pk__in=given).order_by("pk"):
        labels, suggested = given[instruction.pk]
        yield (
            instruction.public_id,
            Parent(
                id=instruction.public_id,
                turns=instruction.turns,
                language=instruction.language,
                source_labels=labels,
                suggested=suggested,
                personal=spans[instruction.pk],
            ),
        )
