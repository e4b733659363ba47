"""What an augmenter declares: it makes rows of one instruction, as an importer does of one record (pure, no Django).

What comes out depends on the instruction and the options alone: randomness is drawn anew for each instruction and
copy, so neither order, nor pieces, nor processes matter. No row ever carries a vote: what people said of one text
they did not say of another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any, Literal

from sources import texts
from sources.importers.importer import Importer, Option, Options, Reader, Rows, WrongOption
from sources.rows import InstructionRow, Parent, Turn

type Effect = Literal["kept as suggestion", "needs votes"]
# What the parent's labels say of the new text: still a suggestion, or nothing before people have voted.
KEPT: Effect = "kept as suggestion"
NEEDS_VOTES: Effect = "needs votes"

SEED = Option("seed", "any text; another one draws other rows")
COPIES = Option("copies", "how many rows are made of each instruction, at most")
MOST_COPIES = 100
TRIES = 3  # draws for each row that is wanted: some give the text once more
ENGLISH = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmenter(Importer):
    """One way to make new instructions of those there are; its records are ``Parent``.

    ``effect`` says what may happen to the label: KEPT, so that the parent's suggestion is one for the row too, or
    NEEDS_VOTES. ``defaults`` has the text of every option that may be left out. ``needs_screening``: it makes
    nothing of instructions in which personal information was not looked for yet.
    """

    effect: Effect
    defaults: Mapping[str, str] = field(default_factory=dict)
    needs_screening: bool = False

    def settled(self, options: Options) -> dict[str, str]:
        """Every option with its value, given or default."""
        self.check_options(options)
        return {**self.defaults, **options}


@dataclass(frozen=True, slots=True)
class Made:
    """The turns of one new row; ``how`` is kept with its source labels and says what was done, in few words."""

    turns: Sequence[Turn]
    how: Mapping[str, Any]


type Making = Callable[[Parent, Random], Iterable[Made]]


def draw(augmenter: Augmenter, options: Options, make: Making) -> Reader:
    """The reader of an augmenter: its rows are what ``make`` draws, at most ``copies`` where it has that option.

    Rows that read as the instruction itself, or as an earlier row of it, are left out. A row's identity names the
    instruction, the augmenter, its options and the number of the row: another seed gives other rows beside these, and
    more copies give more rows behind them.
    """
    settled = augmenter.settled(options)
    copies = whole_number(augmenter, settled, "copies", MOST_COPIES) if "copies" in settled else None
    parameters = {name: text for name, text in settled.items() if name not in ("seed", "copies")}
    made_by = {"augmenter": augmenter.name, "seed": settled["seed"], "parameters": parameters}
    kind = f"{augmenter.name}/{_mark(settled['seed'], parameters)}"

    def rows(where: str, record: Parent) -> Rows:
        random = Random(json.dumps([settled["seed"], augmenter.name, record["id"]]))  # noqa: S311
        found = _tried(lambda: list(make(record, random)), 1 if copies is None else copies * TRIES)
        for number, made in enumerate(islice(_distinct(record, found), copies), start=1):
            yield InstructionRow(
                row=f"{record['id']}/{kind}/{number}",
                turns=made.turns,
                language=record["language"],
                source_labels={**made_by, **made.how},
                parent=record["id"],
                suggested=record.get("suggested") if augmenter.effect == KEPT else None,
            )

    return Reader(rows=rows)


def _tried(make: Callable[[], list[Made]], tries: int) -> Iterator[Made]:
    """What all tries make; there is no second one where the first finds nothing to change."""
    for _ in range(tries):
        made = make()
        if not made:
            return
        yield from made


def _mark(seed: str, parameters: Mapping[str, str]) -> str:
    """Eight hex digits that tell one set of options from another."""
    content = json.dumps([seed, parameters], sort_keys=True)
    return hashlib.blake2b(content.encode("ascii"), digest_size=4).hexdigest()


def _distinct(record: Parent, found: Iterable[Made]) -> Iterator[Made]:
    """The rows whose texts were not there before, as they are stored."""
    seen = {texts.digest(texts.normalise(record["turns"]))}
    for made in found:
        turns = texts.normalise(made.turns)
        digest = texts.digest(turns)
        if turns and digest not in seen and not any(texts.unstorable(turn["text"]) for turn in turns):
            seen.add(digest)
            yield Made(turns, made.how)


def whole_number(augmenter: Augmenter, settled: Options, name: str, most: int) -> int:
    """The option ``name`` as a number from 1 to ``most``. Raises WrongOption."""
    text = settled[name].strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        problem = f"is {text[:20]!r}, no whole number from 1 to {most}"
        raise WrongOption(format=augmenter.name, name=name, problem=problem, remedy=f"write {name}=1")
    return int(text)


def share(augmenter: Augmenter, settled: Options, name: str) -> float:
    """The option ``name`` as a share above 0, at most 1. Raises WrongOption."""
    try:
        found = float(settled[name])
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        problem = f"is {settled[name][:20]!r}, no share above 0 and at most 1"
        raise WrongOption(format=augmenter.name, name=name, problem=problem, remedy=f"write {name}=0.1")
    return found


def is_english(language: str) -> bool:
    """Whether a text is taken for English: it says so, or says nothing."""
    return primary(language) in ("", ENGLISH)


def primary(language: str) -> str:
    """The language without its region, in small letters: pt for pt-BR."""
    return language.lower().replace("_", "-").split("-")[0]
