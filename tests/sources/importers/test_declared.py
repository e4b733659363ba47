"""The formats that are TOML files: plain columns, on the published files."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources import importers
from sources.errors import SourceError
from tests.sources.importers.readers import outcomes, read, rows_of, taken, unique


def suggestions(name: str, path: Path) -> Counter[str]:
    label_map = importers.get(name).reader({}).label_map
    assert label_map is not None
    found = [label_map.suggest(row.source_labels) for row in taken(read(name, path))]
    assert not [unmapped for _, unmapped in found if unmapped]
    return Counter(suggestion.get("label", "none") for suggestion, _ in found)


def test_it_reads_the_published_prompts_of_xstest(shared_data: Path) -> None:
    path = shared_data / "xstest" / "xstest_prompts.csv"
    rows = taken(read("xstest", path))
    assert len(rows) == unique(rows) == len({row.row for row in rows}) == 450
    assert suggestions("xstest", path) == {"casual": 250, "needs-caution": 200}


def test_it_reads_the_published_prompts_of_simple_safety_tests(shared_data: Path) -> None:
    path = shared_data / "simple_safety_tests" / "SimpleSafetyTests - test cases.csv"
    rows = taken(read("simple-safety-tests", path))
    assert len(rows) == unique(rows) == 100
    assert rows[-1].row == "sst_100"
    assert not [row for row in rows if "\r" in row.turns[0]["text"]]
    assert suggestions("simple-safety-tests", path) == {"needs-caution": 100}


def test_it_reads_the_published_prompts_of_ailuminate(shared_data: Path) -> None:
    (path,) = (shared_data / "ailuminate").glob("*.csv")
    rows = taken(read("ailuminate", path))
    assert len(rows) == unique(rows) == 1_100
    assert suggestions("ailuminate", path) == {"none": 1_100}


def test_it_reads_the_published_pairs_of_diasafety(shared_data: Path) -> None:
    rows = [
        row for name in ("test.json", "val.json") for row in taken(read("diasafety", shared_data / "diasafety" / name))
    ]
    assert len(rows) == 2_192
    assert {tuple(turn["role"] for turn in row.turns) for row in rows} == {("human", "bot")}
    assert Counter(row.source_labels["label"] for row in rows) == {"Safe": 1_189, "Unsafe": 1_003}


def test_it_reads_the_published_samples_of_openai_moderation(shared_data: Path) -> None:
    rows = taken(read("openai-moderation", shared_data / "openai_moderation" / "samples.S3_is_0.jsonl.gz"))
    assert len(rows) == 909
    assert sum("S" not in row.source_labels for row in rows) == 14
    assert sum("H2" not in row.source_labels for row in rows) == 196
    assert Counter(row.source_labels.get("S") for row in rows) == {0: 744, 1: 151, None: 14}


@pytest.mark.parametrize(
    ("flags", "suggestion"),
    [
        ({"S": 0, "H": 0, "V": 0}, {"tags": {"sexual-content": 0.0, "hate": 0.0}}),
        ({"V": 0, "HR": 0, "SH": 0, "H2": 0, "V2": 0, "S3": 0}, {}),
        ({}, {}),
        ({"H": 0, "H2": 1}, {"label": "needs-caution", "tags": {"hate": 1.0, "abuse-related": 1.0}}),
        ({"S": 1, "SH": None}, {"tags": {"sexual-content": 1.0}}),
    ],
)
def test_it_takes_a_missing_flag_for_unknown_and_never_for_no(
    flags: dict[str, int | None], suggestion: dict[str, object]
) -> None:
    (row,) = taken(rows_of("openai-moderation", {"prompt": "a", **flags}))
    assert row.source_labels == flags
    label_map = importers.get("openai-moderation").reader({}).label_map
    assert label_map is not None
    assert label_map.suggest(row.source_labels) == (suggestion, [])


def test_it_takes_a_null_of_parquet_for_a_missing_flag(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    pq.write_table(pa.Table.from_pylist([{"prompt": "a", "S": 1, "H": None}, {"prompt": "b", "S": None, "H": 0}]), path)
    label_map = importers.get("openai-moderation").reader({}).label_map
    assert label_map is not None
    assert [label_map.suggest(row.source_labels) for row in taken(read("openai-moderation", path))] == [
        ({"tags": {"sexual-content": 1.0}}, []),
        ({"tags": {"hate": 0.0}}, []),
    ]


def test_it_rejects_records_without_the_declared_columns() -> None:
    assert outcomes(rows_of("xstest", {"prompt": "a", "id": "1", "label": "safe"}, [1])) == [
        "line 1: missing column",
        "line 2: not an object",
    ]


DECLARATION = 'name = "a"\ntitle = "A"\nsummary = "b"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('licence = "MIT"\n', "a.toml: key 'licence' is none of name, title, .*: correct it"),
        ("license = 3\n", "a.toml: key 'license' is none of .* or no text: correct it"),
        ('[columns]\ntxt = "a"\n', r"option 'txt' of columns: is not known: did you mean text\?"),
        ("[columns]\n", "option 'text' of a: is needed"),
        ('[columns]\ntext = "a"\nmapping = "b"\n', r"has an option 'mapping': write the table \[labels\] instead"),
        ('[columns]\ntext = "a"\n[labels]\nb = 1\n', r"label mapping, table \[labels\]: 'b' is no table: write {}"),
    ],
)
def test_it_says_what_is_wrong_with_a_declaration(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(DECLARATION + text)
    with pytest.raises(SourceError, match=message):
        importers.declared(path)
