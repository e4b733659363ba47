"""How each annotator's votes stand beside those of the others on the same units.

Everything is computed from the table of who said what beside which pattern (``VoterTable``), exactly, without raw
votes. A value that is not defined is None with the reason. One's own vote is never part of what it is compared with:
agreement that includes it tells spam apart much worse (AUC .92 instead of .98 with 30 votes; ``bench/quality.py``).

Shapes: A annotators, P patterns, K options, R rows of the voter table; C is (P, K), e_o the unit vector of option o.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from labels.agreement import Level, student_95, wilson, without_each_annotator
from labels.agreement.formulas import krippendorff_alpha
from labels.agreement.intervals import NOTHING
from labels.agreement.measures import NO_PAIRS, NO_VARIATION
from labels.agreement.weights import Weights
from labels.votes import VoterTable

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]

NO_VOTES = "this person has no vote"
NO_OTHERS = "nobody else voted on what this person voted on"
ONE_COMPARED = "one vote has no spread"
NO_GOLD = "this person has no vote on a known answer"
NO_ORDER = "the options have no order"
NO_PAIRS_WITHOUT = "without this person no unit has two votes"
NO_VARIATION_WITHOUT = "without this person only one option was ever used, so the expected disagreement is 0"


@dataclass(frozen=True)
class Estimate:
    """One number about one annotator, from ``n`` votes: a value with its 95 % interval, or None and the reason.

    ``low`` and ``high`` are None where there is a value without an interval.
    """

    value: float | None
    reason: str | None
    n: int
    low: float | None = None
    high: float | None = None
    # The standard error; None where the interval is not made from one.
    error: float | None = None


@dataclass(frozen=True)
class VoterQuality:
    """What the votes of one annotator are beside the others': ``n`` votes, ``n_compared`` where somebody else voted."""

    annotator: str
    n: int
    n_compared: int
    # The mean share of the other votes on the unit that agree, 0 to 1.
    loo_agreement: Estimate
    # The mean distance to the other votes on the unit: in options if they have an order, else the share that differs.
    loo_mean_abs_deviation: Estimate
    # The mean of (own option - mean of the others'), in options: above 0 is more severe than the others.
    loo_signed_bias: Estimate
    # Alpha without this person's votes - alpha with them: above 0 means that the others agree better by themselves.
    alpha_gain_if_left_out: Estimate


def share(total: float, n: int, reason: str) -> Estimate:
    """The mean of ``n`` values between 0 and 1 with its Wilson interval; without values None and ``reason``."""
    if not n:
        return Estimate(None, reason, 0)
    low, high = wilson(total, n)
    return Estimate(total / n, None, n, low, high)


def gold_accuracy(equal: int, n: int) -> Estimate:
    """The share of ``n`` votes on known answers that are the known answer, with its Wilson interval."""
    return share(equal, n, NO_GOLD)


def measure(table: VoterTable, level: Level = "nominal") -> list[VoterQuality]:
    """The measures of every annotator of ``table``, in its order; ``level`` is that of the distances and of alpha."""
    size = len(table.annotators)
    counts = table.patterns.counts[table.pattern]
    others = counts.sum(axis=1) - 1
    compared = others >= 1
    agreement, distance, bias = _beside_others(counts, table.option, others, level)
    weights = np.where(compared, table.count, 0)

    def moments(values: Floats) -> tuple[Floats, Floats]:
        values = np.where(compared, values, 0)
        return (
            np.bincount(table.annotator, weights * values, size),
            np.bincount(table.annotator, weights * values**2, size),
        )

    votes = _votes(table)
    beside = np.bincount(table.annotator, weights, size).astype(np.int64)
    agreeing, _ = moments(agreement)
    distances, biases = moments(distance), moments(bias)
    gains = alpha_gains(table, level)
    found = []
    for at, name in enumerate(table.annotators):
        n, none = int(beside[at]), NO_OTHERS if votes[at] else NO_VOTES
        found.append(
            VoterQuality(
                annotator=name,
                n=int(votes[at]),
                n_compared=n,
                loo_agreement=share(float(agreeing[at]), n, none),
                loo_mean_abs_deviation=_mean(float(distances[0][at]), float(distances[1][at]), n, none, low=0.0),
                loo_signed_bias=Estimate(None, NO_ORDER, n)
                if level == "nominal"
                else _mean(float(biases[0][at]), float(biases[1][at]), n, none),
                alpha_gain_if_left_out=gains[at] if votes[at] else Estimate(None, NO_VOTES, 0),
            )
        )
    return found


def alpha_gains(table: VoterTable, level: Level = "nominal") -> list[Estimate]:
    """Krippendorff's alpha without each annotator - alpha with all, exactly as if it were computed from the raw votes.

    In the order of ``table.annotators``. ``labels.agreement.without_each_annotator`` says why no table is made anew.
    """
    alpha = partial(krippendorff_alpha, level=level)
    patterns = table.patterns
    whole = float(alpha(patterns.counts.astype(float), patterns.multiplicity[None].astype(float))[0])
    if math.isnan(whole):
        reason = NO_VARIATION if patterns.n_pairable else NO_PAIRS
        return [Estimate(None, reason, n) for n in _votes(table).tolist()]
    without, pairs = without_each_annotator(table, alpha), without_each_annotator(table, _pairable)
    return [
        _gain(without[name] - whole, pairs[name] > 0, n) if n else Estimate(None, NO_VOTES, 0)
        for name, n in zip(table.annotators, _votes(table).tolist(), strict=True)
    ]


def _gain(gain: float, has_pairs: bool, n: int) -> Estimate:
    if math.isnan(gain):
        return Estimate(None, NO_VARIATION_WITHOUT if has_pairs else NO_PAIRS_WITHOUT, n)
    return Estimate(gain, None, n)


def _pairable(counts: Floats, weights: Weights) -> Floats:
    """How many units have two votes or more."""
    units: Floats = (weights @ (counts.sum(axis=1) >= 2).astype(float)[:, None])[:, 0]
    return units


def _votes(table: VoterTable) -> Ints:
    """How many votes each annotator has."""
    return np.bincount(table.annotator, table.count, len(table.annotators)).astype(np.int64)


def _beside_others(counts: Ints, option: Ints, others: Ints, level: Level) -> tuple[Floats, Floats, Floats]:
    """Of votes for ``option`` (R,) in units with ``counts`` (R, K): agreement, distance and bias beside the others."""
    divisor = np.maximum(others, 1)
    agreement = (np.take_along_axis(counts, option[:, None], axis=1)[:, 0] - 1) / divisor
    positions = np.arange(counts.shape[1])
    differences = option[:, None] - positions[None, :]
    distance = 1 - agreement if level == "nominal" else (counts * np.abs(differences)).sum(axis=1) / divisor
    # The own vote adds 0 to both sums.
    bias: Floats = (counts * differences).sum(axis=1) / divisor
    return agreement, distance, bias


def _mean(total: float, squares: float, n: int, reason: str, low: float = -math.inf) -> Estimate:
    """The mean of n values from their sum and sum of squares, with Student's 95 % interval; of equal ones none."""
    if not n:
        return Estimate(None, reason, 0)
    mean = total / n
    if n == 1:
        return Estimate(mean, None, 1)
    error = math.sqrt(max(squares / n - mean**2, 0) / (n - 1))
    if error < NOTHING:
        return Estimate(mean, None, n)
    half = student_95(n - 1) * error
    return Estimate(mean, None, n, max(mean - half, low), mean + half, error)
