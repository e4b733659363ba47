"""What of an importer's rows is taken: one shape that the database stores, or a reason (pure, no Django)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from sources import texts
from sources.mapping import LabelMap
from sources.rows import InstructionRow, RejectedRow, SourceVote

# As long as the columns that hold them; and of an annotator's name, what leaves room for the source's.
LONGEST_IDENTITY, LONGEST_LANGUAGE, LONGEST_ANNOTATOR = 120, 20, 60

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_BRACKET_OR_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]')
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class Accepted(NamedTuple):
    """One row as it is stored. ``turns``, ``labels`` and ``suggested`` are JSON."""

    digest: bytes
    turns: str
    language: str
    characters: int
    row: str
    labels: str
    suggested: str | None
    unmapped: Sequence[str]
    votes: Sequence[SourceVote]
    parent: bytes | None

    def spoken(self) -> list[str]:
        """The texts of its turns."""
        return [turn["text"] for turn in orjson.loads(self.turns)]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The limits of one installation and the declared labels of one format."""

    max_characters: int
    max_turns: int
    max_nesting: int
    label_map: LabelMap | None = None

    def judge(self, row: InstructionRow) -> Accepted | RejectedRow:
        """The row as it is stored, or why it is not taken."""
        turns = texts.normalise(row.turns)
        labels = _json(row.source_labels) if row.source_labels else "{}"
        if labels is None:
            detail = "has labels that are nested too deep or no JSON: remove them"
            return RejectedRow(row.row, "unusable labels", detail)
        problem = texts.refusal(turns, self.max_characters, self.max_turns) or self._label_problem(labels)
        if problem := problem or _name_problem(row):
            return RejectedRow(row.row, *problem)
        suggested, unmapped = self.label_map.suggest(row.source_labels) if self.label_map else (row.suggested, [])
        return Accepted(
            digest=texts.digest(turns, row.conversation),
            turns=orjson.dumps(turns).decode(),
            language=row.language,
            characters=texts.length(turns),
            row=row.row,
            labels=labels,
            suggested=orjson.dumps(suggested).decode() if suggested else None,
            unmapped=unmapped,
            votes=row.votes,
            parent=bytes.fromhex(row.parent) if row.parent else None,
        )

    def _label_problem(self, labels: str) -> tuple[str, str] | None:
        if len(labels) > self.max_characters:
            return "too long", f"has labels of {len(labels):,} characters: keep fewer columns"
        # Every level opens with a bracket, so nearly all labels need no closer look.
        if labels.count("{") + labels.count("[") > self.max_nesting and _depth(labels) > self.max_nesting:
            return "nested too deep", f"has labels nested more than {self.max_nesting} deep: keep fewer columns"
        has_nul = "\\u0000" in labels and _ESCAPED_NUL.search(labels)
        problem = "NUL character" if has_nul else texts.unstorable(labels)
        return (problem, f"has a {problem} in its labels: remove it") if problem else None


def _json(labels: Any) -> str | None:
    """``labels`` as JSON; None where they cannot be written."""
    try:
        return orjson.dumps(labels).decode()
    except (TypeError, orjson.JSONEncodeError):
        pass
    # Slower, but takes whole numbers of any size, and lone surrogates, which are then refused by name.
    try:
        return json.dumps(labels, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None


def _depth(labels: str) -> int:
    """How many lists and objects are open at once."""
    depth = deepest = 0
    for sign in _BRACKET_OR_STRING.findall(labels):
        depth += (sign in "[{") - (sign in "]}")
        deepest = max(deepest, depth)
    return deepest


def _name_problem(row: InstructionRow) -> tuple[str, str] | None:
    """What is wrong with the short texts that name the row, its language and who voted."""
    if row.language and not (len(row.language) <= LONGEST_LANGUAGE and _LANGUAGE.fullmatch(row.language)):
        shown = texts.printable(row.language, 30)
        return "wrong language", f"has language {shown!r}: write a BCP 47 tag such as en or pt-BR"
    if len(row.row) > LONGEST_IDENTITY or texts.unstorable(row.row):
        shown = texts.printable(row.row, 40)
        return "wrong identity", f"has identity {shown!r}: use at most {LONGEST_IDENTITY} ordinary characters"
    for vote in row.votes:
        name = vote.annotator or ""
        if texts.unstorable(name) or len(name) > LONGEST_ANNOTATOR:
            shown = texts.printable(name, 40)
            return "wrong annotator", f"has annotator {shown!r}: use at most {LONGEST_ANNOTATOR} ordinary characters"
    return None
