"""The labelling page where JavaScript is off: everything is a form and a page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from annotate.models import Annotation, Annotator, Assignment, Campaign
from tests.pages.conftest import SignIn
from tests.pages.desk import Desk
from tests.processes import Web

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def plain(browser: Browser, web: Web, ada: Annotator, kindness: Campaign, sign_in: SignIn) -> Iterator[Desk]:
    """Ada's labelling page in a browser that runs no script."""
    context: BrowserContext = browser.new_context(base_url=web.url, java_script_enabled=False)
    sign_in(context, ada)
    yield Desk(context.new_page(), ada, kindness).open()
    context.close()


def answer(page: Page, option: str, **tags: str) -> None:
    page.locator("label.name").get_by_text(option, exact=True).click()
    for tag, said in tags.items():
        page.get_by_role("radiogroup", name=tag).get_by_text(said, exact=True).click()
    page.get_by_role("button", name="Submit").click()


def test_it_submits_skips_and_undoes(plain: Desk) -> None:
    page, first = plain.page, plain.text
    answer(page, "needs caution", hate="Yes")
    assert page.url.endswith(plain.campaign.get_absolute_url())
    assert plain.message == "Saved."
    assert plain.said() == [(first, "needs-caution", {"hate": True})]

    page.get_by_role("button", name="Skip").click()
    page.get_by_role("button", name="A language I do not read").click()
    assert plain.message == "Skipped. You will not see that one again."
    assert Assignment.objects.filter(reason="language").count() == 1

    page.get_by_role("link", name="Undo").click()
    assert plain.text == first
    expect(page.get_by_role("radio", name="needs caution", exact=True)).to_be_checked()
    expect(page.get_by_text("You are changing an earlier answer.")).to_be_visible()
    answer(page, "casual", hate="No")
    assert plain.said() == [(first, "casual", {"hate": False})]


def test_it_leaves_an_earlier_answer_or_takes_it_back(plain: Desk) -> None:
    page, first = plain.page, plain.text
    answer(page, "casual")
    page.get_by_role("link", name="Your last answers").click()
    page.get_by_role("link", name="Change").click()
    assert plain.text == first
    page.get_by_role("link", name="Leave it as it is").click()
    assert plain.text != first
    page.get_by_role("link", name="Undo").click()
    page.get_by_role("button", name="Take back").click()
    page.get_by_role("button", name="I am unsure").click()
    assert plain.message == "Your answer is taken back. You will not see that one again."
    assert plain.said() == []


def test_it_stores_a_note_and_unfolds_without_a_script(plain: Desk) -> None:
    page = plain.page
    page.locator("#noting summary").click()
    page.get_by_label("For yourself").fill("Hard to say.")
    answer(page, "casual")
    assert Annotation.objects.get().note == "Hard to say."


def test_it_leads_back_to_the_desk_from_the_address_of_a_form(plain: Desk) -> None:
    page, address = plain.page, plain.campaign.get_absolute_url()
    for form in ("submit", "skip"):
        page.goto(f"{address}{form}/")
        assert page.url.endswith(address)


def test_it_names_no_keys_that_nobody_listens_to(plain: Desk) -> None:
    expect(plain.page.get_by_role("button", name="Submit")).to_be_visible()
    assert plain.page.locator("kbd:visible").count() == 0
