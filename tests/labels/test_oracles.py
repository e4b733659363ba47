"""Every coefficient equals what independent implementations say of ragged and of real votes (oracles.py)."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labels.agreement import conger_kappa, measure, measure_tag_sets
from labels.votes import VoterTable

FROZEN: dict[str, Any] = json.loads(Path(__file__).with_name("oracles.json").read_text())
SAME = {"fleiss_kappa_statsmodels": "fleiss_kappa_generalized", "cohens_kappa_statsmodels": "conger_kappa"}

type Vote = tuple[str, str, str]  # annotator, unit, option


def tabulate(votes: Iterable[Vote], options: Sequence[str]) -> VoterTable:
    who, unit, option = zip(*votes, strict=True)
    names, annotator = np.unique(who, return_inverse=True)
    positions = [options.index(name) for name in option]
    return VoterTable.from_votes(
        options, np.unique(unit, return_inverse=True)[1], annotator, np.array(positions), names.tolist()
    )


def written(ratings: Sequence[str]) -> list[Vote]:
    return [
        (str(who), str(at), str(int(vote, 16)))
        for at, unit in enumerate(ratings)
        for who, vote in enumerate(unit)
        if vote != "."
    ]


def check(table: VoterTable, values: dict[str, float]) -> None:
    found = {c.name: c.value for c in [*measure(table, ordinal=True), conger_kappa(table)]}
    assert {name: found[SAME.get(name, name)] for name in values} == pytest.approx(values, abs=1e-12)


@pytest.mark.parametrize("case", FROZEN["random"], ids=lambda case: f"{len(case['ratings'])} units")
def test_it_equals_the_oracles_on_ragged_votes(case: dict[str, Any]) -> None:
    options = [str(option) for option in range(case["options"])]
    check(tabulate(written(case["ratings"]), options), case["values"])


@pytest.mark.parametrize("case", FROZEN["tag_sets"], ids=lambda case: f"{len(case['ratings'])} units")
def test_it_equals_the_oracle_on_sets_of_tags(case: dict[str, Any]) -> None:
    check_sets(written(case["ratings"]), case["values"])


def check_sets(votes: list[Vote], values: dict[str, float]) -> None:
    options = sorted({option for _, _, option in votes}, key=int)
    found = {c.name: c.value for c in measure_tag_sets(tabulate(votes, options))}
    assert {name: found[name] for name in values} == pytest.approx(values, abs=1e-12)


def test_it_equals_the_oracles_on_hatecheck(shared_data: Path) -> None:
    with (shared_data / "hatecheck" / "all_annotations.csv").open(newline="") as file:
        votes = [
            (f"{at:02}", row[""], row[f"label_{at}"].strip())
            for row in csv.DictReader(file)
            for at in range(1, 11)
            if row[f"label_{at}"].strip()
        ]
    table = tabulate(votes, ["non-hateful", "hateful"])
    assert (table.patterns.n_units, table.patterns.n_votes, len(table.annotators)) == (3901, 19505, 10)
    check(table, FROZEN["hatecheck"])


def test_it_equals_the_oracles_on_convabuse(shared_data: Path) -> None:
    rows = convabuse(shared_data)
    scale = [f"is_abuse.{step}" for step in range(-3, 2)]
    check(
        tabulate([(*place, max(scale, key=row.__getitem__)) for place, row in rows.items()], scale), FROZEN["convabuse"]
    )


def test_it_equals_the_oracles_on_convabuses_sets_of_kinds(shared_data: Path) -> None:
    rows = convabuse(shared_data)
    kinds = [name for name in next(iter(rows.values())) if name.startswith("type.")]
    votes = [
        (*place, str(sum(1 << at for at, kind in enumerate(kinds) if row[kind] == "1"))) for place, row in rows.items()
    ]
    check_sets(votes, FROZEN["convabuse_types"])


def convabuse(shared_data: Path) -> dict[tuple[str, str], dict[str, str]]:
    """The first vote of each annotator on each unit."""
    votes: dict[tuple[str, str], dict[str, str]] = {}
    with (shared_data / "convabuse" / "ConvAbuseEMNLPfull.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            unit = json.dumps([row[name] for name in ("conv_id", "prev_agent", "prev_user", "agent", "user")])
            votes.setdefault((row["annotator_id"], unit), row)
    return votes
