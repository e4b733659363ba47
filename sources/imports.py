"""Imports: a file becomes instructions, their provenance, and where the source has them, votes.

Rows are written in batches. One transaction holds a batch's rows, the counters that include it and the renewal of the
job's lease, so a worker may die anywhere: the next one skips the rows that the counters say were read and goes on,
and the rows are those of an undisturbed import.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.files import File
from django.db import DataError, connection, transaction

from labels.errors import LabelsError
from sources import files, importers, texts
from sources.errors import SourceError
from sources.importers.importer import Importer, Rows
from sources.jobs import LostLease
from sources.models import ImportRun, Source
from sources.rows import InstructionRow, RejectedRow, SourceVote, Turn, VoteCounts

type VoteWriter = Callable[[ImportRun, str, Sequence[tuple[int, Sequence[SourceVote]]]], VoteCounts]
type Progress = Callable[[ImportRun], None]

# A batch ends at either, so that it takes a second or so: far less than a lease.
BATCH_ROWS = 2_000
BATCH_CHARACTERS = 4_000_000
# A file of which none of these can be read is not in the format.
FIRST_ROWS = 100
# As many of the longest lines are read for that.
FIRST_LINES = 4
OFFENDERS_KEPT = 20
REASONS_KEPT = 50
OTHER_REASONS = "other reasons"
# A worker that is lost this often without one batch in between is killed by the file (it takes all memory, say).
FRUITLESS_ATTEMPTS = 5
# As long as the columns that hold them; and of an annotator's name, what leaves room for the source's.
LONGEST_PATH, LONGEST_IDENTITY, LONGEST_LANGUAGE, LONGEST_ANNOTATOR = 1000, 120, 20, 60

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_vote_writer: VoteWriter | None = None


class NothingReadable(SourceError):
    """{path}: {problem}: check that the format is {format}"""


class FileChanged(SourceError):
    """{path}: has other content than when the import began: import it anew"""


class GivenUp(SourceError):
    """{path}: the worker was lost {attempts} times in a row after row {read:,}: see its log, then import again"""


class WrongPath(SourceError):
    """{path}: {problem}: {remedy}"""


def register_vote_writer(writer: VoteWriter) -> None:
    """Say who stores the votes that come with instructions; called in the transaction of each batch."""
    global _vote_writer  # noqa: PLW0603
    _vote_writer = writer


def start(
    source: Source,
    format_name: str,
    *,
    path: Path | None = None,
    upload: File[bytes] | None = None,
    options: Mapping[str, str] | None = None,
    started_by: Any = None,
) -> ImportRun:
    """A queued import of the file at ``path``, or of ``upload``, which is stored. Saves ``source`` if it is new.

    Raises SourceError, and has written nothing, if format, options or the beginning of the file are wrong.
    """
    importers.get(format_name).check_options(options or {})
    run = ImportRun(source=source, format=format_name, options=dict(options or {}), started_by=started_by)
    if upload is None:
        run.path = _absolute(path)
        return _begin(run)
    run.upload.save(Path(str(upload.name)).name, upload, save=False)
    try:
        return _begin(run)
    except SourceError:
        run.upload.delete(save=False)
        raise


def again(run: ImportRun, started_by: Any = None) -> ImportRun:
    """A new import of the same file with the same options. Raises SourceError."""
    copy = ImportRun(source=run.source, format=run.format, path=run.path, options=run.options, started_by=started_by)
    copy.upload = run.upload.name
    return _begin(copy)


def work(run: ImportRun, on_progress: Progress | None = None, *, seconds: float = math.inf) -> None:
    """Import what is left, unless the job is done or another worker holds it. An outage of the database propagates.

    After about ``seconds`` the run is queued again, for others to have their turn.
    """
    if run.take():
        proceed(run, on_progress, seconds=seconds)


def proceed(run: ImportRun, on_progress: Progress | None = None, *, seconds: float = math.inf) -> None:
    """Import what is left under the lease that the caller took; what trying again would not change fails the run."""
    with suppress(LostLease):
        try:
            _import_rest(run, on_progress, seconds)
        except (SourceError, LabelsError, DataError) as error:
            run.fail(printable(str(error)))


def printable(text: str, longest: int = 500) -> str:
    """``text`` on one line, with what no terminal or database takes written as escapes, cut at ``longest``."""
    text = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _absolute(path: Path | None) -> str:
    if path is None or not path.name:
        raise WrongPath(path=path or "path", problem="names no file", remedy="upload a file or name one")
    absolute = str(path.expanduser().absolute())
    if "\0" in absolute or len(absolute) > LONGEST_PATH:
        raise WrongPath(path=printable(absolute, 80), problem="is no path that can be kept", remedy="shorten it")
    return absolute


def _begin(run: ImportRun) -> ImportRun:
    importer = importers.get(run.format)
    files.check(run.file)
    # A web request waits for this.
    with files.SourceFile(
        run.file, settings.IMPORT_MAX_LINE_BYTES, FIRST_LINES * settings.IMPORT_MAX_LINE_BYTES
    ) as file:
        _check_format(importer, file.path, importer.read(file, run.options))
    stated = run.file.stat()
    run.bytes_total, run.modified_ns = stated.st_size, stated.st_mtime_ns
    with transaction.atomic():
        if not run.source.pk:
            run.source.save()
            run.source_id = run.source.pk
        run.save()
    return run


def _check_format(importer: Importer, path: Path, rows: Rows) -> None:
    first: RejectedRow | None = None
    for row in islice(rows, FIRST_ROWS):
        if isinstance(row, InstructionRow):
            return
        first = first or row
    problem = printable(f"{first.row}: {first.detail}; no row before or after it is better") if first else "has no rows"
    raise NothingReadable(path=path, problem=problem, format=importer.name)


def _import_rest(run: ImportRun, on_progress: Progress | None, seconds: float) -> None:
    importer = importers.get(run.format)
    if run.attempts > FRUITLESS_ATTEMPTS:
        raise GivenUp(path=run.file, attempts=run.attempts - 1, read=run.read)
    tick = _lease_keeper(run)
    _check_unchanged(run, tick)
    with files.SourceFile(run.file, settings.IMPORT_MAX_LINE_BYTES) as file:
        rows = importer.read(file, run.options)
        began = time.monotonic()
        for _ in islice(rows, run.read):
            tick()
        # Not shorter than the way back to the place took: else a turn in a large file would be little but that.
        deadline = time.monotonic() + max(seconds, time.monotonic() - began)
        for batch in _batches(rows, tick):
            _commit(run, importer, batch, file.bytes_read)
            if on_progress:
                on_progress(run)
            if time.monotonic() > deadline:
                return run.put_back()
    return run.finish(bytes_read=run.bytes_total)


def _lease_keeper(run: ImportRun) -> Callable[[], None]:
    """To be called often where nothing is written: renews the lease when a quarter of it has passed."""
    quarter = settings.JOB_LEASE.total_seconds() / 4
    due = time.monotonic() + quarter

    def tick() -> None:
        nonlocal due
        if time.monotonic() > due:
            run.renew()
            due = time.monotonic() + quarter

    return tick


def _check_unchanged(run: ImportRun, tick: Callable[[], None]) -> None:
    files.check(run.file)
    now = run.file.stat()
    # Uploads are nobody's to change, and have another time where the folder was restored from a backup.
    is_newer = bool(run.path) and run.modified_ns not in (None, now.st_mtime_ns)
    if now.st_size != run.bytes_total or is_newer:
        raise FileChanged(path=run.file)
    if not run.read:
        files.prove_whole(run.file, tick)


def _batches(rows: Rows, tick: Callable[[], None]) -> Iterator[list[InstructionRow | RejectedRow]]:
    batch: list[InstructionRow | RejectedRow] = []
    characters = 0
    for row in rows:
        # Lines that are too long take their time, and none of the batch's characters.
        tick()
        batch.append(row)
        if isinstance(row, InstructionRow):
            characters += sum(len(turn["text"]) for turn in row.turns)
        if len(batch) >= BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class _Written(NamedTuple):
    ids: dict[bytes, int]  # instruction ids by digest
    added: int


@dataclass(frozen=True, slots=True)
class _Accepted:
    row: InstructionRow
    digest: bytes
    turns: list[Turn]
    labels: str  # JSON


@transaction.atomic
def _commit(run: ImportRun, importer: Importer, batch: Sequence[InstructionRow | RejectedRow], bytes_read: int) -> None:
    judged = [_accept(row) if isinstance(row, InstructionRow) else row for row in batch]
    accepted = [row for row in judged if isinstance(row, _Accepted)]
    rejected = [row for row in judged if isinstance(row, RejectedRow)]
    first = {row.digest: row for row in reversed(accepted)}
    written = _write_instructions(first)
    _write_provenance(run, first, written.ids)
    votes = _write_votes(run, importer, accepted, written.ids)
    progress = {
        "bytes_read": bytes_read,
        "read": run.read + len(batch),
        "added": run.added + written.added,
        "known": run.known + len(accepted) - written.added,
        "rejected": run.rejected + len(rejected),
        "votes_added": run.votes_added + votes.added,
        "votes_known": run.votes_known + votes.known,
        "votes_repeated": run.votes_repeated + votes.repeated,
        "votes_rejected": run.votes_rejected + votes.rejected,
        "reasons": _reasons(run, rejected, votes),
        "first_offenders": _offenders(run, rejected, votes),
        "attempts": 0,
    }
    run.renew(**progress)
    for field, value in progress.items():
        setattr(run, field, value)


def _accept(row: InstructionRow) -> _Accepted | RejectedRow:
    turns = texts.normalise(row.turns)
    try:
        labels = json.dumps(row.source_labels, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return RejectedRow(row.row, "unusable labels", "has labels that are nested too deep or no numbers: remove them")
    limits = (settings.INSTRUCTION_MAX_CHARACTERS, settings.INSTRUCTION_MAX_TURNS)
    problem = texts.refusal(turns, *limits) or _label_problem(labels) or _name_problem(row)
    if problem:
        return RejectedRow(row.row, *problem)
    return _Accepted(row, texts.digest(turns, row.conversation), turns, labels)


def _label_problem(labels: str) -> tuple[str, str] | None:
    if len(labels) > settings.INSTRUCTION_MAX_CHARACTERS:
        return "too long", f"has labels of {len(labels):,} characters: keep fewer columns"
    problem = "NUL character" if _ESCAPED_NUL.search(labels) else texts.unstorable(labels)
    return (problem, f"has a {problem} in its labels: remove it") if problem else None


def _name_problem(row: InstructionRow) -> tuple[str, str] | None:
    """What is wrong with the short texts that name the row, its language and who voted."""
    if row.language and not (len(row.language) <= LONGEST_LANGUAGE and _LANGUAGE.fullmatch(row.language)):
        return "wrong language", f"has language {printable(row.language, 30)!r}: write a BCP 47 tag such as en or pt-BR"
    if texts.unstorable(row.row) or len(row.row) > LONGEST_IDENTITY:
        return (
            "wrong identity",
            f"has identity {printable(row.row, 40)!r}: use at most {LONGEST_IDENTITY} ordinary characters",
        )
    for vote in row.votes:
        name = vote.annotator or ""
        if texts.unstorable(name) or len(name) > LONGEST_ANNOTATOR:
            shown = printable(name, 40)
            return "wrong annotator", f"has annotator {shown!r}: use at most {LONGEST_ANNOTATOR} ordinary characters"
    return None


def _write_instructions(rows: Mapping[bytes, _Accepted]) -> _Written:
    """Insert what is new. In the order of the digests, so that two imports wait for each other in one direction."""
    digests = sorted(rows)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO sources_instruction (digest, turns, language, created_at)
            SELECT digest, turns::jsonb, language, now()
            FROM unnest(%s::bytea[], %s::text[], %s::text[]) AS given (digest, turns, language)
            ORDER BY digest
            ON CONFLICT (digest) DO NOTHING
            RETURNING digest, id
            """,
            [
                digests,
                [json.dumps(rows[digest].turns, ensure_ascii=False) for digest in digests],
                [rows[digest].row.language for digest in digests],
            ],
        )
        new = {bytes(digest): pk for digest, pk in cursor.fetchall()}
        cursor.execute(
            "SELECT digest, id FROM sources_instruction WHERE digest = ANY(%s::bytea[])",
            [[digest for digest in digests if digest not in new]],
        )
        known = {bytes(digest): pk for digest, pk in cursor.fetchall()}
    return _Written(ids=new | known, added=len(new))


def _write_provenance(run: ImportRun, rows: Mapping[bytes, _Accepted], ids: Mapping[bytes, int]) -> None:
    ordered = sorted(rows, key=ids.__getitem__)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO sources_provenance (instruction_id, source_id, run_id, "row", source_labels, created_at)
            SELECT instruction, %s, %s, place, labels::jsonb, now()
            FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS given (instruction, place, labels)
            ORDER BY instruction
            ON CONFLICT (instruction_id, source_id) DO NOTHING
            """,
            [
                run.source_id,
                run.pk,
                [ids[digest] for digest in ordered],
                [rows[digest].row.row for digest in ordered],
                [rows[digest].labels for digest in ordered],
            ],
        )


def _write_votes(run: ImportRun, importer: Importer, rows: Sequence[_Accepted], ids: Mapping[bytes, int]) -> VoteCounts:
    pairs = [(ids[row.digest], row.row.votes) for row in rows if row.row.votes]
    if importer.label_set is None or not pairs:
        return VoteCounts()
    if _vote_writer is None:
        raise RuntimeError("no app has registered a writer of votes (sources.imports.register_vote_writer)")
    return _vote_writer(run, importer.label_set, pairs)


def _reasons(run: ImportRun, rejected: Iterable[RejectedRow], votes: VoteCounts) -> dict[str, int]:
    """The run's reasons with this batch's. A file cannot make their number grow without end."""
    reasons = dict(run.reasons)
    for reason, count in (Counter(row.reason for row in rejected) + Counter(votes.reasons)).items():
        key = printable(reason, 120)
        if key not in reasons and len(reasons) >= REASONS_KEPT:
            key = OTHER_REASONS
        reasons[key] = reasons.get(key, 0) + count
    return reasons


def _offenders(run: ImportRun, rejected: Sequence[RejectedRow], votes: VoteCounts) -> list[dict[str, str]]:
    """The first rows and the first votes that were not taken, 20 of each; a vote's entry names no row of its own."""
    rows = [entry for entry in run.first_offenders if entry["row"]]
    said = [entry for entry in run.first_offenders if not entry["row"]]
    rows += [
        {"row": printable(row.row, LONGEST_IDENTITY), "reason": row.reason, "detail": printable(row.detail)}
        for row in rejected[: OFFENDERS_KEPT - len(rows)]
    ]
    said += [
        {"row": "", "reason": "vote", "detail": printable(sentence)}
        for sentence in votes.offenders[: OFFENDERS_KEPT - len(said)]
    ]
    return rows + said
