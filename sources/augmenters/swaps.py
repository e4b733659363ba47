"""Who is spoken of is somebody else: another nation, faith, name or city, or the other of two genders.

Both are for English and know nothing but their lists; case is kept, and "a" becomes "an" where it must.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random

from sources.augmenters import tables
from sources.augmenters.augmenter import COPIES, NEEDS_VOTES, SEED, Augmenter, Made, draw, is_english
from sources.augmenters.held import held
from sources.importers.importer import Option, Options, Reader, WrongOption, did_you_mean
from sources.rows import Parent, Turn

_PRONOUNS = tables.load("pronouns")
SWAPS: dict[str, str] = _PRONOUNS["swaps"]
NO_NOUN = frozenset(_PRONOUNS["no_noun"]["words"].split())
KINDS = tables.load("entities")["kinds"]
ALL = "all"


@dataclass(frozen=True, slots=True)
class Entity:
    """One row of the list: what it is called in each column."""

    kind: str
    names: tuple[str, ...]

    def fits(self, columns: Iterable[int]) -> bool:
        """Whether it has one word for all these columns."""
        return len({self.names[column] for column in columns}) == 1


ENTITIES = [Entity(kind["name"], tuple(row)) for kind in KINDS for row in kind["rows"]]
_BY_NAME = {name.lower(): entity for entity in ENTITIES for name in entity.names}


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_ENTITY = re.compile(rf"\b(?:(an?)([ \t]+))?({_any_of(_BY_NAME)})\b", re.IGNORECASE | re.ASCII)
_GENDERED = re.compile(rf"\b({_any_of([*SWAPS, 'his', 'her'])})\b(?=([ \t]+\S+)?)", re.IGNORECASE | re.ASCII)


_LETTERS = re.compile(r"[A-Za-z]+")


def like(pattern: str, word: str) -> str:
    """``word`` in the case of ``pattern``: all capitals, all small, or as it is written here."""
    if pattern.isupper() and len(pattern) > 1:
        return word.upper()
    return word.lower() if pattern.islower() else word[:1].upper() + word[1:]


def pronouns(record: Parent, random: Random) -> Iterator[Made]:
    """Every woman is a man and every man a woman."""
    if is_english(record["language"]):
        yield _rewritten(record, _GENDERED, _other_gender)


def _other_gender(match: re.Match[str]) -> str:
    word = match[1].lower()
    if word in SWAPS:
        return like(match[1], SWAPS[word])
    whose = _names_something((match[2] or "").strip())
    if word == "her":
        return like(match[1], "his" if whose else "him")
    return like(match[1], "her" if whose else "hers")


def _names_something(after: str) -> bool:
    """Whether "his" or "her" before this says whose something is: before a noun, a number, a quotation."""
    word = _LETTERS.match(after)
    return word[0].lower() not in NO_NOUN if word else after[:1].isdigit() or after[:1] in tuple('"“[<{')


def entities(record: Parent, random: Random, kinds: frozenset[str]) -> Iterator[Made]:
    """Each entity is another one of its kind, the same throughout the dialogue."""
    if not is_english(record["language"]):
        return
    columns: dict[Entity, set[int]] = {}
    for word in _named(record):
        entity = _BY_NAME[word]
        if entity.kind in kinds:
            found = columns.setdefault(entity, set())
            found.update(at for at, name in enumerate(entity.names) if name.lower() == word)
    others = _drawn(columns, random)
    if others:
        yield _rewritten(record, _ENTITY, lambda match: _other_entity(match, others))


def _named(record: Parent) -> Iterator[str]:
    """The listed words of a dialogue, in small letters, in order."""
    for turn in record["turns"]:
        # A set is much faster than the pattern, and most texts name nobody.
        if not _BY_NAME.keys().isdisjoint(_LETTERS.findall(turn["text"].lower())):
            yield from (match[3].lower() for match in _ENTITY.finditer(turn["text"]))


def _drawn(columns: dict[Entity, set[int]], random: Random) -> dict[Entity, Entity]:
    """Another entity for each, none twice."""
    others: dict[Entity, Entity] = {}
    for entity, used in columns.items():
        free = [
            other
            for other in ENTITIES
            if other.kind == entity.kind
            and other != entity
            and other not in others.values()
            and _replaces(other, entity, used)
        ]
        if free:
            others[entity] = random.choice(free)
    return others


def _replaces(other: Entity, entity: Entity, used: set[int]) -> bool:
    """Whether every word by which ``entity`` is called has exactly one in ``other``."""
    by_word: dict[str, list[int]] = {}
    for column in used:
        by_word.setdefault(entity.names[column], []).append(column)
    return all(other.fits(columns) for columns in by_word.values())


def _other_entity(match: re.Match[str], others: dict[Entity, Entity]) -> str:
    article, blank, word = match.groups()
    entity = _BY_NAME[word.lower()]
    if entity not in others:
        return match[0]
    column = next(at for at, name in enumerate(entity.names) if name.lower() == word.lower())
    new = like(word, others[entity].names[column])
    if not article:
        return new
    # Of the listed words, those with U begin as "you" does.
    return like(article, "an" if new[0].lower() in "aeio" else "a") + blank + new


def _rewritten(record: Parent, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str]) -> Made:
    """The whole dialogue with what ``replace`` writes; the changes are "old > new" with their number."""
    counts = Counter[str]()

    def rewrite(number: int) -> str:
        kept = held(record, number)

        def noted(match: re.Match[str]) -> str:
            new = match[0] if match.end() - 1 in kept else replace(match)
            if new != match[0]:
                counts[f"{match[0].lower()} > {new.lower()}"] += 1
            return new

        return pattern.sub(noted, record["turns"][number]["text"])

    turns = [Turn(role=turn["role"], text=rewrite(number)) for number, turn in enumerate(record["turns"])]
    return Made(turns, {"changes": [{"words": words, "count": count} for words, count in sorted(counts.items())]})


def _kinds(names: str) -> frozenset[str]:
    there = [kind["name"] for kind in KINDS]
    chosen = there if names.strip() == ALL else [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in there:
            problem, remedy = f"has no kind {name[:40]!r}", did_you_mean(name, there)
            raise WrongOption(format=ENTITY_SWAP.name, name="kinds", problem=problem, remedy=remedy)
    return frozenset(chosen)


def _entities_reader(options: Options) -> Reader:
    kinds = _kinds(ENTITY_SWAP.settled(options)["kinds"])
    return draw(ENTITY_SWAP, options, lambda record, random: entities(record, random, kinds))


def _pronouns_reader(options: Options) -> Reader:
    return draw(PRONOUN_SWAP, options, pronouns)


ENTITY_SWAP = Augmenter(
    name="entities",
    title="Entity swap",
    summary="Another nation, faith, first name or city in place of each that is listed.",
    options=(SEED, COPIES, Option("kinds", "kinds of entities, separated by commas, or all")),
    defaults={"seed": "0", "copies": "1", "kinds": ALL},
    effect=NEEDS_VOTES,
    reader=_entities_reader,
)
PRONOUN_SWAP = Augmenter(
    name="pronouns",
    title="Pronoun swap",
    summary="She for he, his for her, and the nouns that go with them (mother, husband, king).",
    options=(SEED,),
    defaults={"seed": "0"},
    effect=NEEDS_VOTES,
    reader=_pronouns_reader,
)
AUGMENTERS = (ENTITY_SWAP, PRONOUN_SWAP)
