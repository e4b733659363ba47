"""Near-duplicates: a search over all available instructions, and what it found, in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from django.db import connection, transaction

from sources import jobs
from sources.errors import SourceError
from sources.jobs import Heartbeat, LostLease
from sources.models import DuplicateSearch, Instruction, NearDuplicate
from sources.rows import Turn

type Progress = Callable[[DuplicateSearch], None]

BATCH = 2_000
# Progress is told this often.
TOLD_EVERY = 20_000


class WrongThreshold(SourceError):
    """similarity {threshold}: is not from {lowest} to 1: choose another"""


def search(threshold: float = 0.8, started_by: Any = None) -> DuplicateSearch:
    """A queued search for texts that are at least so similar. Raises WrongThreshold."""
    from sources.similarity import LOWEST_THRESHOLD

    if not LOWEST_THRESHOLD <= threshold <= 1:
        raise WrongThreshold(threshold=threshold, lowest=LOWEST_THRESHOLD)
    return DuplicateSearch.objects.create(threshold=threshold, started_by=started_by)


def work(found: DuplicateSearch) -> None:
    """Search, unless it is done or somebody else is at it. A lost worker leaves nothing; the next begins anew."""
    if found.take() and not found.is_given_up():
        proceed(found)


def proceed(found: DuplicateSearch, on_progress: Progress | None = None) -> None:
    """Search under the lease that the caller took."""
    with suppress(LostLease), jobs.heartbeat(found) as beat:
        clusters = _clusters(found, beat, on_progress)
        with transaction.atomic():
            found.finish(**_stored(found, clusters))


def text_of(turns: Sequence[Turn]) -> str:
    """What is compared: the texts of all turns."""
    return "\n".join(turn["text"] for turn in turns)


def _clusters(
    found: DuplicateSearch, beat: Heartbeat, on_progress: Progress | None
) -> Iterator[tuple[int, Sequence[tuple[int, float]]]]:
    from sources import similarity  # numpy and rensa take memory that only this worker needs

    for cluster in similarity.clusters(_signed(found, beat, on_progress), found.threshold, _texts):
        beat.check()
        yield cluster.representative, cluster.members


def _signed(found: DuplicateSearch, beat: Heartbeat, on_progress: Progress | None) -> Iterator[tuple[int, bytes]]:
    from sources import similarity

    available = Instruction.objects.available()
    found.renew(total=available.count(), read=0)
    ids: list[int] = []

    def texts() -> Iterator[str]:
        for pk, turns in available.order_by("pk").values_list("pk", "turns").iterator(BATCH):
            ids.append(pk)
            yield text_of(turns)

    for read, signature in enumerate(similarity.signatures(texts())):
        yield ids[read], signature
        if read % TOLD_EVERY == 0:
            beat.check()
            found.renew(read=read)
            if on_progress:
                found.refresh_from_db(fields=["read", "total"])
                on_progress(found)


def _texts(ids: Sequence[int]) -> Mapping[int, str]:
    rows = Instruction.objects.filter(pk__in=ids).values_list("pk", "turns")
    return {pk: text_of(turns) for pk, turns in rows}


def _stored(found: DuplicateSearch, clusters: Iterable[tuple[int, Sequence[tuple[int, float]]]]) -> dict[str, int]:
    stored = {"clusters": 0, "duplicates": 0}
    while batch := list(islice(clusters, BATCH)):
        stored["clusters"] += len(batch)
        stored["duplicates"] += _insert(found, batch)
    return stored


def _insert(found: DuplicateSearch, batch: Sequence[tuple[int, Sequence[tuple[int, float]]]]) -> int:
    rows = [(kept, pk, similar) for kept, members in batch for pk, similar in members]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO {NearDuplicate._meta.db_table} (search_id, representative_id, instruction_id, similarity)
            SELECT %s, given.* FROM unnest(%s::bigint[], %s::bigint[], %s::float8[]) AS given (kept, pk, similarity)
            """,  # noqa: S608, SLF001
            [found.pk, *map(list, zip(*rows, strict=True))],
        )
    return len(rows)
