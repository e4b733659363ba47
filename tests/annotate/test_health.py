"""How a campaign is going, counted as it is at a moment."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from annotate import health
from annotate.models import Annotation, Assignment, Campaign
from tests.annotate import worlds

pytestmark = pytest.mark.django_db


@pytest.fixture
def kindness() -> Campaign:
    """Four texts that want three votes each, with five votes of two people."""
    made = worlds.campaign(units=4)
    for name, answers in {"ada": 3, "bob": 2}.items():
        person = worlds.person(name)
        for _ in range(answers):
            worlds.vote(person, made)
    return made


def test_its_pace_is_that_of_filled_places(kindness: Campaign) -> None:
    said = Annotation.objects.order_by("pk")
    worlds.revise(said[0], "needs-caution")
    late = {"annotator": worlds.person("late"), "choice": said[0].choice, "surplus": True, "key": uuid.uuid4()}
    Annotation.objects.create(unit=said[0].unit, **late)
    now = health.look(kindness, timezone.now())
    assert (now.votes_day, now.votes_hour, now.people_day) == (5, 5, 2)
    later = health.look(kindness, timezone.now() + timedelta(hours=2))
    assert (later.votes_day, later.votes_hour) == (5, 0)
    assert health.look(kindness, timezone.now() + timedelta(days=2)).time_left == ""


def test_time_left_is_told_at_the_pace_of_the_last_day(kindness: Campaign) -> None:
    now = health.look(kindness, timezone.now())
    assert (now.given, now.wanted) == (5, 12)
    # Seven places at five a day.
    assert now.time_left == "34 hours"


def test_leases_that_lapsed_are_told_apart(kindness: Campaign) -> None:
    for name in ("cyd", "dan"):
        worlds.claimed(worlds.person(name), kindness)
    late = Assignment.objects.live().filter(annotator__username="dan")
    late.update(expires_at=timezone.now() - timedelta(minutes=1))
    now = health.look(kindness, timezone.now())
    assert (now.leases, now.holders, now.lapsed) == (2, 2, 1)


def test_its_stamp_changes_with_all_that_is_shown(kindness: Campaign) -> None:
    """Also when nobody votes any more: then the last day's votes become fewer."""
    worlds.claimed(worlds.person("cyd"), kindness)
    now = timezone.now()
    moments = [health.look(kindness, now + later) for later in map(timedelta, (0, 0, 2))]
    lapsed = health.look(kindness, now + timedelta(hours=1))
    assert moments[0].stamp == moments[1].stamp
    assert len({moments[0].stamp, moments[2].stamp, lapsed.stamp}) == 3
