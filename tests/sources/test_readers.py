import dataclasses
import hashlib
import json
import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sources import readers
from sources.readers import FileChanged, Limits, Piece, Shard, WrongFile, WrongHeader
from sources.readers.json import BrokenJSON, parse
from sources.rows import RejectedRow
from tests.sources.reading import COMPRESS, LIMITS, nothing, opened, outcomes, parquet, read, staged, written

ROWS = [{"text": f"a “quote”, a\n line {number} ]}}[{{", "n": str(number)} for number in range(300)]
CSV = "text,n\n" + "".join(f'"{row["text"]}",{row["n"]}\n' for row in ROWS)
CONTENTS: dict[str, tuple[bytes, str]] = {
    "lines.jsonl": ("".join(json.dumps(row) + "\n" for row in ROWS).encode(), "line"),
    "lines.json": ("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode(), "line"),
    "array.json": (json.dumps(ROWS).encode(), "record"),
    "array.jsonl": (("\ufeff\n " + json.dumps(ROWS, indent=2, ensure_ascii=False)).encode(), "record"),
    "table.csv": (CSV.encode(), "csv"),
    "table.tsv": (CSV.replace('",', '"\t').replace("text,", "text\t").encode(), "csv"),
    "table.parquet": (parquet(ROWS, group_rows=70), "row"),
}


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("name", CONTENTS)
def test_it_reads_the_same_records_from_every_form(tmp_path: Path, name: str, compression: str) -> None:
    content, word = CONTENTS[name]
    path = written(tmp_path / f"with blanks {name}{compression}", content)
    readers.check(path)
    shard = staged(path)
    first, step = (2, 2) if word == "csv" else (1, 1)
    expected = [(f"{word.replace('csv', 'line')} {first + step * at}", row) for at, row in enumerate(ROWS)]
    for piece_bytes in (1, 333, 5_000, 10**9):
        assert read(shard, piece_bytes) == expected
    assert len(list(readers.pieces(shard, 5_000, nothing))) > 2
    beginning = readers.beginning(path, LIMITS, most=7)
    assert beginning == ([] if name.endswith(".parquet") and compression else expected[:7])


def test_a_shard_says_what_it_was_made_of(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl.gz", b"[1, 2]")
    shard = staged(path)
    assert Shard(**json.loads(json.dumps(dataclasses.asdict(shard)))) == shard
    assert (shard.name, shard.form, shard.is_staged) == ("a.jsonl.gz", "json", True)
    assert shard.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert shard == dataclasses.replace(staged(path), modified_ns=shard.modified_ns)
    assert [file.name for file in Path(shard.path).parent.iterdir()] == [Path(shard.path).name]
    lines = staged(written(tmp_path / "b.json", b'{"a": 1}\n'))
    assert (lines.path, lines.is_staged, lines.form, lines.bytes) == (str(tmp_path / "b.json"), False, "jsonl", 9)


def test_it_notices_that_a_shard_was_changed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b"[1]\n[2]\n")
    shard = staged(path)
    readers.check_unchanged(shard)
    os.utime(path, ns=(shard.modified_ns, shard.modified_ns + 1))
    with pytest.raises(FileChanged, match=r"was changed since the import was planned: start the import again"):
        readers.check_unchanged(shard)
    path.unlink()
    with pytest.raises(FileChanged, match="was removed"):
        readers.check_unchanged(shard)


def test_it_notices_that_a_file_grows_while_it_is_staged(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", b"[1, 2]")

    def grow() -> None:
        path.write_bytes(b"[1, 2] ")

    with pytest.raises(FileChanged):
        readers.stage(path, tmp_path, LIMITS, grow)
    assert list(tmp_path.iterdir()) == [path]


def test_it_ticks_all_along(tmp_path: Path) -> None:
    path, ticks = written(tmp_path / "a.jsonl.gz", b'{"a": 1}\n' * 500_000), list[int]()
    limits = Limits(1_000, 10_000_000)
    shard = readers.stage(path, tmp_path, limits, lambda: ticks.append(1))
    assert len(ticks) >= 4
    ticks.clear()
    assert sum(1 for _ in readers.pieces(shard, 10**9, lambda: ticks.append(1))) == 1
    assert len(ticks) >= 4


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 1', "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "", "\x00"])
def test_it_says_what_is_not_json(text: str) -> None:
    with pytest.raises(BrokenJSON):
        parse(text)


def test_it_takes_the_lone_surrogates_that_json_can_write() -> None:
    assert parse('"\\ud800"') == "\ud800"


def test_it_goes_on_after_a_line_that_cannot_be_read(tmp_path: Path) -> None:
    long = b'"' + b"x" * 5_000 + b'"\n'
    path = written(
        tmp_path / "a.jsonl", b"\xef\xbb\xbf1\r\n\n" + long + b'2\n"' + b"\xe9" * 1 + b'"\n{"a": 2,}\n \n[3]'
    )
    with pytest.raises(WrongFile, match="line 5 is not UTF-8"):
        staged(path)
    path = written(
        path, b'\xef\xbb\xbf{"a": "' + b"\xc3\xa4" * 400 + b'"}\n' * 1 + b"\n" * 70_000 + path.read_bytes()[3:]
    )
    found = read(staged(path))
    assert outcomes(found)[1:] == [
        ("line 70002", 1),
        ("line 70004", "line too long"),
        ("line 70005", 2),
        ("line 70006", "not UTF-8"),
        ("line 70007", "broken JSON"),
        ("line 70009", [3]),
    ]
    assert [record.detail for _, record in found if isinstance(record, RejectedRow)] == [
        "has 5,002 bytes, more than 1,000: split it or raise OIG_IMPORT_MAX_LINE_BYTES",
        "byte 2 of the line is not UTF-8: save the file as UTF-8",
        "is not JSON (Expecting property name enclosed in double quotes at character 9): correct it",
    ]


def test_a_carriage_return_does_not_make_a_line_too_long(tmp_path: Path) -> None:
    line = b'"' + b"x" * 998 + b'"'
    path = written(tmp_path / "a.jsonl", line + b"\r\n" + line + b" \r\n" + line + b"\r")
    assert [type(record) for _, record in read(staged(path))] == [str, RejectedRow, str]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'["a", "b"]\n["c", "d"]\n', [("line 1", ["a", "b"]), ("line 2", ["c", "d"])]),
        (b'["a", "b"]\n', [("record 1", "a"), ("record 2", "b")]),
        (b'"a"\n"b"', [("line 1", "a"), ("line 2", "b")]),
        (b'{"a": 1,}\n{"a": 2}\n', [("line 1", "broken JSON"), ("line 2", {"a": 2})]),
        (b'{\n"a": [\n{"b": "\\\\"}]\n}', [("record 1", {"a": [{"b": "\\"}]})]),
        (b'{\n"a": 1}{\n"a": 2\n}', [("record 1", {"a": 1}), ("record 2", {"a": 2})]),
        (b"[]", []),
        (b"[[1,\n2],[]]", [("record 1", [1, 2]), ("record 2", [])]),
        (b'[1, {"a": tru}, 2 3, {"a": "\n"}, "\xff", 4]', None),
        (b"[\n1]\n[\n2]", [("record 1", 1), ("record 2", 2)]),
        (b'[1]] {"a": 2}', [("record 1", 1), ("record 2", "broken JSON")]),
        (b'[1, {"a": "' + b"x" * 2000 + b'"}, 2]', [("record 1", 1), ("record 2", "line too long"), ("record 3", 2)]),
    ],
)
def test_the_content_decides_what_the_records_are(
    tmp_path: Path, content: bytes, expected: list[tuple[str, Any]] | None
) -> None:
    for name in ("a.json", "a.jsonl.zst"):
        path = written(tmp_path / name, content)
        if expected is None:
            with pytest.raises(WrongFile, match="not UTF-8"):
                readers.check(path)
        else:
            assert opened(path) == expected


def test_an_element_that_is_no_json_costs_that_element_only(tmp_path: Path) -> None:
    elements = [b"1", b'{"a": tru}', b"2 3", b'{"a": "line\nend"}', b'{"a": NaN}', b"[" * 900 + b"]" * 900, b"\1", b"4"]
    found = opened(written(tmp_path / "a.json", b"[" + b", ".join(elements) + b"]"))
    assert found[0][1] == 1
    assert [record for _, record in found[1:-1] if isinstance(record, str)] == ["broken JSON"] * 4 + [
        "line too long"
    ] + ["broken JSON"]
    assert found[-1] == ("record 8", 4)


@pytest.mark.parametrize("tail", [b'{"a": ', b'{"a": 1}} , 7]', b'"never closed, 7]', b"", b'"half an escape\\', b"{"])
def test_it_keeps_what_stands_before_the_break_of_an_array(tmp_path: Path, tail: bytes) -> None:
    found = read(staged(written(tmp_path / "a.json", b'[{"a": 1}, ' + tail)))
    assert found[0] == ("record 1", {"a": 1})
    assert all(isinstance(record, RejectedRow) or record == {"a": 1} for _, record in found)
    assert found[-1][1].detail.startswith("nothing can be read from here on: the file is cut off, or a bracket")


def test_it_reads_csv_with_line_ends_in_quotes_and_goes_on_after_broken_rows(tmp_path: Path) -> None:
    content = (
        b'\xef\xbb\xbf,text\r\n1,"two\r\nlines, ""quoted"""\r\n\r\nthree\r\n4,b"are\r\n'
        b'5,"broken"x\n' + b"6" * 2_000 + b',7\n8,last\n9,"open\n10,x\n11,"y"\n12,end\n13,"open'
    )
    found = read(staged(written(tmp_path / "a.csv", content)))
    assert outcomes(found) == [
        ("line 2", {"": "1", "text": 'two\r\nlines, "quoted"'}),
        ("line 5", "wrong number of fields"),
        ("line 6", {"": "4", "text": 'b"are'}),
        ("line 7", "broken CSV"),
        ("line 8", "line too long"),
        ("line 9", {"": "8", "text": "last"}),
        ("line 10", "broken CSV"),
        ("line 13", {"": "12", "text": "end"}),
        ("line 14", "broken CSV"),
    ]
    assert found[6][1].detail.startswith("with the lines up to 12, which its quotes enclose, is not CSV")


def test_a_quote_that_is_never_closed_costs_no_more_than_the_longest_line(tmp_path: Path) -> None:
    rows = [f"{number},text\n" for number in range(1_000)]
    rows[500] = '500,"text\n'
    found = read(staged(written(tmp_path / "a.csv", ("n,text\n" + "".join(rows)).encode())), piece_bytes=100)
    rejected = [record for _, record in found if isinstance(record, RejectedRow)]
    assert 800 < len(found) < 999
    assert {record.reason for record in rejected} == {"broken CSV"}
    assert rejected[0].detail.startswith("with the lines up to ")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"text,text\na,b\n", "line 1: column 'text' is there twice: rename one"),
        (b"\n\na,b\n", "line 1: has no header: name the columns in the first line"),
        (b'a,"b"c\n1,2\n', "line 1: has no header: is not CSV"),
        (b"a" * 2_000 + b",b\n1,2\n", "line 1: has no header: has 2,002 bytes"),
    ],
)
def test_it_refuses_a_header_that_names_no_columns(tmp_path: Path, content: bytes, problem: str) -> None:
    for name in ("a.csv", "a.csv.gz"):
        path = written(tmp_path / name, content)
        with pytest.raises(WrongHeader, match=problem) as refusal:
            staged(path)
        assert str(refusal.value).startswith(f"{path}: ")
        with pytest.raises(WrongHeader, match=problem):
            readers.beginning(path, LIMITS)
    assert list((tmp_path / "staged").iterdir()) == []


def test_parquet_values_that_json_cannot_hold_become_text(tmp_path: Path) -> None:
    at = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    row = {
        "text": "a", "whole": 2**40, "yes": True, "none": None, "not a number": float("nan"), "endless": float("inf"),
        "half": 0.5, "bytes": b"caf\xc3\xa9", "price": Decimal("1.50"), "at": at, "day": date(2026, 5, 4),
        "turns": [{"role": "human", "at": at}],
    }  # fmt: skip
    table = pa.Table.from_pylist([row, row | {"bytes": b"\xff"}])
    found = opened(written(tmp_path / "a.parquet", parquet(table)))
    assert found == [
        ("row 1", row | {
            "not a number": None, "endless": "inf", "bytes": "café", "price": "1.50", "at": "2026-05-04 03:02:01+00:00",
            "day": "2026-05-04", "turns": [{"role": "human", "at": "2026-05-04 03:02:01+00:00"}],
        }),
        ("row 2", "not UTF-8"),
    ]  # fmt: skip
    assert json.loads(json.dumps(found[0][1])) == found[0][1]


def test_parquet_rows_that_cannot_be_read_are_rejected_alone(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(pa.string(), 3, [None, *pa.array([b"a", b"\xff", b"x" * 2_000]).buffers()[1:]])
    found = opened(written(tmp_path / "a.parquet", parquet(pa.table({"text": bad}))))
    assert found == [("row 1", {"text": "a"}), ("row 2", "not UTF-8"), ("row 3", "line too long")]


def test_parquet_pieces_join_small_row_groups_and_part_large_ones(tmp_path: Path) -> None:
    rows = [{"text": os.urandom(50).hex()} for _ in range(1_000)]
    small = staged(written(tmp_path / "small.parquet", parquet(rows, group_rows=10)))
    large = staged(written(tmp_path / "large.parquet", parquet(rows)))
    for shard in (small, large):
        cut = list(readers.pieces(shard, 20_000, nothing))
        assert 4 < len(cut) < 12
        assert [piece.start for piece in cut] == [0, *(piece.end for piece in cut[:-1])]
        assert cut[-1] == Piece(cut[-1].start, 1_000, cut[-1].start + 1)
        assert [record for _, record in read(shard, 20_000)] == rows


COUNTS = {
    "ailuminate/*.csv": (1_100,), "anthropic_red_team/*.json": (10,), "convabuse/*.csv": (12_768,),
    "diasafety/*.json": (1_095, 1_097), "hatecheck/*.csv": (3_901,), "hh_rlhf_harmless/*": (2_312,),
    "oasst/*": (100, 100, 100), "openai_moderation/*": (909,), "prosocial_dialog/*_rows.jsonl": (17,),
    "prosocial_dialog/*.json": (1,), "red_instruct/d*": (200,), "red_instruct/h*": (1,),
    "simple_safety_tests/*": (100,), "xstest/*": (450,), "classic_agreement/expected.json": (1,),
}  # fmt: skip


@pytest.mark.parametrize("pattern", COUNTS)
def test_it_opens_the_real_files(shared_data: Path, tmp_path: Path, pattern: str) -> None:
    limits, counts = Limits(16_000_000, 100_000_000), list[int]()
    for path in sorted(shared_data.glob(pattern)):
        shard = readers.stage(path, tmp_path, limits, nothing)
        found = read(shard, limits=limits)
        assert read(shard, 10_000, limits) == found
        assert readers.beginning(path, limits) == found[:100]
        assert not any(isinstance(record, RejectedRow) for _, record in found)
        counts.append(len(found))
    assert tuple(counts) == COUNTS[pattern]
