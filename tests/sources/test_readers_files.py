import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from sources import readers
from sources.readers import Limits, WrongFile
from tests import ROOT
from tests.sources.reading import COMPRESS, LIMITS, nothing, opened, parquet, staged, written

ZSTD = zstandard.ZstdCompressor(write_checksum=True)
TABLE = parquet([{"text": os.urandom(20).hex()} for _ in range(500)])


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl", b" \n\n", "has no text"),
        ("a.csv", b"\xef\xbb\xbf", "has no text"),
        ("a.jsonl", b"\x7fELF\x00\x00", "is binary"),
        ("a.csv", b"PK\x03\x04rest", "is a ZIP archive"),
        ("a.xlsx", b"PK\x03\x04rest", "its name does not say what it holds: end it in one of .jsonl"),
        ("a", b"{}", "its name does not say what it holds"),
        ("a.gz", b"{}", "its name does not say what it holds"),
        ("a.jsonl", b"%PDF-1.7", "is a PDF file"),
        ("a.jsonl", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        ("a.jsonl", "text".encode("utf-16"), "is text in UTF-16"),
        ("a.csv", b"a,b\ncaf\xe9,1\n", "line 2 is not UTF-8"),
        ("a.jsonl", gzip.compress(b"{}"), "is gzip but not named .gz: rename it to a.jsonl.gz"),
        ("a.csv", ZSTD.compress(b"{}"), "is zstd but not named .zst: rename it to a.csv.zst"),
        ("a.csv.zst", gzip.compress(b"{}"), "is gzip but not named .gz"),
        ("a.jsonl.gz", b"{}", "is named .gz but is not gzip"),
        ("a.jsonl.zst", b"{}", "is named .zst but is not zstd"),
        ("a.jsonl.gz", gzip.compress(gzip.compress(b"{}")), "holds .gz data in .gz data: decompress it once"),
        ("a.jsonl.gz", gzip.compress(b"\x00\x01"), "is binary"),
        ("a.jsonl.gz", gzip.compress(b""), "has no text"),
        ("a.jsonl.gz", gzip.compress(os.urandom(10))[:-9], "is cut off"),
        ("a.jsonl.gz", gzip.compress(b"text")[:-8] + b"\0\0\0\0\0\0\0\0", "its .gz data are damaged"),
        ("a.jsonl.zst", ZSTD.compress(b"{}")[:-2], "is cut off: its .zst data end too early"),
        ("a.jsonl.zst", ZSTD.compress(b"{}")[:-1] + b"!", "its .zst data are damaged"),
        ("a.jsonl", b"<!DOCTYPE HTML><html>", "is a web page"),
        ("a.csv", b"\n<html lang=en>", "is a web page"),
        ("a.csv", b'{"a": 1}\n', "is JSON, not CSV"),
        ("a.csv", b'[\n{"a": 1}]\n', "is JSON, not CSV"),
        ("a.jsonl", b"text,n\na,1\n", "is not JSON"),
        ("a.parquet", b"text,n\n", "is not Parquet"),
        ("a.csv", TABLE, "is a Parquet file: let its name end in .parquet"),
        ("a.jsonl.gz", gzip.compress(TABLE), "is a Parquet file"),
        ("a.parquet", TABLE[:-100], "is a damaged Parquet file"),
        ("a.parquet", TABLE[:-20] + b"\xff" * 10 + TABLE[-10:], "is a damaged Parquet file"),
    ],
    # Drawn or stamped with the time, the content would name a test differently in every process.
    ids=lambda value: "content" if isinstance(value, bytes) else value,
)
def test_it_refuses_a_file_that_is_not_what_its_name_says(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for refused in (readers.check, staged, lambda path: readers.beginning(path, LIMITS)):
        with pytest.raises(WrongFile, match=problem) as refusal:
            refused(path)
        message = str(refusal.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message


def test_it_refuses_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path, problem in (
        (tmp_path / "absent.csv", "there is no such file"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe.csv", "is not a regular file"),
        (tmp_path / ("x" * 300), "cannot be read"),
    ):
        with pytest.raises(WrongFile, match=problem):
            readers.check(path)


def test_it_refuses_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b"{}")
    path.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:
            # Root may read everything; nobody may not.
            os.seteuid(65534)
        with pytest.raises(WrongFile, match="may not be read"):
            readers.check(path)
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_damage_far_inside_shows_when_the_file_is_staged_and_leaves_nothing_behind(tmp_path: Path, suffix: str) -> None:
    whole = COMPRESS[suffix](b'"' + os.urandom(1_400_000).hex().encode() + b'"')
    path = tmp_path / f"a.jsonl{suffix}"
    for content, problem in (
        (whole[:-20], "is cut off"),
        (whole[:-8] + b"\1\2\3\4" + whole[-4:], "damaged"),
        (whole[:700_000] + b"\1\2\3\4" + whole[700_004:], "damaged"),
    ):
        path.write_bytes(content)
        readers.check(path)
        with pytest.raises(WrongFile, match=problem):
            staged(path)
    assert list((tmp_path / "staged").iterdir()) == []


def test_it_reads_compressed_files_that_were_put_one_behind_the_other(tmp_path: Path) -> None:
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"apart"
    two = b"".join([skipped, ZSTD.compress(b'"a"\n'), skipped, ZSTD.compress(b'"b"\n')])
    for name, content in (("a.jsonl.zst", two), ("a.jsonl.gz", gzip.compress(b'"a"\n') + gzip.compress(b'"b"'))):
        (tmp_path / name).write_bytes(content)
        assert opened(tmp_path / name) == [("line 1", "a"), ("line 2", "b")]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.zst", "a.json", "a.parquet.gz", "a.parquet"])
def test_it_refuses_a_bomb_and_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    content = TABLE if "parquet" in name else b"[" + b"1,\n" * 1_200_000
    if name == "a.csv.zst":
        content = content[1:]
    limits = Limits(1_000, 3_000_000 if "parquet" not in name else 5_000)
    path = written(tmp_path / name, content)
    with pytest.raises(WrongFile, match="split it or raise OIG_IMPORT_MAX_STAGED_BYTES"):
        staged(path, limits)
    assert list((tmp_path / "staged").iterdir()) == []


def test_a_folder_that_is_full_or_away_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", b"[1]")
    with pytest.raises(WrongFile, match="absent: there is no such file"):
        readers.stage(path, tmp_path / "absent", LIMITS, nothing)


MEASURE = """
import resource, sys
from pathlib import Path
from sources import readers
from sources.rows import RejectedRow

path, limits = Path(sys.argv[1]), readers.Limits(1_000_000, 10**9)
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
shard = readers.stage(path, path.parent, limits, lambda: None)
found = [row for piece in readers.pieces(shard, 10**6, lambda: None) for row in readers.records(shard, piece, limits)]
assert [type(row) for _, row in found] == [RejectedRow, dict], found
readers.beginning(path, limits)
assert "pyarrow" not in sys.modules
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most)
"""


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.zst", "a.csv.zst"])
def test_memory_stays_flat_for_a_line_of_200_megabytes(tmp_path: Path, name: str) -> None:
    compressor = zstandard.ZstdCompressor().compressobj()
    head, quote, tail = {"a.json.zst": (b'[\n"', b'"', b',\n{"a": 1}]'), "a.csv.zst": (b"a\n", b"", b"\n1\n")}.get(
        name, (b'"', b'"', b'\n{"a": 1}')
    )
    path = tmp_path / name
    with gzip.open(path, "wb", 1) if name.endswith(".gz") else path.open("wb") as file:
        through = (lambda block: block) if name.endswith(".gz") else compressor.compress
        for block in (head, *[b"x" * 10_000_000] * 20, quote, tail):
            file.write(through(block))
        if name.endswith(".zst"):
            file.write(compressor.flush())
    run = [sys.executable, "-c", MEASURE, str(path)]
    kilobytes = int(subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    assert kilobytes < 60_000
