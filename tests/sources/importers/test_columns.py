import tomllib
from typing import Any

import pytest

from sources import importers
from sources.errors import SourceError
from sources.importers.importer import WrongOption
from sources.mapping import WrongMapping
from sources.rows import InstructionRow
from tests.sources.importers.readers import outcomes, rows_of, taken


def test_it_reads_what_the_options_name() -> None:
    rows = rows_of(
        "columns",
        {"p": "a", "r": "b", "lang": "de", "key": 7, "tox": 0.5, "x": 1},
        {"p": "c", "r": None, "lang": None, "key": "eight", "tox": None},
        prompt="p",
        reply="r",
        language_column="lang",
        id="key",
        labels="tox,key",
        optional_labels="x",
    )
    assert rows == [
        InstructionRow(
            row="7",
            turns=[{"role": "human", "text": "a"}, {"role": "bot", "text": "b"}],
            language="de",
            source_labels={"tox": 0.5, "key": 7, "x": 1},
        ),
        InstructionRow(
            row="eight", turns=[{"role": "human", "text": "c"}], source_labels={"tox": None, "key": "eight"}
        ),
    ]


def test_it_reads_turns_in_the_spellings_of_public_datasets() -> None:
    turns: list[Any] = [
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}],
        [{"role": "system", "text": "a"}],
        [{"role": "user"}],
        ["a"],
        '[{"role": "bot", "text": "a"}]',
        "[{",
        3,
    ]
    assert outcomes(rows_of("columns", *({"t": value} for value in turns), turns="t")) == [
        "human: a / bot: b",
        "human: a / bot: b",
        "line 3: unknown role",
        "line 4: wrong type",
        "line 5: wrong type",
        "bot: a",
        "line 7: broken JSON",
        "line 8: wrong type",
    ]


def test_it_rejects_rows_that_miss_a_column_or_hold_what_cannot_be_used() -> None:
    records = [
        {"a": "x", "b": 1},
        {"b": 2},
        {"a": 5, "b": 3},
        {"a": "y", "b": {}},
        7,
        "text",
        ["a"],
        {"a": "z", "b": ""},
    ]
    rows = rows_of("columns", *records, text="a", id="b")
    assert outcomes(rows) == [
        "human: x",
        "line 2: missing column",
        "line 3: wrong type",
        "line 4: wrong type",
        "line 5: not an object",
        "line 6: not an object",
        "line 7: not an object",
        "line 8: wrong type",
    ]
    assert "has no column 'a'" in str(rows[1])


def test_it_knows_long_identities_apart() -> None:
    rows = taken(rows_of("columns", {"a": "x", "b": "i" * 500}, {"a": "x", "b": "i" * 501}, text="a", id="b"))
    assert len({row.row for row in rows}) == 2
    assert {len(row.row) for row in rows} == {120}


MAPPING = '[labels.tox.values]\n"1" = { label = "needs-caution", tags = ["hate"] }\n"0" = {}\n'


def test_it_maps_labels_by_a_given_table() -> None:
    reader = importers.get("columns").reader({"text": "a", "labels": "tox", "mapping": MAPPING})
    assert reader.label_map is not None
    assert reader.label_map.suggest({"tox": 1}) == ({"label": "needs-caution", "tags": {"hate": 1.0}}, [])
    assert importers.get("columns").reader({"text": "a"}).label_map is None


def test_it_keeps_the_columns_of_a_table_that_no_option_names() -> None:
    tables = MAPPING + '[labels."meta.kind"]\n[labels."a.b"]\n'
    records = [{"a": "x", "tox": 1, "meta": {"kind": "k"}}, {"a": "y", "other": 2}]
    rows = taken(rows_of("columns", *records, text="a", mapping=tables))
    assert [row.source_labels for row in rows] == [{"tox": 1, "meta": {"kind": "k"}}, {}]


def test_it_reads_a_mapping_that_is_laid_out_as_a_declared_format() -> None:
    declared = tomllib.loads((importers.FOLDER / "xstest.toml").read_text("utf-8"))
    own = "".join(f"{name} = {value!r}\n" for name, value in declared["columns"].items())
    tables = f"[columns]\n{own}[labels.label.values]\nsafe = {{ label = 'casual' }}\n"
    record = {"prompt": "p", "id": "1", "label": "safe", "type": "t", "q": "other"}
    assert rows_of("columns", record, mapping=tables) == rows_of("xstest", record)
    (row,) = taken(rows_of("columns", record, mapping=tables, text="q", language="de"))
    assert (row.turns[0]["text"], row.language) == ("other", "de")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "option 'text' of columns: is needed, or one of turns and prompt"),
        ({"text": "a", "turns": "b"}, "option 'text' of columns: and turns exclude each other"),
        ({"text": "a", "reply": "b"}, "option 'reply' of columns: needs prompt: add prompt=COLUMN"),
        ({"text": "a", "language": "en", "language_column": "b"}, "and language_column exclude each other: leave one"),
    ],
)
def test_it_refuses_options_that_do_not_fit_each_other(options: dict[str, str], message: str) -> None:
    with pytest.raises(WrongOption, match=message):
        importers.get("columns").reader(options)


def test_it_refuses_a_table_that_is_wrong() -> None:
    with pytest.raises(WrongMapping, match=r"label mapping, table \[labels\]: 'mapping' is not TOML"):
        importers.get("columns").reader({"text": "a", "mapping": "labels.tox"})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ('[columns]\ntxt = "a"\n', r"option 'txt' of .*columns: is not known: did you mean text\?"),
        (
            '[columns]\ntext = "a"\nmapping = "b"\n',
            r"table \[columns\]: 'mapping' cannot stand in a mapping: ",
        ),
        ("columns = 3\n", "'columns' is no table"),
        ('license = "MIT"\n', "'license' stands beside it: leave it out, only .columns. may"),
        ("[columns]\n", "option 'text' of .*columns: is needed"),
    ],
)
def test_it_says_what_is_wrong_with_the_layout_of_a_mapping(tables: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        importers.get("columns").reader({"mapping": tables})
