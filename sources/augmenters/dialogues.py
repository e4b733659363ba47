"""Parts of a dialogue as instructions of their own: what a person sees who comes in at that point."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from sources.augmenters.augmenter import NEEDS_VOTES, SEED, Augmenter, Made, draw
from sources.importers.importer import Options, Reader
from sources.rows import Parent
from sources.texts import HUMAN


def first_turn(record: Parent, random: Random) -> Iterator[Made]:
    """What a person says first, without all that follows."""
    for number, turn in enumerate(record["turns"], start=1):
        if turn["role"] == HUMAN:
            yield Made([turn], {"turn": number})
            return


def prefixes(record: Parent, random: Random) -> Iterator[Made]:
    """The dialogue up to each thing that a person says: the last turn is always theirs."""
    turns = record["turns"]
    for end in range(1, len(turns) + 1):
        if turns[end - 1]["role"] == HUMAN:
            yield Made(turns[:end], {"turns": end, "of": len(turns)})


def _first_turn_reader(options: Options) -> Reader:
    return draw(FIRST_TURN, options, first_turn)


def _prefixes_reader(options: Options) -> Reader:
    return draw(PREFIXES, options, prefixes)


FIRST_TURN = Augmenter(
    name="first-turn",
    title="First turn",
    summary="What a person says first in a dialogue, alone: how an attack begins.",
    options=(SEED,),
    defaults={"seed": "0"},
    effect=NEEDS_VOTES,
    reader=_first_turn_reader,
)
PREFIXES = Augmenter(
    name="turns",
    title="Turns of a dialogue",
    summary="The dialogue up to each turn of the person, as instructions of their own.",
    options=(SEED,),
    defaults={"seed": "0"},
    effect=NEEDS_VOTES,
    reader=_prefixes_reader,
)
AUGMENTERS = (FIRST_TURN, PREFIXES)
