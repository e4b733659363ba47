"""Ways to add up a campaign's votes, side by side, against gold where there is gold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from annotate import counted, known
from annotate.figures import Estimate, Figure, Value
from annotate.models import Campaign
from annotate.tallies import Scope
from labels import comparison
from labels.comparison import Comparison, Score

NAMES: Mapping[str, str] = {
    "rule": "the label set's rule",
    "ordinal_median": "median",
    "majority": "majority",
    "dawid_skene": "Dawid-Skene",
    "dawid_skene_pooled": "Dawid-Skene, pooled prior and gold",
    "shared_confusion": "shared confusion, from gold",
}
# Votes that a page waits for: half a second. Of more, the units of the first portion stand for all.
MOST_COMPARED = 200_000


def compare(campaign: Campaign) -> Comparison | None:
    """The methods on the counted votes of a campaign, at most about 200,000 of them; None where there are none."""
    votes = next(iter(counted.votes(Scope((campaign.pk,)))), None)
    if votes is None:
        return None
    spec = campaign.label_set.spec
    units, unit = np.unique(votes.unit, return_inverse=True)
    chosen = unit < np.searchsorted(np.cumsum(np.bincount(unit)), MOST_COMPARED, side="right") + 1
    _, annotator = np.unique(votes.annotator, return_inverse=True)
    annotator = annotator - int((votes.annotator < 0).any())
    gold = known.gold(campaign).beside(units)
    return comparison.compare(spec, unit[chosen], annotator[chosen], votes.option[chosen], gold=gold)


def figures(found: Comparison) -> list[Figure]:
    """The scores of each method, and on how many units each two say the same."""
    return [_scores(found), _pairs(found)]


def _scores(found: Comparison) -> Figure:
    head = ("Method", "Right on gold", "Gold", "No label", "Log loss", "Calibration error", "Overconfidence")
    about = (
        "Those that learn from gold are scored on gold that was held out. A log loss counts how surprised the soft "
        "label is by the known answer; overconfidence above 0 is being surer than right."
    )
    return Figure("methods", "Ways to add up the votes", head, [_score(score) for score in found.scores], about)


def _score(score: Score) -> tuple[Value, ...]:
    low, high = score.accuracy_ci95 or (None, None)
    accuracy = Estimate(score.accuracy, low, high, score.reason or "")
    undecided = score.n_undecided if score.accuracy is not None else None
    rest = (score.log_loss, score.calibration_error, score.overconfidence)
    return (NAMES[score.method], accuracy, score.n_gold, undecided, *rest)


def _pairs(found: Comparison) -> Figure:
    same: dict[tuple[str, str], float] = {}
    for one, other, share in found.agreement:
        same[one, other] = same[other, one] = share
    methods = [score.method for score in found.scores if any(score.method in pair for pair in same)]
    rows: list[tuple[Value, ...]] = [
        (NAMES[one], *(1.0 if one == other else same[one, other] for other in methods)) for one in methods
    ]
    about = f"The share of {found.n_units:,} texts on which two ways give the same label, or both give none."
    return Figure("same-label", "Same label", ("Method", *(NAMES[each] for each in methods)), rows, about, "heat")
