from pathlib import Path
from typing import Any

import pytest

from sources import importers
from tests.sources.importers.readers import outcomes, read, rows_of, taken, unique


def message(name: str, role: str, *replies: Any, **more: Any) -> dict[str, Any]:
    return {"message_id": name, "text": name.upper(), "role": role, "lang": "en", "replies": list(replies), **more}


TREE = {
    "message_tree_id": "a",
    "tree_state": "ready_for_export",
    "prompt": message(
        "a",
        "prompter",
        message("b", "assistant", message("c", "prompter"), rank=0),
        message("d", "assistant", message("e", "prompter", deleted=True, synthetic=False)),
    ),
}


def test_it_reads_what_people_say_with_the_dialogue_before_it() -> None:
    rows = taken(rows_of("oasst", TREE))
    assert outcomes(list(rows)) == [
        "human: A",
        "human: A / bot: B / human: C",
        "human: A / bot: D / human: E",
    ]
    assert [row.row for row in rows] == ["a", "c", "e"]
    assert {row.language for row in rows} == {"en"}
    assert rows[2].source_labels == {
        "message_tree_id": "a",
        "tree_state": "ready_for_export",
        "deleted": True,
        "synthetic": False,
    }


def test_it_reads_replies_if_asked_to() -> None:
    assert outcomes(rows_of("oasst", TREE, take="replies")) == ["human: A / bot: B", "human: A / bot: D"]


def test_it_reads_flat_rows_and_bare_texts() -> None:
    flat = {**message("c", "prompter", parent_id="b"), "replies": None}
    assert outcomes(rows_of("oasst", flat, "What?", message("d", "assistant"))) == ["human: C", "human: What?"]
    (row,) = taken(rows_of("oasst", flat))
    assert row.source_labels == {"parent_id": "b"}


@pytest.mark.parametrize(
    "labels",
    [
        {"spam": {"value": 0.0, "count": 3}, "hate_speech": {"value": 0.25, "count": 4}},
        {"name": ["spam", "hate_speech"], "value": [0.0, 0.25], "count": [3, 4]},
    ],
)
def test_it_keeps_means_of_raters_as_labels_of_the_source(labels: dict[str, Any]) -> None:
    emojis = {"name": ["+1"], "count": [2]}
    (row,) = taken(rows_of("oasst", message("a", "prompter", labels=labels, emojis=emojis, parent_id=None)))
    assert row.source_labels == {
        "labels": {"spam": {"value": 0.0, "count": 3}, "hate_speech": {"value": 0.25, "count": 4}},
        "emojis": {"+1": 2},
    }
    assert not row.votes
    label_map = importers.get("oasst").reader({}).label_map
    assert label_map is not None
    assert label_map.suggest(row.source_labels) == ({"tags": {"hate": 0.25}}, [])


def test_it_counts_a_label_that_it_does_not_know() -> None:
    label_map = importers.get("oasst").reader({}).label_map
    assert label_map is not None
    labels = {"labels": {"sarcasm": {"value": 0.5, "count": 2}, "pii": {"value": None, "count": 0}}}
    assert label_map.suggest(labels) == ({}, ["labels.sarcasm.value", "labels.sarcasm.count"])


def test_it_takes_nothing_below_a_message_that_cannot_be_read() -> None:
    broken = message("a", "prompter", message("b", "system", message("c", "prompter")), 7, message("d", "assistant"))
    broken["replies"][2]["text"] = None
    assert outcomes(rows_of("oasst", broken, 3, {"role": "prompter"})) == [
        "human: A",
        "line 1, message 1: unknown role",
        "line 1, message 2: not an object",
        "line 1, message 3: missing column",
        "line 2: not an object",
        "line 3: missing column",
    ]


def test_it_knows_a_message_without_an_id_by_its_path() -> None:
    tree = message("a", "prompter", message("b", "assistant", message("c", "prompter")))
    del tree["message_id"]
    tree["replies"][0]["replies"][0]["message_id"] = "x" * 121
    assert [row.row for row in taken(rows_of("oasst", tree))] == ["line 1", "line 1, message 1.1"]


def test_it_reads_the_published_trees_messages_and_texts_alike(shared_data: Path) -> None:
    folder = shared_data / "oasst"
    trees = taken(read("oasst", folder / "en_100_tree.jsonl"))
    messages = taken(read("oasst", folder / "en_100_message.jsonl"))
    bare = taken(read("oasst", folder / "en_100_text.jsonl"))
    assert len(trees) == len(messages) == unique(trees) == len({row.row for row in trees}) == 480
    assert [(row.row, row.turns) for row in trees] == [(row.row, row.turns) for row in messages]
    roots = [row for row in trees if len(row.turns) == 1]
    assert [row.turns for row in roots] == [row.turns for row in bare]
    assert len(bare) == 100
    assert len(read("oasst", folder / "en_100_tree.jsonl", take="replies")) == 687
