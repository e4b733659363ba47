"""The table of voters counts each vote beside the pattern that it is in, and refuses what does not fit."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labels.votes import PatternTable, VoterTable, VotesError

OPTIONS = ("a", "b", "c")
NAMES = ("ann", "bob", "cyd", "dan")

# Votes by (unit, annotator), the annotator -1 being unknown; so no one votes twice on a unit.
votes_by_place = st.dictionaries(st.tuples(st.integers(-3, 9), st.integers(-1, 3)), st.integers(0, 2), max_size=30)
type Votes = dict[tuple[int, int], int]


def tabulate(votes: Votes, names: tuple[str, ...] = NAMES) -> VoterTable:
    places = np.array([(*place, option) for place, option in votes.items()], dtype=np.int64).reshape(-1, 3)
    return VoterTable.from_votes(OPTIONS, places[:, 0], places[:, 1], places[:, 2], names)


def patterns(table: PatternTable) -> dict[tuple[int, ...], int]:
    return {tuple(row): times for row, times in zip(table.counts.tolist(), table.multiplicity.tolist(), strict=True)}


def said(table: VoterTable) -> dict[tuple[str, tuple[int, ...], str], int]:
    """How often each annotator voted each option beside each pattern."""
    rows = zip(table.annotator, table.pattern, table.option, table.count, strict=True)
    return {
        (table.annotators[who], tuple(table.patterns.counts[where].tolist()), OPTIONS[what]): int(count)
        for who, where, what, count in rows
    }


@given(votes_by_place)
def test_it_counts_votes_beside_their_patterns(votes: Votes) -> None:
    units: dict[int, Counter[int]] = defaultdict(Counter)
    for (unit, _), option in votes.items():
        units[unit][option] += 1
    vectors = {unit: tuple(counts[option] for option in range(3)) for unit, counts in units.items()}
    expected = Counter(
        (NAMES[who], vectors[unit], OPTIONS[option]) for (unit, who), option in votes.items() if who >= 0
    )
    table = tabulate(votes)
    assert patterns(table.patterns) == Counter(vectors.values())
    assert said(table) == expected
    assert table.n_unknown == sum(who < 0 for _, who in votes)


@given(votes_by_place, votes_by_place)
def test_it_adds_when_merged(first: Votes, second: Votes) -> None:
    turned = NAMES[::-1]
    merged = tabulate(first) + tabulate({(unit + 100, who): option for (unit, who), option in second.items()}, turned)
    renamed = {(unit + 100, 3 - who if who >= 0 else who): option for (unit, who), option in second.items()}
    whole = tabulate({**first, **renamed})
    assert said(merged) == said(whole)
    assert patterns(merged.patterns) == patterns(whole.patterns)


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=30))
def test_its_patterns_are_the_same_from_an_array(vectors: list[tuple[int, ...]]) -> None:
    array = np.array(vectors, dtype=np.int32).reshape(-1, 3)
    fast, slow = PatternTable.from_array(OPTIONS, array), PatternTable.from_counts(OPTIONS, vectors)
    assert (fast.counts.tolist(), fast.multiplicity.tolist()) == (slow.counts.tolist(), slow.multiplicity.tolist())


def test_it_takes_arrays_of_many_options_and_large_counts() -> None:
    options = [str(at) for at in range(70)]
    array = np.zeros((3, 70), dtype=np.int64)
    array[0] = array[2] = 9
    assert PatternTable.from_array(options, array).multiplicity.tolist() == [1, 2]
    sparse = np.array([[10**9, 0, 1], [10**9, 0, 1], [0, 0, 1]])
    assert patterns(PatternTable.from_array(OPTIONS, sparse)) == {(10**9, 0, 1): 2, (0, 0, 1): 1}


def test_it_takes_an_array_with_multiplicities() -> None:
    table = PatternTable.from_array(
        OPTIONS, np.array([[1, 0, 0], [2, 0, 0], [1, 0, 0], [3, 0, 0]]), np.array([2, 0, 3, 1])
    )
    assert patterns(table) == {(1, 0, 0): 5, (3, 0, 0): 1}


def test_it_may_be_empty() -> None:
    table = tabulate({})
    assert (table.patterns.n_units, table.count.size, table.n_unknown) == (0, 0, 0)


@pytest.mark.parametrize("counts", [np.ones((2, 2), dtype=int), np.ones((2, 3)), np.ones(3, dtype=int)])
def test_it_refuses_arrays_that_do_not_fit(counts: np.ndarray) -> None:
    with pytest.raises(VotesError, match=r"use whole numbers \(N, 3\)"):
        PatternTable.from_array(OPTIONS, counts)


def test_it_refuses_negative_counts() -> None:
    with pytest.raises(VotesError, match="counts hold -1; use whole numbers from 0"):
        PatternTable.from_array(OPTIONS, np.array([[1, -1, 0]]))


@pytest.mark.parametrize(
    ("who", "what", "message"),
    [
        ([0, 4], [0, 1], "annotator 0 to 4 are given; there are 4, counted from 0"),
        ([0, 1], [0, 3], "option 0 to 3 are given; there are 3, counted from 0"),
        ([0, 1], [-1, 0], "option -1 to 0 are given"),
        ([2, 2], [0, 1], "1 votes are a second one of an annotator on a unit, as by 'cyd'; keep one"),
        ([0], [0, 1], "give V each"),
    ],
)
def test_it_refuses_votes_that_do_not_fit(who: list[int], what: list[int], message: str) -> None:
    with pytest.raises(VotesError, match=message):
        VoterTable.from_votes(OPTIONS, np.array([7, 7]), np.array(who), np.array(what), NAMES)
