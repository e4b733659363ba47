"""How often the published 95 % intervals hold the truth, in simulated worlds whose truth is known.

    python -m bench.coverage                             # 5 seeds, 200 studies each, of every world
    python -m bench.coverage --seeds 2 --studies 50      # a quick look
    python -m bench.coverage --worlds tag                # those with this in their names

A world has instructions of normally distributed severity, and annotators who differ in severity (bias), in care (noise)
and a few of whom answer at random. A study draws its instructions and its annotators anew, so the truth is the
coefficient of endlessly many of both. The worlds differ in how many there are, in how evenly people take part (by
Zipf's law the n-th votes a n-th as often as the first), in how common a tag is, and in whether votes are asked for
until one option leads with two (2 to 7 votes), which is not the truth's way: its bias is what to look at.

Printed per coefficient: the truth; the bias; in what share of studies there is an interval at all; the share of the
intervals that hold the truth, of instructions alone and as published; how much wider the published one is than needed.
Mean, and in brackets the spread over the seeds. Nothing here says how real people behave.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labels import agreement
from labels.agreement import Coefficient
from labels.votes import VoterTable

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]

LIMITS = (-0.9, -0.1, 0.6, 1.4)
# Of what is seen: the severity, the biases and the noises.
SPREAD = 1.287
FEWEST, MOST = 2, 7


@dataclass(frozen=True)
class World:
    """``limits`` are where one option ends and the next begins; one limit is a tag, which nobody answers at random."""

    name: str
    units: int = 500
    annotators: int = 40
    votes: int = 3
    limits: tuple[float, ...] = LIMITS
    is_zipf: bool = False
    is_dynamic: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        return ("no", "yes") if len(self.limits) == 1 else tuple("abcde")[: len(self.limits) + 1]

    def measure(self, table: VoterTable) -> list[Coefficient]:
        return agreement.measure_tag(table) if len(self.limits) == 1 else agreement.measure(table, ordinal=True)

    def study(self, random: np.random.Generator) -> VoterTable:
        """The votes of one draw of the world."""
        votes = MOST if self.is_dynamic else self.votes
        keys = random.gumbel(size=(self.units, self.annotators))
        if self.is_zipf:
            keys -= np.log(np.arange(1, self.annotators + 1))
        annotator = (-keys).argpartition(votes - 1, axis=1)[:, :votes]
        option = self._votes(random, annotator, self.annotators)
        asked = np.arange(votes) < (_until_one_leads(option, len(self.options))[:, None] if self.is_dynamic else votes)
        return self._table(np.broadcast_to(asked, option.shape), annotator, option, self.annotators)

    def truth(self, random: np.random.Generator, units: int = 1_000_000) -> dict[str, float]:
        """The coefficients where every vote is by another annotator, and all units have as many."""
        everybody = np.arange(units * self.votes).reshape(units, self.votes)
        option = self._votes(random, everybody, everybody.size)
        table = self._table(np.ones_like(option, dtype=bool), np.full_like(option, -1), option, 0)
        return {found.name: found.value for found in self.measure(table) if found.value is not None}

    def _votes(self, random: np.random.Generator, annotator: Ints, n_annotators: int) -> Ints:
        bias = random.normal(0, 0.5, n_annotators)
        noise = random.lognormal(-0.7, 0.5, n_annotators)
        spams = random.random(n_annotators) < (0 if len(self.limits) == 1 else 0.05)
        severity = random.normal(size=(len(annotator), 1))
        seen = severity + bias[annotator] + noise[annotator] * random.normal(size=annotator.shape)
        by_chance = random.integers(0, len(self.options), annotator.shape)
        return np.where(spams[annotator], by_chance, np.searchsorted(self.limits, seen))

    def _table(self, asked: NDArray[np.bool_], annotator: Ints, option: Ints, n_annotators: int) -> VoterTable:
        unit = np.broadcast_to(np.arange(len(option))[:, None], option.shape)
        names = [str(at) for at in range(n_annotators)]
        return VoterTable.from_votes(self.options, unit[asked], annotator[asked], option[asked], names)


def _until_one_leads(option: Ints, n_options: int) -> Ints:
    """How many votes are asked for on each unit: until one option has two or more, and more than any other."""
    counts = (option[:, :, None] == np.arange(n_options)).cumsum(axis=1)
    ranked = np.sort(counts, axis=2)
    leads = (ranked[:, :, -1] >= FEWEST) & (ranked[:, :, -1] > ranked[:, :, -2])
    leads[:, -1] = True
    first: Ints = leads.argmax(axis=1) + 1
    return first


WORLDS = (
    *(World(f"{n} annotators", annotators=n) for n in (3, 5, 12, 40, 200)),
    *(World(f"{n} texts", units=n) for n in (10, 30, 100, 300)),
    World("Zipf's participation, 40 annotators", is_zipf=True),
    World("Zipf's participation, 200 annotators", annotators=200, is_zipf=True),
    *(
        World(f"a tag of {share:.1%}, {n} texts", units=n, limits=(limit * SPREAD,))
        for share, limit in ((0.02, 2.0537), (0.002, 2.8782))
        for n in (30, 300, 3000)
    ),
    World("until one option leads with two", is_dynamic=True),
)


@dataclass(frozen=True)
class Held:
    """Of the studies of one seed: how one coefficient came out, see the module."""

    bias: float
    given: float
    alone: float
    published: float
    width: float


def held(world: World, true: dict[str, float], seed: int, studies: int) -> dict[str, Held]:
    """How the coefficients come out in so many studies."""
    random = np.random.default_rng([seed, world.annotators, world.units])
    found: dict[str, list[list[float]]] = defaultdict(list)
    for _ in range(studies):
        for c in world.measure(world.study(random)):
            if c.value is None or c.name not in true:
                continue
            off = c.value - true[c.name]
            low, high = c.ci95 or (np.nan, np.nan)
            alone = np.nan if c.se_items is None else float(abs(off) <= 1.96 * c.se_items)
            inside = low <= true[c.name] <= high if c.ci95 else np.nan
            found[c.name].append([off, c.ci95 is not None, alone, inside, high - low])
    with np.errstate(invalid="ignore", divide="ignore"):
        return {name: _summed(np.array(rows, dtype=float), studies) for name, rows in found.items()}


def _summed(rows: Floats, studies: int) -> Held:
    off, given, alone, inside, width = rows.T
    if not given.any():
        return Held(float(off.mean()), 0.0, _mean(alone), np.nan, np.nan)
    needed = 3.92 * off.std(ddof=1) if len(off) > 1 else np.nan
    return Held(float(off.mean()), float(given.sum() / studies), _mean(alone), _mean(inside), _mean(width) / needed)


def _mean(column: Floats) -> float:
    known = column[~np.isnan(column)]
    return float(known.mean()) if known.size else float("nan")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--studies", type=int, default=200)
    arguments.add_argument("--worlds", default="", help="those with this in their names")
    given = arguments.parse_args()
    print(f"{given.seeds} seeds of {given.studies} studies")
    head = ("truth", "bias", "has interval", "texts alone", "published", "width/needed")
    for world in WORLDS:
        if given.worlds not in world.name:
            continue
        votes = f"{FEWEST} to {MOST}" if world.is_dynamic else str(world.votes)
        print(f"\n{f'{world.name}: {world.units} texts x {votes}':46}{''.join(f'{word:>15}' for word in head)}")
        true = world.truth(np.random.default_rng(0))
        runs = [held(world, true, seed, given.studies) for seed in range(1, given.seeds + 1)]
        for name, value in true.items():
            rows = [run[name] for run in runs if name in run]
            cells = [f"{value:.3f}"]
            for what in ("bias", "given", "alone", "published", "width"):
                column = np.array([getattr(row, what) for row in rows])
                column = column[~np.isnan(column)]
                cells.append(f"{column.mean():.3f} ({column.std():.3f})" if column.size else "-")
            print(f"  {name:44}{''.join(f'{cell:>15}' for cell in cells)}", flush=True)


if __name__ == "__main__":
    main()
