from __future__ import annotations

import html

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from annotate.models import Annotator, Campaign
from exports import snapshots
from exports.models import Snapshot
from sources.jobs import JobState
from sources.models import Source
from tests.exports import worlds
from tests.processes import Web, Worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

LIST, ADD = "/admin/exports/snapshot/", "/admin/exports/snapshot/add/"


@pytest.fixture
def ada(transactional_db: None) -> Annotator:
    return Annotator.objects.create_superuser("ada", password="ada's password")


@pytest.fixture
def admin(client: Client, ada: Annotator) -> Client:
    client.force_login(ada)
    return client


def page_of(snapshot: Snapshot) -> str:
    return reverse("admin:exports_snapshot_change", args=[snapshot.pk])


CHOSEN: dict[str, object] = {"version": "0.3", "min_votes": 1, "seed": 0, "shard_bytes": 500_000_000}


def refusal(admin: Client, **asked: object) -> str:
    """What the form says when it refuses; nothing was saved."""
    before = Snapshot.objects.count()
    answer = admin.post(ADD, {**CHOSEN, **asked})
    assert answer.status_code == 200
    assert Snapshot.objects.count() == before
    return html.unescape(answer.content.decode())


@pytest.mark.slow
def test_it_publishes_in_a_worker_what_is_added(
    admin: Client, ada: Annotator, kindness: Campaign, worker: Worker
) -> None:
    answer = admin.post(ADD, CHOSEN, follow=True)
    snapshot = Snapshot.objects.get()
    assert answer.redirect_chain == [(page_of(snapshot), 302)]
    assert "A worker is taking OIG_safety_v0.3" in answer.content.decode()
    wait_until(lambda: Snapshot.objects.get().is_published, lambda: worker.logs)
    snapshot.refresh_from_db()
    assert (snapshot.started_by, list(snapshot.campaigns.all())) == (ada, [kindness])
    assert (snapshot.path / "OIG_safety_v0.3.jsonl").exists()


def test_it_says_in_words_what_cannot_be_published(admin: Client, kindness: Campaign, letters: Source) -> None:
    assert "write two or three whole numbers" in refusal(admin, version="v0.3")
    assert "This field is required" in refusal(admin, version="")
    empty = worlds.campaign("empty", target="reply")
    assert "differ in label set or target" in refusal(admin, version="0.3", campaigns=[kindness.pk, empty.pk])
    assert "Nobody has voted in empty yet" in refusal(admin, version="0.3", campaigns=[empty.pk])
    worlds.published("0.3", kindness)
    assert "OIG_safety_v0.3 is published, and stays as it is" in refusal(admin)
    assert "0.2 is lower than 0.3, the highest that is published" in refusal(admin, version="0.2")
    snapshots.prepare("0.4", [kindness])
    assert "OIG_safety_v0.4 was begun, and is queued" in refusal(admin, version="0.4")
    assert "greater than or equal to 1" in refusal(admin, version="0.5", shard_bytes=0)


def test_it_shows_the_progress_until_it_is_published(admin: Client, kindness: Campaign) -> None:
    snapshot = snapshots.prepare("0.3", [kindness])
    page = admin.get(page_of(snapshot)).content.decode()
    assert f'hx-get="{page_of(snapshot)}?seen=queued" hx-trigger="every 1s"' in page
    Snapshot.objects.update(state=JobState.RUNNING, lines_total=4_000, lines_done=1_000)
    part = admin.get(page_of(snapshot), headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith('<div id="progress"')
    assert 'value="25"' in part
    assert "1,000 of at most 4,000 instructions" in part
    Snapshot.objects.update(state=JobState.QUEUED)
    worlds.published("0.3")
    page = admin.get(page_of(snapshot)).content.decode()
    assert '<a href="/releases/0.3/">' in page
    assert "1 instructions with 2 votes" in page
    assert "hx-get" not in page


def test_it_can_only_be_looked_at_afterwards(admin: Client, kindness: Campaign) -> None:
    snapshot = worlds.published("0.3", kindness)
    page = admin.get(page_of(snapshot)).content.decode()
    assert 'name="_save"' not in page
    assert admin.post(page_of(snapshot), {"version": "0.4"}).status_code == 403
    assert admin.post(f"{page_of(snapshot)}../delete/", {"post": "yes"}).status_code == 403
    assert Snapshot.objects.get().version == "0.3"


def test_it_begins_with_all_that_can_be_chosen_and_says_before_what_that_would_be(
    admin: Client, kindness: Campaign, letters: Source, valkey: redis.Redis
) -> None:
    one = worlds.unit(kindness, worlds.instruction("Disputed", letters))
    worlds.votes(one, worlds.people("ada ben"), worlds.CASUAL, worlds.INTERVENTION)
    asked = {
        **CHOSEN,
        "campaigns": [kindness.pk],
        "mask_personal": "on",
        "sources": ["letters@1"],
        "licenses": ["CC-BY-4.0"],
        "languages": "en,  pt-BR",
        "statuses": ["unanimous", "disputed"],
        "min_votes": 2,
        "without_disputed": "on",
        "other_forms": ["splits", "csv"],
        "seed": 7,
    }
    page = admin.post(ADD, {**asked, "preview": "Preview"}).content.decode()
    assert "<strong>1 instructions with 2 votes.</strong>" in page
    assert "<td>without_disputed</td><td>1</td>" in page
    assert 'value="en,  pt-BR"' in page
    assert not Snapshot.objects.exists()
    admin.post(ADD, asked)
    snapshot = Snapshot.objects.get()
    snapshots.work(snapshot)
    assert snapshot.mask_personal
    assert snapshot.manifest["filters"] == {
        "sources": ["letters@1"],
        "licenses": ["CC-BY-4.0"],
        "languages": ["en", "pt-BR"],
        "statuses": ["disputed", "unanimous"],
        "min_votes": 2,
        "without_disputed": True,
    }
    assert snapshot.manifest["forms"] == {"names": ["splits", "csv"], "seed": 7, "shard_bytes": 500_000_000}
    page = admin.get(page_of(snapshot)).content.decode()
    assert "<td>without_disputed</td><td>1</td><td>2</td>" in page
    assert "languages: en, pt-BR" in page


def test_it_cancels_resumes_and_begins_anew(admin: Client, kindness: Campaign, valkey: redis.Redis) -> None:
    snapshot = snapshots.prepare("0.3", [kindness])

    def press(verb: str) -> str:
        page = admin.post(f"/admin/exports/snapshot/{snapshot.pk}/{verb}/", follow=True).content.decode()
        snapshot.refresh_from_db()
        return page

    assert "/cancel/" in admin.get(page_of(snapshot)).content.decode()
    assert "only what failed or was cancelled is begun again" in press("resume")
    assert snapshot.take()
    Snapshot.objects.update(cut=0)
    page = press("cancel")
    assert "Cancelled: nothing of it is left" in page
    assert "/resume/" in page
    assert "had ended already" in press("cancel")
    press("resume")
    assert (snapshot.state, snapshot.cut) == (JobState.QUEUED, 0)
    press("cancel")
    press("again")
    assert (snapshot.state, snapshot.cut) == (JobState.QUEUED, None)
    assert admin.get(f"/admin/exports/snapshot/{snapshot.pk}/cancel/").status_code == 404


def test_it_deprecates_and_withdraws_with_a_reason(admin: Client, kindness: Campaign) -> None:
    snapshot = worlds.published("0.3", kindness)
    address = f"/admin/exports/snapshot/{snapshot.pk}/standing/"
    assert address in admin.get(page_of(snapshot)).content.decode()
    assert "This field is required" in admin.post(address, {"standing": "withdrawn", "reason": " "}).content.decode()
    assert "Select a valid choice" in admin.post(address, {"standing": "draft", "reason": "x"}).content.decode()
    page = admin.post(address, {"standing": "deprecated", "reason": "Too few votes."}, follow=True).content.decode()
    assert "OIG_safety_v0.3 is deprecated now" in page
    assert "Too few votes." in page
    admin.post(address, {"standing": "withdrawn", "reason": "A licence was wrong."})
    snapshot.refresh_from_db()
    assert (snapshot.standing, snapshot.standing_reason) == ("withdrawn", "A licence was wrong.")
    assert address not in admin.get(page_of(snapshot)).content.decode()
    assert "for good" in admin.get(address).content.decode()
    assert "Withdrawn: A licence was wrong." in {entry.get_change_message() for entry in LogEntry.objects.all()}


def test_it_publishes_again_only_what_failed(
    admin: Client, kindness: Campaign, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    worlds.published("0.3", kindness)
    Source.objects.update(license="unknown")
    failed = snapshots.prepare("0.4", [kindness])
    snapshots.work(failed)
    page = admin.get(page_of(failed)).content.decode()
    assert "No available instruction with votes has a source with a known licence" in page
    chosen = {"action": "publish_again", "_selected_action": list(Snapshot.objects.values_list("pk", flat=True))}
    page = admin.post(LIST, chosen, follow=True).content.decode()
    assert "OIG_safety_v0.3 did not fail: it is finished" in page
    assert "A worker is taking OIG_safety_v0.4" in page
    assert dict(Snapshot.objects.values_list("version", "state")) == {"0.3": "finished", "0.4": "queued"}


def test_it_lists_snapshots_with_few_queries(
    admin: Client, kindness: Campaign, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        worlds.published(f"0.{number}", kindness)
    with django_assert_max_num_queries(10):
        page = admin.get(f"{LIST}?q=0.&state__exact=finished&campaigns__id__exact={kindness.pk}").content.decode()
    assert page.count('<td class="field-votes">2</td>') == 5


def test_it_is_closed_to_those_without_the_permission(client: Client, kindness: Campaign) -> None:
    client.force_login(Annotator.objects.create(username="grace", is_staff=True))
    page = page_of(worlds.published("0.3", kindness))
    for address in (LIST, ADD, page, page.replace("change", "standing")):
        assert client.get(address).status_code == 403
    for verb in ("cancel", "resume", "again"):
        assert client.post(page.replace("change", verb)).status_code == 403


@pytest.mark.slow
def test_it_shows_a_publication_end_in_the_browser(
    page: Page, web: Web, worker: Worker, admin: Client, kindness: Campaign
) -> None:
    session = admin.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": web.url}])
    page.goto(ADD)
    page.get_by_label("Version:", exact=True).fill("0.3")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.locator("#progress")).to_contain_text("1 instructions with 2 votes")
    page.locator("#progress").get_by_role("link").click()
    expect(page).to_have_url(f"{web.url}/releases/0.3/")
