"""Publishing is a job: workers that are lost, beat, and what a finished one has."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from annotate.annotations import take_cut
from annotate.models import Annotation, Campaign
from exports import derivation, release_files, snapshots
from exports.filters import Filters
from exports.formats import Options
from exports.models import Snapshot
from sources import jobs
from sources.jobs import JobState
from sources.models import Source
from tests import ROOT, servers
from tests.exports import worlds
from tests.exports.elsewhere import Elsewhere, waiting_for_locks
from tests.exports.folders import contents, left_behind
from tests.processes import Worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_prepares_one_snapshot_for_two_that_ask_at_once(kindness: Campaign) -> None:
    asked = [Elsewhere(lambda: snapshots.prepare("0.3", [kindness]).pk) for _ in range(4)]
    assert len({one.result() for one in asked}) == 1
    assert list(Snapshot.objects.get().campaigns.all()) == [kindness]


def test_it_leaves_a_snapshot_to_the_worker_that_has_it(kindness: Campaign) -> None:
    snapshot = snapshots.prepare("0.3", [kindness])
    assert snapshot.take()
    other = Snapshot.objects.get()
    snapshots.work(other)
    assert (other.state, other.path.exists()) == (JobState.RUNNING, False)


def test_it_stops_quietly_when_another_worker_took_over(
    kindness: Campaign, letters: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derivation, "BATCH", 1)
    monkeypatch.setattr(derivation, "PAUSE", 0)
    worlds.agreeing(kindness, letters, "another text")
    snapshot = snapshots.prepare("0.3", [kindness])

    def take_over(_: int) -> None:
        worlds.lose_worker(snapshot)
        assert Snapshot.objects.get().take()

    snapshots.work(snapshot, take_over)
    now = Snapshot.objects.get()
    assert (now.state, now.error, now.path.exists(), left_behind()) == (JobState.RUNNING, "", False, [])


def test_it_keeps_its_lease_while_the_database_is_slow(kindness: Campaign, settings: Settings) -> None:
    settings.JOB_LEASE = timedelta(seconds=2)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE labels_label IN ACCESS EXCLUSIVE MODE")
        publisher = Elsewhere(lambda: worlds.published("0.3", kindness))
        wait_until(lambda: waiting_for_locks() == 1, lambda: "publishing does not wait")
        cursor.execute("SELECT pg_sleep(4)")
        assert not Snapshot.objects.get().take()
    assert publisher.result().attempts == 1


def test_it_keeps_the_cut_of_the_worker_that_was_lost(kindness: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = snapshots.prepare("0.3", [kindness])
    with monkeypatch.context() as patched:
        patched.setattr(release_files, "move", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            snapshots.work(snapshot)
    cut = Snapshot.objects.get().cut
    assert cut == Annotation.objects.latest("pk").pk
    worlds.vote(kindness.units.get(), worlds.person("cleo"), worlds.INTERVENTION)
    worlds.lose_worker(snapshot)
    assert worlds.published("0.3").cut == cut


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_it_accepts_the_folder_of_a_worker_that_died_before_its_commit(kindness: Campaign) -> None:
    snapshot = worlds.published("0.3", kindness)
    before = contents(snapshot.path)
    worlds.lose_commit(snapshot)
    again = worlds.published("0.3")
    assert (again.manifest, contents(again.path)) == (snapshot.manifest, before)


def test_it_gives_up_when_workers_are_lost_again_and_again(kindness: Campaign) -> None:
    snapshot = snapshots.prepare("0.3", [kindness])
    Snapshot.objects.update(attempts=snapshots.FRUITLESS_ATTEMPTS)
    snapshots.work(snapshot)
    assert snapshot.state == JobState.FAILED
    assert snapshot.error == "The worker was lost 5 times: see its log, then publish again"
    assert worlds.published("0.3").attempts == 1


def test_it_sweeps_what_a_killed_worker_left_of_this_version_alone(kindness: Campaign) -> None:
    root = Path(settings.SNAPSHOT_ROOT)
    for name in (".partial-0.3-abc", ".partial-0.30-abc", ".partial-0.3.1-abc"):
        (root / name).mkdir(parents=True)
    worlds.published("0.3", kindness)
    assert left_behind() == [".partial-0.3.1-abc", ".partial-0.30-abc"]


def test_a_cancelled_one_leaves_nothing_and_is_resumed_with_its_own_cut(
    kindness: Campaign, letters: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derivation, "BATCH", 1)
    monkeypatch.setattr(derivation, "PAUSE", 0)
    worlds.agreeing(kindness, letters, "another text")
    asked = Options(("splits", "csv"), filters=Filters(languages=("en",)))
    snapshot = snapshots.prepare("0.3", [kindness], options=asked)

    def cancel(_: int) -> None:
        assert left_behind()
        assert snapshots.cancel(Snapshot.objects.get())
        assert not left_behind()

    snapshots.work(snapshot, cancel)
    now = Snapshot.objects.get()
    assert (now.state, now.error, now.path.exists(), left_behind()) == (JobState.CANCELLED, "", False, [])
    assert not now.take()
    worlds.vote(kindness.units.earliest("pk"), worlds.person("late"), worlds.INTERVENTION)
    call_command("export_safety", "--version", "0.3", "--resume", stdout=StringIO())
    resumed = Snapshot.objects.get(version="0.3")
    assert (resumed.cut, resumed.manifest["votes"], resumed.manifest["forms"]["names"]) == (
        now.cut,
        4,
        ["splits", "csv"],
    )
    assert not snapshots.cancel(resumed)
    derivation.rederive(resumed)


def test_a_cancelled_one_is_begun_anew_with_what_is_asked_for_then(kindness: Campaign) -> None:
    nothing = Options(filters=Filters(languages=("tlh",)))
    snapshot = snapshots.prepare("0.3", [kindness], options=nothing)
    snapshots.work(snapshot)
    assert snapshot.error == "The filters leave nothing: languages"
    english = Options(filters=Filters(languages=("en",)))
    snapshots.cancel(snapshots.prepare("0.3", options=english))
    snapshots.work(snapshots.prepare("0.3"))
    assert Snapshot.objects.get().manifest["filters"] == {"languages": ["en"]}


def many_units(kindness: Campaign, n: int) -> None:
    origin = Source.objects.get()
    for number in range(n):
        worlds.agreeing(kindness, origin, f"text {number}")


@pytest.mark.slow
def test_it_publishes_after_sigkill_in_the_middle_without_anyone_asking_again(
    kindness: Campaign, worker: Worker, tmp_path: Path
) -> None:
    many_units(kindness, 30)
    cut = take_cut().last
    # A worker in a process of its own stops half-way, with the file half-written, and is killed there.
    killed = subprocess.Popen(
        [sys.executable, "-c", HALF_WAY],
        cwd=ROOT,
        env={**servers.environment(), "OIG_JOB_LEASE_SECONDS": "5"},
        stdout=subprocess.PIPE,
    )
    assert killed.stdout is not None
    assert killed.stdout.readline() == b"half-way\n"
    killed.kill()
    killed.wait()
    killed.stdout.close()
    root = Path(settings.SNAPSHOT_ROOT)
    (partial,) = left_behind()
    assert not (root / "0.3").exists()
    assert list((root / partial).iterdir())
    assert Snapshot.objects.get().state == JobState.RUNNING
    worlds.vote(kindness.units.earliest("pk"), worlds.person("late"), worlds.INTERVENTION)
    # The fixture's worker and beat run all the time.
    wait_until(lambda: Snapshot.objects.get().is_published, lambda: worker.logs)
    snapshot = Snapshot.objects.get()
    assert (snapshot.manifest["instructions"], snapshot.cut, snapshot.attempts, left_behind()) == (31, cut, 2, [])
    derivation.rederive(snapshot)


HALF_WAY = """
import sys, time, django
django.setup()
from exports import derivation, snapshots

def stop_here(lines):
    print("half-way", flush=True)
    time.sleep(600)

derivation.BATCH, derivation.PAUSE = 15, 0
snapshots.work(snapshots.prepare("0.3"), stop_here)
"""


def test_it_is_dispatched_by_beat(kindness: Campaign) -> None:
    snapshot = snapshots.prepare("0.3", [kindness])
    assert list(jobs.waiting(timezone.now())) == [("exports.tasks.publish_snapshot", snapshot.pk)]
    worlds.published("0.3")
    assert list(jobs.waiting(timezone.now())) == []


def test_it_lists_published_versions_with_the_highest_first(kindness: Campaign) -> None:
    for version in ("0.9", "0.10", "0.9.1", "1.0"):
        worlds.published(version, kindness)
    snapshots.prepare("2.0", [kindness])
    assert [snapshot.version for snapshot in Snapshot.objects.published()] == ["1.0", "0.10", "0.9.1", "0.9"]


def test_it_needs_a_cut_to_be_published(kindness: Campaign) -> None:
    snapshot = snapshots.prepare("0.3", [kindness])
    with pytest.raises(RuntimeError, match="has no cut yet"):
        derivation.selection(snapshot)
    with pytest.raises(IntegrityError, match="snapshot_published_has_cut"):
        Snapshot.objects.update(state=JobState.FINISHED, standing="published")
