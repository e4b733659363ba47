"""Lines of bytes in constant memory, however long one is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sources.readers.shards import Piece
from sources.rows import RejectedRow


def lines(blocks: Iterable[bytes], line_bytes: int, first: int = 1) -> Iterator[tuple[int, bytes | int]]:
    """The number of each line, from ``first``, and the line without its end; or how long it is if that is too long."""
    number, begun, skipped = first, b"", 0
    for block in blocks:
        *whole, rest = block.split(b"\n")
        if whole:
            if skipped:
                yield number, skipped + len(whole[0])
                number, skipped = number + 1, 0
                del whole[0]
            elif begun:
                whole[0], begun = begun + whole[0], b""
            for line in whole:
                yield number, line if len(line) <= line_bytes else _bounded(line, line_bytes)
                number += 1
        if skipped:
            skipped += len(rest)
        else:
            begun += rest
        if len(begun) > line_bytes + 1:  # a carriage return is no part of a line
            skipped, begun = len(begun), b""
    if skipped:
        yield number, skipped
    elif begun:
        yield number, _bounded(begun, line_bytes)


def _bounded(line: bytes, line_bytes: int) -> bytes | int:
    return line if len(line.rstrip(b"\r")) <= line_bytes else len(line)


def pieces(blocks: Iterable[bytes], piece_bytes: int, tick: Callable[[], None]) -> Iterator[Piece]:
    """Pieces of whole lines, each the shortest that has ``piece_bytes`` or more (the last one may have fewer)."""
    start = base = count = 0
    first = 1
    for block in blocks:
        tick()
        at = 0
        while (newline := block.find(b"\n", max(at, start + piece_bytes - 1 - base))) >= 0:
            count += block.count(b"\n", at, newline + 1)
            at = newline + 1
            yield Piece(start, base + at, first)
            start, first, count = base + at, first + count, 0
        count += block.count(b"\n", at)
        base += len(block)
    if start < base:
        yield Piece(start, base, first)


def too_long(where: str, length: int, line_bytes: int) -> RejectedRow:
    """Why a line of ``length`` bytes is not taken."""
    detail = f"has {length:,} bytes, more than {line_bytes:,}: split it or raise OIG_IMPORT_MAX_LINE_BYTES"
    return RejectedRow(where, "line too long", detail)


def not_utf8(where: str, error: UnicodeDecodeError) -> RejectedRow:
    """Why a line is not taken that cannot be decoded."""
    detail = f"byte {error.start + 1} of the line is not UTF-8: save the file as UTF-8"
    return RejectedRow(where, "not UTF-8", detail)
