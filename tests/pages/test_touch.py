"""The labelling page on a phone, with thumbs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, expect

from annotate.models import Annotator, Campaign
from tests.pages.conftest import SignIn
from tests.pages.desk import Desk
from tests.processes import Web

pytestmark = pytest.mark.django_db(transaction=True)

THUMB = 44


@pytest.fixture
def phone(browser: Browser, web: Web, ada: Annotator, kindness: Campaign, sign_in: SignIn) -> Iterator[Desk]:
    """Ada's labelling page on a phone."""
    size = {"width": 390, "height": 844}
    context = browser.new_context(base_url=web.url, viewport=size, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    sign_in(context, ada)
    yield Desk(context.new_page(), ada, kindness).open()
    context.close()


def test_it_labels_changes_and_skips_by_touch(phone: Desk) -> None:
    page, first = phone.page, phone.text
    expect(page.locator("#send")).to_be_in_viewport(ratio=1)
    page.locator("label.name").get_by_text("needs caution", exact=True).tap()
    page.get_by_role("radiogroup", name="hate").get_by_text("Yes").tap()
    page.get_by_role("button", name="None of these").tap()
    phone.wait_for_next(page.get_by_role("button", name="Submit").tap)
    tags = {"abuse-related": False, "personal-information-related": False, "sexual-content": False, "hate": True}
    assert phone.said() == [(first, "needs-caution", tags)]

    page.get_by_role("link", name="Your last answers").tap()
    phone.wait_for_next(page.get_by_role("link", name="Change").tap)
    page.locator("label.name").get_by_text("casual", exact=True).tap()
    phone.wait_for_next(page.get_by_role("button", name="Submit").tap)
    assert phone.said() == [(first, "casual", tags)]

    page.get_by_role("button", name="Skip").tap()
    phone.wait_for_next(page.get_by_role("button", name="Too distressing").tap)
    assert phone.message == "Skipped. You will not see that one again."


def test_it_has_room_for_thumbs(phone: Desk) -> None:
    page = phone.page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("kbd:visible").count() == 0
    thumbed = page.locator("#desk :is(button, .button, summary, .ways label):not(.help)").filter(visible=True)
    assert thumbed.count() > 10
    assert [too_small for one in thumbed.all() if (too_small := small(one))] == []


def small(target: Locator) -> str:
    """What a target is called if it is smaller than a thumb."""
    box = target.bounding_box()
    assert box is not None
    return "" if min(box["width"], box["height"]) >= THUMB - 0.5 else f"{target.text_content()}: {box}"
