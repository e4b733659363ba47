"""Red-Instruct: HarmfulQA, one object of subjects and topics, and DangerousQA, a list of questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sources.importers.importer import Importer, Options, Reader, Rows, part_of
from sources.mapping import LabelMap
from sources.rows import InstructionRow, RejectedRow, Turn
from sources.texts import HUMAN

# The questions are harmful, or begin to be, by the way they were asked for; the source gives them no label.
LABELS: dict[str, Any] = {"subject": {}, "topic": {}}
EXPECTED = 'is no question: write a text, or {"SUBJECT": {"TOPIC": ["question", ...]}}'


def reader(options: Options) -> Reader:
    """One row for each question."""
    return Reader(_rows, LabelMap.parse(LABELS))


def _rows(where: str, record: Any) -> Rows:
    match record:
        case str():
            return (_question(where, record, {}),)
        case dict():
            return _questions(where, record)
        case _:
            return (RejectedRow(where, "wrong type", EXPECTED),)


def _questions(where: str, subjects: dict[str, Any]) -> Iterator[InstructionRow | RejectedRow]:
    for subject, topics in subjects.items():
        if not isinstance(topics, dict):
            yield RejectedRow(part_of(where, subject), "wrong type", EXPECTED)
            continue
        for topic, questions in topics.items():
            if not isinstance(questions, list):
                yield RejectedRow(part_of(where, subject, topic), "wrong type", EXPECTED)
                continue
            for number, question in enumerate(questions, start=1):
                place = part_of(where, subject, topic, number)
                yield _question(place, question, {"subject": subject, "topic": topic})


def _question(place: str, question: Any, labels: dict[str, str]) -> InstructionRow | RejectedRow:
    if not isinstance(question, str):
        return RejectedRow(place, "wrong type", EXPECTED)
    return InstructionRow(place, [Turn(role=HUMAN, text=question)], "en", source_labels=labels)


IMPORTER = Importer(
    name="red-instruct",
    title="Red-Instruct (HarmfulQA, DangerousQA)",
    summary="Harmful questions, as a list or by subject and topic; no votes and no labels.",
    reader=reader,
    license="Apache-2.0",
    address="https://github.com/declare-lab/red-instruct",
    attribution="Red-Instruct (Bhardwaj and Poria 2023), Apache License 2.0.",
)
