"""What changed from one release to the next: counted by `diff_snapshots`, in the changelog and on the page."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from annotate.models import Annotation, Annotator, Campaign
from exports import comparing, derivation, differences, snapshots, tasks
from exports.filters import Filters
from exports.formats import Options
from exports.models import Comparison, Snapshot
from sources import criteria, jobs, removals, texts
from sources.models import Instruction, InstructionState, Source, TakeDown
from tests.exports import worlds
from tests.exports.folders import contents

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = ("taken down", "set aside", "unlicensed", "erased", "taken back", "relabelled", "tagged", "the same")


def votes_on(text: str) -> list[Annotation]:
    return list(Annotation.objects.filter(unit__instruction__turns__0__text=text).order_by("pk"))


def id_of(text: str) -> str:
    return bytes(Instruction.objects.get(turns__0__text=text).digest).hex()


def erase(votes: list[Annotation]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE annotate_annotation DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM annotate_annotation WHERE id = ANY(%s)", [[vote.pk for vote in votes]])
        cursor.execute("ALTER TABLE annotate_annotation ENABLE TRIGGER USER")


def diff(*asked: str) -> str:
    out = StringIO()
    call_command("diff_snapshots", *asked, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def two(kindness: Campaign, letters: Source) -> tuple[Snapshot, Snapshot]:
    """Releases 0.2 and 0.3; what happens to each text in between is its name."""
    for text in TEXTS:
        origin = worlds.source("secrets") if text == "unlicensed" else letters
        worlds.agreeing(kindness, origin, text)
    before = worlds.published("0.2", kindness)
    removals.take_down(criteria.by_pattern("taken down"), "its author asked for it")
    Instruction.objects.filter(turns__0__text="set aside").update(state=InstructionState.SET_ASIDE)
    Source.objects.filter(name="secrets").update(license="unknown")
    erase(votes_on("erased"))
    for vote in votes_on("taken back"):
        worlds.vote(vote.unit, vote.annotator, None, supersedes=vote)
    for vote in votes_on("relabelled"):
        worlds.vote(vote.unit, vote.annotator, worlds.INTERVENTION, supersedes=vote)
    for name in ("ada", "ben"):
        tagged = next(vote for vote in votes_on("tagged") if vote.annotator == worlds.person(name))
        worlds.vote(tagged.unit, tagged.annotator, worlds.CASUAL, supersedes=tagged, hate=True)
    worlds.agreeing(kindness, letters, "added")
    return before, worlds.published("0.3", kindness)


def test_it_counts_what_came_went_and_changed_and_says_why(two: tuple[Snapshot, Snapshot], tmp_path: Path) -> None:
    listing = tmp_path / "all.jsonl"
    found = json.loads(diff("0.2", "0.3", "--json", "--jsonl", str(listing)))
    assert {key: found[key] for key in ("same", "changed", "added", "removed", "relabelled")} == {
        "same": 2,  # and the kettle
        "changed": 2,
        "added": 1,
        "removed": 5,
        "relabelled": 1,
    }
    assert sorted(found["removed_because"]) == sorted(
        [
            [f"taken down (take-down {TakeDown.objects.get().pk})", 1],
            ["set aside by a curator", 1],
            [differences.UNLICENSED, 1],
            [differences.ERASED, 1],
            [differences.TAKEN_BACK, 1],
        ]
    )
    assert found["relabelled_moves"] == [["casual", "needs intervention", 1]]
    assert found["tags"] == [["hate", 1, 0]]
    assert ["casual", 9, 4] in found["labels"]
    assert ["hate", 0, 1] in found["labels"]
    assert found["relabelled_examples"][0]["votes_after"]["needs intervention"] == 2
    listed = [json.loads(line) for line in listing.read_text().splitlines()]
    assert len(listed) == 8
    assert [one["id"] for one in listed] == sorted(one["id"] for one in listed)
    assert next(one for one in listed if one["id"] == id_of("tagged"))["tags"] == [[], ["hate"]]


def test_it_prints_tables_of_what_was_found_once(
    two: tuple[Snapshot, Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(comparing, "compare")
    told = diff("0.2", "0.3")
    assert told.endswith("Since 0.2: 1 added, 5 removed, 1 relabelled; 2 lines say the same\n")
    assert "needs intervention" in told


def test_it_is_the_changelog_of_the_release_and_the_same_bytes_again(two: tuple[Snapshot, Snapshot]) -> None:
    before, after = two
    files = contents(after.path)
    assert "CHANGES.md" not in contents(before.path)
    assert "since" not in before.manifest
    assert after.manifest["since"] == {
        "version": "0.2",
        "OIG_safety_v0.2.jsonl": before.manifest["files"]["OIG_safety_v0.2.jsonl"]["sha256"],
    }
    assert f"| taken down (take-down {TakeDown.objects.get().pk}) | 1 |" in files["CHANGES.md"].decode()
    assert "Since 0.2: 1 added, 5 removed" in files["README.md"].decode()
    assert Comparison.objects.get().summary == json.loads(files["OIG_safety_v0.3.changes.json"])
    # Another version in between, and another reason for a line that went, change nothing of it.
    removals.take_down(criteria.by_pattern("set aside"), "its author asked for it")
    worlds.published("0.2.1")
    derivation.rederive(after)
    assert contents(after.path) == files


def test_it_refuses_where_the_version_before_was_changed(kindness: Campaign) -> None:
    before = worlds.published("0.2", kindness)
    with (before.path / "OIG_safety_v0.2.jsonl").open("a") as file:
        file.write("{}\n")
    snapshot = snapshots.prepare("0.3", [kindness])
    snapshots.work(snapshot)
    assert "OIG_safety_v0.2.jsonl: not the file that was published; restore it from a backup" in snapshot.error
    assert not snapshot.path.exists()


def test_it_says_what_a_filter_left_out_and_what_is_of_other_campaigns(kindness: Campaign, letters: Source) -> None:
    patience = worlds.campaign("patience")
    worlds.agreeing(patience, letters, "of the other campaign")
    worlds.published("0.2", kindness, patience)
    chosen = Options(filters=Filters(min_votes=3))
    third = worlds.agreeing(kindness, letters, "with three votes")
    worlds.vote(third, worlds.person("cleo"), worlds.CASUAL)
    snapshots.work(snapshots.prepare("0.3", [kindness], options=chosen))
    found = json.loads(diff("0.2", "0.3", "--json"))
    assert sorted(found["removed_because"]) == sorted([[differences.FILTERED, 1], [differences.ELSEWHERE, 1]])
    assert (found["added"], found["same"]) == (1, 0)


def test_workers_compare_every_two_releases_once(two: tuple[Snapshot, Snapshot], kindness: Campaign) -> None:
    worlds.published("0.4", kindness)
    waiting = [pk for task, pk in jobs.waiting(timezone.now()) if task == comparing.TASK]
    assert [str(one) for one in Comparison.objects.filter(pk__in=waiting)] == ["OIG_safety_v0.4 since 0.2"]
    for pk in waiting:
        tasks.compare_snapshots(pk)
    assert not [pk for task, pk in jobs.waiting(timezone.now()) if task == comparing.TASK]
    assert Comparison.objects.get(pk=waiting[0]).summary["after"] == {"version": "0.4", "lines": 5}


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (("0.3", "0.2"), "0.3 is not earlier than 0.2: name the earlier one first"),
        (("0.1", "0.3"), "0.1 was not published; published are: 0.3, 0.2"),
    ],
)
def test_it_says_what_cannot_be_compared(kindness: Campaign, asked: tuple[str, str], answer: str) -> None:
    worlds.published("0.2", kindness)
    worlds.published("0.3", kindness)
    with pytest.raises(CommandError, match=answer):
        diff(*asked)


# --- The page ---------------------------------------------------------------------------------------------------------


def test_it_shows_strangers_the_same_numbers_and_no_text(client: Client, two: tuple[Snapshot, Snapshot]) -> None:
    page = client.get("/releases/0.3/since/0.2/")
    assert page.context["summary"] == json.loads((two[1].path / "OIG_safety_v0.3.changes.json").read_text())
    words = page.content.decode()
    assert "needs intervention" in words
    for told in (*(line for line in (two[1].path / "OIG_safety_v0.3.jsonl").read_text().splitlines()),):
        assert json.loads(told)["text"] not in words
    for gone in ("taken down", "erased"):
        assert id_of_gone(gone) not in words
    assert 'href="/releases/0.3/since/0.2/"' in client.get("/releases/0.3/").content.decode()


def id_of_gone(text: str) -> str:
    return texts.digest(worlds.says(text)).hex()


def test_it_leads_to_any_two_whichever_is_named_first(client: Client, two: tuple[Snapshot, Snapshot]) -> None:
    assert 'name="before"' in client.get("/releases/").content.decode()
    for query in ({"before": "0.2", "after": "0.3"}, {"before": "0.3", "after": "0.2"}):
        assert client.get("/releases/compare/", query)["Location"] == "/releases/0.3/since/0.2/"
    assert client.get("/releases/compare/", {"before": "0.3", "after": "0.3"})["Location"] == "/releases/0.3/"
    assert client.get("/releases/compare/", {"before": "x", "after": "\0"})["Location"] == "/releases/"
    for address in ("/releases/0.2/since/0.3/", "/releases/0.3/since/0.3/", "/releases/0.3/since/0.1/"):
        assert client.get(address).status_code == 404


def test_it_never_compares_for_a_request(client: Client, two: tuple[Snapshot, Snapshot]) -> None:
    Comparison.objects.all().delete()
    assert "are being compared" in client.get("/releases/0.3/since/0.2/").content.decode()
    (two[0].path / "OIG_safety_v0.2.jsonl").unlink()
    for task, pk in jobs.waiting(timezone.now()):
        if task == comparing.TASK:
            tasks.compare_snapshots(pk)
    assert "could not be compared" in client.get("/releases/0.3/since/0.2/").content.decode()
    assert "restore it from a backup" in Comparison.objects.get().error


def test_staff_see_why_it_failed_and_have_it_done_again(
    client: Client, two: tuple[Snapshot, Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(Annotator.objects.create_superuser("eve", password="eve's password"))
    found = Comparison.objects.get()
    assert (
        'href="/releases/0.3/since/0.2/"'
        in client.get(f"/admin/exports/comparison/{found.pk}/change/").content.decode()
    )
    Comparison.objects.update(state="failed", error="the file is gone")
    assert "the file is gone" in client.get("/admin/exports/comparison/").content.decode()
    taken = list[int]()
    monkeypatch.setattr(tasks.compare_snapshots, "delay_on_commit", taken.append)
    asked = {"action": "compare_again", "_selected_action": [found.pk]}
    client.post("/admin/exports/comparison/", asked)
    assert (taken, Comparison.objects.get().state) == ([found.pk], "queued")
