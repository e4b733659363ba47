"""How fast all coefficients of agreement are had from counts, against the package ``krippendorff``, in how much memory.

    python -m bench.agreement --oracle /tmp/oracles/bin/python

1,000,000 instructions x 3 votes x 5 options by 1,000 annotators, then 3,333,333 of them (10,000,000 votes). Timed is
what comes after counting: the table of patterns from the array of counts (N, K), and all coefficients of a base label
with both intervals from that and the table of voters. ``--oracle`` is the Python of an environment that has the package
(tests/labels/oracles.py says how to make one); it gets the same counts. Each line: the figure, its limit, and figure /
limit; exit code 1 if a limit is exceeded. Seconds are of the processor, so that a busy machine says the same; the best
of three runs counts. Memory is the most that the process held.
"""

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labels import agreement
from labels.agreement import formulas
from labels.votes import PatternTable, VoterTable

type Ints = NDArray[np.int64]

OPTIONS, VOTES, ANNOTATORS = tuple("abcde"), 3, 1000
ALPHA = partial(formulas.krippendorff_alpha, level="ordinal")
ORACLE = """
import json, sys, time
import krippendorff, numpy
counts = numpy.load(sys.argv[1])
seconds = []
for _ in range(3):
    start = time.process_time()
    value = krippendorff.alpha(value_counts=counts, level_of_measurement="ordinal")
    seconds.append(time.process_time() - start)
print(json.dumps([value, min(seconds)]))
"""


def main() -> int:
    """Measure, print, and return the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--units", type=int, default=1_000_000)
    arguments.add_argument("--oracle", type=Path, help="a python that has the package krippendorff")
    given = arguments.parse_args()
    one, many = alone(given.units), alone(given.units * 10 // 3)
    lines = [
        ("counts to all coefficients, both intervals, s", one["patterns"] + one["measured"], 1.0),
        ("  of it the table of patterns, s", one["patterns"], None),
        ("the table of voters from single votes, s", one["voters"], None),
        ("memory, votes and tables, MB", one["megabytes"], 500.0),
        (f"the same for {VOTES * many['units']:,} votes, s", many["patterns"] + many["measured"], 10 / 3 * 1.5),
        ("  the table of patterns, times as long for 3.33 times the votes", many["patterns"] / one["patterns"], 5.0),
        ("  the table of voters, times as long for 3.33 times the votes", many["voters"] / one["voters"], 5.0),
        ("alpha from counts, s", one["alpha"], None),
    ]
    if given.oracle:
        value, seconds = oracle(given.oracle, given.units)
        assert abs(value - one["value"]) < 1e-12, (value, one["value"])
        lines.append(("alpha of krippendorff, s; ours in at most a tenth", one["alpha"] / seconds * 10, 1.0))
        print(
            f"krippendorff takes {seconds:.2f} s for alpha, {seconds / one['alpha']:.1f} times as long; equal to 1e-12"
        )
    for name, figure, limit in lines:
        print(
            f"{name:64} {figure:9.3f}" + ("" if limit is None else f"  limit {limit:7.2f}  ratio {figure / limit:.2f}")
        )
    return int(any(limit is not None and figure > limit for _, figure, limit in lines))


def alone(n_units: int) -> dict[str, Any]:
    """What is measured, in a process of its own, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, n_units).result()


def measured(n_units: int) -> dict[str, Any]:
    unit, annotator, option = votes(n_units)
    counts = counted(n_units, unit, option)
    patterns, table = best(lambda: PatternTable.from_array(OPTIONS, counts))
    alpha, value = best(lambda: alpha_of(counts))
    names = [str(at) for at in range(ANNOTATORS)]
    voters, table = best(lambda: VoterTable.from_votes(OPTIONS, unit, annotator, option, names))
    seconds, found = best(lambda: agreement.measure(table, ordinal=True))
    assert all(c.value is not None and c.se_items and c.se_annotators for c in found)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "units": n_units,
        "patterns": patterns,
        "voters": voters,
        "measured": seconds,
        "alpha": alpha,
        "value": value,
        "megabytes": megabytes,
    }


def alpha_of(counts: Ints) -> float:
    patterns = PatternTable.from_array(OPTIONS, counts)
    return float(ALPHA(patterns.counts.astype(float), patterns.multiplicity[None, :].astype(float))[0])


def votes(n_units: int) -> tuple[Ints, Ints, Ints]:
    """Unit, annotator and option of each vote: around a true option, by three of the annotators."""
    random = np.random.default_rng(1)
    unit = np.repeat(np.arange(n_units), VOTES)
    annotator = (random.integers(0, ANNOTATORS, n_units).repeat(VOTES) + np.tile([0, 1, 2], n_units)) % ANNOTATORS
    option = random.integers(0, len(OPTIONS), n_units).repeat(VOTES)
    astray = random.random(len(option)) < 0.3
    option[astray] = random.integers(0, len(OPTIONS), astray.sum())
    return unit, annotator, option


def counted(n_units: int, unit: Ints, option: Ints) -> Ints:
    size = len(OPTIONS)
    return np.bincount(unit * size + option, minlength=n_units * size).reshape(n_units, size)


def best(run: Callable[[], Any], times: int = 3) -> tuple[float, Any]:
    """The shortest time in seconds, and what came out."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        result = run()
        seconds.append(time.process_time() - start)
    return min(seconds), result


def oracle(python: Path, n_units: int) -> tuple[float, float]:
    """The value and the time of the other package."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts.npy"
        unit, _, option = votes(n_units)
        np.save(path, counted(n_units, unit, option))
        done = subprocess.run([python, "-c", ORACLE, path], check=True, capture_output=True, text=True)
    value, seconds = json.loads(done.stdout)
    return value, seconds


if __name__ == "__main__":
    sys.exit(main())
