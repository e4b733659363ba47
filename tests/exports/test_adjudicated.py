"""A decision is published in the place of what the votes leave, and only in what is cut after it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection

from annotate import adjudication
from annotate.adjudication import Ruling
from annotate.models import Annotator, Campaign, Unit
from exports import changes, comparing, derivation
from exports.models import Snapshot
from sources import criteria, removals
from sources.models import Source
from tests.exports import worlds
from tests.exports.worlds import CASUAL, INTERVENTION

pytestmark = pytest.mark.django_db(transaction=True)

FIELDS = ("label", "labels", "agreement", "label_of_votes", "adjudicators", "decision", "decided_because")
UNDECIDED = ("", 0, 0, "")


def adjudicator(name: str) -> Annotator:
    made = worlds.person(name)
    made.user_permissions.add(Permission.objects.get(codename="adjudicate"))
    return Annotator.objects.get(pk=made.pk)


@pytest.fixture
def kindness() -> Campaign:
    return worlds.campaign("kindness")


@pytest.fixture
def unit(kindness: Campaign) -> Unit:
    """Ada and Ben say that it is casual, Cleo asks for intervention; half of those who were asked see hate in it."""
    unit = worlds.unit(kindness, worlds.instruction("He says he will jump.", worlds.source("letters")))
    ada, ben, cleo = worlds.people("ada ben cleo")
    worlds.vote(unit, ada, CASUAL, hate=True, sexual_content=False)
    worlds.vote(unit, ben, CASUAL, hate=False, abuse_related=True)
    worlds.vote(unit, cleo, INTERVENTION)
    worlds.agreeing(kindness, Source.objects.get())
    Campaign.objects.update(state=Campaign.State.CLOSED)
    return unit


def lines(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    text = (snapshot.path / f"{snapshot}.jsonl").read_text()
    return {line["text"]: line["metadata"] for line in map(json.loads, text.splitlines())}


def told(snapshot: Snapshot) -> tuple[Any, ...]:
    found = lines(snapshot)["<human>: He says he will jump."]
    return tuple(found[name] for name in FIELDS)


def decide(unit: Unit, name: str = "dora", label: str = "needs caution", supersedes: int | None = None) -> int:
    ruling = Ruling(label, {"hate": False, "sexual-content": True}, "overlooked", "He does not say which roof.")
    return adjudication.decide(adjudicator(name), unit.pk, ruling, supersedes).pk


def test_it_publishes_a_decision_and_leaves_the_votes_as_they_are(unit: Unit) -> None:
    before = worlds.published("0.1")
    assert told(before) == ("needs intervention", ["needs intervention", "abuse related"], "disputed", *UNDECIDED)
    decision = decide(unit)
    after = worlds.published("0.2")
    labels = ["needs caution", "abuse related", "sexual content"]
    assert told(after) == ("needs caution", labels, "adjudicated", "needs intervention", 1, decision, "overlooked")
    was, now = (lines(one)["<human>: He says he will jump."] for one in (before, after))
    for name in ("votes", "tag_votes", "n_votes", "distribution", "disputed_because"):
        assert was[name] == now[name]
    assert after.statistics["agreement_status"]["adjudicated"] == 1
    assert after.statistics["agreement_status"]["disputed"] == 0
    kettle = lines(after)["<human>: How do I descale a kettle?"]
    assert tuple(kettle[name] for name in FIELDS[3:]) == UNDECIDED


def test_a_release_stays_the_same_bytes_whatever_is_decided_later(unit: Unit) -> None:
    first = worlds.published("0.1")
    decision = decide(unit)
    second = worlds.published("0.2")
    decide(unit, "eve", "casual", decision)
    third = worlds.published("0.3")
    for snapshot, label in ((first, "needs intervention"), (second, "needs caution"), (third, "casual")):
        derivation.rederive(snapshot)
        call_command("verify_snapshot", snapshot.version)
        assert told(snapshot)[0] == label
    later = adjudication.settled_by(unit)
    assert later is not None
    adjudication.take_back(adjudicator("eve"), unit.pk, later.pk, "I mixed up two texts.")
    Campaign.objects.update(adjudicators=5)
    for snapshot in (first, second, third):
        derivation.rederive(snapshot)
    assert told(worlds.published("0.4")) == told(first)


def test_several_adjudicators_are_counted_and_too_few_leave_it_disputed(unit: Unit) -> None:
    Campaign.objects.update(adjudicators=2)
    decide(unit)
    assert told(worlds.published("0.1"))[2] == "disputed"
    last = decide(unit, "eve")
    assert told(worlds.published("0.2"))[4:6] == (2, last)


def test_a_decided_text_that_is_taken_down_leaves_and_the_release_says_so(unit: Unit) -> None:
    decide(unit)
    worlds.published("0.1")
    removals.take_down(criteria.by_ids([unit.instruction.public_id]), "They asked for it.")
    after = worlds.published("0.2")
    assert list(lines(after)) == ["<human>: How do I descale a kettle?"]
    assert after.statistics["agreement_status"]["adjudicated"] == 0


def test_a_label_of_another_revision_decides_nothing(unit: Unit) -> None:
    decide(unit)
    # As if a later revision had renamed it: rows of a decision are never changed.
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE annotate_decision DISABLE TRIGGER annotate_decisions_stay")
        cursor.execute("UPDATE annotate_decision SET label = 'needs a hug'")
        cursor.execute("ALTER TABLE annotate_decision ENABLE TRIGGER annotate_decisions_stay")
    assert told(worlds.published("0.1"))[2:] == ("disputed", *UNDECIDED)


def test_the_changes_say_that_it_was_adjudicated(unit: Unit) -> None:
    first = worlds.published("0.1")
    decide(unit)
    second = worlds.published("0.2")
    summary = comparing.compare(first, second)
    assert summary["relabelled_because"] == [["adjudicated", 1]]
    assert summary["agreement_moves"] == [["disputed", "adjudicated", 1]]
    assert "Why lines were relabelled" in [table.title for table in changes.tables(summary)]
