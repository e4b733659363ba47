"""Files of a snapshot: written under a temporary name, synced, and only then given their own."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import batched
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from exports.errors import SnapshotRefused

# Bytes: a call of the system for every 8 kilobytes of a gigabyte costs more than making them.
BUFFER = 1 << 20

# Bytes of lines that are written at a time, or a little more. Texts may have 200,000 characters, so lines say nothing.
BATCH = 1 << 20

# Lines that are measured at a time.
FEW = 8

PAGE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


@contextmanager
def complete_file(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` for writing so that it appears under its name only when whole and on the disk."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb", buffering=BUFFER) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    with complete_file(path) as file:
        file.write(orjson.dumps(content, option=PAGE))


def holds_json(path: Path, content: Any) -> bool:
    """Whether the file is what ``write_json`` would write, but for the order of keys."""
    try:
        return bool(orjson.loads(path.read_bytes()) == content)
    except orjson.JSONDecodeError:
        return False


def batches(lines: Iterable[bytes], size: int, most: int | None = None) -> Iterator[list[bytes]]:
    """Lines in their order, in batches that hold ``size`` bytes (or a few lines more), or ``most`` lines.

    ``most`` is a multiple of ``FEW``.
    """
    held, in_all = list[bytes](), 0
    for few in batched(lines, FEW):
        held += few
        in_all += sum(map(len, few))
        if in_all >= size or len(held) == most:
            yield held
            held, in_all = [], 0
    if held:
        yield held


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Each batch is written while the next is made."""
    with complete_file(path) as file, ThreadPoolExecutor(1) as beside:
        written: Future[int] | None = None
        for batch in batches(lines, BATCH):
            whole = b"".join(batch)
            if written:
                written.result()
            written = beside.submit(file.write, whole)
        if written:
            written.result()


def write_text(path: Path, text: str) -> None:
    with complete_file(path) as file:
        file.write(text.encode())


def check_folder(folder: Path) -> None:
    """Raise SnapshotRefused if files cannot be written into ``folder``, which need not exist; create nothing."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise SnapshotRefused(f"{existing}: is not a folder; choose another place")
    if not os.access(existing, os.W_OK | os.X_OK, effective_ids=True):
        raise SnapshotRefused(f"{existing}: cannot be written to; choose another place or change its permissions")


def copy(source: Path, target: Path) -> None:
    with source.open("rb") as original, complete_file(target) as file:
        shutil.copyfileobj(original, file)


def fingerprint(path: Path) -> dict[str, Any]:
    """``{"bytes": size, "sha256": hex}`` of a file."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def sync_directory(path: Path) -> None:
    """Make new names in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
