"""Parquet in ranges of rows; pyarrow is loaded only when such a file is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sources.readers import pages as headers
from sources.readers.blocks import BLOCK
from sources.readers.shards import Limits, Piece, WrongFile
from sources.rows import RejectedRow

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAGIC = b"PAR1"
# Few enough for texts of many kilobytes, enough to be fast.
BATCH_ROWS = 256
# Bytes of the texts of one column in a batch, where a dictionary repeats them.
MOST_BATCH = 8 * BLOCK
# Bytes of the largest pages of all columns together. Writers end a page after 1 MB, or after some texts more.
MOST_DECODED = 64 * BLOCK
# Values in the lists of one column and row group: all may be those of one row.
MOST_VALUES = 10_000_000

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
    size = 0
    for part in _batches(path, _whole(path)):
        tick()
        size += _size(part)
        if size > limits.staged_bytes:
            problem = f"has more than {limits.staged_bytes:,} bytes when decompressed"
            raise WrongFile(path=path, problem=problem, remedy="split it or raise OIG_IMPORT_MAX_STAGED_BYTES")


def pieces(path: Path, piece_bytes: int, tick: Callable[[], None]) -> Iterator[Piece]:
    """Ranges of rows, each of at most ``piece_bytes`` decoded, or of one row that has more.

    They are counted, not taken from the description: a text that stands once in a dictionary may be in every row.
    """
    start = end = size = 0
    for part, part_size in _parts(path, _whole(path), piece_bytes):
        tick()
        if start < end and size + part_size > piece_bytes:
            yield Piece(start, end, start + 1)
            start, size = end, 0
        end, size = end + part.num_rows, size + part_size
    if start < end:
        yield Piece(start, end, start + 1)


def records(path: Path, piece: Piece, line_bytes: int) -> Records:
    """The rows of a piece as dicts of values that JSON has. What stands before it in its row group is skipped."""
    number = piece.first
    for part, size in _parts(path, piece, line_bytes):
        if size > line_bytes:
            yield f"row {number}", _too_long(f"row {number}", size, line_bytes)
            number += 1
            continue
        for record in _rows_of(part):
            yield f"row {number}", _row(f"row {number}", record)
            number += 1


def beginning(path: Path, most: int, line_bytes: int) -> list[tuple[str, dict[str, Any] | RejectedRow]]:
    """The first records, at most ``most``, and fewer where these have more than ``line_bytes``, but one at least."""
    rows = size = 0
    for part, part_size in _parts(path, Piece(0, most, 1), line_bytes):
        size += part_size
        if rows and size > line_bytes:
            break
        rows += part.num_rows
    return list(records(path, Piece(0, rows, 1), line_bytes))


def _whole(path: Path) -> Piece:
    with _opened(path) as file:
        return Piece(0, file.metadata.num_rows, 1)


def _parts(path: Path, piece: Piece, most: int) -> Iterator[tuple[pa.RecordBatch, int]]:
    """The rows of a piece and their bytes: together where they have no more than ``most``, else one by one."""
    for batch in _batches(path, piece):
        size = _size(batch)
        if size <= most:
            yield batch, size
            continue
        for number in range(batch.num_rows):
            row = batch.slice(number, 1)
            yield row, _size(row)


def _batches(path: Path, piece: Piece) -> Iterator[pa.RecordBatch]:
    groups, at, skipped, left = list[int](), 0, 0, piece.end - piece.start
    with _opened(path) as file:
        description = file.metadata
        for number in range(description.num_row_groups):
            rows = description.row_group(number).num_rows
            if rows and at < piece.end and at + rows > piece.start:
                skipped = skipped if groups else piece.start - at
                groups.append(number)
            at += rows
    for group in groups:
        for batch in _of_group(path, description, group, piece.end - piece.start):
            part = batch.slice(min(skipped, batch.num_rows), left)
            skipped, left = max(0, skipped - batch.num_rows), left - part.num_rows
            if part.num_rows:
                yield part
            if not left:
                return


def _of_group(path: Path, description: pq.FileMetaData, group: int, most: int) -> Iterator[pa.RecordBatch]:
    """The rows of one row group, few enough at once, and texts that may be repeated kept once."""
    with _damage_named(path):
        plan = _plan(path, description, group)
    kept_once = list(plan.kept_once)
    if kept_once:
        with _opened(path, metadata=description, read_dictionary=kept_once) as file:
            first = next(file.iter_batches(1, row_groups=[group], use_threads=False), None)
        kept_once = [name for name in kept_once if first is None or not _is_short(first, name, plan.kept_once[name])]
    with _opened(path, metadata=description, read_dictionary=kept_once) as file:
        yield from file.iter_batches(min(plan.rows, most), row_groups=[group], use_threads=False)


def _is_short(first: pa.RecordBatch, name: str, size: int) -> bool:
    """Whether the texts of a dictionary are short enough to be repeated in a batch, which is much faster to read."""
    import pyarrow as pa
    import pyarrow.compute as pc

    form = first.schema.field(name).type if name in first.schema.names else pa.null()
    if not pa.types.is_dictionary(form) or not _is_text(form.value_type):
        return False
    lengths = pc.binary_length(first.column(name).dictionary)
    # The whole page has to be seen, in which 4 bytes stand before each text.
    is_whole = (pc.sum(lengths, min_count=0).as_py() + 4 * len(lengths)) >= size
    return is_whole and (pc.max(lengths).as_py() or 0) * BATCH_ROWS <= MOST_BATCH


class _Plan(NamedTuple):
    """How many rows of a row group are decoded at once, and which columns as dictionaries, of how many bytes."""

    rows: int
    kept_once: dict[str, int]


def _plan(path: Path, description: pq.FileMetaData, group: int) -> _Plan:
    """How to decode a row group in bounded memory. Raises WrongFile where that cannot be."""
    row_group, rows, kept_once, needed = description.row_group(group), BATCH_ROWS, dict[str, int](), 0
    with path.open("rb") as raw:
        for number in range(row_group.num_columns):
            column, form = row_group.column(number), description.schema.column(number)
            found = headers.of_column(raw, column)
            needed += found.dictionary + found.data
            repeats = form.max_repetition_level > 0
            if repeats and found.values * max(form.length, 16) > 16 * MOST_VALUES:
                raise _too_large(path, group, f"{found.values:,} values in the lists of column {form.name!r}")
            if form.physical_type == "BYTE_ARRAY":
                if found.dictionary and (repeats or found.dictionary * BATCH_ROWS > MOST_BATCH):
                    kept_once[form.path] = found.dictionary
            elif form.length > 0:
                rows = min(rows, MOST_BATCH // form.length)
            if found.fewest is not None:
                # Of lists, a row has several values.
                rows = min(rows, found.fewest * row_group.num_rows // max(found.values, row_group.num_rows))
    if needed > MOST_DECODED:
        raise _too_large(path, group, f"pages of {needed:,} bytes")
    return _Plan(max(1, rows), kept_once)


def _too_large(path: Path, group: int, what: str) -> WrongFile:
    problem = f"row group {group + 1} has {what}, more than can be decoded at once"
    return WrongFile(path=path, problem=problem, remedy="write it anew with pages of 1 MB and smaller row groups")


def _size(part: pa.RecordBatch) -> int:
    """Bytes of the rows: those of every text wherever it stands, 8 for any other value, and one for each row."""
    size: int = part.num_rows + sum(_bytes(column) for column in part.columns)
    return size


def _bytes(array: pa.Array) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    form = array.type
    if isinstance(form, pa.BaseExtensionType):
        array, form = array.storage, form.storage_type
    if pa.types.is_dictionary(form):
        if not _is_text(form.value_type):
            return _bytes(array.dictionary_decode())
        return int(pc.sum(pc.binary_length(array.dictionary).take(array.indices), min_count=0).as_py())
    if _is_text(form):
        return int(pc.sum(pc.binary_length(array), min_count=0).as_py())
    if pa.types.is_string_view(form) or pa.types.is_binary_view(form):
        return int(array.nbytes)
    if pa.types.is_map(form):
        array = array.cast(pa.list_(pa.struct([("key", form.key_type), ("value", form.item_type)])))
    if pa.types.is_nested(form):
        parts = array.flatten()
        return 8 * len(array) + sum(_bytes(part) for part in (parts if isinstance(parts, list) else [parts]))
    return 8 * len(array)


def _is_text(form: pa.DataType) -> bool:
    import pyarrow.types as kinds

    asked = (kinds.is_string, kinds.is_large_string, kinds.is_binary, kinds.is_large_binary)
    return any(asks(form) for asks in asked)


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


def _too_long(where: str, size: int, line_bytes: int) -> RejectedRow:
    detail = f"has {size:,} bytes, more than {line_bytes:,}: split it or raise OIG_IMPORT_MAX_LINE_BYTES"
    return RejectedRow(where, "line too long", detail)


def _row(where: str, record: Any) -> dict[str, Any] | RejectedRow:
    if isinstance(record, UnicodeDecodeError):
        return RejectedRow(where, "not UTF-8", "has a text that is not UTF-8: write the file anew")
    if isinstance(record, Exception):
        return RejectedRow(where, "broken value", f"has a value that cannot be read ({record}): write it as text")
    for column, value in record.items():
        if value is not None and not isinstance(value, int | str):
            try:
                record[column] = _plain(value)
            except UnicodeDecodeError:
                detail = f"column {column!r} holds bytes that are no text: leave the column out"
                return RejectedRow(where, "not UTF-8", detail)
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
def _opened(path: Path, **how: Any) -> Iterator[pq.ParquetFile]:
    """The file, read through a small buffer. What goes wrong with it inside of the block becomes a WrongFile."""
    import pyarrow.parquet as pq

    how |= {"buffer_size": BLOCK, "pre_buffer": False, "page_checksum_verification": True}
    with _damage_named(path), pq.ParquetFile(path, **how) as file:
        yield file


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0][:200]
        problem, remedy = f"is a damaged Parquet file ({reason})", "download it again"
        raise WrongFile(path=path, problem=problem, remedy=remedy) from None
