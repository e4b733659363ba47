"""Releases that were published elsewhere - OIG-moderation v0.1 and v0.2 - as snapshots that ours are compared with.

The file is kept as it was published. Beside it stand its lines as ours can be compared with: one for each text, with
``metadata.id``, in the order of the ids. Nothing of it can be derived from votes here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from exports import comparing, derivation, release_files, writers
from exports.changes import STATUSES
from exports.errors import SnapshotRefused
from exports.models import Snapshot, Standing
from exports.versions import validate_version
from labels import taxonomy
from sources import mapping, texts
from sources.importers.oig_moderation import IMPORTER
from sources.jobs import JobState
from sources.readers import blocks, json
from sources.readers.shards import WrongFile, compression_of
from sources.rows import InstructionRow, RejectedRow

ID = re.compile(r"[0-9a-f]{32}")

SPEC = taxonomy.read(taxonomy.SHIPPED / f"{mapping.LABEL_SET}.toml")
PUBLISHED, TAGS = SPEC.published, SPEC.tag_names
LABEL_SET = "OIG-moderation"
MOST_VOTES = 1 << 31

# Rows between two calls of the progress.
BATCH = 1_000


def _silent(_: object) -> None:
    """What nobody watches."""


@dataclass(frozen=True)
class Watch:
    """Who is told of each row that is rejected, and now and then of how many were read."""

    rejected: Callable[[RejectedRow], object] = _silent
    progress: Callable[[int], object] = _silent


@dataclass(frozen=True)
class Facts:
    """Where the file was published, and under what licence."""

    license: str = IMPORTER.license
    address: str = IMPORTER.address


UNWATCHED, FACTS = Watch(), Facts()


@dataclass
class Counts:
    """What became of the rows of a file: read = taken + repeated + rejected."""

    read: int = 0
    taken: int = 0
    repeated: int = 0  # of a text that an earlier row has; the first counts
    otherwise: int = 0  # of these, how many have other labels than the first
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    labels: Counter[str] = field(default_factory=Counter)  # of what was taken, base labels and tags
    without_label: int = 0

    def stored(self) -> dict[str, Any]:
        rejected = {reason: self.rejected[reason] for reason in sorted(self.rejected)}
        counted = {"read": self.read, "taken": self.taken, "repeated": self.repeated}
        return {**counted, "repeated_with_other_labels": self.otherwise, "rejected": rejected}


class Line(NamedTuple):
    """One row as it is kept."""

    public_id: str
    label: str
    labels: tuple[str, ...]
    written: bytes


type Place = tuple[str, int, int]  # the id of a line, where it begins in the unsorted file, and how long it is


def register(version: str, file: Path, facts: Facts = FACTS, watch: Watch = UNWATCHED) -> Snapshot:
    """Register a published file as this version; raise SnapshotRefused, and keep nothing, where that cannot be."""
    check(version)
    snapshot = Snapshot(
        version=version, is_registered=True, cut=0, state=JobState.FINISHED, standing=Standing.PUBLISHED
    )
    with release_files.workshop(snapshot) as folder:
        original = folder / f"{snapshot}.jsonl{compression_of(file.name)}"
        _copy(file, original)
        counts = _write_lines(original, file, comparing.lines_file(snapshot).name, watch)
        if not counts.taken:
            why = f"{', '.join(counts.rejected)}: correct it" if counts.read else "it is empty"
            raise SnapshotRefused(f"{file}: none of its {counts.read:,} rows can be taken; {why}, or name another file")
        _describe(snapshot, folder, {**asdict(facts), **counts.stored()}, counts)
        writers.sync_directory(folder)
        with transaction.atomic():
            snapshot.save(force_insert=True)
            release_files.move(folder, snapshot.path, release_files.manifest_name(version))
    writers.sync_directory(snapshot.path.parent)
    return snapshot


def check(version: str) -> None:
    """Raise SnapshotRefused unless a release can be registered as this version."""
    try:
        validate_version(version)
    except ValidationError as error:
        raise SnapshotRefused(error.message) from None
    if existing := Snapshot.objects.filter(version=version).first():
        what = "is registered already" if existing.is_registered else "was made here"
        raise SnapshotRefused(f"{existing} {what}: it stays as it is; choose another version")


def examine(file: Path, watch: Watch = UNWATCHED) -> Counts:
    """Read a file and keep nothing of it."""
    counts = Counts()
    for _ in _first_lines(file, file, counts, watch):
        pass
    return counts


def _copy(file: Path, target: Path) -> None:
    if not file.is_file():
        raise SnapshotRefused(f"{file}: is not there, or no file; name the published file")
    writers.copy(file, target)


def _write_lines(original: Path, named: Path, name: str, watch: Watch) -> Counts:
    """Write the lines in the order of their ids; only where each stands is kept in memory."""
    counts, places, start = Counts(), list[Place](), 0
    unsorted = original.with_name(f".{name}.unsorted")
    with unsorted.open("w+b", buffering=writers.BUFFER) as file:
        for line in _first_lines(original, named, counts, watch):
            places.append((line.public_id, start, len(line.written)))
            start += file.write(line.written)
        places.sort()
        writers.write_lines(original.with_name(name), _in_order(file, places))
    unsorted.unlink()
    return counts


def _in_order(file: BinaryIO, places: list[Place]) -> Iterator[bytes]:
    for _, start, length in places:
        file.seek(start)
        yield file.read(length)


def _first_lines(file: Path, named: Path, counts: Counts, watch: Watch) -> Iterator[Line]:
    """The first line of each text, while everything is counted."""
    labels = dict[str, tuple[str, ...]]()
    for row in _rows(file, named):
        counts.read += 1
        if counts.read % BATCH == 0:
            watch.progress(counts.read)
        line = _line(row) if isinstance(row, InstructionRow) else row
        if isinstance(line, RejectedRow):
            counts.rejected[line.reason] += 1
            watch.rejected(line)
        elif line.public_id in labels:
            counts.repeated += 1
            counts.otherwise += labels[line.public_id] != line.labels
        else:
            labels[line.public_id] = line.labels
            counts.taken += 1
            counts.labels.update(line.labels)
            counts.without_label += not line.label
            yield line


def _rows(file: Path, named: Path) -> Iterator[InstructionRow | RejectedRow]:
    rows = IMPORTER.reader({}).rows
    try:
        for where, record in json.records(blocks.decompressed(file), settings.IMPORT_MAX_LINE_BYTES, 1, "line"):
            yield from (record,) if isinstance(record, RejectedRow) else rows(where, record)
    except WrongFile as error:
        raise SnapshotRefused(str(error).replace(str(file), str(named))) from None


def _line(row: InstructionRow) -> Line | RejectedRow:
    """The row as it is kept, or why it is not."""
    turns = texts.normalise(row.turns)
    problem = texts.refusal(turns, settings.INSTRUCTION_MAX_CHARACTERS, settings.INSTRUCTION_MAX_TURNS)
    if problem:
        return RejectedRow(row.row, *problem)
    metadata = row.source_labels.get("metadata")
    told = metadata if isinstance(metadata, dict) else {}
    spelled = _spelled(row.source_labels.get("labels"))
    # Ours say so where there is no label.
    if not spelled and told.get("label") != "":
        detail = "has no labels in 'labels', 'metadata.labels' or behind 'Output:': add them"
        return RejectedRow(row.row, "no labels", detail)
    if unknown := [name for name in spelled if name not in {*PUBLISHED, *TAGS}]:
        known = ", ".join((*PUBLISHED, *TAGS))
        detail = f"has the label {texts.printable(unknown[0], 80)!r} in 'labels': correct it; known are {known}"
        return RejectedRow(row.row, "unknown label", detail)
    base = [name for name in PUBLISHED if name in spelled]
    if len(base) > 1:
        detail = f"has {len(base)} base labels in 'labels' ({', '.join(base)}): leave one"
        return RejectedRow(row.row, "several base labels", detail)
    label, labels = "".join(base), (*base, *(name for name in TAGS if name in spelled))
    given = told.get("id")
    public_id = given if isinstance(given, str) and ID.fullmatch(given) else texts.digest(turns).hex()
    kept = {"id": public_id, "label": label, "labels": labels, **_judged(told)}
    written = orjson.dumps({"text": texts.oig_text(turns), "metadata": kept}, option=orjson.OPT_APPEND_NEWLINE)
    return Line(public_id, label, labels, written)


def _spelled(labels: Any) -> list[str]:
    """Labels one by one: a text separates them with ``|``."""
    parts = labels if isinstance(labels, list) else [labels] if labels is not None else []
    return [word for part in parts for one in str(part).split("|") if (word := one.strip().lower())]


def _judged(told: dict[str, Any]) -> dict[str, Any]:
    """Of a release of another installation, the votes and their agreement."""
    votes, agreement = told.get("votes"), told.get("agreement")
    is_counted = isinstance(votes, dict) and all(
        name in PUBLISHED and isinstance(n, int) and 0 <= n < MOST_VOTES for name, n in votes.items()
    )
    kept = {"votes": votes} if is_counted else {}
    return kept | ({"agreement": agreement} if agreement in STATUSES else {})


def _describe(snapshot: Snapshot, folder: Path, facts: dict[str, Any], counts: Counts) -> None:
    """Give the snapshot its statistics and its manifest, which is written too."""
    named = {"name": LABEL_SET, "revision": 0, "rule": ""}
    snapshot.statistics = {
        "version": snapshot.version,
        "label_set": {**named, "published": list(PUBLISHED), "tags": list(TAGS)},
        "instructions": counts.taken,
        "labels": {name: counts.labels[name] for name in (*PUBLISHED, *TAGS)},
        "without_base_label": counts.without_label,
    }
    rows = {comparing.lines_file(snapshot).name: counts.taken}
    files = sorted(path for path in folder.iterdir() if path.is_file())
    snapshot.manifest = {
        "format": derivation.MANIFEST_FORMAT,
        "version": snapshot.version,
        "registered": facts,
        "label_set": named,
        "instructions": counts.taken,
        "votes": 0,
        "simulated_votes": 0,
        "files": {
            path.name: writers.fingerprint(path) | ({"rows": rows[path.name]} if path.name in rows else {})
            for path in files
        },
    }
    writers.write_json(folder / release_files.manifest_name(snapshot.version), snapshot.manifest)
    snapshot.lines_done = snapshot.lines_total = counts.taken
    snapshot.finished_at = timezone.now()
