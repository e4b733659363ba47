"""Releases as JSON: what strangers read, and what those do who may publish."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from annotate.models import Annotator, Campaign
from exports import snapshots, standings
from exports.api import FiltersSerializer
from exports.filters import Filters
from exports.models import Snapshot, Standing
from sources.models import Source
from tests.exports import worlds

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/v1/snapshots/"


@pytest.fixture
def publisher(client: Client, transactional_db: None) -> Client:
    """Signed in as staff who may see and add snapshots."""
    grace = Annotator.objects.create(username="grace", is_staff=True)
    grace.user_permissions.set(Permission.objects.filter(codename__in=["view_snapshot", "add_snapshot"]))
    client.force_login(grace)
    return client


def ask(client: Client, status: int, address: str = LIST, **asked: Any) -> Any:
    answer = client.post(address, asked, content_type="application/json")
    assert answer.status_code == status, answer.content
    return answer.json()


def test_strangers_read_what_is_published_and_nothing_else(client: Client, kindness: Campaign) -> None:
    release = worlds.published("0.3", kindness)
    snapshots.prepare("0.4", [kindness])
    (listed,) = client.get(LIST).json()["results"]
    assert (listed["version"], listed["state"], listed["votes"]) == ("0.3", "published", 2)
    found = client.get(f"{LIST}0.3/").json()
    assert found["manifest"] == release.manifest
    assert found["statistics"] == release.statistics
    assert {one.pop("name"): one for one in found["files"] if one.pop("url")} == release.manifest["files"]
    assert client.get(f"{LIST}0.4/").status_code == 404
    for address in (LIST, f"{LIST}0.4/cancel/", f"{LIST}0.4/resume/"):
        assert client.post(address).status_code == 401
    client.force_login(worlds.person("ada"))
    assert client.post(LIST).status_code == 403
    assert client.get(f"{LIST}0.4/").status_code == 404


def test_it_says_why_a_release_should_not_be_used(client: Client, kindness: Campaign) -> None:
    for version in ("0.3", "0.4", "0.5"):
        worlds.published(version, kindness)
    standings.change(Snapshot.objects.get(version="0.3"), Standing.WITHDRAWN, "The licence was wrong.")
    standings.change(Snapshot.objects.get(version="0.4"), Standing.DEPRECATED, "Too few votes.")
    gone = client.get(f"{LIST}0.3/").json()
    assert (gone["state"], gone["reason"], gone["newer"]) == ("withdrawn", "The licence was wrong.", "0.5")
    assert gone["statistics"] is None
    assert {one["url"] for one in gone["files"]} == {None}
    old = client.get(f"{LIST}0.4/").json()
    assert (old["state"], old["reason"], old["newer"]) == ("deprecated", "Too few votes.", "0.5")
    assert old["files"][0]["url"] == "/releases/0.4/files/OIG_safety_v0.4.jsonl"


def test_it_publishes_with_all_that_can_be_chosen(publisher: Client, kindness: Campaign) -> None:
    chosen: dict[str, Any] = {
        "campaigns": ["kindness"],
        "mask_personal": True,
        "forms": {"names": ["shards", "splits"], "seed": 7, "shard_bytes": 1000},
        "filters": {"languages": ["en"], "min_votes": 2, "without_disputed": True},
    }
    assert ask(publisher, 200, version="0.3", dry_run=True, **chosen) == {"instructions": 1, "votes": 2}
    assert not Snapshot.objects.exists()
    begun = ask(publisher, 201, version="0.3", **chosen)
    assert (begun["state"], begun["publishing"], begun["files"]) == ("draft", "queued", [])
    assert {name: begun[name] for name in chosen} == chosen
    snapshots.work(Snapshot.objects.get())
    made = publisher.get(f"{LIST}0.3/").json()
    assert made["manifest"]["filters"] == chosen["filters"]
    assert {"OIG_safety_v0.3.shard-00001.jsonl", "OIG_safety_v0.3.train.jsonl"} & {one["name"] for one in made["files"]}
    assert Snapshot.objects.get().started_by == Annotator.objects.get(username="grace")


def test_it_refuses_in_words(publisher: Client, kindness: Campaign, letters: Source) -> None:
    worlds.published("0.3", kindness)
    assert "is published, and stays as it is" in ask(publisher, 409, version="0.3")["detail"]
    assert "0.2 is lower than 0.3" in ask(publisher, 400, version="0.2")["detail"]
    assert "write two or three whole numbers" in ask(publisher, 400, version="v1")["detail"]
    assert "cruelty" in ask(publisher, 400, version="0.4", campaigns=["cruelty"])["campaigns"][0]
    assert "There is no agreement 'odd'" in ask(publisher, 400, version="0.4", filters={"statuses": ["odd"]})["detail"]
    assert (
        "There is no such field"
        in ask(publisher, 400, version="0.4", filters={"language": ["en"]})["filters.language"][0]
    )
    assert "There is no such field" in ask(publisher, 400, version="0.4", form="csv")["form"][0]
    ask(publisher, 400, version="0.4", filters={"sources": ["a\x00"]})
    ask(publisher, 400, version="0.4", forms={"names": [], "seed": 10**30})
    ask(publisher, 400, version="0.4", filters=[])
    assert publisher.post(LIST, "[]", content_type="application/json").status_code == 400
    assert Snapshot.objects.count() == 1
    assert ask(publisher, 201, version="0.2.1", allow_lower=True)["version"] == "0.2.1"


def test_another_site_cannot_have_a_browser_publish(publisher: Client, kindness: Campaign) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.cookies = publisher.cookies
    assert browser.post(LIST, {"version": "0.3"}, content_type="application/json").status_code == 403
    assert not Snapshot.objects.exists()


def test_it_takes_every_filter_that_there_is() -> None:
    assert list(FiltersSerializer().fields) == list(Filters.__dataclass_fields__)


def test_what_is_being_made_is_cancelled_and_resumed(publisher: Client, kindness: Campaign) -> None:
    ask(publisher, 201, version="0.3")
    assert ask(publisher, 200, f"{LIST}0.3/cancel/")["publishing"] == "cancelled"
    assert "had ended already: it is cancelled" in ask(publisher, 409, f"{LIST}0.3/cancel/")["detail"]
    assert "was begun, and is cancelled" in ask(publisher, 409, version="0.3")["detail"]
    assert ask(publisher, 200, f"{LIST}0.3/resume/")["publishing"] == "queued"
    assert "only what failed or was cancelled" in ask(publisher, 409, f"{LIST}0.3/resume/")["detail"]
    assert publisher.post(f"{LIST}0.9/cancel/").status_code == 404


def test_it_lists_with_few_queries(
    client: Client, kindness: Campaign, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(4):
        worlds.published(f"0.{number}", kindness)
    with django_assert_max_num_queries(2):
        found = client.get(LIST).json()
    assert [one["version"] for one in found["results"]] == ["0.3", "0.2", "0.1", "0.0"]
