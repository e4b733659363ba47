from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from annotate import remarks
from annotate.annotations import take_cut, withdraw
from annotate.models import Annotation, Annotator, Assignment, Campaign, Flag
from exports import derivation, plots, release_files, snapshots, writers
from exports.errors import NotReproducible, SnapshotRefused
from exports.models import Snapshot
from sources.jobs import JobState
from sources.models import Source
from tests.annotate import worlds as labelling
from tests.exports import worlds
from tests.exports.elsewhere import Elsewhere, waiting_for_locks, waits_for_a_lock
from tests.exports.folders import contents, left_behind, votes_of
from tests.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

RECORDS = "OIG_safety_v0.3.jsonl"
MANIFEST = "OIG_safety_v0.3.manifest.json"


def erase(annotation: Annotation) -> None:
    """As a curator with rights on the database would: past the trigger that keeps annotations."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE annotate_annotation DISABLE TRIGGER annotate_append_only")
        try:
            annotation.delete()
        finally:
            cursor.execute("ALTER TABLE annotate_annotation ENABLE TRIGGER annotate_append_only")


# --- What is written --------------------------------------------------------------------------------------------------


def test_it_writes_data_card_and_plots_and_a_manifest_that_describes_them(kindness: Campaign) -> None:
    snapshot = worlds.published("0.3", kindness)
    files = contents(snapshot.path)
    drawn = [plots.file_name("OIG_safety_v0.3", plot.name) for plot in plots.plots(snapshot.statistics)]
    assert drawn
    assert sorted(files) == sorted([*release_files.file_names("0.3").values(), *drawn, MANIFEST])
    manifest = json.loads(files[MANIFEST])
    assert manifest == snapshot.manifest
    for name, found in manifest["files"].items():
        rows = {"rows": 1} if name == RECORDS else {}
        assert found == writers.fingerprint(snapshot.path / name) | rows
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
    derivation.rederive(snapshot)
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
    derivation.rederive(snapshot)


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
    derivation.rederive(snapshot)


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
        derivation.rederive(snapshot)
    assert str(snapshot.path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (contents(snapshot.path), left_behind()) == (before, [])


def test_it_refuses_after_a_change_of_attribution_and_names_the_files_that_have_it(kindness: Campaign) -> None:
    snapshot = worlds.published("0.3", kindness)
    Source.objects.update(attribution="Somebody else")
    with pytest.raises(NotReproducible, match=r"and OIG_safety_v0.3.stats.json, README.md would not be the same"):
        derivation.rederive(snapshot)


@pytest.mark.parametrize("name", [RECORDS, "OIG_safety_v0.3.stats.json", "README.md", MANIFEST])
@pytest.mark.parametrize("tamper", [Path.unlink, lambda file: file.write_bytes(b"{}")], ids=["removed", "changed"])
def test_it_does_not_deliver_what_was_tampered_with(
    kindness: Campaign, tmp_path: Path, name: str, tamper: Callable[[Path], object]
) -> None:
    snapshot = worlds.published("0.3", kindness)
    tamper(snapshot.path / name)
    with pytest.raises(NotReproducible, match=rf"{name}: not the file that was published; restore it from a backup"):
        release_files.deliver(snapshot, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_it_delivers_copies_and_may_do_so_twice(kindness: Campaign, tmp_path: Path) -> None:
    snapshot = worlds.published("0.3", kindness)
    files = release_files.deliver(snapshot, tmp_path / "a" / "b")
    assert contents(tmp_path / "a" / "b") == contents(snapshot.path)
    assert release_files.deliver(snapshot, tmp_path / "a" / "b") == files


def test_it_delivers_nothing_beside_a_file_with_other_content(kindness: Campaign, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(SnapshotRefused, match=r"README\.md: exists with other content; choose another --output"):
        release_files.deliver(worlds.published("0.3", kindness), tmp_path)
    assert contents(tmp_path) == {"README.md": b"mine"}
