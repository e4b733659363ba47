"""One confusion matrix for all annotators: by hand, in simulated worlds, and on HateCheck's known answers."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from labels.shared_confusion import SharedConfusion, SharedConfusionError, estimate

CONFUSION = np.array([[0.8, 0.15, 0.05], [0.2, 0.6, 0.2], [0.1, 0.3, 0.6]])
PRIOR = np.array([0.6, 0.3, 0.1])


def drawn(seed: int, n: int, votes: int, prior: NDArray[np.float64] = PRIOR) -> tuple[Any, Any]:
    """Counts of votes that follow the model, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(prior), n, p=prior)
    return rng.multinomial(votes, CONFUSION[truth]), truth


def test_it_is_bayes_rule() -> None:
    model = SharedConfusion(CONFUSION, PRIOR, 1, 1)
    joint = PRIOR * CONFUSION[:, 0] ** 2 * CONFUSION[:, 2]
    np.testing.assert_allclose(model.posterior(np.array([[2, 0, 1]]))[0], joint / joint.sum())
    np.testing.assert_allclose(model.posterior(np.array([[0, 0, 0]]))[0], PRIOR)


def test_it_counts_votes_by_known_answer() -> None:
    found = estimate(np.array([[3, 1], [2, 0], [0, 4]]), np.array([0, 0, 1]))
    assert found.confusion.tolist() == [[6.5 / 8, 1.5 / 8], [0.5 / 6, 5.5 / 6]]
    assert found.prior.tolist() == [2.5 / 4, 1.5 / 4]
    assert (found.n_gold, found.n_gold_votes) == (3, 10)
    times = estimate(np.array([[1, 0], [0, 1]]), np.array([0, 1]), np.array([5, 2]))
    written_out = estimate(np.array([[1, 0]] * 5 + [[0, 1]] * 2), np.array([0] * 5 + [1] * 2))
    assert times.as_dict() == written_out.as_dict()


def test_it_finds_the_matrix_and_is_calibrated() -> None:
    """As sure as it is right, to within two points, from 300 known answers; five votes and three."""
    over = []
    for seed in range(6):
        model = estimate(*drawn(seed, 300, 5))
        assert np.abs(model.confusion - CONFUSION).max() < 0.12
        counts, truth = drawn(100 + seed, 20_000, 3)
        posterior = model.posterior(counts)
        over.append(posterior.max(axis=1).mean() - (posterior.argmax(axis=1) == truth).mean())
    assert abs(np.mean(over)) < 0.02
    assert np.abs(over).max() < 0.05


def test_it_finds_another_prior_by_em() -> None:
    """Known answers were chosen, half of them severe; the units to label are not like that."""
    model = estimate(*drawn(1, 3000, 5, np.array([0.25, 0.25, 0.5])))
    counts, _ = drawn(2, 50_000, 3)
    patterns, multiplicity = np.unique(counts, axis=0, return_counts=True)
    found = model.with_prior_of(patterns, multiplicity)
    np.testing.assert_allclose(found.prior, PRIOR, atol=0.03)
    assert (found.confusion == model.confusion).all()
    np.testing.assert_allclose(found.prior, model.with_prior_of(counts).prior, atol=1e-9)


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=9), st.permutations(range(3)))
def test_it_knows_options_by_nothing_but_their_place(rows: list[list[int]], order: list[int]) -> None:
    counts = np.array(rows)
    answers = np.arange(len(rows)) % 3
    first = estimate(counts, answers)
    np.testing.assert_allclose(first.posterior(counts).sum(axis=1), 1)
    renamed = estimate(counts[:, order], np.argsort(order)[answers])
    np.testing.assert_allclose(renamed.posterior(counts[:, order]), first.posterior(counts)[:, order])


def test_it_survives_json() -> None:
    model = estimate(*drawn(1, 50, 3))
    again = SharedConfusion.from_dict(json.loads(json.dumps(model.as_dict())))
    assert again.as_dict() == model.as_dict()
    assert again.n_options == 3


def test_it_agrees_with_hatechecks_known_answers(shared_data: Path) -> None:
    """Half of the cases tell the matrix; the other half's labels are right as often as their posterior says."""
    with (shared_data / "hatecheck" / "all_annotations.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    counts = np.array([[int(row["count_label_nh"]), int(row["count_label_h"])] for row in rows])
    gold = np.array([row["label_gold"] == "hateful" for row in rows]).astype(int)
    assert len(rows) == 3901
    model = estimate(counts[::2], gold[::2])
    posterior = model.posterior(counts[1::2])
    right = (posterior.argmax(axis=1) == gold[1::2]).mean()
    assert right > 0.95
    assert abs(posterior.max(axis=1).mean() - right) < 0.05


@pytest.mark.parametrize(
    ("counts", "answers", "message"),
    [
        (np.zeros((0, 2), int), np.array([], int), "0 answers; give at least one"),
        (np.ones((2, 2), int), np.array([0]), "1 answers"),
        (np.ones((1, 2), int), np.array([2]), "answers run from 2 to 2; use 0 to 1"),
        (-np.ones((1, 2), int), np.array([0]), "counts hold -1"),
        (np.ones((1, 1), int), np.array([0]), r"shape \(1, 1\)"),
    ],
)
def test_it_refuses_what_it_cannot_use(counts: Any, answers: Any, message: str) -> None:
    with pytest.raises(SharedConfusionError, match=message):
        estimate(counts, answers)


def test_a_prior_needs_votes_and_the_same_options() -> None:
    model = estimate(*drawn(1, 50, 3))
    with pytest.raises(SharedConfusionError, match="no unit has a vote"):
        model.with_prior_of(np.zeros((2, 3)))
    with pytest.raises(SharedConfusionError, match=r"shape \(2, 2\)"):
        model.posterior(np.zeros((2, 2)))
