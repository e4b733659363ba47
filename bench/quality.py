"""How well spam and drift are told, on simulated people whose truth is known.

`python -m bench.quality` makes worlds of 40 people of different skill, a tenth of whom answer at random, with 30 and
with 300 votes each, and prints the area under the curve (AUC) of each measure of spam; and streams of 1,000 votes that
drift or do not, and prints how often the CUSUM raises a false alarm and after how many votes it finds an abrupt
change. Each line: the figure, its limit, and whether it holds; exit code 1 if one does not. Nothing here says how real
volunteers behave.
"""

import argparse
import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from labels import quality, signals
from labels.signals import Expected, Signal, VoteSequence
from labels.votes import VoterTable

OPTIONS = ("0", "1", "2", "3", "4")
# How often each option is the truth. Who answers at random keeps to it: that is harder to tell than equal shares.
SHARES = (0.35, 0.25, 0.2, 0.12, 0.08)
PEOPLE, SPAMMERS, OVERLAP = 40, 4, 3
DRIFT_VOTES, DRIFT_AT = 1_000, 500

type Ints = NDArray[np.int64]


def main() -> int:
    """Measure, print, and return the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--worlds", type=int, default=20, help="of each kind")
    given = arguments.parse_args()
    good = [*spam(30, given.worlds, least=0.9), *spam(300, given.worlds, least=0.97), *drift(given.worlds)]
    return 0 if all(good) else 1


def world(chance: np.random.Generator, votes: int, people: int = PEOPLE, spammers: int = SPAMMERS) -> tuple[Ints, Ints]:
    """Annotator and option of each vote (U, 3): people see the truth within a spread of their own; the first spam."""
    units = people * votes // OVERLAP
    truth = chance.choice(len(OPTIONS), units, p=SHARES)
    # Everybody's turn comes equally often, in another order each round: three different people on each unit.
    rounds = [chance.permutation(people) for _ in range(units * OVERLAP // people + 1)]
    order = np.concatenate(rounds)[: units * OVERLAP].reshape(units, OVERLAP)
    spread, lean = chance.uniform(0.5, 1.4, people), chance.normal(0, 0.25, people)
    seen = truth[:, None] + lean[order] + spread[order] * chance.normal(size=order.shape)
    option = np.clip(np.rint(seen), 0, len(OPTIONS) - 1).astype(np.int64)
    at_random = order < spammers
    option[at_random] = chance.choice(len(OPTIONS), at_random.sum(), p=SHARES)
    return order, option


def table(people: Ints, option: Ints) -> VoterTable:
    """The voter table of a world; where two places of a unit fell to one person, the second is unknown."""
    people = people.copy()
    for place in range(1, OVERLAP):
        people[(people[:, :place] == people[:, place : place + 1]).any(axis=1), place] = -1
    units = np.repeat(np.arange(len(people)), OVERLAP)
    names = [str(number) for number in range(people.max() + 1)]
    return VoterTable.from_votes(OPTIONS, units, people.ravel(), option.ravel(), names)


def auc(values: NDArray[np.float64], spammers: int) -> float:
    """How often a spammer, who are the first, has a higher value than another person; equal ones count half."""
    spam, others = values[:spammers, None], values[None, spammers:]
    return float((spam > others).mean() + (spam == others).mean() / 2)


def spam(votes: int, worlds: int, least: float) -> Iterator[bool]:
    """The AUC of each measure, and how many the signals tell of both kinds."""
    found: dict[str, list[float]] = {"distance from the others": [], "alpha gain if left out": [], "incl. own": []}
    told, wrong = [], []
    for seed in range(worlds):
        people, option = world(np.random.default_rng(seed), votes)
        voters = table(people, option)
        measured = quality.measure(voters, "ordinal")
        found["distance from the others"].append(
            auc(np.array([one.loo_mean_abs_deviation.value or 0 for one in measured]), SPAMMERS)
        )
        found["alpha gain if left out"].append(
            auc(np.array([one.alpha_gain_if_left_out.value or 0 for one in measured]), SPAMMERS)
        )
        found["incl. own"].append(auc(-_agreement_with_own(voters), SPAMMERS))
        raised = [any(isinstance(finding, Signal) for finding in one) for one in signals.outliers(measured)]
        told.append(np.mean(raised[:SPAMMERS]))
        wrong.append(np.mean(raised[SPAMMERS:]))
    for name, values in found.items():
        yield said(f"spam, {votes} votes: AUC of {name}", np.mean(values), least if name != "incl. own" else 0.0)
    yield said(f"spam, {votes} votes: share of spammers with a signal", np.mean(told), 0.0)
    yield said(f"spam, {votes} votes: share of others with a signal", np.mean(wrong), 0.02, at_most=True)


def _agreement_with_own(voters: VoterTable) -> NDArray[np.float64]:
    """The mean share of all votes on the unit, one's own among them, that agree: what should not be used."""
    counts = voters.patterns.counts[voters.pattern]
    share = counts[np.arange(len(counts)), voters.option] / counts.sum(axis=1)
    size = len(voters.annotators)
    total = np.bincount(voters.annotator, voters.count, size)
    return np.bincount(voters.annotator, voters.count * share, size) / total


def drift(worlds: int) -> Iterator[bool]:
    """False alarms per 1,000 votes of people who stay as they are, and the delay for those who begin to spam."""
    alarms, stayed, delays, missed = 0, 0, [], 0
    for seed in range(worlds):
        people, option = world(np.random.default_rng(1_000 + seed), DRIFT_VOTES, people=30, spammers=0)
        drifting = range(5)
        chance = np.random.default_rng(seed)
        for who in drifting:
            row, place = np.nonzero(people == who)
            option[row[DRIFT_AT:], place[DRIFT_AT:]] = chance.integers(0, len(OPTIONS), max(len(row) - DRIFT_AT, 0))
        expected = Expected.of(table(people, option).patterns, "ordinal")
        for who in range(30):
            alarm = signals.cusum(_standardised(people, option, who, expected))
            if who in drifting and (alarm is None or alarm[1] >= DRIFT_AT):
                missed += alarm is None
                delays += [alarm[1] - DRIFT_AT + 1] if alarm else []
            else:
                stayed += 1
                alarms += alarm is not None
    yield said("drift: share of 1,000 steady votes with a false alarm", alarms / stayed, 0.05, at_most=True)
    yield said("drift: median votes until an abrupt change is noticed", np.median(delays), 30, at_most=True)
    yield said("drift: share of changes never noticed", missed / (missed + len(delays)), 0.1, at_most=True)


def _standardised(people: Ints, option: Ints, who: int, expected: Expected) -> NDArray[np.float64]:
    row, place = np.nonzero(people == who)
    own = option[row, place]
    others = (option[row][:, :, None] == np.arange(len(OPTIONS))).sum(axis=1) - np.eye(len(OPTIONS), dtype=np.int64)[
        own
    ]
    none = np.full(len(own), np.nan)
    votes = VoteSequence(own, others, none, np.zeros(len(own), dtype=np.int64))
    return signals.disagreement(votes, expected)[1]


def said(name: str, value: float, limit: float, at_most: bool = False) -> bool:
    """Print a figure beside its limit; whether it holds."""
    good = value <= limit if at_most else value >= limit
    bound = f"at {'most' if at_most else 'least'} {limit:g}" if limit else "no limit"
    print(f"{name:<70} {value:7.3f}   {bound:<14} {'ok' if good else 'NOT MET'}")
    return bool(good)


if __name__ == "__main__":
    sys.exit(main())
