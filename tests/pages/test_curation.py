"""Curators' pages in a real browser: accessible in both themes, usable by keyboard, complete without a second load."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, Dialog, Page, expect

from annotate.models import Annotator
from sources import removals
from sources.models import (
    DuplicateSearch,
    Escalation,
    Instruction,
    InstructionState,
    PersonalFinding,
    Provenance,
    Screening,
    Source,
    TakeDown,
)
from tests.annotate import worlds
from tests.pages.conftest import SignIn
from tests.pages.test_every_page import check
from tests.pages.test_hostile_texts import TEXTS
from tests.processes import Web
from tests.sources.worlds import near

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/sources/instruction/"


@pytest.fixture
def curator(web: Web) -> Annotator:
    return worlds.person("grace", is_staff=True)


@pytest.fixture
def curator_page(context: BrowserContext, curator: Annotator, sign_in: SignIn) -> Page:
    sign_in(context, curator)
    page = context.new_page()
    page.set_viewport_size({"width": 1280, "height": 800})
    return page


@pytest.fixture
def letters(web: Web) -> Source:
    """A source with something of everything that its page shows, hostile texts among it."""
    source = worlds.source("letters")
    texts = ["Write to fenna@example.org", "Write to fenna@example.com!", *TEXTS.values()]
    made = worlds.instructions(source, [worlds.says(text) for text in texts])
    run = source.runs.get()
    run.chunks.create(number=0, start=0, end=9, read=9, added=9, unmapped={"<b>tone</b>": 3})
    suggested = {"label": "needs-intervention", "tags": {"hate": 1}}
    Provenance.objects.filter(instruction=made[2]).update(
        suggested=suggested, source_labels={"<i>a</i>": TEXTS["htmx"]}
    )
    PersonalFinding.objects.create(instruction=made[0], turn=0, start=9, end=26, kind="email")
    Instruction.objects.filter(pk=made[3].pk).update(parent=made[0], root=made[0])
    near(made[0], made[1])
    removals.report(made[-1], None, "Bad.")
    Screening.objects.create(lowest=1, highest=10)
    TakeDown.objects.create(by="id", criterion="7", reason="Asked for.")
    return source


def test_it_serves_curators(curator_page: Page, letters: Source) -> None:
    first = Instruction.objects.order_by("pk").first()
    hidden = Instruction.objects.get(state=InstructionState.QUARANTINED)
    search, report = DuplicateSearch.objects.get(), Escalation.objects.get()
    assert first is not None
    addresses = [
        reverse("admin:sources_source_change", args=[letters.pk]),
        reverse("admin:sources_source_part", args=[letters.pk, "samples"]),
        LIST,
        reverse("admin:sources_instruction_change", args=[first.pk]),
        reverse("admin:sources_instruction_change", args=[hidden.pk]),
        reverse("admin:sources_duplicatesearch_change", args=[search.pk]),
        reverse("admin:sources_duplicatesearch_clusters", args=[search.pk]),
        reverse("admin:sources_escalation_change", args=[report.pk]),
        "/admin/sources/takedown/",
        "/admin/sources/screening/",
    ]
    for address in addresses:
        curator_page.goto(address, wait_until="networkidle")
        check(curator_page, address)


def test_it_fills_a_sources_page_and_draws_other_samples_without_loading_it_again(
    curator_page: Page, letters: Source
) -> None:
    page = curator_page
    page.goto(reverse("admin:sources_source_change", args=[letters.pk]))
    for part in (".spread", ".duplicates", ".samples"):
        expect(page.locator(part)).to_be_visible()
    expect(page.locator(".spread")).to_contain_text("<b>tone</b>")
    page.evaluate("window.loadedOnce = true")
    before = page.locator(".samples ol").inner_text()
    page.get_by_role("link", name="Ten others").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".samples")).to_contain_text("Drawn with seed 1")
    assert page.locator(".samples ol").inner_text() != before
    assert page.evaluate("window.loadedOnce")


def test_it_shows_every_hostile_text_as_it_is(curator_page: Page, letters: Source) -> None:
    dialogs: list[str] = []

    def note(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    curator_page.on("dialog", note)
    for one in Instruction.objects.visible():
        curator_page.goto(reverse("admin:sources_instruction_change", args=[one.pk]))
        words = curator_page.locator(".words").first
        shown = (words.text_content() or "").replace(" e-mail address", "")
        assert shown == one.turns[0]["text"]
        assert curator_page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert dialogs == []


def test_it_reports_by_keyboard_alone(curator_page: Page, letters: Source) -> None:
    page = curator_page
    page.goto(LIST)
    first = Instruction.objects.order_by("pk")[0]
    page.get_by_role("checkbox", name=f"Select instruction {first.public_id[:12]}").focus()
    page.keyboard.press("Space")
    page.get_by_label("Action:").focus()
    page.keyboard.type("Report")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Report 1 instruction as illegal")).to_be_visible()
    check(page, "report")
    page.get_by_label("What is wrong with it?").focus()
    page.keyboard.type("It is.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 instruction is reported and hidden from everybody")).to_be_visible()
    first.refresh_from_db()
    assert first.state == InstructionState.QUARANTINED
