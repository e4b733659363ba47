"""`manage.py push_snapshot`: into a folder, and onto a hub-shaped server through huggingface_hub itself."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from huggingface_hub import constants

from annotate.models import Campaign
from exports import pushing, snapshots, standings
from exports.formats import Options
from exports.models import Snapshot, Standing
from tests.exports import worlds
from tests.exports.folders import contents
from tests.exports.hub import READER, WRITER, Hub, Trouble

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # What huggingface_hub does with its HTTP library when it sends a large file.
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]

REPO = "org/oig-safety"
RECORDS = "OIG_safety_v0.3.jsonl"


@pytest.fixture
def release(kindness: Campaign) -> Snapshot:
    return worlds.published("0.3", kindness)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with Hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setenv("HF_TOKEN", WRITER)
        # Xet is a program of its own, which speaks to a host of its own.
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(pushing, "PAUSES", (0, 0, 0))
        yield running


def push(*options: str, version: str = "0.3") -> str:
    out = StringIO()
    call_command("push_snapshot", version, *options, stdout=out, stderr=StringIO())
    return out.getvalue()


def refusal(*options: str, version: str = "0.3") -> str:
    with pytest.raises(CommandError) as refused:
        push(*options, version=version)
    return str(refused.value)


def test_it_puts_every_file_into_a_folder_of_the_version(release: Snapshot, tmp_path: Path) -> None:
    said = push("--folder", str(tmp_path))
    there = contents(tmp_path / "v0.3")
    listing = there.pop("SHA256SUMS").decode().splitlines()
    assert there == contents(release.path)
    assert "9 of 9 files sent" in said
    assert sorted(listing) == sorted(f"{hashlib.sha256(body).hexdigest()}  {name}" for name, body in there.items())
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "v0.3", capture_output=True, check=False)
    assert checked.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["v0.3"]


def test_twice_changes_nothing_in_a_folder(release: Snapshot, tmp_path: Path) -> None:
    push("--folder", str(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert "every byte the same; nothing was changed" in push("--folder", str(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_it_never_replaces_a_folder_with_other_content(release: Snapshot, tmp_path: Path) -> None:
    push("--folder", str(tmp_path))
    (tmp_path / "v0.3" / RECORDS).write_text("{}\n")
    assert f"other content ({RECORDS} has sha256" in refusal("--folder", str(tmp_path))
    assert (tmp_path / "v0.3" / RECORDS).read_text() == "{}\n"


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to write more into any file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_folder_that_was_full_is_completed_later(release: Snapshot, tmp_path: Path) -> None:
    largest = max(release.path.iterdir(), key=lambda path: path.stat().st_size)
    with files_of_at_most(largest.stat().st_size - 1):
        assert "make room or make it writable, then push again" in refusal("--folder", str(tmp_path))
    assert not (tmp_path / "v0.3").exists()
    kept = contents(tmp_path / ".v0.3.partial")
    assert kept
    assert largest.name not in kept
    said = push("--folder", str(tmp_path))
    assert f"{9 - len(kept)} of 9 files sent" in said
    assert largest.name in contents(tmp_path / "v0.3")


def test_what_was_spoilt_in_between_is_sent_again(release: Snapshot, tmp_path: Path) -> None:
    partial = tmp_path / ".v0.3.partial"
    shutil.copytree(release.path, partial)
    (partial / RECORDS).write_text("half")
    (partial / "notes.txt").write_text("somebody's")
    assert "2 of 9 files sent" in push("--folder", str(tmp_path))
    assert set(contents(tmp_path / "v0.3")) == {*contents(release.path), "SHA256SUMS"}


def test_it_refuses_what_is_not_published(kindness: Campaign, tmp_path: Path) -> None:
    assert "There is no version 0.3; published are: none yet" in refusal("--folder", str(tmp_path))
    snapshots.prepare("0.3", [kindness])
    assert "is not published" in refusal("--folder", str(tmp_path))


def test_it_refuses_what_was_published_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "published.jsonl"
    file.write_text('{"text": "<human>: Hello", "metadata": {"labels": ["casual"]}}\n')
    call_command("register_snapshot", "--version", "0.1", str(file))
    with pytest.raises(CommandError, match="is registered: it was published elsewhere"):
        push("--folder", str(tmp_path / "there"), version="0.1")


def test_it_refuses_what_was_withdrawn(release: Snapshot, tmp_path: Path, hub: Hub) -> None:
    standings.change(release, Standing.WITHDRAWN, "A source took its texts back.")
    release.refresh_from_db()
    assert "was withdrawn: A source took its texts back." in refusal("--folder", str(tmp_path))
    assert "was withdrawn" in refusal("--hub", REPO)
    assert hub.asked == []


def test_it_refuses_files_that_are_not_those_that_were_published(release: Snapshot, hub: Hub) -> None:
    (release.path / RECORDS).write_text("{}\n")
    assert "not the file that was published" in refusal("--hub", REPO)
    assert hub.asked == []


def test_it_makes_a_private_dataset_with_a_tag(release: Snapshot, hub: Hub) -> None:
    said = push("--hub", REPO)
    repo, there = hub.repos[REPO], hub.contents(REPO, "v0.3")
    assert repo.is_private
    assert there.pop("SHA256SUMS")
    assert there == contents(release.path)
    assert repo.branches["main"] == repo.tags["v0.3"]
    assert f"{hub.endpoint}/datasets/{REPO}/tree/v0.3: 9 of 9 files sent" in said
    assert WRITER not in said


def test_a_new_dataset_may_be_public(release: Snapshot, hub: Hub) -> None:
    push("--hub", REPO, "--public")
    assert not hub.repos[REPO].is_private
    assert "--public is for a dataset" in refusal("--folder", "x", "--public")


def test_twice_changes_nothing_on_the_hub(release: Snapshot, hub: Hub) -> None:
    push("--hub", REPO)
    before = len(hub.writes())
    assert "every byte the same; nothing was changed" in push("--hub", REPO)
    assert len(hub.writes()) == before


def test_it_never_moves_a_tag(release: Snapshot, hub: Hub) -> None:
    push("--hub", REPO)
    repo = hub.repos[REPO]
    repo.commits[repo.tags["v0.3"]][RECORDS] = hub.keep(b"{}\n")
    before = len(hub.writes())
    assert f"other content ({RECORDS} has sha256" in refusal("--hub", REPO)
    assert len(hub.writes()) == before


def test_a_small_file_is_compared_byte_by_byte(release: Snapshot, hub: Hub) -> None:
    push("--hub", REPO)
    repo = hub.repos[REPO]
    repo.commits[repo.tags["v0.3"]]["README.md"] = hub.keep(b"# Another card\n")
    assert "README.md has sha256" in refusal("--hub", REPO)


PASSING = [
    *("GET /api/datasets/org", "POST /api/repos/create", "/preupload/", "PUT /lfs/", "/objects/batch"),
    *("/commit/", "/paths-info/", "/resolve/", "/tag/"),
]


def test_it_goes_on_after_a_failure_that_passes(release: Snapshot, hub: Hub) -> None:
    for number, line in enumerate(PASSING):
        repo = f"org/dataset-{number}"
        hub.store.clear()
        hub.troubles = [Trouble(line, 500)]
        assert "9 of 9 files sent" in push("--hub", repo), line
        assert hub.contents(repo, "v0.3").keys() == {*contents(release.path), "SHA256SUMS"}
        assert hub.troubles == []
        assert len(hub.repos[repo].commits) == 2


def test_what_was_done_though_the_answer_got_lost_is_not_done_again(release: Snapshot, hub: Hub) -> None:
    for line in ("/repos/create", "/commit/", "/tag/"):
        repo = f"org/dataset{line.replace('/', '-')}x"
        hub.asked.clear()
        hub.troubles = [Trouble(line, 503, is_late=True)]
        assert "9 of 9 files sent" in push("--hub", repo)
        assert sum(line in asked for asked in hub.asked) == 1
        assert hub.repos[repo].tags.keys() == {"v0.3"}


def test_it_begins_anew_where_somebody_else_came_first(release: Snapshot, hub: Hub) -> None:
    hub.troubles = [Trouble("/commit/", 412)]
    assert "9 of 9 files sent" in push("--hub", REPO)


def test_a_push_that_broke_off_sends_only_the_rest(release: Snapshot, hub: Hub) -> None:
    hub.troubles = [Trouble("/commit/", 500, times=3)]
    assert "the hub answers 500; push again later" in refusal("--hub", REPO)
    assert "v0.3" not in hub.repos[REPO].tags
    sent = sum("PUT /lfs/" in line for line in hub.asked)
    push("--hub", REPO)
    assert sum("PUT /lfs/" in line for line in hub.asked) == sent == 1


def test_it_gives_no_name_to_what_the_hub_reports_otherwise(release: Snapshot, hub: Hub) -> None:
    hub.lies = {RECORDS}
    assert f"does not hold what was sent ({RECORDS} has sha256 {'f' * 64}" in refusal("--hub", REPO)
    assert hub.repos[REPO].tags == {}


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "There is no token of the hub: set HF_TOKEN or run `hf auth login`"),
        ("hf_revoked", "does not accept the token"),
        (READER, "the token may not write there"),
    ],
)
def test_it_says_what_is_wrong_with_a_token(
    release: Snapshot, hub: Hub, monkeypatch: pytest.MonkeyPatch, token: str, words: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    said = refusal("--hub", REPO)
    assert words in said
    assert "\n" not in said
    assert not token or token not in said
    assert hub.repos == {}


def test_it_says_that_the_hub_cannot_be_reached(release: Snapshot, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9: cannot be reached" in refusal("--hub", REPO)


def test_it_sends_a_token_only_by_https(release: Snapshot, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example.org")
    assert "the token is only sent by https" in refusal("--hub", REPO)


@pytest.mark.parametrize("name", ["oig-safety", "org/oig/safety", "org/../x", ""])
def test_it_says_how_a_dataset_is_named(release: Snapshot, hub: Hub, name: str) -> None:
    assert "is not the name of a dataset: write ORG/NAME" in refusal("--hub", name)


def test_it_says_that_the_name_is_a_model(release: Snapshot, hub: Hub) -> None:
    hub.models = {REPO}
    assert f"{REPO} is a model on the hub: choose another name" in refusal("--hub", REPO)


def test_each_tag_has_the_files_of_its_release_and_main_those_of_the_highest(
    release: Snapshot, kindness: Campaign, hub: Hub
) -> None:
    push("--hub", REPO)
    hub.repos[REPO].commits[hub.repos[REPO].branches["main"]]["notes.txt"] = hub.keep(b"the owner's")
    worlds.published("0.4", kindness)
    push("--hub", REPO, version="0.4")
    standing_files = hub.contents(REPO, "main")
    assert RECORDS not in standing_files
    assert {"OIG_safety_v0.4.jsonl", "notes.txt"} <= standing_files.keys()
    assert RECORDS in hub.contents(REPO, "v0.3")
    snapshots.work(snapshots.prepare("0.2.1", [kindness], allow_lower=True))
    push("--hub", REPO, version="0.2.1")
    assert hub.contents(REPO, "main") == standing_files
    assert "OIG_safety_v0.2.1.jsonl" in hub.contents(REPO, "v0.2.1")
    assert hub.repos[REPO].tags.keys() == {"v0.3", "v0.4", "v0.2.1"}


@pytest.mark.slow
def test_a_tag_loads_with_datasets(kindness: Campaign, hub: Hub, tmp_path: Path) -> None:
    release = snapshots.prepare("0.3", [kindness], options=Options(("splits", "csv")))
    snapshots.work(release)
    push("--hub", REPO)
    script = f"""
import json, datasets
loaded = datasets.load_dataset({REPO!r}, revision="v0.3")
print(json.dumps({{name: split.to_list() for name, split in loaded.items()}}))
"""
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    lines = (release.path / RECORDS).read_text().splitlines()
    assert [row for rows in loaded.values() for row in rows] == [json.loads(line) for line in lines]
