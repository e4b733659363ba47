"""CSV and tab-separated text with a header.

Records may hold line ends in quotes, so only the parser knows where one ends: pieces are cut where it begins anew.
Counting quotes would be faster, but one stray quote would shift every later cut into the middle of a field. A quote
that is never closed takes the lines up to the next quote into one rejected row, which says so, and no more than
``line_bytes`` of them.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from sources.readers.lines import lines, not_utf8, too_long
from sources.readers.shards import Piece, WrongHeader
from sources.rows import RejectedRow

type Records = Iterator[tuple[str, dict[str, str] | RejectedRow]]


class _BadLine(Exception):
    """A line that the parser cannot be given; it begins anew with the next one."""

    def __init__(self, row: RejectedRow) -> None:
        super().__init__(row.detail)
        self.row = row


class _Feed:
    """The lines of a text for the parser; ``number`` is the last one's, ``at`` how many bytes were read."""

    def __init__(self, blocks: Iterable[bytes], line_bytes: int, first: int = 1) -> None:
        csv.field_size_limit(line_bytes)
        self._lines, self._line_bytes = lines(blocks, line_bytes, first), line_bytes
        self.number, self.at = first - 1, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        if isinstance(line, int):
            self.at += line + 1
            raise _BadLine(too_long(f"line {self.number}", line, self._line_bytes))
        self.at += len(line) + 1
        if self.number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            return line.decode() + "\n"
        except UnicodeDecodeError as error:
            raise _BadLine(not_utf8(f"line {self.number}", error)) from None


def records(blocks: Iterable[bytes], line_bytes: int, delimiter: str, piece: Piece, header: list[str]) -> Records:
    """Each row of a piece as a dict of the columns in ``header``, which the first piece of a file begins with."""
    rows = _rows(_Feed(blocks, line_bytes, piece.first), delimiter)
    if piece.start == 0:
        next(rows, None)
    for number, values in rows:
        where = f"line {number}"
        if isinstance(values, RejectedRow):
            yield where, values
        elif len(values) == len(header):
            yield where, dict(zip(header, values, strict=True))
        elif values:
            detail = f"has {len(values)} fields, the header has {len(header)}: correct its quotes and commas"
            yield where, RejectedRow(where, "wrong number of fields", detail)


def header_of(blocks: Iterable[bytes], line_bytes: int, delimiter: str, path: Path) -> list[str]:
    """The columns that the first record names. Raises WrongHeader where there is no usable one."""
    return _columns(next(_rows(_Feed(blocks, line_bytes), delimiter), (1, [])), path)


def pieces(
    blocks: Iterable[bytes], line_bytes: int, delimiter: str, piece_bytes: int, size: int, tick: Callable[[], None]
) -> Iterator[Piece]:
    """Pieces of whole records, each the shortest that has ``piece_bytes`` or more (the last one may have fewer)."""
    feed = _Feed(_ticking(blocks, tick), line_bytes)
    start, first = 0, 1
    for _ in _rows(feed, delimiter):
        if feed.at - start >= piece_bytes:
            yield Piece(start, min(feed.at, size), first)
            start, first = feed.at, feed.number + 1
    if start < size:
        yield Piece(start, size, first)


def _ticking(blocks: Iterable[bytes], tick: Callable[[], None]) -> Iterator[bytes]:
    for block in blocks:
        tick()
        yield block


def _rows(feed: _Feed, delimiter: str) -> Iterator[tuple[int, list[str] | RejectedRow]]:
    """The number of the line where each record begins, and its fields; after an error the parser begins anew."""
    reader: Any = csv.reader(feed, strict=True, delimiter=delimiter)
    while True:
        number = feed.number + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except _BadLine as problem:
            yield number, _over_lines(problem.row, number, feed.number)
        except csv.Error as error:
            row = RejectedRow(f"line {number}", "broken CSV", f"is not CSV ({error}): correct its quotes")
            yield number, _over_lines(row, number, feed.number)


def _over_lines(row: RejectedRow, first: int, last: int) -> RejectedRow:
    """A rejected row that tells which other lines are lost with it, where a quote before them is open."""
    if last == first:
        return row
    return RejectedRow(
        f"line {first}", row.reason, f"with the lines up to {last}, which its quotes enclose, {row.detail}"
    )


def _columns(record: tuple[int, list[str] | RejectedRow], path: Path) -> list[str]:
    number, columns = record
    if isinstance(columns, RejectedRow):
        raise WrongHeader(path=path, line=number, problem="has no header", remedy=columns.detail)
    if not columns:
        raise WrongHeader(path=path, line=number, problem="has no header", remedy="name the columns in the first line")
    for column in columns:
        if columns.count(column) > 1:
            problem, remedy = f"column {column!r} is there twice", "rename one"
            raise WrongHeader(path=path, line=number, problem=problem, remedy=remedy)
    return columns
