"""How likely each option is, from a unit's counts alone: one confusion matrix that all annotators share.

Estimated on units with a known answer, K options, unit i with counts c_i and answer g_i:

    confusion[k, l] = (n_kl + 1/K + [k = l]) / (n_k + 2),   n_kl = sum_{i: g_i = k} c_il,   n_k = sum_l n_kl
    posterior(k | c) ~ prior(k) prod_l confusion[k, l]^c_l

Bayes' rule with votes that are independent given the true option: Dawid and Skene 1979, equation 2.5, with one observer
for all. The two votes added to each row, one right and one at random, are those of ``labels.dawid_skene``. A posterior
depends on the pattern alone, so millions of units cost as much as there are patterns, and a table of it fits in SQL.

The prior comes from the known answers, (n + 1/2) / (N + K/2), or, where these were chosen and not drawn, from the
patterns of all units by EM with the matrix held fixed (Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a
Classifier to New a Priori Probabilities", 2002). Votes on a hard unit err together, which the model does not know: how
sure it may be is checked on known answers (``labels.comparison``), and ``labels.stopping`` sets its threshold by them.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from labels.errors import LabelsError

Floats = NDArray[np.float64]

MOST_ROUNDS: Final = 1000
TOLERANCE: Final = 1e-10


class SharedConfusionError(LabelsError):
    """Known answers or counts that the matrix cannot be estimated on; the message says what would do."""


@dataclass(frozen=True, eq=False)
class SharedConfusion:
    """``confusion`` (K true, K voted) and ``prior`` (K,), from ``n_gold`` units with a known answer."""

    confusion: Floats
    prior: Floats
    n_gold: int
    n_gold_votes: int

    @property
    def n_options(self) -> int:
        """K."""
        return len(self.prior)

    def posterior(self, counts: NDArray[Any]) -> Floats:
        """The probability of each option for each row of counts (P, K); without a vote, the prior."""
        counts = _counts(counts, self.n_options)
        logs = counts @ np.log(self.confusion).T + np.log(self.prior)
        logs -= logs.max(axis=1, keepdims=True)
        np.exp(logs, out=logs)
        posterior: Floats = logs / logs.sum(axis=1, keepdims=True)
        return posterior

    def with_prior_of(self, counts: NDArray[Any], multiplicity: NDArray[Any] | None = None) -> Self:
        """The same matrix with the prior under which these units' patterns are most likely, by EM."""
        counts = _counts(counts, self.n_options)
        weights = np.ones(len(counts)) if multiplicity is None else np.asarray(multiplicity, dtype=np.float64)
        weights = np.where(counts.sum(axis=1) > 0, weights, 0.0)
        if not weights.sum():
            raise SharedConfusionError("no unit has a vote; give at least one to estimate the prior on.")
        likelihood = type(self)(self.confusion, np.full(self.n_options, 1 / self.n_options), 0, 0).posterior(counts)
        # From equal shares, so that the answer does not depend on who was known.
        prior = np.full(self.n_options, 1 / self.n_options)
        for _ in range(MOST_ROUNDS):
            joint = likelihood * prior
            joint *= (weights / joint.sum(axis=1))[:, np.newaxis]
            # Half a unit of each option, as from known answers: no option is ruled out for ever.
            found = (joint.sum(axis=0) + 0.5) / (weights.sum() + 0.5 * self.n_options)
            change, prior = float(np.abs(found - prior).max()), found
            if change < TOLERANCE:
                break
        return type(self)(self.confusion, prior, self.n_gold, self.n_gold_votes)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON, and back by ``from_dict``."""
        return {
            "confusion": self.confusion.tolist(),
            "prior": self.prior.tolist(),
            "n_gold": self.n_gold,
            "n_gold_votes": self.n_gold_votes,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """What ``as_dict`` gave."""
        confusion, prior = np.array(stored["confusion"]), np.array(stored["prior"])
        return cls(confusion, prior, int(stored["n_gold"]), int(stored["n_gold_votes"]))


def estimate(counts: NDArray[Any], answers: NDArray[Any], multiplicity: NDArray[Any] | None = None) -> SharedConfusion:
    """From G units with known answers: their counts (G, K), the answers (G,) as options' positions.

    With ``multiplicity`` (G,) a row stands for that many units. Units without a vote tell the prior only.
    """
    counts, answers = np.asarray(counts), np.asarray(answers)
    if counts.ndim != 2 or answers.shape != counts.shape[:1] or not len(answers):
        raise SharedConfusionError(f"{len(answers)} answers; give at least one, and one row of counts for each.")
    n_options = counts.shape[1]
    counts = _counts(counts, n_options)
    if answers.dtype.kind not in "iu" or answers.min() < 0 or answers.max() >= n_options:
        raise SharedConfusionError(f"answers run from {answers.min()} to {answers.max()}; use 0 to {n_options - 1}.")
    weights = np.ones(len(answers)) if multiplicity is None else np.asarray(multiplicity, dtype=np.float64)
    is_answer = (answers == np.arange(n_options)[:, np.newaxis]) * weights
    votes = is_answer @ counts
    confusion = (votes + 1 / n_options + np.eye(n_options)) / (votes.sum(axis=1, keepdims=True) + 2)
    prior = (is_answer.sum(axis=1) + 0.5) / (weights.sum() + 0.5 * n_options)
    return SharedConfusion(confusion, prior, int(weights.sum()), int(votes.sum()))


def _counts(counts: NDArray[Any], n_options: int) -> Floats:
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[1] != n_options or n_options < 2:
        raise SharedConfusionError(f"counts have the shape {counts.shape}; give one row per pattern, {n_options} wide.")
    if counts.size and counts.min() < 0:
        raise SharedConfusionError(f"counts hold {counts.min()}; use whole numbers from 0.")
    return counts.astype(np.float64)
