"""Votes in the order in which they came: what is known of each unit after its first vote, its second, and so on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from labels.dawid_skene import most_probable
from labels.errors import LabelsError
from labels.shared_confusion import SharedConfusion

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Texts = NDArray[np.str_]
Pattern = tuple[int, ...]
# The published label of counted votes per option; None where there is none.
Publish = Callable[[Sequence[int]], str | None]

NO_VOTE: Final = -1
NO_LABEL: Final = "no label"
FEW_CODES: Final = 1 << 22


class StoppingError(LabelsError):
    """A policy or votes from which no table can be made; the message says what would do."""


def in_order(unit: NDArray[Any], option: NDArray[Any], n_units: int | None = None) -> Ints:
    """The votes (V,) that came one after the other, as one row of options per unit, padded with -1: (N, most votes)."""
    unit = np.asarray(unit)
    if not len(unit):
        return np.full((n_units or 0, 0), NO_VOTE, dtype=np.int64)
    order = np.argsort(unit, kind="stable")
    per_unit = np.bincount(unit, minlength=n_units or 0)
    column = np.arange(len(unit)) - np.repeat(np.cumsum(per_unit) - per_unit, per_unit)
    rows = np.full((len(per_unit), int(per_unit.max())), NO_VOTE, dtype=np.int64)
    rows[unit[order], column] = np.asarray(option)[order]
    return rows


def shuffled(votes: Ints, rng: np.random.Generator) -> Ints:
    """Each unit's votes in a random order, the padding still behind them."""
    keys = rng.random(votes.shape)
    keys[votes == NO_VOTE] = 2.0
    shuffled: Ints = np.take_along_axis(votes, keys.argsort(axis=1), axis=1)
    return shuffled


def option_counts(votes: Ints, n_options: int) -> Ints:
    """Votes per option (N, K), of the votes (N, most) of each unit."""
    counts: Ints = (votes[:, :, np.newaxis] == np.arange(n_options)).sum(axis=1)
    return counts


@dataclass(frozen=True, eq=False)
class Prefixes:
    """Each unit after its first, second, ... vote, (N, most): its pattern as a number, its label, how sure that is."""

    base: int
    n_options: int
    n_votes: Ints
    codes: Ints
    labels: Ints
    sure: NDArray[np.float64]

    @classmethod
    def of(cls, votes: Ints, model: SharedConfusion) -> Self:
        """Votes (N, most), padded with -1 behind; no unit is without a vote."""
        base = votes.shape[1] + 1
        if base**model.n_options >= 2**63:
            raise StoppingError(f"units have up to {base - 1} votes; give at most the cap and the overlaps compared.")
        digits = np.where(votes == NO_VOTE, 0, base ** np.maximum(votes, 0))
        codes = digits.cumsum(axis=1)
        unique, where = _distinct(codes, base**model.n_options)
        posterior = model.posterior(_digits(unique, base, model.n_options))
        n_votes = (votes != NO_VOTE).sum(axis=1)
        return cls(base, model.n_options, n_votes, codes, most_probable(posterior)[where], posterior.max(axis=1)[where])

    def codes_of(self, patterns: Sequence[Pattern]) -> Ints:
        fitting = (pattern for pattern in patterns if len(pattern) < self.base)
        return np.array([sum(self.base**option for option in pattern) for pattern in fitting], dtype=np.int64)

    def stop(self, is_stop: Bools, minimum: int, cap: int) -> tuple[Ints, Ints, Bools]:
        """How many votes each unit uses, its label then, and whether it had too few to follow the policy."""
        n = np.arange(1, self.base)
        stops = (n >= minimum) & (n <= self.n_votes[:, np.newaxis]) & (is_stop | (n == cap))
        is_short = ~stops.any(axis=1)
        used = np.where(is_short, np.minimum(self.n_votes, cap), stops.argmax(axis=1) + 1)
        return used, self.labels[np.arange(len(used)), used - 1], is_short

    def last(self) -> Ints:
        """The label that all votes of each unit give."""
        return self.labels[np.arange(len(self.n_votes)), self.n_votes - 1]

    def published(self, used: Ints, publish: Publish) -> Texts:
        """The published label of each unit after so many votes."""
        unique, where = np.unique(self.codes[np.arange(len(used)), used - 1], return_inverse=True)
        counts = _digits(unique, self.base, self.n_options)
        names: Texts = np.array([publish(row) or NO_LABEL for row in counts.tolist()], dtype=np.str_)
        return names[where]


def _digits(codes: Ints, base: int, n_options: int) -> Ints:
    """Counts per option (P, K), of patterns as numbers."""
    counts: Ints = codes[:, np.newaxis] // base ** np.arange(n_options) % base
    return counts


def _distinct(codes: Ints, limit: int) -> tuple[Ints, Ints]:
    """The distinct codes, and the place of each among them. Sorting millions is slow; a table of few codes is not."""
    if limit > FEW_CODES:
        unique, where = np.unique(codes, return_inverse=True)
        return unique, where.reshape(codes.shape)
    is_there = np.zeros(limit, dtype=bool)
    is_there[codes.ravel()] = True
    return np.flatnonzero(is_there), (np.cumsum(is_there) - 1)[codes]
