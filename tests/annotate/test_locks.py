"""Who waits for whom, over real connections, one step at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest
from django.db import connection, connections, transaction

from annotate import assignments, order
from annotate.models import Annotator, Assignment, Campaign, OrderRule, Unit
from tests.annotate import worlds
from tests.processes import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@contextmanager
def somebody_else() -> Iterator[psycopg.Connection]:
    """A connection of its own with an open transaction, which ends with the block."""
    parameters = connection.get_connection_params()
    names = ("host", "port", "dbname", "user", "password")
    with psycopg.connect(**{name: parameters[name] for name in names if parameters.get(name)}) as other:
        yield other


def waits_for(other: psycopg.Connection) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid)))",
            [other.info.backend_pid],
        )
        return bool(cursor.fetchone()[0])


@contextmanager
def meanwhile(act: Callable[[], object], *others: psycopg.Connection) -> Iterator[None]:
    """In another thread, until the block ends and it is done; what the others hold is let go by then."""

    def run() -> None:
        try:
            act()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        for other in others:
            other.rollback()
        thread.join()


def claim(other: psycopg.Connection, person: Annotator, where: Campaign) -> int:
    found = other.execute("SELECT unit FROM annotate_claim(%s, %s, 1, false)", [person.pk, where.pk]).fetchone()
    assert found is not None
    return int(found[0])


def test_who_waited_for_a_unit_that_is_full_now_lets_it_go() -> None:
    kindness = worlds.campaign(units=2, overlap=1)
    ada, bob, cyd = (worlds.person(name) for name in ("ada", "bob", "cyd"))
    with somebody_else() as adas, somebody_else() as cyds:
        first, second = claim(adas, ada, kindness), claim(cyds, cyd, kindness)
        with meanwhile(partial(assignments.claim, bob, kindness), adas, cyds):
            wait_until(lambda: waits_for(adas), lambda: "bob does not wait for ada")
            adas.commit()
            wait_until(lambda: waits_for(cyds), lambda: "bob does not wait for cyd")
            with transaction.atomic():  # raises where bob still holds it
                Unit.objects.select_for_update(no_key=True, nowait=True).get(pk=first)
    assert dict(Assignment.objects.live().values_list("annotator", "unit")) == {ada.pk: first, bob.pk: second}


def test_of_two_votes_at_once_the_later_sees_the_earlier() -> None:
    """Else neither of two that differ would bring the unit to those whose votes differ."""
    kindness = worlds.campaign(units=1, overlap=3)
    OrderRule.objects.create(campaign=kindness, tier=0, votes_differ=True)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    adas, bobs = worlds.claimed(ada, kindness), worlds.claimed(bob, kindness)
    submit = """SELECT annotate_submit(%s, %s, (SELECT id FROM labels_label WHERE code = 'casual'), '{}',
                                       gen_random_uuid(), NULL, '', NULL)"""
    with somebody_else() as other:
        other.execute(submit, [ada.pk, adas.pk])
        with meanwhile(partial(worlds.say, bobs, "needs-intervention"), other):
            wait_until(lambda: waits_for(other), lambda: "bob does not wait for ada")
            other.commit()
    assert Unit.objects.get().tier == 0


def test_a_full_unit_is_where_it_belongs_when_a_lease_on_it_lapses() -> None:
    kindness = worlds.campaign(units=1, overlap=3)
    OrderRule.objects.create(campaign=kindness, tier=0, votes_differ=True)
    ada, bob, cyd = (worlds.claimed(worlds.person(name), kindness) for name in ("ada", "bob", "cyd"))
    worlds.say(ada, "casual")
    worlds.say(bob, "needs-intervention")
    assert assignments.release(cyd, Assignment.Reason.UNSURE)
    assert Unit.objects.get().tier == 0
    assert order.apply_rules(kindness) == 0
