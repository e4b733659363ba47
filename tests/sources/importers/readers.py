"""How the tests of the formats read records, and real files with nothing but the standard library."""

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sources import importers, texts
from sources.rows import InstructionRow, RejectedRow

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
    """The records of a file and where they stand, as the project's own readers say it."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = raw.decode("utf-8-sig")
    if ".csv" in path.suffixes:
        header, *lines = csv.reader(text.splitlines(keepends=True))
        for number, values in enumerate(lines, start=2):
            yield f"line {number}", dict(zip(header, values, strict=True))
    elif ".jsonl" in path.suffixes:
        for number, line in enumerate(text.splitlines(), start=1):
            yield f"line {number}", json.loads(line)
    else:
        whole = json.loads(text)
        for number, record in enumerate(whole if isinstance(whole, list) else [whole], start=1):
            yield f"record {number}", record


def _rows(name: str, found: Iterator[tuple[str, Any]], options: dict[str, str]) -> list[Outcome]:
    importer = importers.get(name)
    importer.check_options(options)
    reader = importer.reader(options)
    return [row for where, record in found for row in reader.rows(where, record)]
