"""What must stay as it is where words are changed: placeholders, addresses, code, personal information.

Screening must find them in the new text as it did in the old one, and a mangled telephone number is still somebody's.
"""

from __future__ import annotations

import re

from sources.rows import Parent

type Held = set[int]  # positions in a text

# Repeats are bounded, so that no text makes the search slow.
_MAYBE = re.compile(r"[@<\[{`]|://|www\.")
_HELD = re.compile(
    r"""https?://\S+ | www\.\S+ | [^\s@]{1,64}@\S+ | @\w+
    | \[[A-Za-z][\w -]{0,60}\] | <[^<>\s]{1,60}> | \{{1,3}[^{}]{0,80}\}{1,3} | `[^`]{0,200}`""",
    re.VERBOSE,
)


def held(record: Parent, number: int) -> Held:
    """The positions in turn ``number`` (from 0) that no augmenter but the one for personal information changes."""
    text = record["turns"][number]["text"]
    found: Held = set()
    for span in record["personal"]:
        if span["turn"] == number:
            found.update(range(span["start"], span["end"]))
    if _MAYBE.search(text):
        for match in _HELD.finditer(text):
            found.update(range(*match.span()))
    return found
