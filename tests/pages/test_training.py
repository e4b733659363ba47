"""Practice, qualification, a pause and the way back, as a person with a keyboard meets them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from annotate.models import Annotator, Campaign, Participation
from tests.annotate.test_gold import make_gold, set_up
from tests.pages.desk import Desk
from tests.pages.test_every_page import check

pytestmark = pytest.mark.django_db(transaction=True)


def press(page: Page, *keys: str) -> None:
    """As somebody does who sees the page."""
    page.wait_for_load_state()
    for key in keys:
        page.keyboard.press(key)


def test_it_leads_through_practice_and_qualification_to_the_desk_and_back_after_a_pause(
    ada_page: Page, ada: Annotator, kindness: Campaign
) -> None:
    page, why = ada_page, "It only greets; nobody is harmed or asks for help."
    make_gold(kindness, 2, phase="practice", why=why)
    make_gold(kindness, 1, phase="qualification", why=why)
    make_gold(kindness, 7, why=why)
    set_up(kindness, practice=True, qualification_percent=50, gold_every=2, gold_seed=1, gold_least=60)
    page.goto(kindness.get_absolute_url())
    check(page, "practice is asked")
    page.get_by_role("link", name="Practise").click()
    check(page, "practice")
    press(page, "2", "Enter")
    expect(page.get_by_text("The known answer is another.")).to_be_visible()
    expect(page.get_by_text(why)).to_be_visible()
    check(page, "explained")
    press(page, "Enter")
    expect(page.get_by_text("Text 2 of 2")).to_be_visible()
    press(page, "1", "Enter")
    expect(page.get_by_text("That is the known answer, too.")).to_be_visible()
    press(page, "Enter")
    expect(page.get_by_text("On 1 of 2 texts you gave the known answer.")).to_be_visible()
    check(page, "practised")
    page.get_by_role("link", name="Begin").click()
    expect(page.get_by_text("Text 1 of 1")).to_be_visible()
    press(page, "1", "Enter")
    expect(page.get_by_text("You are ready")).to_be_visible()
    page.get_by_role("link", name="Start labelling").click()
    expect(page.locator("#answer")).to_be_visible()
    page.wait_for_load_state()
    desk = Desk(page, ada, kindness)
    for _ in range(12):
        desk.press("3", "Enter")
        page.wait_for_function("() => outbox.size === 0")
        if Participation.objects.get().standing:
            break
        page.wait_for_function("() => !isPaused")
    expect(page.get_by_role("heading", name="This campaign is paused for you")).to_be_visible()
    expect(page.get_by_text("taken back")).to_have_count(0)
    check(page, "paused")
    page.get_by_role("link", name="Which answers, and why").click()
    page.locator("summary", has_text="the known answer is").first.click()
    expect(page.get_by_text(why).first).to_be_visible()
    check(page, "told of gold")
    page.goto(kindness.get_absolute_url())
    page.get_by_role("link", name="Practise").click()
    for number in ("1", "2"):
        expect(page.get_by_text(f"Text {number} of 2")).to_be_visible()
        press(page, "1", "Enter")
        expect(page.get_by_text("That is the known answer, too.")).to_be_visible()
        press(page, "Enter")
    page.get_by_role("link", name="Start labelling").click()
    expect(page.locator("#answer")).to_be_visible()


def test_one_key_shows_a_masked_practice_text_and_one_leaves_it(
    ada_page: Page, ada: Annotator, kindness: Campaign
) -> None:
    page = ada_page
    make_gold(kindness, 3, phase="practice")
    set_up(kindness, practice=True)
    Annotator.objects.filter(pk=ada.pk).update(is_masked=True)
    page.goto(f"/campaigns/{kindness.slug}/practice/")
    words = page.locator(".judged .words")
    first = words.text_content()
    expect(words).to_be_hidden()
    check(page, "masked practice")
    press(page, ".")
    expect(words).to_be_visible()
    page.get_by_role("button", name="Help lines").click()
    expect(page.get_by_role("dialog", name="Somebody to talk to")).to_be_visible()
    press(page, "Escape", "-")
    page.wait_for_url("**/away/")
    expect(page.get_by_text("Letter")).to_have_count(0)
    page.goto(f"/campaigns/{kindness.slug}/practice/")
    page.wait_for_url("**/away/")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/campaigns/")
    page.goto(f"/campaigns/{kindness.slug}/practice/")
    second = words.text_content()
    page.get_by_role("button", name="Skip").click()
    expect(page.get_by_text("Text 1 of 1")).to_be_visible()
    assert len({first, second, words.text_content()}) == 3
    assert not Participation.objects.get().trials.exists()
