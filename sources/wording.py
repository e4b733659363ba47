"""What sources suggest and how long texts are, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from django.utils.text import slugify

from labels import taxonomy
from sources.mapping import LABEL_SET

# Upper ends, in characters; what is longer is the last class.
LENGTHS = (25, 50, 100, 200, 400, 800, 1_600, 3_200, 6_400)
# Codes of the label set whose texts are folded until somebody wants to read them; tags from what share on.
SEVERE_LABELS = ("needs-intervention",)
SEVERE_TAGS = ("sexual-content", "hate")
SEVERE_SHARE = 0.5


def severity(suggestions: Iterable[Mapping[str, Any] | None]) -> str:
    """What in the suggestions of its sources makes a text one that is folded, in words; "" where nothing does."""
    found = []
    for suggested in suggestions:
        if suggested and suggested.get("label") in SEVERE_LABELS:
            found.append(words(suggested["label"]))
        tags = (suggested or {}).get("tags", {})
        found += [words(tag) for tag in SEVERE_TAGS if tags.get(tag, 0) >= SEVERE_SHARE]
    return ", ".join(dict.fromkeys(found))


@cache
def label_codes() -> list[str]:
    """The labels that sources may suggest, from mild to severe."""
    return [slugify(name) for name in taxonomy.read(taxonomy.SHIPPED / f"{LABEL_SET}.toml").published]


def words(code: str) -> str:
    """A code of the label set as words: needs-caution is "needs caution"."""
    return code.replace("-", " ")


def meaning(suggested: Mapping[str, Any]) -> str:
    """A suggestion in words, such as "needs caution; hate, yes; abuse related, 0.4 of the raters"."""
    parts = [words(suggested["label"])] if "label" in suggested else []
    return "; ".join(parts + [f"{words(tag)}, {_said(share)}" for tag, share in suggested.get("tags", {}).items()])


def length_ranges() -> list[tuple[int, int | None]]:
    """The classes of lengths: from and up to so many characters; None is no end."""
    ends = (0, *LENGTHS)
    return [(low + 1 if low else 0, high) for low, high in pairwise(ends)] + [(LENGTHS[-1] + 1, None)]


def length_name(low: int, high: int | None) -> str:
    return f"{low:,} to {high:,}" if high is not None else f"{low:,} and more"


def _said(share: float) -> str:
    return "yes" if share == 1 else "no" if share == 0 else f"{share:g} of the raters"
