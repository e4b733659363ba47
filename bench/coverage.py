"""How often the published 95 % intervals hold the truth, in simulated worlds whose truth is known.

    python -m bench.coverage                             # 5 seeds, 200 studies each, 12, 40 and 200 annotators
    python -m bench.coverage --seeds 2 --studies 50      # a quick look

A world has instructions of normally distributed severity, and annotators who differ in severity (bias), in care (noise)
and a few of whom answer at random. A study draws its instructions and its annotators anew, so the truth is the
coefficient of endlessly many of both. Printed is, per coefficient, the share of studies whose interval holds the truth:
of instructions alone, and the published one, with how much wider that is than needed; mean and spread over the seeds.
Nothing here says how real people behave.
"""

import argparse
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from labels import agreement
from labels.votes import PatternTable, VoterTable

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]

OPTIONS = tuple("abcde")
LIMITS = np.array([-0.9, -0.1, 0.6, 1.4])
VOTES = 3


def study(random: np.random.Generator, n_units: int, n_annotators: int) -> tuple[Ints, Ints]:
    """Annotators and options, (n_units, VOTES) each, of one draw of the world."""
    annotator = random.random((n_units, n_annotators)).argpartition(VOTES, axis=1)[:, :VOTES]
    return annotator, _votes(random, annotator, n_annotators)


def truth(random: np.random.Generator, n_units: int = 400_000) -> dict[str, float]:
    """The coefficients where every vote is by another annotator."""
    votes = _votes(random, np.arange(n_units * VOTES).reshape(n_units, VOTES), n_units * VOTES)
    counts = (votes[:, :, None] == np.arange(len(OPTIONS))).sum(axis=1)
    patterns = PatternTable.from_array(OPTIONS, counts)
    return {found.name: found.value for found in agreement.measure(patterns, ordinal=True) if found.value is not None}


def _votes(random: np.random.Generator, annotator: Ints, n_annotators: int) -> Ints:
    bias = random.normal(0, 0.5, n_annotators)
    noise = random.lognormal(-0.7, 0.5, n_annotators)
    spams = random.random(n_annotators) < 0.05
    severity = random.normal(size=(len(annotator), 1))
    seen = severity + bias[annotator] + noise[annotator] * random.normal(size=annotator.shape)
    return np.where(spams[annotator], random.integers(0, len(OPTIONS), annotator.shape), np.searchsorted(LIMITS, seen))


def tabulate(annotator: Ints, option: Ints, n_annotators: int) -> VoterTable:
    unit = np.repeat(np.arange(len(annotator)), VOTES)
    names = [str(at) for at in range(n_annotators)]
    return VoterTable.from_votes(OPTIONS, unit, annotator.ravel(), option.ravel(), names)


def held(seed: int, true: dict[str, float], n_annotators: int, n_units: int, studies: int) -> dict[str, Floats]:
    """Per coefficient (3,): the shares of studies whose interval held the truth (instructions alone, published), and
    how many times wider the published interval is than 3.92 standard deviations of the coefficient over the studies.
    """
    random = np.random.default_rng([seed, n_annotators])
    found: dict[str, list[list[float]]] = defaultdict(list)
    for _ in range(studies):
        for c in agreement.measure(tabulate(*study(random, n_units, n_annotators), n_annotators), ordinal=True):
            assert c.value is not None
            assert c.se_items is not None
            assert c.ci95 is not None
            alone = abs(c.value - true[c.name]) <= 1.96 * c.se_items
            published = c.ci95[0] <= true[c.name] <= c.ci95[1]
            found[c.name].append([alone, published, c.ci95[1] - c.ci95[0], c.value])
    rows = {name: np.array(row) for name, row in found.items()}
    return {
        name: np.array([*row[:, :2].mean(axis=0), row[:, 2].mean() / (3.92 * row[:, 3].std(ddof=1))])
        for name, row in rows.items()
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--studies", type=int, default=200)
    arguments.add_argument("--units", type=int, default=500)
    arguments.add_argument("--annotators", type=int, nargs="+", default=[12, 40, 200])
    given = arguments.parse_args()
    true = truth(np.random.default_rng(0))
    print(f"{given.seeds} seeds of {given.studies} studies of {given.units} instructions x {VOTES} votes")
    print(f"{'held the truth: mean (spread)':34}{'instructions alone':>22}{'published':>22}{'width / needed':>22}")
    for n_annotators in given.annotators:
        print(f"{n_annotators} annotators")
        runs = [held(seed, true, n_annotators, given.units, given.studies) for seed in range(1, given.seeds + 1)]
        for name, value in true.items():
            all_runs = np.array([run[name] for run in runs])
            columns = zip(all_runs.mean(axis=0), all_runs.std(axis=0), strict=True)
            cells = "".join(f"{f'{mean:.3f} ({spread:.3f})':>22}" for mean, spread in columns)
            print(f"  {f'{name} = {value:.3f}':40}"[:42] + cells[8:])


if __name__ == "__main__":
    main()
