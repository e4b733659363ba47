from __future__ import annotations

import threading
from functools import partial

import pytest
from django.db import connections
from django.db.models import F, Sum

from annotate import assignments, campaigns
from annotate.errors import CampaignRefused
from annotate.models import Annotator, Campaign, Unit
from tests.annotate import worlds
from tests.annotate.visitors import together


@pytest.mark.django_db
def test_it_wants_more_votes_and_serves_the_same_units_to_others() -> None:
    kindness = worlds.campaign(units=1, overlap=1)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    worlds.vote(ada, kindness)
    assert assignments.claim_next(bob, kindness) is None
    assert campaigns.change_overlap(kindness, 2) == 0
    worlds.vote(bob, kindness)
    kindness.refresh_from_db()
    assert kindness.overlap == 2
    assert worlds.problems(kindness) == []


@pytest.mark.django_db
def test_it_takes_no_slot_from_anybody() -> None:
    kindness = worlds.campaign(units=2, overlap=3)
    people = [worlds.person(name) for name in ("ada", "bob", "cyd")]
    for person in people:
        worlds.vote(person, kindness)
    held = worlds.claimed(people[0], kindness)
    assert campaigns.change_overlap(kindness, 1) == 1
    assert sorted(Unit.objects.values_list("overlap", "taken")) == [(1, 1), (3, 3)]
    worlds.say(held)
    assert worlds.problems(kindness) == []


@pytest.mark.django_db
@pytest.mark.parametrize("overlap", [0, 101])
def test_it_refuses_what_no_campaign_may_want(overlap: int) -> None:
    with pytest.raises(CampaignRefused, match="between 1 and 100"):
        campaigns.change_overlap(worlds.campaign(), overlap)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_race_the_overlap_goes_up_and_down_while_everybody_claims() -> None:
    kindness = worlds.campaign(units=30, overlap=2)
    staff = [worlds.person(f"person-{number}") for number in range(8)]
    done = threading.Event()

    def change() -> None:
        try:
            turn = 0
            while not done.is_set():
                turn += 1
                campaigns.change_overlap(Campaign.objects.get(), 2 + turn % 5)
        finally:
            connections.close_all()

    def label(person: Annotator) -> None:
        try:
            while (assignment := assignments.claim_next(person, kindness)) is not None:
                worlds.say(assignment)
        finally:
            connections.close_all()

    changing: list[BaseException] = []
    changer = threading.Thread(target=lambda: changing.extend(together([change])))
    changer.start()
    try:
        assert together([partial(label, person) for person in staff]) == []
    finally:
        done.set()
        changer.join()
    assert changing == []
    campaigns.change_overlap(kindness, 8)
    for person in staff:
        label(person)
    assert worlds.problems(kindness) == []
    assert Unit.objects.filter(taken=F("overlap")).aggregate(n=Sum("taken"))["n"] == 30 * 8
