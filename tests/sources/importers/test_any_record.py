"""No record, whatever it is, makes an importer fall over."""

import json
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources import importers, texts
from sources.importers.importer import MAX_ROW
from sources.rows import InstructionRow, RejectedRow

OPTIONS = {
    "columns": {"prompt": "prompt", "reply": "text", "id": "id", "language_column": "lang", "labels": "label"},
}
# Names and values that importers look for, so that generated records come further than the first check.
# fmt: off
NAMES = (
    "text", "prompt", "response", "context", "transcript", "chosen", "rejected", "label", "labels",
    "metadata", "id", "case_id", "test_case", "label_1", "role", "replies", "name", "value", "count",
    "emojis", "message_id", "lang", "comment_text", "toxicity", "threat", "tags", "rating",
    "safety_annotations", "safety_annotation_reasons", "user", "agent", "prev_agent", "prev_user",
    "annotator_id", "conv_id", "is_abuse.1", "is_abuse.0", "is_abuse.-1", "is_abuse.-2", "is_abuse.-3",
    "type.sexist", "S", "H", "hazard", "harm_area",
)
WORDS = (
    "prompter", "assistant", "chip2", "hateful", "casual", "1", "0", "0.5", "nan", "1e999", "<human>:",
    "<bot>:", "User:", "Possible labels:", "Input:", "Output:", "needs|caution", "\n", "\n\nHuman:",
    "\n\nAssistant:", "<|endoftext|>", "_", "\ud800", "[{", "",
)
# fmt: on
TEXTS = st.one_of(st.text(max_size=8), st.lists(st.sampled_from(WORDS), max_size=5).map("".join))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), TEXTS), inner, max_size=8),
    ),
    max_leaves=30,
)
VALID: dict[str, Any] = {
    "columns": {"prompt": "a", "text": "b", "id": "1", "lang": "en", "label": 1},
    "oig": {"text": "<human>: a\n<bot>: b", "metadata": '{"a": 1}'},
    "oig-chip2": ["chip2", "User: a"],
    "oig-moderation": {"text": "Input: a\nOutput: casual | hate", "metadata": {"labels": ["casual"]}},
    "prosocial-dialog": [{"text": "a", "labels": ["b"], "safety_annotations": ["casual"], "safety_label": "x"}],
    "red-team-attempts": {"transcript": "\n\nHuman: a", "tags": ["b"], "rating": 1.0},
    "hh-rlhf": {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a"},
    "oasst": {"text": "a", "role": "prompter", "replies": [{"text": "b", "role": "assistant"}], "labels": {"name": []}},
    "civil-comments": {"comment_text": "a", "toxicity": "0.5", "threat": 0.1, "id": 7},
    "hatecheck": {"test_case": "a", "case_id": "1", "label_1": "hateful", "label_gold": "hateful"},
    "convabuse": {
        **dict.fromkeys(["annotator_id", "conv_id", "prev_agent", "prev_user", "agent", "user"], "a"),
        **dict.fromkeys([f"is_abuse.{degree}" for degree in (1, 0, -1, -2, -3)], "0"),
        "type.sexist": "1",
    },
    "red-instruct": {"a": {"b": ["c"]}},
    "ailuminate": {"prompt_text": "a", "release_prompt_id": "1", "hazard": "hte", "persona": "b"},
    "diasafety": {"context": "a", "response": "b", "category": "c", "label": "Safe"},
    "openai-moderation": {"prompt": "a", "S": 1},
    "simple-safety-tests": {"prompts_final": "a", "id": "1", "harm_area": "b", "category": "c"},
    "xstest": {"prompt": "a", "id": "1", "label": "safe", "type": "b"},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a record something can be put: each key and index."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [place for key, part in inside for place in places(part, (*path, key))]


def changed(record: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copy = json.loads(json.dumps(record))
    reduce(lambda part, key: part[key], place[:-1], copy)[place[-1]] = value
    return copy


def check(name: str, record: Any) -> None:
    reader = importers.get(name).reader(OPTIONS.get(name, {}))
    rows = list(reader.rows("line 1", record))
    assert rows == list(reader.rows("line 1", record)) or "nan" in repr(record)
    for row in rows:
        assert 0 < len(row.row) <= MAX_ROW
        if isinstance(row, RejectedRow):
            assert row.reason
            assert row.detail
            continue
        assert {turn["role"] for turn in row.turns} <= {"human", "bot"}
        assert texts.digest(texts.normalise(row.turns), row.conversation)
        assert isinstance(row.language, str)
        if reader.label_map:
            suggestion, unmapped = reader.label_map.suggest(row.source_labels)
            assert set(suggestion) <= {"label", "tags"}
            assert all(0 <= share <= 1 for share in suggestion.get("tags", {}).values())
            assert all(unmapped)


def test_it_has_a_valid_record_of_every_format() -> None:
    assert set(VALID) == {importer.name for importer in importers.known()}
    for name, record in VALID.items():
        rows = importers.get(name).reader(OPTIONS.get(name, {})).rows("line 1", record)
        assert any(isinstance(row, InstructionRow) for row in rows), name


@pytest.mark.parametrize("name", VALID)
@given(record=VALUES)
def test_it_takes_or_rejects_any_value(name: str, record: Any) -> None:
    check(name, record)


@pytest.mark.parametrize("name", VALID)
@given(data=st.data())
def test_it_takes_or_rejects_a_record_with_anything_in_one_place(name: str, data: st.DataObject) -> None:
    record = VALID[name]
    check(name, changed(record, data.draw(st.sampled_from(places(record))), data.draw(VALUES)))
