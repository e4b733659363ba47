"""Whether a published snapshot is what its manifest says, and still what its votes give.

Nothing is written: the lines are derived once more and compared with the file as they come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from exports import derivation, differences, records, release_files, single_votes
from exports.errors import NotReproducible
from exports.filters import EVERYTHING
from exports.models import Snapshot
from exports.records import Selection
from sources.models import Instruction

type Progress = Callable[[int], None]  # called with the number of lines compared so far

# Lines between two calls of the progress.
BATCH = 5_000


@dataclass
class Report:
    """What was found. Lines are numbered from 1 in the published file."""

    lines: int = 0
    first: str = ""  # where the first difference is, and what stands there
    lost: dict[int, str] = field(default_factory=dict)  # lines that cannot be derived any more, and why
    changed: list[int] = field(default_factory=list)  # lines that would say something else, for no such reason
    added: int = 0  # lines that only the database gives
    statistics: str = ""  # the first field of the statistics that would differ though all lines are the same
    single_votes: str = ""  # that these would differ though all lines are the same

    @property
    def is_same(self) -> bool:
        return not (self.first or self.statistics or self.single_votes)


def verify(snapshot: Snapshot, on_progress: Progress = lambda _: None) -> Report:
    """Compare files, manifest and database; raise NotReproducible if the files are not those that were published.

    Of a registered snapshot only the files: nothing can derive its lines.
    """
    release_files.check_files(snapshot)
    if snapshot.is_registered:
        return Report(snapshot.manifest["instructions"])
    chosen = derivation.selection(snapshot)
    tally = derivation.tally(snapshot, chosen)
    path = snapshot.path / release_files.file_names(snapshot.version)["records"]
    digest = hashlib.sha256()
    singles = derivation.notes(snapshot, chosen, digest.update) if "single_votes" in snapshot.manifest else None
    with records.reading(chosen) as reader, path.open("rb") as published:
        with closing(reader.lines(tally.add, tally.voters, singles)) as again:
            report = _compared(published, again, on_progress)
        _say_filtered(report, snapshot, chosen)
        promised = snapshot.manifest["files"][path.name].get("rows", report.lines)
        if promised != report.lines:
            raise NotReproducible(f"{path}: has {report.lines:,} lines, but the manifest says {promised:,}")
        if not report.first:
            people = reader.annotators(tally.voters)
            measured = tally.summary(people, reader.sources())
            summary = {"version": snapshot.version, "aggregation": reader.aggregation, **measured}
            report.statistics = _difference(snapshot.statistics, orjson.loads(orjson.dumps(summary)))
            if singles:
                report.single_votes = _of_singles(snapshot, singles.facts(people), digest.hexdigest())
    return report


def _of_singles(snapshot: Snapshot, facts: dict[str, Any], digest: str) -> str:
    """How the single votes would differ from those that were published; empty if they are the same."""
    if found := _difference(snapshot.manifest["single_votes"], facts):
        return found
    file = snapshot.manifest["files"].get(f"{snapshot}.{single_votes.FORM}.jsonl")
    return "" if not file or file["sha256"] == digest else "answers or pseudonyms would be others"


def _id(record: dict[str, Any]) -> str:
    found: str = record["metadata"]["id"]
    return found


def _say_filtered(report: Report, snapshot: Snapshot, chosen: Selection) -> None:
    """Of lines that are lost though their votes are not all erased, that the filters leave out what is left."""
    erased = {number for number, reason in report.lost.items() if reason == differences.ERASED}
    if not erased or chosen.filters == EVERYTHING:
        return
    path = snapshot.path / release_files.file_names(snapshot.version)["records"]
    with path.open("rb") as file:
        told = [(number, orjson.loads(line)) for number, line in enumerate(file, start=1) if number in erased]
    digests = [bytes.fromhex(_id(record)) for _, record in told]
    among = tuple(Instruction.objects.filter(digest__in=digests).values_list("pk", flat=True))
    unfiltered = replace(chosen, filters=EVERYTHING, among=among, model="", mask_personal=False)
    with records.reading(unfiltered) as reader:
        left = {_id(record): record["metadata"]["n_votes"] for record in map(orjson.loads, reader.lines())}
    for number, record in told:
        if _id(record) in left:
            before, now = record["metadata"]["n_votes"], left[_id(record)]
            why = f"{before - now} of its {before} votes were erased, and " if now < before else ""
            report.lost[number] = f"{why}the filters leave it out now"


def _compared(published: Iterable[bytes], again: Iterator[bytes], on_progress: Progress) -> Report:
    report, gone = Report(), dict[int, str]()
    for number, line, other in differences.side_by_side(published, again):
        if line is None and other is not None:
            # Also where that is line 0: before the first.
            report.first = report.first or f"after line {report.lines} there would be {differences.id_of(other)}"
            report.added += 1
            continue
        report.lines = number
        if number % BATCH == 0:
            on_progress(number)
        if line is None or line == other:
            continue
        if other is None:
            report.first = report.first or f"line {number} cannot be derived any more"
            gone[number] = differences.id_of(line)
        else:
            _compare(report, number, orjson.loads(line), orjson.loads(other))
    report.lost |= dict(differences.reasons(list(gone.items())))
    report.lost = dict(sorted(report.lost.items()))
    return report


def _compare(report: Report, number: int, published: dict[str, Any], now: dict[str, Any]) -> None:
    where = _difference(published, now)
    report.first = report.first or f"line {number}, {where}"
    before, left = published["metadata"]["n_votes"], now["metadata"]["n_votes"]
    if left < before:
        # Votes are append-only and the cut is kept: fewer of them are left only where somebody had theirs erased.
        report.lost[number] = f"{before - left} of its {before} votes were erased"
    else:
        report.changed.append(number)


def _difference(published: Any, now: Any, path: str = "") -> str:
    """The first field in which two JSON values differ, with both values; empty if they are the same."""
    if isinstance(published, dict) and isinstance(now, dict):
        for key in {**published, **now}:
            if found := _difference(published.get(key), now.get(key), f"{path}.{key}" if path else key):
                return found
        return ""
    return "" if published == now else f"{path} was {_short(published)} and would be {_short(now)}"


def _short(value: Any, longest: int = 80) -> str:
    written = orjson.dumps(value).decode()
    return written if len(written) <= longest else f"{written[: longest - 1]}…"
