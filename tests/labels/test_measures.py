"""Tags, sets of tags and the corpus: always the same names, and what each value means."""

import json
from itertools import combinations
from statistics import mean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labels.agreement import AgreementError, describe_corpus, measure, measure_tag, measure_tag_sets, measures
from labels.agreement.tag_sets import jaccard_distance, masi_distance
from labels.votes import PatternTable, VoterTable

# Votes of no and of yes, per unit.
counted = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=8)


def tag(units: list[tuple[int, int]]) -> dict[str, float | None]:
    return {c.name: c.value for c in measure_tag(PatternTable.from_counts(("no", "yes"), units))}


def test_its_names_are_always_the_same() -> None:
    for units in ([], [(0, 0)], [(1, 2), (3, 0)]):
        table = PatternTable.from_counts(("no", "yes"), units)
        assert (
            [c.name for c in measure(table, ordinal=True)]
            == [c.name for c in measure(table, ordinal=False)]
            == [
                "krippendorff_alpha_nominal",
                "krippendorff_alpha_ordinal",
                "krippendorff_alpha_interval",
                "gwet_ac1",
                "gwet_ac2_ordinal",
                "brennan_prediger",
                "fleiss_kappa_generalized",
                "percent_agreement",
                "percent_agreement_within_1",
                "share_unanimous",
                "mean_entropy_bits",
            ]
        )
        assert list(tag(units)) == [
            "prevalence",
            "percent_agreement",
            "krippendorff_alpha_nominal",
            "gwet_ac1",
            "positive_specific_agreement",
            "negative_specific_agreement",
        ]
        sets = measure_tag_sets(PatternTable.from_counts(("0", "1"), units))
        assert [c.name for c in sets] == ["alpha_masi", "alpha_jaccard", "exact_set_match"]


@settings(deadline=None)
@given(counted)
def test_specific_agreement_is_what_another_vote_says(units: list[tuple[int, int]]) -> None:
    found = tag(units)
    for option, name in ((1, "positive_specific_agreement"), (0, "negative_specific_agreement")):
        pairs = [(unit[option], sum(unit) - 1) for unit in units for _ in range(unit[option]) if sum(unit) > 1]
        others = sum(possible for _, possible in pairs)
        expected = sum(chosen - 1 for chosen, _ in pairs) / others if others else None
        assert found[name] == (None if expected is None else pytest.approx(expected))


def test_two_raters_specific_agreement_is_that_of_cicchetti_and_feinstein() -> None:
    """2a / (2a + b + c) and 2d / (2d + b + c), of the table a = 40, b + c = 15, d = 45 (1990)."""
    found = tag([(0, 2)] * 40 + [(1, 1)] * 15 + [(2, 0)] * 45)
    assert found["positive_specific_agreement"] == pytest.approx(80 / 95)
    assert found["negative_specific_agreement"] == pytest.approx(90 / 105)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), max_size=5), min_size=1, max_size=12))
def test_the_plain_shares_are_those_of_all_pairs_of_votes(units: list[list[int]]) -> None:
    """Each unit with two votes weighs the same; in one that has more, each pair."""
    table = PatternTable.from_ratings((0, 1, 2, 3), units)
    found = {c.name: c.value for c in measure(table, ordinal=True)}
    pairs = [[abs(one - other) for one, other in combinations(votes, 2)] for votes in units if len(votes) > 1]
    for name, equal in {
        "percent_agreement": lambda apart: [each == 0 for each in apart],
        "percent_agreement_within_1": lambda apart: [each <= 1 for each in apart],
        "share_unanimous": lambda apart: [max(apart) == 0],
    }.items():
        shares = [mean(equal(apart)) for apart in pairs]
        assert found[name] == (pytest.approx(mean(shares)) if shares else None), name


def test_a_rare_tag_has_a_low_alpha_beside_a_high_ac1() -> None:
    found = tag([(3, 0)] * 980 + [(2, 1)] * 19 + [(1, 2)])
    assert found["prevalence"] == pytest.approx((19 / 3 + 2 / 3) / 1000)
    assert (found["krippendorff_alpha_nominal"] or 0) < 0.1
    assert (found["gwet_ac1"] or 0) > 0.98


def test_prevalence_counts_units_not_votes() -> None:
    assert tag([(0, 1), (9, 0)])["prevalence"] == 0.5


def test_a_tag_that_nobody_was_asked_is_null() -> None:
    found = {c.name: (c.value, c.reason) for c in measure_tag(PatternTable.from_counts(("yes", "no"), [(0, 0)]))}
    assert found["prevalence"] == (None, measures.NO_VOTES)
    assert found["gwet_ac1"] == (None, measures.NO_PAIRS)
    never = {c.name: (c.value, c.reason) for c in measure_tag(PatternTable.from_counts(("yes", "no"), [(0, 2)]))}
    assert never["positive_specific_agreement"] == (None, measures.NOT_CHOSEN)
    assert never["negative_specific_agreement"] == (1, None)


def test_a_tag_may_have_its_options_in_any_order() -> None:
    units = [(3, 0), (1, 2), (0, 1)]
    turned = measure_tag(PatternTable.from_counts(("yes", "no"), [unit[::-1] for unit in units]))
    assert {c.name: c.value for c in turned} == pytest.approx(tag(units))


def test_it_refuses_options_that_are_no_tags() -> None:
    with pytest.raises(AgreementError, match=r"\['a', 'b'\]; name them yes and no"):
        measure_tag(PatternTable.from_counts("ab", []))
    with pytest.raises(AgreementError, match="write each as the number whose bits are its tags"):
        measure_tag_sets(PatternTable.from_counts("ab", []))


def test_distances_of_sets_are_those_of_their_authors() -> None:
    sets = ("0", "1", "3", "6", "12")  # none; {0}; {0, 1}; {1, 2}; {2, 3}
    jaccard, masi = jaccard_distance(sets), masi_distance(sets)
    assert (np.diag(jaccard) == 0).all()
    assert (np.diag(masi) == 0).all()
    assert (jaccard == jaccard.T).all()
    assert (masi == masi.T).all()
    assert jaccard[0, 1:].tolist() == masi[0, 1:].tolist() == [1] * 4
    assert (jaccard[1, 2], jaccard[2, 3], jaccard[2, 4]) == pytest.approx((1 / 2, 2 / 3, 1))
    assert (masi[1, 2], masi[2, 3], masi[2, 4]) == pytest.approx((1 - 1 / 2 * 2 / 3, 1 - 1 / 3 * 1 / 3, 1))


def test_it_describes_the_corpus() -> None:
    units = [(2, 1), (2, 1), (0, 1), (0, 0)]
    patterns = PatternTable.from_counts(("no", "yes"), units)
    described = describe_corpus(patterns)
    assert described == json.loads(json.dumps(described))
    assert described == {
        "units": 4,
        "pairable": 2,
        "votes": 7,
        "annotators": None,
        "votes_per_unit": {"0": 1, "1": 1, "3": 2},
        "options": {"no": 4, "yes": 3},
        "patterns": [
            {"votes": [0, 0], "units": 1},
            {"votes": [0, 1], "units": 1},
            {"votes": [2, 1], "units": 2},
        ],
    }
    votes = VoterTable.from_votes(("no", "yes"), np.array([0, 0]), np.array([0, 2]), np.array([0, 1]), "abc")
    assert describe_corpus(votes)["annotators"] == 2
