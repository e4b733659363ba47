"""Anthropic's preference pairs (hh-rlhf): two transcripts with different last replies, chosen and rejected."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from sources.importers.importer import Importer, Option, Options, Reader, Rows, not_an_object, one_of, part_of
from sources.importers.transcripts import turns_of
from sources.mapping import LabelMap
from sources.rows import InstructionRow, RejectedRow, Turn
from sources.texts import HUMAN

TAKEN = ("prompts", "replies")
SIDES = ("chosen", "rejected")


def reader(options: Options) -> Reader:
    """One row for each pair, or one for each of its replies."""
    taken = one_of(options, IMPORTER.name, "take", TAKEN)

    def rows(where: str, record: Any) -> Rows:
        if not isinstance(record, dict):
            return not_an_object(where, '{"chosen": ..., "rejected": ...}')
        transcripts = [record.get(side) for side in SIDES]
        for side, transcript in zip(SIDES, transcripts, strict=True):
            if not isinstance(transcript, str):
                return (RejectedRow(where, "missing column", f"has no text in column {side!r}: add it"),)
        chosen, rejected = (turns_of(str(transcript)) for transcript in transcripts)
        if taken == "prompts":
            return (InstructionRow(where, _shared(chosen, rejected), "en"),)
        return [
            InstructionRow(part_of(where, side), turns, "en", source_labels={"preference": side})
            for side, turns in zip(SIDES, (chosen, rejected), strict=True)
        ]

    return Reader(rows, LabelMap.parse({"preference": {}}))


def _shared(chosen: list[Turn], rejected: list[Turn]) -> list[Turn]:
    """The turns that both begin with, up to the last thing that the person says."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False))
    turns = [turn for turn, _ in pairs]
    while turns and turns[-1]["role"] != HUMAN:
        turns.pop()
    return turns


IMPORTER = Importer(
    name="hh-rlhf",
    title="Anthropic hh-rlhf, preference pairs",
    summary="Dialogues up to the last thing that the person says; with take=replies, each with both its replies.",
    reader=reader,
    options=(Option("take", "prompts: one row a pair, without the replies; or replies: one row for each of the two"),),
    license="MIT",
    address="https://huggingface.co/datasets/Anthropic/hh-rlhf",
    attribution="Anthropic hh-rlhf (Bai et al. 2022), MIT licence.",
)
