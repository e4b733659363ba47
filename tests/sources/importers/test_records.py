import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import importers, texts
from sources.errors import SourceError
from sources.files import SourceFile
from sources.importers.records import BrokenJSON, json_records, parse
from sources.rows import InstructionRow, RejectedRow
from tests.sources.importers.readers import MAX_LINE_BYTES, outcomes, read


def values(path: Path) -> list[tuple[str, Any]]:
    with SourceFile(path, MAX_LINE_BYTES) as file:
        return [
            (where, value.reason if isinstance(value, RejectedRow) else value) for where, value in json_records(file)
        ]


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 1', "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "", "\x00"])
def test_it_says_what_is_not_json(text: str) -> None:
    with pytest.raises(BrokenJSON):
        parse(text)


def test_it_takes_the_lone_surrogates_that_json_can_write() -> None:
    assert parse('"\\ud800"') == "\ud800"


def test_it_reads_lines_and_says_where_one_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2,}\n{"a": 3}\n')
    assert values(path) == [("line 1", {"a": 1}), ("line 3", "broken JSON"), ("line 4", {"a": 3})]


def test_it_reads_one_array_however_it_is_printed(tmp_path: Path) -> None:
    records = [{"text": f"{number} ]}}[{{", "n": number} for number in range(5000)]
    expected = [(f"record {number}", record) for number, record in enumerate(records, start=1)]
    path = tmp_path / "a.json"
    for indent in (None, 2):
        path.write_text("\n " + json.dumps(records, indent=indent))
        assert values(path) == expected
    path.write_text("[]")
    assert values(path) == []


@pytest.mark.parametrize("tail", ['{"a": ', '{"a": 1}} ', "nonsense]", "", f'"{"x" * 3 * MAX_LINE_BYTES}"]'])
def test_it_keeps_what_stands_before_the_break_of_an_array(tmp_path: Path, tail: str) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1}, ' + tail)
    first, *rest = values(path)
    assert first == ("record 1", {"a": 1})
    assert rest[-1][1] == "broken JSON"


def test_it_reads_one_object_over_many_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": [1, 2]}, indent=4))
    assert values(path) == [("record 1", {"a": [1, 2]})]
    path.write_text('{\n"a": 1')
    assert values(path) == [("record 1", "broken JSON")]


def test_it_reads_csv_with_line_ends_in_quotes_and_goes_on_after_broken_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'\xef\xbb\xbftext,n\r\n"two\nlines, ""quoted""",1\r\n\r\nthree\r\nb"are,4\r\n'
        b'"broken"x,5\ncaf\xe9,6\n' + b"z" * 2 * MAX_LINE_BYTES + b",7\nlast,8\n" + b'"open,9\n'
    )
    assert outcomes(read("csv", path, text="text")) == [
        'human: two\nlines, "quoted"',
        "line 5: wrong number of fields",
        'human: b"are',
        "line 7: broken CSV",
        "line 8: not UTF-8",
        "line 9: line too long",
        "human: last",
        "line 11: broken CSV",
    ]


def test_it_refuses_a_header_that_names_a_column_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,text\na,b\n")
    with pytest.raises(SourceError, match="line 1: column 'text' is there twice: rename one"):
        read("csv", path, text="text")


SEEDS = {
    "oig": ('{"text": "<human>: a\\n<bot>: b", "metadata": {"s": 1}}\n{"text": "c"}\n', {}),
    "jsonl": (
        '{"p": "a", "r": "b", "i": 1}\n{"p": "c", "r": null, "i": 2}\n',
        {"prompt": "p", "reply": "r", "id": "i"},
    ),
    "csv": ('p,r\na,"b\n""c"""\nd,e\n', {"prompt": "p", "reply": "r"}),
    "prosocial-dialog": ('[[{"text": "a", "labels": ["b"], "safety_annotations": ["casual"]}]]', {}),
    "convabuse": (
        (
            "annotator_id,conv_id,prev_agent,prev_user,agent,user,is_abuse.1,is_abuse.0,is_abuse.-1,is_abuse.-2,is_abuse.-3\n"
            "A1,1.0,_,_,hi,ho,1,0,0,0,0\n"
        ),
        {},
    ),
}


@pytest.mark.parametrize("name", SEEDS)
@settings(deadline=None)
@given(data=st.data())
def test_it_never_falls_over_whatever_is_written_into_a_file(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    seed, options = SEEDS[name]
    content = bytearray(seed.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(at, min(len(content), at + 10)))
        content[at:end] = data.draw(
            st.one_of(st.binary(max_size=6), st.sampled_from([b'"', b"\\ud800", b"[", b"null"]))
        )
    path = tmp_path_factory.mktemp("mutated") / "file"
    path.write_bytes(content)
    rows = list[InstructionRow | RejectedRow]()
    with suppress(SourceError), SourceFile(path, MAX_LINE_BYTES) as file:
        rows += importers.get(name).read(file, options)
    for row in rows:
        if isinstance(row, InstructionRow):
            assert {turn["role"] for turn in row.turns} <= {"human", "bot"}
            assert all(texts.digest(texts.normalise([turn])) for turn in row.turns)
        else:
            assert row.detail
