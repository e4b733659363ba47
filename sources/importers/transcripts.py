"""Anthropic's transcripts: turns in one text, each after an empty line and ``Human:`` or ``Assistant:``."""

from __future__ import annotations

import re

from sources.rows import Turn
from sources.texts import BOT, HUMAN, normalise

ROLES = {"Human": HUMAN, "Assistant": BOT}
_MARK = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):")


def turns_of(transcript: str) -> list[Turn]:
    """The turns, without those that say nothing; one human turn where nothing is marked.

    Only a mark after an empty line begins a turn: within a line "Human:" is what somebody wrote.
    """
    before, *parts = _MARK.split(transcript.replace("\r\n", "\n"))
    turns = [Turn(role=ROLES[name], text=text) for name, text in zip(parts[::2], parts[1::2], strict=True)]
    return normalise([Turn(role=HUMAN, text=before), *turns])
