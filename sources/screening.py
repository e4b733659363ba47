"""Screening: what an import left to find out about its instructions, personal information and their languages.

It runs beside the imports, a chunk's instructions at a time, in one transaction each: a worker may die anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from django.db import connection, transaction
from django.db.models import Max, Min

from sources import jobs
from sources.jobs import LostLease
from sources.models import Instruction, PersonalFinding, Screening
from sources.rows import Span, Turn

BATCH = 2_000
RANGE = 50_000

type Texts = list[tuple[int, list[Turn], str]]  # id, turns, language


def request_all() -> int:
    """Queue the screening of every instruction anew, as when the detectors have learnt something; how many jobs."""
    ids = Instruction.objects.aggregate(lowest=Min("pk"), highest=Max("pk"))
    return request(ids["lowest"], ids["highest"]) if ids["lowest"] else 0


def request(lowest: int, highest: int) -> int:
    """Queue the screening of the instructions with these ids; how many jobs."""
    ranges = (Screening(lowest=low, highest=min(low + RANGE - 1, highest)) for low in range(lowest, highest + 1, RANGE))
    return len(Screening.objects.bulk_create(ranges))


def work(screening: Screening) -> None:
    """Screen the range, unless it is done or somebody else is at it."""
    if not screening.take() or screening.is_given_up():
        return
    with suppress(LostLease), jobs.heartbeat(screening), transaction.atomic():
        PersonalFinding.objects.filter(instruction__id__range=(screening.lowest, screening.highest)).delete()
        screened = findings = languages = 0
        for texts in _texts(screening):
            screened += len(texts)
            findings += _store_findings(texts)
            languages += _store_languages(texts)
        screening.finish(screened=screened, findings=findings, languages=languages)


def _texts(screening: Screening) -> Iterator[Texts]:
    rows = Instruction.objects.visible().filter(pk__range=(screening.lowest, screening.highest)).order_by("pk")
    batch: Texts = []
    for row in rows.values_list("pk", "turns", "language").iterator(BATCH):
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _store_findings(texts: Texts) -> int:
    from sources import personal  # the libraries behind it take memory that only workers need

    found = [(pk, span) for pk, turns, _ in texts for span in personal.spans(turns)]
    # Chunks that are written at once have ids between each other's: both screenings find the same.
    PersonalFinding.objects.bulk_create((_finding(pk, span) for pk, span in found), ignore_conflicts=True)
    return len(found)


def _finding(pk: int, span: Span) -> PersonalFinding:
    return PersonalFinding(
        instruction_id=pk, turn=span["turn"], start=span["start"], end=span["end"], kind=span["kind"]
    )


def _store_languages(texts: Texts) -> int:
    from sources import languages

    found = {pk: languages.identify(turns) for pk, turns, language in texts if not language}
    known = {pk: language for pk, language in found.items() if language}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH unknown AS (
                SELECT id FROM sources_instruction WHERE id = ANY(%s) AND language = '' ORDER BY id FOR NO KEY UPDATE
            )
            UPDATE sources_instruction AS instruction SET language = found.language
            FROM unnest(%s::bigint[], %s::text[]) AS found (id, language) JOIN unknown USING (id)
            WHERE instruction.id = found.id
            """,
            [list(known), list(known), list(known.values())],
        )
        return int(cursor.rowcount)
