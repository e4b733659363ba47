"""The measures of annotators equal those computed from raw votes one by one, and are null with a reason elsewhere."""

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labels import quality
from labels.agreement import Level, wilson
from labels.agreement.formulas import krippendorff_alpha
from labels.agreement.measures import NO_VARIATION
from labels.quality import gold_accuracy, measure
from labels.votes import PatternTable, VoterTable

OPTIONS = ("mild", "middling", "severe")
NAMES = ("ada", "bob", "cyd", "dan")

type Said = dict[tuple[int, str], int]  # unit and annotator -> option

# Ragged, with units of one vote, and nobody obliged to vote at all.
worlds = st.dictionaries(st.tuples(st.integers(0, 7), st.sampled_from(NAMES)), st.integers(0, 2), max_size=32)


def table(said: Said, unknown: tuple[tuple[int, int], ...] = ()) -> VoterTable:
    """The votes of ``said``, and those of nobody known, (unit, option) each."""
    units = np.array([unit for unit, _ in said] + [unit for unit, _ in unknown], dtype=np.int64)
    people = np.array([NAMES.index(name) for _, name in said] + [-1] * len(unknown), dtype=np.int64)
    options = np.array([*said.values(), *(option for _, option in unknown)], dtype=np.int64)
    return VoterTable.from_votes(OPTIONS, units, people, options, NAMES)


def patterns(said: Said) -> PatternTable:
    by_unit: dict[int, list[str]] = {}
    for (unit, _), option in said.items():
        by_unit.setdefault(unit, []).append(OPTIONS[option])
    return PatternTable.from_ratings(OPTIONS, by_unit.values())


def alpha(said: Said, level: Level) -> float | None:
    table = patterns(said)
    value = float(krippendorff_alpha(table.counts.astype(float), table.multiplicity[None].astype(float), level)[0])
    return None if np.isnan(value) else value


def beside(said: Said, name: str) -> Iterator[tuple[int, list[int]]]:
    """Each vote of ``name`` that is not alone, with the others' on the unit."""
    for (unit, who), own in said.items():
        others = [option for (there, other), option in said.items() if there == unit and other != name]
        if who == name and others:
            yield own, others


def mean(said: Said, name: str, value: Callable[[int, list[int]], float]) -> float | None:
    values = [value(own, others) for own, others in beside(said, name)]
    return float(np.mean(values)) if values else None


@given(worlds, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_it_equals_what_the_raw_votes_say(said: Said, level: Level) -> None:
    found = {person.annotator: person for person in measure(table(said), level)}
    for name in NAMES:
        person = found[name]
        assert person.n == sum(who == name for _, who in said)
        assert person.n_compared == len(list(beside(said, name)))

        def distance(own: int, others: list[int]) -> float:
            return float(np.mean([other != own if level == "nominal" else abs(other - own) for other in others]))

        expected = [
            (person.loo_agreement, mean(said, name, lambda own, others: float(np.mean([o == own for o in others])))),
            (person.loo_mean_abs_deviation, mean(said, name, distance)),
        ]
        if level != "nominal":
            bias = mean(said, name, lambda own, others: own - float(np.mean(others)))
            expected.append((person.loo_signed_bias, bias))
        for measured, value in expected:
            assert measured.value == (value if value is None else pytest.approx(value, abs=1e-12))
            assert (measured.reason is None) == (value is not None)


@given(worlds, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_the_gain_in_alpha_equals_brute_force(said: Said, level: Level) -> None:
    whole = alpha(said, level)
    for person in measure(table(said), level):
        left = {key: option for key, option in said.items() if key[1] != person.annotator}
        without = alpha(left, level)
        gain = person.alpha_gain_if_left_out
        if whole is None or without is None or not person.n:
            assert gain.value is None
            assert gain.reason
        else:
            assert gain.value == pytest.approx(without - whole, abs=1e-12)


def test_votes_of_nobody_known_stand_among_the_others() -> None:
    said = {(1, "ada"): 0, (2, "ada"): 2}
    ada = measure(table(said, unknown=((1, 0), (1, 2))), "ordinal")[0]
    assert (ada.n, ada.n_compared) == (2, 1)
    assert (ada.loo_agreement.value, ada.loo_signed_bias.value) == (0.5, -1.0)


def test_what_is_not_defined_says_why() -> None:
    alone, nobody = measure(table({(1, "ada"): 0}), "ordinal")[:2]
    assert alone.loo_agreement.reason == alone.loo_signed_bias.reason == quality.NO_OTHERS
    assert nobody.loo_agreement.reason == nobody.alpha_gain_if_left_out.reason == quality.NO_VOTES
    pair: Said = {(1, "ada"): 0, (1, "bob"): 1}
    ada = measure(table(pair), "nominal")[0]
    assert ada.alpha_gain_if_left_out.reason == quality.NO_PAIRS_WITHOUT
    assert ada.loo_signed_bias.reason == quality.NO_ORDER
    assert (ada.loo_mean_abs_deviation.value, ada.loo_mean_abs_deviation.low) == (1.0, None)
    same: Said = {(unit, name): 0 for unit in range(3) for name in NAMES[:3]}
    assert measure(table(same))[0].alpha_gain_if_left_out.reason == NO_VARIATION
    odd = {**same, (1, "ada"): 2}
    assert measure(table(odd))[0].alpha_gain_if_left_out.reason == quality.NO_VARIATION_WITHOUT
    assert gold_accuracy(0, 0).reason == quality.NO_GOLD
    assert [person.reason for person in (m.loo_agreement for m in measure(table({})))] == [quality.NO_VOTES] * 4


def test_who_raises_alpha_when_gone_is_the_one_that_differs() -> None:
    said = {(unit, name): unit % 3 for unit in range(9) for name in NAMES[:3]}
    said |= {(unit, "dan"): (unit + 1) % 3 for unit in range(9)}
    gains = [person.alpha_gain_if_left_out.value or 0 for person in measure(table(said), "ordinal")]
    assert gains[3] > 0 > max(gains[:3])


# Wilson's interval by R's binom::binom.confint(x, n, methods = "wilson") and by Brown, Cai & DasGupta 2001.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775328), (8, 10, 0.4901625, 0.9433178), (10, 10, 0.7224672, 1.0), (50, 100, 0.4038315, 0.5961685)],
)
def test_wilson_equals_published_values(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-6)
    assert gold_accuracy(successes, n).value == successes / n


def test_wilson_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no interval"):
        wilson(0, 0)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_a_wilson_interval_holds_its_share(values: list[int]) -> None:
    low, high = wilson(sum(values) / 4, len(values))
    assert 0 <= low <= sum(values) / 4 / len(values) + 1e-12
    assert sum(values) / 4 / len(values) <= high + 1e-12 <= 1 + 1e-11


def test_permuting_people_changes_nothing() -> None:
    said: Said = {(unit, name): (unit * 7 + at) % 3 for unit in range(6) for at, name in enumerate(NAMES)}
    gains = {person.annotator: person.alpha_gain_if_left_out.value for person in measure(table(said), "ordinal")}
    for one, other in combinations(NAMES, 2):
        swap = {one: other, other: one}
        swapped = {(unit, swap.get(name, name)): option for (unit, name), option in said.items()}
        again = {person.annotator: person.alpha_gain_if_left_out.value for person in measure(table(swapped), "ordinal")}
        assert again[swap[one]] == pytest.approx(gains[one], abs=1e-12)
