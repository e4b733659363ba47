"""The coefficients of agreement, each a pure function of count patterns and how many units have each.

Shapes: P patterns, K options, B batches. ``counts`` is (P, K) and m its row sums, the votes per unit; ``weights``
(B, P) says how many units have each pattern, and the result is (B,): the value itself, a thousand bootstraps and every
leave-one-out are one call with other weights. A value that its formula does not define is NaN. *Pairable* units have
two votes or more. Every coefficient but the entropy is 1 when all votes on every unit are the same.

Each is a function of sums over units, so whatever has ``weights @ features`` may stand for the weights (weights.py).

Sources: Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011; Gwet, "Computing inter-rater reliability and
its variance in the presence of high agreement", 2008, and "Handbook of Inter-Rater Reliability", 4th edition, 2014
(missing votes, weights); Brennan and Prediger, "Coefficient Kappa: some uses, misuses, and alternatives", 1981; Fleiss,
"Measuring nominal scale agreement among many raters", 1971; Uebersax, "Raw agreement indices", 2002.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from labels.agreement.weights import Weights
from labels.errors import LabelsError

type Level = Literal["nominal", "ordinal", "interval", "ratio"]
type Floats = NDArray[np.float64]
type Formula = Callable[[Floats, Weights], Floats]

# Sums of shares are exact to about 1e-16: what is left of 1 below this is nothing.
ZERO = 1e-12


class AgreementError(LabelsError):
    """A coefficient was asked for in a way that has no meaning; the message says what is possible."""


def krippendorff_alpha(
    counts: Floats, weights: Weights, level: Level = "nominal", values: Sequence[float] | None = None
) -> Floats:
    """Krippendorff's alpha, 1 - D_o / D_e, under the difference that belongs to the level (Krippendorff 2011).

    The squared difference of two options is 0 or 1 (nominal); (votes from c to k, each end counted half)^2 (ordinal);
    (v_c - v_k)^2 (interval); ((v_c - v_k) / (v_c + v_k))^2 (ratio), where v are the ``values`` of the options, or their
    positions 0 .. K-1. Undefined where pairable units use one option only.
    """
    if level == "ordinal" and values is None:
        return _alpha_ordinal(counts, weights)
    return alpha_by_distance(counts, weights, _squared_differences(level, counts.shape[1], values))


def alpha_by_distance(counts: Floats, weights: Weights, distance: Floats) -> Floats:
    """Alpha under any distance d (K, K), 0 on its diagonal: 1 - (n - 1) sum_ck o_ck d_ck / sum_ck n_c n_k d_ck.

    o is the table of coincidences within units, each pair weighing 1 / (m - 1); n_c is how often option c occurs in
    pairable units, and n their sum (Krippendorff 2011).
    """
    paired, others = _paired(counts)
    disagreeing = ((paired @ distance) * paired).sum(axis=1) / others
    sums = weights @ np.column_stack([paired, disagreeing])
    used, observed = sums[:, :-1], sums[:, -1]
    expected = ((used @ distance) * used).sum(axis=1)
    return 1 - _ratio((used.sum(axis=1) - 1) * observed, expected)


def _alpha_ordinal(counts: Floats, weights: Weights) -> Floats:
    # The middle of option c among all votes laid in order: its distance to k's is d without the square. It depends on
    # the votes, so the coincidences of each pair of options are summed, not one disagreement.
    paired, others = _paired(counts)
    n_options = counts.shape[1]
    one, other = np.triu_indices(n_options, 1)
    sums = weights @ np.column_stack([paired, paired[:, one] * paired[:, other] / others[:, None]])
    used, coincidences = sums[:, :n_options], sums[:, n_options:]
    middle = np.cumsum(used, axis=1) - used / 2
    distance = (middle[:, one] - middle[:, other]) ** 2
    expected = (used[:, one] * used[:, other] * distance).sum(axis=1)
    return 1 - _ratio((used.sum(axis=1) - 1) * (coincidences * distance).sum(axis=1), expected)


def percent_agreement(counts: Floats, weights: Weights) -> Floats:
    """The share of agreeing pairs of votes within a unit, averaged over the pairable units, 0 to 1.

    p_a = mean of sum_k C_k (C_k - 1) / (m (m - 1)) (Gwet 2014).
    """
    return _mean(weights, _agreeing(counts, np.eye(counts.shape[1])), is_pairable(counts))


def percent_agreement_within_1(counts: Floats, weights: Weights) -> Floats:
    """The share of pairs of votes within a unit that are at most one option apart, averaged as percent agreement."""
    places = np.arange(counts.shape[1])
    near = np.abs(places[:, None] - places) <= 1
    return _mean(weights, _agreeing(counts, near.astype(float)), is_pairable(counts))


def share_unanimous(counts: Floats, weights: Weights) -> Floats:
    """The share of the pairable units on which all votes are the same, 0 to 1."""
    return _mean(weights, counts.max(axis=1, initial=0) == counts.sum(axis=1), is_pairable(counts))


def mean_entropy_bits(counts: Floats, weights: Weights) -> Floats:
    """Shannon's entropy of a unit's votes, -sum_k s_k log2 s_k with s_k = C_k / m, averaged over the pairable units.

    From 0, all the same, to log2 K, spread evenly. Of few votes it is too low: compare only like numbers of votes.
    """
    shares = _shares(counts)
    bits = -(shares * np.log2(shares, out=np.zeros_like(shares), where=shares > 0)).sum(axis=1)
    return _mean(weights, bits, is_pairable(counts))


def gwet_ac1(counts: Floats, weights: Weights) -> Floats:
    """Gwet's AC1, (p_a - p_e) / (1 - p_e) with p_e = sum_k q_k (1 - q_k) / (K - 1) (Gwet 2008).

    p_a is the percent agreement. q_k is the share of option k, averaged over all units with at least one vote (Gwet
    2014): units with a single vote tell about prevalence, not about agreement. K counts all options that could be
    chosen, used or not. Undefined for a single option.
    """
    return _gwet(counts, weights, np.eye(counts.shape[1]))


def gwet_ac2_ordinal(counts: Floats, weights: Weights) -> Floats:
    """Gwet's AC2 with ordinal weights w_ck = 1 - T(|c - k| + 1) / T(K), T(x) = x (x - 1) / 2 (Gwet 2014, chapter 3).

    As AC1 with p_a = mean of sum_k C_k (sum_c w_ck C_c - 1) / (m (m - 1)) and p_e = sum_ck w_ck / (K (K - 1)) *
    sum_k q_k (1 - q_k).
    """
    places = np.arange(counts.shape[1])
    steps = np.abs(places[:, None] - places) + 1
    return _gwet(counts, weights, 1 - steps * (steps - 1) / max(places.size * (places.size - 1), 1))


def brennan_prediger(counts: Floats, weights: Weights) -> Floats:
    """Brennan and Prediger's kappa, (p_a - 1/K) / (1 - 1/K) (1981); K counts all options, used or not."""
    agreed = percent_agreement(counts, weights)
    return _beyond_chance(agreed, np.full_like(agreed, 1 / counts.shape[1]))


def fleiss_kappa_generalized(counts: Floats, weights: Weights) -> Floats:
    """Fleiss' kappa (1971) with missing votes: (p_a - p_e) / (1 - p_e), p_e = sum_k q_k^2 (Gwet 2014); q as for AC1.

    Undefined where one option only was ever used.
    """
    agreed, prevalence = _agreed_and_prevalence(counts, weights, np.eye(counts.shape[1]))
    return _beyond_chance(agreed, (prevalence**2).sum(axis=1))


def prevalence(counts: Floats, weights: Weights, option: int) -> Floats:
    """The share of an option in a unit's votes, averaged over all units with a vote, 0 to 1: the q_k of AC1."""
    return _mean(weights, _shares(counts)[:, option], has_votes(counts))


def specific_agreement(counts: Floats, weights: Weights, option: int) -> Floats:
    """Of the other votes on the unit of a vote for the option, the share that is for it too, 0 to 1.

    sum over units of C_k (C_k - 1) / sum over units of C_k (m - 1) (Uebersax 2002). Undefined without such votes.
    """
    chosen, others = counts[:, option], np.maximum(counts.sum(axis=1) - 1, 0)
    sums = weights @ np.column_stack([chosen * (chosen - 1), chosen * others])
    return _ratio(sums[:, 0], sums[:, 1])


def has_votes(counts: Floats) -> NDArray[np.bool_]:
    """Patterns (P,) of one vote or more."""
    voted: NDArray[np.bool_] = counts.sum(axis=1) >= 1
    return voted


def is_pairable(counts: Floats, option: int | None = None) -> NDArray[np.bool_]:
    """Patterns (P,) of two votes or more, with ``option`` those with a vote for it."""
    pairable: NDArray[np.bool_] = counts.sum(axis=1) >= 2
    return pairable if option is None else pairable & (counts[:, option] >= 1)


def _gwet(counts: Floats, weights: Weights, closeness: Floats) -> Floats:
    n_options = counts.shape[1]
    agreed, prevalence = _agreed_and_prevalence(counts, weights, closeness)
    if n_options < 2:
        return np.full_like(agreed, np.nan)
    spread = closeness.sum() / (n_options * (n_options - 1))
    return _beyond_chance(agreed, spread * (prevalence * (1 - prevalence)).sum(axis=1))


def _agreed_and_prevalence(counts: Floats, weights: Weights, closeness: Floats) -> tuple[Floats, Floats]:
    """p_a (B,) under a closeness of options (K, K), 1 on its diagonal, and q (B, K)."""
    votes = counts.sum(axis=1)
    sums = weights @ np.column_stack([_agreeing(counts, closeness), votes >= 2, votes >= 1, _shares(counts)])
    return _ratio(sums[:, 0], sums[:, 1]), _ratio(sums[:, 3:], sums[:, 2:3])


def _beyond_chance(agreed: Floats, by_chance: Floats) -> Floats:
    beyond = 1 - by_chance
    return _ratio(agreed - by_chance, np.where(beyond > ZERO, beyond, 0))


def _agreeing(counts: Floats, closeness: Floats) -> Floats:
    """The mean closeness of the pairs of votes of each pattern (P,), 0 where there is no pair."""
    votes = counts.sum(axis=1)
    pairs = votes * (votes - 1)
    agreeing: Floats = (counts * (counts @ closeness - 1)).sum(axis=1) / np.maximum(pairs, 1)
    return np.where(pairs > 0, agreeing, 0)


def _paired(counts: Floats) -> tuple[Floats, Floats]:
    """The counts of pairable patterns, 0 for the others, and by how many others each vote is met (P,)."""
    others = np.maximum(counts.sum(axis=1) - 1, 1)
    return counts * is_pairable(counts)[:, None], others


def _shares(counts: Floats) -> Floats:
    shares: Floats = counts / np.maximum(counts.sum(axis=1), 1)[:, None]
    return shares


def _mean(weights: Weights, feature: NDArray[np.generic], of: NDArray[np.bool_]) -> Floats:
    """The mean of a feature (P,) over some of the units."""
    sums = weights @ np.column_stack([feature * of, of]).astype(float)
    return _ratio(sums[:, 0], sums[:, 1])


def _ratio(above: Floats, below: Floats) -> Floats:
    above, below = np.broadcast_arrays(above, below)
    ratio: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio


def _squared_differences(level: Level, n_options: int, values: Sequence[float] | None) -> Floats:
    if values is not None and (
        level not in ("interval", "ratio") or len(values) != n_options or len(set(values)) != n_options
    ):
        raise AgreementError(
            f"values {list(values)} do not fit; give one different number per option, for interval or ratio."
        )
    places = np.asarray(range(n_options) if values is None else values, dtype=float)
    differences: Floats = places[:, None] - places
    if level == "nominal":
        return 1 - np.eye(n_options)
    if level == "interval":
        return differences**2
    if level == "ratio":
        total = places[:, None] + places
        ratios: Floats = differences / np.where(total == 0, 1, total)
        return ratios**2
    raise AgreementError(f"level {level!r} is not known; use nominal, ordinal, interval or ratio.")
