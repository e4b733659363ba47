"""Screening: what an import left to find out about its instructions, personal information and their languages.

It runs beside the imports, a chunk's instructions at a time, in short transactions, so that a report never waits for
it. A worker may die anywhere: the next one begins anew and finds the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from django.db import connection, transaction
from django.db.models import Max, Min

from sources import jobs
from sources.jobs import JobState, LostLease
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


def work_waiting() -> None:
    """Screen here and now what waits for a worker; what one has is left to it."""
    for waiting in Screening.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING]).order_by("pk"):
        work(waiting)


def work(screening: Screening) -> None:
    """Screen the range, unless it is done or somebody else is at it."""
    if not screening.take() or screening.is_given_up():
        return
    with suppress(LostLease), jobs.heartbeat(screening):
        # Languages that a worker stored who died are known to the next one.
        screened, findings, languages = 0, 0, screening.languages
        for texts in _texts(screening):
            spans, known = _spans(texts), _languages(texts)
            with transaction.atomic():
                here = _held(texts)
                screened += len(here)
                findings += _store_findings(here, spans)
                languages += _store_languages(here, known)
                screening.renew(languages=languages)
        screening.finish(screened=screened, findings=findings, languages=languages)


def _texts(screening: Screening) -> Iterator[Texts]:
    rows = Instruction.objects.visible().filter(pk__lte=screening.highest).order_by("pk")
    after = screening.lowest - 1
    while batch := list(rows.filter(pk__gt=after).values_list("pk", "turns", "language")[:BATCH]):
        yield batch
        after = batch[-1][0]


def _spans(texts: Texts) -> list[tuple[int, Span]]:
    from sources import personal  # the libraries behind it take memory that only workers need

    return [(pk, span) for pk, turns, _ in texts for span in personal.spans(turns)]


def _languages(texts: Texts) -> dict[int, str]:
    from sources import languages

    found = {pk: languages.identify(turns) for pk, turns, language in texts if not language}
    return {pk: language for pk, language in found.items() if language}


def _held(texts: Texts) -> set[int]:
    """Those of the texts that may still be seen, held so: whoever takes one out meanwhile waits for this transaction.

    They are locked before their findings are touched, as by a take-down.
    """
    rows = Instruction.objects.visible().filter(pk__in=[pk for pk, _, _ in texts]).order_by("pk")
    return set(rows.select_for_update(no_key=True).values_list("pk", flat=True))


def _store_findings(here: set[int], spans: list[tuple[int, Span]]) -> int:
    PersonalFinding.objects.filter(instruction__in=here).delete()
    found = [_finding(pk, span) for pk, span in spans if pk in here]
    # Another screening of the same instructions may have found them a moment ago.
    return len(PersonalFinding.objects.bulk_create(found, ignore_conflicts=True))


def _finding(pk: int, span: Span) -> PersonalFinding:
    return PersonalFinding(
        instruction_id=pk, turn=span["turn"], start=span["start"], end=span["end"], kind=span["kind"]
    )


def _store_languages(here: set[int], known: dict[int, str]) -> int:
    found = {pk: language for pk, language in known.items() if pk in here}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE sources_instruction AS instruction SET language = found.language
            FROM unnest(%s::bigint[], %s::text[]) AS found (id, language)
            WHERE instruction.id = found.id AND instruction.language = ''
            """,
            [list(found), list(found.values())],
        )
        return int(cursor.rowcount)
