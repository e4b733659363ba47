"""What votes add up to: for every pattern up to ten votes, and for the published labels of ProsocialDialog."""

import json
import statistics
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labels.aggregation import (
    RULES,
    AggregationError,
    Rule,
    aggregate,
    agreement_status,
    dispute_reasons,
    majority,
    ordinal_median,
    published_label,
    soft_distribution,
    tag_outcome,
)
from tests.labels.specs import FIVE_OPTIONS, OIG_SAFETY, SHIPPED, small

MOST = 10
Counts = tuple[int, ...]


def patterns(options: int, fewest: int = 2, most: int = MOST) -> Iterator[Counts]:
    return (counts for counts in product(range(most + 1), repeat=options) if fewest <= sum(counts) <= most)


def severity(counts: Counts) -> int:
    label, reason = published_label(OIG_SAFETY, counts)
    assert label is not None, (counts, reason)
    return OIG_SAFETY.published.index(label)


def one_more(counts: Counts, option: int, times: int = 1) -> Counts:
    return tuple(count + times * (at == option) for at, count in enumerate(counts))


# --- The label that three fresh readers would most likely give ------------------------------------------------------


def test_it_is_prosocial_dialogs_rule_for_three_votes() -> None:
    by_votes_for_caution = ["casual", "possibly needs caution", "probably needs caution", "needs caution"]
    for counts in patterns(3, fewest=3, most=3):
        expected = "needs intervention" if counts[2] else by_votes_for_caution[counts[1]]
        assert published_label(OIG_SAFETY, counts) == (expected, None)


def test_it_is_the_likeliest_number_of_careful_readers_among_three() -> None:
    """The mode of a binomial of 3 with share p is floor(4 p); where two are as likely, the more careful one."""
    for casual, caution, _ in patterns(3):
        votes = casual + caution
        if votes >= 2:
            assert severity((casual, caution, 0)) == min(3, 4 * caution // votes)


def test_it_calls_for_intervention_from_a_fifth_of_the_votes() -> None:
    for counts in patterns(3):
        assert (severity(counts) == 4) == (counts[2] / sum(counts) >= 0.2)


def test_it_tells_of_a_vote_below_the_cut_only_there() -> None:
    reason = "a vote for 'needs intervention' stands below the cut"
    for counts in patterns(3):
        assert (reason in dispute_reasons(OIG_SAFETY, counts)) == (0 < counts[2] < sum(counts) / 5), counts


def test_it_is_never_milder_for_a_more_severe_vote() -> None:
    for counts in patterns(3):
        for option in (0, 1):
            if counts[option]:
                replaced = one_more(one_more(counts, option, -1), option + 1)
                assert severity(replaced) >= severity(counts), (counts, replaced)


def test_it_is_never_milder_for_one_more_vote_for_intervention() -> None:
    for counts in patterns(3):
        assert severity(one_more(counts, 2)) >= severity(counts), counts


def test_it_is_never_more_severe_for_one_more_casual_vote() -> None:
    for counts in patterns(3):
        assert severity(one_more(counts, 0)) <= severity(counts), counts


def test_it_hears_a_vote_for_intervention_below_the_cut() -> None:
    below = [counts for counts in patterns(3) if 0 < counts[2] < sum(counts) / 5]
    assert below
    for counts in below:
        assert 1 <= severity(counts) <= 3
        assert agreement_status(OIG_SAFETY, counts) == "disputed"


@pytest.mark.parametrize("counts", [(0, 0, 0), (1, 0, 0), (0, 0, 1)])
def test_it_gives_no_label_below_two_votes(counts: Counts) -> None:
    assert published_label(OIG_SAFETY, counts) == (None, "too few votes")
    assert dispute_reasons(OIG_SAFETY, counts) == ()
    assert agreement_status(OIG_SAFETY, counts) == "too few votes"


def test_it_gives_the_published_labels_of_prosocial_dialog(shared_data: Path) -> None:
    spec = SHIPPED["prosocial-dialog"]
    rows = [
        json.loads(line)
        for line in (shared_data / "prosocial_dialog" / "prosocial_17_rows.jsonl").read_text("utf-8").splitlines()
    ]
    right = 0
    for row in rows:
        counts = [row["safety_annotations"].count(option) for option in spec.option_names]
        label, _ = published_label(spec, counts)
        right += row["safety_label"] == f"__{(label or '').replace(' ', '_')}__"
    assert (right, len(rows)) == (17, 17)


# --- The median -----------------------------------------------------------------------------------------------------


def test_it_takes_the_median_and_lets_a_tie_be_a_tie() -> None:
    for counts in patterns(5, most=6):
        votes = [option for option, count in enumerate(counts) for _ in range(count)]
        low, high = statistics.median_low(votes), statistics.median_high(votes)
        label, reason = published_label(FIVE_OPTIONS, counts)
        if low == high:
            assert (label, reason) == (FIVE_OPTIONS.published[low], None)
        else:
            tie = f"the median ties between {FIVE_OPTIONS.published[low]!r} and {FIVE_OPTIONS.published[high]!r}"
            assert (label, reason) == (None, tie)
            assert tie in dispute_reasons(FIVE_OPTIONS, counts)
            assert agreement_status(FIVE_OPTIONS, counts) == "disputed"


def test_it_has_no_median_below_two_votes() -> None:
    assert published_label(FIVE_OPTIONS, (0, 0, 0, 0, 0)) == (None, "no votes")
    assert published_label(FIVE_OPTIONS, (0, 0, 1, 0, 0)) == (None, "too few votes")


# --- Tags, disputes, status -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yes", "no", "outcome"), [(0, 0, None), (1, 0, "yes"), (0, 1, "no"), (1, 1, "tie"), (2, 1, "yes"), (2, 3, "no")]
)
def test_it_publishes_a_tag_when_more_say_yes(yes: int, no: int, outcome: str | None) -> None:
    assert tag_outcome(yes, no) == outcome


@pytest.mark.parametrize(
    ("counts", "tag_counts", "status", "reasons"),
    [
        ((3, 0, 0), (), "unanimous", ()),
        ((2, 0, 0), ((0, 2), (0, 0), (2, 0), (0, 2)), "unanimous", ()),
        ((2, 1, 0), (), "majority", ()),
        ((0, 1, 2), (), "majority", ()),
        ((1, 1, 0), (), "disputed", ("no option has a majority",)),
        ((2, 0, 1), (), "disputed", ("'casual' stands against 'needs intervention'",)),
        (
            (1, 1, 1),
            (),
            "disputed",
            ("'casual' stands against 'needs intervention'", "no option has a majority"),
        ),
        ((0, 5, 1), (), "disputed", ("a vote for 'needs intervention' stands below the cut",)),
        ((3, 0, 0), ((1, 1), (0, 3), (0, 3), (0, 3)), "disputed", ("the tag 'abuse related' ties",)),
        ((1, 0, 0), ((1, 1), (0, 0), (0, 0), (0, 0)), "too few votes", ()),
    ],
)
def test_it_says_why_a_unit_is_disputed(
    counts: Counts, tag_counts: tuple[tuple[int, int], ...], status: str, reasons: tuple[str, ...]
) -> None:
    assert dispute_reasons(OIG_SAFETY, counts, tag_counts) == reasons
    assert agreement_status(OIG_SAFETY, counts, tag_counts) == status


def test_a_flag_disputes_what_would_be_agreed_but_for_too_few_votes() -> None:
    assert agreement_status(OIG_SAFETY, (3, 0, 0), is_flagged=True) == "disputed"
    flagged = aggregate(OIG_SAFETY, (3, 0, 0), is_flagged=True)
    assert (flagged.label, flagged.dispute_reasons) == ("casual", ("flagged by an annotator",))
    assert aggregate(OIG_SAFETY, (1, 0, 0), is_flagged=True).status == "too few votes"
    assert aggregate(OIG_SAFETY, (3, 0, 0)).status == "unanimous"


# --- Distributions --------------------------------------------------------------------------------------------------


def test_it_gives_raw_and_smoothed_shares() -> None:
    assert soft_distribution((2, 1, 0)) == (2 / 3, 1 / 3, 0.0)
    assert soft_distribution((2, 1, 0), 0.5) == (2.5 / 4.5, 1.5 / 4.5, 0.5 / 4.5)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=6), st.floats(0, 5))
def test_it_shares_out_exactly_one(counts: list[int], smoothing: float) -> None:
    shares = soft_distribution(counts, smoothing)
    if sum(counts):
        assert sum(shares) == pytest.approx(1)
        assert min(shares) >= 0
    else:
        assert shares == ()


# --- All of it at once ----------------------------------------------------------------------------------------------


def test_it_bundles_everything_about_an_instruction() -> None:
    result = aggregate(OIG_SAFETY, [1, 2, 0], [[2, 1], [1, 1], [0, 3], [0, 0]])
    assert (result.n_votes, result.label, result.reason) == (3, "probably needs caution", None)
    assert (result.tags, result.tied_tags) == (("abuse related",), ("personal information related",))
    assert (result.status, result.dispute_reasons) == ("disputed", ("the tag 'personal information related' ties",))
    assert result.distribution == (1 / 3, 2 / 3, 0.0)
    assert result.distribution_smoothed == soft_distribution((1, 2, 0), 0.5)


def test_it_tells_label_sets_of_equal_counts_apart() -> None:
    first, renamed = small(title="First", tags="a"), small(title="Second", tags="b")
    assert aggregate(first, (2, 0), ((2, 0),)).tags == ("tag a",)
    assert aggregate(renamed, (2, 0), ((2, 0),)).tags == ("tag b",)


@pytest.mark.parametrize(
    ("counts", "tag_counts", "message"),
    [
        ((1, 1), (), r"counts \[1, 1\] do not fit oig-safety; give 3 from 0"),
        ((1, 1, -1), (), r"counts \[1, 1, -1\] do not fit oig-safety"),
        ((2, 0, 0), ((1, 0),), "1 tag counts do not fit oig-safety; give 4 pairs"),
        ((2, 0, 0), ((1, -1), (0, 0), (0, 0), (0, 0)), "tag counts do not fit oig-safety; give 4 pairs from 0"),
    ],
)
def test_it_refuses_counts_of_another_label_set(
    counts: Counts, tag_counts: tuple[tuple[int, int], ...], message: str
) -> None:
    with pytest.raises(AggregationError, match=message):
        aggregate(OIG_SAFETY, counts, tag_counts)


def test_the_mildest_against_the_most_severe_is_disputed_under_the_median_too() -> None:
    result = aggregate(FIVE_OPTIONS, (2, 0, 0, 0, 1))
    assert (result.label, result.status) == ("casual", "disputed")
    assert result.dispute_reasons == ("'casual' stands against 'needs intervention'",)


# --- Other rules beside the label set's -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "median", "most"),
    [
        ((0, 0, 0), "no votes", "no votes"),
        ((0, 1, 0), "too few votes", "too few votes"),
        ((2, 1, 0), "casual", "casual"),
        ((1, 1, 1), "needs caution", "the majority ties between 'casual', 'needs caution' and 'needs intervention'"),
        ((2, 1, 2), "needs caution", "the majority ties between 'casual' and 'needs intervention'"),
        ((2, 2, 0), *(f"the {rule} ties between 'casual' and 'needs caution'" for rule in ("median", "majority"))),
        ((2, 0, 2), *(f"the {rule} ties between 'casual' and 'needs intervention'" for rule in ("median", "majority"))),
        ((3, 2, 2), "needs caution", "casual"),
    ],
)
def test_it_chooses_among_the_vote_options_where_another_rule_is_asked_for(
    counts: Counts, median: str, most: str
) -> None:
    for found, expected in ((ordinal_median(OIG_SAFETY, counts), median), (majority(OIG_SAFETY, counts), most)):
        is_label = expected in OIG_SAFETY.option_names
        assert found == ((expected, None) if is_label else (None, expected))


def test_every_label_set_that_ships_publishes_its_options_names() -> None:
    for spec in SHIPPED.values():
        assert set(spec.option_names) <= set(spec.published)


@pytest.mark.parametrize("rule", RULES)
def test_an_outvoted_vote_for_intervention_is_disputed_by_every_rule(rule: Rule) -> None:
    for counts in patterns(3):
        result = aggregate(OIG_SAFETY, counts, rule=rule)
        if counts[2] and result.label != "needs intervention":
            assert result.status == "disputed", counts
        if result.label is None:
            assert result.reason in result.dispute_reasons


def test_the_median_of_a_set_with_that_rule_is_its_rule() -> None:
    for counts in patterns(5, most=6):
        assert aggregate(FIVE_OPTIONS, counts, rule="ordinal_median") == aggregate(FIVE_OPTIONS, counts)


def test_it_keeps_the_answers_of_two_rules_apart() -> None:
    assert [aggregate(OIG_SAFETY, (2, 1, 0), rule=rule).label for rule in RULES] == [
        "possibly needs caution",
        "casual",
        "casual",
    ]
