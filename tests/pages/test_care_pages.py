"""Consent before the first text, the quick exit by one key and without a script, and lines to call beside the text."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from annotate.models import Annotation, Annotator, Assignment, Campaign
from tests.pages.conftest import SignIn
from tests.pages.desk import Desk
from tests.pages.test_plain_forms import plain as plain  # noqa: PLC0414 - a fixture
from tests.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def is_all_given_back() -> bool:
    return not Assignment.objects.live().exists()


def test_it_asks_before_the_first_text_and_leads_on_to_it(page: Page, kindness: Campaign, sign_in: SignIn) -> None:
    sign_in(page.context, Annotator.objects.create_user("bob"))
    page.goto(kindness.get_absolute_url())
    expect(page.get_by_role("heading", name="Before you read")).to_be_visible()
    assert Axe().run(page).violations_count == 0
    assert not Assignment.objects.exists()
    page.get_by_role("button", name="I am an adult").click()
    expect(page.locator(".judged .words")).to_contain_text("Letter")


def test_one_key_leaves_every_tab_and_back_shows_no_text(desk: Desk, ada: Annotator, kindness: Campaign) -> None:
    page = desk.page
    page.goto("/campaigns/")
    desk.open()
    desk.wait_until_ahead()
    other = page.context.new_page()
    other.goto(kindness.get_absolute_url())
    desk.press("2", "Escape")  # a choice is begun, and the reasons to skip are open
    desk.press("-")
    page.wait_for_url("**/away/")
    other.wait_for_url("**/away/")
    expect(page.get_by_text("Letter")).to_have_count(0)
    wait_until(is_all_given_back, lambda: "the leases do not come back")
    assert not Annotation.objects.exists()
    page.go_back()
    expect(page.get_by_role("heading", name="Campaigns")).to_be_visible()
    desk.open()
    page.wait_for_url("**/away/")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/campaigns/")
    desk.open()
    expect(page.locator(".judged .words")).to_contain_text("Letter")


def test_it_leaves_without_a_script_and_back_shows_no_text(plain: Desk) -> None:
    page = plain.page
    page.get_by_role("button", name="Leave at once").click()
    page.wait_for_url("**/away/")
    assert is_all_given_back()
    page.go_back()
    expect(page.get_by_text("Letter")).to_have_count(0)
    page.wait_for_url("**/away/")


def test_help_lines_open_beside_the_text(desk: Desk) -> None:
    text = desk.text
    desk.page.get_by_role("button", name="Help lines").click()
    lines = desk.page.get_by_role("dialog", name="Somebody to talk to")
    expect(lines.get_by_role("link", name="988").first).to_have_attribute("href", "tel:988")
    assert Axe().run(desk.page).violations_count == 0
    desk.press("Escape")
    assert desk.text == text


def test_a_masked_text_waits_for_a_key(desk: Desk, ada: Annotator) -> None:
    Annotator.objects.update(is_masked=True)
    desk.open()
    words = desk.page.locator(".judged .words")
    expect(words).to_be_hidden()
    assert desk.page.locator("#next").text_content() == "Next text: "
    assert Axe().run(desk.page).violations_count == 0
    desk.press(".")
    expect(words).to_be_visible()
    desk.wait_until_ahead()
    desk.press_and_wait("1", "Enter")
    expect(words).to_be_hidden()
