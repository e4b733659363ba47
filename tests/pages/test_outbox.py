"""Answers that wait in the browser: none is lost, none is saved twice, and the page says what becomes of each."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import redis
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Route, expect

from annotate import assignments
from annotate.models import Annotation, Assignment
from sources.models import Instruction, InstructionState
from tests.annotate import worlds
from tests.pages.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)

OFFLINE = "The server cannot be reached. Nothing is lost: go on with what is at hand."


def cut(desk: Desk) -> None:
    """The network goes away, after the next text has come."""
    desk.wait_until_ahead()
    desk.page.context.set_offline(True)


def restore(desk: Desk, faults: list[str]) -> None:
    desk.page.context.set_offline(False)
    desk.wait_until_sent()
    faults.clear()


def answer_two_offline(desk: Desk) -> list[tuple[str, str, dict[str, bool]]]:
    expected = []
    cut(desk)
    for key, code in (("1", "casual"), ("2", "needs-caution")):
        expected.append((desk.text, code, {"hate": True}))
        desk.press(key, "h", "Enter")
    expect(desk.page.locator("#waiting")).to_have_text("Answers that wait in this browser: 2")
    return expected


def test_it_goes_on_offline_and_sends_everything_once_when_the_network_is_back(desk: Desk, faults: list[str]) -> None:
    expected = answer_two_offline(desk)
    expect(desk.page.get_by_role("alert")).to_have_text(OFFLINE)
    expect(desk.page.get_by_role("heading", name="Nothing more is at hand")).to_be_visible()
    assert desk.said() == []
    restore(desk, faults)
    assert desk.said() == expected
    expect(desk.page.locator("#trouble")).to_be_hidden()
    assert desk.text not in ("", expected[0][0], expected[1][0])
    desk.press_and_wait("1", "Enter")
    assert Annotation.objects.count() == 3
    assert worlds.problems(desk.campaign) == []


def test_it_sends_what_waited_after_the_page_was_loaded_again(desk: Desk, faults: list[str]) -> None:
    expected = answer_two_offline(desk)
    desk.page.route("**/submit/", lambda route: route.abort())
    desk.page.context.set_offline(False)
    desk.page.reload()
    expect(desk.page.get_by_role("alert")).to_have_text(OFFLINE)
    expect(desk.page.locator("#desk")).to_be_hidden()  # the server does not know that its text was answered
    desk.page.unroute("**/submit/")
    desk.page.reload()
    desk.wait_until_sent()
    assert desk.said() == expected
    assert desk.text not in ("", expected[0][0], expected[1][0])
    faults.clear()


def test_it_stores_no_text_in_the_browser(desk: Desk, faults: list[str]) -> None:
    expected = answer_two_offline(desk)
    stored = desk.page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    assert "needs-caution" in stored
    assert not any(text in stored for text, _, _ in expected)
    restore(desk, faults)
    assert desk.page.evaluate("Object.keys(localStorage).length") == 0


def test_it_saves_once_what_was_saved_although_the_answer_to_it_was_lost(desk: Desk, faults: list[str]) -> None:
    desk.wait_until_ahead()

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    desk.page.route("**/submit/", lose, times=1)
    text = desk.text
    desk.press("3", "Enter")
    expect(desk.page.get_by_role("alert")).to_have_text(OFFLINE)
    desk.wait_until_sent()
    assert desk.message == "Already saved."
    assert desk.said() == [(text, "needs-intervention", {})]
    faults.clear()


def test_it_keeps_a_late_answer_as_surplus_and_says_so(desk: Desk, faults: list[str]) -> None:
    desk.campaign.units.update(overlap=1)
    expected = answer_two_offline(desk)
    assignments.release_expired(timezone.now() + timedelta(hours=1))
    first = Assignment.objects.get(annotator=desk.annotator, unit__instruction__turns__0__text=expected[0][0])
    bob = worlds.person("bob")
    while not Annotation.objects.filter(unit=first.unit, annotator=bob).exists():
        worlds.vote(bob, desk.campaign)
    restore(desk, faults)
    expect(desk.page.locator("#messages")).to_contain_text("it came after the reservation had ended")
    assert Annotation.objects.get(annotator=desk.annotator, unit=first.unit).surplus
    assert worlds.problems(desk.campaign) == []


def test_two_tabs_send_what_waits_once(desk: Desk, faults: list[str]) -> None:
    expected = answer_two_offline(desk)
    other = desk.page.context.new_page()
    desk.page.context.set_offline(False)
    other.goto(desk.campaign.get_absolute_url())
    desk.wait_until_sent()
    other.wait_for_load_state("networkidle")
    assert desk.said() == expected
    assert Annotation.objects.count() == 2
    faults.clear()


def test_it_tries_again_by_itself_when_the_server_has_trouble(desk: Desk, faults: list[str]) -> None:
    desk.page.route("**/submit/", lambda route: route.fulfill(status=500, body="<h1>no</h1>"), times=1)
    text = desk.text
    desk.press("2", "Enter")
    expect(desk.page.get_by_role("alert")).to_contain_text("could not save this yet")
    desk.wait_until_sent()
    expect(desk.page.locator("#trouble")).to_be_hidden()
    assert desk.said() == [(text, "needs-caution", {})]
    faults.clear()


@pytest.mark.parametrize("status", [200, 400, 404, 413])
def test_it_tries_again_when_something_before_the_server_answers(desk: Desk, status: int, faults: list[str]) -> None:
    page = {"status": status, "content_type": "text/html", "body": "<h1>no</h1>"}
    desk.page.route("**/submit/", lambda route: route.fulfill(**page), times=1)
    text = desk.text
    desk.press("2", "Enter")
    expect(desk.page.get_by_role("alert")).to_contain_text("could not save this yet")
    assert desk.waiting == 1
    desk.wait_until_sent()
    assert desk.said() == [(text, "needs-caution", {})]
    faults.clear()


def test_it_says_which_answer_is_not_taken(desk: Desk, faults: list[str]) -> None:
    desk.wait_until_ahead()
    number = desk.page.locator("#answer [name=assignment]")
    number.evaluate(
        "(field, theirs) => { field.value = theirs }", worlds.claimed(worlds.person("bob"), desk.campaign).pk
    )
    desk.press("2", "a", "Enter")
    words = (
        "The server did not take your answer (needs caution, abuse related): that text is no longer yours to answer."
    )
    expect(desk.page.get_by_role("alert")).to_have_text(words)
    desk.wait_until_sent()
    assert desk.waiting == 0
    faults.clear()


def test_it_keeps_the_answers_of_a_page_that_is_out_of_date(desk: Desk, faults: list[str]) -> None:
    desk.wait_until_ahead()
    text = desk.text
    desk.page.locator("[name=csrfmiddlewaretoken]").evaluate_all("all => all.forEach(one => { one.value = 'x' })")
    desk.press("2", "Enter")
    expect(desk.page.get_by_role("alert")).to_contain_text("Reload it to go on; your answers are kept.")
    desk.page.reload()
    desk.wait_until_sent()
    assert desk.said() == [(text, "needs-caution", {})]
    faults.clear()


def test_it_asks_to_sign_in_again_and_sends_what_waited(desk: Desk, valkey: redis.Redis, faults: list[str]) -> None:
    desk.wait_until_ahead()
    desk.annotator.password = PBKDF2PasswordHasher().encode("a long one", "salt", iterations=1)
    desk.annotator.save()
    text, page = desk.text, desk.page
    Session.objects.all().delete()
    valkey.flushdb()
    desk.press("2", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("sign in again to send them")
    page.locator("#sign-in-again").click()
    page.wait_for_url(re.compile("/sign-in/"))
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("a long one")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{desk.campaign.get_absolute_url()}")
    desk.wait_until_sent()
    assert desk.said() == [(text, "needs-caution", {})]
    faults.clear()


def test_it_sends_before_it_signs_out_and_gives_the_rest_back(desk: Desk) -> None:
    desk.wait_until_ahead()
    held: list[Route] = []
    desk.page.route("**/submit/", lambda route: held.append(route))  # noqa: PLW0108 - a method cannot be wrapped
    with desk.page.expect_request("**/submit/"):
        desk.press("2", "Enter")
    desk.page.get_by_role("button", name="You", exact=True).click()
    desk.page.get_by_role("button", name="Sign out").click()
    held[0].continue_()
    desk.page.wait_for_url(lambda url: url.endswith("/") and "label" not in url)
    expect(desk.page.get_by_role("navigation").get_by_role("link", name="Sign in")).to_be_visible()
    assert [code for _, code, _ in desk.said()] == ["needs-caution"]
    assert not Assignment.objects.live().exists()


def test_it_says_that_answers_wait_before_it_signs_out_without_them(desk: Desk, faults: list[str]) -> None:
    desk.wait_until_ahead()
    desk.page.route("**/submit/", lambda route: route.abort())
    desk.press("2", "Enter")
    desk.page.get_by_role("button", name="You", exact=True).click()
    desk.page.get_by_role("button", name="Sign out").dblclick()
    expect(desk.page.locator("#messages")).to_contain_text("Answers that could not be sent: 1. Sign out again")
    desk.page.get_by_role("button", name="You", exact=True).click()
    desk.page.get_by_role("button", name="Sign out").click()
    expect(desk.page.get_by_role("navigation").get_by_role("link", name="Sign in")).to_be_visible()
    assert desk.page.evaluate("Object.keys(localStorage).length") == 1
    faults.clear()


def test_it_never_shows_a_text_that_was_withdrawn_after_it_was_fetched(desk: Desk) -> None:
    desk.wait_until_ahead()
    ahead = Assignment.objects.live().order_by("-pk")[0].unit.instruction
    desk.press_and_wait("1", "Enter")
    assert desk.text == ahead.turns[0]["text"]
    desk.wait_until_ahead()
    hidden = Assignment.objects.live().order_by("-pk")[0].unit.instruction
    Instruction.objects.filter(pk__in=[ahead.pk, hidden.pk]).update(state=InstructionState.QUARANTINED)
    desk.wait_for_next(lambda: desk.page.evaluate("() => { wantsCards = true; pump() }"))
    assert desk.text not in ("", ahead.turns[0]["text"], hidden.turns[0]["text"])
    assert hidden.turns[0]["text"] not in desk.page.content()
    assert "was taken back" in desk.message


def test_it_keeps_what_was_chosen_for_a_text_that_is_withdrawn(desk: Desk) -> None:
    desk.wait_until_ahead()
    open_now = Assignment.objects.live().order_by("pk")[0].unit.instruction
    desk.press("3", "h")
    Instruction.objects.filter(pk=open_now.pk).update(state=InstructionState.QUARANTINED)
    desk.page.evaluate("() => { wantsCards = true; pump() }")
    expect(desk.page.locator("#messages")).to_contain_text("What you chose is kept")
    assert desk.text == ""
    assert desk.chosen() == {"needs-intervention", "tag-hate=yes"}
    desk.press_and_wait("Enter")
    assert "the text was withdrawn while you had it" in desk.message
    assert Annotation.objects.get().surplus


def test_it_keeps_a_text_for_which_something_was_chosen_when_its_lease_went_back(desk: Desk) -> None:
    desk.campaign.units.update(overlap=1)
    desk.wait_until_ahead()
    text = desk.text
    desk.press("3", "h")
    for lease in Assignment.objects.live():
        assignments.release(lease, Assignment.Reason.MOVED_ON)
    bob = worlds.person("bob")
    while not Annotation.objects.filter(unit__instruction__turns__0__text=text, annotator=bob).exists():
        worlds.vote(bob, desk.campaign)
    desk.page.evaluate("() => { wantsCards = true; pump() }")
    expect(desk.page.locator("#messages")).to_contain_text("given back because you opened another campaign")
    assert (desk.text, desk.chosen()) == (text, {"needs-intervention", "tag-hate=yes"})


def test_a_text_that_is_withdrawn_while_an_earlier_answer_is_changed_does_not_come_back(desk: Desk) -> None:
    desk.press_and_wait("1", "Enter")
    begun = desk.text
    desk.press("2")
    desk.press_and_wait("u")
    Instruction.objects.filter(turns__0__text=begun).update(state=InstructionState.QUARANTINED)
    desk.press_and_wait("3", "Enter")
    expect(desk.page.locator("#messages")).to_contain_text("What you chose is kept")
    assert begun not in desk.page.content()
    assert desk.chosen() == {"needs-caution"}


def test_undo_of_an_answer_that_waits_here_takes_it_out_and_shows_its_text_again(desk: Desk, faults: list[str]) -> None:
    cut(desk)
    first = desk.text
    desk.press("1", "h", "Enter")
    expect(desk.page.locator("#waiting")).to_have_text("Answers that wait in this browser: 1")
    second = desk.text
    desk.press("2")
    desk.press("u")
    expect(desk.page.locator("#messages")).to_contain_text("Your last answer was not sent yet.")
    assert (desk.text, desk.chosen(), desk.waiting) == (first, {"casual", "tag-hate=yes"}, 0)
    desk.press("3", "Enter")
    assert (desk.text, desk.chosen()) == (second, {"needs-caution"})  # as it was left
    restore(desk, faults)
    assert desk.said() == [(first, "needs-intervention", {"hate": True})]
    assert worlds.problems(desk.campaign) == []


def test_where_nothing_more_is_at_hand_the_last_answer_can_still_be_changed(desk: Desk, faults: list[str]) -> None:
    expected = answer_two_offline(desk)
    desk.page.locator("#pause").get_by_role("button", name="Change my last").click()
    assert (desk.text, desk.chosen()) == (expected[1][0], {"needs-caution", "tag-hate=yes"})
    expect(desk.page.locator("#waiting")).to_have_text("Answers that wait in this browser: 1")
    desk.press("1", "Enter")
    restore(desk, faults)
    assert desk.said() == [expected[0], (expected[1][0], "casual", {"hate": True})]


def test_undo_that_has_to_wait_says_so_and_comes_later(desk: Desk, faults: list[str]) -> None:
    cut(desk)
    desk.press("1", "Enter")
    expect(desk.page.locator("#waiting")).to_have_text("Answers that wait in this browser: 1")
    desk.page.evaluate("given.clear()")  # as after the page was loaded anew
    desk.press("u")
    expect(desk.page.locator("#messages")).to_contain_text("What you asked for comes once your answers could be sent.")
    restore(desk, faults)
    expect(desk.page.locator("#changing")).to_be_visible()
    assert "casual" in desk.chosen()
