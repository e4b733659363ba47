"""The published coefficients against a recomputation from the published lines, in other words than the project's."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from annotate import measures, tallies
from annotate.models import Campaign
from annotate.tallies import Scope
from exports.statistics import Tally
from labels import taxonomy
from sources.models import Source
from tests.exports import worlds

GOLDEN = Path(__file__).parent / "golden"
LINES = [json.loads(line)["metadata"] for line in (GOLDEN / "OIG_safety_v0.3.jsonl").read_text().split("\n") if line]
ORIGINALS = [line for line in LINES if not line["lineage"]["parent"]]
STATISTICS = json.loads((GOLDEN / "OIG_safety_v0.3.stats.json").read_text())
OPTIONS = ["casual", "needs caution", "needs intervention"]

type Units = list[list[int]]


def units(votes: Callable[[dict[str, Any]], dict[str, int]], names: list[str]) -> Units:
    """The votes of each line of an original as a list of the positions of what was chosen."""
    return [[at for at, name in enumerate(names) for _ in range(votes(line)[name])] for line in ORIGINALS]


def alpha(found: Units, distance: Callable[[int, int, list[int]], float]) -> float:
    """Krippendorff's alpha from all pairs of votes: within units against any two of all pairable votes."""
    pairable = [votes for votes in found if len(votes) > 1]
    everything = [vote for votes in pairable for vote in votes]
    observed = sum(
        distance(one, other, everything) / (len(votes) - 1)
        for votes in pairable
        for one, other in permutations(votes, 2)
    )
    expected = sum(distance(one, other, everything) for one, other in permutations(everything, 2))
    return 1 - observed / len(everything) / (expected / len(everything) / (len(everything) - 1))


def nominal(one: int, other: int, _: list[int]) -> float:
    return float(one != other)


def interval(one: int, other: int, _: list[int]) -> float:
    return float((one - other) ** 2)


def ordinal(one: int, other: int, everything: list[int]) -> float:
    low, high = sorted((one, other))
    between = sum(low <= vote <= high for vote in everything)
    return (between - (everything.count(low) + everything.count(high)) / 2) ** 2


def agreement(found: Units) -> float:
    shares = [
        sum(one == other for one, other in permutations(votes, 2)) / (len(votes) * (len(votes) - 1))
        for votes in found
        if len(votes) > 1
    ]
    return sum(shares) / len(shares)


def ac1(found: Units, options: int) -> float:
    voted = [votes for votes in found if votes]
    means = [sum(votes.count(option) / len(votes) for votes in voted) / len(voted) for option in range(options)]
    chance = sum(mean * (1 - mean) for mean in means) / (options - 1)
    return (agreement(found) - chance) / (1 - chance)


def test_it_measures_the_base_vote_of_originals_as_the_lines_say() -> None:
    base = units(lambda line: line["votes"], OPTIONS)
    expected = {
        "krippendorff_alpha_nominal": alpha(base, nominal),
        "krippendorff_alpha_ordinal": alpha(base, ordinal),
        "krippendorff_alpha_interval": alpha(base, interval),
        "gwet_ac1": ac1(base, 3),
        "percent_agreement": agreement(base),
    }
    published = {name: STATISTICS["base"][name]["value"] for name in expected}
    assert published == pytest.approx(expected, abs=1e-9)
    assert len(STATISTICS["base"]) == 11
    assert {found["n_pairable"] for found in STATISTICS["base"].values()} == {14}
    assert {found["n_votes"] for found in STATISTICS["base"].values()} == {37}
    # Three votes came without an annotator.
    assert {found["n_annotators"] for found in STATISTICS["base"].values()} == {None}
    assert STATISTICS["slices"]["origin"]["original"]["base"] == STATISTICS["base"]
    assert STATISTICS["slices"]["origin"]["augmented"]["votes"] == 2


def test_it_measures_tags_with_their_prevalence() -> None:
    for tag, found in STATISTICS["tags"].items():
        said = units(lambda line, tag=tag: line["tag_votes"][tag], ["yes", "no"])  # type: ignore[misc]
        answers = [answer for votes in said for answer in votes]
        assert found["answers"] == len(answers)
        if answers:
            shares = [votes.count(0) / len(votes) for votes in said if votes]
            assert found["prevalence"]["value"] == pytest.approx(sum(shares) / len(shares))
    abuse = units(lambda line: line["tag_votes"]["abuse related"], ["yes", "no"])
    published = {name: STATISTICS["tags"]["abuse related"][name]["value"] for name in ("percent_agreement", "gwet_ac1")}
    assert published == pytest.approx({"percent_agreement": agreement(abuse), "gwet_ac1": ac1(abuse, 2)}, abs=1e-9)


def test_it_says_null_with_a_reason_of_what_is_undefined() -> None:
    unasked = STATISTICS["tags"]["personal information related"]
    assert (unasked["prevalence"]["value"], unasked["prevalence"]["reason"]) == (None, "there is no vote")
    assert unasked["gwet_ac1"]["value"] is None
    assert unasked["gwet_ac1"]["reason"] == "no unit has two votes, so there is nothing to compare"


def test_it_counts_what_the_lines_hold() -> None:
    labels = [label for line in LINES for label in line["labels"]]
    assert STATISTICS["labels"] == {label: labels.count(label) for label in STATISTICS["labels"]}
    statuses = [line["agreement"] for line in LINES]
    assert STATISTICS["agreement_status"] == {
        status: statuses.count(status) for status in STATISTICS["agreement_status"]
    }
    assert STATISTICS["instructions"] == len(LINES) == sum(STATISTICS["votes_per_instruction"].values())
    assert STATISTICS["votes"] == sum(line["n_votes"] for line in LINES)
    assert STATISTICS["simulated_votes"] == sum(line["n_simulated_votes"] for line in LINES) == 1
    assert STATISTICS["without_base_label"] == sum(line["no_label_because"] != "" for line in LINES) == 1
    assert sum(row["instructions"] for row in STATISTICS["patterns"]) == len(ORIGINALS)
    for key, found in STATISTICS["by_source"].items():
        lines = [line for line in LINES if line["lineage"]["source"] == key]
        assert found["simulated_votes"] == sum(line["n_simulated_votes"] for line in lines)


@pytest.mark.django_db(transaction=True)
def test_it_measures_each_source_alone(kindness: Any) -> None:
    placed = worlds.unit(kindness, worlds.instruction("Elsewhere they differ.", worlds.source("novels", "MIT")))
    worlds.votes(placed, worlds.people("ada ben"), worlds.CASUAL, worlds.CAUTION)
    found = worlds.published("0.3", kindness).statistics["by_source"]
    assert found["letters@1"]["base"]["percent_agreement"]["value"] == 1
    assert found["letters@1"]["base"]["krippendorff_alpha_nominal"]["reason"].startswith("only one option")
    assert found["novels@1"]["base"]["percent_agreement"]["value"] == 0


def test_it_summarises_nothing_without_failing() -> None:
    spec = taxonomy.read(taxonomy.SHIPPED / "oig-safety.toml")
    summary = Tally(spec).summary({"human": 0}, {})
    assert (summary["instructions"], summary["patterns"], summary["by_source"]) == (0, [], {})
    assert all(found["value"] is None and found["reason"] for found in summary["base"].values())


@pytest.mark.django_db(transaction=True)
def test_a_release_tells_the_same_as_the_page_of_measures(kindness: Campaign, letters: Source) -> None:
    people = worlds.people("ada ben cleo dora")
    answers = (worlds.CASUAL, worlds.CASUAL, worlds.CAUTION, worlds.CASUAL, worlds.INTERVENTION)
    for number in range(30):
        placed = worlds.unit(kindness, worlds.instruction(f"text {number}", letters))
        chosen = [answers[(number * step) % 5] if number > 12 else worlds.CASUAL for step in range(1, 4)]
        worlds.votes(placed, people[:3] if number % 2 else people[1:], *chosen)
    tallies.fold()
    page = measures.of_scope(Scope((kindness.pk,)))
    statistics = json.loads((worlds.published("0.3").path / "OIG_safety_v0.3.stats.json").read_bytes())
    told = {name: {**found, "name": name} for name, found in page["base"].items()}
    release = {name: {**found, "name": name} for name, found in statistics["base"].items()}
    for option in kindness.label_set.spec.options:
        for measure in ("prevalence", "specific_agreement"):
            told[f"{measure} {option.code}"] = page[measure][option.code]
            release[f"{measure} {option.code}"] = statistics["options"][option.name][measure]
    assert any(one["ci95"] for one in told.values())
    for name, one in told.items():
        for field in ("value", "se_items", "se_annotators", "ci95"):
            assert release[name][field] == pytest.approx(one[field], abs=1e-9), (name, field)
        assert release[name]["interval_reason"] == one["interval_reason"]
