"""Who voted what beside which pattern, of exactly the lines that are published, while these go by.

A vote's *place* says what its line has in common with others and which of their votes it is. What a place adds to each
table is looked up once; after that a line costs only the ids of its annotators, in arrays.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labels.taxonomy import LabelSetSpec
from labels.votes import PatternTable, VoterTable

if TYPE_CHECKING:
    from exports.groups import Ballot, Group

type Ints = NDArray[np.int64]
type Slice = Hashable  # what a part of a table is told by
type Pattern = tuple[int, ...]

UNKNOWN = 0  # no annotator has this id
NOWHERE = -1
# Cells that may wait until they are added up.
WAITING = 1_000_000


@dataclass
class Cells:
    """One table while it is counted: units of each slice and pattern, and votes of each annotator in them."""

    units: Counter[tuple[Slice, Pattern]] = field(default_factory=Counter)
    numbers: dict[tuple[Slice, Pattern, int], int] = field(default_factory=dict)
    of_place: array[int] = field(default_factory=lambda: array("q"))
    counted: list[tuple[Ints, Ints, Ints]] = field(default_factory=list)  # annotators, numbers of cells, votes
    waiting: int = 0

    def number(self, part: Slice, pattern: Pattern, option: int) -> int:
        return self.numbers.setdefault((part, pattern, option), len(self.numbers))

    def add(self, places: Ints, annotators: Ints, n_annotators: int) -> None:
        """Count votes, given by their places and the indices of their annotators."""
        # A copy: an array that is looked at cannot grow.
        cells = np.array(self.of_place, dtype=np.int64)[places]
        seen = cells >= 0
        if not seen.all():
            cells, annotators = cells[seen], annotators[seen]
        size = max(1, len(self.numbers))
        codes = annotators * size + cells
        if n_annotators * size <= 4 * len(codes):
            times = np.bincount(codes, minlength=n_annotators * size)
            found = np.flatnonzero(times)
            votes = times[found]
        else:
            found, votes = np.unique(codes, return_counts=True)
        self.counted.append((*np.divmod(found, size), votes))
        self.waiting += len(found)
        if self.waiting > WAITING:
            self.totals()

    def totals(self) -> tuple[Ints, Ints, Ints]:
        """Annotators, cells and votes, each pair of the first two once; what waited is added up and kept so."""
        if len(self.counted) == 1:
            return self.counted[0]
        none = np.empty(0, dtype=np.int64)
        annotators, cells, votes = (
            (np.concatenate([none, *column]) for column in zip(*self.counted, strict=True))
            if (self.counted)
            else (none, none, none)
        )
        size = max(1, len(self.numbers))
        codes, at = np.unique(annotators * size + cells, return_inverse=True)
        total = np.zeros(len(codes), dtype=np.int64)
        np.add.at(total, at, votes)
        self.counted, self.waiting = [(*np.divmod(codes, size), total)], 0
        return self.counted[0]

    def slices(self) -> set[Slice]:
        return {part for part, _ in self.units}


class Found(NamedTuple):
    """What lines with the same votes add to one table: as units, and the number of the cell of each vote, in order."""

    units: list[tuple[Slice, Pattern]]
    numbers: list[int]


def _everything(_: Slice) -> bool:
    return True


@dataclass
class Voters:
    """The tables of a release: base votes by source, language and origin, tags, sets of tags, and by campaign."""

    spec: LabelSetSpec
    n_campaigns: int = 1
    key: str = ""  # decides in which order annotators are numbered, in hexadecimal digits
    base: Cells = field(default_factory=Cells)
    tags: list[Cells] = field(init=False)
    tag_sets: Cells = field(default_factory=Cells)
    by_campaign: Cells = field(default_factory=Cells)
    ids: list[int] = field(default_factory=list)  # of annotators, by their index
    unknown: int = 0  # votes that nobody is known to have given
    on_gold: Counter[int] = field(default_factory=Counter)
    equal_to_gold: Counter[int] = field(default_factory=Counter)
    _index: dict[int, int] = field(default_factory=dict)
    _size: int = 0
    _known: dict[tuple[Ballot, ...], list[Found]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tags = [Cells() for _ in self.spec.tags]

    @property
    def _beside(self) -> list[Cells]:
        return [*self.tags, self.tag_sets, *([self.by_campaign] if self.n_campaigns > 1 else [])]

    def forget_places(self) -> None:
        """Start numbering places anew: the tables stay."""
        self._size = 0
        self._known.clear()
        for cells in (self.base, *self._beside):
            del cells.of_place[:]

    def place(self, group: Group) -> int:
        """The place of the first vote of lines of this group; those of the others follow."""
        first, part = self._size, (group.source, group.language, group.is_augmented)
        self._size += len(group.ballots)
        self.base.of_place.extend([self.base.number(part, group.counts, ballot.option) for ballot in group.ballots])
        if group.is_augmented:
            numbers = [[NOWHERE] * len(group.ballots)] * len(self._beside)
        else:
            numbers = [found.numbers for found in self._found(group)]
        for cells, found in zip(self._beside, numbers, strict=True):
            cells.of_place.extend(found)
        return first

    def count(self, group: Group, lines: int) -> None:
        """Count so many more lines of a group, as units."""
        self.base.units[(group.source, group.language, group.is_augmented), group.counts] += lines
        if group.is_augmented:
            return
        for cells, found in zip(self._beside, self._found(group), strict=True):
            for unit in found.units:
                cells.units[unit] += lines

    def _found(self, group: Group) -> list[Found]:
        """What lines of a group add to each table beside that of base votes, which alone knows source and language:
        looked up once for all groups with the same votes.
        """
        if (found := self._known.get(group.ballots)) is None:
            ballots, sets = group.ballots, _sets(group)
            found = [
                # Of a tag the options are yes and no.
                Found(
                    [(None, pattern)],
                    [
                        NOWHERE if (answer := ballot.tags[at]) is None else cells.number(None, pattern, int(not answer))
                        for ballot in ballots
                    ],
                )
                for at, (cells, pattern) in enumerate(zip(self.tags, group.tag_counts, strict=True))
            ]
            masks = [_mask(ballot.tags) if _answered_all(ballot) else None for ballot in ballots]
            numbers = [NOWHERE if mask is None else self.tag_sets.number(None, sets, mask) for mask in masks]
            found.append(Found([(None, sets)], numbers))
            if self.n_campaigns > 1:
                cells, campaigns = self.by_campaign, _by_campaign(group, len(self.spec.options))
                numbers = [cells.number(one.campaign, campaigns[one.campaign], one.option) for one in ballots]
                found.append(Found(list(campaigns.items()), numbers))
            self._known[group.ballots] = found
        return found

    def add(self, places: Sequence[int], people: Sequence[bytes]) -> None:
        """Count the votes of lines: the place of each one's first vote, and the ids of its annotators in hexadecimal,
        sixteen digits each, in the order of the group's ballots.
        """
        votes = np.fromiter(map(len, people), dtype=np.int64, count=len(people)) // 16
        first = np.repeat(np.array(places, dtype=np.int64) - np.cumsum(votes) + votes, votes)
        place = first + np.arange(len(first))
        ids = np.frombuffer(bytes.fromhex(b"".join(people).decode()), dtype=">i8").astype(np.int64)
        found, who = np.unique(ids, return_inverse=True)
        index = np.array([self._index_of(one) for one in found.tolist()], dtype=np.int64)
        annotators = index[who]
        known = annotators >= 0
        if not known.all():
            self.unknown += int((~known).sum())
            place, annotators = place[known], annotators[known]
        for cells in (self.base, *self._beside):
            cells.add(place, annotators, len(self.ids))

    def add_gold(self, group: Group, people: bytes, answer: int) -> None:
        """Compare the votes of a line with its known answer."""
        ids = np.frombuffer(bytes.fromhex(people.decode()), dtype=">i8").tolist()
        for one, ballot in zip(ids, group.ballots, strict=True):
            self.on_gold[one] += 1
            self.equal_to_gold[one] += ballot.option == answer

    def _index_of(self, one: int) -> int:
        if one == UNKNOWN:
            return NOWHERE
        if one not in self._index:
            self._index[one] = len(self.ids)
            self.ids.append(one)
        return self._index[one]

    def table(self, cells: Cells, options: Sequence[str], wanted: Callable[[Slice], bool] = _everything) -> VoterTable:
        """The table of the slices that are wanted, whose patterns are counts of ``options``."""
        units = [(pattern, times) for (part, pattern), times in cells.units.items() if wanted(part)]
        patterns = PatternTable.from_counts(options, [pattern for pattern, _ in units], [times for _, times in units])
        row_of = {tuple(counts): row for row, counts in enumerate(patterns.counts.tolist())}
        # The row and the option of each cell; those of other slices have none.
        rows = np.array(
            [row_of[pattern] if wanted(part) else NOWHERE for part, pattern, _ in cells.numbers], dtype=np.int64
        )
        chosen = np.array([option for _, _, option in cells.numbers], dtype=np.int64)
        annotators, numbers, votes = cells.totals()
        kept = rows[numbers] >= 0 if len(rows) else np.zeros(0, dtype=bool)
        annotators, numbers, votes = annotators[kept], numbers[kept], votes[kept]
        ordered = self.order()
        rank = np.empty(len(ordered), dtype=np.int64)
        rank[ordered] = np.arange(len(ordered))
        shape = (max(1, len(ordered)), max(1, len(row_of)), len(options))
        code = np.ravel_multi_index((rank[annotators], rows[numbers], chosen[numbers]), shape)
        codes, at = np.unique(code, return_inverse=True)
        total = np.zeros(len(codes), dtype=np.int64)
        np.add.at(total, at, votes)
        annotator, pattern, option = (np.asarray(column, dtype=np.int64) for column in np.unravel_index(codes, shape))
        names = tuple(str(number) for number in range(1, len(ordered) + 1))
        return VoterTable(patterns, names, annotator, pattern, option, total)

    def tag_set_table(self) -> VoterTable | None:
        """That of the sets of tags: an option for each that occurs, as the number whose bits are its tags."""
        masks = sorted({mask for (_, sets) in self.tag_sets.units for mask in sets})
        if not masks:
            return None
        place = {mask: at for at, mask in enumerate(masks)}
        counted = Cells(counted=self.tag_sets.counted)
        for (part, sets), times in self.tag_sets.units.items():
            counted.units[part, _counts([place[mask] for mask in sets], len(masks))] += times
        counted.numbers = {
            (part, _counts([place[mask] for mask in sets], len(masks)), place[mask]): number
            for (part, sets, mask), number in self.tag_sets.numbers.items()
        }
        return self.table(counted, [str(mask) for mask in masks])

    def order(self) -> Ints:
        """The indices of the annotators in the order in which they are numbered, which tells nothing about them."""
        key = bytes.fromhex(self.key)
        digests = [hashlib.blake2b(str(one).encode(), key=key, digest_size=16).digest() for one in self.ids]
        return np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.int64)


def _mask(tags: Sequence[bool | None]) -> int:
    return sum(1 << at for at, answer in enumerate(tags) if answer)


def _sets(group: Group) -> Pattern:
    """The sets of tags that the votes of a line chose, of votes that answered every tag."""
    return tuple(sorted(_mask(ballot.tags) for ballot in group.ballots if _answered_all(ballot)))


def _answered_all(ballot: Ballot) -> bool:
    return bool(ballot.tags) and None not in ballot.tags


def _by_campaign(group: Group, n_options: int) -> dict[int, Pattern]:
    """The counts of a line in each campaign that it has votes of."""
    return {
        campaign: _counts([ballot.option for ballot in group.ballots if ballot.campaign == campaign], n_options)
        for campaign in {ballot.campaign for ballot in group.ballots}
    }


def _counts(options: Sequence[int], n_options: int) -> Pattern:
    counted = Counter(options)
    return tuple(counted[option] for option in range(n_options))
