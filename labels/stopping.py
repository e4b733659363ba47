"""When a unit has votes enough: a table of patterns at which a campaign with a dynamic overlap stops asking.

Between a ``minimum`` of votes and a ``cap``, a unit stops when the most probable option of its pattern has a posterior
(``labels.shared_confusion``) of at least ``threshold``; at the cap it always does. Whether to stop depends on the
pattern alone, never on who voted or in which order, so the rule is a list of patterns that SQL can look up.

The threshold is not a probability to be believed ("stop above .95" spends nearly everything where options are noisy):
it is tuned on known answers to reach a ``target``, the share of right labels. Known answers are dealt into ``FOLDS``
parts; each part's votes are replayed against a matrix estimated on the others, and the cheapest threshold of
``THRESHOLDS`` whose labels are right often enough is taken. The label is the most probable option; two that tie are no
label, hence not right.

Votes are replayed in the order in which they came: where earlier votes decided whether others were asked for, another
order would tell of votes that nobody would have waited for. Only where every known answer has as many votes as the cap
is the order accidental; then up to ``ORDERS`` random ones by a fixed seed are replayed. Known answers of which more
than half have too few votes to follow the policy cannot judge it, and are refused.

What is tuned is how often the most probable option is right. A label set may publish other labels, which say how
readers divide; stopping where one option is sure makes these rare. ``simulate`` counts them beside.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from labels.agreement import wilson
from labels.prefixes import (
    NO_VOTE,
    Bools,
    Ints,
    Pattern,
    Prefixes,
    Publish,
    StoppingError,
    Texts,
    option_counts,
    shuffled,
)
from labels.shared_confusion import SharedConfusion, estimate

NO_GOLD: Final = -1
FOLDS, ORDERS = 5, 20
# Many known answers need no further orders to tell thresholds apart.
MOST_REPLAYS: Final = 20_000
# The lowest stops at the minimum whatever was said; the highest stops at hardly anything.
THRESHOLDS: Final = (*(percent / 100 for percent in range(10, 100)), 0.995, 0.999)
# Digits of a prior that is estimated on other units, so that not every further vote on these makes another table.
PRIOR_DIGITS: Final = 3
# Fewer known answers than these cannot tell .8 from .9.
FEWEST_GOLD: Final = 30
# 9 options and 10 votes: 24,310 patterns at the cap, so tables stay small.
HIGHEST_CAP: Final = 10


@dataclass(frozen=True, eq=False)
class StoppingTable:
    """The patterns of ``minimum`` to ``cap`` - 1 votes that stop, each as its options' positions in rising order.

    They are all that the threshold stops, reachable or not: votes that were there before the table, or were withdrawn
    since, may leave any. ``accuracy`` and ``votes_per_unit`` are those of the replay on ``n_gold`` known answers that
    were held out; where ``n_short`` of them had too few votes to follow the policy, the latter is a lower bound.
    ``is_reached`` tells whether the target was; ``is_sure`` whether the interval's low end is at it too.
    """

    options: tuple[str, ...]
    minimum: int
    cap: int
    target: float
    threshold: float
    is_reached: bool
    accuracy: float
    accuracy_ci95: tuple[float, float]
    votes_per_unit: float
    n_gold: int
    n_short: int
    gold_digest: str
    model: SharedConfusion
    stops: tuple[Pattern, ...]

    @property
    def is_sure(self) -> bool:
        """Whether the accuracy is at least the target even at the low end of its interval."""
        return self.accuracy_ci95[0] >= self.target

    @cached_property
    def _stops(self) -> frozenset[Pattern]:
        return frozenset(self.stops)

    def is_enough(self, counts: Sequence[int]) -> bool:
        """Whether a unit with these counted votes needs no other."""
        pattern = tuple(option for option, count in enumerate(counts) for _ in range(count))
        return len(pattern) >= self.cap or pattern in self._stops

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON, with its ``version``; back by ``from_dict``."""
        return {
            "version": self.version,
            **self._content(),
            "size": len(self.stops),
            "stops": [list(pattern) for pattern in self.stops],
        }

    @cached_property
    def version(self) -> str:
        """SHA-256 (64 hex digits) of everything else: the same votes, answers and policy give the same."""
        content = {**self._content(), "stops": self.stops}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _content(self) -> dict[str, Any]:
        return {
            "options": list(self.options),
            "minimum": self.minimum,
            "cap": self.cap,
            "target": self.target,
            "threshold": self.threshold,
            "is_reached": self.is_reached,
            "accuracy": self.accuracy,
            "accuracy_ci95": list(self.accuracy_ci95),
            "votes_per_unit": self.votes_per_unit,
            "n_gold": self.n_gold,
            "n_short": self.n_short,
            "gold_digest": self.gold_digest,
            "model": self.model.as_dict(),
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """What ``as_dict`` gave; refused if anything in it was changed since."""
        fields = {name: value for name, value in stored.items() if name not in ("version", "size")}
        low, high = fields["accuracy_ci95"]
        table = cls(
            **{
                **fields,
                "options": tuple(fields["options"]),
                "accuracy_ci95": (low, high),
                "model": SharedConfusion.from_dict(fields["model"]),
                "stops": tuple(map(tuple, fields["stops"])),
            }
        )
        if table.version != stored["version"]:
            raise StoppingError(f"the table is not version {stored['version']}; compute it anew from known answers.")
        return table


@dataclass(frozen=True)
class Replay:
    """What a policy would have cost and given on votes that are there.

    ``n_short`` units had too few votes to follow it: they count with the votes that they have, so where there are many,
    ``n_votes`` is a lower bound. ``accuracy`` is the share of right labels among the ``n_gold`` units with a known
    answer, None without any; ``same_as_all`` the share of units with the label that all their votes give.

    Where the published label is no most probable option, ``published`` has how many units get each (and ``NO_LABEL``),
    ``same_published_as_all`` and ``same_published_as_usual`` the shares of units with the published label that all
    their votes give, and that the usual fixed overlap gives.
    """

    policy: str
    n_units: int
    n_votes: int
    n_short: int
    n_gold: int
    accuracy: float | None
    accuracy_ci95: tuple[float, float] | None
    same_as_all: float | None
    published: tuple[tuple[str, int], ...] = ()
    same_published_as_all: float | None = None
    same_published_as_usual: float | None = None

    @property
    def votes_per_unit(self) -> float | None:
        """The mean; None without a unit."""
        return self.n_votes / self.n_units if self.n_units else None


def tune(
    options: Sequence[str],
    votes: NDArray[Any],
    answers: NDArray[Any],
    *,
    minimum: int,
    cap: int,
    target: float,
    prior_counts: NDArray[Any] | None = None,
    prior_multiplicity: NDArray[Any] | None = None,
) -> StoppingTable:
    """The table for a policy, from units with known answers: their votes (G, most), padded with -1, and answers (G,).

    Give the patterns of the units to label as ``prior_counts`` (and ``prior_multiplicity``) where the known answers
    were chosen and are not like these. Raises StoppingError for fewer than ``FEWEST_GOLD`` known answers with votes,
    and where more than half of these have too few to follow the policy.
    """
    votes, answers = np.asarray(votes), np.asarray(answers)
    _check(options, votes, answers, minimum, cap, target)
    has_votes = (votes != NO_VOTE).any(axis=1)
    votes, answers = votes[has_votes], answers[has_votes]
    if len(answers) < FEWEST_GOLD:
        raise StoppingError(f"{len(answers)} known answers have votes; give at least {FEWEST_GOLD}.")

    model_of = _model_of(len(options), votes, answers, prior_counts, prior_multiplicity)
    threshold, accuracy, cost, n_short = _tuned(votes, answers, model_of, minimum, cap, target)
    if 2 * n_short > len(answers):
        raise StoppingError(
            f"{n_short} of {len(answers)} known answers have too few votes to follow {minimum} to {cap}; "
            f"give them more votes (an overlap of up to {cap}), or lower the cap."
        )
    model = model_of(np.arange(len(answers)))
    return StoppingTable(
        options=tuple(options),
        minimum=minimum,
        cap=cap,
        target=target,
        threshold=threshold,
        is_reached=accuracy >= target,
        accuracy=accuracy,
        accuracy_ci95=wilson(accuracy * len(answers), len(answers)),
        votes_per_unit=cost,
        n_gold=len(answers),
        n_short=n_short,
        gold_digest=_digest(options, votes, answers),
        model=model,
        stops=patterns_that_stop(model, minimum, cap, threshold),
    )


def fixed_accuracy(
    options: Sequence[str],
    votes: NDArray[Any],
    answers: NDArray[Any],
    overlaps: Sequence[int],
    *,
    prior_counts: NDArray[Any] | None = None,
    prior_multiplicity: NDArray[Any] | None = None,
) -> list[tuple[float, tuple[float, float]]]:
    """How often fixed overlaps are right on the answers that ``tune`` takes, held out as there, with intervals."""
    votes, answers = np.asarray(votes), np.asarray(answers)
    has_votes = (votes != NO_VOTE).any(axis=1)
    votes, answers = votes[has_votes], answers[has_votes]
    right = np.zeros(len(overlaps))
    model_of = _model_of(len(options), votes, answers, prior_counts, prior_multiplicity)
    for held, model in _folds(len(answers), model_of):
        seen = Prefixes.of(votes[held][:, : max(overlaps)], model)
        for at, overlap in enumerate(overlaps):
            _, labels, _ = seen.stop(np.zeros(seen.sure.shape, dtype=bool), overlap, overlap)
            right[at] += (labels == answers[held]).sum()
    return [(float(each) / len(answers), wilson(float(each), len(answers))) for each in right]


def patterns_that_stop(model: SharedConfusion, minimum: int, cap: int, threshold: float) -> tuple[Pattern, ...]:
    """Of all patterns of ``minimum`` to ``cap`` - 1 votes, those whose highest posterior reaches the threshold."""
    found: list[Pattern] = []
    for n in range(minimum, cap):
        patterns = list(combinations_with_replacement(range(model.n_options), n))
        highest = model.posterior(option_counts(np.array(patterns), model.n_options)).max(axis=1)
        found += [pattern for pattern, sure in zip(patterns, highest, strict=True) if sure >= threshold]
    return tuple(found)


def simulate(
    table: StoppingTable,
    votes: NDArray[Any],
    gold: NDArray[Any] | None = None,
    fixed: Sequence[int] = (2, 3, 5),
    *,
    publish: Publish | None = None,
    usual: int | None = None,
) -> list[Replay]:
    """What the table, and fixed overlaps beside it, would have done with each unit's votes (N, most) in their order.

    ``gold`` (N,) has the known answers' positions, or -1. Units without a vote take no part. Labels are those of the
    table's model under every policy, so that policies differ in votes only; with ``publish`` the published ones are
    counted beside, and compared with those of the ``usual`` fixed overlap.
    """
    votes = np.asarray(votes)
    gold = np.full(len(votes), NO_GOLD) if gold is None else np.asarray(gold)
    has_votes = (votes != NO_VOTE).any(axis=1) if votes.size else np.zeros(len(votes), dtype=bool)
    votes, gold = votes[has_votes], gold[has_votes]
    if not len(votes):
        votes = np.full((0, 1), NO_VOTE)
    elif votes.max() >= len(table.options):
        raise StoppingError(f"a vote has option {votes.max()}; the table knows 0 to {len(table.options) - 1}.")
    seen = Prefixes.of(votes, table.model)
    stops = np.isin(seen.codes, seen.codes_of(table.stops))
    never = np.zeros_like(stops)
    policies = [(f"{table.minimum} to {table.cap}", stops, table.minimum, table.cap)]
    policies += [(f"fixed {overlap}", never, overlap, overlap) for overlap in fixed]
    found = [(name, *seen.stop(stop, low, cap)) for name, stop, low, cap in policies]
    replays = [_replayed(name, seen, gold, used, labels, is_short) for name, used, labels, is_short in found]
    if publish is None:
        return replays
    as_usual = seen.published(seen.stop(never, usual, usual)[0], publish) if usual else None
    as_all = seen.published(seen.n_votes, publish)
    return [
        _with_published(replay, seen.published(used, publish), as_all, as_usual)
        for replay, (_, used, _, _) in zip(replays, found, strict=True)
    ]


def _replayed(name: str, seen: Prefixes, gold: Ints, used: Ints, labels: Ints, is_short: Bools) -> Replay:
    known = gold != NO_GOLD
    n_gold, right = int(known.sum()), int((labels[known] == gold[known]).sum())
    return Replay(
        policy=name,
        n_units=len(gold),
        n_votes=int(used.sum()),
        n_short=int(is_short.sum()),
        n_gold=n_gold,
        accuracy=right / n_gold if n_gold else None,
        accuracy_ci95=wilson(right, n_gold) if n_gold else None,
        same_as_all=float((labels == seen.last()).mean()) if len(gold) else None,
    )


def _with_published(replay: Replay, labels: Texts, as_all: Texts, as_usual: Texts | None) -> Replay:
    names, n_units = np.unique(labels, return_counts=True)
    return replace(
        replay,
        published=tuple(zip(names.tolist(), n_units.tolist(), strict=True)),
        same_published_as_all=float((labels == as_all).mean()) if len(labels) else None,
        same_published_as_usual=float((labels == as_usual).mean()) if len(labels) and as_usual is not None else None,
    )


def _model_of(
    n_options: int,
    votes: Ints,
    answers: Ints,
    prior_counts: NDArray[Any] | None,
    prior_multiplicity: NDArray[Any] | None,
) -> Callable[[Ints], SharedConfusion]:
    """What makes the model of some of the known answers."""

    def model_of(rows: Ints) -> SharedConfusion:
        model = estimate(option_counts(votes[rows], n_options), answers[rows])
        if prior_counts is None:
            return model
        prior = model.with_prior_of(prior_counts, prior_multiplicity).prior
        return replace(model, prior=np.maximum(prior.round(PRIOR_DIGITS), 10.0**-PRIOR_DIGITS))

    return model_of


def _folds(
    n_answers: int, model_of: Callable[[Ints], SharedConfusion]
) -> Iterator[tuple[NDArray[np.intp], SharedConfusion]]:
    """Each part of the known answers, with a model that was not told these."""
    part = np.arange(n_answers) % FOLDS
    for fold in range(FOLDS):
        yield np.flatnonzero(part == fold), model_of(np.flatnonzero(part != fold))


def _tuned(
    votes: Ints, answers: Ints, model_of: Callable[[Ints], SharedConfusion], minimum: int, cap: int, target: float
) -> tuple[float, float, float, int]:
    """Threshold, accuracy, votes per unit and units with too few votes, replayed on parts that were held out."""
    rng = np.random.default_rng(0)
    is_order_accidental = bool(((votes != NO_VOTE).sum(axis=1) >= cap).all())
    orders = max(1, min(ORDERS, MOST_REPLAYS // len(answers))) if is_order_accidental else 1
    right, cost = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS))
    n_short = np.zeros(len(THRESHOLDS))
    for held, model in _folds(len(answers), model_of):
        for _ in range(orders):
            ordered = shuffled(votes[held], rng) if is_order_accidental else votes[held]
            seen = Prefixes.of(ordered[:, :cap], model)
            for at, threshold in enumerate(THRESHOLDS):
                used, labels, is_short = seen.stop(seen.sure >= threshold, minimum, cap)
                right[at] += (labels == answers[held]).sum()
                cost[at] += used.sum()
                n_short[at] += is_short.sum()
    replays = orders * len(answers)
    accuracy, cost = right / replays, cost / replays
    wanted = min(target, float(accuracy.max()))
    # The cheapest that is good enough; of equally cheap ones the best, then the highest threshold.
    best = min(np.flatnonzero(accuracy >= wanted), key=lambda at: (cost[at], -accuracy[at], -at))
    # Whether the target is out of reach can only be told where the votes go far enough for every threshold.
    short = n_short[best] if accuracy[best] >= target else n_short.max()
    return THRESHOLDS[best], float(accuracy[best]), float(cost[best]), round(float(short) / orders)


def _digest(options: Sequence[str], votes: Ints, answers: Ints) -> str:
    """SHA-256 of the known answers and their patterns, in whichever order they come."""
    rows = sorted(
        [answer, *pattern]
        for answer, pattern in zip(answers.tolist(), option_counts(votes, len(options)).tolist(), strict=True)
    )
    return hashlib.sha256(json.dumps([list(options), rows]).encode()).hexdigest()


def _check(
    options: Sequence[str], votes: NDArray[Any], answers: NDArray[Any], minimum: int, cap: int, target: float
) -> None:
    if not 1 <= minimum < cap <= HIGHEST_CAP:
        raise StoppingError(f"minimum {minimum} and cap {cap}; use 1 <= minimum < cap <= {HIGHEST_CAP}.")
    if not 0 < target < 1:
        raise StoppingError(f"target {target}; give the share of right labels wanted, between 0 and 1.")
    if votes.ndim != 2 or answers.shape != votes.shape[:1]:
        raise StoppingError(f"{len(answers)} answers and votes of the shape {votes.shape}; give one row per answer.")
    if votes.size and (votes.max() >= len(options) or answers.max() >= len(options) or answers.min() < 0):
        raise StoppingError(f"a vote or an answer is none of the {len(options)} options' positions; use 0 and up.")
