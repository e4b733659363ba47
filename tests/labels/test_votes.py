"""The pattern table counts what it was given and refuses what does not fit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labels.votes import PatternTable, VotesError

OPTIONS = ("a", "b", "c")
vectors = st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=30)


def patterns(table: PatternTable) -> dict[tuple[int, ...], int]:
    return {tuple(row): times for row, times in zip(table.counts.tolist(), table.multiplicity.tolist(), strict=True)}


def test_it_keeps_each_pattern_once_with_its_multiplicity() -> None:
    table = PatternTable.from_counts(OPTIONS, [(2, 1, 0), (0, 0, 1), (2, 1, 0), (0, 0, 0)])
    assert patterns(table) == {(0, 0, 0): 1, (0, 0, 1): 1, (2, 1, 0): 2}
    assert (table.n_units, table.n_votes, table.n_pairable) == (4, 7, 2)
    assert table.counts.dtype == table.multiplicity.dtype == np.dtype(np.int64)


def test_it_takes_counts_with_multiplicities() -> None:
    table = PatternTable.from_counts(OPTIONS, [(2, 1, 0), (1, 0, 0), (2, 1, 0), (9, 9, 9)], [1_000_000, 5, 2, 0])
    assert patterns(table) == {(1, 0, 0): 5, (2, 1, 0): 1_000_002}
    assert table.n_votes == 3_000_011


def test_it_counts_ratings() -> None:
    table = PatternTable.from_ratings(OPTIONS, [["a", "c", "a"], [], ["b"]])
    assert patterns(table) == {(2, 0, 1): 1, (0, 0, 0): 1, (0, 1, 0): 1}


def test_it_takes_rows_of_an_array() -> None:
    assert patterns(PatternTable.from_counts(OPTIONS, np.array([[1, 2, 3], [1, 2, 3]]))) == {(1, 2, 3): 2}


def test_it_may_be_empty() -> None:
    table = PatternTable.from_counts(OPTIONS, [])
    assert (table.counts.shape, table.n_units, table.n_votes, table.n_pairable) == ((0, 3), 0, 0, 0)


def test_it_does_not_change() -> None:
    table = PatternTable.from_counts(OPTIONS, [(1, 1, 0)])
    with pytest.raises(ValueError, match="read-only"):
        table.counts[0, 0] = 5


@given(vectors, vectors)
def test_it_adds_when_merged(first: list[tuple[int, ...]], second: list[tuple[int, ...]]) -> None:
    merged = PatternTable.from_counts(OPTIONS, first) + PatternTable.from_counts(OPTIONS, second)
    assert patterns(merged) == patterns(PatternTable.from_counts(OPTIONS, [*second, *first]))
    assert merged.n_votes == sum(map(sum, first)) + sum(map(sum, second))


def test_it_refuses_to_merge_other_options() -> None:
    with pytest.raises(VotesError, match=r"options \['a', 'b', 'c'\] and \['a', 'b'\] differ; merge like with like"):
        PatternTable.from_counts(OPTIONS, []).merge(PatternTable.from_counts(("a", "b"), []))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((1, -1, 0), r"counts \[1, -1, 0\] hold -1; use whole numbers from 0"),
        ((1, 0.5, 0), r"counts \[1, 0.5, 0\] hold 0.5; use whole numbers"),
        ((1, True, 0), r"hold True; use whole numbers"),
        ((1, 2), r"counts \[1, 2\] are for 2 options; there are 3"),
    ],
)
def test_it_refuses_counts_that_cannot_be(counts: tuple[int, ...], message: str) -> None:
    with pytest.raises(VotesError, match=message):
        PatternTable.from_counts(OPTIONS, [(1, 1, 1), counts])


@pytest.mark.parametrize("times", [-1, 1.5])
def test_it_refuses_multiplicities_that_cannot_be(times: int) -> None:
    with pytest.raises(VotesError, match=rf"counts \[1, 1, 1\] occur {times} times; use whole numbers from 0"):
        PatternTable.from_counts(OPTIONS, [(1, 1, 1)], [times])


def test_it_refuses_a_vote_for_an_unknown_option() -> None:
    with pytest.raises(VotesError, match="unit 2 has a vote for 'd'; the options are a, b, c"):
        PatternTable.from_ratings(OPTIONS, [["a"], ["b", "d"]])


@pytest.mark.parametrize("options", [(), ("a", "a")])
def test_it_refuses_options_that_cannot_be_told_apart(options: tuple[str, ...]) -> None:
    with pytest.raises(VotesError, match="name at least one, each once"):
        PatternTable.from_counts(options, [])
