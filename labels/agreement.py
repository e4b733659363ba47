"""How far voters agree, computed from a table of count patterns alone.

Every coefficient is 1 when all votes on every unit are the same. A value that its formula does not define is None with
the reason, never 0 and never 1. Shapes: P patterns, K options; C is ``table.counts`` (P, K), w the multiplicities (P,),
m = C's row sums, the votes per unit. Values are plain numbers without unit.

Sources: Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011; Gwet, "Computing inter-rater reliability and
its variance in the presence of high agreement", 2008, and "Handbook of Inter-Rater Reliability", 4th edition, 2014
(missing votes).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from labels.errors import LabelsError
from labels.votes import PatternTable

Level = Literal["nominal", "ordinal", "interval"]
Floats = NDArray[np.float64]

NO_PAIRS = "no unit has two votes, so there is nothing to compare"
NO_VARIATION = "only one option was ever used, so the expected disagreement is 0"
ONE_OPTION = "there is only one option, so no other could have been chosen"
NO_ORDER = "the options have no order"


class AgreementError(LabelsError):
    """A coefficient was asked for in a way that has no meaning; the message says what is possible."""


@dataclass(frozen=True)
class Coefficient:
    """One coefficient: a ``value``, or None and the ``reason``. ``n_pairable`` units had two votes or more."""

    name: str
    value: float | None
    reason: str | None
    n_pairable: int
    n_votes: int

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        return asdict(self)


def krippendorff_alpha(
    table: PatternTable, level: Level = "nominal", values: Sequence[float] | None = None
) -> Coefficient:
    """Krippendorff's alpha, 1 - D_o / D_e = 1 - (n - 1) sum_ck o_ck d_ck / sum_ck n_c n_k d_ck (Krippendorff 2011).

    o is the (K, K) table of coincidences within units, n_c how often option c occurs in units with two votes or more,
    n their sum, and d the squared difference of two options: 0 or 1 (nominal); (votes from c to k, each end counted
    half)^2 (ordinal); (v_c - v_k)^2 (interval), where v are the ``values`` of the options, or their positions 0 .. K-1.
    """
    name = f"krippendorff_alpha_{level}"
    counts, weights, votes = _pairable(table)
    if not votes.size:
        return _undefined(table, name, NO_PAIRS)
    used = weights @ counts
    distance = _squared_differences(level, used, values)
    expected = used @ distance @ used
    if expected == 0:
        return _undefined(table, name, NO_VARIATION)
    shares = counts * (weights / (votes - 1))[:, None]
    coincidences = shares.T @ counts - np.diag(shares.sum(axis=0))
    observed = (coincidences * distance).sum()
    return _defined(table, name, float(1 - (used.sum() - 1) * observed / expected))


def percent_agreement(table: PatternTable) -> Coefficient:
    """The share of agreeing pairs of votes within a unit, averaged over the units with two votes or more, 0 to 1.

    p_a = mean over units of sum_k C_k (C_k - 1) / (m (m - 1)) (Gwet 2014).
    """
    value = _observed_agreement(table)
    if value is None:
        return _undefined(table, "percent_agreement", NO_PAIRS)
    return _defined(table, "percent_agreement", value)


def gwet_ac1(table: PatternTable) -> Coefficient:
    """Gwet's AC1, (p_a - p_e) / (1 - p_e) with p_e = sum_k q_k (1 - q_k) / (K - 1) (Gwet 2008).

    p_a is the percent agreement. q_k is the share of option k, averaged over all units with at least one vote (Gwet
    2014): units with a single vote tell about prevalence, not about agreement. K counts all options that could be
    chosen, used or not.
    """
    agreed = _observed_agreement(table)
    if agreed is None:
        return _undefined(table, "gwet_ac1", NO_PAIRS)
    if len(table.options) < 2:
        return _undefined(table, "gwet_ac1", ONE_OPTION)
    voted = table.per_unit >= 1
    shares = table.counts[voted] / table.per_unit[voted][:, None]
    prevalence = table.multiplicity[voted] @ shares / table.multiplicity[voted].sum()
    by_chance = (prevalence * (1 - prevalence)).sum() / (len(table.options) - 1)
    return _defined(table, "gwet_ac1", float((agreed - by_chance) / (1 - by_chance)))


def measure(table: PatternTable, ordinal: bool) -> list[Coefficient]:
    """All coefficients of this module, always the same names; those that need an order are None where there is none."""
    ordered: tuple[Level, ...] = ("ordinal", "interval")
    return [
        krippendorff_alpha(table, "nominal"),
        *(
            krippendorff_alpha(table, level) if ordinal else _undefined(table, f"krippendorff_alpha_{level}", NO_ORDER)
            for level in ordered
        ),
        gwet_ac1(table),
        percent_agreement(table),
    ]


def _pairable(table: PatternTable) -> tuple[Floats, Floats, Floats]:
    """C (P', K), w (P',) and m (P',) of the patterns with two votes or more, as floats."""
    chosen = table.per_unit >= 2
    counts, weights, votes = table.counts[chosen], table.multiplicity[chosen], table.per_unit[chosen]
    return counts.astype(float), weights.astype(float), votes.astype(float)


def _observed_agreement(table: PatternTable) -> float | None:
    counts, weights, votes = _pairable(table)
    if not votes.size:
        return None
    agreeing = (counts * (counts - 1)).sum(axis=1) / (votes * (votes - 1))
    return float(weights @ agreeing / weights.sum())


def _squared_differences(level: Level, used: Floats, values: Sequence[float] | None) -> Floats:
    """d (K, K) of a level; ``used`` (K,) is how often each option occurs in pairable units."""
    if values is not None and (level != "interval" or len(values) != used.size or len(set(values)) != used.size):
        raise AgreementError(f"values {list(values)} do not fit; give one different number per option, for interval.")
    if level == "nominal":
        return 1 - np.eye(used.size)
    if level == "ordinal":
        # The middle of option c among all votes laid in order: its distance to k's is d without the square.
        places = np.cumsum(used) - used / 2
    elif level == "interval":
        places = np.asarray(range(used.size) if values is None else values, dtype=float)
    else:
        raise AgreementError(f"level {level!r} is not known; use nominal, ordinal or interval.")
    return (places[:, None] - places[None, :]) ** 2


def _defined(table: PatternTable, name: str, value: float) -> Coefficient:
    return Coefficient(name, value, None, table.n_pairable, table.n_votes)


def _undefined(table: PatternTable, name: str, reason: str) -> Coefficient:
    return Coefficient(name, None, reason, table.n_pairable, table.n_votes)
