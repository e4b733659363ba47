"""Texts of which every one is untrusted: shown as they are, and nothing more."""

from __future__ import annotations

import pytest
from playwright.sync_api import Dialog, Page, expect

from annotate.models import Annotator, Campaign
from tests.annotate import worlds
from tests.pages.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg/onload=alert(3)>",
    "end of the page": "</div></section></main></body></html><style>*{display:none}</style><h1>Signed out</h1>",
    "htmx": '<form hx-post="/x" hx-trigger="load" hx-vals="js:{a:alert(4)}"></form><a hx-on:click="alert(5)">x</a>',
    "template": "{{ request.user.password }} {% debug %} {% csrf_token %} ${alert(6)} <%= 7*7 %>",
    "address": "javascript:alert(7) data:text/html,<script>alert(8)</script> https://example.org/track.gif",
    "bidirectional": "\u202eevil \u2066nested \u202bnever closed, קרא אותי \u202d now",
    "one word": "Hi",
    "one letter": "ñ",
    "emoji": "👩🏽‍🚒🏳️‍🌈 e\u0301\u0323 Z̷a̸l̵g̶o",
    "white space": "def f():\n\treturn  1\n\n\n    # four blanks, two   three",
    "unbroken": "x" * 12_000,
    "very long": "\n".join(f"{number}: a line of an endless log, with a <b>tag</b>" for number in range(240)),
    "right to left": "السلام عليكم\nhello\nשלום",
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("width", [1280, 390])
def test_it_shows_the_text_and_nothing_else(ada_page: Page, ada: Annotator, kind: str, width: int) -> None:
    origin = worlds.source("hostile")
    worlds.instructions(origin, [worlds.says(TEXTS[kind])])
    dialogs: list[str] = []

    def note(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    ada_page.on("dialog", note)
    ada_page.set_viewport_size({"width": width, "height": 800})
    desk = Desk(ada_page, ada, worlds.opened(origin, slug="hostile")).open()

    assert desk.text == TEXTS[kind]
    assert ada_page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert ada_page.locator(".words").locator("*").count() == 0
    if width == 1280:
        # Whatever the text, there is no scrolling to submit: a long one scrolls in a region of its own.
        expect(ada_page.locator("#send")).to_be_in_viewport(ratio=1)
        assert ada_page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
        assert ada_page.evaluate("document.querySelector('main').scrollTop === 0")
    desk.press_and_wait("1", "Enter")  # a swap runs nothing either
    assert desk.said() == [(TEXTS[kind], "casual", {})]
    desk.press_and_wait("u")
    assert desk.text == TEXTS[kind]
    assert dialogs == []


def test_it_lets_no_text_reorder_what_stands_around_it(ada_page: Page, ada: Annotator) -> None:
    origin = worlds.source("hostile")
    worlds.instructions(origin, [worlds.says(TEXTS["bidirectional"])])
    campaign = worlds.opened(origin, slug="hostile")
    Campaign.objects.update(title="\u202eTitle")
    Desk(ada_page, ada, campaign).open()
    heading = ada_page.locator("h1 bdi").bounding_box()
    link = ada_page.get_by_role("main").get_by_role("link", name="Guidelines").bounding_box()
    assert heading is not None
    assert link is not None
    assert heading["x"] + heading["width"] <= link["x"]


def test_it_scrolls_a_long_text_by_keyboard(ada_page: Page, ada: Annotator) -> None:
    origin = worlds.source("hostile")
    worlds.instructions(origin, [worlds.says(TEXTS["very long"])])
    desk = Desk(ada_page, ada, worlds.opened(origin, slug="hostile")).open()
    assert desk.focused().startswith("text")
    desk.press("End")
    ada_page.wait_for_function("document.querySelector('.text').scrollTop > 0")
