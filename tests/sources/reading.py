"""How the tests of the readers write files and read them."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from sources import readers
from sources.readers import Limits, Shard
from sources.rows import RejectedRow

LIMITS = Limits(line_bytes=1_000, staged_bytes=3_000_000)
WHOLE = 1_000_000_000
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def nothing() -> None:
    """A tick that renews no lease."""


def written(path: Path, content: bytes) -> Path:
    """The file at ``path``, compressed as its name says."""
    path.write_bytes(COMPRESS.get(path.suffix.lower(), bytes)(content))
    return path


def parquet(rows: list[dict[str, Any]] | pa.Table, group_rows: int = 1_000) -> bytes:
    """The bytes of a Parquet file."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=group_rows)
    return buffer.getvalue()


def staged(path: Path, limits: Limits = LIMITS) -> Shard:
    """The shard of a file, in a folder beside it."""
    folder = path.parent / "staged"
    folder.mkdir(exist_ok=True)
    return readers.stage(path, folder, limits, nothing)


def read(shard: Shard, piece_bytes: int = WHOLE, limits: Limits = LIMITS) -> list[tuple[str, Any]]:
    """Where each record stands, and the record or why it was rejected, piece after piece."""
    return [
        record
        for piece in readers.pieces(shard, piece_bytes, nothing)
        for record in readers.records(shard, piece, limits)
    ]


def outcomes(records: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The reason in place of each rejected row."""
    return [(where, record.reason if isinstance(record, RejectedRow) else record) for where, record in records]


def opened(path: Path) -> list[tuple[str, Any]]:
    """What is in a file, with reasons in place of rejected rows; its beginning is asked too and must agree."""
    found = read(staged(path))
    beginning = readers.beginning(path, LIMITS)
    assert beginning == found[: min(100, len(beginning))]
    return outcomes(found)
