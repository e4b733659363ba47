"""Every form of the records against the file of the lines that was checked by eye, and as a part of a release."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest
import zstandard

from annotate.models import Campaign
from exports import derivation, formats, snapshots, writers
from exports.errors import SnapshotRefused
from exports.formats import FORMS, Lines, Options
from exports.models import Snapshot
from labels import taxonomy
from sources.importers import oig_moderation
from sources.models import Source
from tests.exports import worlds
from tests.exports.folders import contents
from tests.exports.test_loaders import RECORDS, records, run

SPEC = taxonomy.read(taxonomy.SHIPPED / "oig-safety.toml")


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., dict[str, int]]:
    """Makes forms of the file that was checked by eye, in ``tmp_path``."""
    path = tmp_path / RECORDS.name
    path.write_bytes(RECORDS.read_bytes())

    def make(*asked: str, **options: Any) -> dict[str, int]:
        # All but the schema have records.
        return cast("dict[str, int]", formats.write(Lines(path, SPEC, Options(asked, **options))))

    return make


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def problems(value: Any, schema: dict[str, Any], where: str = "record") -> list[str]:
    """What of a value is not as a JSON Schema says, for the words that ours uses."""
    kinds: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "object": dict, "array": list}
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{where}: {value!r}"]
    if not isinstance(value, kinds[schema["type"]]):
        return [f"{where}: {value!r} is not {schema['type']}"]
    found = [f"{where}: {value!r}"] if "pattern" in schema and not re.search(schema["pattern"], value) else []
    if isinstance(value, int | float):
        found += [f"{where}: {value}"] * (not schema.get("minimum", value) <= value <= schema.get("maximum", value))
    if isinstance(value, list):
        return found + [problem for inner in value for problem in problems(inner, schema["items"], where)]
    if isinstance(value, dict):
        assert schema["additionalProperties"] is False
        found += [f"{where}: {key}" for key in set(value) ^ set(schema["required"])]
        known = schema["properties"]
        return found + [problem for key in value for problem in problems(value[key], known[key], f"{where}.{key}")]
    return found


def test_it_compresses_the_very_lines(made: Callable[..., dict[str, int]], tmp_path: Path) -> None:
    assert made("zst") == {"OIG_safety_v0.3.jsonl.zst": 16}
    with zstandard.open(tmp_path / "OIG_safety_v0.3.jsonl.zst", "rb") as file:
        assert file.read() == RECORDS.read_bytes()


def test_it_cuts_shards_of_at_most_so_many_bytes(made: Callable[..., dict[str, int]], tmp_path: Path) -> None:
    files = made("shards", shard_bytes=4_000)
    assert len(files) > 2
    assert b"".join((tmp_path / name).read_bytes() for name in files) == RECORDS.read_bytes()
    for name, rows in files.items():
        assert len(lines_of(tmp_path / name)) == rows
        assert (tmp_path / name).stat().st_size <= 4_000 or rows == 1


def test_it_keeps_a_family_in_one_split(made: Callable[..., dict[str, int]], tmp_path: Path) -> None:
    found = defaultdict[str, set[str]](set)
    for seed in range(20):
        files = made("splits", seed=seed)
        assert sum(files.values()) == 16
        for name in files:
            for record in lines_of(tmp_path / name):
                found[f"{seed} {record['metadata']['lineage']['family']}"].add(name)
    assert {len(names) for names in found.values()} == {1}
    counted = [formats.split_of(f"{number:032x}", 7) for number in range(10_000)]
    assert counted.count("train") == pytest.approx(8_000, abs=200)
    assert counted.count("validation") == pytest.approx(1_000, abs=150)


def test_it_gives_parquet_the_same_records_with_types(made: Callable[..., dict[str, int]], tmp_path: Path) -> None:
    assert made("parquet") == {"OIG_safety_v0.3.parquet": 16}
    table = pq.read_table(tmp_path / "OIG_safety_v0.3.parquet")
    assert table.to_pylist() == records()
    assert table.schema.field("metadata").type.field("n_votes").type == "int32"


def test_parquet_takes_fewer_long_records_at_a_time(
    made: Callable[..., dict[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, long = records()[0], "x" * 100_000
    writers.write_lines(tmp_path / RECORDS.name, [json.dumps({**base, "text": long}).encode() + b"\n"] * 40)
    monkeypatch.setattr(formats, "BATCH_BYTES", 1 << 20)
    assert made("parquet") == {"OIG_safety_v0.3.parquet": 40}
    file = pq.ParquetFile(tmp_path / "OIG_safety_v0.3.parquet")
    assert [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)] == [16, 16, 8]
    assert {record["text"] for record in file.read().to_pylist()} == {long}


def test_its_training_text_is_read_back_as_it_was(made: Callable[..., dict[str, int]], tmp_path: Path) -> None:
    labelled = [record for record in records() if record["metadata"]["label"]]
    assert made("training") == {"OIG_safety_v0.3.training.jsonl": len(labelled)}
    first, *_ = texts = [line["text"] for line in lines_of(tmp_path / "OIG_safety_v0.3.training.jsonl")]
    assert first.startswith(
        "Possible labels:\n1. casual\n2. needs caution\n3. needs intervention\n"
        "4. possibly needs caution\n5. probably needs caution\n\nInput: <human>: "
    )
    assert oig_moderation.TRAINING == "Possible labels:"
    assert [text.rpartition("\nOutput: ")[2] for text in texts] == [
        " | ".join(record["metadata"]["labels"]) for record in labelled
    ]


def test_its_text_form_has_nothing_else(made: Callable[..., dict[str, int]], tmp_path: Path) -> None:
    assert made("text") == {"OIG_safety_v0.3.text.jsonl": 16}
    assert lines_of(tmp_path / "OIG_safety_v0.3.text.jsonl") == [{"text": record["text"]} for record in records()]


def test_its_tables_hold_no_formula(made: Callable[..., dict[str, int]], tmp_path: Path) -> None:
    assert made("csv", "csv-bom") == {"OIG_safety_v0.3.csv": 16, "OIG_safety_v0.3.bom.csv": 16}
    plain = (tmp_path / "OIG_safety_v0.3.csv").read_bytes()
    assert (tmp_path / "OIG_safety_v0.3.bom.csv").read_bytes() == b"\xef\xbb\xbf" + plain
    rows = list(csv.DictReader(io.StringIO(plain.decode(), newline="")))
    assert [row["text"] for row in rows] == [record["text"] for record in records()]
    assert rows[0]["votes: casual"] == "2"


@pytest.fixture
def row_of(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """The row that the table has of a record with these fields."""

    def make(text: str = "<human>: hello", **metadata: str) -> dict[str, str]:
        record = records()[0]
        record["text"] = text
        record["metadata"] |= metadata
        writers.write_lines(tmp_path / "a.jsonl", [json.dumps(record).encode() + b"\n"])
        formats.write(Lines(tmp_path / "a.jsonl", SPEC, Options(("csv",))))
        (row,) = csv.DictReader(io.StringIO((tmp_path / "a.csv").read_bytes().decode(), newline=""))
        return row

    return make


@pytest.mark.parametrize(
    "cell",
    [
        *("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=1", " =1+1", "＝1+1", "＋1", "－1", "＠A1", "﹦1"),
        *("\u00a0=1", "\u3000＝1", "\ufeff=1", "\u200b@A1", "\r\n=1", '=HYPERLINK("https://example.org","x")'),
    ],
)
def test_it_puts_an_apostrophe_before_a_formula(row_of: Callable[..., dict[str, str]], cell: str) -> None:
    row = row_of(cell, **dict.fromkeys(("id", "label", "source", "license", "language", "disputed_because"), cell))
    assert [row[name] for name in ("id", "text", "label", "source", "license", "language", "disputed_because")] == [
        f"'{cell}"
    ] * 7


@pytest.mark.parametrize("cell", ["1-1", "a=b", "'=1", "<human>: =1+1", "“=", ""])
def test_it_leaves_other_cells_as_they_are(row_of: Callable[..., dict[str, str]], cell: str) -> None:
    assert row_of(cell)["text"] == cell


HOSTILE = [
    *("a\nb", "a\r\nb", "a\rb", "say \"x\", then;\t'y'", ' "', "été 日本 \U0001f600"),
    *("\u2028\u0085", "NA", "1e5", "\\"),
]


@pytest.mark.filterwarnings("default")
def test_pandas_reads_a_table_with_any_text_as_python_does(made: Callable[..., dict[str, int]], tmp_path: Path) -> None:
    import pandas as pd

    path, base = tmp_path / RECORDS.name, records()[0]
    writers.write_lines(path, [json.dumps({**base, "text": text}).encode() + b"\n" for text in HOSTILE])
    made("csv", "csv-bom")
    for name in ("OIG_safety_v0.3.csv", "OIG_safety_v0.3.bom.csv"):
        frame = pd.read_csv(tmp_path / name, dtype={"text": str}, keep_default_na=False)
        assert list(frame["text"]) == HOSTILE
        assert frame.columns[0] == "id"
        assert set(frame["votes: casual"]) == {2}
        with (tmp_path / name).open(newline="", encoding="utf-8-sig") as file:
            assert [row["text"] for row in csv.DictReader(file)] == HOSTILE


def test_every_line_is_as_the_schema_says(made: Callable[..., dict[str, int]], tmp_path: Path) -> None:
    made("schema")
    schema = json.loads((tmp_path / "OIG_safety_v0.3.schema.json").read_text())
    for record in records():
        assert problems(record, schema) == []
    wrong = records()[0]
    wrong["metadata"]["label"], wrong["metadata"]["n_votes"] = "harmless", 0
    assert problems(wrong, schema) == ["record.metadata.label: 'harmless'", "record.metadata.n_votes: 0"]


@pytest.fixture
def snapshot(kindness: Campaign, letters: Source) -> Snapshot:
    for number in range(30):
        worlds.agreeing(kindness, letters, f"text {number}")
    prepared = snapshots.prepare("0.3", [kindness], options=Options(tuple(FORMS), seed=7))
    snapshots.work(prepared)
    prepared.refresh_from_db()
    assert prepared.is_published, prepared.error
    return prepared


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_release_has_every_form_and_loads_with_its_splits(snapshot: Snapshot) -> None:
    files = snapshot.manifest["files"]
    assert set(contents(snapshot.path)) == {*files, "OIG_safety_v0.3.manifest.json"}
    assert files["OIG_safety_v0.3.parquet"]["rows"] == 31
    assert "rows" not in files["OIG_safety_v0.3.schema.json"]
    assert snapshot.manifest["forms"]["seed"] == 7
    derivation.rederive(snapshot)
    script = """
import json, os, datasets
loaded = datasets.load_dataset(os.getcwd())
print(json.dumps({name: [split.num_rows, sorted(split.features["metadata"])] for name, split in loaded.items()}))
"""
    found = run(script, snapshot.path)
    assert {name: rows for name, (rows, _) in found.items()} == {
        name: files[f"OIG_safety_v0.3.{name}.jsonl"]["rows"] for name in ("train", "validation", "test")
    }
    assert {tuple(features) for _, features in found.values()} == {tuple(sorted(records()[0]["metadata"]))}


@pytest.mark.django_db(transaction=True)
def test_it_refuses_unknown_forms_and_other_forms_of_a_version(kindness: Campaign) -> None:
    with pytest.raises(SnapshotRefused, match="There is no form 'xml'; the forms are: zst, shards, splits"):
        snapshots.prepare("0.3", [kindness], options=Options(("xml",)))
    with pytest.raises(SnapshotRefused, match="A shard of 0 bytes holds nothing"):
        snapshots.prepare("0.3", [kindness], options=Options(("shards",), shard_bytes=0))
    worlds.published("0.3", kindness)
    with pytest.raises(SnapshotRefused, match="exists with other filters or forms: choose another version"):
        snapshots.prepare("0.3", [kindness], options=Options(("csv",)))
