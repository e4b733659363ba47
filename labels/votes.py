"""The two shared shapes of votes: how many units have each pattern of counts, and who voted what beside which pattern.

A *pattern* is the counts per vote option of one unit; its *multiplicity* is how many units have it. Three votes over
five options give at most 35 patterns for any number of units, partial tables add, and every coefficient that does not
ask who voted is computed from this table; what asks who voted, from the other. Pure numpy.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from labels.errors import LabelsError

type Ints = NDArray[np.int64]


class VotesError(LabelsError):
    """Votes that do not fit the options; the message says which ones and what would."""


@dataclass(frozen=True, eq=False)
class PatternTable:
    """P patterns over K options: ``counts`` (P, K) and ``multiplicity`` (P,), each pattern once, in rising order."""

    options: tuple[str, ...]
    counts: Ints
    multiplicity: Ints

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
    def from_array(
        cls, options: Sequence[str], counts: NDArray[np.integer[Any]], multiplicity: Ints | None = None
    ) -> Self:
        """The table of N units given by an array of whole numbers (N, K); fast, for millions of units.

        With ``multiplicity`` (N,), the n-th row stands for that many units.
        """
        if multiplicity is not None:
            return _tabulate(cls, options, counts, multiplicity)[0]
        options = _checked_options(options)
        return cls(options, *_frozen(*_counted_rows(_checked_counts(options, counts))))

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
        options = _checked_options(options)
        for pattern in patterns:
            _check(pattern, options)
        ordered = sorted(pattern for pattern, multiplicity in patterns.items() if multiplicity)
        counts = np.array(ordered, dtype=np.int64).reshape(len(ordered), len(options))
        multiplicity = np.array([patterns[pattern] for pattern in ordered], dtype=np.int64)
        return cls(options, *_frozen(counts, multiplicity))

    def merge(self, other: Self) -> Self:
        """The table of the units of both, which must not overlap: shards and sources add."""
        return _merge_patterns(self, other)[0]

    __add__ = merge

    @property
    def per_unit(self) -> Ints:
        """Votes per unit of each pattern, (P,)."""
        votes: Ints = self.counts.sum(axis=1)
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


@dataclass(frozen=True, eq=False)
class VoterTable:
    """Who voted what beside which pattern: R rows, each an annotator's vote for an option in units of one pattern.

    ``annotator``, ``pattern``, ``option`` and ``count`` are (R,): the index in ``annotators``, the row in
    ``patterns.counts`` (which includes this vote), the index in ``patterns.options``, and how many such votes there
    are. ``patterns`` is of all units; votes of unknown annotators are in it, and in no row. An annotator votes at most
    once on a unit.
    """

    patterns: PatternTable
    annotators: tuple[str, ...]
    annotator: Ints
    pattern: Ints
    option: Ints
    count: Ints

    @classmethod
    def from_votes(
        cls, options: Sequence[str], unit: Ints, annotator: Ints, option: Ints, annotators: Sequence[str]
    ) -> Self:
        """Both tables of V votes, (V,) each: any number for the unit, the indices of the annotator and the option.

        An annotator of -1 is unknown. Units without a vote are not known here. VotesError where indices do not exist
        or an annotator votes twice on a unit.
        """
        options, annotators = _checked_options(options), tuple(annotators)
        unit, annotator, option = (np.asarray(column, dtype=np.int64) for column in (unit, annotator, option))
        if not unit.shape == annotator.shape == option.shape or unit.ndim != 1:
            raise VotesError(f"{unit.shape} units, {annotator.shape} annotators, {option.shape} options; give V each.")
        _check_index("annotator", annotator, -1, len(annotators))
        _check_index("option", option, 0, len(options))
        _, unit = distinct_rows((unit - unit.min(initial=0))[:, None])
        _check_single(unit, annotator, annotators)
        size = int(unit.max(initial=-1)) + 1
        counts = np.bincount(unit * len(options) + option, minlength=size * len(options))
        patterns, place = _tabulate(PatternTable, options, counts.reshape(size, len(options)))
        if annotator.min(initial=0) < 0:
            known = annotator >= 0
            unit, annotator, option = unit[known], annotator[known], option[known]
        return cls.from_counts(patterns, annotators, annotator, place[unit], option)

    @classmethod
    def from_counts(
        cls,
        patterns: PatternTable,
        annotators: tuple[str, ...],
        annotator: Ints,
        pattern: Ints,
        option: Ints,
        count: Ints | None = None,
    ) -> Self:
        """The table of rows (R,) that may repeat, with ``count`` or once each, in the order of annotators."""
        n_patterns, n_options = patterns.counts.shape
        code = annotator * n_patterns
        code += pattern
        code *= n_options
        code += option
        space = len(annotators) * n_patterns * n_options
        if space <= 4 * len(code):
            totals = np.bincount(code, count, minlength=space).astype(np.int64)
            codes = np.flatnonzero(totals)
            total = totals[codes]
        else:
            codes, place = np.unique(code, return_inverse=True)
            total = np.zeros(len(codes), dtype=np.int64)
            np.add.at(total, place, 1 if count is None else count)
        rest, option = np.divmod(codes, n_options)
        return cls(patterns, annotators, rest // max(n_patterns, 1), rest % max(n_patterns, 1), option, total)

    def merge(self, other: Self) -> Self:
        """The table of the units of both, which must not overlap; annotators of the same name are the same."""
        patterns, place = _merge_patterns(self.patterns, other.patterns)
        annotators = tuple(dict.fromkeys([*self.annotators, *other.annotators]))
        index = {name: at for at, name in enumerate(annotators)}
        of_other = np.array([index[name] for name in other.annotators], dtype=np.int64)
        return self.from_counts(
            patterns,
            annotators,
            np.concatenate([self.annotator, of_other[other.annotator]]),
            place[np.concatenate([self.pattern, other.pattern + len(self.patterns.counts)])],
            np.concatenate([self.option, other.option]),
            np.concatenate([self.count, other.count]),
        )

    __add__ = merge

    @property
    def n_annotators(self) -> int:
        """Annotators with a vote."""
        return int(np.count_nonzero(np.bincount(self.annotator, minlength=len(self.annotators))))

    @property
    def n_unknown(self) -> int:
        """Votes whose annotator is not known."""
        return self.patterns.n_votes - int(self.count.sum())


def _tabulate[T: PatternTable](
    kind: type[T], options: Sequence[str], counts: NDArray[np.integer[Any]], multiplicity: Ints | None = None
) -> tuple[T, Ints]:
    """The table of N units, and the row in it of each of them (N,)."""
    options = _checked_options(options)
    distinct, place = distinct_rows(_checked_counts(options, counts))
    if multiplicity is None:
        return kind(options, *_frozen(distinct, np.bincount(place, minlength=len(distinct)))), place
    totals = np.zeros(len(distinct), dtype=np.int64)
    np.add.at(totals, place, multiplicity)
    kept = totals > 0
    return kind(options, *_frozen(distinct[kept], totals[kept])), (np.cumsum(kept) - 1)[place]


def _merge_patterns[T: PatternTable](one: T, other: T) -> tuple[T, Ints]:
    """The table of the units of both, and the row in it of each pattern of the one, then of the other."""
    if one.options != other.options:
        raise VotesError(f"options {list(one.options)} and {list(other.options)} differ; merge like with like.")
    counts = np.concatenate([one.counts, other.counts])
    return _tabulate(type(one), one.options, counts, np.concatenate([one.multiplicity, other.multiplicity]))


def _frozen(*arrays: Ints) -> tuple[Ints, ...]:
    for array in arrays:
        array.flags.writeable = False
    return arrays


def distinct_rows(rows: NDArray[np.integer[Any]]) -> tuple[Ints, Ints]:
    """The distinct rows in rising order (P, K), and the place among them of each row (N,); rows hold numbers from 0."""
    code, sizes = _encoded(rows)
    if code is None:
        distinct, place = np.unique(rows, axis=0, return_inverse=True)
        return distinct.astype(np.int64), place.reshape(-1)
    if prod(sizes) <= 4 * len(rows):
        occurs = np.bincount(code, minlength=prod(sizes)) > 0
        return _decoded(np.flatnonzero(occurs), sizes), (np.cumsum(occurs) - 1)[code]
    codes, place = np.unique(code, return_inverse=True)
    return _decoded(codes, sizes), place


def _counted_rows(rows: NDArray[np.integer[Any]]) -> tuple[Ints, Ints]:
    """The distinct rows in rising order (P, K), and how often each occurs (P,)."""
    code, sizes = _encoded(rows)
    if code is None or prod(sizes) > 4 * len(rows):
        distinct, place = distinct_rows(rows)
        return distinct, np.bincount(place, minlength=len(distinct))
    times = np.bincount(code, minlength=prod(sizes))
    codes = np.flatnonzero(times)
    return _decoded(codes, sizes), times[codes]


def _encoded(rows: NDArray[np.integer[Any]]) -> tuple[Ints | None, list[int]]:
    """Each row as one number of mixed radix (N,), and the radices; None where it would be too large.

    Counting or sorting numbers is far faster than sorting rows. One radix for all columns is found faster than several.
    """
    sizes = [int(rows.max(initial=0)) + 1] * rows.shape[1]
    if prod(sizes) > 4 * len(rows):
        sizes = [int(size) + 1 for size in rows.max(axis=0, initial=0)]
    if prod(sizes) > np.iinfo(np.int64).max:
        return None, sizes
    radix = np.array([prod(sizes[at + 1 :]) for at in range(len(sizes))], dtype=np.int64)
    return rows.astype(np.int64, copy=False) @ radix, sizes


def _decoded(codes: Ints, sizes: list[int]) -> Ints:
    rows = np.empty((len(codes), len(sizes)), dtype=np.int64)
    for at in reversed(range(len(sizes))):
        codes, rows[:, at] = np.divmod(codes, sizes[at])
    return rows


def _checked_options(options: Sequence[str]) -> tuple[str, ...]:
    options = tuple(options)
    if not options or len(set(options)) != len(options):
        raise VotesError(f"the options are {list(options)}; name at least one, each once.")
    return options


def _checked_counts(options: tuple[str, ...], counts: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[1] != len(options) or counts.dtype.kind not in "iu":
        raise VotesError(
            f"counts are an array {counts.shape} of {counts.dtype}; use whole numbers (N, {len(options)})."
        )
    if counts.size and counts.min() < 0:
        raise VotesError(f"counts hold {counts.min()}; use whole numbers from 0.")
    return counts


def _check_index(name: str, column: Ints, lowest: int, size: int) -> None:
    if column.size and not lowest <= column.min() <= column.max() < size:
        raise VotesError(f"{name} {column.min()} to {column.max()} are given; there are {size}, counted from 0.")


def _check_single(unit: Ints, annotator: Ints, annotators: tuple[str, ...]) -> None:
    known = annotator >= 0
    pairs = np.sort(unit[known] * len(annotators) + annotator[known])
    repeated = pairs[1:][pairs[1:] == pairs[:-1]]
    if repeated.size:
        name = annotators[int(repeated[0]) % len(annotators)]
        raise VotesError(f"{repeated.size} votes are a second one of an annotator on a unit, as by {name!r}; keep one.")


def _check(pattern: tuple[int, ...], options: tuple[str, ...]) -> None:
    if len(pattern) != len(options):
        raise VotesError(f"counts {list(pattern)} are for {len(pattern)} options; there are {len(options)}.")
    for count in pattern:
        if not _is_count(count):
            raise VotesError(f"counts {list(pattern)} hold {count!r}; use whole numbers from 0.")


def _is_count(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 0
