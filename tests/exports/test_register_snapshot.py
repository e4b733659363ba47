"""Registering what was published elsewhere, and comparing a release of ours with it."""

from __future__ import annotations

import gzip
import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from annotate.models import Campaign
from exports import derivation, differences, snapshots, writers
from exports.errors import SnapshotRefused
from exports.models import Snapshot
from sources import texts
from sources.models import Source
from tests.exports import worlds
from tests.exports.folders import left_behind

pytestmark = pytest.mark.django_db(transaction=True)

KETTLE = "How do I descale a kettle?"
LINES = (
    {"text": f"Input: {KETTLE}\nOutput: needs caution | hate"},
    {"text": "<human>: Tell me a joke.\n<bot>: No.", "metadata": {"labels": ["casual"]}},
    {"text": "Tell  me another.", "labels": ["Casual", "sexual content"]},
    {"text": f"<human>: {KETTLE} ", "labels": "needs caution | hate"},  # the same text
    {"text": KETTLE, "labels": "casual"},  # the same with other labels
    {"text": "no labels"},
    {"text": "wrong", "labels": ["harmless"]},
    {"text": "two", "labels": ["casual", "needs caution"]},
    {"labels": ["casual"]},
    {"text": " \u200b ", "labels": ["casual"]},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "published.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in LINES) + "{broken\n")
    return path


def register(file: Path, *asked: str, version: str = "0.1") -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("register_snapshot", str(file), "--version", version, *asked, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def id_of(text: str) -> str:
    return texts.digest(worlds.says(text)).hex()


def test_it_keeps_the_file_and_counts_every_row(db: None, file: Path) -> None:
    out, err = register(file)
    assert out == (
        "11 rows read = 3 taken + 2 repeated (1 with other labels) + 6 rejected (1 broken JSON, 1 empty, "
        "1 missing column, 1 no labels, 1 several base labels, 1 unknown label); OIG_safety_v0.1 is registered\n"
    )
    assert f"{file}: line 7: has the label 'harmless' in 'labels': correct it; known are casual, " in err
    assert f"{file}: line 9: has no text in column 'text': add it" in err
    assert f"{file}: line 11: is not JSON" in err
    snapshot = Snapshot.objects.published().get()
    assert (snapshot.path / "OIG_safety_v0.1.jsonl").read_bytes() == file.read_bytes()
    lines = [json.loads(line) for line in (snapshot.path / "OIG_safety_v0.1.lines.jsonl").read_text().splitlines()]
    assert [line["metadata"]["id"] for line in lines] == sorted(line["metadata"]["id"] for line in lines)
    assert {line["metadata"]["id"]: line["metadata"]["labels"] for line in lines}[id_of(KETTLE)] == [
        "needs caution",
        "hate",
    ]
    assert snapshot.statistics["labels"]["casual"] == 2
    assert left_behind() == []


def test_it_writes_nothing_on_a_dry_run(db: None, file: Path) -> None:
    assert register(file, "--dry-run")[0].endswith("; nothing was written\n")
    assert not Snapshot.objects.exists()


def test_it_takes_compressed_files_and_ids_and_votes_of_another_installation(db: None, tmp_path: Path) -> None:
    public_id, votes = "0" * 32, {"casual": 2, "needs caution": 0, "needs intervention": 0}
    told = {"id": public_id, "label": "casual", "labels": ["casual"], "votes": votes, "agreement": "unanimous"}
    path = tmp_path / "other.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps({"text": "<human>: [e-mail address]", "metadata": told}).encode()))
    register(path, version="1.0")
    folder = Snapshot.objects.get().path
    assert json.loads((folder / "OIG_safety_v1.0.lines.jsonl").read_text())["metadata"] == told
    assert writers.fingerprint(folder / "OIG_safety_v1.0.jsonl.gz") == writers.fingerprint(path)


def test_it_is_verified_by_its_files_alone(db: None, file: Path) -> None:
    register(file)
    out = StringIO()
    call_command("verify_snapshot", "0.1", stdout=out, stderr=StringIO())
    assert out.getvalue() == "OIG_safety_v0.1: the files are as registered; its lines cannot be derived here\n"
    (Snapshot.objects.get().path / "OIG_safety_v0.1.jsonl").write_text("{}")
    with pytest.raises(CommandError, match="not the file that was published"):
        call_command("verify_snapshot", "0.1")


def test_a_release_is_compared_with_it_by_its_texts(kindness: Campaign, letters: Source, file: Path) -> None:
    register(file)
    joke = worlds.instruction(texts.parse_oig("<human>: Tell me a joke.\n<bot>: No."), letters)
    worlds.votes(worlds.unit(kindness, joke), worlds.people("ada ben"), worlds.CASUAL, worlds.CASUAL)
    released = worlds.published("0.3", kindness)
    told = json.loads((released.path / "OIG_safety_v0.3.changes.json").read_text())
    assert (told["same"], told["changed"], told["removed"], told["added"]) == (1, 1, 1, 0)
    assert told["removed_because"] == [[differences.NOT_HERE, 1]]
    assert told["relabelled_moves"] == [["needs caution", "casual", 1]]
    assert told["relabelled_examples"][0]["id"] == id_of(KETTLE)
    assert told["tags"] == [["hate", 0, 1]]
    assert (told["agreement_status"], told["other_votes"]) == ([], 0)
    derivation.rederive(released)


@pytest.mark.parametrize(
    ("content", "version", "answer"),
    [
        ("", "0.1", "none of its 0 rows can be taken; it is empty, or name another file"),
        ('{"text": "no"}\n', "0.1", "none of its 1 rows can be taken; no labels: correct it, or name another file"),
        (None, "0.1", "is not there, or no file; name the published file"),
        ("", "one", "'one' is not a version"),
        ("", "0.3", "OIG_safety_v0.3 was made here: it stays as it is; choose another version"),
    ],
)
def test_it_says_what_cannot_be_registered(
    kindness: Campaign, tmp_path: Path, content: str | None, version: str, answer: str
) -> None:
    worlds.published("0.3", kindness)
    path = tmp_path / "published.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CommandError, match=answer):
        register(path, version=version)
    assert (Snapshot.objects.count(), left_behind()) == (1, [])


def test_no_release_takes_its_version(kindness: Campaign, file: Path) -> None:
    register(file)
    with pytest.raises(SnapshotRefused, match="is registered: it was published elsewhere"):
        snapshots.prepare("0.1", [kindness])


def test_its_page_tells_where_it_is_from(client: Client, file: Path, db: None) -> None:
    register(file)
    page = client.get("/releases/0.1/")
    assert "made elsewhere" in page.content.decode()
    assert [one["name"] for one in page.context["files"]] == [
        "OIG_safety_v0.1.jsonl",
        "OIG_safety_v0.1.lines.jsonl",
        "OIG_safety_v0.1.manifest.json",
        "SHA256SUMS",
    ]
    assert client.get("/releases/0.1/charts/labels-light.svg").status_code == 200
    assert client.get("/releases/").status_code == 200
