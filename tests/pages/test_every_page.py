"""What holds on every page: accessible in both themes, no sideways scrolling, light, and nothing from elsewhere."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from django.template.loader import render_to_string
from playwright.sync_api import Page, expect

from annotate.models import Annotator, Campaign
from exports import snapshots
from exports.models import Snapshot
from tests.annotate import worlds
from tests.pages.conftest import SignIn
from tests.pages.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)

SINCE = "/releases/0.3/since/0.2/"
PUBLIC = ["/", "/sign-in/", "/releases/", "/releases/0.3/", SINCE, "/nothing-here/"]
SIGNED_IN = [
    "/",
    "/preferences/",
    "/progress/",
    "/consent/",
    "/help/",
    "/away/",
    "/campaigns/",
    "/campaigns/kindness/guidelines/",
    "/campaigns/kindness/label/",
    "/campaigns/kindness/label/answers/",
    "/campaigns/finished/label/answers/",
    "/campaigns/dialogues/label/",
    "/campaigns/finished/label/",
]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = [390, 768, 1280, 1600]
# The admin's links fade from one theme's colour to the other's, and have neither on the way.
UNTIL_STILL = "Promise.allSettled(document.getAnimations().map(animation => animation.finished)).then(() => null)"


@pytest.fixture
def release(kindness: Campaign) -> Snapshot:
    """Release 0.3, of two people's votes on the campaign; 0.2 was of one person's."""
    for name, choice, version in (("grace", "casual", "0.2"), ("linus", "needs-caution", "0.3")):
        worlds.vote(worlds.person(name), kindness, choice)
        snapshot = snapshots.prepare(version, [kindness])
        snapshots.work(snapshot)
        snapshot.refresh_from_db()
        assert snapshot.is_published, snapshot.error
    return snapshot


@pytest.fixture
def campaigns(kindness: Campaign, ada: Annotator) -> None:
    """Campaigns of which one has dialogues and one nothing left for Ada."""
    origin = worlds.source("dialogues")
    turns = [("human", "شكرا جزيلا"), ("bot", "You are welcome."), ("human", "And you?"), ("bot", "Fine.")]
    worlds.instructions(origin, [[{"role": role, "text": text} for role, text in turns]])
    worlds.opened(origin, slug="dialogues")
    worlds.vote(ada, worlds.campaign(units=1, slug="finished"))


def check(page: Page, address: str) -> None:
    """Fail for a violation that axe finds, in either theme, and for sideways scrolling at any width."""
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.evaluate(UNTIL_STILL)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{address}, {scheme}: {found.generate_report()}"
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        scroll = page.evaluate("document.documentElement.scrollWidth")
        assert scroll <= width, f"{address} is {scroll} px wide at {width}"


def test_it_serves_strangers(page: Page, release: Snapshot, faults: list[str]) -> None:
    for address in PUBLIC:
        page.goto(address)
        check(page, address)
    assert [fault for fault in faults if "nothing-here" not in fault] == []
    faults.clear()


def test_it_serves_annotators(ada_page: Page, campaigns: None, release: Snapshot) -> None:
    for address in SIGNED_IN:
        ada_page.goto(address)
        check(ada_page, address)


def test_it_serves_what_is_one_s_own(ada_page: Page, campaigns: None, faults: list[str]) -> None:
    ada_page.goto("/preferences/")
    ada_page.get_by_role("button", name="You", exact=True).click()
    expect(ada_page.get_by_role("dialog", name="ada").get_by_role("link", name="Progress")).to_be_visible()
    check(ada_page, "the menu")
    ada_page.keyboard.press("Escape")
    ada_page.get_by_label("hate", exact=True).last.fill("u")
    ada_page.get_by_role("button", name="Save").click()
    expect(ada_page.get_by_role("alert")).to_contain_text(
        "“U” would do two things: “hate” and “Change the last answer”"
    )
    check(ada_page, "preferences with an error")
    faults.clear()  # the browser logs a form that was refused


def test_it_serves_the_parts_of_the_desk_that_open(desk: Desk, faults: list[str]) -> None:
    page = desk.page
    desk.press_and_wait("1", "Enter")
    desk.press_and_wait("u")
    check(page, "an earlier answer")
    desk.wait_for_next(page.get_by_role("link", name="Leave it as it is").click)
    page.get_by_role("link", name="Your last answers").click()
    expect(page.locator("#answers")).to_be_visible()
    check(page, "the last answers")
    desk.press("Escape")
    for selector in ("#skip", "#keys", "#guide-needs-caution", "#guide-hate"):
        page.locator(selector).evaluate("part => part.showPopover()")
        expect(page.locator(selector)).to_be_visible()
        check(page, selector)
        page.locator(selector).evaluate("part => part.hidePopover()")
    desk.press("2", "h", "a", "a")
    desk.press("Comma")
    check(page, "answered, with a note")
    page.context.set_offline(True)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    check(page, "offline")
    page.context.set_offline(False)
    desk.wait_until_sent()
    page.locator("[name=choice]").evaluate_all("all => all.forEach(one => { one.required = one.checked = false })")
    page.evaluate("document.querySelector('#answer').submit()")
    expect(page.get_by_text("Choose one of the answers")).to_be_visible()
    check(page, "refused")
    faults.clear()  # the browser logs the request that failed


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "500"])
def test_it_explains_errors_without_a_request_to_go_by(page: Page, name: str) -> None:
    # As Django renders 400 and 500: without request, user and context processors.
    page.route(
        "**/broken", lambda route: route.fulfill(body=render_to_string(f"{name}.html"), content_type="text/html")
    )
    page.goto("/broken")
    expect(page.get_by_role("link", name="To the front page")).to_be_visible()
    check(page, name)


def test_it_answers_a_form_from_before_signing_in_elsewhere(desk: Desk, sign_in: SignIn, faults: list[str]) -> None:
    desk.page.locator("[name=csrfmiddlewaretoken]").evaluate_all("all => all.forEach(one => { one.value = 'x' })")
    desk.page.evaluate("document.querySelector('#answer').submit()")
    expect(desk.page.get_by_role("heading")).to_have_text("That page was out of date")
    assert desk.said() == []
    faults.clear()


def test_it_shows_a_release_as_numbers_charts_tables_and_files(page: Page, release: Snapshot) -> None:
    page.goto(release.get_absolute_url())
    alpha = page.locator(".numbers div").filter(has_text="Krippendorff's alpha, ordinal")
    expect(alpha).to_be_visible()
    for chart in page.locator("picture img").all():
        chart.scroll_into_view_if_needed()
        assert chart.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="OIG_safety_v0.3.jsonl").click()
    assert downloading.value.path().read_bytes() == (release.path / "OIG_safety_v0.3.jsonl").read_bytes()


def test_it_is_light(ada_page: Page, kindness: Campaign) -> None:
    ada_page.goto(kindness.get_absolute_url(), wait_until="networkidle")
    entries = "performance.getEntries().filter(entry => 'transferSize' in entry).map(entry => entry.transferSize)"
    sizes = ada_page.evaluate(entries)
    assert len(sizes) <= 8  # the icon and the text that is fetched ahead among them
    assert sum(sizes) < 100_000
