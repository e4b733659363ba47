"""Who errs how, and what is then the most likely label: Dawid and Skene's model, estimated on raw votes.

Every unit has one true option; annotator a, shown a unit whose true option is k, votes l with probability
``confusion[a, k, l]``, whatever the others say. EM (Dawid and Skene, "Maximum Likelihood Estimation of Observer
Error-Rates Using the EM Algorithm", Applied Statistics 28(1), 1979, equations 2.3 to 2.5), N units, V votes:

    E:  q_i(k) ~ prior(k) prod_{votes (i, a, l)} confusion[a, k, l]
    M:  prior(k) = sum_i q_i(k) / N,   confusion[a, k, l] = n_akl / sum_l n_akl,   n_akl = sum_{votes (i, a, l)} q_i(k)

started from each unit's shares of votes. With 20 to 60 votes an annotator's own matrix is mostly noise, and the plain
model is then worse than a median and far too sure. So there is a pooled prior: with ``strength`` s,

    confusion[a, k, l] = (n_akl + s pooled[k, l]) / (sum_l n_akl + s)
    pooled[k, l] = (n_kl + 1/K + [k = l]) / (n_k + 2)

where n_kl sums n_akl over all votes, and the two votes added to each row (one that is right, one at random) keep an
option that hardly anybody used from dissolving into the common ones. It is the posterior mean under a Dirichlet prior
that is worth s votes on units of each true option and is centred on the matrix that all annotators share (Kim and
Ghahramani, "Bayesian Classifier Combination", 2012, there with priors given beforehand). ``s = 0`` is the plain model,
s without bound one matrix for all. An unknown annotator (-1) may be anybody and has the pooled matrix.

Units with a known answer are clamped to it. The same votes give the same result to the last bit, in whichever order
they come. Log-space throughout; pure numpy. Peak memory is about 60 bytes a vote and 25 K bytes a unit.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labels.errors import LabelsError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNKNOWN: Final = -1
NO_GOLD: Final = -1
# What the prior of the pooled variant is worth, in votes per true option. Fixed, so that a label does not move because
# the strength did; chosen in simulated worlds (`python -m bench.overlap_worlds`): less gains where annotators differ
# much, but where they are alike it loses to the median and is too sure; this hardly loses anywhere.
POOLED_STRENGTH: Final = 20.0
# Mean change of the log likelihood per vote below which EM stops, and the most rounds that it gets.
TOLERANCE: Final = 1e-5
MOST_ROUNDS: Final = 100
# A plain matrix may hold 0, whose logarithm would let one vote veto an option for ever.
FLOOR: Final = 1e-10


class DawidSkeneError(LabelsError):
    """Votes that the model cannot be estimated on; the message says which ones and what would do."""


@dataclass(frozen=True, eq=False)
class DawidSkene:
    """The estimate: N units, A annotators, K options; a unit without a vote has the prior, or its known answer.

    ``confusion`` (A, K true, K voted) has the pooled matrix, or where there is no prior 1/K, for whoever has no vote.
    ``log_likelihood`` holds that of all votes (natural logarithm) before each round's M step. ``n_votes`` (A,).
    """

    posteriors: Floats
    confusion: Floats
    pooled: Floats
    prior: Floats
    n_votes: Ints
    strength: float
    log_likelihood: tuple[float, ...]
    tolerance: float
    is_converged: bool

    @property
    def rounds(self) -> int:
        """How many rounds of E and M steps were made."""
        return len(self.log_likelihood)

    @property
    def last_change(self) -> float | None:
        """The last round's change of the log likelihood per vote; None after a single round."""
        if self.rounds < 2:
            return None
        return (self.log_likelihood[-1] - self.log_likelihood[-2]) / max(1, int(self.n_votes.sum()))

    @property
    def labels(self) -> Ints:
        """The most probable option of each unit, (N,); options as probable to 1e-12 are a tie, told by -1."""
        return most_probable(self.posteriors)

    def convergence(self) -> dict[str, Any]:
        """How the estimate came about, ready for JSON."""
        return {
            "rounds": self.rounds,
            "is_converged": self.is_converged,
            "tolerance_per_vote": self.tolerance,
            "last_change_per_vote": self.last_change,
            "log_likelihood": list(self.log_likelihood),
            "strength": self.strength,
        }


def most_probable(posteriors: Floats) -> Ints:
    """The column of each row's largest number, or -1 where another is as large to 1e-12: a tie is no label."""
    best: Ints = posteriors.argmax(axis=1)
    ties = (posteriors >= posteriors.max(axis=1, keepdims=True) - 1e-12).sum(axis=1) > 1
    return np.where(ties, -1, best)


def fit(
    unit: NDArray[Any],
    annotator: NDArray[Any],
    option: NDArray[Any],
    *,
    n_options: int,
    n_units: int | None = None,
    n_annotators: int | None = None,
    gold: NDArray[Any] | None = None,
    strength: float = 0.0,
    tolerance: float = TOLERANCE,
    most_rounds: int = MOST_ROUNDS,
) -> DawidSkene:
    """Estimate the model on V votes: ``unit``, ``annotator`` (-1: unknown) and ``option`` are whole numbers, (V,).

    ``gold`` (N,) is the known answer of a unit, or -1. EM stops when a round changes the log likelihood by less than
    ``tolerance`` per vote, or after ``most_rounds``; ``is_converged`` tells which.
    """
    votes = _Votes.sorted(unit, annotator, option, n_options, n_units, n_annotators)
    clamped = _gold(gold, votes)
    if strength < 0 or most_rounds < 1:
        raise DawidSkeneError(f"strength {strength} and {most_rounds} rounds; give 0 or more, and 1 or more.")
    model = _Model(votes, clamped, strength)
    model.start()
    trace: list[float] = []
    is_converged = False
    while len(trace) < most_rounds and not is_converged:
        trace.append(model.expect())
        model.maximise()
        is_converged = len(trace) > 1 and abs(trace[-1] - trace[-2]) < tolerance * votes.n_votes
    posteriors = np.tile(model.prior, (votes.n_units, 1))
    posteriors[votes.voted] = model.q.T
    if gold is not None:
        known = np.asarray(gold) != NO_GOLD
        posteriors[known] = np.eye(n_options)[np.asarray(gold)[known]]
    return DawidSkene(
        posteriors=posteriors,
        confusion=model.confusion[: votes.n_annotators],
        pooled=model.pooled,
        prior=model.prior,
        n_votes=votes.per_annotator(),
        strength=strength,
        log_likelihood=tuple(trace),
        tolerance=tolerance,
        is_converged=is_converged,
    )


@dataclass(frozen=True, eq=False)
class _Votes:
    """V votes in the order of unit, annotator, option. Only units with a vote take part: ``voted`` (M,) are these.

    ``cell`` (V,) is annotator x K + option, with the unknown annotator last; ``start`` and ``per_unit`` (M,) are each
    voted unit's first vote and how many it has.
    """

    n_options: int
    n_units: int
    n_annotators: int
    voted: Ints
    start: Ints
    per_unit: Ints
    cell: Ints

    @property
    def n_votes(self) -> int:
        return len(self.cell)

    @property
    def n_cells(self) -> int:
        return (self.n_annotators + 1) * self.n_options

    def per_annotator(self) -> Ints:
        counts = np.bincount(self.cell, minlength=self.n_cells).reshape(-1, self.n_options)
        votes: Ints = counts.sum(axis=1)[: self.n_annotators]
        return votes

    @classmethod
    def sorted(
        cls,
        unit: NDArray[Any],
        annotator: NDArray[Any],
        option: NDArray[Any],
        n_options: int,
        n_units: int | None,
        n_annotators: int | None,
    ) -> "_Votes":
        """Sorted by one whole number per vote, so that the order in which votes come cannot change a last bit."""
        columns = {"unit": np.asarray(unit), "annotator": np.asarray(annotator), "option": np.asarray(option)}
        if len({column.shape for column in columns.values()}) > 1 or columns["unit"].ndim != 1:
            raise DawidSkeneError("unit, annotator and option differ in length; give one of each per vote.")
        if not len(columns["unit"]):
            raise DawidSkeneError("there is no vote; give at least one.")
        if n_options < 2:
            raise DawidSkeneError(f"{n_options} options leave nothing to decide; give at least two.")
        units = _size("unit", columns["unit"], n_units, 0)
        annotators = _size("annotator", columns["annotator"], n_annotators, UNKNOWN)
        _size("option", columns["option"], n_options, 0)
        cells = (annotators + 1) * n_options
        key = columns["annotator"].astype(np.int64)
        key[key == UNKNOWN] = annotators
        key *= n_options
        key += columns["option"]
        key += columns["unit"].astype(np.int64) * cells
        key.sort()
        cell = key % cells
        key //= cells
        is_first = np.empty(len(key), dtype=bool)
        is_first[0] = True
        np.not_equal(key[1:], key[:-1], out=is_first[1:])
        start = np.flatnonzero(is_first)
        per_unit = np.diff(start, append=len(key))
        return cls(n_options, units, annotators, key[start], start, per_unit, cell)


def _size(name: str, column: NDArray[Any], size: int | None, least: int) -> int:
    if column.dtype.kind not in "iu":
        raise DawidSkeneError(f"{name} is {column.dtype}; give whole numbers.")
    highest = int(column.max())
    size = highest + 1 if size is None else size
    if int(column.min()) < least or highest >= size:
        found = int(column.min()) if int(column.min()) < least else highest
        raise DawidSkeneError(f"a vote has {name} {found}; use {least} to {size - 1}.")
    return max(size, 0)


def _gold(gold: NDArray[Any] | None, votes: _Votes) -> NDArray[np.int64] | None:
    """The known answers of the voted units."""
    if gold is None:
        return None
    gold = np.asarray(gold)
    if gold.shape != (votes.n_units,):
        raise DawidSkeneError(f"gold has the shape {gold.shape}; give one number per unit, {votes.n_units}.")
    if gold.size:
        _size("gold", gold, votes.n_options, NO_GOLD)
    of_voted: NDArray[np.int64] = gold.astype(np.int64)[votes.voted]
    return of_voted


class _Model:
    """The numbers that a round changes. ``q`` (K, M) are the posteriors, option by option, for contiguous columns."""

    q: Floats
    prior: Floats
    pooled: Floats
    confusion: Floats

    def __init__(self, votes: _Votes, gold: NDArray[np.int64] | None, strength: float) -> None:
        self.votes, self.strength = votes, strength
        known = np.empty(0, dtype=np.int64) if gold is None else np.flatnonzero(gold != NO_GOLD)
        self.known, self.answer = known, (known if gold is None else gold[known])

    def start(self) -> None:
        """Each unit's shares of votes, and the parameters that follow from them."""
        votes = self.votes
        code = np.repeat(np.arange(len(votes.voted)) * votes.n_options, votes.per_unit)
        code += votes.cell % votes.n_options
        counts = np.bincount(code, minlength=len(votes.voted) * votes.n_options)
        self.q = np.ascontiguousarray(counts.reshape(-1, votes.n_options).T, dtype=np.float64)
        self.q /= votes.per_unit
        self._clamp()
        self.maximise()

    def _clamp(self) -> None:
        if len(self.known):
            self.q[:, self.known] = 0.0
            self.q[self.answer, self.known] = 1.0

    def maximise(self) -> None:
        """The M step: prior and matrices from the posteriors."""
        votes, k = self.votes, self.votes.n_options
        self.prior = self.q.mean(axis=1)
        counts = np.empty((votes.n_annotators + 1, k, k))
        for true in range(k):
            weights = np.repeat(self.q[true], votes.per_unit)
            counts[:, true] = np.bincount(votes.cell, weights=weights, minlength=votes.n_cells).reshape(-1, k)
        common = counts.sum(axis=0)
        self.pooled = (common + 1 / k + np.eye(k)) / (common.sum(axis=1, keepdims=True) + 2)
        counts += self.strength * self.pooled
        # A row without any weight says nothing: floored, it comes out as 1/K.
        np.maximum(counts, FLOOR, out=counts)
        self.confusion = counts / counts.sum(axis=2, keepdims=True)
        self.confusion[-1] = self.pooled

    def expect(self) -> float:
        """The E step: posteriors from prior and matrices; the log likelihood of all votes under these."""
        votes = self.votes
        logs = np.log(self.confusion)
        log_prior = np.log(np.maximum(self.prior, FLOOR))
        for true in range(votes.n_options):
            table = np.ascontiguousarray(logs[:, true, :]).ravel()
            np.add.reduceat(table.take(votes.cell), votes.start, out=self.q[true])
        self.q += log_prior[:, np.newaxis]
        known = self.q[self.answer, self.known]
        highest = self.q.max(axis=0)
        self.q -= highest
        np.exp(self.q, out=self.q)
        total = self.q.sum(axis=0)
        self.q /= total
        np.log(total, out=total)
        total += highest
        total[self.known] = known
        self._clamp()
        return float(total.sum())
