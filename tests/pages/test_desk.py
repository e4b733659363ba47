"""Labelling by keyboard, and what happens when the network, the session or the other tab do something else."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from annotate.models import Annotator, Assignment, Campaign
from tests.annotate import worlds
from tests.pages.conftest import SignIn
from tests.pages.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)

PRESS = """([key, code, shiftKey]) =>
    document.body.dispatchEvent(new KeyboardEvent('keydown', {key, code, shiftKey, bubbles: true}))"""


def test_it_labels_ten_by_keyboard_only_skips_one_and_takes_one_back(desk: Desk) -> None:
    answers = [("1", "casual"), ("2", "needs-caution"), ("3", "needs-intervention")]
    expected = []
    for number in range(10):
        key, code = answers[number % 3]
        expected.append((desk.text, code, {"hate": True, "abuse-related": False}))
        desk.press_and_wait(key, "h", "a", "a", "Enter")
    assert desk.said() == expected
    expect(desk.page.locator("#tally")).to_have_text("You have labelled 10 here")

    skipped = desk.text
    desk.press_and_wait("Escape", "3", "Enter")
    assert desk.message == "Skipped. You will not see that one again."
    assert Assignment.objects.get(reason="broken").unit.instruction.turns[-1]["text"] == skipped

    following = desk.text
    desk.press_and_wait("u")
    last_text, last_code, _ = expected[-1]
    assert desk.text == last_text
    assert desk.chosen() == {last_code, "tag-hate=yes", "tag-abuse-related=no"}
    desk.press_and_wait("2", "h", "Enter")
    assert desk.text == following
    assert desk.said() == [*expected[:-1], (last_text, "needs-caution", {"hate": False, "abuse-related": False})]


def test_it_cycles_a_tag_through_yes_no_and_unanswered(desk: Desk) -> None:
    seen = []
    for _ in range(3):
        desk.press("p")
        seen.append(desk.chosen())
    assert seen == [{"tag-personal-information-related=yes"}, {"tag-personal-information-related=no"}, set()]


def test_it_leaves_keys_with_modifiers_alone(desk: Desk) -> None:
    desk.press("Control+a", "Alt+2", "Control+Enter", "Shift+Digit2")
    assert desk.chosen() == set()
    assert desk.said() == []


@pytest.mark.parametrize(("typed", "code", "chosen"), [("é", "Digit2", "needs-caution"), ("р", "KeyH", "tag-hate=yes")])
def test_it_finds_keys_by_their_place_on_keyboards_without_them(desk: Desk, typed: str, code: str, chosen: str) -> None:
    press = "([key, code]) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, code, bubbles: true}))"
    desk.page.evaluate(press, [typed, code])
    assert desk.chosen() == {chosen}


@pytest.mark.parametrize(
    ("typed", "code", "shift", "opened"),
    [
        ("é", "Slash", False, "ask"),
        ("ö", "Semicolon", False, "flag"),
        ("_", "Slash", True, "keys"),
        ("?", "Minus", True, "keys"),
        (".", "Slash", False, ""),  # what is typed goes first
    ],
)
def test_it_finds_signs_by_their_place_on_other_keyboards(
    desk: Desk, typed: str, code: str, shift: bool, opened: str
) -> None:
    desk.page.evaluate(PRESS, [typed, code, shift])
    assert desk.page.evaluate("document.querySelector(':popover-open')?.id ?? ''") == opened


def test_it_reports_by_the_sign_alone(desk: Desk) -> None:
    desk.page.evaluate("document.addEventListener('submit', ({ target }) => { window.sent = target.id }, true)")
    for typed, code in (("1", "Digit1"), ('"', "Digit1")):
        desk.page.evaluate(PRESS, [typed, code, True])
        assert desk.page.evaluate("window.sent ?? ''") == ""
    desk.page.evaluate(PRESS, ["!", "Slash", False])
    assert desk.page.evaluate("window.sent") == "report"
    expect(desk.page.locator(":popover-open")).to_have_count(0)


def test_it_tells_a_french_q_from_the_a_that_stands_there_elsewhere(desk: Desk) -> None:
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'q', code: 'KeyA', bubbles: true}))"
    desk.page.evaluate(press)
    assert desk.chosen() == set()


def test_it_does_not_submit_without_an_answer(desk: Desk) -> None:
    text = desk.text
    desk.press("h", "Enter")
    assert desk.page.evaluate("document.activeElement.name") == "choice"
    assert (desk.text, desk.chosen(), desk.said()) == (text, {"tag-hate=yes"}, [])


def test_it_says_so_when_the_server_finds_no_answer(desk: Desk, faults: list[str]) -> None:
    desk.page.locator("[name=choice]").evaluate_all("all => all.forEach(one => one.required = false)")
    desk.press_and_wait("h", "Enter")
    said = "The server did not take your answer (hate): Choose one of the answers before you submit."
    expect(desk.page.get_by_role("alert")).to_have_text(said)
    assert desk.said() == []
    desk.press_and_wait("2", "Enter")  # the next one; the text that was refused comes again
    expect(desk.page.get_by_role("alert")).to_be_hidden()
    desk.press_and_wait("2", "Enter")
    assert len(desk.said()) == 2
    faults.clear()  # the browser logs what the server did not take


def test_it_saves_once_however_often_enter_is_pressed(desk: Desk) -> None:
    desk.press("1")

    def impatiently() -> None:
        send = "new KeyboardEvent('keydown', {key: 'Enter', code: 'Enter', bubbles: true, cancelable: true})"
        desk.page.evaluate(f"for (let n = 0; n < 5; n++) document.body.dispatchEvent({send})")

    requests: list[str] = []
    desk.page.on("request", lambda request: requests.append(request.url))
    desk.wait_for_next(impatiently)
    desk.page.wait_for_load_state("networkidle")
    assert len([url for url in requests if url.endswith("/submit/")]) == 1
    assert len(desk.said()) == 1


def test_it_shows_the_next_text_before_the_server_has_answered(desk: Desk) -> None:
    desk.wait_until_ahead()
    first, held = desk.text, hold(desk.page, "**/submit/")
    with desk.page.expect_request("**/submit/"):
        desk.press("1", "a", "Enter")
    assert desk.text not in ("", first)
    assert desk.chosen() == set()
    expect(desk.page.locator("#send")).to_be_enabled()
    assert desk.said() == []
    held[0].continue_()
    desk.wait_until_sent()
    assert desk.said() == [(first, "casual", {"abuse-related": True})]
    desk.wait_until_ahead()


def test_it_shows_an_earlier_answer_only_after_the_others_were_sent(desk: Desk) -> None:
    desk.wait_until_ahead()
    first, held = desk.text, hold(desk.page, "**/submit/")
    with desk.page.expect_request("**/submit/"):
        desk.press("1", "Enter")
    desk.press("u")
    expect(desk.page.get_by_role("status").first).to_contain_text("Your answers are sent first.")
    expect(desk.page.locator("#changing")).to_have_count(0)
    desk.wait_for_next(held[0].continue_)
    expect(desk.page.locator("#changing")).to_be_visible()
    assert (desk.text, desk.chosen()) == (first, {"casual"})


def hold(page: Page, address: str) -> list[Route]:
    """Requests to an address wait in the list that is returned."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(address, keep)
    return held


def test_it_goes_on_when_the_same_form_was_sent_from_two_tabs(desk: Desk) -> None:
    other = Desk(desk.page.context.new_page(), desk.annotator, desk.campaign).open()
    assert other.text == desk.text
    desk.press_and_wait("1", "Enter")
    other.press_and_wait("3", "Enter")
    assert "That answer stands" in other.message
    assert [code for _, code, _ in desk.said()] == ["casual"]
    assert other.text == desk.text


def test_it_moves_focus_and_scroll_to_the_next_text_and_announces_it(desk: Desk) -> None:
    desk.page.set_viewport_size({"width": 390, "height": 844})
    desk.page.locator("#send").scroll_into_view_if_needed()
    desk.page.locator("#open-hate").focus()
    desk.press_and_wait("1", "Enter")
    assert desk.focused().startswith("text")
    desk.page.wait_for_function("window.scrollY === 0")
    expect(desk.page.locator("#status")).to_have_text("Saved.")
    expect(desk.page.locator("#next")).to_have_text(f"Next text: {desk.text}")
    assert {"status"} == set(desk.page.locator("#status, #next").evaluate_all("all => all.map(one => one.role)"))


def test_it_opens_skip_with_escape_and_closes_it_the_same_way(desk: Desk) -> None:
    text, reasons = desk.text, desk.page.locator("#skip")
    desk.press("Escape")
    expect(reasons).to_be_visible()
    desk.press("2")
    assert desk.page.evaluate("document.activeElement.value") == "distressing"
    desk.press("Escape")
    expect(reasons).to_be_hidden()
    assert (desk.text, desk.chosen()) == (text, set())


def test_it_shows_the_keys_and_the_guidelines_beside_the_choices(desk: Desk) -> None:
    desk.press("?")
    expect(desk.page.locator("#keys")).to_be_visible()
    desk.press("?")
    expect(desk.page.locator("#keys")).to_be_hidden()
    desk.page.get_by_role("button", name="Guideline on needs caution").press("Enter")
    guide = desk.page.get_by_role("dialog", name="needs caution")
    expect(guide).to_contain_text("I want to read my girlfriend's messages")
    desk.press("Escape")
    expect(guide).to_be_hidden()
    assert desk.said() == []


def test_it_ends_kindly_and_can_still_take_the_last_one_back(ada_page: Page, ada: Annotator) -> None:
    desk = Desk(ada_page, ada, worlds.campaign(units=1)).open()
    text = desk.text
    desk.press_and_wait("1", "Enter")
    expect(ada_page.get_by_role("heading", name="Nothing is left for you here now")).to_be_visible()
    desk.press_and_wait("u")
    assert desk.text == text
    desk.press_and_wait("3", "Enter")
    assert desk.said() == [(text, "needs-intervention", {})]


def test_it_marks_the_judged_turn_of_a_dialogue_for_everybody(
    ada_page: Page, ada: Annotator, kindness: Campaign
) -> None:
    origin = worlds.source("dialogues")
    turns = [("human", "Explain black holes."), ("bot", "They are dark."), ("human", "Shorter!"), ("bot", "Dark.")]
    worlds.instructions(origin, [[{"role": role, "text": text} for role, text in turns]])
    desk = Desk(ada_page, ada, worlds.opened(origin, slug="dialogues")).open()
    expect(ada_page.locator(".turn")).to_have_count(4)
    expect(ada_page.get_by_text("Judge what the person says last.")).to_be_visible()
    assert desk.text == "Shorter!"
    expect(ada_page.get_by_role("listitem").filter(has_text="Judge this turn")).to_contain_text("Shorter!")


def test_it_shows_a_closed_campaign_to_those_who_took_part_and_to_nobody_else(
    desk: Desk, sign_in: SignIn, faults: list[str]
) -> None:
    desk.press_and_wait("1", "Enter")
    Campaign.objects.update(state=Campaign.State.CLOSED)
    for _ in range(2):  # what was on the desk, and what was fetched ahead
        desk.press_and_wait("1", "Enter")
    expect(desk.page.get_by_role("heading", name="Nothing is left for you here now")).to_be_visible()
    sign_in(desk.page.context, worlds.person("grace"))
    response = desk.page.goto(desk.campaign.get_absolute_url())
    assert response is not None
    assert response.status == 404
    faults.clear()
