"""Six ways to add up the same votes, side by side: how often each is right on known answers, how sure, and who agrees.

The methods: the label set's ``rule``, the ``ordinal_median`` and the ``majority`` (``labels.aggregation``);
``dawid_skene`` plain and ``dawid_skene_pooled`` (``labels.dawid_skene``); ``shared_confusion``. Those that learn from
known answers are scored by cross-validation: the answers are dealt into ``FOLDS`` parts, and each part is labelled by a
model that was never told them. What they say of all other units comes from a model that knows every answer.

- ``accuracy``: the share of known answers that the method gives, no label being wrong, with its 95 % score interval
  (Wilson 1927). Of the rule ``fresh-readers`` a label that is no vote option ("possibly needs caution") counts as none,
  so that this rule looks worse than it is: ``accuracy_given`` is the share among the answers that get an option.
- ``log_loss``: the mean of -ln p(known answer) by the method's soft label; the three rules publish smoothed shares.
  p is at least 1e-10, so plain Dawid-Skene's certain mistakes cost 23 each.
- ``calibration_error``: the expected calibration error of the soft labels' most probable option, sum_b n_b / N
  |right_b - sure_b| over ten equal bins (Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using
  Bayesian Binning", 2015); ``overconfidence`` is mean sureness less share right, above 0 where it is too sure. Among
  options that tie as most probable, each counts as chosen in equal parts.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, Final, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from labels import dawid_skene, shared_confusion
from labels.aggregation import RULES, SMOOTHING, Rule, published_label
from labels.agreement import wilson
from labels.dawid_skene import FLOOR, NO_GOLD, POOLED_STRENGTH, DawidSkene, most_probable
from labels.errors import LabelsError
from labels.taxonomy import LabelSetSpec
from labels.votes import distinct_rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Method = Literal["rule", "ordinal_median", "majority", "dawid_skene", "dawid_skene_pooled", "shared_confusion"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
FOLDS, BINS = 5, 10
NO_GOLD_VOTES = "no unit with a known answer has a vote"
FEW_GOLD = "it is estimated on known answers; give at least two"
UNDECIDED: Final = -1


class ComparisonError(LabelsError):
    """Votes or known answers that cannot be compared; the message says what would do."""


@dataclass(frozen=True)
class Score:
    """One method on ``n_gold`` known answers, of which it gives ``n_right`` and leaves ``n_undecided`` without a label.

    Where a number is None, the ``reason`` says why.
    """

    method: Method
    reason: str | None
    n_gold: int
    n_right: int
    n_undecided: int
    accuracy: float | None = None
    accuracy_ci95: tuple[float, float] | None = None
    accuracy_given: float | None = None
    accuracy_given_ci95: tuple[float, float] | None = None
    log_loss: float | None = None
    calibration_error: float | None = None
    overconfidence: float | None = None


@dataclass(frozen=True)
class Comparison:
    """The scores by method; by pair of methods, the share of the ``n_units`` with the same label, or none, by both."""

    n_units: int
    n_votes: int
    scores: tuple[Score, ...]
    agreement: tuple[tuple[Method, Method, float], ...]
    convergence: dict[str, dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Answers:
    """What a method says of the voted units (M,): labels as of ``_codes``, and soft labels (M, K)."""

    labels: Ints
    soft: Floats


def compare(
    spec: LabelSetSpec,
    unit: NDArray[Any],
    annotator: NDArray[Any],
    option: NDArray[Any],
    *,
    gold: NDArray[Any] | None = None,
) -> Comparison:
    """Compare the methods on V votes: ``unit``, ``annotator`` (-1: unknown) and ``option``, whole numbers (V,).

    ``gold`` has the known answer of each unit by number, as an option's position, or -1. Raises LabelsError where the
    votes do not fit. Dawid and Skene's model is estimated seven times: one to two minutes for a million units.
    """
    votes = _Votes.of(spec, unit, annotator, option, gold)
    answers: dict[Method, _Answers] = {rule: _by_rule(spec, votes, rule) for rule in RULES}
    plain = votes.fit(np.full_like(votes.gold, NO_GOLD), 0.0)
    pooled = votes.fit(votes.gold, POOLED_STRENGTH)
    answers["dawid_skene"] = _by_model(plain.posteriors)
    answers["dawid_skene_pooled"] = _by_model(
        _held_out(votes, pooled.posteriors, lambda told: votes.fit(told, POOLED_STRENGTH).posteriors)
    )
    if len(votes.known) >= 2:
        answers["shared_confusion"] = _by_model(_held_out(votes, votes.shared(votes.gold), votes.shared))
    return Comparison(
        n_units=len(votes.counts),
        n_votes=len(votes.option),
        scores=tuple(_score(votes, method, answers.get(method)) for method in METHODS),
        agreement=tuple(
            (one, other, float((answers[one].labels == answers[other].labels).mean()))
            for one, other in combinations(answers, 2)
        ),
        convergence={"dawid_skene": plain.convergence(), "dawid_skene_pooled": pooled.convergence()},
    )


@dataclass(frozen=True, eq=False)
class _Votes:
    """The votes of the M units that have any, numbered anew: counts (M, K), and the known answer of each, or -1."""

    unit: Ints
    annotator: Ints
    option: Ints
    counts: Ints
    gold: Ints

    @classmethod
    def of(
        cls,
        spec: LabelSetSpec,
        unit: NDArray[Any],
        annotator: NDArray[Any],
        option: NDArray[Any],
        gold: NDArray[Any] | None,
    ) -> Self:
        """Raises ComparisonError for votes or answers that do not fit the label set."""
        unit, option, size = np.asarray(unit), np.asarray(option), len(spec.options)
        if not len(unit):
            raise ComparisonError("there is no vote; give at least one.")
        if option.shape != unit.shape or option.min() < 0 or option.max() >= size or unit.min() < 0:
            raise ComparisonError(f"units and options do not fit {spec.name}; give one of 0 to {size - 1} per vote.")
        voted, number = np.unique(unit, return_inverse=True)
        answers = np.full(len(voted), NO_GOLD)
        if gold is not None:
            if len(gold) <= voted[-1] or np.min(gold) < NO_GOLD or np.max(gold) >= size:
                raise ComparisonError(f"known answers do not fit; give -1 to {size - 1} for each of all units.")
            answers = np.asarray(gold)[voted]
        counts = np.bincount(number * size + option, minlength=len(voted) * size).reshape(-1, size)
        return cls(number, np.asarray(annotator), option, counts, answers)

    @property
    def known(self) -> Ints:
        """The units with a known answer."""
        return np.flatnonzero(self.gold != NO_GOLD)

    @cached_property
    def patterns(self) -> tuple[Ints, Ints, Ints]:
        """The distinct counts (P, K), which of them each unit has (M,), and how many units have each (P,)."""
        patterns, row = distinct_rows(self.counts)
        return patterns, row, np.bincount(row, minlength=len(patterns))

    def fit(self, told: Ints, strength: float) -> DawidSkene:
        n_units, n_options = self.counts.shape
        return dawid_skene.fit(
            self.unit,
            self.annotator,
            self.option,
            n_options=n_options,
            n_units=n_units,
            n_annotators=int(self.annotator.max()) + 1,
            gold=told,
            strength=strength,
        )

    def shared(self, told: Ints) -> Floats:
        """The posterior of every unit by the matrix of those whose answers are told, and the prior of all patterns."""
        known = told != NO_GOLD
        patterns, row, multiplicity = self.patterns
        model = shared_confusion.estimate(self.counts[known], told[known]).with_prior_of(patterns, multiplicity)
        soft: Floats = model.posterior(patterns)[row]
        return soft


def _held_out(votes: _Votes, soft: Floats, posterior: Callable[[Ints], Floats]) -> Floats:
    """``soft``, which knows every answer, with each known unit's row from a model that was not told this answer."""
    found = soft.copy()
    folds = min(FOLDS, len(votes.known))
    for fold in range(folds):
        held = votes.known[fold::folds]
        told = votes.gold.copy()
        told[held] = NO_GOLD
        found[held] = posterior(told)[held]
    return found


def _by_model(soft: Floats) -> _Answers:
    return _Answers(most_probable(soft), soft)


def _by_rule(spec: LabelSetSpec, votes: _Votes, rule: Rule) -> _Answers:
    """The rule's label by pattern: an option's position, K + that of a published label that is no option, or none."""
    patterns, row, _ = votes.patterns
    codes = {name: len(spec.options) + at for at, name in enumerate(spec.published)}
    codes |= {name: at for at, name in enumerate(spec.option_names)}
    labels = [published_label(spec, counts, rule)[0] for counts in patterns.tolist()]
    by_pattern = np.array([UNDECIDED if label is None else codes[label] for label in labels])
    smoothed = votes.counts + SMOOTHING
    return _Answers(by_pattern[row], smoothed / smoothed.sum(axis=1, keepdims=True))


def _score(votes: _Votes, method: Method, answers: _Answers | None) -> Score:
    known, n_gold = votes.known, len(votes.known)
    if answers is None or not n_gold:
        return Score(method, NO_GOLD_VOTES if not n_gold else FEW_GOLD, n_gold, 0, 0)
    gold, labels, soft = votes.gold[known], answers.labels[known], answers.soft[known]
    right = int((labels == gold).sum())
    undecided = int(((labels == UNDECIDED) | (labels >= soft.shape[1])).sum())
    given = n_gold - undecided
    sure, hits = _hits(soft, gold)
    return Score(
        method=method,
        reason=None,
        n_gold=n_gold,
        n_right=right,
        n_undecided=undecided,
        accuracy=right / n_gold,
        accuracy_ci95=wilson(right, n_gold),
        accuracy_given=right / given if given else None,
        accuracy_given_ci95=wilson(right, given) if given else None,
        log_loss=float(-np.log(np.maximum(soft[np.arange(n_gold), gold], FLOOR)).mean()),
        calibration_error=calibration_error(sure, hits),
        overconfidence=float((sure - hits).mean()),
    )


def _hits(soft: Floats, gold: Ints) -> tuple[Floats, Floats]:
    """How sure the most probable option is, and how far it is right: 1 or 0, or a part where several tie."""
    sure: Floats = soft.max(axis=1)
    is_best = soft >= sure[:, np.newaxis] - 1e-12
    return sure, is_best[np.arange(len(gold)), gold] / is_best.sum(axis=1)


def calibration_error(sure: Floats, hits: Floats) -> float:
    """The expected calibration error, 0 to 1: see the module."""
    place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(place, weights=hits - sure, minlength=BINS)
    return float(np.abs(gaps).sum() / len(sure))
