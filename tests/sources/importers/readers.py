"""How the tests of the formats read an invented file."""

from pathlib import Path

from sources import importers
from sources.files import SourceFile
from sources.rows import InstructionRow, RejectedRow

MAX_LINE_BYTES = 100_000


def read(name: str, path: Path, **options: str) -> list[InstructionRow | RejectedRow]:
    """All that the format called ``name`` says of the file."""
    importer = importers.get(name)
    importer.check_options(options)
    with SourceFile(path, MAX_LINE_BYTES) as file:
        return list(importer.read(file, options))


def outcomes(rows: list[InstructionRow | RejectedRow]) -> list[str]:
    """The text of each row, or where and why it was rejected."""
    return [
        " / ".join(f"{turn['role']}: {turn['text']}" for turn in row.turns)
        if isinstance(row, InstructionRow)
        else f"{row.row}: {row.reason}"
        for row in rows
    ]
