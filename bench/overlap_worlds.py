"""What dynamic overlap saves, and when models beat the median: simulated worlds whose truth is known.

`python -m bench.overlap_worlds` prints mean and spread (standard deviation) over six seeds in four worlds: annotators
alike, of their own kind each, a tenth of them answering at random, and a third of the units hard for everybody, where
votes err together and no model of independent votes is true. Nothing here says how real volunteers behave.

1. Votes saved against a fixed overlap, the threshold tuned on 300 known answers to the accuracy that the fixed overlap
   has on these, and how far the accuracy on all other units is then from that of the fixed overlap.
2. Right labels by votes per annotator, three votes a unit, 300 known answers: the median, and Dawid-Skene plain and
   pooled by the strength of its prior; in brackets the overconfidence.
3. The posterior of the one shared matrix: overconfidence and expected calibration error.
4. What stopping early does to published labels and to agreement: the five options read as the three of `oig-safety`,
   whose rule publishes how readers divide, and the measures of the votes that are left, under a policy that is right as
   often as five votes, beside five votes and seven.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labels import agreement, taxonomy
from labels.aggregation import published_label
from labels.comparison import calibration_error
from labels.dawid_skene import fit, most_probable
from labels.shared_confusion import estimate
from labels.stopping import fixed_accuracy, simulate, tune
from labels.votes import PatternTable

OPTIONS = ("casual", "possibly", "probably", "caution", "intervention")
PRIOR = np.array([0.4, 0.25, 0.15, 0.12, 0.08])
GOLD, MINIMUM, CAP = 300, 2, 7
VOTES_PER_ANNOTATOR = (30, 60, 200, 2000)
OIG_SAFETY = taxonomy.read(taxonomy.SHIPPED / "oig-safety.toml")
# The five options as its three.
THREE = np.array([0, 1, 1, 1, 2])
MEASURES = ("percent_agreement", "gwet_ac1", "krippendorff_alpha_ordinal")
STRENGTHS = (5.0, 10.0, 20.0, 50.0)

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """How annotators err: rows of their matrices are drawn around exp(-``sharpness`` x distance between options), the
    less alike the lower ``likeness``; a share of them answer at random, and a share of the units are hard.
    """

    name: str
    sharpness: float = 1.1
    likeness: float = 20.0
    random: float = 0.0
    hard: float = 0.0


WORLDS = (
    World("alike", likeness=1000.0),
    World("of their own", likeness=4.0),
    World("a tenth random", likeness=8.0, random=0.1),
    World("a third hard", sharpness=1.4, hard=1 / 3),
)


def votes(
    world: World, rng: np.random.Generator, units: int, per_unit: int, annotators: int
) -> tuple[Ints, Ints, Ints]:
    """The truth (N,), and who voted what (N, votes), no annotator twice on a unit."""
    size = len(OPTIONS)
    truth = rng.choice(size, units, p=PRIOR)
    apart = np.abs(np.arange(size) - np.arange(size)[:, np.newaxis])

    def matrices(sharpness: float) -> Floats:
        shape = np.exp(-sharpness * apart)
        shape /= shape.sum(axis=1, keepdims=True)
        drawn = rng.standard_gamma(np.broadcast_to(world.likeness * shape, (annotators, size, size)))
        drawn[: round(world.random * annotators)] = 1.0
        return (drawn / drawn.sum(axis=2, keepdims=True)).cumsum(axis=2)

    who = np.array([rng.choice(annotators, per_unit, replace=False) for _ in range(units)])
    below = matrices(world.sharpness)[who, truth[:, np.newaxis]]
    if world.hard:
        is_hard = rng.random(units) < world.hard
        # Everybody errs towards the same neighbour of the truth.
        lure = np.clip(truth + rng.choice([-1, 1], units), 0, size - 1)
        seen = np.where(is_hard, lure, truth)
        mixed = rng.random((units, per_unit)) < 0.5
        below = matrices(world.sharpness)[who, np.where(mixed, seen[:, np.newaxis], truth[:, np.newaxis])]
    said = (rng.random((units, per_unit, 1)) > below).sum(axis=2).clip(0, size - 1)
    return truth, who, said


def counts(said: Ints) -> Ints:
    """Votes per option, (N, K)."""
    found: Ints = (said[:, :, np.newaxis] == np.arange(len(OPTIONS))).sum(axis=1)
    return found


def saved(world: World, seed: int, overlap: int, units: int) -> list[float]:
    """Share of votes saved, accuracy beside that of the fixed overlap, and the threshold."""
    truth, _, said = votes(world, np.random.default_rng(seed), units, CAP, 200)
    known, rest = slice(0, GOLD), slice(GOLD, None)
    [(fixed_on_gold, _)] = fixed_accuracy(OPTIONS, said[known], truth[known], [overlap])
    table = tune(OPTIONS, said[known], truth[known], minimum=MINIMUM, cap=CAP, target=fixed_on_gold)
    dynamic, fixed = simulate(table, said[rest], truth[rest], fixed=(overlap,))
    assert dynamic.accuracy is not None
    assert fixed.accuracy is not None
    return [1 - dynamic.n_votes / fixed.n_votes, dynamic.accuracy - fixed.accuracy, table.threshold]


def models(world: World, seed: int, per_annotator: int, units: int) -> list[float]:
    """Right labels of the median and of each strength (0 is plain), the known answers left out, and overconfidence."""
    truth, who, said = votes(world, np.random.default_rng(seed), units, 3, max(4, 3 * units // per_annotator))
    rest = np.arange(units) >= GOLD
    found = [float((np.sort(said, axis=1)[:, 1] == truth)[rest].mean())]
    gold = np.where(rest, -1, truth)
    unit = np.repeat(np.arange(units), 3)
    for strength in (0.0, *STRENGTHS):
        told = gold if strength else None
        model = fit(unit, who.ravel(), said.ravel(), n_options=len(OPTIONS), gold=told, strength=strength)
        right = float((model.labels == truth)[rest].mean())
        found += [right, float(model.posteriors[rest].max(axis=1).mean()) - right]
    return found


def calibration(world: World, seed: int, per_unit: int, units: int) -> list[float]:
    """Overconfidence and expected calibration error of the shared matrix's posterior."""
    truth, _, said = votes(world, np.random.default_rng(seed), units, per_unit, 200)
    known, rest = slice(0, GOLD), slice(GOLD, None)
    soft = estimate(counts(said[known]), truth[known]).posterior(counts(said[rest]))
    sure, hits = soft.max(axis=1), (most_probable(soft) == truth[rest]).astype(np.float64)
    return [float((sure - hits).mean()), calibration_error(sure, hits)]


def stopped(world: World, seed: int, units: int) -> Floats:
    """Policy, five votes, seven: shares of the labels casual and possibly, percent agreement, AC1, alpha; (3, 5)."""
    truth, _, said = votes(world, np.random.default_rng(seed), units, CAP, 200)
    truth, said = THREE[truth], THREE[said]
    known, rest = slice(0, GOLD), slice(GOLD, None)
    codes = tuple(option.code for option in OIG_SAFETY.options)
    [(five, _)] = fixed_accuracy(codes, said[known], truth[known], [5])
    table = tune(codes, said[known], truth[known], minimum=MINIMUM, cap=CAP, target=five)
    said = said[rest]
    reached = np.array([[table.is_enough(row) for row in prefix] for prefix in _counts_after_each(said)])
    enough = reached & (np.arange(1, CAP + 1) >= MINIMUM)
    found = []
    for n_votes in (enough.argmax(axis=1) + 1, np.full(len(said), 5), np.full(len(said), CAP)):
        left = np.where(np.arange(CAP) < n_votes[:, np.newaxis], said, -1)
        tallied = (left[:, :, np.newaxis] == np.arange(3)).sum(axis=1)
        labels = [published_label(OIG_SAFETY, row)[0] for row in tallied.tolist()]
        shares = [labels.count(name) / len(labels) for name in OIG_SAFETY.published[:2]]
        measured = {one.name: one.value for one in agreement.measure(PatternTable.from_array(codes, tallied), True)}
        found.append([*shares, *(measured[name] or 0.0 for name in MEASURES)])
    return np.array(found)


def _counts_after_each(said: Ints) -> Ints:
    counted: Ints = (said[:, :, np.newaxis] == np.arange(3)).cumsum(axis=1)
    return counted


def main() -> None:
    """Print the four tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--units", type=int, default=6_000)
    arguments.add_argument("--seeds", type=int, default=6)
    given = arguments.parse_args()

    def over_seeds(measure: Callable[..., list[float]], *of: object) -> tuple[Floats, Floats]:
        found = np.array([measure(of[0], seed, of[1], given.units) for seed in range(given.seeds)])
        return found.mean(axis=0), found.std(axis=0)

    print(f"1. Minimum {MINIMUM}, cap {CAP}   votes saved       accuracy beside fixed   threshold")
    for world in WORLDS:
        for overlap in (3, 5):
            mean, spread = over_seeds(saved, world, overlap)
            print(
                f"{world.name:18} fixed {overlap}   {mean[0]:5.1%} +- {spread[0]:5.1%}"
                f"   {mean[1]:+.3f} +- {spread[1]:.3f}         {mean[2]:.2f}"
            )
    names = "".join(f"{name:>14}" for name in ("plain", *(f"pooled {strength:.0f}" for strength in STRENGTHS)))
    print(f"\n2. Votes per annotator       median{names}   spread up to")
    for world in WORLDS[:3]:
        for per_annotator in VOTES_PER_ANNOTATOR:
            mean, spread = over_seeds(models, world, per_annotator)
            cells = "".join(
                f"  {right:.3f} ({over:+.2f})"[:16].rjust(14)
                for right, over in zip(mean[1::2], mean[2::2], strict=True)
            )
            print(f"{world.name:18} {per_annotator:6}     {mean[0]:.3f}{cells}   {spread.max():.3f}")
    print("\n3. The shared matrix's posterior   overconfidence     calibration error")
    for world in WORLDS:
        for per_unit in (3, 5):
            mean, spread = over_seeds(calibration, world, per_unit)
            print(
                f"{world.name:18} {per_unit} votes         {mean[0]:+.3f} +- {spread[0]:.3f}"
                f"   {mean[1]:.3f} +- {spread[1]:.3f}"
            )

    names = "".join(f"   {name:17}" for name in ("casual", "possibly", "agreement", "AC1", "alpha"))
    print(f"\n4. Policy, five votes, seven{names}")
    for world in WORLDS:
        found = np.array([stopped(world, seed, given.units) for seed in range(given.seeds)])
        mean, spread = found.mean(axis=0), found.std(axis=0).max()
        cells = "".join("   " + " ".join(f"{value:.3f}" for value in column) for column in mean.T)
        print(f"{world.name:27}{cells}   spread up to {spread:.3f}")


if __name__ == "__main__":
    main()
