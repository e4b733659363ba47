"""What becomes of a release after it was published; its bytes stay."""

from __future__ import annotations

from contextlib import closing

import pytest
from django.db import IntegrityError
from django.test import Client

from annotate.models import Campaign
from exports import snapshots, standings, verification
from exports.errors import StandingRefused
from exports.models import Snapshot, Standing
from tests.exports import worlds
from tests.exports.folders import contents

pytestmark = pytest.mark.django_db(transaction=True)

RECORDS = "/releases/0.3/files/OIG_safety_v0.3.jsonl"


@pytest.fixture
def release(kindness: Campaign) -> Snapshot:
    return worlds.published("0.3", kindness)


def test_a_deprecated_release_says_why_leads_to_the_newer_one_and_is_given(
    client: Client, release: Snapshot, kindness: Campaign
) -> None:
    standings.change(release, Standing.DEPRECATED, "  A <b>source</b> was mislabelled. ")
    page = client.get("/releases/0.3/").content.decode()
    assert "A &lt;b&gt;source&lt;/b&gt; was mislabelled." in page
    assert "Use instead" not in page
    worlds.published("0.2.1", kindness)
    assert "Use instead" not in client.get("/releases/0.3/").content.decode()
    worlds.published("0.4", kindness)
    assert '<a href="/releases/0.4/"><bdi>OIG_safety_v0.4</bdi></a>' in client.get("/releases/0.3/").content.decode()
    with closing(client.get(RECORDS)) as answer:
        assert answer.status_code == 200
    listed = client.get("/releases/").content.decode().split("<tr>")
    assert [">deprecated<" in row for row in listed if "OIG_safety_v" in row] == [False, True, False]
    assert [one.version for one in client.get("/").context["releases"]] == ["0.4", "0.2.1"]
    standings.change(release, Standing.PUBLISHED, "It was not.")
    assert "mislabelled" not in client.get("/releases/0.3/").content.decode()
    assert (release.standing, release.standing_reason) == ("published", "It was not.")


def test_a_withdrawn_release_is_gone_and_says_why(client: Client, release: Snapshot) -> None:
    chart = "/releases/0.3/charts/labels-light.svg"
    before = contents(release.path)
    standings.change(release, Standing.WITHDRAWN, "The licence of a source was wrong.")
    for method in (client.get, client.head):
        answer = method(RECORDS)
        assert (answer.status_code, answer["Content-Type"]) == (410, "text/plain; charset=utf-8")
    said = "OIG_safety_v0.3 was withdrawn: The licence of a source was wrong.\n"
    assert client.get("/releases/0.3/files/OIG_safety_v0.3.manifest.json").content.decode() == said
    assert client.get("/releases/0.3/files/other").status_code == 404
    assert client.get(chart).status_code == 404
    page = client.get("/releases/0.3/").content.decode()
    assert "The licence of a source was wrong." in page
    assert release.manifest["files"]["OIG_safety_v0.3.jsonl"]["sha256"] in page
    assert "/files/" not in page
    assert ">withdrawn<" in client.get("/releases/").content.decode()
    assert not client.get("/").context["releases"]
    assert contents(release.path) == before
    later = worlds.published("0.4", release.campaigns.get())
    assert "since" not in later.manifest  # nobody could compare
    assert verification.verify(release).is_same


def test_it_needs_a_reason_and_a_way_from_where_the_release_stands(release: Snapshot, kindness: Campaign) -> None:
    with pytest.raises(StandingRefused, match="becomes withdrawn: everybody who uses it"):
        standings.change(release, Standing.WITHDRAWN, " \n")
    with pytest.raises(StandingRefused, match="is published: it cannot become published"):
        standings.change(release, Standing.PUBLISHED, "again")
    standings.change(release, Standing.WITHDRAWN, "wrong")
    for standing in Standing:
        with pytest.raises(StandingRefused, match=f"is withdrawn: it cannot become {standing}"):
            standings.change(release, standing, "back")
    with pytest.raises(StandingRefused, match="is draft: it cannot become deprecated"):
        standings.change(snapshots.prepare("0.4", [kindness]), Standing.DEPRECATED, "early")


@pytest.mark.parametrize(
    "facts",
    [
        {"manifest": {}},
        {"cut": 0},
        {"version": "0.4"},
        {"state": "failed", "standing": "draft"},
        {"standing": "draft"},
        {"standing": "deprecated"},
        {"options": {"filters": {"min_votes": 9}}},
    ],
)
def test_the_database_keeps_what_was_published(release: Snapshot, facts: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        Snapshot.objects.update(**facts)


def test_the_database_keeps_a_release_from_being_deleted_or_coming_back(release: Snapshot) -> None:
    with pytest.raises(IntegrityError, match="is published and stays: withdraw it instead"):
        release.delete()
    standings.change(release, Standing.WITHDRAWN, "wrong")
    with pytest.raises(IntegrityError, match="is withdrawn for good"):
        Snapshot.objects.update(standing="published")
