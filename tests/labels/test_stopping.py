"""When to stop asking: the table against its definition, its threshold in simulated worlds, and replays by hand."""

import csv
import json
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from labels.prefixes import StoppingError, in_order
from labels.shared_confusion import SharedConfusion
from labels.stopping import (
    FEWEST_GOLD,
    THRESHOLDS,
    Replay,
    StoppingTable,
    fixed_accuracy,
    patterns_that_stop,
    simulate,
    tune,
)

OPTIONS = ("casual", "needs caution", "needs intervention")
CONFUSION = np.array([[0.8, 0.15, 0.05], [0.2, 0.6, 0.2], [0.1, 0.3, 0.6]])
PRIOR = np.array([0.6, 0.3, 0.1])
MODEL = SharedConfusion(CONFUSION, PRIOR, 1, 1)


def drawn(seed: int, n: int, votes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Votes in order that follow the model, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=PRIOR)
    uniform = rng.random((n, votes, 1))
    return (uniform > CONFUSION.cumsum(axis=1)[truth][:, np.newaxis]).sum(axis=2).clip(0, 2), truth


def table_of(threshold: float = 0.8, minimum: int = 2, cap: int = 5) -> StoppingTable:
    stops = patterns_that_stop(MODEL, minimum, cap, threshold)
    return StoppingTable(OPTIONS, minimum, cap, 0.8, threshold, True, 0.8, (0.7, 0.9), 3.0, 100, 0, "", MODEL, stops)


# --- The table ------------------------------------------------------------------------------------------------------


@given(st.sampled_from(THRESHOLDS), st.integers(1, 3), st.integers(1, 3))
def test_a_pattern_stops_when_its_highest_posterior_reaches_the_threshold(
    threshold: float, minimum: int, more: int
) -> None:
    table = table_of(threshold, minimum, minimum + more)
    for counts in product(range(minimum + more + 2), repeat=3):
        n = sum(counts)
        sure = MODEL.posterior(np.array([counts])).max()
        expected = n >= table.cap or (n >= minimum and sure >= threshold)
        assert table.is_enough(counts) == expected
    assert all(list(pattern) == sorted(pattern) for pattern in table.stops)


def test_a_higher_threshold_stops_at_no_further_pattern() -> None:
    sizes = [set(table_of(threshold).stops) for threshold in THRESHOLDS]
    assert all(higher <= lower for lower, higher in pairwise(sizes))
    assert len(sizes[0]) == 6 + 10 + 15


def test_it_is_json_and_knows_its_version() -> None:
    table = tune(OPTIONS, *drawn(1, 200, 7), minimum=2, cap=7, target=0.75)
    stored = json.loads(json.dumps(table.as_dict()))
    assert stored["size"] == len(stored["stops"]) == len(table.stops)
    again = StoppingTable.from_dict(stored)
    assert again.as_dict() == table.as_dict()
    with pytest.raises(StoppingError, match="is not version"):
        StoppingTable.from_dict({**stored, "stops": stored["stops"][1:]})


def test_the_same_answers_give_the_same_version() -> None:
    votes, answers = drawn(1, 200, 7)
    first, second, other = (
        tune(OPTIONS, votes, answers, minimum=2, cap=7, target=target) for target in (0.75, 0.75, 0.7)
    )
    assert first.version == second.version != other.version
    assert first.gold_digest == other.gold_digest
    changed = tune(OPTIONS, votes, np.roll(answers, 1), minimum=2, cap=7, target=0.75)
    assert changed.gold_digest != first.gold_digest


# --- Its threshold --------------------------------------------------------------------------------------------------


def test_it_reaches_its_target_on_units_that_it_never_saw() -> None:
    """300 known answers; on 20,000 others the labels are right as often, at a lower cost than any fixed overlap."""
    reached, saved = [], []
    for seed in range(4):
        votes, truth = drawn(100 + seed, 20_000, 7)
        fixed = simulate(table_of(), votes, truth, fixed=(3,))[1]
        assert fixed.accuracy is not None
        table = tune(OPTIONS, *drawn(seed, 300, 7), minimum=2, cap=7, target=fixed.accuracy)
        found = simulate(table, votes, truth, fixed=())[0]
        assert found.accuracy is not None
        reached.append(found.accuracy - fixed.accuracy)
        saved.append(1 - found.n_votes / fixed.n_votes)
        assert table.is_reached
        assert found.n_short == 0
    assert np.mean(reached) > -0.015
    assert np.mean(saved) > 0.05


def test_it_says_when_the_target_is_out_of_reach() -> None:
    table = tune(OPTIONS, *drawn(1, 100, 5), minimum=2, cap=3, target=0.99)
    assert not table.is_reached
    assert table.accuracy < 0.99
    low, high = table.accuracy_ci95
    assert low < table.accuracy < high


def test_it_takes_the_prior_from_the_units_to_label() -> None:
    """Half of the known answers are severe on purpose; among the units to label one in ten is."""
    votes, truth = drawn(1, 20_000, 7)
    chosen = np.concatenate([np.flatnonzero(truth == option)[:100] for option in range(3)])
    counts = (votes[:, :3, np.newaxis] == np.arange(3)).sum(axis=1)
    patterns, multiplicity = np.unique(counts, axis=0, return_counts=True)
    policy: dict[str, Any] = {"minimum": 2, "cap": 7, "target": 0.75}
    plain = tune(OPTIONS, votes[chosen], truth[chosen], **policy)
    fitted = tune(
        OPTIONS, votes[chosen], truth[chosen], **policy, prior_counts=patterns, prior_multiplicity=multiplicity
    )
    assert plain.model.prior[2] > 0.3
    np.testing.assert_allclose(fitted.model.prior, PRIOR, atol=0.06)


def test_on_hatecheck_it_needs_fewer_votes_than_three(shared_data: Path) -> None:
    with (shared_data / "hatecheck" / "all_annotations.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    said = [[row[f"label_{n}"] for n in range(1, 11) if row[f"label_{n}"]] for row in rows]
    votes = np.array([[vote == "hateful" for vote in unit] for unit in said]).astype(int)
    gold = np.array([row["label_gold"] == "hateful" for row in rows]).astype(int)
    assert votes.shape == (3901, 5)
    table = tune(("non-hateful", "hateful"), votes[::10], gold[::10], minimum=2, cap=5, target=0.995)
    rest = np.arange(len(votes)) % 10 != 0
    dynamic, _, three, five = simulate(table, votes[rest], gold[rest])
    assert dynamic.accuracy is not None
    assert dynamic.accuracy > 0.99
    assert dynamic.n_votes < 0.8 * three.n_votes
    assert (three.n_votes, five.n_votes) == (3 * rest.sum(), 5 * rest.sum())


def test_it_replays_votes_in_their_order_where_earlier_ones_decided_how_many_there_are() -> None:
    """Gold that was stopped early itself, at two that agree: in another order three votes would stop at two as well."""
    votes, truth = drawn(5, 400, 4)
    stopped = votes.copy()
    stopped[votes[:, 0] == votes[:, 1], 2:] = -1
    table = tune(OPTIONS, stopped, truth, minimum=2, cap=4, target=0.5)
    seen = simulate(table, stopped, truth, fixed=())[0]
    assert table.votes_per_unit == pytest.approx(seen.votes_per_unit, abs=0.2)
    assert tune(OPTIONS, stopped[::-1], truth[::-1], minimum=2, cap=4, target=0.5).gold_digest == table.gold_digest


def test_gold_with_too_few_votes_cannot_judge_a_cap() -> None:
    votes, truth = drawn(5, 100, 3)
    with pytest.raises(StoppingError, match=r"known answers have too few votes to follow 2 to 7; give them more votes"):
        tune(OPTIONS, votes, truth, minimum=2, cap=7, target=0.99)
    assert tune(OPTIONS, votes, truth, minimum=2, cap=3, target=0.99).n_short == 0


def test_it_says_whether_the_target_is_reached_for_sure() -> None:
    few = tune(OPTIONS, *drawn(2, 100, 7), minimum=2, cap=7, target=0.74)
    many = tune(OPTIONS, *drawn(2, 5000, 7), minimum=2, cap=7, target=0.74)
    assert (few.is_reached, few.is_sure) == (True, False)
    assert many.is_reached
    assert many.accuracy_ci95[0] > few.accuracy_ci95[0]


def test_one_more_vote_on_other_units_makes_no_other_table() -> None:
    votes, truth = drawn(1, 3000, 7)
    counts = (votes[:, :3, np.newaxis] == np.arange(3)).sum(axis=1)
    policy: dict[str, Any] = {"minimum": 2, "cap": 7, "target": 0.75}
    one, other = (tune(OPTIONS, votes[:200], truth[:200], **policy, prior_counts=rows) for rows in (counts, counts[1:]))
    assert one.version == other.version


def test_fixed_overlaps_are_judged_on_answers_that_were_held_out() -> None:
    """Answers that have nothing to do with the votes are guessed no better than by the most frequent of them."""
    votes, truth = drawn(1, 2000, 5)
    one, five = fixed_accuracy(OPTIONS, votes, truth, [1, 5])
    assert one[0] < five[0]
    assert five[1][0] < five[0] < five[1][1]
    nothing = np.random.default_rng(3).integers(0, 3, 2000)
    assert fixed_accuracy(OPTIONS, votes, nothing, [5])[0][0] < 0.37


# --- Replays --------------------------------------------------------------------------------------------------------


def test_it_replays_each_units_votes_in_their_order() -> None:
    table = table_of(threshold=0.9, cap=4)
    votes = np.array(
        [
            [0, 0, 2, 2, 2],  # casual twice: stops at two
            [0, 2, 1, 2, 2],  # never sure: stops at the cap
            [0, 2, -1, -1, -1],  # has too few
            [-1, -1, -1, -1, -1],  # has none: takes no part
        ]
    )
    assert table.is_enough((2, 0, 0))
    assert not table.is_enough((1, 0, 1))
    dynamic, three = simulate(table, votes, np.array([0, 2, -1, 1]), fixed=(3,))
    assert (dynamic.policy, dynamic.n_units, dynamic.n_votes, dynamic.n_short) == ("2 to 4", 3, 2 + 4 + 2, 1)
    assert (dynamic.n_gold, dynamic.votes_per_unit) == (2, 8 / 3)
    assert (three.policy, three.n_votes, three.n_short) == ("fixed 3", 8, 1)
    assert three.accuracy is not None


def test_it_answers_nothing_for_no_votes() -> None:
    dynamic, _ = simulate(table_of(), in_order(np.array([], int), np.array([], int), 3), fixed=(3,))
    assert dynamic == Replay("2 to 5", 0, 0, 0, 0, None, None, None)
    assert dynamic.votes_per_unit is None


def test_it_counts_the_labels_that_are_published_beside() -> None:
    """Casual twice stops, and nobody hears the third reader, who differs."""
    table = table_of(threshold=0.9, cap=4)
    votes = np.array([[0, 0, 1, 0], [0, 0, 0, 0], [0, -1, -1, -1]])

    def publish(counts: Any) -> str | None:
        return None if sum(counts) < 2 else "divided" if counts[1] else "casual"

    dynamic, three = simulate(table, votes, fixed=(3,), publish=publish, usual=3)
    assert dynamic.published == (("casual", 2), ("no label", 1))
    assert three.published == (("casual", 1), ("divided", 1), ("no label", 1))
    assert dynamic.same_published_as_all == dynamic.same_published_as_usual == 2 / 3
    assert three.same_published_as_all == three.same_published_as_usual == 1
    nothing = simulate(table, np.full((1, 2), -1), publish=publish, usual=3)[0]
    assert (nothing.published, nothing.same_published_as_all) == ((), None)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1))
def test_in_order_keeps_each_units_votes_as_they_came(votes: list[tuple[int, int]]) -> None:
    unit, option = np.array(votes).T
    rows = in_order(unit, option, 6)
    for number in range(6):
        expected = [said for of, said in votes if of == number]
        assert [said for said in rows[number].tolist() if said >= 0] == expected
        assert rows[number].tolist()[: len(expected)] == expected


@given(st.integers(0, 1000), st.sampled_from(THRESHOLDS))
def test_a_dynamic_overlap_costs_no_less_than_its_minimum_and_no_more_than_its_cap(seed: int, threshold: float) -> None:
    votes, truth = drawn(seed, 40, 5)
    dynamic, low, high = simulate(table_of(threshold), votes, truth, fixed=(2, 5))
    assert low.n_votes <= dynamic.n_votes <= high.n_votes
    assert high.same_as_all == 1


def test_padding_changes_nothing() -> None:
    """Rows so wide that their patterns no longer fit a table are sorted instead."""
    votes, truth = drawn(3, 50, 5)
    wide = np.pad(votes, ((0, 0), (0, 195)), constant_values=-1)
    assert simulate(table_of(), wide, truth) == simulate(table_of(), votes, truth)
    with pytest.raises(StoppingError, match="units have up to"):
        simulate(table_of(), np.pad(votes[:1], ((0, 0), (0, 3_000_000)), constant_values=-1))


# --- Bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minimum": 3, "cap": 3}, "minimum 3 and cap 3"),
        ({"minimum": 0}, "minimum 0"),
        ({"cap": 11}, "cap <= 10"),
        ({"target": 1.0}, "target 1.0"),
        ({"answers": np.zeros(99, int)}, "99 answers"),
        ({"answers": np.full(100, 3)}, "none of the 3 options"),
        ({"votes": np.full((100, 4), 3)}, "none of the 3 options"),
        ({"votes": np.full((100, 4), -1)}, f"0 known answers have votes; give at least {FEWEST_GOLD}"),
    ],
)
def test_it_refuses_what_it_cannot_use(change: dict[str, Any], message: str) -> None:
    votes, answers = drawn(1, 100, 4)
    given = {"options": OPTIONS, "votes": votes, "answers": answers, "minimum": 2, "cap": 4, "target": 0.7}
    with pytest.raises(StoppingError, match=message):
        tune(**{**given, **change})


def test_a_replay_refuses_options_that_the_table_does_not_know() -> None:
    with pytest.raises(StoppingError, match="option 3; the table knows 0 to 2"):
        simulate(table_of(), np.array([[3]]))
