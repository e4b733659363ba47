"""What a model says of each line, in columns of its own beside the label of the rule.

Models learn from the counted votes up to the cut, whatever became of their texts, and from gold as it stood then: a
later take-down or a new known answer changes no line that stays. A known answer is never told: lines with one have what
the votes alone make likely, or a release would say which texts are gold.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from annotate.models import Campaign
from exports.errors import SnapshotRefused
from labels import dawid_skene, shared_confusion
from labels.dawid_skene import NO_GOLD, POOLED_STRENGTH, UNKNOWN, DawidSkene, most_probable
from labels.shared_confusion import SharedConfusion
from labels.taxonomy import LabelSetSpec

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]

SHARED, POOLED = Campaign.Model.SHARED.value, Campaign.Model.POOLED.value
# Votes that Dawid and Skene's model takes into memory: about 60 bytes each.
MOST_VOTES = 5_000_000

NO_ANSWERS = (
    "The model shared_confusion learns from gold, and there is none with a vote: "
    "add known answers to the campaigns, or choose another model"
)


class Model(Protocol):
    """What was learnt; ``facts`` are its parameters, ready for JSON."""

    @property
    def facts(self) -> dict[str, Any]: ...

    def of_votes(self, counts: Sequence[int]) -> bytes | None:
        """The members of all lines with these counts; None if lines with the same counts may differ."""

    def of_line(self, instruction: int, n_votes: int) -> bytes:
        """The members of one line."""


@dataclass(frozen=True)
class Votes:
    """V counted votes, (V,) each: ids of instructions and of annotators, 0 where unknown, and positions of options.

    ``gold`` has the known answers among these instructions.
    """

    instruction: Ints
    annotator: Ints
    option: Ints
    gold: Mapping[int, int]


def learn(name: str, spec: LabelSetSpec, votes: Votes, fewest: int) -> Model:
    """The model of that name; below ``fewest`` votes a line gets no label of it. Raises SnapshotRefused."""
    return _Shared.learn(spec, votes, fewest) if name == SHARED else _Pooled.learn(spec, votes, fewest)


def gold_facts(gold: Mapping[str, str]) -> dict[str, Any]:
    """How many known answers there were at the cut, and a digest of them."""
    return {"answers": len(gold), "sha256": hashlib.sha256(orjson.dumps(dict(sorted(gold.items())))).hexdigest()}


@dataclass(frozen=True, eq=False)
class _Shared:
    spec: LabelSetSpec
    model: SharedConfusion
    fewest: int
    facts: dict[str, Any]

    @classmethod
    def learn(cls, spec: LabelSetSpec, votes: Votes, fewest: int) -> _Shared:
        known, unit = np.unique(votes.instruction, return_inverse=True)
        if not len(known):
            raise SnapshotRefused(NO_ANSWERS)
        size = len(spec.options)
        counts = np.bincount(unit * size + votes.option, minlength=len(known) * size).reshape(-1, size)
        answers = np.array([votes.gold[one] for one in known.tolist()], dtype=np.int64)
        found = shared_confusion.estimate(counts, answers)
        facts = {
            "n_gold": found.n_gold,
            "n_gold_votes": found.n_gold_votes,
            "prior": _rounded(found.prior),
            "confusion": _rounded(found.confusion),
        }
        return cls(spec, found, fewest, facts)

    def of_votes(self, counts: Sequence[int]) -> bytes:
        return _members(self.spec, self.model.posterior(np.array([counts]))[0], sum(counts) >= self.fewest)

    def of_line(self, instruction: int, n_votes: int) -> bytes:
        raise NotImplementedError  # lines with the same counts have the same members


@dataclass(frozen=True, eq=False)
class _Pooled:
    spec: LabelSetSpec
    units: array[int]  # rising ids of instructions
    posteriors: Floats
    fewest: int
    facts: dict[str, Any]

    @classmethod
    def learn(cls, spec: LabelSetSpec, votes: Votes, fewest: int) -> _Pooled:
        units, unit = np.unique(votes.instruction, return_inverse=True)
        people, annotator = np.unique(votes.annotator, return_inverse=True)
        unknown = int(people[0] == 0)
        gold = np.full(len(units), NO_GOLD)
        for one, answer in votes.gold.items():
            at = int(np.searchsorted(units, one))
            if at < len(units) and units[at] == one:
                gold[at] = answer
        annotator = annotator - unknown if unknown else annotator
        found = dawid_skene.fit(
            unit, annotator, votes.option, n_options=len(spec.options), gold=gold, strength=POOLED_STRENGTH
        )
        posteriors = _without_gold(found, gold, unit, annotator, votes.option)
        convergence = found.convergence()
        facts = {
            "n_votes": len(votes.instruction),
            "n_annotators": len(people) - unknown,
            "n_gold": int((gold != NO_GOLD).sum()),
            "strength": found.strength,
            "tolerance_per_vote": found.tolerance,
            "rounds": found.rounds,
            "is_converged": found.is_converged,
            "last_change_per_vote": _rounded(convergence["last_change_per_vote"]),
            "prior": _rounded(found.prior),
            "pooled": _rounded(found.pooled),
        }
        return cls(spec, array("q", units.astype(np.int64).tobytes()), posteriors, fewest, facts)

    def of_votes(self, counts: Sequence[int]) -> None:
        return None

    def of_line(self, instruction: int, n_votes: int) -> bytes:
        at = bisect_left(self.units, instruction)
        return _members(self.spec, self.posteriors[at], n_votes >= self.fewest)


def _without_gold(found: DawidSkene, gold: Ints, unit: Ints, annotator: Ints, option: Ints) -> Floats:
    """The posteriors, those of units with a known answer made of their votes alone."""
    known = np.flatnonzero(gold != NO_GOLD)
    if not len(known):
        return found.posteriors
    of_known = np.flatnonzero(gold[unit] != NO_GOLD)
    # In the order of the votes' own numbers: the last bit of a sum depends on it.
    of_known = of_known[np.lexsort((option[of_known], annotator[of_known], unit[of_known]))]
    matrices = np.log(np.concatenate([found.confusion, found.pooled[None]]))
    who = np.where(annotator[of_known] == UNKNOWN, len(found.confusion), annotator[of_known])
    logs = np.tile(np.log(np.maximum(found.prior, dawid_skene.FLOOR)), (len(known), 1))
    np.add.at(logs, np.searchsorted(known, unit[of_known]), matrices[who, :, option[of_known]])
    likely = np.exp(logs - logs.max(axis=1, keepdims=True))
    posteriors: Floats = found.posteriors.copy()
    posteriors[known] = likely / likely.sum(axis=1, keepdims=True)
    return posteriors


def _members(spec: LabelSetSpec, posterior: Floats, is_labelled: bool) -> bytes:
    """``model_label`` and ``model_distribution`` as members of an object in JSON."""
    best = int(most_probable(posterior[None])[0]) if is_labelled else -1
    shares = [round(share, 6) for share in posterior.tolist()]
    label = "" if best < 0 else spec.option_names[best]
    told = {"model_label": label, "model_distribution": dict(zip(spec.option_names, shares, strict=True))}
    return orjson.dumps(told)[1:-1]


def _rounded(value: Any) -> Any:
    """Ten decimals, as in the statistics."""
    return None if value is None else np.round(value, 10).tolist()
