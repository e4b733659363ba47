from collections import Counter
from pathlib import Path

import pytest

from sources import importers
from sources.importers.importer import WrongOption
from sources.importers.transcripts import turns_of
from tests.sources.importers.readers import outcomes, read, rows_of, taken, unique


def pair(chosen: str, rejected: str) -> dict[str, str]:
    return {"chosen": chosen, "rejected": rejected}


START = "\n\nHuman: Hello\n\nAssistant: Hi\n\nHuman: How?\n\nAssistant:"
PAIRS = [
    pair(f"{START} So.", f"{START} Not so."),
    pair(f"{START} ", f"{START} Not so."),
    # The rejected dialogue leaves the chosen one before its last reply, as five pairs of the test split do.
    pair(
        f"{START} So.\n\nAssistant: And so.", "\n\nHuman: Hello\n\nAssistant: Hello.\n\nHuman: How?\n\nAssistant: So."
    ),
]


def test_it_reads_the_dialogue_that_both_sides_share() -> None:
    assert outcomes(rows_of("hh-rlhf", *PAIRS)) == [
        "human: Hello / bot: Hi / human: How?",
        "human: Hello / bot: Hi / human: How?",
        "human: Hello",
    ]


def test_it_reads_each_reply_if_asked_to() -> None:
    rows = taken(rows_of("hh-rlhf", PAIRS[1], take="replies"))
    # The chosen one ends in an empty turn.
    assert outcomes(list(rows)) == [
        "human: Hello / bot: Hi / human: How?",
        "human: Hello / bot: Hi / human: How? / bot: Not so.",
    ]
    assert [(row.row, row.source_labels) for row in rows] == [
        ("line 1, chosen", {"preference": "chosen"}),
        ("line 1, rejected", {"preference": "rejected"}),
    ]


def test_it_rejects_pairs_that_are_not_whole() -> None:
    assert outcomes(rows_of("hh-rlhf", {"chosen": "a"}, ["a", "b"])) == [
        "line 1: missing column",
        "line 2: not an object",
    ]


def test_it_refuses_to_take_anything_else() -> None:
    with pytest.raises(WrongOption, match="option 'take' of hh-rlhf: cannot be 'all': use prompts or replies"):
        importers.get("hh-rlhf").reader({"take": "all"})


def test_it_reads_the_published_pairs(shared_data: Path) -> None:
    path = shared_data / "hh_rlhf_harmless" / "test.jsonl.gz"
    rows = taken(read("hh-rlhf", path))
    assert len(rows) == 2_312
    assert len({row.turns[0]["text"] for row in rows}) == 2_178
    assert unique(rows) == 2_310
    assert {row.turns[-1]["role"] for row in rows} == {"human"}
    replies = taken(read("hh-rlhf", path, take="replies"))
    assert len(replies) == unique(replies) == 4_624
    ends = Counter((row.source_labels["preference"], row.turns[-1]["role"]) for row in replies)
    assert ends == {("chosen", "bot"): 2_308, ("chosen", "human"): 4, ("rejected", "bot"): 2_312}


def test_it_begins_a_turn_only_after_an_empty_line() -> None:
    assert turns_of("Human: a\nHuman: b\n\nAssistant: c Human: d\n\n\n\nHuman:e\r\n\r\nAssistant:") == [
        {"role": "human", "text": "a\nHuman: b"},
        {"role": "bot", "text": "c Human: d"},
        {"role": "human", "text": "e"},
    ]
    assert turns_of("no marks") == [{"role": "human", "text": "no marks"}]


def test_it_reads_an_attempt_with_its_labels() -> None:
    record = {
        "transcript": "\n\nHuman: How?\n\nAssistant: No.",
        "rating": 0.0,
        "tags": ["Theft"],
        "task_descripton_harmlessness_score": 1.5,
        "is_upworker": False,
        "model_type": None,
    }
    rows = taken(rows_of("red-team-attempts", record))
    assert outcomes(list(rows)) == ["human: How? / bot: No."]
    assert rows[0].source_labels == {
        "rating": 0.0,
        "tags": ["Theft"],
        "task_descripton_harmlessness_score": 1.5,
        "is_upworker": False,
    }
    label_map = importers.get("red-team-attempts").reader({}).label_map
    assert label_map is not None
    assert label_map.suggest(rows[0].source_labels) == ({}, ["tags=Theft"])


def test_it_rejects_attempts_without_a_transcript() -> None:
    assert outcomes(rows_of("red-team-attempts", {"rating": 1}, "a")) == [
        "line 1: missing column",
        "line 2: not an object",
    ]


def test_it_reads_the_published_attempts(shared_data: Path) -> None:
    rows = taken(read("red-team-attempts", shared_data / "anthropic_red_team" / "red_team_attempts.sample.json"))
    assert len(rows) == unique(rows) == 10
    assert {row.turns[0]["role"] for row in rows} == {"human"}
    assert {row.source_labels["num_params"] for row in rows} == {"52B"}
    assert all(0 <= row.source_labels["rating"] <= 4 and "tags" not in row.source_labels for row in rows)
    assert all("task_descripton_harmlessness_score" in row.source_labels for row in rows)
