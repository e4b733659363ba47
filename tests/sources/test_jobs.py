from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from sources import jobs
from sources.jobs import LostLease
from sources.models import ImportRun, Source
from tests.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job(settings: Settings) -> ImportRun:
    """A job that this worker has taken, under a lease of two seconds."""
    settings.JOB_LEASE = timedelta(seconds=2)
    source = Source.objects.create(name="letters", license="MIT")
    made = ImportRun.objects.create(source=source, format="columns", origin="letters.jsonl")
    assert made.take()
    return made


def backends() -> set[int]:
    """The connections to the database of the test, besides the one that asks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return {pid for (pid,) in cursor.fetchall()}


def sleep(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


def is_lost(beat: jobs.Heartbeat) -> bool:
    try:
        beat.check()
    except LostLease:
        return True
    return False


def test_it_keeps_a_job_whose_work_takes_longer_than_its_lease(job: ImportRun) -> None:
    with jobs.heartbeat(job) as beat:
        sleep(4)
        assert not ImportRun.objects.get().take()
        beat.check()
    job.finish()
    assert (job.state, job.attempts) == ("finished", 1)


def test_it_says_that_another_worker_took_the_job_over(job: ImportRun) -> None:
    with jobs.heartbeat(job) as beat:
        assert not is_lost(beat)
        ImportRun.objects.update(lease_until=timezone.now() - timedelta(days=1))
        other = ImportRun.objects.get()
        if not other.take():  # a beat came between
            ImportRun.objects.update(lease_until=timezone.now() - timedelta(days=1))
            assert other.take()
        wait_until(lambda: is_lost(beat), lambda: "the lost lease is not seen")
    assert ImportRun.objects.get().lease_token == other.lease_token


def test_it_goes_on_when_its_connection_is_cut(job: ImportRun) -> None:
    before = backends()
    with jobs.heartbeat(job) as beat:
        wait_until(lambda: backends() > before, lambda: "it does not connect")
        cut = backends() - before
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s) pid", [list(cut)])
        wait_until(lambda: bool(backends() - before - cut), lambda: "it does not connect again")
        beat.check()


@pytest.mark.parametrize("ending", [None, LookupError])
def test_it_ends_with_its_block(job: ImportRun, ending: type[Exception] | None) -> None:
    before, threads = backends(), threading.active_count()
    with suppress(LookupError), jobs.heartbeat(job):
        wait_until(lambda: backends() > before, lambda: "it does not connect")
        assert threading.active_count() == threads + 1
        if ending:
            raise ending
    assert threading.active_count() == threads
    wait_until(lambda: backends() == before, lambda: "its connection stays")
