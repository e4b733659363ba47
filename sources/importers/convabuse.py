"""ConvAbuse: one row a vote of one of eight annotators on what a person says to a chatbot.

The source's unit is a conversation (``conv_id``) with four texts. Equal texts in other conversations were judged
apart, so the conversation is part of the instruction's identity.
"""

from __future__ import annotations

from sources.files import SourceFile
from sources.importers.importer import Importer, Options, Rows, require
from sources.importers.records import csv_records
from sources.rows import InstructionRow, RejectedRow, SourceVote, Turn
from sources.texts import BOT, HUMAN

LABEL_SET = "convabuse"
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
REQUIRED = ["annotator_id", "conv_id", *TURNS, *CHOICES]


def read(file: SourceFile, options: Options) -> Rows:
    """One row for each vote; the rows of one unit have equal turns."""
    header, found = csv_records(file)
    require(REQUIRED, dict.fromkeys(header), file, "line 1")
    for where, record in found:
        yield record if isinstance(record, RejectedRow) else _row(where, record)


def _row(where: str, record: dict[str, str]) -> InstructionRow | RejectedRow:
    if not record["annotator_id"].strip() or not record["conv_id"].strip():
        return RejectedRow(where, "missing value", "column 'annotator_id' or 'conv_id' is empty: fill it in")
    # Spreadsheets wrote most of these numbers with a decimal point.
    conversation = record["conv_id"].strip().removesuffix(".0")
    return InstructionRow(
        row=where,
        turns=[
            Turn(role=role, text=record[name])
            for name, role in TURNS.items()
            if name == JUDGED or record[name] != NOTHING_SAID
        ],
        language="en",
        conversation=conversation,
        source_labels={"conv_id": conversation, "bot": record.get("bot", "")},
        votes=[SourceVote(annotator=record["annotator_id"].strip(), choice=_choice(record), row=where)],
    )


def _choice(record: dict[str, str]) -> str:
    """The code of the one option that is marked 1; else the columns as they stand, which no option is called."""
    marked = [column for column in CHOICES if record[column] == "1"]
    if len(marked) == 1 and all(record[column] in "01" for column in CHOICES):
        return CHOICES[marked[0]]
    return ", ".join(f"{column}={record[column]}" for column in CHOICES)


IMPORTER = Importer(
    name="convabuse",
    title="ConvAbuse",
    summary="Conversations with chatbots and the votes of eight named annotators on abuse, one row a vote.",
    label_set=LABEL_SET,
    suffixes=(".csv", ".csv.gz"),
    read=read,
)
