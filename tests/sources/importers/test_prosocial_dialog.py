from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources import importers
from sources.rows import InstructionRow
from tests.sources.importers.readers import outcomes, read, rows_of, taken, unique


def utterance(said: str, votes: list[str], **more: Any) -> dict[str, Any]:
    return {
        "context": said,
        "response": f"About {said}",
        "rots": None,
        "safety_label": "__needs_caution__",
        "safety_annotations": votes,
        "safety_annotation_reasons": [f"{vote}, since" for vote in votes],
        "source": "invented",
        "dialogue_id": 0,
        **more,
    }


ROWS = [
    utterance("one", ["casual", "casual", "needs caution"]),
    utterance("two", ["needs intervention", "no idea", "casual"], response=None),
]


def in_lines() -> list[Any]:
    return ROWS


def in_columns() -> list[Any]:
    return [{name: [row[name] for row in ROWS] for name in ROWS[0]}]


def in_dialogues() -> list[Any]:
    """The direct download: a list of dialogues, other names, the reply in a list."""
    renamed = [{"text": row["context"], "labels": [row["response"]] if row["response"] else [], **row} for row in ROWS]
    for row in renamed:
        del row["context"], row["response"]
    return [renamed]


@pytest.mark.parametrize("layout", [in_lines, in_columns, in_dialogues])
def test_it_reads_the_same_from_every_layout(layout: Any) -> None:
    rows = rows_of("prosocial-dialog", *layout())
    assert outcomes(rows) == ["human: one / bot: About one", "human: two"]
    one, two = (row for row in rows if isinstance(row, InstructionRow))
    assert [vote.choice for vote in one.votes] == ["casual", "casual", "needs-caution"]
    # What has no mapping is passed on as it is written, to be counted.
    assert [vote.choice for vote in two.votes] == ["needs-intervention", "no idea", "casual"]
    assert {vote.annotator for vote in one.votes} == {None}
    assert len({vote.row for vote in one.votes}) == 3
    assert one.source_labels["safety_label"] == "__needs_caution__"
    assert "rots" not in one.source_labels


def test_it_knows_a_vote_again_in_another_layout() -> None:
    found = []
    for layout in (in_lines, in_columns, in_dialogues):
        rows = taken(rows_of("prosocial-dialog", *layout()))
        found.append([[vote.row for vote in row.votes] for row in rows])
    assert found[0] == found[1] == found[2]


def test_it_reads_the_same_from_parquet(tmp_path: Path) -> None:
    path = tmp_path / "prosocial.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    from_parquet, from_lines = taken(read("prosocial-dialog", path)), taken(rows_of("prosocial-dialog", *ROWS))
    assert [row.row for row in from_parquet] == ["row 1", "row 2"]
    assert [row._replace(row="") for row in from_parquet] == [row._replace(row="") for row in from_lines]


def test_it_knows_the_parts_of_a_record_by_their_number() -> None:
    assert [row.row for row in rows_of("prosocial-dialog", *in_columns())] == ["line 1, row 1", "line 1, row 2"]
    assert [row.row for row in rows_of("prosocial-dialog", *in_dialogues())] == [
        "line 1, utterance 1",
        "line 1, utterance 2",
    ]


def test_it_rejects_utterances_that_are_not_whole() -> None:
    broken: list[Any] = [
        utterance("fine", ["casual"]),
        {**utterance("a", ["casual"]), "context": None},
        {**utterance("b", []), "safety_annotations": [1]},
        utterance("c", ["casual"], response=3),
        {"context": ["a", "b"], "safety_annotations": [["casual"]]},
        "text",
        [["a"]],
        {"context": "a", "response": "b"},
    ]
    assert outcomes(rows_of("prosocial-dialog", *broken)) == [
        "human: fine / bot: About fine",
        "line 2: missing column",
        "line 3: wrong type",
        "line 4: wrong type",
        "line 5: wrong number of fields",
        "line 6: not an object",
        "line 7, utterance 1: not an object",
        "line 8: wrong type",
    ]


def test_it_reads_the_published_rows(shared_data: Path) -> None:
    folder = shared_data / "prosocial_dialog"
    lines = taken(read("prosocial-dialog", folder / "prosocial_17_rows.jsonl"))
    columns = read("prosocial-dialog", folder / "original_examples.json")
    assert len(lines) == unique(lines) == 17
    assert Counter(len(row.votes) for row in lines) == {3: 17}
    assert outcomes(columns) == outcomes(list(lines))[: len(columns)]
    label_map = importers.get("prosocial-dialog").reader({}).label_map
    assert label_map is not None
    labels = [label_map.suggest(row.source_labels) for row in lines]
    assert Counter(suggestion["label"] for suggestion, _ in labels) == {
        "casual": 1,
        "needs-caution": 13,
        "needs-intervention": 3,
    }
    assert not any(unmapped for _, unmapped in labels)
