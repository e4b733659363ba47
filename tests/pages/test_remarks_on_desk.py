"""Flags, questions and reports from the labelling page, without losing what was begun."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from annotate.models import Flag, Question
from sources.models import Instruction, InstructionState
from tests.annotate import worlds
from tests.pages.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_key_reports_and_the_text_is_gone_at_once(desk: Desk) -> None:
    desk.wait_until_ahead()
    text = desk.text
    desk.press("2")
    desk.press_and_wait("!")
    assert desk.text not in ("", text)
    assert desk.chosen() == set()
    hidden = Instruction.objects.get(state=InstructionState.QUARANTINED)
    assert hidden.turns[0]["text"] == text
    assert desk.said() == []


@pytest.mark.parametrize("is_by_key", [True, False])
def test_pressing_twice_reports_one_text(desk: Desk, is_by_key: bool) -> None:
    desk.wait_until_ahead()
    text = desk.text
    if is_by_key:
        desk.press("!", "!")
    else:
        desk.page.get_by_role("button", name="Report as illegal").dblclick()
    desk.wait_until_sent()
    desk.page.wait_for_load_state("networkidle")
    assert [one.turns[0]["text"] for one in Instruction.objects.filter(state=InstructionState.QUARANTINED)] == [text]


def test_a_reported_text_leaves_the_page_although_no_other_is_at_hand(desk: Desk, faults: list[str]) -> None:
    desk.wait_until_ahead()
    desk.page.context.set_offline(True)
    desk.press("1", "Enter")
    text = desk.text
    desk.page.wait_for_timeout(500)  # so soon after the one before, it would be taken for a second press
    desk.press("!")
    assert text not in desk.page.locator("body").inner_html()
    desk.page.context.set_offline(False)
    desk.wait_until_sent()
    assert desk.text not in ("", text)
    faults.clear()


def test_a_report_that_is_not_taken_is_called_one(desk: Desk, faults: list[str]) -> None:
    desk.wait_until_ahead()
    theirs = worlds.claimed(worlds.person("bob"), desk.campaign)
    desk.page.locator("#report [name=assignment]").evaluate("(field, pk) => { field.value = pk }", theirs.pk)
    desk.press("!")
    expect(desk.page.get_by_role("alert")).to_contain_text("did not take your answer (your report): that text")
    faults.clear()


def test_a_report_that_is_made_offline_goes_out_later(desk: Desk, faults: list[str]) -> None:
    desk.wait_until_ahead()
    text = desk.text
    desk.page.context.set_offline(True)
    desk.press("!")
    assert desk.text != text
    desk.page.context.set_offline(False)
    desk.wait_until_sent()
    assert Instruction.objects.get(state=InstructionState.QUARANTINED).turns[0]["text"] == text
    faults.clear()


@pytest.mark.parametrize(("key", "model", "button"), [(";", Flag, "Send"), ("/", Question, "Ask")])
def test_a_remark_keeps_what_was_begun(desk: Desk, key: str, model: type[Flag | Question], button: str) -> None:
    desk.wait_until_ahead()
    text = desk.text
    desk.press("2", "h", key)
    desk.page.keyboard.type("What of 1 and h? Hm!")
    desk.page.locator(":popover-open").get_by_role("button", name=button).click()
    expect(desk.page.locator(":popover-open")).to_have_count(0)
    assert model.objects.get().words == "What of 1 and h? Hm!"
    assert (desk.text, desk.chosen()) == (text, {"needs-caution", "tag-hate=yes"})


def test_a_remark_that_cannot_be_sent_stays_as_it_was_typed(desk: Desk, faults: list[str]) -> None:
    desk.wait_until_ahead()
    desk.press(";")
    desk.page.keyboard.type("Odd.")
    desk.page.context.set_offline(True)
    desk.page.locator(":popover-open").get_by_role("button", name="Send").click()
    expect(desk.page.get_by_role("alert")).to_contain_text("Nothing was changed; try again when you are connected.")
    expect(desk.page.locator("#flag-words")).to_have_value("Odd.")
    desk.page.context.set_offline(False)
    faults.clear()
