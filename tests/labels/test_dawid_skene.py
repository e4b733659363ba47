"""Dawid and Skene's model: on their own data, beside an independent implementation, and by its properties."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from labels.dawid_skene import POOLED_STRENGTH, DawidSkene, DawidSkeneError, fit, most_probable

Votes = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

# Dawid and Skene 1979, table 1: 45 patients' fitness for a general anaesthetic, 1 to 4. The first observer assessed
# each patient three times, the other four once.
ANAESTHETISTS = """
1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 1111111 2223212 1211111
1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111 1111111 1121121
1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111 1111111 1212111 2322222 1211111 2222222
"""
OBSERVERS = [0, 0, 0, 1, 2, 3, 4]


def anaesthetists() -> Votes:
    said = np.array([[int(digit) - 1 for digit in patient] for patient in ANAESTHETISTS.split()])
    return np.repeat(np.arange(45), 7), np.tile(OBSERVERS, 45), said.ravel()


def world(seed: int, n: int, annotators: int, options: int, most: int, right: float = 0.65) -> tuple[Votes, Any]:
    """Ragged votes that are right with this probability and otherwise random, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, options, n)
    unit = np.repeat(np.arange(n), rng.integers(1, most + 1, n))
    annotator = rng.integers(0, annotators, len(unit))
    option = np.where(rng.random(len(unit)) < right, truth[unit], rng.integers(0, options, len(unit)))
    return (unit, annotator, option), truth


worlds = st.builds(
    world,
    seed=st.integers(0, 10_000),
    n=st.integers(1, 30),
    annotators=st.integers(1, 5),
    options=st.integers(2, 4),
    most=st.integers(1, 5),
)
strengths = st.sampled_from([0.0, 3.0, POOLED_STRENGTH])


def size(votes: Votes) -> dict[str, int]:
    unit, annotator, _ = votes
    return {"n_options": 4, "n_units": int(unit.max()) + 1, "n_annotators": int(annotator.max()) + 1}


def same(first: DawidSkene, second: DawidSkene) -> None:
    np.testing.assert_allclose(first.posteriors, second.posteriors, atol=1e-7)
    np.testing.assert_allclose(first.prior, second.prior, atol=1e-7)
    np.testing.assert_allclose(first.pooled, second.pooled, atol=1e-7)


# --- Against published and independent values -----------------------------------------------------------------------


def test_it_gives_the_published_estimates_for_the_anaesthetists() -> None:
    found = fit(*anaesthetists(), n_options=4, tolerance=1e-9, most_rounds=500)
    assert found.is_converged
    assert found.prior.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]
    assert found.confusion[0].round(2).tolist() == [
        [0.89, 0.11, 0.0, 0.0],
        [0.07, 0.88, 0.05, 0.0],
        [0.0, 0.34, 0.66, 0.0],
        [0.0, 0.0, 0.56, 0.44],
    ]
    assert (found.n_votes == [135, 45, 45, 45, 45]).all()
    assert (found.labels + 1).tolist()[:12] == [1, 4, 2, 2, 2, 2, 1, 3, 2, 2, 4, 3]


def test_it_equals_crowd_kit_after_as_many_rounds() -> None:
    frozen = json.loads((Path(__file__).parent / "oracles" / "dawid_skene.json").read_text("utf-8"))
    assert len(frozen) == 4
    for case in frozen:
        found = fit(
            *np.array(case["votes"]).T,
            n_options=case["n_options"],
            gold=np.array(case["gold"]),
            tolerance=0.0,
            most_rounds=case["rounds"],
        )
        assert found.rounds == case["rounds"]
        # The oracle returns no probability below 1e-10.
        np.testing.assert_allclose(np.maximum(found.posteriors, 1e-10), case["posteriors"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.prior, case["prior"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.confusion, case["confusion"], rtol=0, atol=1e-12)


# --- Properties -----------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(worlds, strengths, st.randoms(use_true_random=False))
def test_the_order_of_votes_changes_not_one_bit(made: tuple[Votes, Any], strength: float, random: Any) -> None:
    votes, _ = made
    order = list(range(len(votes[0])))
    random.shuffle(order)
    first = fit(*votes, n_options=4, strength=strength)
    second = fit(votes[0][order], votes[1][order], votes[2][order], n_options=4, strength=strength)
    for field in ("posteriors", "confusion", "pooled", "prior"):
        assert (getattr(first, field) == getattr(second, field)).all()
    assert first.convergence() == second.convergence()


@settings(max_examples=40)
@given(worlds, strengths, st.randoms(use_true_random=False))
def test_renaming_units_or_annotators_changes_nothing(made: tuple[Votes, Any], strength: float, random: Any) -> None:
    (unit, annotator, option), _ = made
    sizes: Any = size((unit, annotator, option))
    units, annotators = list(range(sizes["n_units"])), list(range(sizes["n_annotators"]))
    random.shuffle(units)
    random.shuffle(annotators)
    first = fit(unit, annotator, option, strength=strength, most_rounds=15, tolerance=0.0, **sizes)
    renamed = fit(np.array(units)[unit], annotator, option, strength=strength, most_rounds=15, tolerance=0.0, **sizes)
    np.testing.assert_allclose(first.posteriors, renamed.posteriors[units], atol=1e-7)
    others = np.array(annotators)[annotator]
    again = fit(unit, others, option, strength=strength, most_rounds=15, tolerance=0.0, **sizes)
    same(first, again)
    np.testing.assert_allclose(first.confusion, again.confusion[annotators], atol=1e-7)


@settings(max_examples=40)
@given(worlds)
def test_the_plain_model_never_becomes_less_likely(made: tuple[Votes, Any]) -> None:
    trace = np.array(fit(*made[0], n_options=4, tolerance=0.0, most_rounds=20).log_likelihood)
    assert (np.diff(trace) > -1e-6).all()
    assert (trace <= 1e-9).all()


@settings(max_examples=40)
@given(worlds, strengths)
def test_probabilities_are_probabilities(made: tuple[Votes, Any], strength: float) -> None:
    found = fit(*made[0], n_options=4, n_units=40, n_annotators=7, strength=strength)
    for values in (found.posteriors, found.confusion, found.pooled, found.prior):
        assert (values >= 0).all()
        np.testing.assert_allclose(values.sum(axis=-1), 1)
    assert found.posteriors.shape == (40, 4)
    assert found.confusion.shape == (7, 4, 4)


@settings(max_examples=40)
@given(st.integers(0, 10_000), strengths)
def test_perfect_annotators_are_believed(seed: int, strength: float) -> None:
    """Given some votes on every option: from two votes no model can tell who is right."""
    (unit, annotator, _), truth = world(seed, 120, 3, 4, 3)
    assert (fit(unit, annotator, truth[unit], n_options=4, strength=strength).labels == truth).all()


@settings(max_examples=40)
@given(worlds, strengths, st.data())
def test_a_known_answer_is_never_overruled(made: tuple[Votes, Any], strength: float, data: st.DataObject) -> None:
    votes, truth = made
    gold = np.array([data.draw(st.integers(-1, 3)) for _ in truth])
    found = fit(*votes, n_options=4, gold=gold, strength=strength)
    known = gold >= 0
    assert (found.posteriors[known] == np.eye(4)[gold[known]]).all()


def test_an_adversary_is_found_out_by_known_answers() -> None:
    """Two of three annotators swap the options: only gold can tell."""
    truth = np.arange(200) % 2
    unit, annotator = np.repeat(np.arange(200), 3), np.tile([0, 1, 2], 200)
    option = np.where(annotator == 0, truth[unit], 1 - truth[unit])
    gold = np.where(np.arange(200) < 60, truth, -1)
    assert (fit(unit, annotator, option, n_options=2).labels == 1 - truth).all()
    assert (fit(unit, annotator, option, n_options=2, gold=gold).labels == truth).all()


def test_a_strong_prior_gives_everybody_the_pooled_matrix() -> None:
    votes, _ = world(3, 200, 6, 4, 5)
    found = fit(*votes, n_options=4, strength=1e9)
    np.testing.assert_allclose(found.confusion, np.broadcast_to(found.pooled, found.confusion.shape), atol=1e-5)
    unknown = fit(votes[0], np.full_like(votes[1], -1), votes[2], n_options=4, n_annotators=0)
    np.testing.assert_allclose(found.posteriors, unknown.posteriors, atol=1e-4)
    assert unknown.confusion.shape == (0, 4, 4)


def test_an_annotator_with_few_votes_is_drawn_to_the_others() -> None:
    votes, _ = world(5, 400, 6, 3, 5)
    annotator = votes[1].copy()
    annotator[:4] = 6
    found = fit(votes[0], annotator, votes[2], n_options=3, strength=POOLED_STRENGTH)
    distances = np.abs(found.confusion - found.pooled).max(axis=(1, 2))
    assert distances[6] < 0.15
    assert (found.n_votes == np.bincount(annotator)).all()


def test_a_unit_without_a_vote_has_the_prior_or_its_known_answer() -> None:
    gold = np.array([-1, -1, -1, 1])
    found = fit(np.array([0, 1]), np.array([0, 0]), np.array([0, 1]), n_options=2, n_units=4, gold=gold)
    assert (found.posteriors[2] == found.prior).all()
    assert found.posteriors[3].tolist() == [0.0, 1.0]


def test_one_vote_for_each_of_two_options_is_a_tie() -> None:
    found = fit(np.array([0, 0]), np.array([-1, -1]), np.array([0, 1]), n_options=2)
    assert found.labels.tolist() == [-1]
    assert most_probable(np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]])).tolist() == [1, -1]


# --- Convergence and bad input --------------------------------------------------------------------------------------


def test_it_tells_how_it_converged() -> None:
    votes, _ = world(1, 100, 5, 3, 5)
    done = fit(*votes, n_options=3).convergence()
    assert done["is_converged"]
    assert abs(done["last_change_per_vote"]) < done["tolerance_per_vote"]
    assert len(done["log_likelihood"]) == done["rounds"]
    cut = fit(*votes, n_options=3, most_rounds=1)
    assert (cut.is_converged, cut.rounds, cut.last_change) == (False, 1, None)
    assert json.loads(json.dumps(cut.convergence()))["last_change_per_vote"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": np.array([], dtype=int), "annotator": np.array([], int), "option": np.array([], int)}, "no vote"),
        ({"option": np.array([0])}, "differ in length"),
        ({"option": np.array([0, 3])}, "option 3; use 0 to 1"),
        ({"annotator": np.array([0, -2])}, "annotator -2; use -1 to 0"),
        ({"unit": np.array([0, -1])}, "unit -1; use 0 to 0"),
        ({"unit": np.array([0.0, 1.0])}, "unit is float64; give whole numbers"),
        ({"n_options": 1}, "1 options leave nothing to decide"),
        ({"n_units": 1}, "unit 1; use 0 to 0"),
        ({"gold": np.array([0])}, r"gold has the shape \(1,\); give one number per unit, 2"),
        ({"gold": np.array([0, 2])}, "gold 2; use -1 to 1"),
        ({"strength": -1.0}, "strength -1.0"),
        ({"most_rounds": 0}, "0 rounds"),
    ],
)
def test_it_refuses_what_it_cannot_use(change: dict[str, Any], message: str) -> None:
    given = {"unit": np.array([0, 1]), "annotator": np.array([0, 0]), "option": np.array([0, 1]), "n_options": 2}
    with pytest.raises(DawidSkeneError, match=message):
        fit(**{**given, **change})
