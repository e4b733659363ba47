"""Imports: files become instructions, their provenance, and where the source has them, votes.

An import is planned once: its files are fetched, unpacked and cut into pieces, and each piece becomes a chunk, a job
that any worker may take (``sources.chunks``). An augmentation is an import whose records are instructions of a source.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from typing import Any

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from sources import augmenters, chunks, importers, jobs, origins, parents, readers, texts
from sources.errors import SourceError
from sources.importers.importer import Importer
from sources.jobs import JobState, LostLease
from sources.models import ImportChunk, ImportRun, Source
from sources.readers import Piece, Shard
from sources.rows import InstructionRow, RejectedRow

type Progress = Callable[[ImportRun], None]
# Called often while files are read: raises LostLease when the import was cancelled or taken over.
type Tick = Callable[[], None]

LONGEST_ORIGIN = 1000
# What beat sends for one run at a time; each message that is taken sends the next, behind what waits by then.
MOST_MESSAGES = 16


class NothingReadable(SourceError):
    """{path}: {problem}: check that the format is {format}"""


class TooManyRows(SourceError):
    """{path}: has more than {most:,} rows: split it, or raise OIG_IMPORT_MAX_ROWS"""


class WrongOrigin(SourceError):
    """{origin}: {problem}: {remedy}"""


class NotResumable(SourceError):
    """{run} is {state}: only a failed or cancelled one is resumed; import again instead"""


def start(
    source: Source,
    format_name: str,
    *,
    origin: str | Path = "",
    upload: File[bytes] | None = None,
    options: Mapping[str, str] | None = None,
    started_by: Any = None,
) -> ImportRun:
    """A queued import of what ``origin`` names, or of ``upload``, which is stored. Saves ``source`` if it is new.

    Raises SourceError, and has written nothing, if format, options or the beginning of a local file are wrong.
    """
    importer = importers.get(format_name)
    importer.check_options(options or {})
    run = ImportRun(source=source, format=format_name, options=dict(options or {}), started_by=started_by)
    run.in_order = importer.label_set is not None
    if upload is None:
        run.origin = _absolute(str(origin))
        return _begin(run)
    run.upload.save(Path(str(upload.name)).name, upload, save=False)
    try:
        return _begin(run)
    except SourceError:
        run.upload.delete(save=False)
        raise


def augment(
    source: Source,
    augmenter_name: str,
    into: Source,
    *,
    options: Mapping[str, str] | None = None,
    started_by: Any = None,
) -> ImportRun:
    """A queued augmentation of the instructions of ``source``; what it makes belongs to ``into``, saved if it is new.

    Raises SourceError, also where the augmenter needs a screening that is not done.
    """
    augmenter = augmenters.get(augmenter_name)
    augmenter.check_options(options or {})
    if augmenter.needs_screening and (missing := parents.not_screened(source)):
        raise missing
    run = ImportRun(
        source=into, format=augmenter_name, augments=source, options=dict(options or {}), started_by=started_by
    )
    with transaction.atomic():
        return _saved(run)


def again(run: ImportRun, started_by: Any = None) -> ImportRun:
    """A new import of the same file with the same options. Raises SourceError."""
    copy = ImportRun(
        source=run.source,
        format=run.format,
        origin=run.origin,
        augments=run.augments,
        options=run.options,
        in_order=run.in_order,
        started_by=started_by,
    )
    copy.upload = run.upload.name
    return _begin(copy)


@transaction.atomic
def cancel(run: ImportRun) -> bool:
    """Stop the import: what is written stays, the rest waits to be resumed. False if it had ended."""
    locked = ImportRun.objects.select_for_update(no_key=True).get(pk=run.pk)
    if locked.state not in {JobState.QUEUED, JobState.RUNNING}:
        return False
    chunks.stop(locked, JobState.CANCELLED)
    run.refresh_from_db()
    return True


@transaction.atomic
def resume(run: ImportRun, *, here: bool = False) -> None:
    """Go on with what a failed or cancelled import left; ``here`` takes it for the caller. Raises NotResumable."""
    locked = ImportRun.objects.select_for_update(no_key=True).get(pk=run.pk)
    if locked.state not in {JobState.FAILED, JobState.CANCELLED}:
        raise NotResumable(run=run, state=locked.get_state_display())
    left = locked.chunks.exclude(state=JobState.FINISHED)
    left.update(state=JobState.QUEUED, attempts=0, error="", finished_at=None)
    # One that was never planned is planned now.
    state = JobState.RUNNING if locked.planned_at and not here else JobState.QUEUED
    ImportRun.objects.filter(pk=run.pk).update(state=state, attempts=0, error="", finished_at=None)
    run.refresh_from_db()
    if here:
        run.take()


def work(run: ImportRun, on_progress: Progress | None = None) -> None:
    """Do the whole import here and now, unless it is done or somebody else is at it."""
    if run.take():
        proceed(run, on_progress)


def proceed(run: ImportRun, on_progress: Progress | None = None) -> None:
    """Do the whole import under the run's lease that the caller took; no worker takes a chunk of it meanwhile."""
    with suppress(LostLease), jobs.heartbeat(run) as beat:
        try:
            if run.planned_at is None and not _planned(run, beat.check):
                return
        except origins.TemporaryFailure as error:
            run.fail(texts.printable(str(error)))
            return
        while chunk := chunks.take_next(run, holds_run=True):
            chunks.work(chunk)
            beat.check()
            run.refresh_from_db()
            if on_progress:
                on_progress(run)
    run.refresh_from_db()
    if run.state == JobState.FINISHED:
        clean_up(run)


def plan(run: ImportRun) -> bool:
    """Fetch, unpack and cut what is imported, then let go of the run, whose chunks are for all. True if planned."""
    if not run.take() or run.is_given_up():
        return False
    with suppress(LostLease), jobs.heartbeat(run) as beat:
        try:
            return _planned(run, beat.check, lease_token=None, lease_until=None)
        except origins.TemporaryFailure as error:
            if run.attempts >= jobs.FRUITLESS_ATTEMPTS:
                run.fail(texts.printable(str(error)))
            else:
                # The lease lapses, and then somebody tries again.
                _tell(run, f"waiting to try again: {error}")
    return False


def work_on_next(run: ImportRun) -> bool:
    """Work on one chunk of ``run``; False where none waits for this worker."""
    chunk = chunks.take_next(run)
    if chunk is None:
        return False
    chunks.work(chunk)
    run.refresh_from_db()
    if run.state == JobState.FINISHED:
        clean_up(run)
    return True


def clean_up(run: ImportRun) -> None:
    """Remove what was fetched and unpacked for a finished import."""
    rmtree(run.staging, ignore_errors=True)


def clean_up_finished() -> None:
    """Remove what workers left that were killed between the end of an import and their cleaning up."""
    folders = (settings.MEDIA_ROOT / "staged").glob("import-*")
    numbers = [int(number) for folder in folders if (number := folder.name.removeprefix("import-")).isdecimal()]
    for run in ImportRun.objects.filter(pk__in=numbers, state=JobState.FINISHED):
        clean_up(run)


def waiting(now: datetime) -> Iterator[tuple[str, int]]:
    """Task name and id of a run for every message that beat should send: one to plan, or one a waiting chunk."""
    for pk in ImportRun.objects.waiting(now).filter(planned_at=None).values_list("pk", flat=True):
        yield "sources.tasks.plan_import", pk
    found = ImportChunk.objects.waiting(now).filter(run__state=JobState.RUNNING)
    counted = dict(found.order_by("run").values("run").annotate(n=Count("pk")).values_list("run", "n"))
    # In turns, so that a long import does not hold up a short one.
    for number in range(min(MOST_MESSAGES, max(counted.values(), default=0))):
        for pk, chunks_of_run in counted.items():
            if number < chunks_of_run:
                yield "sources.tasks.import_chunk", pk


def _planned(run: ImportRun, tick: Tick, **lease: None) -> bool:
    """Make the chunks; what trying again would not change fails the run."""
    try:
        shards, found = _cut(run, tick)
        with transaction.atomic():
            run.renew(planned_at=timezone.now(), doing="", shards=[asdict(shard) for shard in shards], **lease)
            ImportChunk.objects.bulk_create(
                ImportChunk(run=run, number=number, shard=shard, start=piece.start, end=piece.end, first=piece.first)
                for number, (shard, piece) in enumerate(found)
            )
    except origins.TemporaryFailure:
        raise
    except SourceError as error:
        run.fail(texts.printable(str(error)))
        clean_up(run)
        return False
    run.refresh_from_db()
    return True


def _cut(run: ImportRun, tick: Tick) -> tuple[list[Shard], list[tuple[int, Piece]]]:
    if run.augments is not None:
        found = [(0, piece) for piece in parents.pieces(run.augments)]
        if not found:
            raise NothingReadable(path=run.augments, problem="has no instructions", format=run.format)
        return [], found
    limits = chunks.limits()
    files = _local_files(run) or _fetched(run, tick)
    for file in files:
        _check_format(importers.get(run.format), run.options, file)
    shards = [_staged(run, number, file, limits, tick) for number, file in enumerate(files)]
    _tell(run, "cutting the files into chunks")
    return shards, [found for number, shard in enumerate(shards) for found in _pieces(number, shard, tick)]


def _pieces(number: int, shard: Shard, tick: Tick) -> Iterator[tuple[int, Piece]]:
    for piece in readers.pieces(shard, settings.IMPORT_CHUNK_BYTES, tick):
        if piece.first > settings.IMPORT_MAX_ROWS:
            raise TooManyRows(path=shard.name, most=settings.IMPORT_MAX_ROWS)
        yield number, piece


def _staged(run: ImportRun, number: int, file: Path, limits: readers.Limits, tick: Tick) -> Shard:
    _tell(run, f"reading {file.name}")
    folder = run.staging / f"unpacked-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    return readers.stage(file, folder, limits, tick)


def _fetched(run: ImportRun, tick: Tick) -> list[Path]:
    """The files from elsewhere, on this machine now; where each came from is noted in the run."""
    last = 0.0

    def progress(done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last > 1:
            last = time.monotonic()
            _tell(run, f"downloading: {done:,} of {f'{total:,}' if total else 'an unknown number of'} bytes")

    fetched = origins.fetch(run.origin, run.staging / "fetched", tick, progress)
    run.renew(fetched=[{"address": file.address, "revision": file.revision} for file in fetched])
    return [file.path for file in fetched]


def _tell(run: ImportRun, doing: str) -> None:
    run.renew(doing=texts.printable(doing, 200))


def _absolute(origin: str) -> str:
    """The origin as it is kept: a path from the root, an address as it is."""
    if not origin:
        raise WrongOrigin(origin="origin", problem="names no file", remedy="upload a file or name one")
    kept = origin if origins.is_address(origin) else str(origins.path_of(origin))
    if "\0" in kept or len(kept) > LONGEST_ORIGIN:
        raise WrongOrigin(origin=texts.printable(kept, 80), problem="cannot be kept", remedy="shorten it")
    return kept


def _begin(run: ImportRun) -> ImportRun:
    """Check what can be checked while a person waits, and queue the run."""
    if not run.is_augmentation:
        for file in _local_files(run)[:1]:
            _check_format(importers.get(run.format), run.options, file)
    with transaction.atomic():
        return _saved(run)


def _local_files(run: ImportRun) -> list[Path]:
    """The files on this machine; none where they come from elsewhere."""
    if run.upload:
        return [Path(run.upload.path)]
    origin = origins.resolve(run.origin)
    if origin.path is None:
        return []
    return origins.data_files(origin.path) if origin.kind is origins.Kind.FOLDER else [origin.path]


def _saved(run: ImportRun) -> ImportRun:
    if not run.source.pk:
        run.source.save()
        run.source_id = run.source.pk
    run.save()
    return run


def _check_format(importer: Importer, options: Mapping[str, str], path: Path) -> None:
    """Raise SourceError unless the first records of the file give an instruction."""
    readers.check(path)
    read = importer.reader(options).rows
    first: RejectedRow | None = None
    for where, record in readers.beginning(path, chunks.limits()):
        for row in [record] if isinstance(record, RejectedRow) else read(where, record):
            if isinstance(row, InstructionRow):
                return
            first = first or row
    problem = (
        texts.printable(f"{first.row}: {first.detail}; no row before or after it is better") if first else "has no rows"
    )
    raise NothingReadable(path=path, problem=problem, format=importer.name)
