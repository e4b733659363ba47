"""Signals appear where they are planted, tell their numbers, and stay silent for people like the others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labels import signals
from labels.quality import measure
from labels.signals import Expected, Signal, Unchecked, VoteSequence, cusum, drift, outliers, repetition, too_fast
from labels.votes import PatternTable, VoterTable

OPTIONS = ("mild", "middling", "severe")
UNITS, PEOPLE = 900, 12
ADA = 0  # the first of them, whom the tests change


def world(seed: int = 1, spam: float = 0.0, drifts_at: int | None = None) -> tuple[VoterTable, np.ndarray, np.ndarray]:
    """Twelve people who mostly see the truth, three on each unit; Ada spams a share, or from a vote on.

    The voter table, and unit and option of each vote, (N, 3): the columns are the people's places on the unit.
    """
    chance = np.random.default_rng(seed)
    truth = chance.choice(3, UNITS, p=[0.6, 0.25, 0.15])
    people = (np.arange(UNITS)[:, None] + np.array([0, 1, 5])) % PEOPLE
    options = np.clip(truth[:, None] + chance.choice([-1, 0, 0, 0, 0, 1], (UNITS, 3)), 0, 2)
    of_ada = np.flatnonzero(people == ADA)
    chosen = chance.random(len(of_ada)) < spam
    if drifts_at is not None:
        chosen |= np.arange(len(of_ada)) >= drifts_at
    options.ravel()[of_ada[chosen]] = chance.integers(0, 3, chosen.sum())
    names = tuple(f"person {n}" for n in range(PEOPLE))
    units = np.repeat(np.arange(UNITS), 3)
    return VoterTable.from_votes(OPTIONS, units, people.ravel(), options.ravel(), names), people, options


def sequence(table: VoterTable, people: np.ndarray, options: np.ndarray, who: int = ADA) -> VoteSequence:
    row, place = np.nonzero(people == who)
    counts = (options[row][:, :, None] == np.arange(3)).sum(axis=1)
    own = options[row, place]
    return sequence_of(own, counts - np.eye(3, dtype=np.int64)[own])


def sequence_of(own: np.ndarray, others: np.ndarray, ms: float = math.nan, characters: int = 100) -> VoteSequence:
    size = len(own)
    return VoteSequence(own, others, np.full(size, ms), np.full(size, characters))


def codes(found: list[signals.Finding]) -> list[str]:
    return [one.code for one in found if isinstance(one, Signal)]


def test_a_spammer_is_far_from_the_others_and_lowers_alpha() -> None:
    found = outliers(measure(world(spam=1.0)[0], "ordinal"))
    assert codes(found[ADA]) == [signals.FAR, signals.LOWERS]
    assert [codes(one) for one in found[1:]] == [[]] * (PEOPLE - 1)
    assert "robust standard deviations" in found[ADA][0].reason


def test_among_people_of_one_kind_nobody_is_far() -> None:
    for seed in range(5):
        assert [codes(one) for one in outliers(measure(world(seed)[0], "ordinal"))] == [[]] * PEOPLE


def test_few_votes_and_few_people_are_not_compared() -> None:
    few = VoterTable.from_votes(OPTIONS, np.array([1, 1]), np.array([0, 1]), np.array([0, 2]), ("ada", "bob"))
    found = outliers(measure(few))
    assert all(isinstance(one, Unchecked) and "at least 20" in one.reason for person in found for one in person)
    two = VoterTable.from_votes(
        OPTIONS, np.repeat(np.arange(30), 2), np.tile([0, 1], 30), np.tile([0, 2, 1], 20), ("ada", "bob")
    )
    assert {one.reason for one in outliers(measure(two))[0]} == {
        "only 2 people have 20 votes beside others'; a comparison needs 5"
    }


def test_a_robust_z_of_equal_values_is_nothing_or_infinite() -> None:
    assert signals.robust_z(1.0, 0.0, [1.0] * 6) == 0
    assert signals.robust_z(2.0, 0.0, [1.0] * 6) == math.inf
    assert signals.robust_z(2.0, 0.5, [1.0] * 6) == 2.0


def test_what_is_expected_beside_others_are_the_leave_one_out_frequencies() -> None:
    patterns = PatternTable.from_counts(OPTIONS, [[3, 0, 0], [2, 1, 0]], [80, 20])
    expected = Expected.of(patterns, "ordinal")
    # Beside two for mild stands mild 3 * 80 times and middling 20 times; beside one of each, mild 2 * 20 times.
    near = expected.probabilities(np.array([[2, 0, 0], [1, 1, 0]]))
    assert near[0] == pytest.approx([240 / 260, 20 / 260, 0], abs=0.01)
    assert near[1] == pytest.approx([1, 0, 0], abs=0.05)
    assert near.sum(axis=1) == pytest.approx([1, 1])
    unseen = expected.probabilities(np.array([[0, 0, 5], [0, 0, 0]]))
    assert unseen[0, 2] > 0.8
    assert unseen[1] == pytest.approx(expected.shares)


def test_disagreement_is_nothing_on_average_and_has_the_spread_of_one() -> None:
    table, people, options = world()
    expected = Expected.of(table.patterns, "ordinal")
    of_all = [sequence(table, people, options, who) for who in range(PEOPLE)]
    surprise = np.concatenate([expected.surprise(one.option, one.others) for one in of_all])
    assert surprise.mean() == pytest.approx(0, abs=0.02)
    assert surprise.std() == pytest.approx(1, abs=0.02)


def test_the_same_option_again_and_again_is_told_where_the_texts_do_not_ask_for_it() -> None:
    table, people, options = world()
    expected = Expected.of(table.patterns, "ordinal")
    votes = sequence(table, people, options)
    assert repetition(votes, expected, OPTIONS) == []
    lazy = votes.option.copy()
    lazy[100:] = 1
    [found] = repetition(sequence_of(lazy, votes.others), expected, OPTIONS)
    assert found.code == signals.ONE_OPTION
    assert isinstance(found, Signal)
    assert found.since is not None
    assert 95 <= found.since <= 100
    assert "all for middling; by what the others said" in found.reason
    # Where the others say so too, it is no wonder.
    easy = np.zeros(400, dtype=np.int64)
    mild = PatternTable.from_counts(OPTIONS, [[3, 0, 0], [2, 1, 0]], [9_990, 10])
    beside = np.tile([2, 0, 0], (400, 1))
    assert repetition(sequence_of(easy, beside), Expected.of(mild), OPTIONS) == []


def test_a_row_of_options_that_repeats_is_told() -> None:
    table, people, options = world()
    votes = sequence(table, people, options)
    cycle = np.tile([0, 1, 2], 100)[: len(votes.option)]
    [found] = repetition(sequence_of(cycle, votes.others), Expected.of(table.patterns), OPTIONS)
    assert (found.code, "repeat mild, middling, severe" in found.reason) == (signals.REPEATS, True)


def test_answers_faster_than_reading_are_told_since_they_began() -> None:
    own, none = np.zeros(60, dtype=np.int64), np.zeros((60, 3), dtype=np.int64)
    calm = sequence_of(own, none, ms=6_000)
    assert too_fast(calm) == []
    ms = calm.focused_ms.copy()
    ms[20:] = 300
    [found] = too_fast(VoteSequence(own, none, ms, calm.characters))
    assert isinstance(found, Signal)
    assert found.since == 20
    assert found.reason.startswith("40 of 60 votes came faster than the text can be read (median 0.3 s")
    # A short answer to a short text is possible; so is skimming a very long one.
    assert too_fast(sequence_of(own, none, ms=800, characters=20)) == []
    assert too_fast(sequence_of(own, none, ms=21_000, characters=50_000)) == []


def test_far_less_time_than_the_others_is_told() -> None:
    own, none = np.zeros(30, dtype=np.int64), np.zeros((30, 3), dtype=np.int64)
    quick = sequence_of(own, none, ms=2_000)
    assert too_fast(quick, [9_000] * 5) == []
    assert too_fast(quick, [11_000] * 4) == []
    assert codes(too_fast(quick, [11_000] * 5)) == [signals.TOO_FAST]


def test_times_that_were_not_measured_are_not_judged() -> None:
    own, none = np.zeros(30, dtype=np.int64), np.zeros((30, 3), dtype=np.int64)
    assert [type(one) for one in too_fast(sequence_of(own, none))] == [Unchecked]


def test_two_people_with_the_same_answers_are_told_if_chance_is_no_reason() -> None:
    names, common, differing = ["bob", "cyd"], np.array([40, 40]), np.array([0, 1])
    found = signals.same_as_another(common, differing, 40 * np.log([0.6, 0.6]), names)
    assert codes(found) == [signals.SAME_AS]
    assert "All 40 answers on texts in common with bob are the same" in found[0].reason
    assert signals.same_as_another(common, differing, 40 * np.log([0.98, 0.98]), names) == []
    [few] = signals.same_as_another(np.array([5, 4]), differing, np.array([-50.0, -50.0]), names)
    assert isinstance(few, Unchecked)


def test_drift_is_found_soon_after_it_began() -> None:
    table, people, options = world(drifts_at=120)
    expected = Expected.of(table.patterns, "ordinal")
    [found] = drift(sequence(table, people, options), expected)
    assert isinstance(found, Signal)
    assert found.since is not None
    assert 110 <= found.since <= 150
    assert f"From vote {found.since + 1} on" in found.reason
    for who in range(1, PEOPLE):
        assert drift(sequence(table, people, options, who), expected) == []


def test_who_always_differed_somewhat_does_not_drift() -> None:
    steady = np.tile([0.0, 2.0], 200)
    assert cusum(steady) is not None
    assert cusum(steady - signals.usual_level(steady)) is None


def test_cusum_equals_its_definition() -> None:
    chance = np.random.default_rng(3)
    for _ in range(50):
        values = chance.normal(0.4, 1, 120)
        level, began, expected = 0.0, 0, None
        for at, value in enumerate(values):
            level += value - 0.5
            if level <= 0:
                level, began = 0.0, at + 1
            if level > 6:
                expected = (began, at)
                break
        assert cusum(values, h=6) == expected
    assert cusum(np.array([])) is None
