from __future__ import annotations

import hashlib
import json
from typing import cast

import pytest
import redis
from django.http import FileResponse
from django.test import Client

from annotate.models import Annotator, Campaign
from exports.models import Snapshot
from tests.exports import worlds

pytestmark = pytest.mark.django_db(transaction=True)

RECORDS = "/releases/0.3/files/OIG_safety_v0.3.jsonl"


@pytest.fixture
def release(kindness: Campaign) -> Snapshot:
    return worlds.published("0.3", kindness)


def body(client: Client, address: str) -> bytes:
    answer = cast("FileResponse", client.get(address))
    assert answer.status_code == 200
    return b"".join(cast("list[bytes]", answer))


def test_it_gives_strangers_every_file_as_it_was_published(client: Client, release: Snapshot) -> None:
    page = client.get("/releases/0.3/")
    files = page.context["files"]
    assert [file["name"] for file in files if not file["name"].endswith(".svg")] == [
        "OIG_safety_v0.3.jsonl",
        "OIG_safety_v0.3.stats.json",
        "README.md",
        "OIG_safety_v0.3.manifest.json",
        "SHA256SUMS",
    ]
    for file in files[:-1]:
        content = body(client, file["url"])
        assert content == (release.path / file["name"]).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file["sha256"], file["bytes"])
        assert file["sha256"] in page.content.decode()


def test_it_never_lets_a_browser_render_a_file(client: Client, release: Snapshot) -> None:
    for name in ("OIG_safety_v0.3.jsonl", "README.md"):
        answer = client.get(f"/releases/0.3/files/{name}")
        assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
        assert answer["Content-Type"] == "application/octet-stream"
        assert answer["X-Content-Type-Options"] == "nosniff"
        answer.close()


@pytest.mark.parametrize(
    "address",
    [
        "/releases/0.4/",
        "/releases/0.3.0/",
        "/releases/x/",
        "/releases/%00/",
        "/releases/0.3%00/",
        "/releases/0.3%0A/",
        "/releases/%D9%A1.%D9%A2/",
        "/releases/0.3/files/%00",
        "/releases/%00/files/README.md",
        "/releases/0.3/charts/labels-%00.svg",
        "/releases/0.3/files/notes.txt",
        "/releases/0.3/files/..%2F..%2Fmanage.py",
        "/releases/0.3/files/%2E%2E",
        "/releases/../files/x",
        "/releases/0.3/files//etc/passwd",
        "/releases/0.3/files/",
        "/releases/0.4/files/OIG_safety_v0.4.manifest.json",
        "/releases/0.3/files/OIG_safety_v0.4.manifest.json",
        "/releases/0.3/charts/labels-sepia.svg",
        "/releases/0.3/charts/nothing-light.svg",
        "/releases/0.4/charts/labels-light.svg",
    ],
)
def test_it_knows_no_other_address(client: Client, release: Snapshot, address: str) -> None:
    (release.path / "notes.txt").write_text("not in the manifest")
    assert client.get(address).status_code == 404


def test_it_says_404_of_a_file_that_is_gone(client: Client, release: Snapshot) -> None:
    (release.path / "README.md").unlink()
    assert client.get("/releases/0.3/files/README.md").status_code == 404
    assert client.get("/releases/0.3/").status_code == 200


def test_it_shows_nothing_of_a_snapshot_before_it_is_published(client: Client, kindness: Campaign) -> None:
    from exports import snapshots

    snapshots.prepare("0.3", [kindness])
    for address in ("/releases/0.3/", RECORDS, "/releases/0.3/charts/labels-light.svg"):
        assert client.get(address).status_code == 404
    assert "OIG_safety_v0.3" not in client.get("/releases/").content.decode()


def test_it_shows_the_statistics_in_reading_order(client: Client, release: Snapshot) -> None:
    page = client.get("/releases/0.3/")
    (labels,) = [table for table in page.context["tables"] if table["title"] == "Published labels"]
    assert [row[0] for row in labels["rows"]][:5] == [
        "casual",
        "possibly needs caution",
        "probably needs caution",
        "needs caution",
        "needs intervention",
    ]
    text = page.content.decode()
    assert "undefined: only one option was ever used, so the expected disagreement is 0" in text
    assert "undefined: there is no vote" in text


def test_it_draws_every_chart_of_the_page_in_both_themes(client: Client, release: Snapshot) -> None:
    shown = [table["chart"] for table in client.get("/releases/0.3/").context["tables"] if table["chart"]]
    assert len(shown) == 3
    for chart in shown:
        for theme in ("light", "dark"):
            answer = client.get(chart[theme])
            assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
            assert answer.content.startswith(b"<svg ")


def test_it_lists_the_highest_version_first(client: Client, release: Snapshot, kindness: Campaign) -> None:
    worlds.published("0.10", kindness)
    worlds.published("0.9", kindness)
    releases = [snapshot.version for snapshot in client.get("/releases/").context["releases"]]
    assert releases == ["0.10", "0.9", "0.3"]


def test_it_counts_on_the_front_page_without_signing_in(
    client: Client, release: Snapshot, kindness: Campaign, valkey: redis.Redis
) -> None:
    context = client.get("/").context
    assert (context["instructions"], context["votes"], context["annotators"]) == (1, 2, 2)
    assert [snapshot.version for snapshot in context["releases"]] == ["0.3"]
    # Not again for everybody who looks.
    worlds.vote(kindness.units.get(), worlds.person("cleo"), worlds.CASUAL)
    assert client.get("/").context["votes"] == 2
    (kept,) = cast("list[bytes]", valkey.keys("*front-numbers"))
    assert 0 < valkey.ttl(kept) <= 60
    valkey.flushdb()
    assert client.get("/").context["votes"] == 3


def test_it_marks_releases_with_simulated_votes(client: Client, release: Snapshot, kindness: Campaign) -> None:
    assert "simulated votes" not in client.get("/releases/").content.decode()
    sam = worlds.person("sam", Annotator.Kind.SIMULATED)
    worlds.vote(kindness.units.get(), sam, worlds.CASUAL)
    worlds.published("0.4", kindness)
    rows = client.get("/releases/").content.decode().split("<tr>")
    assert ["simulated votes" in row for row in rows if "OIG_safety_v" in row] == [True, False]


def test_it_escapes_what_sources_and_languages_are_called(client: Client, kindness: Campaign) -> None:
    hostile = "<script>alert(1)</script>"
    origin = worlds.source("novels", revision=hostile[:80], attribution=hostile)
    placed = worlds.unit(kindness, worlds.instruction(hostile, origin, language="<b>x"))
    worlds.votes(placed, worlds.people("ada ben"), worlds.CASUAL, worlds.CASUAL)
    worlds.published("0.3", kindness)
    page = client.get("/releases/0.3/").content.decode()
    assert hostile not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;x" in page
    (line,) = [line for line in body(client, RECORDS).split(b"\n") if b"alert" in line]
    assert json.loads(line)["text"] == f"<human>: {hostile}"


def test_it_asks_for_few_queries(client: Client, release: Snapshot, django_assert_max_num_queries: object) -> None:
    with django_assert_max_num_queries(2):  # type: ignore[operator]
        assert client.get("/releases/0.3/").status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_can_only_be_looked_at(client: Client, release: Snapshot, method: str) -> None:
    for address in ("/", "/releases/", "/releases/0.3/", RECORDS):
        assert getattr(client, method)(address).status_code == 405
