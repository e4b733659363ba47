"""What users of the dataset do with the file: json, pandas, polars, and the ``datasets`` library, offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exports import writers

GOLDEN = Path(__file__).parent / "golden"
RECORDS = GOLDEN / "OIG_safety_v0.3.jsonl"
MEGABYTE = 1 << 20


def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDS.read_text().split("\n") if line]


def run(script: str, folder: Path) -> Any:
    """The JSON that a script prints, run where no network and no cache of anybody's can help."""
    offline = {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_loads_with_json_line_by_line() -> None:
    with RECORDS.open() as file:
        loaded = [json.loads(line) for line in file]
    assert loaded == records()
    assert len({record["metadata"]["id"] for record in loaded}) == len(loaded) == 16


@pytest.mark.filterwarnings("default")
def test_it_loads_with_pandas() -> None:
    import pandas as pd

    frame = pd.read_json(RECORDS, lines=True, precise_float=True)
    assert list(frame.columns) == ["text", "metadata"]
    assert frame.to_dict("records") == records()
    flat = pd.json_normalize(frame["metadata"])
    assert flat["votes.needs caution"].sum() == sum(
        record["metadata"]["votes"]["needs caution"] for record in records()
    )


def test_it_loads_with_polars() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.read_ndjson(RECORDS)
    assert frame.to_dicts() == records()
    votes = pl.scan_ndjson(RECORDS).select(pl.col("metadata").struct.field("n_votes")).collect()
    assert votes.to_series().to_list() == [record["metadata"]["n_votes"] for record in records()]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["'json', data_files='OIG_safety_v0.3.jsonl'", "os.getcwd()"], ids=["file", "folder"])
def test_it_loads_with_datasets(tmp_path: Path, how: str) -> None:
    for file in GOLDEN.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    script = f"import json, os, datasets; print(json.dumps(datasets.load_dataset({how}, split='train').to_list()))"
    assert run(script, tmp_path) == records()


@pytest.mark.slow
def test_it_loads_where_what_is_rare_comes_after_megabytes_without_it(tmp_path: Path) -> None:
    """The library decides on the type of every column from the first ten megabytes."""
    plain = next(record for record in records() if record["metadata"]["agreement"] == "unanimous")
    assert not plain["metadata"]["lineage"]["parent"]
    rare = [
        record for record in records() if record["metadata"]["lineage"]["parent"] or not record["metadata"]["labels"]
    ]
    copies = 12 * MEGABYTE // len(json.dumps(plain))
    lines = [json.dumps(record).encode() + b"\n" for record in [plain] * copies + rare]
    writers.write_lines(tmp_path / "OIG_safety_v0.3.jsonl", lines)
    script = """
import json, datasets
loaded = datasets.load_dataset("json", data_files="OIG_safety_v0.3.jsonl", split="train")
print(json.dumps([loaded.num_rows, loaded[-2], loaded[-1]]))
"""
    assert run(script, tmp_path) == [copies + 2, *rare]
