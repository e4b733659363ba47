"""Parquet in ranges of rows; pyarrow is loaded only when such a file is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sources.readers.blocks import BLOCK
from sources.readers.shards import Limits, Piece, WrongFile
from sources.rows import RejectedRow

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAGIC = b"PAR1"
# Few enough for texts of many kilobytes, enough to be fast.
BATCH_ROWS = 256

type Records = Iterator[tuple[str, dict[str, Any] | RejectedRow]]


def check(path: Path) -> None:
    """Raise WrongFile unless the description at the file's end can be read and every column has a name of its own."""
    with _opened(path) as file:
        names = file.schema_arrow.names
        for name in names:
            if names.count(name) > 1:
                raise WrongFile(path=path, problem=f"column {name!r} is there twice", remedy="rename one")


def prove_whole(path: Path, limits: Limits, tick: Callable[[], None]) -> None:
    """Decode a file once to its end. Raises WrongFile where it is damaged or larger than the limit."""
    check(path)
    with _opened(path) as file:
        size = sum(file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups))
        if size > limits.staged_bytes:
            problem = f"has {size:,} bytes when decompressed, more than {limits.staged_bytes:,}"
            raise WrongFile(path=path, problem=problem, remedy="split it or raise OIG_IMPORT_MAX_STAGED_BYTES")
        for _ in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
            tick()


def pieces(path: Path, piece_bytes: int, tick: Callable[[], None]) -> Iterator[Piece]:
    """Ranges of rows: small row groups together, large ones in parts, each of at most about ``piece_bytes`` decoded."""
    start = end = size = 0
    with _opened(path) as file:
        groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    for group in groups:
        tick()
        parts = math.ceil(group.total_byte_size / piece_bytes)
        if start < end and size + group.total_byte_size > piece_bytes:
            yield Piece(start, end, start + 1)
            start, size = end, 0
        end, size = end + group.num_rows, size + group.total_byte_size
        if parts > 1:
            step = math.ceil(group.num_rows / parts)
            yield from (Piece(at, min(at + step, end), at + 1) for at in range(start, end, max(1, step)))
            start, size = end, 0
    if start < end:
        yield Piece(start, end, start + 1)


def records(path: Path, piece: Piece, line_bytes: int) -> Records:
    """The rows of a piece as dicts of values that JSON has. What stands before it in its row group is skipped."""
    number = piece.first
    for batch in _batches(path, piece):
        for record in _rows_of(batch):
            where = f"row {number}"
            number += 1
            yield where, _row(where, record, line_bytes)


def _batches(path: Path, piece: Piece) -> Iterator[pa.RecordBatch]:
    with _opened(path) as file:
        at, groups, skipped = 0, list[int](), 0
        for number in range(file.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            if at < piece.end and at + rows > piece.start:
                skipped = skipped if groups else piece.start - at
                groups.append(number)
            at += rows
        left = piece.end - piece.start
        for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=groups, use_threads=False):
            part = batch.slice(min(skipped, batch.num_rows), left)
            skipped, left = max(0, skipped - batch.num_rows), left - part.num_rows
            if part.num_rows:
                yield part
            if not left:
                return


def _rows_of(batch: pa.RecordBatch) -> Iterator[Any]:
    """The rows, or what one raised: a text that is no UTF-8, a time that Python cannot say."""
    try:
        yield from batch.to_pylist()
        return
    except (ValueError, OverflowError, ArithmeticError):
        pass
    for number in range(batch.num_rows):
        try:
            yield batch.slice(number, 1).to_pylist()[0]
        except (ValueError, OverflowError, ArithmeticError) as error:
            yield error


def _row(where: str, record: Any, line_bytes: int) -> dict[str, Any] | RejectedRow:
    if isinstance(record, UnicodeDecodeError):
        return RejectedRow(where, "not UTF-8", "has a text that is not UTF-8: write the file anew")
    if isinstance(record, Exception):
        return RejectedRow(where, "broken value", f"has a value that cannot be read ({record}): write it as text")
    length = 0
    for column, value in record.items():
        if isinstance(value, str):
            length += len(value)
        elif value is not None and not isinstance(value, int):
            try:
                record[column] = _plain(value)
            except UnicodeDecodeError:
                detail = f"column {column!r} holds bytes that are no text: leave the column out"
                return RejectedRow(where, "not UTF-8", detail)
    if length > line_bytes:
        detail = f"has {length:,} characters, more than {line_bytes:,}: split it or raise OIG_IMPORT_MAX_LINE_BYTES"
        return RejectedRow(where, "line too long", detail)
    return dict(record)


def _plain(value: Any) -> Any:
    """A value of JSON: what is not a number is null (so pandas writes nothing), all else that JSON lacks is text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None if math.isnan(value) else str(value)
        case bytes():
            return value.decode()
        case dict():
            return {str(name): _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case _:
            return str(value)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The file, read through a small buffer. What goes wrong with it inside of the block becomes a WrongFile."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, buffer_size=BLOCK, pre_buffer=False, page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0][:200]
        problem, remedy = f"is a damaged Parquet file ({reason})", "download it again"
        raise WrongFile(path=path, problem=problem, remedy=remedy) from None
