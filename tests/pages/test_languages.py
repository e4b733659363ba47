"""The pages in six languages: mirrored where the language is, readable, and chosen without JavaScript."""

from __future__ import annotations

import re

import polib  # type: ignore[import-untyped]
import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page, expect

from annotate.models import Annotator, Campaign
from tests import ROOT
from tests.pages.conftest import SignIn
from tests.pages.desk import Desk
from tests.pages.test_every_page import check
from tests.processes import Web

pytestmark = pytest.mark.django_db(transaction=True)

LANGUAGES = [code for code, _ in settings.LANGUAGES]
PUBLIC = ["/", "/sign-in/", "/releases/", "/nothing-here/"]
SIGNED_IN = ["/", "/campaigns/", "/campaigns/kindness/guidelines/", "/campaigns/kindness/label/"]


def choose(context: BrowserContext, web: Web, language: str) -> None:
    context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": web.url}])


def left(page: Page, selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["x"]


def english_sentences(language: str) -> set[str]:
    """Words of the catalogue that are long enough to be nothing else by chance, and are translated."""
    entries = polib.pofile(ROOT / f"locale/{language}/LC_MESSAGES/django.po")
    return {
        entry.msgid for entry in entries if " " in entry.msgid and "%" not in entry.msgid and "<" not in entry.msgid
    }


def test_the_labelling_page_is_mirrored_in_arabic(desk: Desk, context: BrowserContext, web: Web) -> None:
    page = desk.page
    assert left(page, ".decision") > left(page, ".text")
    choose(context, web, "ar")
    desk.open()
    assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == ["ar", "rtl"]
    assert left(page, ".decision") < left(page, ".text")
    assert left(page, ".brand") > left(page, ".top nav")
    assert page.locator(".judged .words").evaluate("words => getComputedStyle(words).direction") == "ltr"
    check(page, "labelling page in Arabic")


def test_keys_work_in_arabic(desk: Desk, context: BrowserContext, web: Web) -> None:
    choose(context, web, "ar")
    desk.open()
    first = desk.text
    desk.press_and_wait("2", "h", "Enter")
    assert desk.said() == [(first, "needs-caution", {"hate": True})]
    assert desk.text != first


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_for_everybody_are_whole_in(
    language: str, page: Page, web: Web, kindness: Campaign, faults: list[str]
) -> None:
    choose(page.context, web, language)
    for address in PUBLIC:
        page.goto(address)
        see_that_it_fits(page, language)
        see_one_language(page, language)
    assert [fault for fault in faults if "nothing-here" not in fault] == []
    faults.clear()


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_of_annotators_are_whole_in(language: str, ada_page: Page, web: Web, kindness: Campaign) -> None:
    choose(ada_page.context, web, language)
    for address in SIGNED_IN:
        ada_page.goto(address)
        see_that_it_fits(ada_page, language)
        see_one_language(ada_page, language)


def see_that_it_fits(page: Page, language: str) -> None:
    """The long words of German on a phone; the mirrored pages everywhere, as test_every_page does for the English."""
    if language == "ar":
        return check(page, f"{page.url} in {language}")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{page.url} in {language}"
    return None


# What a page says in its own language: label sets are in English, are marked so, and may name a button.
OWN_WORDS = """() => {
  const own = document.documentElement.lang
  const marked = [...document.body.querySelectorAll("[lang]")].filter((part) => part.lang !== own)
  marked.forEach((part) => { part.hidden = true })
  const words = document.body.innerText
  marked.forEach((part) => { part.hidden = false })
  return words
}"""


def see_one_language(page: Page, language: str) -> None:
    assert page.evaluate("document.documentElement.lang") == language
    shown = re.sub(r"\s+", " ", page.evaluate(OWN_WORDS))
    if language != settings.LANGUAGE_CODE:
        assert [english for english in english_sentences(language) if english in shown] == []
    assert not re.search(r"%\(\w+\)s|\{\{|\{%", shown)


def test_a_language_is_chosen_without_javascript(browser: Browser, web: Web, ada: Annotator, sign_in: SignIn) -> None:
    context = browser.new_context(base_url=web.url, java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto("/releases/?from=afar")
    page.get_by_role("button", name="Language: English").click()
    page.get_by_role("button", name="Deutsch").click()
    assert page.url.endswith("/releases/?from=afar")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ausgaben")
    page.get_by_role("button", name="Sprache: Deutsch").click()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Releases")
    context.close()
