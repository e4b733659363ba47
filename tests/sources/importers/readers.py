"""How the tests of the formats read records and real files."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sources import importers, readers, texts
from sources.rows import InstructionRow, RejectedRow

LIMITS = readers.Limits(line_bytes=1_000_000, staged_bytes=100_000_000)
PIECE_BYTES = 50_000

type Outcome = InstructionRow | RejectedRow


def rows_of(name: str, *records: Any, **options: str) -> list[Outcome]:
    """All that the format called ``name`` says of these records, which stand on lines 1, 2, 3 ..."""
    return _rows(name, ((f"line {number}", record) for number, record in enumerate(records, start=1)), options)


def read(name: str, path: Path, **options: str) -> list[Outcome]:
    """All that the format called ``name`` says of a file."""
    return _rows(name, records(path), options)


def taken(rows: list[Outcome]) -> list[InstructionRow]:
    """The instruction rows; there must be no others."""
    found = [row for row in rows if isinstance(row, InstructionRow)]
    assert found == rows, outcomes(rows)
    return found


def unique(rows: list[InstructionRow]) -> int:
    """How many instructions the rows are."""
    return len({texts.digest(texts.normalise(row.turns), row.conversation) for row in rows})


def outcomes(rows: list[Outcome]) -> list[str]:
    """The text of each row, or where and why it was rejected."""
    return [
        " / ".join(f"{turn['role']}: {turn['text']}" for turn in row.turns)
        if isinstance(row, InstructionRow)
        else f"{row.row}: {row.reason}"
        for row in rows
    ]


def records(path: Path) -> Iterator[tuple[str, Any]]:
    """The records of a file and where they stand, read in many small pieces."""
    with tempfile.TemporaryDirectory() as folder:
        shard = readers.stage(path, Path(folder), LIMITS, _nothing)
        for piece in readers.pieces(shard, PIECE_BYTES, _nothing):
            yield from readers.records(shard, piece, LIMITS)


def _nothing() -> None:
    """A tick that renews no lease."""


def _rows(name: str, found: Iterator[tuple[str, Any]], options: dict[str, str]) -> list[Outcome]:
    importer = importers.get(name)
    importer.check_options(options)
    reader = importer.reader(options)
    return [
        row
        for where, record in found
        for row in ([record] if isinstance(record, RejectedRow) else reader.rows(where, record))
    ]
