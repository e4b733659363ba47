"""The pages of measures in a browser: accessible, no wider than the window, and alive without reloading."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from annotate.models import Campaign
from tests.annotate import worlds
from tests.pages.conftest import SignIn
from tests.pages.test_every_page import check

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def voted() -> Campaign:
    campaign = worlds.campaign(units=3, overlap=3, slug="measured")
    for name, answers in [
        ("ann", ["casual", "casual", "needs-intervention"]),
        ("ben", ["casual", "needs-caution", "needs-intervention"]),
    ]:
        person = worlds.person(name)
        for answer in answers:
            worlds.vote(person, campaign, answer)
    return campaign


@pytest.fixture
def curator(page: Page, sign_in: SignIn) -> Page:
    sign_in(page.context, worlds.person("root", is_staff=True))
    return page


def test_a_curator_sees_how_a_campaign_goes(voted: Campaign, curator: Page, faults: list[str]) -> None:
    address = f"/admin/annotate/campaign/{voted.pk}"
    curator.goto(f"{address}/change/")
    curator.get_by_role("link", name="Progress, agreement, answers, disputes").click()
    curator.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    check(curator, "measures")
    curator.emulate_media(color_scheme="light")
    for chart in curator.locator("img.chart.light").all():
        chart.scroll_into_view_if_needed()
        assert chart.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
    for page in ("disputed/?severe=1", "../methods/", "../overlap/", "../overlap/?minimum=2&cap=3&target=0.9"):
        curator.goto(f"{address}/measures/{page}")
        check(curator, page)
    assert faults == []


def test_numbers_follow_the_votes_and_what_was_closed_stays_closed(voted: Campaign, curator: Page) -> None:
    curator.goto(f"/admin/annotate/campaign/{voted.pk}/measures/")
    expect(curator.get_by_text("6 of 9 votes (66.7 %) on 3 texts")).to_be_visible()
    curator.locator("#labels > summary").click()
    expect(curator.locator("#labels-numbers")).to_be_hidden()
    worlds.vote(worlds.person("cyd"), voted)
    expect(curator.get_by_text("7 of 9 votes (77.8 %) on 3 texts")).to_be_visible(timeout=15_000)
    expect(curator.locator("#labels-numbers")).to_be_hidden()
    expect(curator.locator("#agreement-numbers")).to_be_visible()
    expect(curator.locator("#agreement-numbers tbody tr").first.locator("td").last).to_have_text("7")


def test_a_table_is_downloaded_as_csv(voted: Campaign, curator: Page) -> None:
    curator.goto(f"/admin/annotate/campaign/{voted.pk}/measures/")
    with curator.expect_download() as download:
        curator.locator("#labels-numbers").get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "measured-labels.csv"
    assert download.value.path().read_text().splitlines()[0] == "Label,Texts,Share"
