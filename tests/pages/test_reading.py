"""What a person can do with one text: unfold it, note something, keep it longer, change what was said before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Dialog, Page, expect

from annotate import assignments
from annotate.models import Annotation, Annotator, Assignment, Campaign
from sources.rows import Turn
from tests.annotate import worlds
from tests.pages.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)

LONG = "A long story. " * 200
SIX: list[Turn] = [{"role": role, "text": f"Turn {number}"} for number, role in enumerate(["human", "bot"] * 3)]


def opened(page: Page, annotator: Annotator, dialogue: list[Turn], target: str = "prompt") -> Desk:
    origin = worlds.source("texts")
    worlds.instructions(origin, [dialogue])
    return Desk(page, annotator, worlds.opened(origin, slug="texts", target=target)).open()


def test_it_folds_a_long_text_and_opens_it_by_key(ada_page: Page, ada: Annotator) -> None:
    desk = opened(ada_page, ada, worlds.says(LONG))
    rest = ada_page.locator(".words").nth(1)
    expect(rest).to_be_hidden()
    expect(ada_page.get_by_text("Show the rest (1,603 more characters)")).to_be_visible()
    expect(ada_page.locator("#send")).to_be_in_viewport(ratio=1)
    desk.press(".")
    expect(rest).to_be_visible()
    assert desk.text == LONG
    desk.press(".")
    expect(rest).to_be_hidden()


def test_it_shows_the_other_turns_of_a_dialogue_on_demand(ada_page: Page, ada: Annotator) -> None:
    desk = opened(ada_page, ada, SIX)
    turns = ada_page.locator(".turn")
    in_sight = [text.split() for text in turns.filter(visible=True).all_inner_texts()]
    assert in_sight == [["Assistant", "Turn", "3"], ["Person", "Judge", "this", "turn", "Turn", "4"]]
    ada_page.get_by_text("Show 3 earlier turns").click()
    expect(turns.first).to_be_visible()
    expect(turns.last).to_be_hidden()
    desk.press(".")
    expect(turns.last).to_be_visible()
    assert desk.text == "Turn 4"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("prompt", "Judge what the person says last."),
        ("reply", "Judge what the assistant says last."),
        ("dialogue", "Judge the whole dialogue."),
    ],
)
def test_it_says_what_is_to_be_judged(ada_page: Page, ada: Annotator, target: str, words: str) -> None:
    opened(ada_page, ada, SIX, target=target)
    expect(ada_page.get_by_role("region", name="Text to judge")).to_have_accessible_description(words)


def test_it_takes_a_note_and_no_key_while_it_is_typed(desk: Desk) -> None:
    desk.press("2", ",")
    desk.page.keyboard.type("h u 1 ! .")
    assert desk.chosen() == {"needs-caution"}
    desk.page.locator("#text").focus()
    desk.press_and_wait("Enter")
    assert Annotation.objects.get().note == "h u 1 ! ."
    expect(desk.page.locator("#id_note")).to_be_hidden()
    desk.press_and_wait("u")
    expect(desk.page.locator("#id_note")).to_have_value("h u 1 ! .")


def test_it_sets_every_open_tag_to_no(desk: Desk) -> None:
    desk.press("1", "h", "0")
    codes = ["abuse-related", "personal-information-related", "sexual-content"]
    assert desk.chosen() == {"casual", "tag-hate=yes", *(f"tag-{code}=no" for code in codes)}
    desk.press("0")
    desk.press_and_wait("Enter")
    assert desk.said()[0][2] == {"hate": True, **dict.fromkeys(codes, False)}


def test_it_measures_focused_time_only(desk: Desk) -> None:
    desk.wait_until_ahead()
    desk.page.evaluate("() => { focused.start(); focused.active -= 70000; focused.since -= 1500; focused.tick() }")
    assert desk.page.evaluate("focused.total") == 0
    desk.page.evaluate("() => { focused.start(); focused.since -= 1500 }")
    desk.press_and_wait("1", "Enter")
    spent = Annotation.objects.get().focused_ms
    assert spent is not None
    assert spent >= 1500
    assert desk.page.evaluate("focused.total") < 1500  # of the next text


def test_it_changes_one_of_the_last_ten_and_comes_back_to_what_was_begun(desk: Desk) -> None:
    first = desk.text
    for key in ("1", "2", "3"):
        desk.press_and_wait(key, "Enter")
    begun = desk.text
    desk.press("2", "h")
    desk.page.get_by_role("link", name="Your last answers").click()
    listed = desk.page.locator("#answers li")
    expect(listed).to_have_count(3)
    expect(listed.last).to_contain_text("casual")
    desk.wait_for_next(listed.last.get_by_role("link", name="Change").click)
    expect(desk.page.get_by_text("You are changing an earlier answer.")).to_be_visible()
    assert (desk.text, desk.chosen()) == (first, {"casual"})
    desk.press_and_wait("3", "Enter")
    assert desk.message == "Your answer is changed."
    assert (desk.text, desk.chosen()) == (begun, {"needs-caution", "tag-hate=yes"})
    expect(desk.page.get_by_text("You are changing an earlier answer.")).to_be_hidden()
    assert desk.said()[-1] == (first, "needs-intervention", {})


def test_it_keeps_what_was_begun_when_there_is_no_earlier_answer(desk: Desk) -> None:
    text = desk.text
    desk.press("2", "h")
    desk.press_and_wait("u")
    assert "There is no earlier answer" in desk.message
    assert (desk.text, desk.chosen()) == (text, {"needs-caution", "tag-hate=yes"})


def test_it_keeps_what_was_begun_when_an_earlier_answer_is_taken_back(desk: Desk) -> None:
    desk.press_and_wait("1", "Enter")
    begun = desk.text
    desk.press("2", "h")
    desk.press_and_wait("u")
    desk.press("Escape")
    desk.press_and_wait("1", "Enter")
    assert (desk.text, desk.chosen()) == (begun, {"needs-caution", "tag-hate=yes"})
    assert desk.said() == []


def test_it_keeps_what_was_begun_when_its_time_ends_meanwhile(desk: Desk) -> None:
    desk.press_and_wait("1", "Enter")
    begun = desk.text
    desk.press("2", "h")
    desk.press_and_wait("u")
    desk.campaign.units.update(overlap=1)
    assignments.release_expired(timezone.now() + timedelta(hours=1))
    bob = worlds.person("bob")
    while not Annotation.objects.filter(unit__instruction__turns__0__text=begun, annotator=bob).exists():
        worlds.vote(bob, desk.campaign)
    desk.page.evaluate("held[0].until = new Date(now() - 1000).toISOString()")
    desk.press("3", "Enter")
    desk.wait_until_sent()
    assert (desk.text, desk.chosen()) == (begun, {"needs-caution", "tag-hate=yes"})
    expect(desk.page.locator("#countdown")).to_contain_text("The time for this text is over")


def test_leaving_asks_when_something_is_chosen_or_typed(desk: Desk) -> None:
    asked: list[str] = []

    def go(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    desk.page.on("dialog", go)
    desk.page.reload()
    desk.press_and_wait("1", "Enter")
    desk.press_and_wait("u")  # an earlier answer is chosen, but not by what is done now
    desk.page.reload()
    assert asked == []
    desk.press("2")
    desk.page.reload()
    assert asked == ["beforeunload"]
    desk.press_and_wait("u")
    desk.press("h")
    desk.page.reload()
    assert asked == ["beforeunload"] * 2
    desk.press(";")
    desk.page.keyboard.type("Odd.")
    desk.page.reload()
    assert asked == ["beforeunload"] * 3


def test_it_leaves_an_earlier_answer_as_it_is(desk: Desk) -> None:
    desk.press_and_wait("1", "Enter")
    following = desk.text
    desk.press_and_wait("u")
    desk.wait_for_next(desk.page.get_by_role("link", name="Leave it as it is").click)
    assert (desk.text, desk.chosen()) == (following, set())
    expect(desk.page.locator("#undo")).to_be_visible()
    assert [code for _, code, _ in desk.said()] == ["casual"]


def test_skipping_an_earlier_answer_takes_it_back(desk: Desk) -> None:
    desk.press_and_wait("1", "Enter")
    desk.press_and_wait("u")
    desk.press("Escape")
    expect(desk.page.get_by_role("dialog", name="Take your answer back. Why?")).to_be_visible()
    desk.press_and_wait("1", "Enter")
    assert desk.message == "Your answer is taken back. You will not see that one again."
    assert desk.said() == []


def test_it_counts_down_only_near_the_end_and_renews_on_request(desk: Desk) -> None:
    countdown = desk.page.locator("#countdown")
    desk.wait_until_ahead()
    expect(countdown).to_be_hidden()
    soon(desk.campaign, minutes=4)
    desk.page.reload()  # which renews it
    expect(countdown).to_be_hidden()
    Campaign.objects.update(lease_minutes=5)
    soon(desk.campaign, minutes=4)
    desk.page.reload()
    expect(countdown).to_contain_text("Reserved for you for 3:")
    expect(desk.page.locator("#status")).to_contain_text("Reserved for you for")
    Campaign.objects.update(lease_minutes=30)
    desk.page.get_by_role("button", name="Keep it").click()
    expect(countdown).to_be_hidden()


def test_it_says_when_the_time_is_over_and_keeps_what_was_chosen(desk: Desk) -> None:
    desk.wait_until_ahead()
    desk.press("2", "h")
    desk.page.evaluate("document.querySelector('#desk').dataset.until = new Date(now() - 1000).toISOString()")
    expect(desk.page.locator("#countdown")).to_contain_text("The time for this text is over")
    assert desk.chosen() == {"needs-caution", "tag-hate=yes"}
    text = desk.text
    desk.press_and_wait("Enter")
    assert desk.said() == [(text, "needs-caution", {"hate": True})]


def soon(campaign: Campaign, minutes: int) -> None:
    """The leases of the campaign end in so many minutes."""
    live = Assignment.objects.live().filter(unit__campaign=campaign)
    live.update(expires_at=timezone.now() + timedelta(minutes=minutes))


def test_it_obeys_the_keys_that_a_person_chose(ada_page: Page, ada: Annotator, kindness: Campaign) -> None:
    ada.keys = {"label:casual": "c", "label:hate": "x", "submit": "m", "undo": "1"}
    ada.save()
    desk = Desk(ada_page, ada, kindness).open()
    text = desk.text
    expect(ada_page.get_by_role("button", name="Submit").locator("kbd")).to_have_text("M")
    desk.press("h")
    assert desk.chosen() == set()
    desk.press_and_wait("c", "x", "m")
    assert desk.said() == [(text, "casual", {"hate": True})]
    desk.press_and_wait("1")
    assert desk.text == text


def test_it_has_no_single_keys_for_who_switched_them_off(ada_page: Page, ada: Annotator, kindness: Campaign) -> None:
    ada.keys_enabled = False
    ada.save()
    desk = Desk(ada_page, ada, kindness).open()
    desk.press("1", "h", "u", "?", "!", "Escape", "Enter")
    assert desk.chosen() == set()
    assert ada_page.locator("kbd:visible").count() == 0
    expect(ada_page.locator(":popover-open")).to_have_count(0)
    ada_page.get_by_role("radio", name="needs caution", exact=True).focus()
    desk.press("Space")
    desk.press_and_wait("Enter")
    assert [code for _, code, _ in desk.said()] == ["needs-caution"]
