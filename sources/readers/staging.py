"""A file as given becomes a shard: plain, and such that it can be read in pieces."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

from sources.readers import csv, files, json, parquet
from sources.readers.blocks import decompressed, plain, reading
from sources.readers.shards import FileChanged, Limits, Shard, WrongFile, compression_of, delimiter_of, form_of


def stage(path: Path, folder: Path, limits: Limits, tick: Callable[[], None]) -> Shard:
    """Decompress a file into ``folder`` and make lines of a JSON array there; what is plain is used where it lies.

    ``tick`` is called with every block. Raises WrongFile where the file is not what its name says, is damaged, is cut
    off or is larger than the limit, and FileChanged where somebody writes to it meanwhile. The staged file is named
    by the digest, so that staging again writes the same file.
    """
    files.check(path)
    before = _state(path)
    digest = hashlib.sha256()

    def note(read: memoryview) -> None:
        digest.update(read)
        tick()

    with closing(decompressed(path, note)) as blocks:
        form, written = _plain(path, blocks, folder, limits, tick)
    if _state(path) != before:
        if written:
            written.unlink()
        raise FileChanged(path=path, problem="was changed")
    sha256 = digest.hexdigest()
    ready = written.replace(folder / f"{sha256}.{form}") if written else path
    _check_whole(path, ready, form, limits, tick)
    size, modified_ns = _state(ready)
    return Shard(
        path=os.fspath(ready),
        form=form,
        bytes=size,
        sha256=sha256,
        modified_ns=modified_ns,
        is_staged=written is not None,
        name=path.name,
        line_bytes=limits.line_bytes,
    )


def _plain(
    path: Path, blocks: Iterator[bytes], folder: Path, limits: Limits, tick: Callable[[], None]
) -> tuple[str, Path | None]:
    """Read to the end; the form of what is there, and the file that was written where it cannot be used as it is."""
    first = next(blocks, b"")
    form, content = form_of(path), _bounded(chain([first], blocks), path, limits, tick)
    if form == "jsonl" and not json.is_lines(first):
        return "json", _written(json.as_lines(content), folder)
    if compression_of(path.name):
        return form, _written(content, folder)
    for _ in blocks:  # for the digest
        pass
    return form, None


def _state(path: Path) -> tuple[int, int]:
    with reading(path):
        stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _bounded(blocks: Iterable[bytes], path: Path, limits: Limits, tick: Callable[[], None]) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        tick()
        size += len(block)
        if size > limits.staged_bytes:
            problem = f"has more than {limits.staged_bytes:,} bytes when decompressed"
            raise WrongFile(path=path, problem=problem, remedy="split it or raise OIG_IMPORT_MAX_STAGED_BYTES")
        yield block


def _written(blocks: Iterable[bytes], folder: Path) -> Path:
    """A new file in ``folder`` with the blocks; none is left where they end in an error."""
    with reading(folder):
        descriptor, name = tempfile.mkstemp(prefix="unfinished-", dir=folder)
    written = Path(name)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for block in blocks:
                _write(file.fileno(), block, folder)
    except BaseException:
        written.unlink()
        raise
    return written


def _write(descriptor: int, block: bytes, folder: Path) -> None:
    left = memoryview(block)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    except OSError as error:
        problem, remedy = f"cannot be written to ({error.strerror})", "make room on the disk"
        raise WrongFile(path=folder, problem=problem, remedy=remedy) from None


def _check_whole(path: Path, staged: Path, form: str, limits: Limits, tick: Callable[[], None]) -> None:
    """What shows only once a file is plain: a CSV's header, the whole of a Parquet file."""
    try:
        if form == "csv":
            csv.header_of(plain(staged), limits.line_bytes, delimiter_of(path.name), path)
        elif form == "parquet":
            parquet.prove_whole(staged, limits, tick)
    except WrongFile:
        if staged != path:
            staged.unlink()
        raise
