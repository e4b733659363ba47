import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sources.importers.importer import MissingColumn
from sources.rows import InstructionRow
from tests.sources.importers.readers import outcomes, read


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


def in_lines() -> str:
    return "\n".join(json.dumps(row) for row in ROWS)


def in_columns() -> str:
    return json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}, indent=4)


def in_dialogues() -> str:
    """The direct download: a list of dialogues, other names, the reply in a list."""
    renamed = [{"text": row["context"], "labels": [row["response"]] if row["response"] else [], **row} for row in ROWS]
    for row in renamed:
        del row["context"], row["response"]
    return json.dumps([renamed])


@pytest.mark.parametrize("layout", [in_lines, in_columns, in_dialogues])
def test_it_reads_the_same_from_every_layout(tmp_path: Path, layout: Any) -> None:
    path = tmp_path / "prosocial"
    path.write_text(layout())
    rows = read("prosocial-dialog", path)
    assert outcomes(rows) == ["human: one / bot: About one", "human: two"]
    one, two = (row for row in rows if isinstance(row, InstructionRow))
    assert [vote.choice for vote in one.votes] == ["casual", "casual", "needs-caution"]
    # What has no mapping is passed on as it is written, to be counted.
    assert [vote.choice for vote in two.votes] == ["needs-intervention", "no idea", "casual"]
    assert {vote.annotator for vote in one.votes} == {None}
    assert len({vote.row for vote in one.votes}) == 3
    assert one.source_labels["safety_label"] == "__needs_caution__"
    assert "rots" not in one.source_labels


def test_it_knows_a_vote_again_in_another_layout(tmp_path: Path) -> None:
    found = []
    for layout in (in_lines, in_columns, in_dialogues):
        path = tmp_path / layout.__name__
        path.write_text(layout())
        rows = [row for row in read("prosocial-dialog", path) if isinstance(row, InstructionRow)]
        found.append([[vote.row for vote in row.votes] for row in rows])
    assert found[0] == found[1] == found[2]


def test_it_rejects_utterances_that_are_not_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    broken = [
        utterance("fine", ["casual"]),
        utterance(None, ["casual"]),  # type: ignore[arg-type]
        utterance("b", [1]),  # type: ignore[list-item]
        utterance("c", ["casual"], response=3),
        {"context": ["a", "b"], "safety_annotations": [["casual"]]},
        "text",
    ]
    path.write_text("\n".join(json.dumps(row) for row in broken))
    assert outcomes(read("prosocial-dialog", path)) == [
        "human: fine / bot: About fine",
        "line 2: missing column",
        "line 3: wrong type",
        "line 4: wrong type",
        "line 5: wrong number of fields",
        "line 6: not an object",
    ]


def test_it_refuses_a_file_without_votes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"context": "a", "response": "b"}\n')
    with pytest.raises(MissingColumn, match="line 1: column 'safety_annotations' is missing"):
        read("prosocial-dialog", path)


def test_it_reads_the_published_rows(shared_data: Path) -> None:
    folder = shared_data / "prosocial_dialog"
    lines = read("prosocial-dialog", folder / "prosocial_17_rows.jsonl")
    columns = read("prosocial-dialog", folder / "original_examples.json")
    assert len(lines) == 17
    taken = [row for row in lines if isinstance(row, InstructionRow)]
    assert Counter(len(row.votes) for row in taken) == {3: 17}
    assert outcomes(columns) == outcomes(lines)[: len(columns)]
