"""However a file is cut, its records are the same; whatever is written into it, reading ends in rows or a WrongFile."""

import csv
import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import readers
from sources.errors import SourceError
from sources.readers import Limits
from sources.rows import RejectedRow
from tests.sources.reading import COMPRESS, parquet, read, staged

LIMITS = Limits(line_bytes=60, staged_bytes=100_000)
WORDS = st.lists(st.sampled_from(["a", '"', '""', ",", "\n", "\r\n", "\\", "{", "]", "ä", "\u2028", "\0"]), max_size=12)
TEXTS = WORDS.map("".join)
TABLES = st.lists(st.fixed_dictionaries({"text": TEXTS, "n": TEXTS}), max_size=12)


def as_csv(rows: list[dict[str, str]]) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, ["text", "n"])
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def as_lines(rows: list[dict[str, str]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


WRITERS: dict[str, Callable[[list[dict[str, str]]], bytes]] = {
    "a.jsonl": as_lines,
    "a.json": lambda rows: json.dumps(rows, indent=1).encode(),
    "b.json": lambda rows: json.dumps({"rows": rows}, indent=1).encode(),
    "a.csv": as_csv,
    "a.parquet": lambda rows: parquet(rows or [{"text": "a"}], group_rows=3),
}


def all_that_is_read(name: str, content: bytes, piece_bytes: list[int]) -> list[list[tuple[str, Any]]]:
    """The records for each size of pieces; none where the file is refused as a whole."""
    with TemporaryDirectory() as folder, suppress(SourceError):
        path = Path(folder) / name
        path.write_bytes(COMPRESS.get(path.suffix, bytes)(content))
        found = [read(staged(path, LIMITS), size, LIMITS) for size in piece_bytes]
        if not name.endswith((".parquet.gz", ".parquet.zst")):
            beginning = readers.beginning(path, LIMITS)
            assert beginning == found[0][: min(100, len(beginning))]
            assert bool(beginning) == bool(found[0])
        return found
    return []


@pytest.mark.parametrize("name", WRITERS)
@settings(deadline=None)
@given(rows=TABLES, size=st.integers(1, 200))
def test_the_records_of_the_pieces_are_those_of_the_file(name: str, rows: list[dict[str, str]], size: int) -> None:
    found = all_that_is_read(name, WRITERS[name](rows), [10**9, size])
    assert found[:1] == found[1:]
    if found and name in ("a.jsonl", "a.json", "a.csv"):
        taken = [record for _, record in found[0] if not isinstance(record, RejectedRow)]
        assert [row for row in rows if row in taken] == taken


@pytest.mark.parametrize("name", [*WRITERS, "a.jsonl.gz", "a.csv.zst"])
@settings(deadline=None)
@given(data=st.data())
def test_nothing_that_is_written_into_a_file_does_worse_than_reject_rows(name: str, data: st.DataObject) -> None:
    content = bytearray(WRITERS[name.removesuffix(".gz").removesuffix(".zst")](data.draw(TABLES)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(at, min(len(content), at + 10)))
        content[at:end] = data.draw(st.one_of(st.binary(max_size=6), st.sampled_from([b'"', b"\n", b"[", b"}", b"\\"])))
    found = all_that_is_read(name, bytes(content), [10**9, data.draw(st.integers(1, 100))])
    assert all(records == found[0] for records in found)
    for _, record in found[0] if found else []:
        assert not isinstance(record, RejectedRow) or (record.reason and record.detail)
