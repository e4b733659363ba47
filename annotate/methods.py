"""Ways to add up a campaign's votes, side by side, against gold where there is gold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from annotate import keeping, sample
from annotate.figures import Estimate, Figure, Value
from annotate.models import Campaign
from annotate.sample import Sample
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


class Compared(NamedTuple):
    """The comparison, and on which votes."""

    found: Comparison
    read: Sample


def kept(campaign: Campaign) -> Compared | None:
    """The same as ``compare``, kept until votes or known answers change."""
    return keeping.kept("methods", campaign, compare).made


def compare(campaign: Campaign) -> Compared | None:
    """The methods on the counted votes of a campaign, of a bounded part of its texts; None where there are none."""
    votes = sample.read(campaign)
    if not len(votes.unit):
        return None
    _, annotator = np.unique(votes.annotator, return_inverse=True)
    annotator = annotator - int((votes.annotator < 0).any())
    found = comparison.compare(campaign.label_set.spec, votes.unit, annotator, votes.option, gold=votes.gold)
    return Compared(found, votes)


def figures(found: Comparison) -> list[Figure]:
    """The scores of each method, how often each two say the same, and whether models were estimated to their end."""
    return [_scores(found), _pairs(found), _convergence(found)]


def as_dict(compared: Compared) -> dict[str, Any]:
    """Everything, ready for JSON."""
    return {
        **compared.found.as_dict(),
        "of_texts": compared.read.of_texts,
        "about": compared.read.about,
        "figures": {figure.slug: figure.as_dict() for figure in figures(compared.found)},
    }


def _scores(found: Comparison) -> Figure:
    head = (
        "Method",
        "Right on gold",
        "Gold",
        "No option",
        "Right where it gives an option",
        "Log loss",
        "Calibration error",
        "Overconfidence",
    )
    about = (
        "Known answers are options. A label that is none, such as one that says how readers divide, counts as wrong in "
        "“right on gold”, as a tie does: a label set's rule that publishes such labels looks worse there than it is. "
        "Those that learn from gold are scored on gold that was held out. A log loss counts how surprised the soft "
        "label is by the known answer; overconfidence above 0 is being surer than right."
    )
    return Figure("methods", "Ways to add up the votes", head, [_score(score) for score in found.scores], about)


def _score(score: Score) -> tuple[Value, ...]:
    low, high = score.accuracy_ci95 or (None, None)
    accuracy = Estimate(score.accuracy, low, high, score.reason or "")
    undecided = score.n_undecided if score.accuracy is not None else None
    low, high = score.accuracy_given_ci95 or (None, None)
    given = Estimate(score.accuracy_given, low, high, score.reason or "it gives no option")
    rest = (score.log_loss, score.calibration_error, score.overconfidence)
    return (NAMES[score.method], accuracy, score.n_gold, undecided, given, *rest)


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


def _convergence(found: Comparison) -> Figure:
    rows: list[tuple[Value, ...]] = [
        (NAMES[method], told["rounds"], "yes" if told["is_converged"] else "no: it was stopped")
        for method, told in found.convergence.items()
    ]
    about = "In rounds of expectation and maximisation, until the likelihood of the votes no longer rises."
    return Figure("convergence", "How the models were estimated", ("Model", "Rounds", "Converged"), rows, about)
