"""An instruction that is set aside, quarantined or taken down leaves the desk of everybody at once."""

import random
import threading
from collections.abc import Callable
from functools import partial

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotate import annotations, assignments, campaigns
from annotate.annotations import Outcome
from annotate.errors import CampaignRefused
from annotate.models import Annotation, Annotator, Assignment, Campaign, Unit
from sources import criteria, removals
from sources.models import Escalation, Instruction
from tests.annotate import worlds
from tests.annotate.visitors import together

pytestmark = pytest.mark.django_db


def set_aside(instruction: Instruction) -> None:
    removals.set_aside(Instruction.objects.filter(pk=instruction.pk))


def quarantine(instruction: Instruction) -> None:
    removals.report(instruction, None)


def remove(instruction: Instruction) -> None:
    removals.take_down(criteria.by_ids([instruction.public_id]), "asked for")


WAYS = pytest.mark.parametrize("withdraw", [set_aside, quarantine, remove])

type Withdraw = Callable[[Instruction], None]


@WAYS
def test_it_is_served_to_nobody_any_more(withdraw: Withdraw) -> None:
    kindness, ada = worlds.campaign(units=3), worlds.person("ada")
    first, second, third = Unit.objects.order_by("position")
    withdraw(second.instruction)
    assert [worlds.vote(ada, kindness).unit for _ in range(2)] == [first, third]
    assert assignments.claim_next(ada, kindness) is None
    progress = dict(Campaign.objects.with_progress().values().get())
    assert [progress[name] for name in ("units_count", "wanted", "given")] == [2, 6, 2]
    assert worlds.problems(kindness) == []


@WAYS
def test_it_is_not_placed_and_does_not_open_a_campaign(withdraw: Withdraw) -> None:
    origin = worlds.source()
    first, second = worlds.instructions(origin, [worlds.says("first"), worlds.says("second")])
    withdraw(first)
    kindness = worlds.opened(origin)
    assert [unit.instruction for unit in kindness.units.all()] == [second]
    withdraw(second)
    courage = Campaign.objects.create(slug="courage", title="Courage", label_set=kindness.label_set)
    courage.sources.add(origin)
    with pytest.raises(CampaignRefused, match="has no instructions"):
        campaigns.request_opening(courage)


@WAYS
def test_whoever_holds_it_is_shown_another_at_once(withdraw: Withdraw) -> None:
    kindness, ada = worlds.campaign(units=2), worlds.person("ada")
    held = worlds.claimed(ada, kindness)
    withdraw(held.unit.instruction)
    # Before anybody has ended the lease.
    assert Assignment.objects.live().get() == held
    assert worlds.claimed(ada, kindness).unit_id != held.unit_id
    held.refresh_from_db()
    assert (held.state, held.reason) == ("returned", "withdrawn")
    assert worlds.problems(kindness) == []


@pytest.mark.django_db(transaction=True)
@WAYS
def test_leases_end_when_the_withdrawal_is_committed(withdraw: Withdraw) -> None:
    kindness = worlds.campaign(units=1)
    held = worlds.claimed(worlds.person("ada"), kindness)
    withdraw(held.unit.instruction)
    assert not Assignment.objects.live().exists()
    assert Unit.objects.get().taken == 0


@WAYS
@pytest.mark.parametrize("swept", [False, True])
def test_an_answer_to_it_is_kept_and_not_counted_and_its_author_is_told(withdraw: Withdraw, swept: bool) -> None:
    kindness, ada = worlds.campaign(units=1), worlds.person("ada")
    held = worlds.claimed(ada, kindness)
    withdraw(held.unit.instruction)
    if swept:
        assignments.release_withdrawn()
    assert worlds.say(held) == Outcome.WITHDRAWN
    assert Annotation.objects.get().surplus
    assert not Annotation.objects.counted().exists()
    assert worlds.problems(kindness) == []


@WAYS
def test_what_was_answered_stays_and_is_not_shown_again_to_be_changed(withdraw: Withdraw) -> None:
    kindness, ada = worlds.campaign(units=2), worlds.person("ada")
    voted = worlds.vote(ada, kindness)
    withdraw(voted.unit.instruction)
    assert annotations.last_answers(ada, kindness) == []
    assert Annotation.objects.counted().count() == 1
    assert worlds.problems(kindness) == []


def test_the_database_follows_every_change_of_state() -> None:
    kindness = worlds.campaign(units=3)
    Instruction.objects.filter(units=kindness.units.first()).update(state=1)
    assert list(kindness.units.values_list("is_withdrawn", flat=True)) == [True, False, False]
    Instruction.objects.update(state=0, language="de")
    assert set(kindness.units.values_list("is_withdrawn", "language")) == {(False, "de")}


def test_it_comes_back_with_the_slots_that_it_had() -> None:
    kindness = worlds.campaign(units=1, overlap=2)
    ada, bob, cyd = (worlds.person(name) for name in ("ada", "bob", "cyd"))
    worlds.vote(ada, kindness)
    held = worlds.claimed(bob, kindness)
    escalation = removals.report(held.unit.instruction, bob)
    assignments.release_withdrawn()
    assert assignments.claim_next(cyd, kindness) is None
    removals.decide(escalation, Escalation.State.RELEASED)
    assert worlds.claimed(bob, kindness).unit_id == held.unit_id
    assert assignments.claim_next(cyd, kindness) is None
    assert worlds.problems(kindness) == []


def test_what_was_being_placed_meanwhile_is_served_to_nobody_either() -> None:
    """A campaign that is opened in another transaction has units that the withdrawal could not see."""
    kindness = worlds.campaign(units=1)
    quarantine(Instruction.objects.get())
    Unit.objects.update(is_withdrawn=False)
    assert assignments.claim_next(worlds.person("ada"), kindness) is None


@WAYS
def test_the_page_does_not_show_it_again_and_says_what_happened(withdraw: Withdraw, client: Client) -> None:
    kindness, ada = worlds.campaign(units=2), worlds.person("ada")
    client.force_login(ada)
    held = worlds.claimed(ada, kindness)
    shown = held.unit.instruction.turns[0]["text"]
    withdraw(held.unit.instruction)
    unfinished = client.post(
        reverse("submit", args=[kindness.slug]), {"assignment": held.pk}, headers={"HX-Request": "true"}
    )
    page = unfinished.content.decode()
    assert "was withdrawn meanwhile" in page
    assert shown not in page
    assert "Letter" in page
    assert shown not in client.get(reverse("label", args=[kindness.slug])).content.decode()


def test_no_list_and_no_search_of_admin_tells_what_is_in_it(client: Client) -> None:
    worlds.campaign(units=2)
    client.force_login(worlds.person("eve", is_staff=True))
    address = reverse("admin:annotate_unit_changelist")
    assert "Letter 0" in client.get(address, {"q": "Letter 0"}).content.decode()
    quarantine(Unit.objects.order_by("position")[0].instruction)
    left = set(Instruction.objects.visible().values_list("turns__0__text", flat=True))
    hidden = ({"Letter 0 to kindness", "Letter 1 to kindness"} - left).pop()
    page = client.get(address, {"q": hidden}).content.decode()
    assert "0 units" in page
    assert "quarantined" not in page


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_race_nobody_is_given_what_was_withdrawn_before() -> None:
    """People claim and vote over eight connections while every second unit is withdrawn and some are released."""
    kindness = worlds.campaign(units=60, overlap=3)
    staff = [worlds.person(f"person-{number}") for number in range(8)]
    chosen = list(Instruction.objects.order_by("pk")[::2])
    withdrawn: dict[int, float] = {}
    given: list[tuple[int, float]] = []
    start = threading.Barrier(len(staff) + 1)

    def withdraw() -> None:
        start.wait()
        for instruction in chosen:
            quarantine(instruction)
            withdrawn[instruction.pk] = timezone.now().timestamp()
        connections.close_all()

    def label_from_the_start(person: Annotator) -> None:
        start.wait()
        label(person)
        connections.close_all()

    def label(person: Annotator) -> None:
        chance = random.Random(person.pk)
        while True:
            before = timezone.now().timestamp()
            assignment = assignments.claim_next(person, kindness)
            if assignment is None:
                break
            given.append((assignment.unit.instruction_id, before))
            if chance.random() < 0.8:
                worlds.say(assignment)
            else:
                assignments.release(assignment, Assignment.Reason.UNSURE)

    assert together([withdraw, *[partial(label_from_the_start, person) for person in staff]]) == []
    # What was declined last went back after others had left: everybody comes by once more.
    for person in staff:
        label(person)
    too_late = [pk for pk, asked in given if asked > withdrawn.get(pk, asked)]
    assert too_late == []
    assert worlds.problems(kindness) == []
    assert not Assignment.objects.live().exists()
    # Of what was not withdrawn no slot is lost: whoever declined was not given it again, the others filled it.
    open_ones = Unit.objects.with_open_slots()
    assert all(unit.assignments.exclude(state="returned").count() >= len(staff) for unit in open_ones)
    # Every second one is gone for everybody, and comes back for everybody.
    for escalation in Escalation.objects.all():
        removals.decide(escalation, Escalation.State.RELEASED)
    assert not Unit.objects.filter(is_withdrawn=True).exists()
