from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotate import assignments, campaigns
from annotate.annotations import Outcome
from annotate.models import Annotation, Assignment, Participation, Unit
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

LATER = timedelta(hours=2)


def expire(assignment: Assignment) -> None:
    """Let the lease's time be over, as if the person had gone for a long lunch."""
    Assignment.objects.filter(pk=assignment.pk).update(expires_at=timezone.now() - timedelta(minutes=1))


def test_it_serves_each_person_each_unit_once() -> None:
    kindness, ada = worlds.campaign(units=4, overlap=1), worlds.person("ada")
    units = [worlds.vote(ada, kindness).unit_id for _ in range(4)]
    assert len(set(units)) == 4
    assert assignments.claim_next(ada, kindness) is None
    assert worlds.problems(kindness) == []


def test_it_gives_the_held_lease_again_to_a_second_tab() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    assert worlds.claimed(ada, kindness) == worlds.claimed(ada, kindness)
    assert Assignment.objects.live().count() == 1


def test_it_gives_a_unit_to_no_more_people_than_its_overlap() -> None:
    kindness = worlds.campaign(units=1, overlap=2)
    ada, bob, cyd = (worlds.person(name) for name in ("ada", "bob", "cyd"))
    worlds.claimed(ada, kindness)
    worlds.vote(bob, kindness)
    assert assignments.claim_next(cyd, kindness) is None
    assert worlds.problems(kindness) == []


def test_it_serves_an_expired_lease_to_others_before_it_says_nothing_is_left() -> None:
    kindness = worlds.campaign(units=1, overlap=1)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    lost = worlds.claimed(ada, kindness)
    expire(lost)
    assert worlds.claimed(bob, kindness).unit_id == lost.unit_id
    lost.refresh_from_db()
    assert (lost.state, lost.reason) == ("returned", "expired")
    assert worlds.problems(kindness) == []


def test_it_does_not_serve_a_declined_unit_to_the_same_person_again() -> None:
    kindness, ada = worlds.campaign(units=1), worlds.person("ada")
    held = worlds.claimed(ada, kindness)
    assert assignments.release(held, Assignment.Reason.DISTRESSING)
    assert assignments.claim_next(ada, kindness) is None
    assert worlds.claimed(worlds.person("bob"), kindness).unit_id == held.unit_id
    assert worlds.problems(kindness) == []


def test_declining_holds_although_the_lease_had_expired() -> None:
    kindness, ada = worlds.campaign(units=1), worlds.person("ada")
    held = worlds.claimed(ada, kindness)
    assignments.release_expired(timezone.now() + LATER)
    assert assignments.release(held, Assignment.Reason.DISTRESSING)
    assert assignments.claim_next(ada, kindness) is None
    assert worlds.problems(kindness) == []


def test_it_serves_a_returned_unit_to_the_same_person_next() -> None:
    kindness, ada = worlds.campaign(units=3), worlds.person("ada")
    worlds.vote(ada, kindness)
    held = worlds.claimed(ada, kindness)
    assert assignments.release_all(ada, Assignment.Reason.SIGNED_OUT) == 1
    assert worlds.claimed(ada, kindness).unit_id == held.unit_id


def test_it_releases_a_lease_once() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    held = worlds.claimed(ada, kindness)
    assert assignments.release(held, Assignment.Reason.UNSURE)
    assert not assignments.release(held, Assignment.Reason.BROKEN)
    held.refresh_from_db()
    assert held.reason == "unsure"


def test_it_goes_round_to_units_that_came_back_behind_the_cursor() -> None:
    kindness = worlds.campaign(units=2, overlap=1)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    first = worlds.claimed(ada, kindness)
    worlds.vote(bob, kindness)
    assert assignments.claim_next(bob, kindness) is None
    assignments.release(first, Assignment.Reason.LANGUAGE)
    assert worlds.claimed(bob, kindness).unit_id == first.unit_id


def test_it_sweeps_only_what_has_expired() -> None:
    kindness = worlds.campaign()
    ada, bob = worlds.person("ada"), worlds.person("bob")
    worlds.claimed(ada, kindness)
    expire(worlds.claimed(bob, kindness))
    assert assignments.release_expired(timezone.now()) == 1
    assert Assignment.objects.live().get().annotator == ada
    assert worlds.problems(kindness) == []


def test_it_serves_nothing_new_once_the_campaign_is_closed_but_lets_people_finish() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    held = worlds.claimed(ada, kindness)
    campaigns.close(kindness)
    assert worlds.claimed(ada, kindness) == held
    assert worlds.say(held) == Outcome.SAVED
    assert assignments.claim_next(ada, kindness) is None


def test_it_serves_nobody_who_is_not_active() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada", is_active=False)
    assert assignments.claim_next(ada, kindness) is None
    assert not Participation.objects.exists()


def test_the_database_refuses_one_slot_too_many_whatever_code_asks() -> None:
    kindness = worlds.campaign(units=1, overlap=1)
    held = worlds.claimed(worlds.person("ada"), kindness)
    with pytest.raises(IntegrityError, match="unit_taken_within_overlap"), transaction.atomic():
        Assignment.objects.create(
            unit=held.unit, annotator=worlds.person("bob"), claimed_at=held.claimed_at, expires_at=held.expires_at
        )


def test_the_database_refuses_two_slots_of_one_unit_to_one_person() -> None:
    kindness = worlds.campaign(units=1, overlap=3)
    held = worlds.claimed(worlds.person("ada"), kindness)
    with pytest.raises(IntegrityError, match="assignment_one_slot_per_person"), transaction.atomic():
        Assignment.objects.create(
            unit=held.unit, annotator=held.annotator, claimed_at=held.claimed_at, expires_at=held.expires_at
        )


def test_the_slot_count_follows_every_way_an_assignment_can_change() -> None:
    kindness = worlds.campaign(units=1, overlap=3)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    held = worlds.claimed(ada, kindness)
    worlds.vote(bob, kindness)
    assert Unit.objects.get().taken == 2
    assignments.release(held, Assignment.Reason.BROKEN)
    assert Unit.objects.get().taken == 1
    held.delete()
    assert Unit.objects.get().taken == 1
    assert Annotation.objects.counted().count() == 1
