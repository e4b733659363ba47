"""Parquet files that decode to far more than they hold: their memory stays bounded, in the web process too."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources import readers
from sources.readers import Limits, Piece, WrongFile
from sources.rows import RejectedRow
from tests.sources.reading import nothing, opened, read, staged

ROOT = Path(__file__).parents[2]
TEXT = "x" * 2_000_000
MEASURE = """
import sys
from pathlib import Path
import pyarrow.parquet
from sources import readers
from sources.errors import SourceError

def most():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

path, limits = Path(sys.argv[1]), readers.Limits(int(sys.argv[2]), 10**9)
before, found = most(), 0
try:
    found = len(readers.beginning(path, limits))
except SourceError:
    pass
waited = most() - before
try:
    shard = readers.stage(path, path.parent, limits, lambda: None)
    pieces = list(readers.pieces(shard, 10**6, lambda: None))
    reasons = [getattr(row, "reason", "") for piece in pieces for _, row in readers.records(shard, piece, limits)]
    said = f"{len(pieces)} {len(reasons)} {set(reasons)}"
except SourceError as error:
    said = str(error).partition(": ")[2]
print(waited, most() - before, found, said, sep="|")
"""


def repeated(rows: int, text: str = TEXT) -> pa.Array:
    """One text in every row, held once."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [text])


def in_one_list(values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays([0, len(values)], values)


def in_structs(values: pa.Array) -> pa.Array:
    return pa.StructArray.from_arrays([values], ["text"])


def save(path: Path, column: pa.Array, **how: Any) -> Path:
    pq.write_table(pa.table({"text": column}), path, compression="zstd", store_schema=False, **how)
    return path


BOMBS: dict[str, tuple[Callable[[], pa.Array], int, bool, str]] = {
    "a text in every row": (lambda: repeated(64), 3_000_000, True, "1|64 64 {''}"),
    "too long a text in every row": (lambda: repeated(64), 1_000_000, True, "1|64 64 {'line too long'}"),
    "a text in every element": (lambda: in_one_list(repeated(64)), 3_000_000, True, "1|1 1 {'line too long'}"),
    "a text in every turn": (
        lambda: in_one_list(in_structs(repeated(64))), 3_000_000, True, "1|1 1 {'line too long'}",
    ),
    "one long text": (lambda: pa.array([TEXT * 40]), 3_000_000, False, "0|row group 1 has pages of 80,"),
    "one long list": (
        lambda: in_one_list(pa.array([0], pa.int8()).take(pa.repeat(0, 20_000_000))), 3_000_000, True,
        "0|row group 1 has 20,000,000 values in the lists of column 'element', more than can be decoded at once: ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_memory_stays_bounded_for_a_bomb(tmp_path: Path, name: str) -> None:
    column, line_bytes, dictionary, expected = BOMBS[name]
    path = save(tmp_path / "a.parquet", column(), use_dictionary=dictionary)
    assert path.stat().st_size < 50_000
    run = [sys.executable, "-c", MEASURE, str(path), str(line_bytes)]
    said = subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    waited, worked, found = said.split("|", 2)
    assert found.startswith(expected)
    assert int(waited) < 60_000, "kilobytes in the web request"
    assert int(worked) < 80_000, "kilobytes in the worker"


def test_what_is_decoded_counts_and_not_what_the_file_says(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", repeated(256, "x" * 20_000))
    with pytest.raises(WrongFile, match="has more than 3,000,000 bytes when decompressed: split it or raise"):
        staged(path)
    shard = staged(path, Limits(100_000, 10_000_000))
    assert list(readers.pieces(shard, 1_300_000, nothing)) == [
        Piece(at, min(at + 64, 256), at + 1) for at in range(0, 256, 64)
    ]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_texts_kept_once_are_read_as_they_are(tmp_path: Path, version: str) -> None:
    texts = [f"{number % 7} {'é' * (number % 7) * 60}" for number in range(900)]
    rows: list[dict[str, Any]] = [
        {"text": text, "turns": [{"role": "human", "text": text}, None], "map": [("a", text)], "none": None}
        if number % 5 else {"text": None, "turns": None, "map": None, "none": None}
        for number, text in enumerate(texts)
    ]  # fmt: skip
    turn = pa.struct([("role", pa.string()), ("text", pa.string())])
    kinds = [("text", pa.string()), ("turns", pa.list_(turn)), ("map", pa.map_("str", "str")), ("none", pa.null())]
    path = tmp_path / "a.parquet"
    long: dict[str, Any] = {"text": "y" * 90_000, "turns": [], "map": [], "none": None}
    table = pa.Table.from_pylist([*rows, long], pa.schema(kinds))
    pq.write_table(table, path, row_group_size=300, data_page_size=200, data_page_version=version, write_batch_size=50)
    limits = Limits(100_000, 10_000_000)
    found = [record for _, record in read(staged(path, limits), 7_000, limits)]
    expected = [row | {"map": row["map"] and [list(pair) for pair in row["map"]]} for row in [*rows, long]]
    assert found == expected
    assert opened(path)[-1] == ("row 901", "line too long")
    assert [record for _, record in readers.beginning(path, limits)] == expected[:100]


def test_a_page_that_lies_about_its_size_is_damage(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", pa.array([os.urandom(9).hex()] * 9))
    content = bytearray(path.read_bytes())
    content[4:24] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(WrongFile, match="is a damaged Parquet file"):
        staged(path)
    with pytest.raises(WrongFile, match="is a damaged Parquet file"):
        readers.beginning(path, Limits(1_000, 10_000))


def test_the_beginning_has_few_rows_where_they_are_long(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", repeated(256, "x" * 30_000))
    found = readers.beginning(path, Limits(100_000, 10_000_000))
    assert [where for where, _ in found] == ["row 1", "row 2", "row 3"]
    ((_, first),) = readers.beginning(path, Limits(1_000, 10_000_000))
    assert isinstance(first, RejectedRow)
