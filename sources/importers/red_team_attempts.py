"""Anthropic's red-team attempts: whole dialogues in which people try to make a model misbehave."""

from __future__ import annotations

from typing import Any

from sources.importers.importer import Importer, Options, Reader, Rows, not_an_object
from sources.importers.transcripts import turns_of
from sources.mapping import LabelMap
from sources.rows import InstructionRow, RejectedRow

# As the source spells them; "descripton" is misspelled there.
KEPT = (
    "rating",
    "tags",
    "task_description",
    "task_descripton_harmlessness_score",
    "min_harmlessness_score_transcript",
    "num_params",
    "model_type",
    "red_team_member_id",
    "is_upworker",
)
# The rating says how well the attack worked, and the scores are a model's: neither says anything about the prompt. The
# tags are not known from the file itself, so each that comes is counted.
LABELS: dict[str, Any] = {**{name: {} for name in KEPT if name != "tags"}, "tags": {"values": {}}}


def reader(options: Options) -> Reader:
    """One row for each transcript."""
    return Reader(_rows, LabelMap.parse(LABELS))


def _rows(where: str, record: Any) -> Rows:
    if not isinstance(record, dict):
        return not_an_object(where, '{"transcript": ..., "rating": ...}')
    transcript = record.get("transcript")
    if not isinstance(transcript, str):
        return (RejectedRow(where, "missing column", "has no text in column 'transcript': add it"),)
    labels = {name: record[name] for name in KEPT if record.get(name) is not None}
    return (InstructionRow(where, turns_of(transcript), "en", source_labels=labels),)


IMPORTER = Importer(
    name="red-team-attempts",
    title="Anthropic red-team attempts",
    summary="Whole dialogues of people who try to make a model misbehave, with their rating; no votes.",
    reader=reader,
    license="MIT",
    address="https://huggingface.co/datasets/Anthropic/hh-rlhf",
    attribution="Anthropic red-team attempts (Ganguli et al. 2022), MIT licence.",
    unverified="Values of tags: all ten records at hand have none, so none is mapped and each is counted.",
)
