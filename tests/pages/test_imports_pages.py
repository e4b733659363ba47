"""The pages about imports in a browser: accessible, narrow, by keyboard, and alive."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from annotate.models import Annotator
from sources import imports
from sources.models import ImportRun, Source
from tests.pages.conftest import SignIn
from tests.pages.test_every_page import check
from tests.processes import Web
from tests.sources.worlds import imported, jsonl

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = "/admin/sources/importrun/"


@pytest.fixture
def curator_page(web: Web, context: BrowserContext, sign_in: SignIn) -> Page:
    """A page of a curator who may do everything."""
    sign_in(context, Annotator.objects.create_superuser("grace"))
    return context.new_page()


@pytest.fixture
def run(web: Web, tmp_path: Path) -> ImportRun:
    """An import with a row that was rejected."""
    source = Source.objects.create(name="invented", license="MIT")
    return imported(source, jsonl(tmp_path / "a.jsonl", ["a", "b", "", "c" * 300]))


def test_they_serve_curators(curator_page: Page, run: ImportRun) -> None:
    for address in ("add/?format=columns", "augment/?augmenter=typos", "workers/?ask", f"{run.pk}/change/"):
        curator_page.goto(PAGES + address, wait_until="networkidle")
        check(curator_page, address)


def test_they_are_used_by_keyboard(curator_page: Page, run: ImportRun) -> None:
    page = curator_page
    page.goto(PAGES + "augment/")
    page.locator("#id_augmenter").focus()
    page.keyboard.type("typos")
    page.keyboard.press("Tab")
    expect(page.locator("#about")).to_contain_text("kept as suggestion")
    page.locator("#id_source").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_label("Name of the new source").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#progress")).to_contain_text("No worker is running: jobs wait")
    cancel = page.get_by_role("button", name="Cancel")
    cancel.focus()
    # The progress is replaced every second; the button that has the focus is not.
    page.locator("#progress").evaluate("part => { part.dataset.old = 'yes' }")
    expect(page.locator("#progress")).not_to_have_attribute("data-old", "yes")
    expect(cancel).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#progress")).to_contain_text("Cancelled")
    page.get_by_role("button", name="Resume").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#progress")).to_contain_text("Waiting for a worker")


def test_the_page_of_an_import_follows_it_to_its_end(curator_page: Page, run: ImportRun, tmp_path: Path) -> None:
    running = imports.start(run.source, "oig", origin=jsonl(tmp_path / "b.jsonl", ["d"]))
    curator_page.goto(running.get_absolute_url())
    expect(curator_page.get_by_role("button", name="Cancel")).to_be_visible()
    imports.work(running)
    expect(curator_page.locator("#progress")).to_contain_text("read 1 = added 1 + known 0 + rejected 0")
    expect(curator_page.get_by_role("button", name="Import again")).to_be_visible()
    expect(curator_page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_the_index_asks_the_workers(curator_page: Page) -> None:
    curator_page.goto("/admin/")
    expect(curator_page.get_by_text("No worker is running: jobs wait")).to_be_visible()
