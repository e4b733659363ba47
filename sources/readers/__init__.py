"""Files of four forms, cut into pieces that several workers read at once in constant memory (pure, no Django).

``check`` finds what is wrong with a file as a whole before anything is written; ``stage`` makes a plain shard of it;
``pieces`` cuts that; ``records`` reads one piece. What is wrong with one record is a RejectedRow, after which reading
goes on. The records of all pieces are those of the file, however it is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from sources.readers import csv, json, lines, parquet
from sources.readers.blocks import BLOCK, decompressed, plain
from sources.readers.files import check
from sources.readers.shards import (
    FORMS,
    SUFFIXES,
    FileChanged,
    Limits,
    Piece,
    Shard,
    WrongFile,
    WrongHeader,
    check_unchanged,
    compression_of,
    delimiter_of,
    form_of,
)
from sources.readers.staging import stage
from sources.rows import RejectedRow

__all__ = [
    "FORMS",
    "SUFFIXES",
    "FileChanged",
    "Limits",
    "Piece",
    "Shard",
    "WrongFile",
    "WrongHeader",
    "beginning",
    "check",
    "check_unchanged",
    "form_of",
    "pieces",
    "records",
    "stage",
]

type Records = Iterator[tuple[str, Any | RejectedRow]]


def pieces(shard: Shard, piece_bytes: int, tick: Callable[[], None]) -> Iterator[Piece]:
    """The pieces of a shard in order, each of about ``piece_bytes``; none where it is empty. Raises WrongFile."""
    path = Path(shard.path)
    match shard.form:
        case "parquet":
            return parquet.pieces(path, piece_bytes, tick)
        case "csv":
            return csv.pieces(plain(path), shard.line_bytes, shard.delimiter, piece_bytes, shard.bytes, tick)
        case _:
            return lines.pieces(plain(path), piece_bytes, tick)


def records(shard: Shard, piece: Piece, limits: Limits) -> Records:
    """Where each record of a piece stands ("line 7", "record 3", "row 12") and the record, or why it is not taken.

    Raises WrongFile where the shard cannot be read.
    """
    path = Path(shard.path)
    match shard.form:
        case "parquet":
            return parquet.records(path, piece, limits.line_bytes)
        case "csv":
            # Where a record ends after a line that is too long depends on the limit it was cut with.
            header = csv.header_of(plain(path), shard.line_bytes, shard.delimiter, path)
            part = plain(path, piece.start, piece.end)
            return csv.records(part, shard.line_bytes, shard.delimiter, piece, header)
        case form:
            word = "record" if form == "json" else "line"
            return json.records(plain(path, piece.start, piece.end), limits.line_bytes, piece.first, word)


def beginning(path: Path, limits: Limits, most: int = 100) -> list[tuple[str, Any | RejectedRow]]:
    """The first records of a file as it was given, at most ``most``; made for a web request that waits.

    About ``limits.line_bytes`` are read of it, decompressed, so of long records there may be fewer. A compressed
    Parquet file gives none: where its rows stand is written at its end. Raises WrongFile as ``check`` does.
    """
    check(path)
    form, first = form_of(path), Piece(0, most, 1)
    if form == "parquet":
        return [] if compression_of(path.name) else parquet.beginning(path, most, limits.line_bytes)
    found = list[tuple[str, Any | RejectedRow]]()
    try:
        found.extend(islice(_from_the_start(path, form, limits, first), most))
    except _Enough as enough:
        return found or [("line 1", lines.too_long("line 1", enough.size, limits.line_bytes))]
    return found


class _Enough(Exception):
    """As many bytes were read as one may wait for; what is read of the next record says nothing."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


def _from_the_start(path: Path, form: str, limits: Limits, first: Piece) -> Records:
    delimiter, line_bytes = delimiter_of(path.name), limits.line_bytes
    if form == "csv":
        header = csv.header_of(_enough(path, line_bytes), line_bytes, delimiter, path)
        return csv.records(_enough(path, line_bytes), line_bytes, delimiter, first, header)
    blocks = _enough(path, line_bytes)
    if json.is_lines(next(_enough(path, line_bytes), b"")):
        return json.records(blocks, line_bytes, 1, "line")
    return json.records(json.as_lines(blocks), line_bytes, 1, "record")


def _enough(path: Path, line_bytes: int) -> Iterator[bytes]:
    size = 0
    with closing(decompressed(path)) as blocks:
        for block in blocks:
            if size > line_bytes + BLOCK:
                raise _Enough(size)
            yield block
            size += len(block)
