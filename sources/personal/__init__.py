"""Personal information in texts: where it stands, of which kind it is, and the texts without it (pure, no Django).

Libraries judge what looks like a number of some kind; patterns only propose. Work grows with the length of a text and
not faster, whatever it says. docs/personal-information.md tells what is found, what is not, and how well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from sources.personal import addresses, contacts, numbers
from sources.rows import Span, Turn

# What stands in a text instead of what was found, in brackets. The surest kind looks first.
KINDS = {
    "email": "e-mail address",
    "iban": "bank account",
    "card": "card number",
    "ip": "IP address",
    "id": "identity number",
    "phone": "telephone number",
    "address": "street address",
}
_FINDERS: dict[str, Callable[[str], Iterator[tuple[int, int]]]] = {
    "email": contacts.emails,
    "iban": numbers.ibans,
    "card": numbers.cards,
    "ip": contacts.ips,
    "id": numbers.ids,
    "address": addresses.streets,
}
REGIONS = ("US", "GB", "IN", "DE", "FR", "ES", "BR")

_HINT = re.compile(r"[@＠\d]")  # nothing is found without one of these
_MASKS = re.compile("|".join(rf"\[{re.escape(words)}\]" for words in KINDS.values()))


class Found(NamedTuple):
    """Characters ``start`` to ``end`` of a text, from 0, and a key of KINDS."""

    start: int
    end: int
    kind: str


def find(text: str, regions: Sequence[str] = REGIONS) -> list[Found]:
    """What is personal in a text, in its order, without overlaps.

    ``regions`` are the countries (ISO 3166, "US") whose telephone numbers are known without a country code.
    """
    if not _HINT.search(text):
        return []
    plain = text if text.isascii() else _fold(text)
    found: list[Found] = []
    pieces = list(_between(0, len(plain), [match.span() for match in _MASKS.finditer(plain)]))
    # What is left beside a finding is looked at again, so that nothing is found in a masked text.
    while pieces:
        start, end = pieces.pop()
        if hits := _look(plain, start, end, regions):
            found += hits
            pieces += _between(start, end, [hit[:2] for hit in hits])
    return sorted(found)


def spans(turns: Sequence[Turn], regions: Sequence[str] = REGIONS) -> list[Span]:
    """What is personal in the turns of a dialogue, in its order."""
    return [
        Span(turn=number, start=hit.start, end=hit.end, kind=hit.kind)
        for number, turn in enumerate(turns)
        for hit in find(turn["text"], regions)
    ]


def mask(turns: Sequence[Turn], found: Sequence[Span]) -> list[Turn]:
    """The turns with the kind in brackets where something was found: ``[e-mail address]``. Nothing is found in them."""
    texts = [turn["text"] for turn in turns]
    # From the end, so that the places before stay true.
    for span in sorted(found, key=lambda span: span["start"], reverse=True):
        text = texts[span["turn"]]
        texts[span["turn"]] = f"{text[: span['start']]}[{KINDS[span['kind']]}]{text[span['end'] :]}"
    return [Turn(role=turn["role"], text=text) for turn, text in zip(turns, texts, strict=True)]


def _look(text: str, start: int, end: int, regions: Sequence[str]) -> list[Found]:
    """One look at a piece of folded text, by each finder at what those before it left."""
    found: list[Found] = []
    for kind in KINDS:
        for left, right in list(_between(start, end, [hit[:2] for hit in found])):
            piece = text[left:right]
            if _HINT.search(piece):
                found += [Found(left + first, left + last, kind) for first, last in _finder(kind, piece, regions)]
        found.sort()
    return found


def _finder(kind: str, text: str, regions: Sequence[str]) -> Iterator[tuple[int, int]]:
    return contacts.phones(text, regions) if kind == "phone" else _FINDERS[kind](text)


def _between(start: int, end: int, places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What lies between the sorted places, from ``start`` to ``end``, where it is long enough to hold anything."""
    edges = [(start, start), *places, (end, end)]
    return ((left, right) for (_, left), (right, _) in pairwise(edges) if right - left > 4)


class _Folding(dict[int, int]):
    """Characters of other scripts and widths that count as one of ASCII; one for one, so that places stay true."""

    def __missing__(self, code: int) -> int:
        self[code] = folded = _folded(chr(code))
        return folded


def _folded(character: str) -> int:
    if character.isdecimal():
        return ord("0") + int(character)
    if "！" <= character <= "～":  # the wide forms of ASCII
        return ord(character) - 0xFEE0
    if character in "‐‑‒–—−":
        return ord("-")
    # White space, and the marks that steer writing from right to left around a number.
    if (
        character.isspace()
        or character in "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
    ):
        return ord("\n" if character in "\n\u2028\u2029" else " ")
    return ord(character)


_FOLDING = _Folding()


def _fold(text: str) -> str:
    return text.translate(_FOLDING)
