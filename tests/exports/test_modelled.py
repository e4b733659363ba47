"""How the campaigns' way of adding votes up makes labels, and what a model says beside them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from pyarrow import parquet

from annotate import known
from annotate.models import Campaign, KnownAnswer
from exports import derivation, modelled, snapshots, verification
from exports.errors import SnapshotRefused
from exports.formats import Options
from exports.models import Snapshot
from labels import dawid_skene, shared_confusion
from labels.models import LabelSet
from sources import criteria, removals
from sources.models import Source
from tests.exports import worlds
from tests.exports.folders import file_of

pytestmark = pytest.mark.django_db(transaction=True)

OPTIONS = (worlds.CASUAL, worlds.CAUTION, worlds.INTERVENTION)
NAMES = ["casual", "needs caution", "needs intervention"]


@pytest.fixture
def opinions(kindness: Campaign, letters: Source) -> Campaign:
    """Thirty texts with two or three votes each, and gold on ten of them."""
    people = worlds.people("ada ben cleo")
    for number in range(30):
        placed = worlds.unit(kindness, worlds.instruction(f"text {number}", letters))
        for at in range(2 + number % 2):
            worlds.vote(placed, people[at], OPTIONS[(number + at * (number % 5 == 0)) % 3])
        if number < 10:
            name(kindness, placed.pk, OPTIONS[number % 3])
    return kindness


def name(campaign: Campaign, unit: int, code: str) -> None:
    known.add(campaign, [known.Line(1, str(unit), code, "")], KnownAnswer.Phase.GOLD, None)


def with_model(campaign: Campaign, model: str, forms: tuple[str, ...] = ()) -> Snapshot:
    Campaign.objects.filter(pk=campaign.pk).update(model=model)
    prepared = snapshots.prepare("0.3", [Campaign.objects.get(pk=campaign.pk)], options=Options(forms))
    snapshots.work(prepared)
    prepared.refresh_from_db()
    assert prepared.is_published, prepared.error
    return prepared


def lines(snapshot: Snapshot) -> list[dict[str, Any]]:
    return [
        json.loads(line)["metadata"] for line in (snapshot.path / file_of(snapshot)).read_text().split("\n") if line
    ]


def test_the_campaign_chooses_what_makes_the_label(kindness: Campaign, letters: Source) -> None:
    placed = worlds.unit(kindness, worlds.instruction("one of three", letters))
    worlds.votes(placed, worlds.people("ada ben cleo"), worlds.CASUAL, worlds.CASUAL, worlds.INTERVENTION)
    tied = worlds.unit(kindness, worlds.instruction("one of two", letters))
    worlds.votes(tied, worlds.people("ada ben"), worlds.CASUAL, worlds.CAUTION)
    found = {}
    for number, rule in enumerate(Campaign.Aggregation):
        Campaign.objects.update(aggregation=rule)
        snapshot = worlds.published(f"0.{number + 3}", kindness)
        found[rule.value] = {
            line["n_votes"]: line["label"] for line in lines(snapshot) if line["agreement"] == "disputed"
        }
        assert snapshot.manifest["aggregation"] == snapshot.statistics["aggregation"]
        assert snapshot.manifest["aggregation"]["rule"] == rule
        assert snapshot.manifest["aggregation"]["model"] is None
        assert f"| label of a line | {rule.label} |" in (snapshot.path / "README.md").read_text()
    assert found == {
        "rule": {3: "needs intervention", 2: "probably needs caution"},
        "ordinal_median": {3: "casual", 2: ""},
        "majority": {3: "casual", 2: ""},
    }
    # A campaign that chooses anew changes no release of before.
    Campaign.objects.update(aggregation="majority", model="shared_confusion")
    first = Snapshot.objects.get(version="0.3")
    derivation.rederive(first)
    assert verification.verify(first).is_same


@pytest.mark.parametrize("other", [{"aggregation": "majority"}, {"model": "dawid_skene_pooled"}])
def test_it_refuses_campaigns_that_add_votes_up_in_different_ways(kindness: Campaign, other: dict[str, str]) -> None:
    elsewhere = worlds.campaign("elsewhere", **other)
    with pytest.raises(
        SnapshotRefused, match=r"add votes up in different ways.*kindness \(rule, no model\), elsewhere"
    ):
        snapshots.prepare("0.3", [kindness, elsewhere])


def test_it_refuses_a_median_without_an_order(kindness: Campaign) -> None:
    kindness.label_set = LabelSet(pk=kindness.label_set_id, name="colours", revision=1, ordinal=False)
    kindness.aggregation = Campaign.Aggregation.MEDIAN
    with pytest.raises(ValidationError, match="The options of colours revision 1 have no order"):
        kindness.clean()
    with pytest.raises(SnapshotRefused, match="kindness: The options of colours revision 1 have no order"):
        snapshots.check_aggregation([kindness])


def test_it_refuses_a_model_of_gold_without_gold(kindness: Campaign) -> None:
    Campaign.objects.update(model="shared_confusion")
    with pytest.raises(SnapshotRefused, match="learns from gold, and there is none with a vote: add known answers"):
        snapshots.prepare("0.3", [Campaign.objects.get()])


def test_the_shared_matrix_is_that_of_the_gold(opinions: Campaign) -> None:
    snapshot = with_model(opinions, "shared_confusion")
    found = lines(snapshot)
    of_text = {line["turns"][0]["text"]: line for line in found}
    gold = [of_text[f"text {number}"] for number in range(10)]
    counts = np.array([[line["votes"][option] for option in NAMES] for line in gold])
    expected = shared_confusion.estimate(counts, np.array([number % 3 for number in range(10)]))
    for line in found:
        posterior = expected.posterior(np.array([[line["votes"][option] for option in NAMES]]))[0]
        assert list(line["model_distribution"].values()) == pytest.approx(posterior.tolist(), abs=1e-6)
        assert line["model_label"] == NAMES[int(posterior.argmax())]
    told = snapshot.manifest["aggregation"]
    assert (told["model"]["name"], told["model"]["n_gold"], told["gold"]["answers"]) == ("shared_confusion", 10, 10)


def test_dawid_and_skene_learn_from_all_votes_and_tell_no_gold(opinions: Campaign) -> None:
    snapshot = with_model(opinions, "dawid_skene_pooled")
    found = lines(snapshot)
    told = snapshot.manifest["aggregation"]["model"]
    assert (told["n_votes"], told["n_annotators"], told["n_gold"], told["is_converged"]) == (77, 3, 10, True)
    assert told["strength"] == dawid_skene.POOLED_STRENGTH
    for line in found:
        # Gold is clamped while it learns, never in what is told.
        assert max(line["model_distribution"].values()) < 1
        assert sum(line["model_distribution"].values()) == pytest.approx(1, abs=1e-5)
    # On the texts without gold it is what the module gives.
    votes = _votes(opinions)
    known_options = np.array([number % 3 if number < 10 else -1 for number in range(-1, 30)])
    known_options[0] = -1
    direct = dawid_skene.fit(*votes, n_options=3, gold=known_options, strength=dawid_skene.POOLED_STRENGTH)
    of_text = {line["turns"][0]["text"]: line for line in found}
    for number in range(10, 30):
        shares = list(of_text[f"text {number}"]["model_distribution"].values())
        assert shares == pytest.approx(direct.posteriors[number + 1].tolist(), abs=1e-6)


def _votes(campaign: Campaign) -> tuple[Any, Any, Any]:
    from annotate.models import Annotation

    said = list(Annotation.objects.counted().order_by("pk").values_list("unit", "annotator", "choice__code"))
    units, people = sorted({unit for unit, _, _ in said}), sorted({who for _, who, _ in said})
    columns = [(units.index(unit), people.index(who), OPTIONS.index(code)) for unit, who, code in said]
    unit, annotator, option = np.array(columns).T
    return unit, annotator, option


@pytest.mark.parametrize("model", ["shared_confusion", "dawid_skene_pooled"])
def test_gold_and_take_downs_of_later_change_no_line_that_stays(opinions: Campaign, model: str) -> None:
    snapshot = with_model(opinions, model)
    before = lines(snapshot)
    units = list(opinions.units.order_by("pk").values_list("pk", flat=True))
    name(opinions, units[1], worlds.INTERVENTION)
    name(opinions, units[20], worlds.INTERVENTION)
    worlds.vote(opinions.units.get(pk=units[20]), worlds.person("dora"), worlds.INTERVENTION)
    derivation.rederive(snapshot)
    assert verification.verify(snapshot).is_same
    removals.take_down(criteria.by_pattern("text 7"), "its author asked for it")
    report = verification.verify(snapshot)
    assert (len(report.lost), report.changed, report.added) == (1, [], 0)
    later = worlds.published("0.4", Campaign.objects.get())
    assert later.manifest["aggregation"]["gold"] != snapshot.manifest["aggregation"]["gold"]
    assert len(lines(later)) == len(before) - 1


@pytest.mark.parametrize("model", ["shared_confusion", "dawid_skene_pooled"])
def test_a_models_columns_are_in_every_form_and_schema(opinions: Campaign, model: str) -> None:
    snapshot = with_model(opinions, model, ("parquet", "schema"))
    schema = json.loads((snapshot.path / "OIG_safety_v0.3.schema.json").read_text())
    assert schema["properties"]["metadata"]["required"] == list(lines(snapshot)[0])
    rows = parquet.read_table(snapshot.path / "OIG_safety_v0.3.parquet").to_pylist()
    told = [row["metadata"]["model_distribution"] for row in rows]
    assert told == [line["model_distribution"] for line in lines(snapshot)]


def test_it_says_what_to_do_with_too_many_votes(opinions: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelled, "MOST_VOTES", 76)
    Campaign.objects.update(model="dawid_skene_pooled")
    prepared = snapshots.prepare("0.3", [Campaign.objects.get()])
    snapshots.work(prepared)
    prepared.refresh_from_db()
    assert prepared.error == (
        "77 votes are more than the 76 that dawid_skene_pooled can learn from: publish fewer campaigns together, or "
        "let them choose shared_confusion"
    )


def test_one_reader_decides_on_no_label(opinions: Campaign, letters: Source) -> None:
    single = worlds.unit(opinions, worlds.instruction("one reader", letters))
    worlds.vote(single, worlds.person("ada"), worlds.CAUTION)
    for version, model in (("0.3", "shared_confusion"), ("0.4", "dawid_skene_pooled")):
        Campaign.objects.update(model=model)
        snapshot = worlds.published(version, Campaign.objects.get())
        (line,) = [line for line in lines(snapshot) if line["n_votes"] == 1]
        assert line["model_label"] == ""
        assert line["model_distribution"]["needs caution"] > 0
