from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from exports import writers
from exports.errors import SnapshotRefused
from tests.exports.faults import files_of_at_most

NOBODY = 65534


def _fail() -> None:
    raise RuntimeError("the power went")


def test_it_shows_a_file_under_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with writers.complete_file(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"


def test_it_keeps_the_file_of_before_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")
    with pytest.raises(RuntimeError), writers.complete_file(path):
        _fail()
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a", b"before")]


def test_it_leaves_nothing_of_lines_that_break_off(tmp_path: Path) -> None:
    def lines() -> Iterator[bytes]:
        yield b"{}\n"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        writers.write_lines(tmp_path / "a", lines())
    assert list(tmp_path.iterdir()) == []


# As long as a line can be: 200,000 characters of text, twice.
LONG = b"x" * 400_000 + b"\n"


def test_batches_end_at_so_many_bytes_or_lines() -> None:
    found = list(writers.batches([b"ab\n"] * 100, 60, 16))
    assert [len(batch) for batch in found] == [16] * 6 + [4]
    assert {len(batch) for batch in writers.batches([LONG] * 64, writers.BATCH)} == {writers.FEW}
    mixed = [b"ab\n"] * 1000 + [LONG] * 20 + [b"ab\n"] * 3
    batches = list(writers.batches(mixed, writers.BATCH))
    assert [line for batch in batches for line in batch] == mixed
    assert max(sum(map(len, batch)) for batch in batches) <= writers.BATCH + writers.FEW * len(LONG)
    assert list(writers.batches([], 60, 16)) == []


def test_its_memory_does_not_grow_with_texts(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        writers.write_lines(tmp_path / "a", (bytes(LONG[:-1]) + b"\n" for _ in range(300)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "a").stat().st_size == 300 * len(LONG)
    assert most < 20 << 20


def test_it_says_that_a_thread_found_no_room_and_leaves_nothing(tmp_path: Path) -> None:
    """Lines of several batches: the first fails while the next is made, or the last after all were."""
    for lines in (writers.BATCH * 10 // len(LONG), writers.BATCH // len(LONG) + 1):
        with files_of_at_most(writers.BATCH // 2), pytest.raises(OSError, match="File too large") as refused:
            writers.write_lines(tmp_path / "a", [LONG] * lines)
        assert refused.value.errno == errno.EFBIG
        assert list(tmp_path.iterdir()) == []


def test_it_compares_json_whatever_the_order_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "a"
    writers.write_json(path, {"b": 1, "a": [2]})
    assert writers.holds_json(path, {"a": [2], "b": 1})
    assert not writers.holds_json(path, {"a": [2], "b": 2})
    path.write_text("{")
    assert not writers.holds_json(path, {})


def test_it_takes_the_fingerprint_of_a_file(tmp_path: Path) -> None:
    writers.write_text(tmp_path / "a", "é")
    assert writers.fingerprint(tmp_path / "a") == {"bytes": 2, "sha256": hashlib.sha256("é".encode()).hexdigest()}


def test_it_checks_a_folder_and_creates_nothing(tmp_path: Path) -> None:
    writers.check_folder(tmp_path / "new" / "deeper")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(SnapshotRefused, match=r"file: is not a folder; choose another place"):
            writers.check_folder(folder)


def test_it_says_that_a_folder_is_closed() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        before = os.geteuid()
        os.seteuid(before or NOBODY)  # nothing is closed to root
        try:
            with pytest.raises(SnapshotRefused, match=f"{name}: cannot be written to; choose another place"):
                writers.check_folder(Path(name) / "deeper")
        finally:
            os.seteuid(before)
