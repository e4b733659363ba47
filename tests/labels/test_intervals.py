"""The standard errors are what leaving out one unit or one annotator after another gives, and the intervals hold."""

from collections import Counter
from dataclasses import replace
from functools import partial
from math import isnan, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench import coverage
from labels.agreement import (
    Coefficient,
    base_measures,
    formulas,
    intervals,
    measure,
    measure_tag,
    measure_tag_sets,
    wilson,
    without_each_annotator,
)
from labels.votes import PatternTable, VoterTable

OPTIONS = ("a", "b", "c")
NAMES = tuple("ABCDE")

# The option by (unit, annotator).
type Votes = dict[tuple[int, int], int]
some_votes = st.dictionaries(
    st.tuples(st.integers(0, 7), st.integers(0, 4)), st.integers(0, 2), min_size=2, max_size=30
)


def tabulate(votes: Votes) -> VoterTable:
    rows = np.array([(*place, option) for place, option in votes.items()], dtype=np.int64).reshape(-1, 3)
    return VoterTable.from_votes(OPTIONS, rows[:, 0], rows[:, 1], rows[:, 2], NAMES)


def by_name(coefficients: list[Coefficient]) -> dict[str, Coefficient]:
    return {coefficient.name: coefficient for coefficient in coefficients}


def jackknife(votes: Votes, axis: int) -> dict[str, float | None]:
    """The standard error over units (axis 0) or annotators (1), one left out after the other."""
    ones = {place[axis] for place in votes}
    runs = [
        {c.name: c.value for c in measure(tabulate({p: o for p, o in votes.items() if p[axis] != one}), ordinal=True)}
        for one in ones
    ]
    errors: dict[str, float | None] = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        defined = [value for value in values if value is not None]
        if len(defined) < len(values) or len(values) < 2:
            errors[name] = None
        else:
            mean = sum(defined) / len(defined)
            errors[name] = sqrt((len(ones) - 1) / len(ones) * sum((value - mean) ** 2 for value in defined))
    return errors


@settings(max_examples=40, deadline=None)
@given(some_votes)
def test_its_standard_errors_are_those_of_leaving_out_each_one(votes: Votes) -> None:
    items, annotators = jackknife(votes, 0), jackknife(votes, 1)
    for c in measure(tabulate(votes), ordinal=True):
        if c.value is None:
            assert (c.se_items, c.se_annotators, c.ci95, c.interval_reason) == (None, None, None, c.reason)
            continue
        # Those of annotators are never published without those of units, nor of two annotators.
        assert c.se_items == pytest.approx(items[c.name], abs=1e-9)
        if c.se_items is not None and (c.n_annotators or 0) > 2:
            assert c.se_annotators == pytest.approx(annotators[c.name], abs=1e-9)
        else:
            assert c.se_annotators is None
        assert (c.ci95 is None) == (c.interval_reason is not None)
        assert c.ci95 is None or c.se_annotators is not None


@settings(max_examples=40, deadline=None)
@given(some_votes)
def test_it_knows_each_coefficient_without_each_annotator(votes: Votes) -> None:
    voted = {NAMES[who] for _, who in votes}
    kept = {name: {place: option for place, option in votes.items() if NAMES[place[1]] != name} for name in voted}
    expected = {name: by_name(measure(tabulate(rest), ordinal=True)) for name, rest in kept.items()}
    for wanted in base_measures(OPTIONS, ordinal=True):
        assert wanted.formula is not None
        found = without_each_annotator(tabulate(votes), wanted.formula)
        values = {name: measured[wanted.name].value for name, measured in expected.items()}
        assert {name: None if isnan(value) else value for name, value in found.items()} == {
            name: None if value is None else pytest.approx(value, abs=1e-9) for name, value in values.items()
        }


@settings(max_examples=40, deadline=None)
@given(some_votes, st.permutations(range(8)), st.permutations(range(5)))
def test_it_does_not_depend_on_the_order_of_units_or_annotators(votes: Votes, units: Any, annotators: Any) -> None:
    permuted = {(units[unit], annotators[who]): option for (unit, who), option in votes.items()}
    before, after = measure(tabulate(votes), ordinal=True), measure(tabulate(permuted), ordinal=True)
    for one, other in zip(before, after, strict=True):
        assert (one.value, one.reason, one.n_annotators) == (other.value, other.reason, other.n_annotators)
        assert one.se_items == other.se_items
        assert one.se_annotators == pytest.approx(other.se_annotators, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(some_votes, some_votes)
def test_it_is_the_same_from_merged_shards(first: Votes, second: Votes) -> None:
    second = {(unit + 10, who): option for (unit, who), option in second.items()}
    merged = measure(tabulate(first) + tabulate(second), ordinal=True)
    for one, other in zip(merged, measure(tabulate({**first, **second}), ordinal=True), strict=True):
        assert replace(one, se_annotators=None, ci95=None) == replace(other, se_annotators=None, ci95=None)
        assert one.se_annotators == pytest.approx(other.se_annotators, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(some_votes)
def test_doubling_every_unit_keeps_the_value_and_shrinks_the_interval(votes: Votes) -> None:
    """Alpha corrects for n votes: 1 - alpha grows by (2n - 1) / (2n - 2), and nothing else changes at all."""
    doubled = {**votes, **{(unit + 10, who): option for (unit, who), option in votes.items()}}
    assume(len({unit for unit, _ in votes}) > 2)
    per_unit = Counter(unit for unit, _ in votes)
    n = sum(times for times in per_unit.values() if times > 1)
    after = by_name(measure(tabulate(doubled), ordinal=True))
    for one in measure(tabulate(votes), ordinal=True):
        other = after[one.name]
        if one.value is None or other.value is None:
            assert one.reason == other.reason
            continue
        if one.name.startswith("krippendorff"):
            assert 1 - other.value == pytest.approx((1 - one.value) * (2 * n - 1) / (2 * n - 2), abs=1e-9)
        else:
            assert other.value == pytest.approx(one.value, abs=1e-9)


def test_more_units_and_more_annotators_shrink_the_interval() -> None:
    few, more_units = tabulate(world(60, 5)), tabulate(world(240, 5))
    for one, other in zip(measure(few, ordinal=True), measure(more_units, ordinal=True), strict=True):
        assert (other.se_items or 0) < 0.8 * (one.se_items or 0)
    doubled = PatternTable.from_array(OPTIONS, few.patterns.counts, 2 * few.patterns.multiplicity)
    for one, other in zip(measure(few.patterns, ordinal=True), measure(doubled, ordinal=True), strict=True):
        assert other.se_items == pytest.approx((one.se_items or 0) / sqrt(2), rel=0.03)


def world(units: int, annotators: int, spread: float = 1.0) -> Votes:
    random = np.random.default_rng(7)
    truth = random.integers(0, 3, units)
    seen = truth[:, None] + random.normal(0, spread, annotators) / 2 + random.normal(0, 0.5, (units, annotators))
    voted = random.random((units, annotators)) < 0.7
    return {
        (unit, who): int(np.clip(round(seen[unit, who]), 0, 2))
        for unit in range(units)
        for who in range(annotators)
        if voted[unit, who]
    }


def test_a_bootstrap_agrees_with_the_jackknife() -> None:
    """A thousand samples of as many units, drawn with replacement."""
    table = tabulate(world(400, 5)).patterns
    shares = table.multiplicity / table.n_units
    weights = np.random.default_rng(1).multinomial(table.n_units, shares, size=1000).astype(float)
    for wanted in base_measures(OPTIONS, ordinal=True):
        assert wanted.formula is not None
        found = wanted.formula(table.counts.astype(float), weights)
        jackknifed = by_name(measure(table, ordinal=True))[wanted.name]
        assert found.std() == pytest.approx(jackknifed.se_items, rel=0.1)


def test_its_interval_is_of_units_and_annotators() -> None:
    table = tabulate(world(200, 5))
    for both, alone in zip(measure(table, ordinal=True), measure(table.patterns, ordinal=True), strict=True):
        assert both.interval_reason is None
        assert both.n_annotators == 5
        assert both.ci95 is not None
        assert (alone.ci95, alone.interval_reason) == (None, intervals.ONLY_PATTERNS)
        assert (alone.se_annotators, alone.n_annotators, alone.se_items) == (None, None, both.se_items)
        half = 1.96 * sqrt((both.se_items or 0) ** 2 + (both.se_annotators or 0) ** 2)
        assert both.ci95[1] - both.ci95[0] > 2 * half or "percent" in both.name or "share" in both.name
        assert both.ci95[0] < (both.value or 0) < both.ci95[1]


def test_it_says_that_annotators_are_unknown_if_one_is() -> None:
    rows = np.array([(0, 0, 0), (0, 1, 1), (1, 0, 0), (1, -1, 0), (2, 0, 1), (2, 1, 1)])
    table = VoterTable.from_votes(OPTIONS, rows[:, 0], rows[:, 1], rows[:, 2], NAMES)
    for c in measure(table, ordinal=True):
        assert (c.se_annotators, c.ci95, c.n_annotators) == (None, None, None)
        assert c.interval_reason == intervals.UNKNOWN_ANNOTATORS


def test_one_annotator_alone_agrees_with_nobody() -> None:
    for c in measure(tabulate({(0, 0): 1, (1, 0): 2}), ordinal=True):
        assert (c.value, c.ci95, c.n_annotators) == (None, None, 1)
        assert c.reason == "no unit has two votes, so there is nothing to compare"
    prevalence = measure_tag(yes_no({(0, 0): 1, (1, 0): 0, (2, 0): 1}))[0]
    assert prevalence.value == pytest.approx(2 / 3)
    assert prevalence.se_items is not None
    assert (prevalence.ci95, prevalence.interval_reason) == (None, intervals.ONE_ANNOTATOR)


def test_two_annotators_have_no_interval() -> None:
    """Every text by the same two: without one there is no pair, and of the texts alone it would be too narrow."""
    twice = {place: option for place, option in world(300, 5).items() if place[1] < 2}
    for c in measure(tabulate(twice), ordinal=True):
        assert c.se_items is not None
        assert (c.se_annotators, c.ci95, c.n_annotators) == (None, None, 2)
        assert c.interval_reason == intervals.TWO_ANNOTATORS


def test_shares_of_few_texts_that_are_all_alike_have_the_interval_of_wilson_at_least() -> None:
    alike = {(unit, who): 0 for unit in range(4) for who in range(3)}
    found = by_name(measure_tag(yes_no(alike)))
    # As exact as can be said of four: Student's point is that of the fewer degrees of freedom.
    for name, value in {"percent_agreement": 1, "prevalence": 0, "negative_specific_agreement": 1}.items():
        c, least = found[name], wilson(4 * value, 4)
        assert c.value == value
        assert c.ci95 is not None
        assert c.ci95[0] <= least[0] <= least[1] <= c.ci95[1]
        assert c.ci95[1] - c.ci95[0] < 1
    assert found["positive_specific_agreement"].value is None
    assert found["gwet_ac1"].value == 1
    assert (found["gwet_ac1"].ci95, found["gwet_ac1"].interval_reason) == (None, intervals.NO_SPREAD)
    assert found["gwet_ac1"].se_items == pytest.approx(0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(some_votes)
def test_no_interval_of_a_share_is_narrower_than_wilsons(votes: Votes) -> None:
    table = tabulate(votes)
    for c in measure(table, ordinal=True):
        if c.name in ("percent_agreement", "percent_agreement_within_1", "share_unanimous") and c.ci95:
            low, high = wilson((c.value or 0) * c.n_pairable, c.n_pairable)
            assert c.ci95[0] <= low + 1e-9
            assert c.ci95[1] >= high - 1e-9


def yes_no(votes: Votes) -> VoterTable:
    return replace_options(tabulate(votes), ("no", "yes"))


def replace_options(table: VoterTable, options: tuple[str, ...]) -> VoterTable:
    patterns = PatternTable(options, table.patterns.counts[:, : len(options)], table.patterns.multiplicity)
    return replace(table, patterns=patterns)


def test_it_says_where_an_interval_cannot_be_had() -> None:
    alone = by_name(measure(tabulate({(0, 0): 0, (0, 1): 1}), ordinal=True))["percent_agreement"]
    assert (alone.value, alone.ci95, alone.interval_reason) == (0, None, intervals.ONE_UNIT)
    votes = {(0, 0): 0, (0, 1): 1, (1, 0): 0, (1, 1): 0}
    one_varies = by_name(measure(tabulate(votes), ordinal=True))["krippendorff_alpha_nominal"]
    assert (one_varies.ci95, one_varies.interval_reason) == (None, intervals.NEEDED_UNIT)
    two = {**votes, (2, 0): 1, (2, 1): 2}
    two[3, 2] = 1
    needed = {c.name: c for c in measure(tabulate(two), ordinal=True)}["krippendorff_alpha_nominal"]
    assert needed.se_items is not None
    assert (needed.se_annotators, needed.ci95, needed.interval_reason) == (None, None, intervals.NEEDED_ANNOTATOR)


def test_units_with_one_vote_give_an_interval_no_freedom() -> None:
    """What 40 lonely votes add to 9 texts with three is prevalence, not how far agreement would vary."""
    votes = {(unit, who): int(who == unit % 3) for unit in range(9) for who in range(3)} | {(0, 1): 1, (1, 2): 1}
    lonely = {(unit, unit % 3): 0 for unit in range(9, 49)}
    few, more = (by_name(measure(tabulate(each), ordinal=True)) for each in (votes, {**votes, **lonely}))
    for name in ("percent_agreement", "krippendorff_alpha_nominal"):
        one, other = few[name].ci95, more[name].ci95
        assert one is not None
        assert other is not None
        assert other[1] - other[0] == pytest.approx(one[1] - one[0], rel=0.2)


def test_its_interval_stays_within_what_a_coefficient_can_be() -> None:
    for votes in (world(6, 3, spread=3), world(9, 4, spread=0)):
        for c in measure(tabulate(votes), ordinal=True):
            if c.ci95 is not None and c.value is not None:
                lowest, highest = next(m.limits for m in base_measures(OPTIONS, ordinal=True) if m.name == c.name)
                assert lowest <= c.ci95[0] <= c.value <= c.ci95[1] <= highest


def test_it_is_never_certain_however_well_all_agree() -> None:
    found = by_name(measure(tabulate({(unit, who): unit % 3 for unit in range(9) for who in range(4)}), ordinal=True))
    for name, value in {"krippendorff_alpha_ordinal": 1, "mean_entropy_bits": 0}.items():
        assert found[name].value == value
        assert (found[name].ci95, found[name].interval_reason) == (None, intervals.NO_SPREAD)
    assert found["percent_agreement"].ci95 is not None
    assert found["percent_agreement"].ci95[0] < 0.75


def test_it_is_near_0_where_votes_are_at_random() -> None:
    random = np.random.default_rng(3)
    table = PatternTable.from_array(OPTIONS, random.multinomial(3, [0.5, 0.3, 0.2], size=100_000))
    for c in measure(table, ordinal=True):
        if "alpha" in c.name or "fleiss" in c.name:
            assert c.value == pytest.approx(0, abs=0.01)
            assert abs(c.value or 0) < 3 * (c.se_items or 0)


@pytest.mark.parametrize(
    ("freedom", "point"),
    [
        (1, 12.706205),
        (2, 4.302653),
        (3, 3.182446),
        (5, 2.570582),
        (11, 2.200985),
        (39, 2.022691),
        (199, 1.971957),
        (1e9, 1.959964),
    ],
)
def test_its_students_t_is_that_of_the_tables(freedom: float, point: float) -> None:
    assert intervals.student_95(freedom) == pytest.approx(point, abs=5e-3)


def test_sets_of_tags_have_the_same_intervals() -> None:
    table = replace_options(tabulate(world(100, 5)), ("0", "1", "3"))
    for c in measure_tag_sets(table):
        assert c.se_items
        assert c.se_annotators
    alpha = partial(formulas.alpha_by_distance, distance=1 - np.eye(3))
    nominal = by_name(measure(table, ordinal=False))["krippendorff_alpha_nominal"].value
    weights = table.patterns.multiplicity[None, :].astype(float)
    assert alpha(table.patterns.counts.astype(float), weights)[0] == pytest.approx(nominal)


def test_its_interval_holds_the_truth_where_that_of_units_alone_does_not() -> None:
    """A short form of bench.coverage: 12 annotators, 40 studies of one world, the same every time."""
    place = coverage.World("12 annotators", units=200, annotators=12)
    held = coverage.held(place, place.truth(np.random.default_rng(0), 50_000), seed=1, studies=40)
    alpha = held["krippendorff_alpha_ordinal"]
    assert alpha.published >= 0.85
    assert alpha.alone <= 0.75


def test_its_interval_holds_the_prevalence_of_a_rare_tag() -> None:
    place = coverage.World("a rare tag", units=30, limits=(2.0537 * coverage.SPREAD,))
    held = coverage.held(place, place.truth(np.random.default_rng(0), 200_000), seed=1, studies=100)
    assert held["prevalence"].published >= 0.93
    assert held["percent_agreement"].published >= 0.93


def test_alpha_of_a_rare_tag_has_no_interval_below_ten_votes() -> None:
    """Two lonely yes: alpha is near 0 and hardly moves, whatever it would be of more texts."""
    rare = {(unit, who): int(unit < 2 and who == unit) for unit in range(60) for who in range(4)}
    alpha = by_name(measure_tag(yes_no(rare)))["krippendorff_alpha_nominal"]
    assert alpha.se_items is not None
    assert (alpha.ci95, alpha.interval_reason) == (None, intervals.FEW_RARE)
    more = {(unit, who): int(unit < 10 and who == unit % 4) for unit in range(60) for who in range(4)}
    assert by_name(measure_tag(yes_no(more)))["krippendorff_alpha_nominal"].ci95 is not None


def test_its_students_t_is_never_below_that_of_more_freedom() -> None:
    points = [intervals.student_95(freedom) for freedom in np.linspace(1, 40, 400)]
    assert points == sorted(points, reverse=True)
