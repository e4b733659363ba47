"""Exactness under concurrency, over real connections; and the proof that these tests can fail."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, connections
from django.db.models import F
from django.utils import timezone

from annotate import assignments, campaigns
from annotate.models import Annotation, Annotator, Assignment, Campaign, Unit
from sources import removals
from sources.models import Instruction
from tests.annotate import worlds
from tests.annotate.slow_claims import slowed
from tests.annotate.visitors import Diary, FormTab, Meanwhile, QueueTab, Tab, together
from tests.processes import Web

PEOPLE, OVERLAP = 10, 3
KINDS: tuple[type[Tab], ...] = (QueueTab, FormTab, QueueTab)  # the tabs of each person

# What must not be seen at any moment: statements whose rows say who holds or has too much.
TOO_MUCH = (
    "SELECT annotator_id, count(*) FROM annotate_assignment WHERE state = 'live' GROUP BY 1 HAVING count(*) > 2",
    """SELECT unit.id, unit.taken, unit.overlap, count(held) FROM annotate_unit unit
       LEFT JOIN annotate_assignment held ON held.unit_id = unit.id AND held.state IN ('live', 'submitted')
       GROUP BY unit.id HAVING count(held) > unit.overlap OR count(held) <> unit.taken""",
)


def people() -> list[Annotator]:
    return [worlds.person(f"person-{number}") for number in range(PEOPLE)]


class Trouble:
    """All that happens while people label: leases lapse, curators withdraw texts and change what is wanted."""

    def __init__(self, where: Campaign, seed: int) -> None:
        self.where, self.chance, self.seen = where, random.Random(seed), list[str]()
        self.looks = self.withdrawn = 0

    def lapse(self) -> None:
        """What sleeping laptops and beat do together: leases end in the middle of everything."""
        live = list(Assignment.objects.live().values_list("pk", flat=True))
        some = self.chance.sample(live, min(2, len(live)))
        Assignment.objects.filter(pk__in=some).update(expires_at=timezone.now() - timedelta(seconds=1))
        assignments.release_expired(timezone.now())

    def withdraw(self) -> None:
        """Some texts are set aside for a moment; their leases end, their units are not served."""
        texts = list(Unit.objects.filter(campaign=self.where).values_list("instruction", flat=True))
        some = Instruction.objects.filter(pk__in=self.chance.sample(texts, 5))
        self.withdrawn += removals.set_aside(some)
        removals.take_back(some)

    def want_more(self) -> None:
        """More votes are wanted, then as many as before."""
        campaigns.change_overlap(self.where, OVERLAP + 1)
        campaigns.change_overlap(self.where, OVERLAP)

    def watch(self) -> None:
        self.looks += 1
        with connection.cursor() as cursor:
            for statement in TOO_MUCH:
                cursor.execute(statement)
                self.seen += [f"{statement.split()[1]} {row}" for row in cursor.fetchall()]


def race(url: str, where: Campaign, seed: int, *, wants_more: bool = True) -> tuple[Diary, Trouble]:
    """Everybody labels in all their tabs, in the middle of trouble, until nothing is left for anybody."""
    diary, trouble = Diary(), Trouble(where, seed)
    tabs = [kind(url, person, where, diary) for person in people() for kind in KINDS]
    with ExitStack() as meanwhile:
        acts = [(trouble.lapse, 0.2), (trouble.withdraw, 0.1), (trouble.watch, 0.02)]
        acts += [(trouble.want_more, 0.3)] if wants_more else []
        threads = [meanwhile.enter_context(Meanwhile(act, pause)) for act, pause in acts]
        jobs = [partial(tab.label_until_nothing_is_left, random.Random(seed + n)) for n, tab in enumerate(tabs)]
        diary.faults += [repr(error) for error in together(jobs)]
    diary.faults += [fault for thread in threads for fault in thread.faults]
    for tab in tabs:  # the last leases went back after their holders had left: somebody comes by once more
        tab.label_until_nothing_is_left(random.Random(seed))
        tab.close()
    return diary, trouble


def open_to_somebody(where: Campaign) -> list[int]:
    """Units with an open slot that at least one person has neither answered nor declined."""
    everybody = set(Annotator.objects.values_list("pk", flat=True))
    units = Unit.objects.filter(campaign=where).with_open_slots()
    done = Assignment.objects.exclude(state=Assignment.State.RETURNED)
    return [unit.pk for unit in units if everybody - set(done.filter(unit=unit).values_list("annotator", flat=True))]


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


@pytest.mark.slow
def test_http_race_over_assigns_nothing_loses_nothing_and_fills_the_last_slot(web: Web) -> None:
    kindness, before, said = worlds.campaign(units=60, overlap=OVERLAP), deadlocks(), len(web.logs)
    with slowed():
        diary, trouble = race(web.url, kindness, seed=1)
    assert diary.faults == []
    assert trouble.seen == []
    assert trouble.looks > 20
    assert trouble.withdrawn > 20
    assert worlds.problems(kindness) == []
    assert open_to_somebody(kindness) == []
    assert not Assignment.objects.live().exists()
    kept = {str(key) for key in Annotation.objects.values_list("key", flat=True)}
    assert len(diary.saved) >= 180
    assert set(diary.saved) <= kept
    assert {"saved", "changed", "already saved"} <= set(diary.outcomes)
    assert deadlocks() == before
    assert "Traceback" not in web.logs[said:]


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
        # A change of the overlap would take units that have too much for units that are wanted so.
        race(web.url, kindness, seed=1, wants_more=False)
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
