"""ConvAbuse: one row a vote of one of eight annotators on what a person says to a chatbot.

The source's unit is a conversation (``conv_id``) with four texts. Equal texts in other conversations were judged
apart, so the conversation is part of the instruction's identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sources.importers.importer import Importer, Options, Reader, Rows, not_an_object
from sources.mapping import LabelMap
from sources.rows import InstructionRow, RejectedRow, SourceVote, Turn
from sources.texts import BOT, HUMAN

TURNS = {"prev_agent": BOT, "prev_user": HUMAN, "agent": BOT, "user": HUMAN}
# What stands before the utterance where the conversation begins with it. As the utterance itself it was judged.
NOTHING_SAID = "_"
JUDGED = "user"
# The one-hot columns of the vote, and the codes of our label set.
CHOICES = {
    "is_abuse.1": "not-abusive",
    "is_abuse.0": "ambiguous",
    "is_abuse.-1": "mildly-abusive",
    "is_abuse.-2": "strongly-abusive",
    "is_abuse.-3": "very-strongly-abusive",
}
REQUIRED = ("annotator_id", "conv_id", *TURNS, *CHOICES)
# Further one-hot columns of the same annotator, kept as lists of what is marked: {"type": ["sexist"]}.
MARKS = ("type", "target", "direction")
LABELS: dict[str, Any] = {
    "conv_id": {},
    "bot": {},
    "target": {},
    "direction": {},
    "type": {
        "values": {
            **{word: {"tags": ["hate"]} for word in ("ableism", "homophobic", "racist", "sexist", "transphobic")},
            "intellectual": {"tags": ["abuse-related"]},
            "sex_harassment": {"tags": ["abuse-related", "sexual-content"]},
        }
    },
}


def reader(options: Options) -> Reader:
    """One row for each vote; the rows of one unit have equal turns."""
    return Reader(_rows, LabelMap.parse(LABELS))


def _rows(where: str, record: Any) -> Rows:
    if not isinstance(record, dict):
        return not_an_object(where, "{column: value, ...}")
    for name in REQUIRED:
        # Numbers where the file is no CSV: every value is read as it would be written there.
        if not isinstance(record.get(name), str | int | float):
            return (RejectedRow(where, "missing column", f"has no column {name!r}: add it"),)
    record = {name: value if isinstance(value, str) else str(value) for name, value in record.items()}
    annotator, conversation = record["annotator_id"].strip(), record["conv_id"].strip()
    if not annotator or not conversation:
        return (RejectedRow(where, "missing value", "column 'annotator_id' or 'conv_id' is empty: fill it in"),)
    # Spreadsheets wrote most of these numbers with a decimal point.
    conversation = conversation.removesuffix(".0")
    return (
        InstructionRow(
            row=where,
            turns=_turns(record),
            language="en",
            conversation=conversation,
            source_labels={"conv_id": conversation, "bot": record.get("bot", ""), **_marks(record)},
            votes=[SourceVote(annotator=annotator, choice=_choice(record), row=where)],
        ),
    )


def _turns(record: Mapping[str, str]) -> list[Turn]:
    return [
        Turn(role=role, text=record[name])
        for name, role in TURNS.items()
        if name == JUDGED or record[name] != NOTHING_SAID
    ]


def _marks(record: Mapping[str, str]) -> dict[str, list[str]]:
    marked: dict[str, list[str]] = {}
    for name, value in record.items():
        kind, dot, mark = name.partition(".")
        if dot and kind in MARKS and value == "1":
            marked.setdefault(kind, []).append(mark)
    return marked


def _choice(record: Mapping[str, str]) -> str:
    """The code of the one option that is marked 1; else the columns as they stand, which no option is called."""
    marked = [column for column in CHOICES if record[column] == "1"]
    if len(marked) == 1 and all(record[column] in ("0", "1") for column in CHOICES):
        return CHOICES[marked[0]]
    return ", ".join(f"{column}={record[column]}" for column in CHOICES)


IMPORTER = Importer(
    name="convabuse",
    title="ConvAbuse",
    summary="Conversations with chatbots and the votes of eight named annotators on abuse, one row a vote.",
    reader=reader,
    label_set="convabuse",
    license="CC-BY-4.0",
    address="https://github.com/amandacurry/convabuse",
    attribution="ConvAbuse (Cercas Curry, Abercrombie and Rieser 2021), CC BY 4.0.",
)
