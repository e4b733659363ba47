"""The coefficients equal the published ones, keep their properties, and are null with a reason where undefined."""

import csv
import json
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from labels import agreement
from labels.agreement import (
    AgreementError,
    Coefficient,
    Level,
    gwet_ac1,
    krippendorff_alpha,
    measure,
    percent_agreement,
)
from labels.votes import PatternTable

# Textbook data, one string per unit with one character per vote.
# Krippendorff 2011, section A: two observers, ten units; Fleiss 1971 as counts; the rest are named where they stand.
KRIPPENDORFF_A = ["01", "11", "01", "00", "00", "01", "00", "00", "10", "00"]
KRIPPENDORFF_B = ["ab", "aa", "bb", "bb", "db", "cc", "cc", "cc", "ee", "dd", "dd", "ad"]
KRIPPENDORFF_C = ["111", "2232", "3333", "3333", "2222", "1234", "4444", "1121", "2222", "555", "11", "3"]
WIKIPEDIA = ["1", "", "22", "11", "33", "334", "444", "13", "22", "11", "11", "33", "33", "", "34"]
FLEISS = ["eeeeeeeeeeeeee", "bbccccccddddee", "cccdddddeeeeee", "bbbcccccccccdd", "aabbccccccccde"]
FLEISS += ["aaaaaaabbbbbbb", "aaabbccccccddd", "aabbbbbcccddee", "aaaaaabbbbbccd", "bbccdddeeeeeee"]


def of(units: Sequence[Sequence[str]]) -> PatternTable:
    return PatternTable.from_ratings(sorted({vote for unit in units for vote in unit}), units)


@pytest.mark.parametrize(
    ("units", "level", "value"),
    [
        (KRIPPENDORFF_A, "nominal", 0.095238),
        (KRIPPENDORFF_B, "nominal", 0.691964),
        (KRIPPENDORFF_C, "nominal", 0.743421),
        (KRIPPENDORFF_C, "ordinal", 0.815388),
        (KRIPPENDORFF_C, "interval", 0.849107),
        (WIKIPEDIA, "nominal", 0.691358),
        (WIKIPEDIA, "interval", 0.810845),
        # Fleiss' kappa of 1971 is .209931; with n votes, alpha = 1 - (1 - kappa) (n - 1) / n where no vote is missing.
        (FLEISS, "nominal", 1 - (1 - 0.209931) * 139 / 140),
    ],
)
def test_it_equals_the_textbooks_alpha(units: list[str], level: Level, value: float) -> None:
    assert krippendorff_alpha(of(units), level).value == pytest.approx(value, abs=1e-6)


def test_it_equals_gwets_handbook() -> None:
    table = of(KRIPPENDORFF_C)
    assert percent_agreement(table).value == pytest.approx(0.818, abs=5e-4)
    assert gwet_ac1(table).value == pytest.approx(0.775, abs=5e-4)


def test_it_counts_pairable_units_and_votes() -> None:
    coefficient = krippendorff_alpha(of(WIKIPEDIA))
    assert (coefficient.n_pairable, coefficient.n_votes) == (12, 27)


NAMES = {
    "nominal": "krippendorff_alpha_nominal",
    "krippendorff_nominal": "krippendorff_alpha_nominal",
    "ordinal": "krippendorff_alpha_ordinal",
    "interval": "krippendorff_alpha_interval",
    "percent_agreement": "percent_agreement",
    "gwet_ac1": "gwet_ac1",
}


def test_it_equals_every_classic_value_on_file(shared_data: Path) -> None:
    folder = shared_data / "classic_agreement"
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    compared = 0
    for name, kinds in expected.items():
        measured = {c.name: c.value for c in measure(classic(folder / name), ordinal=True)}
        for kind, digits in (("published", 3), ("computed", 6)):
            for key, value in kinds.get(kind, {}).items():
                if key in NAMES:
                    found = measured[NAMES[key]]
                    assert found is not None
                    assert round(found, digits) == value, (name, kind, key)
                    compared += 1
    assert compared == 17


def classic(path: Path) -> PatternTable:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    if path.stem.endswith("counts"):
        return PatternTable.from_counts(header[1:], ([int(count) for count in row[1:]] for row in rows))
    return of([[vote for vote in row[1:] if vote] for row in rows])


# --- From the definitions, pair by pair -----------------------------------------------------------------------------

# Counts per option of some units.
counted = st.integers(2, 4).flatmap(
    lambda options: st.lists(st.lists(st.integers(0, 3), min_size=options, max_size=options), min_size=1, max_size=8)
)


def table_of(units: list[list[int]]) -> PatternTable:
    return PatternTable.from_counts([str(option) for option in range(len(units[0]))], units)


def alpha_by_pairs(units: list[list[int]], level: Level) -> float | None:
    """Alpha as it is defined: the mean difference of pairs within units, over that of all pairs of votes."""
    ratings = [[option for option, count in enumerate(unit) for _ in range(count)] for unit in units]
    ratings = [votes for votes in ratings if len(votes) > 1]
    every = [vote for votes in ratings for vote in votes]

    def difference(c: int, k: int) -> float:
        if level == "nominal":
            return float(c != k)
        if level == "interval":
            return float((c - k) ** 2)
        between = sum(min(c, k) <= vote <= max(c, k) for vote in every)
        return float((between - (every.count(c) + every.count(k)) / 2) ** 2)

    expected = sum(difference(c, k) for c, k in permutations(every, 2))
    if not expected:
        return None
    within = [sum(difference(c, k) for c, k in permutations(votes, 2)) / (len(votes) - 1) for votes in ratings]
    return 1 - (sum(within) / len(every)) / (expected / (len(every) * (len(every) - 1)))


@given(counted, st.sampled_from(["nominal", "ordinal", "interval"]))
@example([[1, 1], [0, 1]], "nominal")
def test_it_equals_alpha_as_defined(units: list[list[int]], level: Level) -> None:
    expected = alpha_by_pairs(units, level)
    assert krippendorff_alpha(table_of(units), level).value == (
        None if expected is None else pytest.approx(expected, abs=1e-9)
    )


@given(counted)
def test_it_equals_percent_agreement_and_ac1_as_defined(units: list[list[int]]) -> None:
    voted = [unit for unit in units if sum(unit)]
    pairable = [unit for unit in voted if sum(unit) > 1]
    assume(pairable)
    agreed = [sum(c * (c - 1) for c in unit) / (sum(unit) * (sum(unit) - 1)) for unit in pairable]
    observed = sum(agreed) / len(agreed)
    options = range(len(units[0]))
    prevalence = [sum(unit[option] / sum(unit) for unit in voted) / len(voted) for option in options]
    by_chance = sum(share * (1 - share) for share in prevalence) / (len(options) - 1)
    assert percent_agreement(table_of(units)).value == pytest.approx(observed, abs=1e-12)
    assert gwet_ac1(table_of(units)).value == pytest.approx((observed - by_chance) / (1 - by_chance), abs=1e-12)


# --- Properties -----------------------------------------------------------------------------------------------------


def values(coefficients: list[Coefficient]) -> dict[str, Any]:
    return {c.name: None if c.value is None else pytest.approx(c.value, abs=1e-9) for c in coefficients}


@given(counted, st.randoms(use_true_random=False))
def test_it_does_not_depend_on_the_order_of_units(units: list[list[int]], random: Any) -> None:
    shuffled = random.sample(units, len(units))
    assert measure(table_of(shuffled), ordinal=True) == measure(table_of(units), ordinal=True)


@given(counted, st.randoms(use_true_random=False))
def test_it_does_not_depend_on_the_order_of_options_where_they_have_none(units: list[list[int]], random: Any) -> None:
    order = random.sample(range(len(units[0])), len(units[0]))
    permuted = [[unit[option] for option in order] for unit in units]
    assert values(measure(table_of(units), ordinal=False)) == {
        c.name: c.value for c in measure(table_of(permuted), ordinal=False)
    }


@given(counted)
def test_it_does_not_depend_on_which_end_of_the_scale_comes_first(units: list[list[int]]) -> None:
    turned = [unit[::-1] for unit in units]
    assert values(measure(table_of(units), ordinal=True)) == {
        c.name: c.value for c in measure(table_of(turned), ordinal=True)
    }


@given(counted)
def test_it_is_the_same_from_merged_shards(units: list[list[int]]) -> None:
    half = len(units) // 2
    whole = table_of(units)
    shards = PatternTable.from_counts(whole.options, units[:half]) + PatternTable.from_counts(
        whole.options, units[half:]
    )
    assert measure(shards, ordinal=True) == measure(whole, ordinal=True)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(2, 9)), min_size=2, max_size=10))
def test_it_is_exactly_1_where_all_agree(units: list[tuple[int, int]]) -> None:
    assume(len({option for option, _ in units}) > 1)
    table = table_of([[votes if option == chosen else 0 for option in range(3)] for chosen, votes in units])
    assert [c.value for c in measure(table, ordinal=True)] == [1.0] * 5


@given(counted)
def test_it_never_exceeds_1_and_is_defined_or_says_why(units: list[list[int]]) -> None:
    for coefficient in measure(table_of(units), ordinal=True):
        if coefficient.value is None:
            assert coefficient.reason
        else:
            assert coefficient.reason is None
            assert coefficient.value <= 1 + 1e-12


def test_it_weighs_a_near_miss_less_where_options_have_an_order() -> None:
    near, far = (
        table_of([[4, 0, 0], [0, 4, 0], [0, 0, 4], [1, 1, 0]]),
        table_of([[4, 0, 0], [0, 4, 0], [0, 0, 4], [1, 0, 1]]),
    )
    for level in ("ordinal", "interval"):
        assert (krippendorff_alpha(near, level).value or 0) > (krippendorff_alpha(far, level).value or 0)


def test_it_takes_numbers_as_the_options_values() -> None:
    table = table_of([[2, 1, 0], [0, 2, 1], [0, 0, 3]])
    by_position = krippendorff_alpha(table, "interval").value
    assert krippendorff_alpha(table, "interval", values=[10, 12, 14]).value == pytest.approx(by_position)
    assert krippendorff_alpha(table, "interval", values=[0, 1, 100]).value != pytest.approx(by_position, abs=0.01)


# --- Undefined ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", [[], [[0, 0, 0]], [[1, 0, 0], [0, 1, 0]]])
def test_it_is_null_without_two_votes_on_a_unit(units: list[list[int]]) -> None:
    table = PatternTable.from_counts("abc", units)
    for coefficient in measure(table, ordinal=True):
        assert (coefficient.value, coefficient.reason) == (None, agreement.NO_PAIRS)


def test_it_is_null_where_alpha_expects_no_disagreement() -> None:
    found = {c.name: (c.value, c.reason) for c in measure(table_of([[3, 0], [2, 0], [0, 1]]), ordinal=True)}
    for level in ("nominal", "ordinal", "interval"):
        assert found[f"krippendorff_alpha_{level}"] == (None, agreement.NO_VARIATION)
    assert found["percent_agreement"] == (1.0, None)
    assert found["gwet_ac1"] == (1.0, None)


def test_it_is_null_where_there_is_only_one_option() -> None:
    coefficient = gwet_ac1(PatternTable.from_counts(["a"], [[3]]))
    assert (coefficient.value, coefficient.reason) == (None, agreement.ONE_OPTION)


def test_it_is_null_where_options_have_no_order() -> None:
    found = {c.name: c for c in measure(of(KRIPPENDORFF_B), ordinal=False)}
    assert found["krippendorff_alpha_nominal"].value == pytest.approx(0.692, abs=5e-4)
    for level in ("ordinal", "interval"):
        assert found[f"krippendorff_alpha_{level}"].as_dict() == {
            "name": f"krippendorff_alpha_{level}",
            "value": None,
            "reason": "the options have no order",
            "n_pairable": 12,
            "n_votes": 24,
        }


@pytest.mark.parametrize(("level", "numbers"), [("nominal", [1, 2, 3]), ("interval", [1, 2]), ("interval", [1, 1, 2])])
def test_it_refuses_values_that_do_not_fit(level: Level, numbers: list[float]) -> None:
    with pytest.raises(AgreementError, match="give one different number per option, for interval"):
        krippendorff_alpha(table_of([[2, 1, 0]]), level, values=numbers)


def test_it_refuses_an_unknown_level() -> None:
    with pytest.raises(AgreementError, match="level 'ratio' is not known; use nominal, ordinal or interval"):
        krippendorff_alpha(table_of([[2, 1]]), "ratio")  # type: ignore[arg-type]
