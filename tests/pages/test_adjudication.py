"""Deciding disputed texts: by keyboard alone, without JavaScript, accessible in both themes and at every width."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from playwright.sync_api import Browser, BrowserContext, Page, expect

from annotate.models import Annotator, Campaign, DecidedExample, Decision, KnownAnswer, Unit
from tests.annotate import worlds
from tests.pages.conftest import SignIn
from tests.pages.test_every_page import check
from tests.processes import Web

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = "/adjudication/kindness/"
SEVERE = "Show a text of the gravest kind"


@pytest.fixture
def cleo(web: Web) -> Annotator:
    """Who may decide."""
    made = worlds.person("cleo")
    made.user_permissions.add(Permission.objects.get(codename="adjudicate"))
    return made


@pytest.fixture
def page_of_cleo(context: BrowserContext, cleo: Annotator, sign_in: SignIn) -> Page:
    sign_in(context, cleo)
    return context.new_page()


@pytest.fixture
def disputes(web: Web) -> dict[str, Unit]:
    """A mild dispute and a grave one, each with the votes of Ada and Ben."""
    kindness = worlds.campaign(units=3, overlap=2)
    voters = [worlds.person("ada"), worlds.person("ben")]
    found = {}
    for kind, choices in (("mild", ("casual", "needs-caution")), ("grave", ("casual", "needs-intervention"))):
        for voter, choice in zip(voters, choices, strict=True):
            found[kind] = worlds.vote(voter, kindness, choice).unit
    return found


def address(unit: Unit) -> str:
    return f"{QUEUE}{unit.pk}/"


def choose(page: Page, label: str, words: str) -> None:
    page.locator(".option label").filter(has_text=re.compile(f"^{label}$")).click()
    page.get_by_label("Reason, published with the label").select_option("guideline")
    page.get_by_label("Why, in a sentence or two").fill(words)


def test_it_leads_from_the_head_to_a_decision_by_keyboard_alone(page_of_cleo: Page, disputes: dict[str, Unit]) -> None:
    page = page_of_cleo
    page.goto("/campaigns/")
    page.get_by_role("link", name="Adjudication").press("Enter")
    expect(page.get_by_text("2 disputed texts wait for you.")).to_be_visible()
    check(page, "adjudication")
    page.get_by_role("link", name="Open the queue").press("Enter")
    expect(page.get_by_role("link", name="Decide text")).to_have_count(2)
    assert [link.get_attribute("href") for link in page.get_by_role("link", name="Decide text").all()] == [
        address(disputes["grave"]),
        address(disputes["mild"]),
    ]
    check(page, QUEUE)
    page.get_by_role("link", name="Decide text").last.press("Enter")
    expect(page.get_by_role("heading", name="The votes, without names")).to_be_visible()
    assert "ada" not in page.content()
    check(page, "a disputed text")
    page.get_by_role("radio", name="needs caution", exact=True).focus()
    page.keyboard.press("Space")
    page.get_by_label("Reason, published with the label").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_label("Why, in a sentence or two").focus()
    page.keyboard.type("The guideline on insults.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Decided.")
    check(page, "a decided text")
    made = Decision.objects.get()
    assert (made.label, made.cause, made.words) == ("needs caution", "guideline", "The guideline on insults.")
    page.get_by_role("button", name="Make it a known answer").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("It is a known answer now")
    assert KnownAnswer.objects.get().unit == disputes["mild"]
    page.goto(f"{QUEUE}decided/")
    expect(page.get_by_role("link", name="Look at text")).to_have_count(1)
    check(page, "what was decided")


def test_severe_texts_are_not_in_sight_until_somebody_asks(page_of_cleo: Page, disputes: dict[str, Unit]) -> None:
    page, grave = page_of_cleo, disputes["grave"]
    words = str(grave.instruction)
    page.goto(QUEUE)
    expect(page.get_by_text(words)).to_be_hidden()
    expect(page.get_by_text(str(disputes["mild"].instruction))).to_be_visible()
    page.get_by_text(SEVERE).press("Enter")
    expect(page.get_by_text(words)).to_be_visible()
    page.goto(address(grave))
    expect(page.locator(".words")).to_be_hidden()
    choose(page, "needs intervention", "A threat.")
    page.get_by_role("button", name="Decide").click()
    page.get_by_role("button", name="Show it below the guidelines").click()
    expect(page.get_by_role("status")).to_contain_text("below the guidelines now")
    page.goto(f"{QUEUE}decided/")
    assert words not in page.content()
    page.get_by_role("link", name="List them too").click()
    expect(page.get_by_text(words)).to_be_hidden()
    page.get_by_text(SEVERE).click()
    expect(page.get_by_text(words)).to_be_visible()
    page.goto("/campaigns/kindness/guidelines/")
    example = page.get_by_role("region", name="Decided examples")
    expect(example.get_by_text("A threat.")).to_be_visible()
    expect(example.locator(".words")).to_be_hidden()
    check(page, "guidelines with an example")
    assert DecidedExample.objects.count() == 1


def test_it_works_without_javascript_and_says_what_is_missing(
    browser: Browser, web: Web, cleo: Annotator, sign_in: SignIn, disputes: dict[str, Unit]
) -> None:
    context = browser.new_context(base_url=web.url, java_script_enabled=False, viewport={"width": 390, "height": 844})
    sign_in(context, cleo)
    page = context.new_page()
    page.goto(address(disputes["mild"]))
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose one of the labels.")
    expect(page.get_by_role("alert")).to_contain_text("Say why")
    choose(page, "casual", "It is a joke.")
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("status")).to_contain_text("Decided.")
    page.get_by_text("Take it back").first.click()
    page.get_by_label("Why it does not hold").fill("I misread it.")
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_role("status")).to_contain_text("Taken back.")
    expect(page.get_by_role("link", name="Decide text")).to_have_count(2)
    assert [one.label for one in Decision.objects.order_by("pk")] == ["casual", ""]
    context.close()


def test_it_refuses_accessibly(page_of_cleo: Page, disputes: dict[str, Unit], faults: list[str]) -> None:
    page_of_cleo.goto(address(disputes["mild"]))
    page_of_cleo.get_by_role("button", name="Decide").click()
    expect(page_of_cleo.get_by_role("alert")).to_be_visible()
    check(page_of_cleo, "a refused decision")
    faults.clear()  # the browser logs a form that was refused


@pytest.mark.parametrize("language", ["ar", "de", "ja"])
def test_it_is_there_in_other_languages(
    page_of_cleo: Page, context: BrowserContext, web: Web, disputes: dict[str, Unit], language: str
) -> None:
    context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": web.url}])
    for where in ("/adjudication/", QUEUE, f"{QUEUE}decided/", address(disputes["mild"])):
        page_of_cleo.goto(where)
        assert page_of_cleo.evaluate("document.documentElement.lang") == language
        for english in ("Disputed", "Decide", "Reason", "Gravest"):
            assert english not in page_of_cleo.locator("main").inner_text()
        check(page_of_cleo, f"{where} in {language}")


def test_others_are_not_led_here(ada_page: Page, kindness: Campaign, faults: list[str]) -> None:
    ada_page.goto("/campaigns/")
    expect(ada_page.get_by_role("link", name="Adjudication")).to_have_count(0)
    answer = ada_page.goto(QUEUE)
    assert answer is not None
    assert answer.status == 403
    faults.clear()
