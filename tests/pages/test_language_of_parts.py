"""What is not in the language of the page says in which language it is: nothing is read aloud with the wrong voice."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from annotate import guidelines
from annotate.models import Annotator, Campaign
from tests.annotate import revisions, worlds
from tests.pages.desk import Desk
from tests.pages.test_languages import choose
from tests.processes import Web

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESSES = [
    "/",
    "/campaigns/",
    "/preferences/",
    "/progress/",
    "/releases/",
    "/nothing-here/",
    "/campaigns/kindness/guidelines/",
    "/campaigns/kindness/guidelines/changes/",
    "/campaigns/kindness/label/",
    "/campaigns/kindness/label/?revise=last",
    "/campaigns/kindness/label/answers/",
    "/campaigns/finished/label/",
]
# Names that are the same in every language, those that stand on keys among them.
NAMES = ["OIG Safety", "OIG-moderation", "Open Instruction Generalist", "LAION", "Apache License", "Enter", "Escape"]
# In Arabic whatever has Latin letters is of another language. What people wrote, in a language that nobody knows,
# stands in a <bdi>, and so do titles of campaigns and names of people. The beginning of the next text is read aloud by
# a live region, which is written to as plain text.
EXCEPT = "bdi:not([lang]), [dir=auto], [aria-hidden=true], #next, script, style, template"
LATIN = """([names, except]) => {
    const found = []
    const look = (words, near, where) => {
        for (const name of names) words = words.replaceAll(name, "")
        if (!/\\p{Script=Latin}{2}/u.test(words)) return
        if (near.closest("[lang]").lang === "ar" && !near.closest(except))
            found.push(`${where}: ${words.trim()}`)
    }
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) look(walker.currentNode.data, walker.currentNode.parentElement, "text")
    for (const name of ["aria-label", "title", "alt", "placeholder", "aria-description", "aria-roledescription"])
        for (const one of document.querySelectorAll(`body [${name}]`)) look(one.getAttribute(name), one, name)
    return [...new Set(found)]
}"""


def unmarked(page: Page) -> list[str]:
    found: list[str] = page.evaluate(LATIN, [NAMES, EXCEPT])
    return found


@pytest.fixture
def arabic(ada_page: Page, web: Web, ada: Annotator, kindness: Campaign) -> Page:
    """Pages with as much on them as there can be: votes, a change of the guidelines, a campaign with nothing left."""
    for _ in range(2):
        worlds.vote(ada, kindness, "needs-caution")
    worlds.vote(ada, worlds.campaign(units=1, slug="finished"))
    guidelines.adopt(kindness, revisions.loaded(revisions.with_tag()))
    guidelines.queue_another_look(kindness)
    choose(ada_page.context, web, "ar")
    return ada_page


def test_no_page_of_volunteers_mixes_languages_unmarked(arabic: Page, faults: list[str]) -> None:
    found = dict[str, list[str]]()
    for address in ADDRESSES:
        arabic.goto(address)
        assert arabic.evaluate("document.documentElement.lang") == "ar"
        found[address] = unmarked(arabic)
    faults.clear()  # of the page that is not there
    assert {address: words for address, words in found.items() if words} == {}


def test_what_opens_on_the_desk_is_marked_too(arabic: Page, ada: Annotator, kindness: Campaign) -> None:
    desk = Desk(arabic, ada, kindness).open()
    desk.press("2", "h")
    assert unmarked(arabic) == []
    arabic.get_by_role("link", name="إجاباتك الأخيرة").click()
    expect(arabic.locator("#answers")).to_be_visible()
    assert unmarked(arabic) == []
    desk.press("Escape")
    desk.wait_for_next(arabic.locator("#send").click)
    assert unmarked(arabic) == []


def test_the_button_beside_a_label_keeps_the_language_of_its_name(arabic: Page) -> None:
    arabic.goto("/campaigns/kindness/label/")
    for code, name in (("needs-caution", "needs caution"), ("hate", "hate")):
        button = arabic.locator(f"button.help[popovertarget=guide-{code}]")
        expect(button).to_have_accessible_name(f"إرشادات حول {name}")
        assert button.locator("[lang=en]").text_content() == name
