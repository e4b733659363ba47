"""Personal information becomes invented data of its kind, by Faker, in the language of the text.

No row leaves here with a character sequence that was marked in the instruction: what would, is not made. Addresses
and numbers come from ranges that are kept free for examples, wherever there is such a range.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from random import Random
from typing import NamedTuple

from faker import VERSION, Faker

from sources.augmenters import tables
from sources.augmenters.augmenter import COPIES, ENGLISH, KEPT, SEED, Augmenter, Made, draw, primary
from sources.importers.importer import Options, Reader
from sources.rows import Parent, Turn

_TABLES = tables.load("personal")
PLACEHOLDERS: dict[str, str] = {word: kind for kind, words in _TABLES["placeholders"].items() for word in words}
LOCALES: dict[str, str] = _TABLES["locales"]
# Small letters in square brackets only, as our own masks are written: <address> may be HTML.
_PLACEHOLDER = re.compile(
    r"\[([A-Z][A-Z_-]{1,30})(?:[_ -]?\d{1,4})?\]"
    r"|<([A-Z][A-Z_-]{1,30})(?:[_ -]?\d{1,4})?>"
    r"|\[([A-Za-z][A-Za-z -]{1,30})\]"
)
# Numbers 555-0100 to 555-0199 of these areas are never given to anybody.
_AREAS = ("202", "303", "404", "512", "617", "702", "808", "907")
_EXAMPLE_NETS = ("192.0.2", "198.51.100", "203.0.113")
_EXAMPLE_NET_V6 = "2001:db8"


class Place(NamedTuple):
    """Characters ``start`` to ``end`` of a turn that are to be replaced."""

    start: int
    end: int
    kind: str


type Invent = Callable[[str, Faker, Random], str]


def make(record: Parent, random: Random) -> Iterator[Made]:
    """The dialogue with invented data; the same original is the same invention throughout."""
    places = [_places(record, number) for number in range(len(record["turns"]))]
    if not any(places):
        return
    faker = _faker(locale_of(record["language"]))
    faker.seed_instance(random.getrandbits(64))
    invented: dict[str, str] = {}
    kinds = Counter[str]()
    for turn, found in zip(record["turns"], places, strict=True):
        for place in found:
            original = turn["text"][place.start : place.end]
            if original not in invented:
                invented[original] = INVENTIONS.get(place.kind, same_shape)(original, faker, random)
                kinds[place.kind] += 1
    turns = [_replaced(turn, found, invented) for turn, found in zip(record["turns"], places, strict=True)]
    marked = [record["turns"][span["turn"]]["text"][span["start"] : span["end"]] for span in record["personal"]]
    if not _leaks(turns, {*invented, *marked} - {""}):
        changes = [{"kind": kind, "count": count} for kind, count in sorted(kinds.items())]
        yield Made(turns, {"changes": changes, "library": f"faker {VERSION}"})


def _replaced(turn: Turn, places: list[Place], invented: Mapping[str, str]) -> Turn:
    """The turn with inventions at its places, and wherever else an original is said that nobody marked there."""
    text = turn["text"]
    for place in reversed(places):
        text = text[: place.start] + invented[text[place.start : place.end]] + text[place.end :]
    for original in sorted(invented, key=len, reverse=True):
        text = _everywhere(text, original, invented[original])
    return Turn(role=turn["role"], text=text)


def _everywhere(text: str, original: str, invention: str) -> str:
    # Searching in any case is slow, and most originals are said once.
    if original.casefold() not in text.casefold():
        return text
    return re.sub(re.escape(original), lambda _: invention, text, flags=re.IGNORECASE)


def _places(record: Parent, number: int) -> list[Place]:
    """What is to be replaced in one turn, in order; where places overlap, they are one of the first one's kind."""
    text = record["turns"][number]["text"]
    found = [
        Place(max(0, span["start"]), min(len(text), span["end"]), span["kind"])
        for span in record["personal"]
        if span["turn"] == number
    ]
    for match in _PLACEHOLDER.finditer(text):
        kind = PLACEHOLDERS.get(match[match.lastindex or 0].rstrip("_-"))
        if kind:
            found.append(Place(*match.span(), kind))
    merged: list[Place] = []
    for place in sorted(place for place in found if place.start < place.end):
        if merged and place.start < merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, place.end))
        else:
            merged.append(place)
    return merged


def _leaks(turns: list[Turn], originals: Iterable[str]) -> bool:
    """Whether an original still stands in a turn, in any case."""
    said = "\0".join(turn["text"] for turn in turns).casefold()
    return any(original.casefold() in said for original in originals)


def locale_of(language: str) -> str:
    """The locale of Faker for a language, whatever its region; that of English where there is none."""
    return LOCALES.get(primary(language), LOCALES[ENGLISH])


@cache
def _faker(locale: str) -> Faker:
    """A generator of its own: seeding it seeds no other. Its dates and addresses load once in a process."""
    return Faker(locale)


def same_shape(original: str, faker: Faker, random: Random) -> str:
    """A digit for each digit and a letter of the alphabet for each letter; what is neither stays."""
    return "".join(_like(character, random) for character in original)


def _like(character: str, random: Random) -> str:
    if character.isdigit():
        return random.choice(string.digits)
    if character.isalpha():
        letter = random.choice(string.ascii_lowercase)
        return letter.upper() if character.isupper() else letter
    return character


def _phone(original: str, faker: Faker, random: Random) -> str:
    return f"+1 {random.choice(_AREAS)}-555-01{random.randrange(100):02}"


def _ip(original: str, faker: Faker, random: Random) -> str:
    if ":" in original:
        return f"{_EXAMPLE_NET_V6}::{random.randrange(1, 0xFFFF):x}:{random.randrange(1, 0xFFFF):x}"
    return f"{random.choice(_EXAMPLE_NETS)}.{random.randrange(1, 255)}"


def _faked(method: str) -> Invent:
    """What Faker calls ``method``, in one line."""

    def invent(original: str, faker: Faker, random: Random) -> str:
        return ", ".join(str(getattr(faker, method)()).split("\n"))

    return invent


def _card(original: str, faker: Faker, random: Random) -> str:
    # Some locales know other kinds of cards, and some of those have numbers too short to be found again.
    english = _faker(LOCALES[ENGLISH])
    english.seed_instance(random.getrandbits(64))
    return str(english.credit_card_number(card_type="visa16"))


def _identity(original: str, faker: Faker, random: Random) -> str:
    # A placeholder has no shape to keep.
    return same_shape("AA000000" if original[0] in "[<" else original, faker, random)


INVENTIONS: dict[str, Invent] = {
    "email": _faked("safe_email"),
    "phone": _phone,
    "ip": _ip,
    "card": _card,
    "iban": _faked("iban"),
    "name": _faked("name"),
    "id": _identity,
    "address": _faked("street_address"),
    "city": _faked("city"),
}


def _reader(options: Options) -> Reader:
    return draw(PERSONAL, options, make)


PERSONAL = Augmenter(
    name="personal",
    title="Invented personal data",
    summary="E-mail addresses, numbers, names and placeholders such as [EMAIL] become invented ones of their kind.",
    options=(SEED, COPIES),
    defaults={"seed": "0", "copies": "1"},
    effect=KEPT,
    needs_screening=True,
    reader=_reader,
)
AUGMENTERS = (PERSONAL,)
