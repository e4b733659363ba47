from __future__ import annotations

import pytest
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


def refusal(admin: Client, **asked: object) -> str:
    """What the form says when it refuses; nothing was saved."""
    before = Snapshot.objects.count()
    answer = admin.post(ADD, asked)
    assert answer.status_code == 200
    assert Snapshot.objects.count() == before
    return answer.content.decode()


@pytest.mark.slow
def test_it_publishes_in_a_worker_what_is_added(
    admin: Client, ada: Annotator, kindness: Campaign, worker: Worker
) -> None:
    answer = admin.post(ADD, {"version": "0.3"}, follow=True)
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
    assert "Snapshot with this Version already exists" in refusal(admin, version="0.3", campaigns=[kindness.pk])


def test_it_shows_the_progress_until_it_is_published(admin: Client, kindness: Campaign) -> None:
    snapshot = snapshots.prepare("0.3", [kindness])
    page = admin.get(page_of(snapshot)).content.decode()
    assert f'hx-get="{page_of(snapshot)}" hx-trigger="every 1s"' in page
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
    with django_assert_max_num_queries(9):
        page = admin.get(f"{LIST}?q=0.&state__exact=finished&campaigns__id__exact={kindness.pk}").content.decode()
    assert page.count('<td class="field-votes">2</td>') == 5


def test_it_is_closed_to_those_without_the_permission(client: Client, kindness: Campaign) -> None:
    client.force_login(Annotator.objects.create(username="grace", is_staff=True))
    for address in (LIST, ADD, page_of(worlds.published("0.3", kindness))):
        assert client.get(address).status_code == 403


@pytest.mark.slow
def test_it_shows_a_publication_end_in_the_browser(
    page: Page, web: Web, worker: Worker, admin: Client, kindness: Campaign
) -> None:
    session = admin.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": web.url}])
    page.goto(ADD)
    page.get_by_label("Version").fill("0.3")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#progress")).to_contain_text("1 instructions with 2 votes")
    page.locator("#progress").get_by_role("link").click()
    expect(page).to_have_url(f"{web.url}/releases/0.3/")
