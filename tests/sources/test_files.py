import gzip
import os
from pathlib import Path

import pytest

from sources import files
from sources.files import BadLine, SourceFile, WrongFile

LIMIT = 1000


def read(path: Path) -> list[tuple[int, str]]:
    with SourceFile(path, LIMIT) as file:
        return [
            (number, text.reason if isinstance(text, BadLine) else text.strip()) for number, text in files.lines(file)
        ]


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "A.GZ"])
def test_it_reads_lines_plain_and_compressed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = "\ufeffone\r\n\n  \nzwei ä\nno line end".encode()
    path.write_bytes(gzip.compress(content) if name.lower().endswith(".gz") else content)
    files.check(path)
    assert read(path) == [(1, "one"), (4, "zwei ä"), (5, "no line end")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_it_goes_on_after_a_line_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, b"one\n" + b"x" * 5000 + b"\n" + b"caf\xe9\nfour\n" + b"y" * LIMIT)
    assert read(path) == [
        (1, "one"),
        (2, "line too long"),
        (3, "not UTF-8"),
        (4, "four"),
        (5, "y" * LIMIT),
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_it_ends_after_the_bytes_it_may_read_even_within_a_line(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, b"one\n" + os.urandom(500_000).replace(b"\n", b"") + b"\ntwo\n")
    with SourceFile(path, LIMIT, max_bytes=4 * LIMIT) as file:
        found = [(number, isinstance(text, BadLine)) for number, text in files.lines(file)]
        assert found == [(1, False), (2, True)]
        assert file.bytes_read < path.stat().st_size / 2
        assert file.read_text(LIMIT) == ""


def test_it_counts_the_bytes_on_disk(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gz", b"line of text\n" * 100_000)
    with SourceFile(path, LIMIT) as file:
        assert sum(1 for _ in file) == 100_000
        assert file.bytes_read == path.stat().st_size < 10_000


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl", b" \n\n", "has no text"),
        ("a.jsonl", b"\x7fELF\x00\x00", "is binary"),
        ("a.csv", b"PK\x03\x04rest", "is a ZIP archive"),
        ("a.jsonl", "text".encode("utf-16"), "is text in UTF-16"),
        ("a.csv", b"a,b\ncaf\xe9,1\n", "line 2 is not UTF-8"),
        ("a.jsonl", gzip.compress(b"{}"), "is gzip but not named .gz"),
        ("a.gz", b"{}", "is named .gz but is not gzip"),
        ("a.gz", gzip.compress(b"\x00\x01"), "is binary"),
        ("a.gz", gzip.compress(os.urandom(10))[:-9], "is cut off"),
        ("a.gz", gzip.compress(b"text")[:-8] + b"\0\0\0\0\0\0\0\0", "its .gz data are damaged"),
    ],
)
def test_it_refuses_a_file_that_is_not_what_it_should_be(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WrongFile, match=problem) as refusal:
        files.check(path)
    message = str(refusal.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


def test_it_refuses_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, problem in (
        (tmp_path / "absent", "there is no such file"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "is not a regular file"),
        (tmp_path / ("x" * 300), "cannot be read"),
    ):
        with pytest.raises(WrongFile, match=problem):
            files.check(path)


def test_it_refuses_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b"{}")
    path.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:
            # Root may read everything; nobody may not.
            os.seteuid(65534)
        with pytest.raises(WrongFile, match="may not be read"):
            files.check(path)
    finally:
        os.seteuid(user)


def test_it_finds_damage_only_at_the_end_of_a_compressed_file(tmp_path: Path) -> None:
    whole = gzip.compress(os.urandom(3_000_000).hex().encode())
    path, ticks = tmp_path / "a.gz", list[int]()
    path.write_bytes(whole)
    files.prove_whole(path, lambda: ticks.append(1))
    assert len(ticks) > 3
    path.write_bytes(whole[:-20])
    files.check(path)
    with pytest.raises(WrongFile, match="is cut off"):
        files.prove_whole(path)
    path.write_bytes(whole[:-8] + b"\1\2\3\4" + whole[-4:])
    with pytest.raises(WrongFile, match="damaged"):
        files.prove_whole(path)
