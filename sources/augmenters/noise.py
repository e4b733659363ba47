"""Surface noise: the same words, written as hurried or evading people write them. Only what people say is changed."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

from sources.augmenters import tables
from sources.augmenters.augmenter import COPIES, KEPT, NEEDS_VOTES, SEED, Augmenter, Effect, Made, draw, share
from sources.augmenters.held import Held, held
from sources.importers.importer import Option, Options, Reader
from sources.rows import Parent, Turn
from sources.texts import HUMAN

type Counts = Counter[str]  # kind of change -> how many
type Noise = Callable[[str, Held, float, Random, Counts], str]

_TABLES = tables.load("noise")
LEETSPEAK: dict[str, list[str]] = {
    **_TABLES["leetspeak"],
    **{letter.upper(): signs for letter, signs in _TABLES["leetspeak"].items()},
}
HOMOGLYPHS: dict[str, str] = _TABLES["homoglyphs"]
EMOJI: list[str] = _TABLES["emoji"]["signs"]

_WORD = re.compile(r"\S+")


def _neighbours() -> dict[str, str]:
    """letter -> the keys around it, of every layout."""
    found: dict[str, str] = {}
    for keyboard in _TABLES["keyboards"]:
        rows = keyboard["rows"]
        for y, row in enumerate(rows):
            for x, key in enumerate(row):
                near = [(y, x - 1), (y, x + 1), (y - 1, x), (y - 1, x + 1), (y + 1, x - 1), (y + 1, x)]
                found[key] = "".join(rows[b][a] for b, a in near if 0 <= b < len(rows) and 0 <= a < len(rows[b]))
    return found


NEIGHBOURS = _neighbours()


def typos(text: str, held: Held, rate: float, random: Random, counts: Counts) -> str:
    """Slips of the finger: a key beside, a letter twice, left out, or before its neighbour."""
    characters = list(text)
    letters = [at for at, character in enumerate(text) if character.isalpha() and at not in held]
    for at in _chosen(letters, rate, random):
        # A letter that bears marks stays: what is left would be broken, not mistyped.
        if _bears_marks(text, at):
            continue
        kind = random.choice(("neighbour", "neighbour", "doubled", "dropped", "swapped"))
        characters[at], kind = _slip(kind, text[at], random)
        if kind == "swapped":
            after = text[at + 1 : at + 2]
            if at + 1 in held or characters[at + 1 : at + 2] != [after] or not _can_swap(text, at):
                characters[at], kind = text[at] * 2, "doubled"
            else:
                characters[at], characters[at + 1] = after, text[at]
        counts[kind] += 1
    return "".join(characters)


def _bears_marks(text: str, at: int) -> bool:
    return at + 1 < len(text) and unicodedata.category(text[at + 1])[0] == "M"


def _can_swap(text: str, at: int) -> bool:
    after = text[at + 1]
    return after.isalpha() and after != text[at] and not _bears_marks(text, at + 1)


def _slip(kind: str, letter: str, random: Random) -> tuple[str, str]:
    if kind == "neighbour":
        near = NEIGHBOURS.get(letter.lower())
        if near is None:  # no keyboard of this script
            return letter, "swapped"
        key = random.choice(near)
        return (key.upper() if letter.isupper() else key), kind
    if kind == "dropped":
        return "", kind
    return (letter * 2 if kind == "doubled" else letter), kind


def leetspeak(text: str, held: Held, rate: float, random: Random, counts: Counts) -> str:
    """Digits and signs in place of letters."""
    characters = list(text)
    letters = [at for at, character in enumerate(text) if character in LEETSPEAK and at not in held]
    for at in _chosen(letters, rate, random):
        characters[at] = random.choice(LEETSPEAK[text[at]])
        counts["letter"] += 1
    return "".join(characters)


def homoglyphs(text: str, held: Held, rate: float, random: Random, counts: Counts) -> str:
    """Letters of another script that look the same."""
    characters = list(text)
    letters = [at for at, character in enumerate(text) if character in HOMOGLYPHS and at not in held]
    for at in _chosen(letters, rate, random):
        characters[at] = HOMOGLYPHS[text[at]]
        counts["letter"] += 1
    return "".join(characters)


def spacing(text: str, held: Held, rate: float, random: Random, counts: Counts) -> str:
    """Words run together, are torn apart, or are spread out letter by letter."""
    pieces = list(text)
    words = [match.span() for match in _WORD.finditer(text)]
    for start, end in _chosen(words, rate, random):
        if held and not held.isdisjoint(range(start, min(end + 2, len(text)))):
            continue
        inside = [at for at in range(start, end - 1) if text[at].isalpha() and text[at + 1].isalpha()]
        joinable = text[end : end + 1] == " " and end + 1 < len(text)
        kind = random.choice(("joined",) * joinable + ("split", "spread") * bool(inside) or ("",))
        if kind == "joined":
            pieces[end] = ""
        elif kind:
            for at in inside if kind == "spread" and end - start <= 12 else [random.choice(inside)]:
                pieces[at] = text[at] + " "
        counts[kind] += bool(kind)
    return "".join(pieces)


def case(text: str, held: Held, rate: float, random: Random, counts: Counts) -> str:
    """Small letters throughout, some words shouted, or letters of mixed case: one of the three."""
    for kind in random.sample(("lower", "shouted", "mixed"), 3):
        pieces = list(text)
        for at in _cased(kind, text, rate, random):
            if at not in held:
                pieces[at] = text[at].lower() if kind == "lower" else text[at].swapcase()
        changed = "".join(pieces)
        if changed != text:
            counts[kind] += 1
            return changed
    return text


def _cased(kind: str, text: str, rate: float, random: Random) -> Iterable[int]:
    """The positions that a kind of writing changes."""
    if kind == "lower":
        return range(len(text))
    if kind == "mixed":
        return _chosen([at for at, character in enumerate(text) if character.isalpha()], rate, random)
    words = _chosen([match.span() for match in _WORD.finditer(text)], rate, random)
    return [at for word in words for at in range(*word) if text[at].islower()]


def emoji(text: str, held: Held, rate: float, random: Random, counts: Counts) -> str:
    """Faces and signs behind words."""
    pieces = list(text)
    ends = [match.end() - 1 for match in _WORD.finditer(text) if match.end() not in held]
    for at in _chosen(ends, rate, random):
        pieces[at] = f"{text[at]} {random.choice(EMOJI)}"
        counts["sign"] += 1
    return "".join(pieces)


def _chosen[Place](places: Sequence[Place], rate: float, random: Random) -> list[Place]:
    """A share of the places, at least one where there is any, from the last to the first."""
    if not places:
        return []
    wanted = max(1, round(rate * len(places)))
    return [places[at] for at in sorted(random.sample(range(len(places)), wanted), reverse=True)]


def _augmenter(noise: Noise, title: str, summary: str, rate: str, of: str, effect: Effect = KEPT) -> Augmenter:
    """The augmenter that writes each turn of a person with ``noise``."""

    def reader(options: Options) -> Reader:
        wanted = share(augmenter, augmenter.settled(options), "rate")

        def make(record: Parent, random: Random) -> Iterator[Made]:
            counts: Counts = Counter()
            turns = [_noisy(record, number, noise, wanted, random, counts) for number in range(len(record["turns"]))]
            yield Made(turns, {"changes": [{"kind": kind, "count": count} for kind, count in sorted(counts.items())]})

        return draw(augmenter, options, make)

    augmenter = Augmenter(
        name=noise.__name__,
        title=title,
        summary=summary,
        options=(SEED, COPIES, Option("rate", f"share of the {of} that are changed, above 0, at most 1")),
        defaults={"seed": "0", "copies": "1", "rate": rate},
        effect=effect,
        reader=reader,
    )
    return augmenter


def _noisy(record: Parent, number: int, noise: Noise, rate: float, random: Random, counts: Counts) -> Turn:
    turn = record["turns"][number]
    if turn["role"] != HUMAN:
        return turn
    return Turn(role=HUMAN, text=noise(turn["text"], held(record, number), rate, random, counts))


AUGMENTERS = (
    _augmenter(
        typos, "Typos", "Slips on the keyboard of the script: beside, twice, left out, swapped.", "0.05", "letters"
    ),
    _augmenter(leetspeak, "Leetspeak", "Digits and signs for letters, as in k1ll.", "0.3", "letters that have a sign"),
    _augmenter(
        homoglyphs, "Homoglyphs", "Letters of another script that look the same.", "0.2", "letters that have a double"
    ),
    _augmenter(spacing, "Spacing", "Words run together, torn apart or spread out letter by letter.", "0.15", "words"),
    _augmenter(case, "Case", "All small, some words shouted, or mixed.", "0.3", "letters or words"),
    _augmenter(emoji, "Emoji", "Faces and signs behind words; they set a tone.", "0.1", "words", NEEDS_VOTES),
)
