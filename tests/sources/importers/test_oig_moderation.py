import pytest

from sources import importers
from tests.sources.importers.readers import outcomes, rows_of, taken

BOTH = {"label": "needs-caution", "tags": {"sexual-content": 1.0}}


def suggested(record: object) -> list[object]:
    reader = importers.get("oig-moderation").reader({})
    assert reader.label_map is not None
    return [reader.label_map.suggest(row.source_labels) for row in taken(rows_of("oig-moderation", record))]


@pytest.mark.parametrize(
    "record",
    [
        {"text": "Input: How?\nOutput: needs caution | sexual content"},
        {"text": "Input: How?\r\nOutput: needs caution |sexual content\r\n", "metadata": {"source": "x"}},
        {"text": "How?", "metadata": {"labels": ["needs caution", "sexual content"], "source": "x"}},
        {"text": "How?", "metadata": '{"labels": "needs caution | sexual content"}'},
        {"text": "<human>: How?", "labels": ["needs caution", "sexual content"]},
        {"text": "How?", "labels": ["needs caution | sexual content"]},
        "Input: How?\nOutput: needs caution | sexual content",
    ],
)
def test_it_reads_the_same_from_every_layout(record: object) -> None:
    assert outcomes(rows_of("oig-moderation", record)) == ["human: How?"]
    assert suggested(record) == [(BOTH, [])]


def test_it_keeps_labels_and_metadata_as_they_are_written() -> None:
    record = {"text": "How?", "metadata": {"labels": ["casual", "odd one"], "source": "x"}}
    before = repr(record)
    (row,) = taken(rows_of("oig-moderation", record))
    assert row.source_labels == {"labels": ["casual", "odd one"], "metadata": {"source": "x"}}
    assert suggested(record) == [({"label": "casual"}, ["labels=odd one"])]
    assert repr(record) == before


def test_it_reads_a_dialogue_as_the_input() -> None:
    record = {"text": "Input: <human>: Hello\n<bot>: Hi\n<human>: How?\nOutput: casual"}
    assert outcomes(rows_of("oig-moderation", record)) == ["human: Hello / bot: Hi / human: How?"]


LIST = """Possible labels:
1. casual
2. needs caution
3. needs intervention
4. possibly needs caution
5. probably needs caution

"""


def test_it_takes_the_training_text_apart() -> None:
    text = LIST + "Input: One?\n\nwith a second paragraph\nOutput: casual\n\nInput: Two?\nOutput: hate | needs caution"
    rows = taken(rows_of("oig-moderation", {"text": text}))
    assert outcomes(list(rows)) == ["human: One?\n\nwith a second paragraph", "human: Two?"]
    assert [row.row for row in rows] == ["line 1, text 1", "line 1, text 2"]
    assert [row.source_labels for row in rows] == [{"labels": "casual"}, {"labels": "hate | needs caution"}]


def test_it_takes_the_bare_texts_of_a_training_text() -> None:
    assert outcomes(rows_of("oig-moderation", LIST + "One?\n\nTwo?\n")) == ["human: One?", "human: Two?"]


def test_it_rejects_what_has_no_text() -> None:
    assert outcomes(rows_of("oig-moderation", {"labels": ["casual"]}, 3, LIST)) == [
        "line 1: missing column",
        "line 2: not an object",
        "line 3: missing value",
    ]
