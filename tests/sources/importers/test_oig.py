import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources import importers, texts
from sources.rows import InstructionRow
from tests.sources.importers.readers import outcomes, rows_of

RECORDS = [
    {"text": "<human>: Hello\n<bot>: Hi\n<human>: Bye", "metadata": {"source": "chip2"}},
    {"text": "User: Hello\nAssistant: Hi", "metadata": '{"source": "plugins"}'},
    {"text": "Only a question?", "metadata": "no JSON"},
    {"text": "No metadata"},
    {"text": None},
    ["a", "list"],
    {"metadata": {}},
]


def test_it_reads_turns_and_metadata_as_oig_writes_them() -> None:
    rows = rows_of("oig", *RECORDS, language="en")
    assert outcomes(rows) == [
        "human: Hello / bot: Hi / human: Bye",
        "human: Hello / bot: Hi",
        "human: Only a question?",
        "human: No metadata",
        "line 5: missing column",
        "line 6: not an object",
        "line 7: missing column",
    ]
    found = [row for row in rows if isinstance(row, InstructionRow)]
    assert [row.source_labels for row in found] == [
        {"metadata": {"source": "chip2"}},
        {"metadata": {"source": "plugins"}},
        {"metadata": "no JSON"},
        {},
    ]
    assert {row.language for row in found} == {"en"}
    assert [row.row for row in found] == ["line 1", "line 2", "line 3", "line 4"]


def test_it_counts_no_metadata_as_labels_without_a_mapping() -> None:
    reader = importers.get("oig").reader({})
    assert reader.label_map is not None
    assert reader.label_map.suggest({"metadata": {"source": "chip2", "more": [1]}}) == ({}, [])


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("<human>: a\n<bot>: b", "human: a / bot: b"),
        ("<human>: a\r\n<bot>: b\r\n", "human: a / bot: b"),
        ("  <human>: a\n  <bot> : b", "human: a / bot: b"),
        ("<human>: a\n<bot>:", "human: a"),
        ("<human>:\n<bot>: b", "bot: b"),
        ("<human>: a <bot>: b", "human: a <bot>: b"),
        ("<human>: a\n\n<bot>: b\n\nc", "human: a / bot: b\n\nc"),
        ("<human>: a <human>\n<bot>: b", "human: a <human> / bot: b"),
        ("A passage.\n<human>: a\n<bot>: b", "human: A passage. / human: a / bot: b"),
        ("<bot>: b\n<human>: a", "bot: b / human: a"),
        ("Users: a\nAssistant: b", "human: Users: a\nAssistant: b"),
        ("What does <human> mean?", "human: What does <human> mean?"),
        ("  ", ""),
    ],
)
def test_it_finds_the_same_turns_on_the_fast_path_and_beside_it(text: str, turns: str) -> None:
    assert [" / ".join(f"{turn['role']}: {turn['text']}" for turn in texts.parse_oig(text))] == [turns]


PARTS = [
    "<human>:",
    "<bot>:",
    "<human>",
    "<bot> :",
    "\n",
    "\n<human>: ",
    "\n<bot>: ",
    " ",
    "a",
    "User: ",
    "\nUser: ",
    "\nAssistant: ",
]


@given(st.lists(st.sampled_from(PARTS), max_size=9).map("".join))
def test_it_finds_what_the_marks_alone_would_give(text: str) -> None:
    """The fast paths of a text against its marks, found one by one."""
    text = text.strip()
    roles: dict[str, str] = texts.ANGLE_MARKS
    found = re.split(r"(?m)^[ \t]*(<human>|<bot>)[ \t]*:", text)
    if len(found) == 1 and re.match(r"[ \t]*(User|Assistant)[ \t]*:", text):
        found, roles = re.split(r"(?m)^[ \t]*(User|Assistant)[ \t]*:", text), texts.WORD_MARKS
    turns = [("human", found[0]), *((roles[mark], said) for mark, said in zip(found[1::2], found[2::2], strict=True))]
    expected = [{"role": role, "text": said.strip()} for role, said in turns if said.strip()]
    assert texts.parse_oig(text) == expected
