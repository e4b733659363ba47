"""Under any interleaving nobody both votes on a unit and decides it, and a unit is decided once."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, connection

from annotate import adjudication, assignments
from annotate.adjudication import Ruling
from annotate.annotations import Answer, submit
from annotate.errors import DecisionRefused
from annotate.models import Annotation, Annotator, Assignment, Campaign, Decision, Unit
from tests.annotate import worlds

pytestmark = pytest.mark.django_db(transaction=True)

RULINGS = [Ruling(label, {}, "guideline", "So says the guideline.") for label in ("casual", "needs caution")]
PEOPLE = 4

type Step = Callable[[], object]


def may_decide(name: str) -> Annotator:
    made = worlds.person(name)
    made.user_permissions.add(Permission.objects.get(codename="adjudicate"))
    return Annotator.objects.get(pk=made.pk)


def disputed() -> Unit:
    kindness = worlds.campaign(units=1, overlap=2)
    first = worlds.vote(worlds.person("ada"), kindness)
    worlds.vote(worlds.person("ben"), kindness, "needs-caution")
    return first.unit


def at_once(*steps: Step) -> list[object]:
    """What each step returned, or the refusal that it raised, each on a connection of its own."""
    barrier = Barrier(len(steps))

    def run(step: Step) -> object:
        barrier.wait()
        try:
            return step()
        except (DecisionRefused, DatabaseError) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(steps)) as pool:
        return [one.result() for one in [pool.submit(run, step) for step in steps]]


def problems() -> list[str]:
    """What breaks a promise, read afresh from the rows."""
    found = [
        f"annotator {decision.adjudicator_id} voted on unit {decision.unit_id} and decided it"
        for decision in Decision.objects.all()
        if Annotation.objects.filter(unit=decision.unit_id, annotator=decision.adjudicator_id).exists()
    ]
    for unit in Unit.objects.all():
        standing = list(unit.decisions.standing())
        if len({one.adjudicator_id for one in standing}) != len(standing):
            found.append(f"{unit}: somebody has two decisions that stand")
        needed = unit.campaign.adjudicators
        said = [(one.label, tuple(sorted(one.tags.items()))) for one in standing]
        decided = [answer for answer in set(said) if said.count(answer) >= needed]
        settled = adjudication.settled_by(unit)
        if (settled is not None) != (len(decided) == 1):
            found.append(f"{unit}: decided for {settled}, but {said} stand")
        if settled is not None and settled not in standing:
            found.append(f"{unit}: is published by a decision that does not stand")
    return found


@pytest.mark.parametrize("_", range(5))
def test_of_two_adjudicators_at_once_one_decides_and_the_other_is_told(_: int) -> None:
    unit, cleo, dora = disputed(), may_decide("cleo"), may_decide("dora")
    said = at_once(
        lambda: adjudication.decide(cleo, unit.pk, RULINGS[0]), lambda: adjudication.decide(dora, unit.pk, RULINGS[1])
    )
    made = [one for one in said if isinstance(one, Decision)]
    refused = [one for one in said if isinstance(one, DecisionRefused)]
    assert (len(made), len(refused)) == (1, 1)
    assert adjudication.settled_by(unit) == made[0]
    assert problems() == []


@pytest.mark.parametrize("_", range(5))
def test_of_a_vote_and_a_decision_of_one_person_at_once_one_is_there(_: int) -> None:
    """Past the verbs too: the lease ended, the answer comes late, and the same person decides meanwhile."""
    unit, cleo = disputed(), may_decide("cleo")
    now = Assignment.objects.latest("pk").claimed_at
    ended = {"state": "returned", "claimed_at": now, "expires_at": now, "ended_at": now}
    Unit.objects.update(overlap=3)
    lease = Assignment.objects.create(unit=unit, annotator=cleo, **ended)
    said = at_once(
        lambda: submit(cleo, lease.pk, Answer("casual", {}), uuid.uuid4()),
        lambda: Decision.objects.create(
            unit=unit, adjudicator=cleo, label_set=unit.campaign.label_set, label="casual", cause="other", words="-"
        ),
    )
    assert isinstance(said[1], DatabaseError)
    assert not Decision.objects.exists()
    assert problems() == worlds.problems(unit.campaign) == []


@pytest.mark.parametrize("seed", range(6))
def test_it_holds_whatever_people_do_at_once(seed: int) -> None:
    chance = random.Random(seed)
    unit = disputed()
    Campaign.objects.update(adjudicators=chance.choice([1, 2]))
    people = [may_decide(f"person {number}") for number in range(PEOPLE)]

    def step(person: Annotator, kind: str, ruling: Ruling) -> Step:
        def decide() -> object:
            standing = unit.decisions.standing().order_by("pk").values_list("pk", flat=True)
            return adjudication.decide(person, unit.pk, ruling, random.choice([None, *standing]))

        def take_back() -> object:
            own = unit.decisions.standing().filter(adjudicator=person).first()
            return adjudication.take_back(person, unit.pk, own.pk, "No.") if own else None

        def vote() -> object:
            held = assignments.claim_next(person, unit.campaign)
            return worlds.say(held, "casual") if held else None

        def forge() -> object:
            mine = Assignment.objects.filter(unit=unit, annotator=person).first()
            return worlds.say(mine, "casual") if mine else None

        return {"decide": decide, "take back": take_back, "vote": vote, "forge": forge}[kind]

    for _ in range(8):
        if chance.random() < 0.3:
            Unit.objects.update(overlap=chance.choice([3, 4]))
        kinds = ["decide", "decide", "take back", "vote", "forge"]
        at_once(*(step(one, chance.choice(kinds), chance.choice(RULINGS)) for one in people))
        assert problems() == worlds.problems(unit.campaign) == []


def test_without_the_rules_of_the_database_it_would_be_seen() -> None:
    unit, cleo = disputed(), may_decide("cleo")
    adjudication.decide(cleo, unit.pk, RULINGS[0])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE annotate_annotation DISABLE TRIGGER annotate_decided")
        try:
            worlds.say(Assignment.objects.get(unit=unit, annotator=cleo))
        finally:
            cursor.execute("ALTER TABLE annotate_annotation ENABLE TRIGGER annotate_decided")
    assert problems() == [f"annotator {cleo.pk} voted on unit {unit.pk} and decided it"]
