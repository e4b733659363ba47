"""The one shared shape of votes: how many units have each pattern of counts.

A *pattern* is the counts per vote option of one unit; its *multiplicity* is how many units have it. Three votes over
five options give at most 35 patterns for any number of units, partial tables add, and every coefficient that does not
ask who voted is computed from this table. Pure numpy.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from labels.errors import LabelsError


class VotesError(LabelsError):
    """Votes that do not fit the options; the message says which ones and what would."""


@dataclass(frozen=True, eq=False)
class PatternTable:
    """P patterns over K options: ``counts`` (P, K) and ``multiplicity`` (P,), each pattern once, in rising order."""

    options: tuple[str, ...]
    counts: NDArray[np.int64]
    multiplicity: NDArray[np.int64]

    @classmethod
    def from_counts(
        cls, options: Sequence[str], vectors: Iterable[Sequence[int]], multiplicities: Iterable[int] | None = None
    ) -> Self:
        """The table of units given by their count vectors, K whole numbers each.

        With ``multiplicities``, as from SQL's GROUP BY, the n-th vector stands for that many units.
        """
        patterns: Counter[tuple[int, ...]] = Counter()
        if multiplicities is None:
            patterns.update(map(tuple, vectors))
        else:
            for vector, multiplicity in zip(vectors, multiplicities, strict=True):
                if not _is_count(multiplicity):
                    raise VotesError(f"counts {list(vector)} occur {multiplicity!r} times; use whole numbers from 0.")
                patterns[tuple(vector)] += multiplicity
        return cls._of(options, patterns)

    @classmethod
    def from_ratings(cls, options: Sequence[str], units: Iterable[Iterable[str]]) -> Self:
        """The table of units given by their votes, each the name of an option; a unit may have no vote."""
        position = {option: at for at, option in enumerate(options)}
        patterns: Counter[tuple[int, ...]] = Counter()
        for number, votes in enumerate(units, start=1):
            vector = [0] * len(options)
            for vote in votes:
                if vote not in position:
                    raise VotesError(f"unit {number} has a vote for {vote!r}; the options are {', '.join(options)}.")
                vector[position[vote]] += 1
            patterns[tuple(vector)] += 1
        return cls._of(options, patterns)

    @classmethod
    def _of(cls, options: Sequence[str], patterns: Counter[tuple[int, ...]]) -> Self:
        options = tuple(options)
        if not options or len(set(options)) != len(options):
            raise VotesError(f"the options are {list(options)}; name at least one, each once.")
        for pattern in patterns:
            _check(pattern, options)
        ordered = sorted(pattern for pattern, multiplicity in patterns.items() if multiplicity)
        counts = np.array(ordered, dtype=np.int64).reshape(len(ordered), len(options))
        multiplicity = np.array([patterns[pattern] for pattern in ordered], dtype=np.int64)
        counts.flags.writeable = multiplicity.flags.writeable = False
        return cls(options, counts, multiplicity)

    def merge(self, other: Self) -> Self:
        """The table of the units of both, which must not overlap: shards and sources add."""
        if self.options != other.options:
            raise VotesError(f"options {list(self.options)} and {list(other.options)} differ; merge like with like.")
        return type(self).from_counts(
            self.options,
            [*self.counts.tolist(), *other.counts.tolist()],
            [*self.multiplicity.tolist(), *other.multiplicity.tolist()],
        )

    __add__ = merge

    @property
    def per_unit(self) -> NDArray[np.int64]:
        """Votes per unit of each pattern, (P,)."""
        votes: NDArray[np.int64] = self.counts.sum(axis=1)
        return votes

    @property
    def n_units(self) -> int:
        """All units, those without a vote included."""
        return int(self.multiplicity.sum())

    @property
    def n_votes(self) -> int:
        """All votes on all units."""
        return int(self.per_unit @ self.multiplicity)

    @property
    def n_pairable(self) -> int:
        """Units with two votes or more: only these tell anything about agreement."""
        return int(self.multiplicity[self.per_unit >= 2].sum())


def _check(pattern: tuple[int, ...], options: tuple[str, ...]) -> None:
    if len(pattern) != len(options):
        raise VotesError(f"counts {list(pattern)} are for {len(pattern)} options; there are {len(options)}.")
    for count in pattern:
        if not _is_count(count):
            raise VotesError(f"counts {list(pattern)} hold {count!r}; use whole numbers from 0.")


def _is_count(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 0
