"""How a text is laid out to be judged: what is in sight, and what opens on demand. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from annotate.models.units import judged_turns
from sources.rows import Turn

# A text folds after about so many characters, unless only a few more would follow.
FOLD, FEW = 1200, 200
# How far back a fold looks for white space to fall on.
NEAR = 200
# A character after one of these belongs to it, as in families of emoji.
JOINERS = "\u200d\u034f\u2060"


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """One turn: ``text`` in sight, ``rest`` behind a fold, "" if it is short."""

    role: str
    judged: bool
    text: str
    rest: str


@dataclass(frozen=True, slots=True)
class ShownText:
    """The turns in sight, and those before and after them that open on demand."""

    earlier: list[ShownTurn]
    near: list[ShownTurn]
    later: list[ShownTurn]

    @property
    def is_dialogue(self) -> bool:
        return len(self.earlier) + len(self.near) + len(self.later) > 1


def shown(turns: Sequence[Turn], target: str) -> ShownText:
    """The text as a campaign with this target shows it: the judged turn with the one before it, or all if all are."""
    laid = [ShownTurn(turn["role"], judged, *fold(turn["text"])) for turn, judged in judged_turns(turns, target)]
    judged = [number for number, turn in enumerate(laid) if turn.judged]
    if not judged:
        return ShownText([], laid, [])
    first, last = max(judged[0] - 1, 0), judged[-1] + 1
    return ShownText(laid[:first], laid[first:last], laid[last:])


def fold(text: str) -> tuple[str, str]:
    """The text in two parts, the second "" if it is short. Folds at white space, and never inside a character."""
    if len(text) <= FOLD + FEW:
        return text, ""
    at = next((at for at in range(FOLD, FOLD - NEAR, -1) if text[at - 1].isspace()), FOLD)
    while at > 1 and _continues(text, at):
        at -= 1
    return text[:at], text[at:]


def _continues(text: str, at: int) -> bool:
    """Whether what begins here is shown as one with what stands before it."""
    after, before = text[at], text[at - 1]
    is_modifier = 0x1F3FB <= ord(after) <= 0x1F3FF or 0xE0020 <= ord(after) <= 0xE007F
    is_flag = 0x1F1E6 <= ord(after) <= 0x1F1FF
    joins = after in JOINERS or before in JOINERS or unicodedata.category(after).startswith("M")
    return is_modifier or is_flag or joins
