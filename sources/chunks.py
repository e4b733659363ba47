"""Chunks: the rows of one piece of a shard are written in one transaction, together with the counts that include them.

A worker may die anywhere: its transaction is rolled back, the chunk's lease lapses, and another worker writes the
chunk. The rows are those of an undisturbed import.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DataError, connection, transaction
from django.utils import timezone

from labels.errors import LabelsError
from sources import augmenters, gate, importers, jobs, parents, readers, screening, texts, writing
from sources.acceptance import LONGEST_IDENTITY, Acceptance, Accepted
from sources.errors import SourceError
from sources.importers.importer import Importer, Rows
from sources.jobs import JobState, LostLease
from sources.models import ImportChunk, ImportRun, TakeDown
from sources.models.imports import OFFENDERS_KEPT
from sources.readers import Limits, Piece, Shard, csv
from sources.readers.blocks import plain
from sources.rows import InstructionRow, RejectedRow, SourceVote, VoteCounts

type Records = Iterable[tuple[str, Any]]
type VoteWriter = Callable[[ImportRun, str, Sequence[tuple[int, Sequence[SourceVote]]]], VoteCounts]

# What is kept of the words of a file, so that no file makes a report grow without end.
REASONS_KEPT = 50
OTHER_REASONS = "other reasons"
# What of a file's name stands before the line, where an import has several files.
LONGEST_NAME = 60

_vote_writer: VoteWriter | None = None


class GivenUp(SourceError):
    """{chunk}: the worker was lost {attempts} times in a row: see its log, then resume the import"""


def register_vote_writer(writer: VoteWriter) -> None:
    """Say who stores the votes that come with instructions; called in the transaction of each chunk."""
    global _vote_writer  # noqa: PLW0603
    _vote_writer = writer


def limits() -> Limits:
    """How much of a file is read at once, and unpacked at all."""
    return Limits(line_bytes=settings.IMPORT_MAX_LINE_BYTES, staged_bytes=settings.IMPORT_MAX_STAGED_BYTES)


def row_limits() -> tuple[int, int, int]:
    """How many characters, turns, and levels of its labels a row may have."""
    return settings.INSTRUCTION_MAX_CHARACTERS, settings.INSTRUCTION_MAX_TURNS, settings.INSTRUCTION_MAX_NESTING


def format_of(run: ImportRun) -> Importer:
    """The importer or the augmenter of the run. Raises SourceError."""
    return augmenters.get(run.format) if run.is_augmentation else importers.get(run.format)


def take_next(run: ImportRun, *, holds_run: bool = False) -> ImportChunk | None:
    """A chunk of ``run`` for this worker, or None. ``holds_run`` says that the caller has the run's own lease."""
    with transaction.atomic():
        waiting = ImportChunk.objects.waiting(timezone.now(), holds_run=holds_run).filter(run=run)
        chunk: ImportChunk | None = waiting.order_by("number").select_for_update(skip_locked=True, of=("self",)).first()
        if chunk is None or not chunk.take():
            return None
    return chunk


def work(chunk: ImportChunk) -> None:
    """Write the chunk that was taken; what trying again would not change fails the whole run.

    An outage of the database propagates: the chunk's lease lapses and somebody takes it again.
    """
    with suppress(LostLease), jobs.heartbeat(chunk):
        try:
            if chunk.attempts > jobs.FRUITLESS_ATTEMPTS:
                raise GivenUp(chunk=chunk, attempts=chunk.attempts - 1)
            seen = _seen(chunk)
            with transaction.atomic():
                gate.bring_in()
                content = _content(seen)
                _finish(chunk, content, _as_before(chunk, content) or _write(chunk))
        except (SourceError, LabelsError, DataError) as error:
            _fail(chunk, texts.printable(str(error)))


def _finish(chunk: ImportChunk, content: bytes | None, result: dict[str, Any]) -> None:
    # Locked, so that of two last chunks the second sees that the first is done; before the chunk, as by who cancels.
    run = ImportRun.objects.select_for_update(no_key=True).get(pk=chunk.run_id)
    chunk.finish(content=content, **result)
    if run.state == JobState.RUNNING and not run.chunks.exclude(state=JobState.FINISHED).exists():
        # What was unpacked is removed next: a server that crashes then must not forget that all was written.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = on")
        ImportRun.objects.filter(pk=run.pk).update(
            state=JobState.FINISHED, finished_at=timezone.now(), error="", lease_token=None, lease_until=None
        )


@transaction.atomic
def _fail(chunk: ImportChunk, error: str) -> None:
    ImportRun.objects.select_for_update(no_key=True).get(pk=chunk.run_id)
    chunk.fail(error)
    stop(chunk.run, JobState.FAILED, error)


def stop(run: ImportRun, state: JobState, error: str = "") -> None:
    """End what is left of the run, in the caller's transaction; workers in the middle of a chunk lose their lease."""
    chunks = run.chunks.filter(state__in=[JobState.QUEUED, JobState.RUNNING])
    chunks.update(state=JobState.CANCELLED, lease_token=None, lease_until=None)
    runs = ImportRun.objects.filter(pk=run.pk, state__in=[JobState.QUEUED, JobState.RUNNING])
    runs.update(state=state, error=error, finished_at=timezone.now(), lease_token=None, lease_until=None)


def _seen(chunk: ImportChunk) -> bytes | None:
    """A digest of the chunk's bytes and of what its rows are made with; None where they have to be read again.

    That is what an augmentation makes, and votes, which the labels of a campaign decide on too.
    """
    run = chunk.run
    if run.is_augmentation or run.in_order:
        return None
    shard = Shard(**run.shards[chunk.shard])
    readers.check_unchanged(shard)
    recipe = [
        importers.fingerprint(),
        run.format,
        sorted(run.options.items()),
        chunk.first,
        shard.name if len(run.shards) > 1 else "",
        limits(),
        row_limits(),
    ]
    seen = blake2b(repr(recipe).encode(), digest_size=16)
    for block in _bytes(shard, chunk):
        seen.update(block)
    return seen.digest()


def _content(seen: bytes | None) -> bytes | None:
    """``seen``, and what was taken down so far: after a take-down everything is read again."""
    last = TakeDown.objects.order_by("-id").values_list("id", flat=True).first()
    return blake2b(seen + repr(last).encode(), digest_size=16).digest() if seen else None


def _bytes(shard: Shard, chunk: ImportChunk) -> Iterator[bytes]:
    """What decides the records of the chunk: its bytes, or of a Parquet file its place in those of the whole."""
    path = Path(shard.path)
    if shard.form == "parquet":
        yield f"{shard.sha256} {chunk.start} {chunk.end}".encode()
        return
    if shard.form == "csv":
        yield repr(csv.header_of(plain(path), limits().line_bytes, shard.delimiter, path)).encode()
    yield from plain(path, chunk.start, chunk.end)


def _as_before(chunk: ImportChunk, content: bytes | None) -> dict[str, Any] | None:
    """The result, if this source was given the same bytes before: every row that was taken then is known now."""
    done = ImportChunk.objects.filter(content=content, run__source=chunk.run.source_id, state=JobState.FINISHED)
    before = done.first() if content else None
    if before is None:
        return None
    return {
        "read": before.read,
        "known": before.added + before.known,
        "rejected": before.rejected,
        "votes_known": before.votes_added + before.votes_known,
        "votes_repeated": before.votes_repeated,
        "votes_rejected": before.votes_rejected,
        "reasons": before.reasons,
        "unmapped": before.unmapped,
        "first_offenders": before.first_offenders,
    }


def _piece(chunk: ImportChunk) -> Piece:
    return Piece(chunk.start, chunk.end, chunk.first)


@dataclass(slots=True)
class _Tally:
    """What is counted while the rows of a chunk pass by."""

    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    first: list[RejectedRow] = field(default_factory=list)
    votes: list[tuple[bytes, Sequence[SourceVote]]] = field(default_factory=list)

    def reject(self, row: RejectedRow) -> None:
        self.rejected += 1
        _count(self.reasons, row.reason)
        if len(self.first) < OFFENDERS_KEPT:
            self.first.append(row)

    def accept(self, row: Accepted, *, has_votes: bool) -> None:
        for label in row.unmapped:
            _count(self.unmapped, label)
        if has_votes and row.votes:
            self.votes.append((row.digest, row.votes))


def _write(chunk: ImportChunk) -> dict[str, Any]:
    tally, run = _Tally(), chunk.run
    written = writing.write(chunk, _accepted(chunk, _records(chunk), tally))
    for refused in written.refused:
        tally.reject(refused)
    if written.lowest is not None and written.highest is not None:
        screening.request(written.lowest, written.highest)
    votes = _write_votes(run, tally)
    for reason, count in votes.reasons.items():
        _count(tally.reasons, reason, count)
    return {
        "read": written.accepted + tally.rejected,
        "added": written.added,
        "known": written.accepted - written.added,
        "rejected": tally.rejected,
        "votes_added": votes.added,
        "votes_known": votes.known,
        "votes_repeated": votes.repeated,
        "votes_rejected": votes.rejected,
        "reasons": dict(tally.reasons),
        "unmapped": dict(tally.unmapped),
        "first_offenders": _offenders(tally, votes),
    }


def _accepted(chunk: ImportChunk, records: Records, tally: _Tally) -> Iterator[Accepted]:
    importer = format_of(chunk.run)
    reader = importer.reader(chunk.run.options)
    judge = Acceptance(*row_limits(), reader.label_map).judge
    has_votes = importer.label_set is not None
    for row in _rows(records, reader.rows):
        judged = judge(row) if isinstance(row, InstructionRow) else row
        if isinstance(judged, Accepted):
            tally.accept(judged, has_votes=has_votes)
            yield judged
        else:
            tally.reject(judged)


def _rows(records: Records, read: Callable[[str, Any], Rows]) -> Rows:
    for where, record in records:
        if isinstance(record, RejectedRow):
            yield record
        else:
            yield from read(where, record)


def _records(chunk: ImportChunk) -> Records:
    run = chunk.run
    if run.augments is not None:
        # All of them now: while rows are copied into the database, its connection can ask for nothing.
        return list(parents.records(run.augments, chunk.start, chunk.end))
    shard = Shard(**run.shards[chunk.shard])
    found = readers.records(shard, _piece(chunk), limits())
    # Of several files, each has a line 7.
    return found if len(run.shards) == 1 else ((f"{shard.name[:LONGEST_NAME]}: {at}", record) for at, record in found)


def _write_votes(run: ImportRun, tally: _Tally) -> VoteCounts:
    label_set = format_of(run).label_set
    if label_set is None or not tally.votes:
        return VoteCounts()
    if _vote_writer is None:
        raise RuntimeError("no app has registered a writer of votes (sources.chunks.register_vote_writer)")
    # Refused texts have no id, and no votes.
    known = writing.ids([digest for digest, _ in tally.votes])
    return _vote_writer(run, label_set, [(known[digest], votes) for digest, votes in tally.votes if digest in known])


def _count(counted: Counter[str], name: str, number: int = 1) -> None:
    name = texts.printable(name, 120)
    if name not in counted and len(counted) >= REASONS_KEPT:
        name = OTHER_REASONS
    counted[name] += number


def _offenders(tally: _Tally, votes: VoteCounts) -> list[dict[str, str]]:
    """The first rows and the first votes that were not taken; a vote's entry names no row of its own."""
    rows = [
        {
            "row": texts.printable(row.row, LONGEST_IDENTITY),
            "reason": row.reason,
            "detail": texts.printable(row.detail),
        }
        for row in tally.first
    ]
    said = [{"row": "", "reason": "vote", "detail": texts.printable(sentence)} for sentence in votes.offenders]
    return rows + said[:OFFENDERS_KEPT]
