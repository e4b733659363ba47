from pathlib import Path

import pytest

from sources.importers.importer import MissingColumn, WrongOption
from sources.rows import InstructionRow
from tests.sources.importers.readers import outcomes, read


def jsonl(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    return path


def test_it_reads_what_the_options_name(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path,
        '{"p": "a", "r": "b", "lang": "de", "key": 7, "tox": 0.5, "x": 1}',
        '{"p": "c", "r": null, "lang": null, "key": "eight", "tox": null}',
    )
    rows = read("jsonl", path, prompt="p", reply="r", language_column="lang", id="key", labels="tox,key")
    assert rows == [
        InstructionRow(
            row="7",
            turns=[{"role": "human", "text": "a"}, {"role": "bot", "text": "b"}],
            language="de",
            source_labels={"tox": 0.5, "key": 7},
        ),
        InstructionRow(
            row="eight", turns=[{"role": "human", "text": "c"}], source_labels={"tox": None, "key": "eight"}
        ),
    ]


def test_it_reads_turns_in_the_spellings_of_public_datasets(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path,
        '{"t": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
        '{"t": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}',
        '{"t": [{"role": "system", "text": "a"}]}',
        '{"t": [{"role": "user"}]}',
        '{"t": ["a"]}',
        '{"t": "[{\\"role\\": \\"bot\\", \\"text\\": \\"a\\"}]"}',
        '{"t": "[{"}',
        '{"t": 3}',
    )
    assert outcomes(read("jsonl", path, turns="t")) == [
        "human: a / bot: b",
        "human: a / bot: b",
        "line 3: unknown role",
        "line 4: wrong type",
        "line 5: wrong type",
        "bot: a",
        "line 7: broken JSON",
        "line 8: wrong type",
    ]


def test_it_refuses_a_column_missing_at_first_and_rejects_rows_that_miss_it_later(tmp_path: Path) -> None:
    path = jsonl(tmp_path, '{"a": "x", "b": 1}', '{"b": 2}', '{"a": 5, "b": 3}', '{"a": "y", "b": {}}', "7")
    with pytest.raises(MissingColumn, match=r"line 1: column 'c' is missing: name one of 'a', 'b', or another format"):
        read("jsonl", path, text="c")
    assert outcomes(read("jsonl", path, text="a", id="b")) == [
        "human: x",
        "line 2: missing column",
        "line 3: wrong type",
        "line 4: wrong type",
        "line 5: not an object",
    ]


def test_it_refuses_a_column_that_no_header_names(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",prompt\n0,a\n")
    with pytest.raises(MissingColumn, match="line 1: column 'text' is missing: name one of '', 'prompt'"):
        read("csv", path, text="text")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "option 'text' of format jsonl: is needed, or one of turns and prompt"),
        ({"text": "a", "turns": "b"}, "option 'text' of format jsonl: and turns exclude each other"),
        ({"text": "a", "reply": "b"}, "option 'reply' of format jsonl: needs prompt: add prompt=COLUMN"),
        ({"text": "a", "language": "en", "language_column": "b"}, "and language_column exclude each other: leave one"),
    ],
)
def test_it_refuses_options_that_do_not_fit_each_other(tmp_path: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(WrongOption, match=message):
        read("jsonl", jsonl(tmp_path, '{"a": "x"}'), **options)
