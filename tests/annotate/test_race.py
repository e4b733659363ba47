"""Exactness under concurrency, over real connections; and the proof that these tests can fail."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, connections
from django.db.models import F, Sum
from django.utils import timezone

from annotate import assignments
from annotate.models import Annotation, Annotator, Assignment, Campaign, Unit
from tests.annotate import worlds
from tests.annotate.slow_claims import slowed
from tests.annotate.visitors import Diary, Tab, label_until_nothing_is_left, together
from tests.processes import Web

PEOPLE, TABS = 12, 2


def people() -> list[Annotator]:
    return [worlds.person(f"person-{number}") for number in range(PEOPLE)]


def expire_now_and_then(stop: threading.Event, chance: random.Random) -> None:
    """What sleeping laptops and beat do together: leases end in the middle of everything."""
    try:
        while not stop.wait(0.25):
            live = list(Assignment.objects.live().values_list("pk", flat=True))
            some = chance.sample(live, min(1, len(live)))
            Assignment.objects.filter(pk__in=some).update(expires_at=timezone.now() - timedelta(seconds=1))
            assignments.release_expired(timezone.now())
    finally:
        connections.close_all()


def race(url: str, where: Campaign, seed: int) -> Diary:
    """Everybody labels in all their tabs, while leases expire, until nothing is left for anybody."""
    diary, stop = Diary(), threading.Event()
    staff = people()
    tabs = [Tab(url, person, where, diary) for person in staff for _ in range(TABS)]
    sweeper = threading.Thread(target=expire_now_and_then, args=(stop, random.Random(seed)))
    sweeper.start()
    jobs = [partial(label_until_nothing_is_left, tab, random.Random(seed + n)) for n, tab in enumerate(tabs)]
    diary.faults += [repr(error) for error in together(jobs)]
    stop.set()
    sweeper.join()
    for tab in tabs:  # the last leases went back after their holders had left: somebody comes by once more
        label_until_nothing_is_left(tab, random.Random(seed))
        tab.close()
    return diary


@pytest.mark.slow
def test_http_race_over_assigns_nothing_loses_nothing_and_fills_the_last_slot(web: Web) -> None:
    kindness = worlds.campaign(units=60, overlap=3)
    with slowed():
        diary = race(web.url, kindness, seed=1)
    assert diary.faults == []
    assert worlds.problems(kindness) == []
    filled = Unit.objects.filter(campaign=kindness).aggregate(taken=Sum("taken"), wanted=Sum("overlap"))
    assert filled["taken"] == filled["wanted"] == 180
    assert not Assignment.objects.live().exists()
    kept = {str(key) for key in Annotation.objects.values_list("key", flat=True)}
    assert len(diary.saved) >= 180
    assert set(diary.saved) <= kept


@pytest.fixture
def unchecked_slots(web: Web) -> Iterator[None]:
    """A database that does not check the slots itself."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE annotate_unit DROP CONSTRAINT unit_taken_within_overlap")
        yield
        Unit.objects.filter(taken__gt=F("overlap")).update(taken=0)
        cursor.execute("ALTER TABLE annotate_unit ADD CONSTRAINT unit_taken_within_overlap CHECK (taken <= overlap)")


@pytest.mark.slow
def test_http_race_is_seen_to_fail_when_the_lock_is_taken_out(unchecked_slots: None, web: Web) -> None:
    kindness = worlds.campaign(units=30, overlap=3)
    with slowed(locking=False):
        race(web.url, kindness, seed=1)
    assert any("slots" in problem for problem in worlds.problems(kindness))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_sixteen_connections_share_the_last_slots_without_turning_anyone_away_wrongly() -> None:
    """Each person wants exactly as many units as there are; overlap x units is just enough for all of them."""
    kindness = worlds.campaign(units=40, overlap=16)
    staff = [worlds.person(f"person-{number}") for number in range(16)]
    given: list[int] = []

    def label(person: Annotator) -> None:
        try:
            votes = 0
            while (assignment := assignments.claim_next(person, kindness)) is not None:
                worlds.say(assignment)
                votes += 1
            given.append(votes)
        finally:
            connections.close_all()

    assert together([partial(label, person) for person in staff]) == []
    assert given == [40] * 16
    assert worlds.problems(kindness) == []
