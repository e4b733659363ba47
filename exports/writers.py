"""Files of a snapshot: written under a temporary name, synced, and only then given their own."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson

# An object per line, keys in the order of the record, UTF-8, no spaces: one way to write a value.
LINE = orjson.OPT_APPEND_NEWLINE
PAGE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


@contextmanager
def complete_file(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` for writing so that it appears under its name only when whole and on the disk."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    with complete_file(path) as file:
        file.write(orjson.dumps(content, option=PAGE))


def write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    with complete_file(path) as file:
        for record in records:
            file.write(orjson.dumps(record, option=LINE))


def write_text(path: Path, text: str) -> None:
    with complete_file(path) as file:
        file.write(text.encode())


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
