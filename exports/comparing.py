"""Comparing published releases: every two are compared once, by a worker or in passing, and what was found is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from exports import changes, differences, writers
from exports.changes import Side
from exports.errors import ExportError, NotReproducible
from exports.models import Comparison, Snapshot, Standing
from exports.versions import numbers
from sources import jobs
from sources.jobs import JobState, LostLease

TASK = "exports.tasks.compare_snapshots"


def previous(version: str) -> Snapshot | None:
    """The release that comes right before this version, which need not be published yet; none that was withdrawn."""
    fetched = Snapshot.objects.published().exclude(standing=Standing.WITHDRAWN)
    earlier = (one for one in fetched if numbers(one.version) < numbers(version))
    return next(earlier, None)


def lines_file(snapshot: Snapshot) -> Path:
    """The lines of a published snapshot, each with its ``metadata.id`` and in their order."""
    return snapshot.path / f"{snapshot}{'.lines' if snapshot.is_registered else ''}.jsonl"


def side(snapshot: Snapshot) -> Side:
    """A published snapshot as it can be compared; raises NotReproducible unless its lines are those of then."""
    lines = lines_file(snapshot)
    published = snapshot.manifest["files"][lines.name]
    if not lines.is_file() or writers.fingerprint(lines)["sha256"] != published["sha256"]:
        raise NotReproducible(f"{lines}: not the file that was published; restore it from a backup")
    return Side(snapshot.version, lines, snapshot.statistics)


def compare(before: Snapshot, after: Snapshot, listing: BinaryIO | None = None) -> dict[str, Any]:
    """What changed between two published versions, now; see ``changes``."""

    def reasons(gone: Sequence[str]) -> Mapping[str, str]:
        return differences.reasons_between(gone, before, after)

    return changes.between(side(before), side(after), reasons, listing)


def since(snapshot: Snapshot, lines: Path, statistics: Mapping[str, Any]) -> tuple[Snapshot, dict[str, Any]] | None:
    """The version before a snapshot that is being written, and what changed since; None of the first.

    Which one that is was settled with the cut. Why lines went is asked once: the database of later would answer
    something else.
    """
    version = snapshot.settled.get("since")
    before = Snapshot.objects.published().filter(version=version).first() if version else None
    if not version:
        return None
    if before is None:
        raise NotReproducible(f"{snapshot} tells what changed since {version}, which is not published any more")

    def reasons(gone: Sequence[str]) -> Mapping[str, str]:
        return differences.reasons_between(gone, before, snapshot)

    found = changes.between(side(before), Side(snapshot.version, lines, statistics), reasons)
    if snapshot.is_published:
        told = _told(snapshot)
        if told.get("removed") == found["removed"]:
            found["removed_because"] = told["removed_because"]
    return before, found


def keep(before: Snapshot, after: Snapshot, summary: dict[str, Any]) -> None:
    """Keep what was found in passing."""
    facts = {"summary": summary, "state": JobState.FINISHED, "error": ""}
    Comparison.objects.update_or_create(before=before, after=after, defaults=facts)


def kept(before: Snapshot, after: Snapshot) -> dict[str, Any]:
    """What changed between two published versions, as it was found once, or now where nobody has asked yet."""
    found = Comparison.objects.filter(before=before, after=after, state=JobState.FINISHED).first()
    if found is None:
        summary = compare(before, after)
        keep(before, after, summary)
        return summary
    return cast("dict[str, Any]", found.summary)


def work(comparison: Comparison) -> None:
    """Compare in a worker; where it cannot be done, ``error`` says why."""
    if not comparison.take() or comparison.is_given_up():
        return
    with suppress(LostLease), jobs.heartbeat(comparison):
        try:
            summary = compare(comparison.before, comparison.after)
        except (ExportError, OSError) as error:
            comparison.fail(str(error))
        else:
            comparison.finish(summary=summary)


def again(comparison: Comparison) -> bool:
    """Queue a comparison that failed once more; False, and nothing changed, if it had not."""
    failed = Comparison.objects.filter(pk=comparison.pk, state=JobState.FAILED)
    return bool(failed.update(state=JobState.QUEUED, error="", attempts=0))


def waiting(now: datetime) -> Iterator[tuple[str, int]]:
    """Every two published versions that nobody has compared yet, for the workers."""
    published = list(Snapshot.objects.published().values_list("pk", flat=True))
    known = set(Comparison.objects.values_list("before", "after"))
    missing = [(before, after) for after, before in combinations(published, 2) if (before, after) not in known]
    if missing:
        rows = [Comparison(before_id=before, after_id=after) for before, after in missing]
        Comparison.objects.bulk_create(rows, ignore_conflicts=True)
    yield from jobs.each(Comparison, TASK)(now)


def _told(snapshot: Snapshot) -> dict[str, Any]:
    """What a published version itself tells of its changes."""
    try:
        told: dict[str, Any] = orjson.loads((snapshot.path / summary_name(snapshot)).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return told


def summary_name(snapshot: Snapshot) -> str:
    return f"{snapshot}.changes.json"
