"""Flags, questions and reports by keyboard, and the questions that stand below the guidelines."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from annotate import remarks
from annotate.models import Annotator, Campaign, Flag, Question
from sources.models import Escalation
from tests.annotate import worlds
from tests.pages.desk import Desk
from tests.pages.test_every_page import check

pytestmark = pytest.mark.django_db(transaction=True)

GUIDELINES = "/campaigns/kindness/guidelines/"


@pytest.mark.parametrize(
    ("key", "model", "said"),
    [(";", Flag, "The curators will look at it"), ("/", Question, "Your question is on its way")],
)
def test_it_is_told_by_keyboard_alone(desk: Desk, key: str, model: type[Flag | Question], said: str) -> None:
    text = desk.text
    desk.press(key)
    desk.page.keyboard.type("Odd!")
    desk.press("Tab", "Enter")
    expect(desk.page.locator("#messages")).to_contain_text(said)
    told = model.objects.get()
    assert (told.words, told.annotator) == ("Odd!", desk.annotator)
    assert told.unit is not None
    assert (str(told.unit.instruction), desk.text) == (text, text)


def test_a_report_hides_the_text_at_once_and_says_so(desk: Desk) -> None:
    text = desk.text
    desk.press_and_wait("!")
    expect(desk.page.locator("#messages")).to_contain_text("until curators have decided")
    assert text not in desk.page.content()
    assert Escalation.objects.get().reported_by == desk.annotator
    desk.page.reload()
    assert desk.text not in ("", text)


def test_the_guidelines_have_questions_with_answers_and_take_new_ones(
    ada_page: Page, ada: Annotator, kindness: Campaign
) -> None:
    root = worlds.person("root")
    for words, answer in (("What of irony?", "As meant.\n\nNot as said."), ("وماذا عن السخرية؟", "كما قُصدت.")):
        remarks.answer(remarks.ask(ada, kindness, None, words), answer, root)
    ada_page.goto(GUIDELINES)
    expect(ada_page.get_by_role("region", name="Questions and answers").get_by_role("article")).to_have_count(2)
    check(ada_page, GUIDELINES)
    ada_page.get_by_label("Your question").focus()
    ada_page.keyboard.type("And of sarcasm?")
    ada_page.keyboard.press("Tab")
    ada_page.keyboard.press("Enter")
    expect(ada_page.get_by_text("Your question is on its way")).to_be_visible()
    assert [question.words for question in Question.objects.waiting()] == ["And of sarcasm?"]
