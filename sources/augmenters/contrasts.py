"""Questions that share a frightening word with the instruction: some sound harmful and are not, some are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from sources.augmenters import tables
from sources.augmenters.augmenter import COPIES, NEEDS_VOTES, SEED, Augmenter, Made, draw, is_english
from sources.importers.importer import Options, Reader
from sources.rows import Parent, Turn
from sources.texts import HUMAN

CONTRASTS = tables.load("contrasts")["contrasts"]
_CALLED_BY = {form: contrast for contrast in CONTRASTS for form in contrast["forms"]}
# Longest first: "blow up" before a word that it begins with.
_FORMS = re.compile(
    r"\b(?:" + "|".join(re.escape(form) for form in sorted(_CALLED_BY, key=len, reverse=True)) + r")\b",
    re.IGNORECASE | re.ASCII,
)


def make(record: Parent, random: Random) -> Iterator[Made]:
    """One safe and one unsafe question with a word that the person uses."""
    if not is_english(record["language"]):
        return
    words = _words(record)
    if not words:
        return
    contrast = _CALLED_BY[random.choice(words)]
    for side in ("safe", "unsafe"):
        question = random.choice(contrast[side])
        change = {"word": contrast["word"], "side": side, "kind": question["kind"]}
        yield Made([Turn(role=HUMAN, text=question["text"])], {"changes": [change]})


def _words(record: Parent) -> list[str]:
    """The forms that the person uses, each once, in order."""
    said = (turn["text"] for turn in record["turns"] if turn["role"] == HUMAN)
    return list(dict.fromkeys(form.lower() for text in said for form in _FORMS.findall(text)))


def _reader(options: Options) -> Reader:
    return draw(CONTRAST, options, make)


CONTRAST = Augmenter(
    name="contrast",
    title="Safe and unsafe contrasts",
    summary="Questions that share a word such as kill, shoot or steal with the instruction, half of them harmless.",
    options=(SEED, COPIES),
    defaults={"seed": "0", "copies": "2"},
    effect=NEEDS_VOTES,
    reader=_reader,
)
AUGMENTERS = (CONTRAST,)
