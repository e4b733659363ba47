"""The coefficients equal the published ones, keep their properties, and are null with a reason where undefined."""

import csv
import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from labels.agreement import (
    AgreementError,
    Coefficient,
    Level,
    conger_kappa,
    formulas,
    measure,
    measures,
)
from labels.votes import PatternTable, VoterTable

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


def value_of(formula: formulas.Formula, table: PatternTable) -> float:
    return float(formula(table.counts.astype(float), table.multiplicity[None, :].astype(float))[0])


def alpha(table: PatternTable, level: Level, values: Sequence[float] | None = None) -> float:
    return value_of(partial(formulas.krippendorff_alpha, level=level, values=values), table)


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
    assert alpha(of(units), level) == pytest.approx(value, abs=1e-6)


def test_it_equals_gwets_handbook() -> None:
    table = of(KRIPPENDORFF_C)
    assert value_of(formulas.percent_agreement, table) == pytest.approx(0.818, abs=5e-4)
    assert value_of(formulas.gwet_ac1, table) == pytest.approx(0.775, abs=5e-4)


def test_it_counts_pairable_units_and_votes() -> None:
    coefficient = measure(of(WIKIPEDIA), ordinal=False)[0]
    assert (coefficient.n_pairable, coefficient.n_votes) == (12, 27)


NAMES = {
    "krippendorff_nominal": "nominal",
    "fleiss": "fleiss_kappa_generalized",
    "conger": "conger_kappa",
}
# Not coefficients, or by another formula (the standard error of Gwet 2014): nothing of ours is to equal them.
OTHERS = {
    "krippendorff_se",
    "krippendorff_ci95",
    "krippendorff_p",
    "gwet_pe",
    "fleiss_pe",
    "bp_pe",
    "kripp_pa",
    "kripp_pe",
}


def test_it_equals_every_classic_value_on_file(shared_data: Path) -> None:
    folder = shared_data / "classic_agreement"
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    compared = 0
    for name, kinds in expected.items():
        measured = classic_values(folder / name)
        for kind, digits in (("published", 3), ("computed", 6)):
            for key, value in kinds.get(kind, {}).items():
                if key not in OTHERS:
                    assert round(measured[NAMES.get(key, key)], digits) == value, (name, kind, key)
                    compared += 1
    assert compared == 24


def classic_values(path: Path) -> dict[str, float]:
    """All coefficients of a file by name, alpha by its level."""
    header, rows = classic(path)
    if path.stem.endswith("counts"):
        table: PatternTable | VoterTable = PatternTable.from_counts(header, [[int(n) for n in row] for row in rows])
    else:
        table = voters([dict(enumerate(row)) for row in rows])
    found = {c.name: c.value for c in measure(table, ordinal=True) if c.value is not None}
    if isinstance(table, VoterTable):
        found["conger_kappa"] = conger_kappa(table).value or 0
        numbers = [float(option) if option.isdecimal() else at for at, option in enumerate(table.patterns.options)]
        found |= {level: alpha(table.patterns, level) for level in ("nominal", "ordinal")}
        found |= {level: alpha(table.patterns, level, numbers) for level in ("interval", "ratio")}
    return found


def classic(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return header[1:], [row[1:] for row in rows]


def voters(units: Sequence[Mapping[int, str]]) -> VoterTable:
    """The tables of units with each annotator's vote, "" for none."""
    options = sorted({vote for unit in units for vote in unit.values() if vote})
    votes = [(at, who, options.index(vote)) for at, unit in enumerate(units) for who, vote in unit.items() if vote]
    names = [str(who) for who in range(1 + max((who for _, who, _ in votes), default=0))]
    places = np.array(votes, dtype=np.int64).reshape(-1, 3)
    return VoterTable.from_votes(options or ["a"], places[:, 0], places[:, 1], places[:, 2], names)


# --- From the definitions, pair by pair -----------------------------------------------------------------------------

# Counts per option of some units.
counted = st.integers(2, 4).flatmap(
    lambda options: st.lists(st.lists(st.integers(0, 3), min_size=options, max_size=options), min_size=1, max_size=8)
)


def table_of(units: list[list[int]]) -> PatternTable:
    return PatternTable.from_counts([str(option) for option in range(len(units[0]))], units)


def alpha_by_pairs(units: list[list[int]], level: Level) -> float:
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
    if expected == 0:
        return float("nan")
    within = [sum(difference(c, k) for c, k in permutations(votes, 2)) / (len(votes) - 1) for votes in ratings]
    return 1 - (sum(within) / len(every)) / (expected / (len(every) * (len(every) - 1)))


@given(counted, st.sampled_from(["nominal", "ordinal", "interval"]))
@example([[1, 1], [0, 1]], "nominal")
def test_it_equals_alpha_as_defined(units: list[list[int]], level: Level) -> None:
    assert alpha(table_of(units), level) == pytest.approx(alpha_by_pairs(units, level), abs=1e-9, nan_ok=True)


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
    assert value_of(formulas.percent_agreement, table_of(units)) == pytest.approx(observed, abs=1e-12)
    assert value_of(formulas.gwet_ac1, table_of(units)) == pytest.approx(
        (observed - by_chance) / (1 - by_chance), abs=1e-12
    )


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
    found = {c.name: c.value for c in measure(table, ordinal=True)}
    assert found.pop("mean_entropy_bits") == 0
    assert set(found.values()) == {1.0}


@given(counted)
def test_it_never_exceeds_1_and_is_defined_or_says_why(units: list[list[int]]) -> None:
    for coefficient in measure(table_of(units), ordinal=True):
        if coefficient.value is None:
            assert coefficient.reason
        else:
            assert coefficient.reason is None
            assert coefficient.name == "mean_entropy_bits" or coefficient.value <= 1 + 1e-12


def test_it_weighs_a_near_miss_less_where_options_have_an_order() -> None:
    near, far = (
        table_of([[4, 0, 0], [0, 4, 0], [0, 0, 4], [1, 1, 0]]),
        table_of([[4, 0, 0], [0, 4, 0], [0, 0, 4], [1, 0, 1]]),
    )
    for level in ("ordinal", "interval"):
        assert alpha(near, level) > alpha(far, level)


def test_it_takes_numbers_as_the_options_values() -> None:
    table = table_of([[2, 1, 0], [0, 2, 1], [0, 0, 3]])
    by_position = alpha(table, "interval")
    assert alpha(table, "interval", values=[10, 12, 14]) == pytest.approx(by_position)
    assert alpha(table, "interval", values=[0, 1, 100]) != pytest.approx(by_position, abs=0.01)


# --- Undefined ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", [[], [[0, 0, 0]], [[1, 0, 0], [0, 1, 0]]])
def test_it_is_null_without_two_votes_on_a_unit(units: list[list[int]]) -> None:
    table = PatternTable.from_counts("abc", units)
    for coefficient in measure(table, ordinal=True):
        assert (coefficient.value, coefficient.reason) == (None, measures.NO_PAIRS)


def test_it_is_null_where_alpha_expects_no_disagreement() -> None:
    found = {c.name: (c.value, c.reason) for c in measure(table_of([[3, 0], [2, 0], [0, 1]]), ordinal=True)}
    for level in ("nominal", "ordinal", "interval"):
        assert found[f"krippendorff_alpha_{level}"] == (None, measures.NO_VARIATION)
    assert found["percent_agreement"] == (1.0, None)
    assert found["gwet_ac1"] == (1.0, None)


def test_it_is_null_where_there_is_only_one_option() -> None:
    found = {c.name: (c.value, c.reason) for c in measure(PatternTable.from_counts(["a"], [[3]]), ordinal=True)}
    for name in ("gwet_ac1", "gwet_ac2_ordinal", "brennan_prediger", "krippendorff_alpha_ordinal"):
        assert found[name] == (None, measures.ONE_OPTION)
    assert found["percent_agreement"] == (1.0, None)


def test_it_is_null_where_options_have_no_order() -> None:
    found = {c.name: c for c in measure(of(KRIPPENDORFF_B), ordinal=False)}
    assert found["krippendorff_alpha_nominal"].value == pytest.approx(0.692, abs=5e-4)
    for level in ("ordinal", "interval"):
        assert found[f"krippendorff_alpha_{level}"].as_dict() == {
            "name": f"krippendorff_alpha_{level}",
            "value": None,
            "reason": "the options have no order",
            "se_items": None,
            "se_annotators": None,
            "ci95": None,
            "interval_reason": "the options have no order",
            "n_pairable": 12,
            "n_votes": 24,
            "n_annotators": None,
        }


@pytest.mark.parametrize(("level", "numbers"), [("nominal", [1, 2, 3]), ("interval", [1, 2]), ("interval", [1, 1, 2])])
def test_it_refuses_values_that_do_not_fit(level: Level, numbers: list[float]) -> None:
    with pytest.raises(AgreementError, match="give one different number per option, for interval or ratio"):
        alpha(table_of([[2, 1, 0]]), level, values=numbers)


def test_it_refuses_an_unknown_level() -> None:
    with pytest.raises(AgreementError, match="level 'cosine' is not known; use nominal, ordinal, interval or ratio"):
        alpha(table_of([[2, 1]]), "cosine")  # type: ignore[arg-type]
