"""What importers and augmenters yield: one shape for all of them (pure, no Django)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, NotRequired, TypedDict


class Turn(TypedDict):
    """One turn of a dialogue; ``role`` is ``human`` or ``bot``."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class SourceVote:
    """One vote of a real annotator of the source; ``annotator`` is None where the source does not say who voted."""

    annotator: str | None
    choice: str  # code of an option of the importer's label set
    row: str  # tells it from other votes of this annotator on the instruction; the same in every import


# Rows come by the million: a named tuple is made in a quarter of the time of a frozen dataclass.
class InstructionRow(NamedTuple):
    """One row of a source that holds an instruction, or one more vote on it."""

    row: str  # where in the file: its line, or the identity the source gives it; the same in every import of the file
    turns: Sequence[Turn]
    language: str = ""
    # Set where the source judges the same words in another conversation as another unit; it is part of the digest.
    conversation: str = ""
    source_labels: Mapping[str, Any] = MappingProxyType({})
    votes: Sequence[SourceVote] = ()
    parent: str = ""  # of an augmented row, the public id of the instruction it was made of
    suggested: Mapping[str, Any] | None = None  # of an augmented row, what its parent's suggestion says of it


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row that is not taken, and why: ``reason`` is one of a few codes, ``detail`` the sentence for this row."""

    row: str
    reason: str
    detail: str


class Span(TypedDict):
    """Where personal information stands: characters ``start`` to ``end`` of the text of turn ``turn``, from 0."""

    turn: int
    start: int
    end: int
    kind: str


class Parent(TypedDict):
    """The record that an augmenter reads: one instruction of the source that is augmented."""

    id: str  # its public id, 32 hex digits
    turns: Sequence[Turn]
    language: str
    source_labels: Mapping[str, Any]
    suggested: NotRequired[Mapping[str, Any] | None]  # what the labels of its source suggest
    personal: Sequence[Span]


@dataclass(frozen=True, slots=True)
class VoteCounts:
    """What became of a batch's votes; ``known`` ones came with an earlier import of the same rows."""

    added: int = 0
    known: int = 0
    repeated: int = 0  # by an annotator who had voted on the unit; the first vote counts
    rejected: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)  # why votes were rejected -> how many
    offenders: Sequence[str] = ()  # one sentence for each vote that was repeated or rejected
