"""Which language people write in an instruction (pure, no Django).

CLD2 scores runs of four letters against tables of 165 languages that are part of its package; docs/languages.md has
what it was measured against. It says when it is unsure, and an unsure guess is no language here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pycld2  # type: ignore[import-untyped]  # a C extension without stubs

from sources.rows import Turn
from sources.texts import HUMAN

LEAST_SHARE = 70  # percent of the text that has to be in the language: less is a mixture, and has no one language
# In fewer plain letters CLD2 takes names, slang and slips for a language ("Oh, i have a bum." for Danish). English it
# may say there: most sources are English, and that guess is rarely wrong.
SHORT = 32
LONGEST = 4000  # characters that are judged, so that a text of any length costs the same

# What CLD2 takes for broken UTF-8: controls and characters that Unicode reserves for nobody.
_REFUSED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ud800-\udfff"
    + "".join(chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))
    + "]"
)
_RENAMED = {"iw": "he", "jw": "jv", "sr-ME": "sr"}  # where CLD2's code is not BCP 47's
# Codes that name a script (xx-Latn), a joke (zzb) or, with Scots, what is nearly always English slang.
_NO_LANGUAGE = re.compile("un|xx.*|zz.|sco")


def identify(said: str | Sequence[Turn]) -> str:
    """The language as a BCP 47 tag ("en", "zh-Hant"); "" for a text too short, too mixed or too strange to be sure.

    Of turns, those of the human are judged: a bot often answers in another language. All are, if no human speaks.
    """
    text = said if isinstance(said, str) else _human_text(said)
    reliable, _, guesses = pycld2.detect(_REFUSED.sub(" ", text[:LONGEST]).encode())
    code, share = str(guesses[0][1]), int(guesses[0][2])
    if not reliable or share < LEAST_SHARE or _NO_LANGUAGE.fullmatch(code):
        return ""
    if code != "en" and len(text) < SHORT and text.isascii():
        return ""
    return _RENAMED.get(code, code)


def _human_text(turns: Sequence[Turn]) -> str:
    human = [turn["text"] for turn in turns if turn["role"] == HUMAN]
    return "\n".join(human or [turn["text"] for turn in turns])
