from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone
from pytest_django import Settings

from annotate import remarks
from annotate.annotations import take_cut, withdraw
from annotate.models import Annotation, Annotator, Assignment, Campaign, Flag
from exports import snapshots, writers
from exports.errors import NotReproducible, SnapshotRefused
from exports.models import Snapshot
from sources import jobs
from sources.jobs import JobState
from sources.models import Source
from tests import ROOT, servers
from tests.annotate import worlds as labelling
from tests.exports import worlds
from tests.processes import Worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

RECORDS = "OIG_safety_v0.3.jsonl"
MANIFEST = "OIG_safety_v0.3.manifest.json"
CUT = ["annotate_annotation", "annotate_flag"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def votes_of(text: str, snapshot: Snapshot) -> dict[str, int]:
    lines = [json.loads(line) for line in (snapshot.path / file_of(snapshot)).read_text().split("\n") if line]
    votes: dict[str, int] = next(line["metadata"]["votes"] for line in lines if text in line["text"])
    return votes


def file_of(snapshot: Snapshot) -> str:
    return snapshots.file_names(snapshot.version)["records"]


def left_behind() -> list[str]:
    """What stands in the snapshot folder besides published versions."""
    root = Path(settings.SNAPSHOT_ROOT)
    return sorted(path.name for path in root.iterdir() if path.name.startswith(".")) if root.exists() else []


def erase(annotation: Annotation) -> None:
    """As a curator with rights on the database would: past the trigger that keeps annotations."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE annotate_annotation DISABLE TRIGGER annotate_append_only")
        try:
            annotation.delete()
        finally:
            cursor.execute("ALTER TABLE annotate_annotation ENABLE TRIGGER annotate_append_only")


class Elsewhere(threading.Thread):
    """Runs something on a database connection of its own and keeps its result; ``result()`` waits for it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again in result()
            self._error = error
        finally:
            connections.close_all()

    def result(self) -> Any:
        self.join(60)
        if self._error is not None:
            raise self._error
        return self._result


def waiting_for_locks() -> int:
    # Not from pg_stat_activity, which stands still inside of a transaction.
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid IN (
                SELECT pid FROM pg_locks JOIN pg_database ON oid = database WHERE datname = current_database())
        """)
        return int(cursor.fetchone()[0])


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = ANY(%s::regclass[])", [CUT])
        return bool(cursor.fetchone()[0])


# --- What is written --------------------------------------------------------------------------------------------------


def test_it_writes_four_files_and_a_manifest_that_describes_them(kindness: Campaign) -> None:
    snapshot = worlds.published("0.3", kindness)
    files = contents(snapshot.path)
    assert sorted(files) == sorted([*snapshots.file_names("0.3").values(), MANIFEST])
    manifest = json.loads(files[MANIFEST])
    assert manifest == snapshot.manifest
    for name, found in manifest["files"].items():
        assert found == writers.fingerprint(snapshot.path / name)
        assert found["bytes"] == len(files[name])
    assert manifest["campaigns"] == [{"slug": "kindness", "kind": "volunteer", "overlap": 3, "seed": 0}]
    assert (manifest["cut"], manifest["instructions"], manifest["votes"]) == (Annotation.objects.latest("pk").pk, 1, 2)
    assert manifest["label_set"]["digest"] == kindness.label_set.digest
    assert json.loads(files["OIG_safety_v0.3.stats.json"]) == snapshot.statistics
    assert (snapshot.path.stat().st_mode & 0o777, snapshot.percent, left_behind()) == (0o755, 100, [])


def test_it_gives_the_same_bytes_again_and_after_more_votes(kindness: Campaign) -> None:
    snapshot = worlds.published("0.3", kindness)
    before = contents(snapshot.path)
    unit = kindness.units.get()
    worlds.vote(unit, worlds.person("cleo"), worlds.INTERVENTION)
    first = Annotation.objects.earliest("pk")
    worlds.vote(unit, first.annotator, None, supersedes=first)
    snapshots.rederive(snapshot)
    assert worlds.published("0.3").pk == snapshot.pk
    assert (contents(snapshot.path), left_behind()) == (before, [])
    # The next version has them: Ben's vote and Cleo's.
    newer = worlds.published("0.4", kindness)
    assert votes_of("kettle", newer) == {"casual": 1, "needs caution": 0, "needs intervention": 1}


def test_it_publishes_the_votes_given_in_the_browser_and_not_what_was_taken_back(letters: Source) -> None:
    where = labelling.campaign(units=1)
    for name in ("ada", "ben"):
        labelling.vote(labelling.person(name), where, worlds.CAUTION)
    cleo = labelling.person("cleo")
    withdraw(cleo, labelling.vote(cleo, where, worlds.INTERVENTION).pk, Assignment.Reason.UNSURE)
    snapshot = worlds.published("0.3", where)
    assert votes_of("Letter 0", snapshot) == {"casual": 0, "needs caution": 2, "needs intervention": 0}


# --- The cut ----------------------------------------------------------------------------------------------------------


def test_it_waits_for_a_vote_that_is_being_given_and_counts_it(kindness: Campaign) -> None:
    unit, hold, given = kindness.units.get(), threading.Event(), threading.Event()

    def vote_slowly() -> int:
        with transaction.atomic():
            late = worlds.vote(unit, worlds.person("cleo"), worlds.CAUTION)
            given.set()
            assert hold.wait(30)
        return late.pk

    voter = Elsewhere(vote_slowly)
    assert given.wait(30)
    # A later number is committed first: a cut at the highest number seen now would lose Cleo's vote.
    overtaking = Elsewhere(lambda: worlds.vote(unit, worlds.person("dora"), worlds.CASUAL).pk).result()
    publisher = Elsewhere(lambda: worlds.published("0.3", kindness))
    wait_until(waits_for_a_lock, lambda: "publishing does not wait")
    assert publisher.is_alive()
    hold.set()
    late, snapshot = voter.result(), publisher.result()
    assert late < overtaking <= snapshot.cut
    assert votes_of("kettle", snapshot) == {"casual": 3, "needs caution": 1, "needs intervention": 0}
    snapshots.rederive(snapshot)


def test_it_takes_cuts_below_which_nothing_appears_later(kindness: Campaign) -> None:
    units = [worlds.unit(kindness, worlds.instruction(f"text {n}", Source.objects.get())) for n in range(20)]
    seen: list[tuple[int, int]] = []
    pauses = {"cleo": 0.001, "dora": 0.004, "eve": 0.013}  # seconds

    def vote_on_all(name: str) -> None:
        for unit in units:
            with transaction.atomic():
                worlds.vote(unit, worlds.person(name), worlds.CASUAL)
                # Numbered, not committed: who pauses shorter overtakes.
                time.sleep(pauses[name])

    voters = [Elsewhere(partial(vote_on_all, name)) for name in pauses]
    while any(voter.is_alive() for voter in voters):
        cut = take_cut().last
        seen.append((cut, Annotation.objects.up_to(cut).count()))
    for voter in voters:
        voter.result()
    assert len({cut for cut, _ in seen}) > 5
    assert [(cut, Annotation.objects.up_to(cut).count()) for cut, _ in seen] == seen


def test_it_waits_for_a_flag_that_is_being_raised_and_derives_it_again_when_it_was_closed(kindness: Campaign) -> None:
    ada = worlds.person("ada")
    held = answered(kindness, ada)
    hold, given = threading.Event(), threading.Event()

    def flag_slowly() -> Flag:
        with transaction.atomic():
            raised = remarks.flag(ada, held.pk, "Two letters in one.")
            given.set()
            assert hold.wait(30)
        return raised

    flagger = Elsewhere(flag_slowly)
    assert given.wait(30)
    publisher = Elsewhere(lambda: worlds.published("0.3", kindness))
    wait_until(waits_for_a_lock, lambda: "publishing does not wait")
    hold.set()
    raised, snapshot = flagger.result(), publisher.result()
    assert raised.created_at < snapshot.cut_at
    assert snapshot.statistics["disputed_because"] == {"flagged by an annotator": 1}
    remarks.close(raised, "Split.", ada)
    remarks.flag(ada, held.pk, "Later.")
    snapshots.rederive(snapshot)


def answered(where: Campaign, annotator: Annotator) -> Assignment:
    """An answered assignment on the first unit."""
    moment = timezone.now()
    facts = {"state": "surplus", "claimed_at": moment, "expires_at": moment, "ended_at": moment}
    return Assignment.objects.create(unit=where.units.earliest("pk"), annotator=annotator, **facts)


# --- Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v0.3", "../x", "", "1", "0.03"])
def test_it_refuses_a_wrong_version(kindness: Campaign, version: str) -> None:
    with pytest.raises(SnapshotRefused, match="is not a version: write two or three whole numbers"):
        snapshots.prepare(version, [kindness])
    assert not Snapshot.objects.exists()


def test_it_refuses_where_there_is_nothing_to_publish(letters: Source) -> None:
    with pytest.raises(SnapshotRefused, match="There is no campaign to publish"):
        snapshots.prepare("0.3")
    empty = worlds.campaign("empty")
    worlds.unit(empty, worlds.instruction("nobody read this", letters))
    with pytest.raises(SnapshotRefused, match="Nobody has voted in empty yet"):
        snapshots.prepare("0.3")
    assert not Snapshot.objects.exists()


def test_it_refuses_campaigns_that_do_not_belong_together(kindness: Campaign, letters: Source) -> None:
    replies = worlds.campaign("replies", target="reply")
    direct = worlds.campaign("direct", label_set="oig-safety-direct")
    for other in (replies, direct):
        with pytest.raises(SnapshotRefused, match=rf"differ in label set or target.*kindness.*{other.slug}"):
            snapshots.prepare("0.3", [kindness, other])


def test_it_refuses_other_campaigns_for_a_version_that_exists(kindness: Campaign, letters: Source) -> None:
    worlds.published("0.3", kindness)
    other = worlds.campaign("other")
    worlds.agreeing(other, letters, "another text")
    with pytest.raises(SnapshotRefused, match=r"OIG_safety_v0\.3 exists, made of kindness: choose another version"):
        snapshots.prepare("0.3", [other])


def test_it_fails_with_a_reason_where_no_licence_is_known_and_can_be_tried_again(kindness: Campaign) -> None:
    Source.objects.update(license="unknown")
    snapshot = snapshots.prepare("0.3", [kindness])
    snapshots.work(snapshot)
    assert snapshot.state == JobState.FAILED
    assert snapshot.error.startswith(
        "No available instruction with votes has a source with a known licence: set it in admin"
    )
    assert left_behind() == []
    Source.objects.update(license="MIT")
    assert worlds.published("0.3").pk == snapshot.pk


def test_it_takes_other_campaigns_for_a_version_that_failed(kindness: Campaign) -> None:
    Source.objects.update(license="unknown")
    snapshots.work(snapshots.prepare("0.3", [kindness]))
    other = worlds.campaign("other")
    worlds.agreeing(other, worlds.source("novels"), "another text")
    assert worlds.published("0.3", other).manifest["campaigns"][0]["slug"] == "other"


def test_it_is_made_of_what_the_first_of_two_that_try_again_chose(kindness: Campaign, letters: Source) -> None:
    others = [worlds.campaign(slug) for slug in ("other", "another")]
    for other in others:
        worlds.agreeing(other, letters, other.slug)
    snapshots.prepare("0.3", [kindness])
    Snapshot.objects.update(state="failed", error="earlier")
    with transaction.atomic():
        Snapshot.objects.select_for_update().get()
        asked = [Elsewhere(partial(snapshots.prepare, "0.3", [other])) for other in others]
        wait_until(lambda: waiting_for_locks() == 2, lambda: f"{waiting_for_locks()} wait")
    refused = []
    for one in asked:
        try:
            one.result()
        except SnapshotRefused as error:
            refused.append(str(error))
    (chosen,) = Snapshot.objects.get(state="queued").campaigns.all()
    assert chosen in others
    assert refused == [
        f"OIG_safety_v0.3 exists, made of {chosen.slug}: choose another version for other campaigns",
    ]


def test_it_fails_with_a_reason_where_the_folder_cannot_be_written(kindness: Campaign, settings: Settings) -> None:
    settings.SNAPSHOT_ROOT = Path("/dev/null/snapshots")
    snapshot = snapshots.prepare("0.3", [kindness])
    snapshots.work(snapshot)
    assert snapshot.state == JobState.FAILED
    assert snapshot.error == "/dev/null/snapshots: Not a directory; make it writable, then publish again"


def test_it_never_replaces_a_folder_that_it_does_not_know(kindness: Campaign) -> None:
    strange = Path(settings.SNAPSHOT_ROOT) / "0.3"
    strange.mkdir(parents=True)
    (strange / "notes.txt").write_text("mine")
    snapshot = snapshots.prepare("0.3", [kindness])
    snapshots.work(snapshot)
    assert snapshot.state == JobState.FAILED
    assert snapshot.error.endswith("there is another snapshot that this database does not know; move it away")
    assert contents(strange) == {"notes.txt": b"mine"}
    assert left_behind() == []


# --- What was published stays -----------------------------------------------------------------------------------------


def test_it_refuses_after_an_erasure_and_names_the_files(kindness: Campaign) -> None:
    snapshot = worlds.published("0.3", kindness)
    before = contents(snapshot.path)
    erase(Annotation.objects.latest("pk"))
    with pytest.raises(NotReproducible, match=r"OIG_safety_v0.3.jsonl, .*would not be the same now") as refused:
        snapshots.rederive(snapshot)
    assert str(snapshot.path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (contents(snapshot.path), left_behind()) == (before, [])


def test_it_refuses_after_a_change_of_attribution_and_names_the_files_that_have_it(kindness: Campaign) -> None:
    snapshot = worlds.published("0.3", kindness)
    Source.objects.update(attribution="Somebody else")
    with pytest.raises(NotReproducible, match=r"and OIG_safety_v0.3.stats.json, README.md would not be the same"):
        snapshots.rederive(snapshot)


@pytest.mark.parametrize("name", [RECORDS, "OIG_safety_v0.3.stats.json", "README.md", MANIFEST])
@pytest.mark.parametrize("tamper", [Path.unlink, lambda file: file.write_bytes(b"{}")], ids=["removed", "changed"])
def test_it_does_not_deliver_what_was_tampered_with(
    kindness: Campaign, tmp_path: Path, name: str, tamper: Callable[[Path], object]
) -> None:
    snapshot = worlds.published("0.3", kindness)
    tamper(snapshot.path / name)
    with pytest.raises(NotReproducible, match=rf"{name}: not the file that was published; restore it from a backup"):
        snapshots.deliver(snapshot, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_it_delivers_copies_and_may_do_so_twice(kindness: Campaign, tmp_path: Path) -> None:
    snapshot = worlds.published("0.3", kindness)
    files = snapshots.deliver(snapshot, tmp_path / "a" / "b")
    assert contents(tmp_path / "a" / "b") == contents(snapshot.path)
    assert snapshots.deliver(snapshot, tmp_path / "a" / "b") == files


def test_it_delivers_nothing_beside_a_file_with_other_content(kindness: Campaign, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(SnapshotRefused, match=r"README\.md: exists with other content; choose another --output"):
        snapshots.deliver(worlds.published("0.3", kindness), tmp_path)
    assert contents(tmp_path) == {"README.md": b"mine"}


# --- Workers that are lost --------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(snapshots, "BATCH", 1)
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
        patched.setattr(snapshots, "_move", _interrupt)
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
    worlds.lose_worker(snapshot)
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
    snapshots.rederive(snapshot)


HALF_WAY = """
import sys, time, django
django.setup()
from exports import snapshots

def stop_here(lines):
    print("half-way", flush=True)
    time.sleep(600)

snapshots.BATCH = 15
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
        snapshots.selection(snapshot)
    with pytest.raises(IntegrityError, match="snapshot_published_has_cut"):
        Snapshot.objects.update(state=JobState.FINISHED)
