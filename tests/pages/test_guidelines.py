"""The guidelines change while somebody labels: what they see of it, and how they look at earlier answers again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from annotate import guidelines
from annotate.models import Annotation, Annotator, Assignment, Campaign
from tests.annotate import revisions, worlds
from tests.pages.conftest import SignIn
from tests.pages.desk import Desk
from tests.pages.test_every_page import check
from tests.processes import Web

pytestmark = pytest.mark.django_db(transaction=True)

REWORDED = "The guidelines have changed. This page goes by the new ones now."
CHANGES = "/campaigns/kindness/guidelines/changes/"


@pytest.fixture
def answered(ada: Annotator, kindness: Campaign) -> list[Assignment]:
    """Ada's answers to two texts, under the wording that she was shown first."""
    return [worlds.vote(ada, kindness, "needs-caution") for _ in range(2)]


def change(kindness: Campaign) -> None:
    guidelines.adopt(kindness, revisions.loaded(revisions.with_tag()))
    assert guidelines.queue_another_look(kindness) == 2


def texts(given: list[Assignment]) -> list[str]:
    return [one.unit.instruction.turns[-1]["text"] for one in given]


def wordings(annotator: Annotator) -> list[int]:
    """The revision of each of a person's counted answers."""
    counted = Annotation.objects.counted().filter(annotator=annotator).order_by("unit")
    return list(counted.values_list("choice__label_set__revision", flat=True))


def test_it_says_that_they_changed_and_what(answered: list[Assignment], desk: Desk, kindness: Campaign) -> None:
    page = desk.page
    expect(page.get_by_text("The guidelines have changed.")).to_have_count(0)
    change(kindness)
    page.goto("/campaigns/")
    expect(page.get_by_text("The guidelines have changed.")).to_be_visible()
    expect(page.get_by_text("2 answers of yours were given under an older wording.")).to_be_visible()
    check(page, "/campaigns/")
    desk.open()
    check(page, "label/")
    page.get_by_role("link", name="See what").click()
    assert page.url.endswith(CHANGES)
    expect(page.get_by_role("heading", name="What changed in the guidelines")).to_be_visible()
    expect(page.locator("ins").filter(has_text="at once.")).to_be_visible()
    expect(page.locator("del").filter(has_text="without a second thought.")).to_be_visible()
    expect(page.get_by_role("heading", name="rumour · new")).to_be_visible()
    check(page, CHANGES)
    page.get_by_role("button", name="I have read it").click()
    expect(page.get_by_text("The guidelines have changed.")).to_have_count(0)


def test_it_leads_through_them_until_none_is_left(answered: list[Assignment], desk: Desk, kindness: Campaign) -> None:
    page, (first, second) = desk.page, texts(answered)
    change(kindness)
    desk.open()
    fresh = desk.text
    desk.wait_until_ahead()
    page.get_by_role("link", name="Look at them again").click()
    assert desk.text == first
    assert desk.chosen() == {"needs-caution"}
    check(page, "label/?revise=again")
    page.set_viewport_size({"width": 1280, "height": 800})
    # The same again, and another answer.
    desk.press_and_wait("Enter")
    assert desk.text == second
    desk.press_and_wait("1", "Enter")
    assert "none of your answers is left to look at again" in desk.message
    assert desk.text == fresh
    assert [(text, choice) for text, choice, _ in desk.said()] == [(first, "needs-caution"), (second, "casual")]
    assert wordings(desk.annotator) == [revisions.SECOND, revisions.SECOND]
    expect(page.get_by_text("under an older wording")).to_have_count(0)
    desk.press_and_wait("1", "Enter")
    assert len(desk.said()) == 3


def test_it_takes_an_answer_back_or_leaves_it(answered: list[Assignment], desk: Desk, kindness: Campaign) -> None:
    page, (_, second) = desk.page, texts(answered)
    change(kindness)
    desk.open()
    page.get_by_role("link", name="Look at them again").click()
    page.get_by_role("button", name="Take back").click()
    desk.wait_for_next(lambda: page.get_by_role("button", name="I am unsure").click())
    assert desk.text == second
    desk.wait_for_next(lambda: page.get_by_role("link", name="Leave it as it is").click())
    assert desk.text not in texts(answered)
    expect(page.get_by_role("link", name="Look at them again")).to_be_visible()
    # Whoever left is not led back by the next answer.
    desk.press_and_wait("1", "Enter")
    assert desk.text not in texts(answered)
    assert wordings(desk.annotator) == [revisions.FIRST, revisions.SECOND]
    assert worlds.problems(kindness) == []


@pytest.fixture
def plain(browser: Browser, web: Web, ada: Annotator, sign_in: SignIn) -> Iterator[Page]:
    context = browser.new_context(base_url=web.url, java_script_enabled=False)
    sign_in(context, ada)
    yield context.new_page()
    context.close()


def test_it_needs_no_script(answered: list[Assignment], plain: Page, ada: Annotator, kindness: Campaign) -> None:
    change(kindness)
    plain.goto("/campaigns/")
    plain.get_by_role("link", name="Look at them again").click()
    for text in texts(answered):
        expect(plain.locator(".judged .words")).to_have_text(text)
        plain.get_by_role("button", name="Submit").click()
    expect(plain.get_by_text("none of your answers is left to look at again")).to_be_visible()
    assert wordings(ada) == [revisions.SECOND, revisions.SECOND]


def test_an_open_tab_goes_by_the_new_wording_after_the_next_answer(desk: Desk, kindness: Campaign) -> None:
    desk.wait_until_ahead()
    guidelines.adopt(kindness, revisions.loaded(revisions.with_tag()))
    expect(desk.page.locator("#name-rumour")).to_have_count(0)
    desk.press("1", "Enter")
    expect(desk.page.locator("#name-rumour")).to_be_visible()
    expect(desk.page.locator("#messages")).to_have_text(REWORDED)
    expect(desk.page.locator("#status")).to_have_text(REWORDED)
    desk.press_and_wait("r", "1", "Enter")
    assert wordings(desk.annotator) == [revisions.FIRST, revisions.SECOND]
    assert [tags for _, _, tags in desk.said()] == [{}, {"rumour": True}]


def test_what_was_begun_in_an_open_tab_is_kept_and_the_new_wording_comes_after_it(
    desk: Desk, kindness: Campaign
) -> None:
    desk.wait_until_ahead()
    guidelines.adopt(kindness, revisions.loaded(revisions.with_tag()))
    desk.press("2", "h")
    desk.page.evaluate("wantsCards = true; pump()")
    expect(desk.page.locator("#messages")).to_contain_text("What you have begun is kept")
    assert desk.chosen() == {"needs-caution", "tag-hate=yes"}
    desk.press("Enter")
    expect(desk.page.locator("#name-rumour")).to_be_visible()
    assert [(code, tags) for _, code, tags in desk.said()] == [("needs-caution", {"hate": True})]
