"""How fast Dawid and Skene's model is estimated on a million units, in how much memory.

`python -m bench.dawid_skene` makes votes by a fixed seed: 1,000,000 units x 3 votes of 2,000 annotators of differing
quality on 5 options. Each line: the figure, its limit, and figure / limit; exit code 1 if a limit is exceeded. Seconds
are beside one pass that counts the votes per unit and option, which every method must make.
"""

import argparse
import resource
import sys
import time
from typing import Any

import numpy as np

from labels.dawid_skene import POOLED_STRENGTH, fit

SECONDS_LIMIT, GIGABYTES_LIMIT = 15.0, 1.0
OPTIONS = 5


def main() -> int:
    """Measure, print, and return the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--units", type=int, default=1_000_000)
    arguments.add_argument("--annotators", type=int, default=2_000)
    given = arguments.parse_args()
    unit, annotator, option, truth = votes(given.units, given.annotators)
    started = time.perf_counter()
    counts = np.bincount(unit * OPTIONS + option, minlength=given.units * OPTIONS).reshape(-1, OPTIONS)
    bare = time.perf_counter() - started
    print(f"{len(unit):,} votes; counting them {bare:.2f} s; majority right {(counts.argmax(1) == truth).mean():.3f}")
    kept = True
    for name, strength in (("plain", 0.0), ("pooled prior", POOLED_STRENGTH)):
        started = time.perf_counter()
        found = fit(unit, annotator, option, n_options=OPTIONS, strength=strength)
        seconds = time.perf_counter() - started
        right = (found.labels == truth).mean()
        print(f"{name}: {found.rounds} rounds, converged {found.is_converged}, right {right:.3f}")
        print(f"  {seconds / found.rounds:.2f} s a round, {seconds / bare:.0f} times the counting")
        kept &= report("  seconds", seconds, SECONDS_LIMIT)
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    kept &= report("peak memory, GB, with the votes", gigabytes, GIGABYTES_LIMIT)
    return 0 if kept else 1


def votes(units: int, annotators: int) -> tuple[Any, Any, Any, Any]:
    """Three votes a unit, each annotator with a confusion matrix of their own, neighbours confused most; and the truth.

    Drawn option by option, so that making them needs no more memory than estimating.
    """
    rng = np.random.default_rng(0)
    truth = rng.choice(OPTIONS, units, p=[0.4, 0.25, 0.15, 0.12, 0.08])
    apart = np.abs(np.arange(OPTIONS) - np.arange(OPTIONS)[:, np.newaxis])
    confusion = rng.standard_gamma(np.broadcast_to(3 * np.exp(-1.2 * apart), (annotators, OPTIONS, OPTIONS)))
    below = (confusion / confusion.sum(axis=2, keepdims=True)).cumsum(axis=2)
    unit, annotator = np.repeat(np.arange(units), 3), rng.integers(0, annotators, 3 * units)
    drawn, of = rng.random(3 * units), truth[unit]
    option = np.zeros(3 * units, dtype=np.int64)
    for at in range(OPTIONS - 1):
        option += drawn > below[annotator, of, at]
    return unit, annotator, option, truth


def report(name: str, figure: float, limit: float) -> bool:
    """Print the line; whether the limit is kept."""
    print(f"{name:32} {figure:8.2f}   limit {limit:g}   {figure / limit:.2f}")
    return figure <= limit


if __name__ == "__main__":
    sys.exit(main())
