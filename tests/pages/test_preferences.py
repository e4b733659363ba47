"""What a person wishes on the page of preferences is what the labelling page does."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from annotate.models import Annotator, Campaign, VoteSharing
from tests.pages.conftest import SignIn
from tests.pages.desk import Desk
from tests.processes import Web

pytestmark = pytest.mark.django_db(transaction=True)


SHARING = "My single answers may be published under a pseudonym"


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")


def key_of(page: Page, action: str, key: str) -> None:
    page.locator(f"[name='key-{action}']").fill(key)


def allow(page: Page) -> None:
    page.get_by_label(SHARING).check()


def allow_no_more(page: Page, annotator: Annotator) -> None:
    """After it was allowed and saved."""
    expect(page.get_by_label(SHARING)).to_be_checked()
    expect(page.get_by_text("You have allowed it since")).to_be_visible()
    assert VoteSharing.objects.allowing().get().annotator == annotator
    page.get_by_label(SHARING).uncheck()
    save(page)
    expect(page.get_by_text("You took it back on")).to_be_visible()
    assert not VoteSharing.objects.allowing().exists()


def test_keys_do_what_was_chosen(desk: Desk) -> None:
    page = desk.page
    page.goto("/preferences/")
    key_of(page, "label:hate", "x")
    key_of(page, "label:casual", "j")
    key_of(page, "submit", "k")
    save(page)
    desk.open()
    text = desk.text
    desk.press("1", "h")
    assert desk.chosen() == set()
    desk.press("j", "x")
    assert desk.chosen() == {"casual", "tag-hate=yes"}
    expect(page.locator("#desk kbd.badge").first).to_have_text("J")
    desk.press_and_wait("k")
    assert desk.said() == [(text, "casual", {"hate": True})]


def test_no_key_does_anything_once_they_are_switched_off(desk: Desk) -> None:
    page = desk.page
    page.goto("/preferences/")
    page.get_by_label("Single keys act on the labelling page").uncheck()
    save(page)
    desk.open()
    desk.press("1", "h", "Escape", "?")
    assert desk.chosen() == set()
    expect(page.locator("#skip")).to_be_hidden()
    expect(page.locator("#keys")).to_be_hidden()
    expect(page.locator("#desk kbd")).to_have_count(0)
    text = desk.text
    page.locator("label.name").get_by_text("casual", exact=True).click()
    desk.wait_for_next(page.get_by_role("button", name="Submit").click)
    assert desk.said() == [(text, "casual", {})]


def test_it_needs_no_script(browser: Browser, web: Web, ada: Annotator, kindness: Campaign, sign_in: SignIn) -> None:
    context = browser.new_context(base_url=web.url, java_script_enabled=False)
    sign_in(context, ada)
    page = context.new_page()
    page.goto("/campaigns/")
    page.get_by_role("button", name="You", exact=True).click()
    page.get_by_role("link", name="Preferences").click()
    page.get_by_label("English").check()
    allow(page)
    save(page)
    expect(page.get_by_label("English")).to_be_checked()
    allow_no_more(page, ada)
    context.close()


def test_single_votes_are_allowed_and_taken_back(ada_page: Page, ada: Annotator, kindness: Campaign) -> None:
    ada_page.goto("/preferences/")
    expect(ada_page.get_by_label(SHARING)).not_to_be_checked()
    group = ada_page.get_by_role("group", name="Your answers in releases")
    expect(group).to_have_accessible_description(re.compile("never who.*may still find out which are yours"))
    allow(ada_page)
    save(ada_page)
    allow_no_more(ada_page, ada)
