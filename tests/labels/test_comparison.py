"""Methods side by side: scores by hand, no answer told to the model that it scores, and HateCheck's votes."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labels.comparison import METHODS, Comparison, ComparisonError, Score, calibration_error, compare
from tests.labels.specs import FIVE_OPTIONS, OIG_SAFETY, SHIPPED


def by_method(found: Comparison) -> dict[str, Score]:
    return {score.method: score for score in found.scores}


def world(seed: int, n: int, votes: int) -> Any:
    """Votes of ten annotators on the five options, the first seldom right, the last often, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 5, n)
    unit, annotator = np.repeat(np.arange(n), votes), rng.integers(0, 10, n * votes)
    is_right = rng.random(len(unit)) < np.linspace(0.3, 0.9, 10)[annotator]
    return unit, annotator, np.where(is_right, truth[unit], rng.integers(0, 5, len(unit))), truth


def test_it_scores_each_method_by_hand() -> None:
    """Casual twice; casual and caution, which ties; caution twice and casual; nothing known of the last."""
    unit = np.array([0, 0, 2, 2, 3, 3, 3, 5, 5])
    option = np.array([0, 0, 0, 1, 1, 1, 0, 2, 2])
    gold = np.array([0, 2, 1, 1, -1, -1])
    found = compare(OIG_SAFETY, unit, np.full(9, -1), option, gold=gold)
    assert (found.n_units, found.n_votes) == (4, 9)
    scores = by_method(found)
    assert tuple(scores) == METHODS
    rule, median = scores["rule"], scores["ordinal_median"]
    # "possibly" and "probably needs caution" are no options: they count as no label.
    assert (rule.n_gold, rule.n_right, rule.n_undecided) == (3, 1, 2)
    assert (rule.accuracy, rule.accuracy_given) == (1 / 3, 1)
    assert rule.accuracy_given_ci95 is not None
    assert (median.n_gold, median.n_right, median.n_undecided, median.accuracy) == (3, 2, 1, 2 / 3)
    smoothed = [2.5 / 3.5, 1.5 / 3.5, 2.5 / 4.5]
    assert median.log_loss == pytest.approx(-np.log(smoothed).mean())
    assert median.overconfidence == pytest.approx(np.mean(smoothed) - 2.5 / 3)
    assert median.accuracy_ci95 is not None
    pairs = {(one, other): share for one, other, share in found.agreement}
    assert pairs["ordinal_median", "majority"] == 1
    assert pairs["rule", "ordinal_median"] == 2 / 4
    assert len(pairs) == 15
    json.dumps(found.as_dict())


def test_no_answer_is_told_to_the_model_that_it_scores() -> None:
    """Answers that have nothing to do with the votes are guessed no better than chance, by any method."""
    unit, annotator, option, _ = world(1, 1000, 3)
    gold = np.random.default_rng(9).integers(0, 5, 1000)
    for score in compare(FIVE_OPTIONS, unit, annotator, option, gold=gold).scores:
        assert score.accuracy is not None
        assert score.accuracy < 0.27, score


def test_models_are_right_more_often_and_calibrated_where_there_are_votes_enough() -> None:
    unit, annotator, option, truth = world(2, 4000, 3)
    gold = np.where(np.arange(4000) % 4 == 0, truth, -1)
    scores = by_method(compare(FIVE_OPTIONS, unit, annotator, option, gold=gold))
    pooled, shared, median = (scores[name] for name in ("dawid_skene_pooled", "shared_confusion", "ordinal_median"))
    assert pooled.n_right > shared.n_right + 20 > median.n_right + 20
    for score in (pooled, shared):
        assert score.log_loss is not None
        assert median.log_loss is not None
        assert score.overconfidence is not None
        assert score.log_loss < median.log_loss
        assert abs(score.overconfidence) < 0.05


def test_without_known_answers_it_still_tells_who_agrees() -> None:
    unit, annotator, option, truth = world(3, 50, 3)
    found = compare(FIVE_OPTIONS, unit, annotator, option)
    assert {score.reason for score in found.scores} == {"no unit with a known answer has a vote"}
    assert {score.accuracy for score in found.scores} == {None}
    assert len(found.agreement) == 10
    one = compare(FIVE_OPTIONS, unit, annotator, option, gold=np.where(np.arange(50) == 7, truth, -1))
    assert by_method(one)["shared_confusion"].reason == "it is estimated on known answers; give at least two"
    assert by_method(one)["majority"].n_gold == 1


def test_it_compares_hatechecks_votes(shared_data: Path) -> None:
    with (shared_data / "hatecheck" / "all_annotations.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    votes = [
        (unit, number - 1, int(row[f"label_{number}"] == "hateful"))
        for unit, row in enumerate(rows)
        for number in range(1, 11)
        if row[f"label_{number}"]
    ]
    gold = np.array([row["label_gold"] == "hateful" for row in rows]).astype(int)
    majority_of_file = np.array([row["label_annot_maj"] == "hateful" for row in rows]).astype(int)
    found = compare(SHIPPED["hatecheck"], *np.array(votes).T, gold=gold)
    scores = by_method(found)
    assert scores["majority"].n_right == int((majority_of_file == gold).sum())
    for score in found.scores:
        assert (score.n_gold, score.n_undecided) == (3901, 0)
        assert score.accuracy is not None
        assert score.accuracy > 0.99
    assert all(share > 0.98 for _, _, share in found.agreement)


def test_the_shared_matrix_has_the_prior_of_all_units() -> None:
    """Half of the answers are of a rare option, on purpose; with their prior it would be seen everywhere."""
    rng = np.random.default_rng(4)
    truth = (rng.random(4000) < 0.05).astype(int) * 4
    unit = np.repeat(np.arange(4000), 3)
    option = np.where(rng.random(len(unit)) < 0.6, truth[unit], rng.integers(0, 5, len(unit)))
    chosen = np.concatenate([np.flatnonzero(truth == 4)[:100], np.flatnonzero(truth == 0)[:100]])
    gold = np.full(4000, -1)
    gold[chosen] = truth[chosen]
    found = compare(FIVE_OPTIONS, unit, np.full(len(unit), -1), option, gold=gold)
    pairs = {(one, other): share for one, other, share in found.agreement}
    assert pairs["dawid_skene", "shared_confusion"] > 0.95


@given(st.lists(st.floats(0.2, 1), min_size=1), st.integers(0, 1))
def test_a_calibration_error_is_at_least_the_mean_gap(sure: list[float], hit: int) -> None:
    confidence, hits = np.array(sure), np.full(len(sure), float(hit))
    error = calibration_error(confidence, hits)
    assert abs((confidence - hits).mean()) <= error + 1e-12 <= 1 + 1e-12


@pytest.mark.parametrize(
    ("unit", "option", "gold", "message"),
    [
        ([], [], None, "no vote"),
        ([0], [5], None, "do not fit oig-safety-direct; give one of 0 to 4"),
        ([0, 1], [1], None, "do not fit"),
        ([0, 1], [1, 1], [0], "known answers do not fit; give -1 to 4"),
        ([0], [1], [5], "known answers do not fit"),
    ],
)
def test_it_refuses_what_does_not_fit(unit: list[int], option: list[int], gold: Any, message: str) -> None:
    annotator = np.zeros(len(unit), int)
    answers = None if gold is None else np.array(gold)
    with pytest.raises(ComparisonError, match=message):
        compare(FIVE_OPTIONS, np.array(unit, dtype=int), annotator, np.array(option, dtype=int), gold=answers)
