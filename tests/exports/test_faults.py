"""Publishing every form on a full disk, under SIGKILL and while the database is killed: what it says, what stays.

Whatever happened, the next run completes with the bytes of an undisturbed one, and nothing else is left.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError
from pytest_django import Settings

from annotate.models import Campaign
from config import env
from exports.models import Comparison, Snapshot
from sources.jobs import JobState
from tests.exports import faults, worlds
from tests.exports.faults import FORMED, VERSION, command, files_of_at_most, stopped
from tests.exports.folders import contents, left_behind
from tests.sources import disturbed

pytestmark = pytest.mark.django_db(transaction=True)

# Where a run is stopped, in the middle of each thing that it does.
RECORDS, FORMS = "exports.lines._written", "exports.formats.split_of"
STATISTICS, MOVE = "exports.statistics._patterns", "exports.release_files.move"


@pytest.fixture
def calm() -> dict[str, bytes]:
    """The files of an undisturbed run."""
    faults.world()
    return faults.undisturbed()


def more_votes() -> None:
    """What comes after the cut and must not be seen in it."""
    unit = Campaign.objects.get(slug="kindness").units.earliest("pk")
    worlds.vote(unit, worlds.person("late"), worlds.INTERVENTION)


def check_completed(calm: dict[str, bytes]) -> None:
    """The files are those of an undisturbed run, and nothing unfinished is left."""
    snapshot = Snapshot.objects.get()
    assert snapshot.is_published, snapshot.error
    found = contents(snapshot.path)
    assert sorted(found) == sorted(calm)
    assert [name for name in calm if found[name] != calm[name]] == []
    assert (left_behind(), faults.partial_files(Path(settings.SNAPSHOT_ROOT))) == ([], [])


# --- SIGKILL ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "when"),
    [
        pytest.param(RECORDS, "before", id="records"),
        pytest.param(STATISTICS, "before", id="statistics"),
        pytest.param(FORMS, "before", id="forms"),
        pytest.param(MOVE, "before", id="move"),
        pytest.param(MOVE, "after", id="moved"),
    ],
)
def test_it_completes_after_sigkill(calm: dict[str, bytes], place: str, when: str) -> None:
    with stopped(place, *VERSION, *FORMED, when=when) as child:
        child.kill()
    root = Path(settings.SNAPSHOT_ROOT)
    # After the move the whole folder stands there, which the row does not know yet.
    assert (root / "0.3").exists() == (when == "after")
    assert len(left_behind()) == (when == "before")
    more_votes()
    with pytest.raises(CommandError, match="is being published by another process; if that was killed, try again afte"):
        command("--resume")
    worlds.lose_worker(Snapshot.objects.get())
    command("--resume")
    check_completed(calm)


@pytest.mark.slow
def test_what_a_killed_derivation_left_is_swept_by_the_next(kindness: Campaign) -> None:
    worlds.published("0.3", kindness)
    with stopped("exports.statistics._patterns", *VERSION) as child:
        assert [name[:7] for name in left_behind()] == [".again-"]
        # What another process still works in is left alone.
        command()
        assert [name[:7] for name in left_behind()] == [".again-"]
        child.kill()
    command()
    assert left_behind() == []


# --- The database -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("place", [pytest.param(RECORDS, id="records"), pytest.param(MOVE, id="move")])
def test_it_says_that_the_database_went_away_and_completes_afterwards(calm: dict[str, bytes], place: str) -> None:
    if env.given("DATABASE_URL"):
        pytest.skip("the database is not the tests' own to kill")
    with stopped(place, *VERSION, *FORMED) as child:
        disturbed.kill_postgres()
        _, said = child.communicate("\n", timeout=60)
    assert child.returncode == 1
    assert said.startswith("CommandError: The database went away (")
    assert said.endswith("); when it answers, go on with --resume\n")
    assert said.count("\n") == 1
    # A folder that was moved while the row could not be told stands there whole.
    assert (left_behind(), (Path(settings.SNAPSHOT_ROOT) / "0.3").exists()) == ([], place == MOVE)
    more_votes()
    worlds.lose_worker(Snapshot.objects.get())
    command("--resume")
    check_completed(calm)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        pytest.param(RECORDS, ["verify_snapshot", "0.3"], id="verify"),
        pytest.param("exports.changes.between", ["diff_snapshots", "0.2", "0.3"], id="diff"),
    ],
)
def test_what_reads_a_release_says_that_the_database_went_away(place: str, arguments: list[str]) -> None:
    if env.given("DATABASE_URL"):
        pytest.skip("the database is not the tests' own to kill")
    campaigns = faults.world()
    for version in ("0.2", "0.3"):
        worlds.published(version, *campaigns)
    Comparison.objects.all().delete()
    with stopped(place, *arguments) as child:
        disturbed.kill_postgres()
        _, said = child.communicate("\n", timeout=60)
    assert child.returncode == 1
    assert said.startswith("CommandError: The database went away (")
    assert said.endswith("); when it answers, try again\n")
    assert said.count("\n") == 1


# --- A full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory, whose size ``resize`` decides; skips where nothing may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip(f"nothing may be mounted here: {mount.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def test_it_completes_when_there_is_room_again(calm: dict[str, bytes], small_disk: Path, settings: Settings) -> None:
    settings.SNAPSHOT_ROOT = small_disk
    needed = sum(-(-len(content) // 4096) * 4096 for content in calm.values())
    for share in (0.02, 0.3, 0.6, 0.9):
        resize(small_disk, int(needed * share) // 4096 * 4096)
        with pytest.raises(CommandError) as refused:
            command(*(FORMED if share == 0.02 else ["--resume"]))
        where = small_disk / "0.3"
        assert str(refused.value) == f"{where}: No space left on device; make room, then publish again with --resume"
        assert faults.partial_files(small_disk) == []
        assert not where.exists()
        if share == 0.02:
            more_votes()
    resize(small_disk, 2 * needed)
    command("--resume")
    check_completed(calm)


def test_it_publishes_though_the_copy_finds_no_room(calm: dict[str, bytes], small_disk: Path) -> None:
    resize(small_disk, 16 * 1024)
    with pytest.raises(CommandError) as refused:
        command(*FORMED, "--output", str(small_disk))
    assert str(refused.value) == f"{small_disk}: No space left on device; choose another place or make room"
    check_completed(calm)
    assert faults.partial_files(small_disk) == []
    assert all(calm[name] == content for name, content in contents(small_disk).items())
    resize(small_disk, 1 << 20)
    command("--output", str(small_disk))
    assert contents(small_disk) == calm


def test_it_completes_when_files_may_be_longer_again(calm: dict[str, bytes]) -> None:
    sizes = sorted(map(len, calm.values()))
    asked = FORMED
    for size in (1, sizes[len(sizes) // 2], sizes[-1] - 1):
        with files_of_at_most(size), pytest.raises(CommandError) as refused:
            command(*asked)
        assert str(refused.value).endswith("File too large; make room, then publish again with --resume")
        assert (left_behind(), Snapshot.objects.get().path.exists()) == ([], False)
        asked = ["--resume"]
    command("--resume")
    check_completed(calm)


def test_what_failed_is_tried_again_with_the_votes_of_now_or_those_of_then(kindness: Campaign) -> None:
    with files_of_at_most(1), pytest.raises(CommandError):
        command()
    cut = Snapshot.objects.get().cut
    more_votes()
    command("--resume")
    assert Snapshot.objects.get().cut == cut
    worlds.lose_commit(Snapshot.objects.get())
    Snapshot.objects.update(state=JobState.FAILED)
    shutil.rmtree(Snapshot.objects.get().path)
    command()
    assert Snapshot.objects.get().cut != cut
