"""The screenshots of the README and of docs/, taken from a running demo: `python -m docs.take_screenshots http://127.0.0.1:8000`.

Skips, as the volunteer, to a text that may stand in a README; what it holds is given back when it signs out.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile

from playwright.sync_api import Browser, Page, StorageState, sync_playwright

from config import local
from labels import taxonomy
from tests import chromium
from tests.conftest import QUIET

FOLDER = Path(__file__).parent / "screenshots"
MOST_BYTES = 200_000
DESKTOP, PHONE = (1280, 800), (390, 844)
LABEL, GUIDELINES, RELEASE = "/campaigns/sample/label/", "/campaigns/sample/guidelines/", "/releases/0.1/"
NEXT_VERSION, SINCE = "0.2", "/releases/0.2/since/0.1/"
CHANGES, PREFERENCES, PROGRESS = f"{GUIDELINES}changes/", "/preferences/", "/progress/"
SOURCE = "/admin/sources/source/1/change/"
IMPORT, IMPORTS, WORKERS = (f"/admin/sources/importrun/{page}" for page in ("add/", "", "workers/"))
MILD = "I sold a bike online to a woman called Fenna"
LIST = f"/admin/sources/instruction/?q=%22{MILD}%22"
MOST_SKIPS, ANSWERS = 100, 50
CAMPAIGN = "/admin/annotate/campaign/1/"
ADOPTING, MEASURES = f"{CAMPAIGN}guidelines/", f"{CAMPAIGN}measures/"
POLICY = "minimum=2&cap=5&target=0.9"
# A change of the guidelines as a curator might make it.
REWORDED = {
    "a helpful answer can be given without a second thought.": "a helpful answer can be given at once.",
    "opinions on taste, and nonsense.": "opinions on taste, sarcasm, and nonsense.",
    "When in doubt between casual and this one,\nthink of the answer:": "In doubt, think of the answer:",
}

type Prepare = Callable[[Page], None]


def main(address: str) -> None:
    """Take every screenshot; raises RuntimeError for one that is too large to load quickly."""
    program = chromium.installed() or sys.exit(chromium.MISSING)
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*QUIET, *sandbox])
        _take(browser, address, "release", RELEASE)
        _take(browser, address, "release-tables", RELEASE, prepare=_scroll_to_tables)
        volunteer = _signed_in(browser, address, "volunteer")
        _skip_to_mild(browser, address, volunteer)
        _take(browser, address, "label", LABEL, state=volunteer, prepare=_choose)
        _take(browser, address, "label-dark", LABEL, is_dark=True, state=volunteer, prepare=_choose)
        _take(browser, address, "label-phone", LABEL, size=PHONE, state=volunteer, prepare=_choose)
        _take(browser, address, "label-phone-dark", LABEL, size=PHONE, is_dark=True, state=volunteer, prepare=_choose)
        _take(browser, address, "guidelines", GUIDELINES, state=volunteer)
        _take(browser, address, "preferences", PREFERENCES, state=volunteer, prepare=_scroll_to_topics)
        _answer(browser, address, volunteer)
        _take(browser, address, "progress", PROGRESS, state=volunteer)
        _publish(NEXT_VERSION)
        _take(browser, address, "release-changes", SINCE)
        _take(browser, address, "release-changes-phone-dark", SINCE, size=PHONE, is_dark=True)
        _adopt_newer(browser, address, _signed_in(browser, address, "admin"))
        _take(browser, address, "guideline-changes", CHANGES, state=volunteer)
        _sign_out(browser, address, volunteer)
        curator = _signed_in(browser, address, "admin")
        _take(browser, address, "import-form", IMPORT, state=curator, prepare=_choose_format)
        _take(browser, address, "import-done", IMPORTS, state=curator, prepare=_open_first)
        _take(browser, address, "workers", WORKERS, state=curator)
        _take(browser, address, "curation-source", SOURCE, state=curator)
        _take(browser, address, "curation-list", LIST, is_dark=True, state=curator)
        _take(browser, address, "curation-instruction", LIST, state=curator, prepare=_open_first)
        _take_measures(browser, address, curator)
        browser.close()


def _take_measures(browser: Browser, address: str, curator: StorageState) -> None:
    """The pages that tell how far the annotators of the sample's campaign agree."""
    _take(browser, address, "measures", MEASURES, state=curator)
    _take(browser, address, "measures-dark", MEASURES, is_dark=True, state=curator, prepare=_scroll_to_over_time)
    _take(browser, address, "measures-phone", MEASURES, size=PHONE, state=curator)
    _take(browser, address, "disputed", f"{MEASURES}disputed/", state=curator)
    _take(browser, address, "methods", f"{CAMPAIGN}methods/", state=curator)
    _take(browser, address, "overlap", f"{CAMPAIGN}overlap/?{POLICY}", state=curator)
    _take(browser, address, "quality", f"{CAMPAIGN}quality/", state=curator)
    _take(browser, address, "annotator", "/admin/annotate/annotator/1/quality/?campaign=sample", state=curator)
    _take(browser, address, "pair", f"{CAMPAIGN}quality/pair/?one=1&other=2", state=curator)


def _take(
    browser: Browser,
    address: str,
    name: str,
    path: str,
    *,
    size: tuple[int, int] = DESKTOP,
    is_dark: bool = False,
    state: StorageState | None = None,
    prepare: Prepare | None = None,
) -> None:
    page = browser.new_page(
        base_url=address,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if is_dark else "light",
        is_mobile=size == PHONE,
        has_touch=size == PHONE,
        storage_state=state,
    )
    page.goto(path, wait_until="networkidle")
    if prepare:
        prepare(page)
    file = FOLDER / f"{name}.png"
    page.screenshot(path=file, animations="disabled", caret="hide")
    page.close()
    size_in_bytes = file.stat().st_size
    if size_in_bytes > MOST_BYTES:
        raise RuntimeError(f"{file}: has {size_in_bytes:,} bytes, more than {MOST_BYTES:,}: show less of the page")


def _signed_in(browser: Browser, address: str, username: str) -> StorageState:
    page = browser.new_page(base_url=address)
    page.goto("/sign-in/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(local.demo_password())
    page.keyboard.press("Enter")
    page.wait_for_url("**/campaigns/")
    page.goto("/consent/")
    if (agree := page.get_by_role("button", name="I am an adult")).count():
        agree.click()
        page.wait_for_url("**/campaigns/")
    state = page.context.storage_state()
    page.close()
    return state


def _skip_to_mild(browser: Browser, address: str, state: StorageState) -> None:
    page = browser.new_page(base_url=address, storage_state=state)
    page.goto(LABEL)
    for _ in range(MOST_SKIPS):
        if MILD in (page.locator("#text").text_content() or ""):
            page.close()
            return
        before = page.locator("#desk").element_handle()
        page.keyboard.press("Escape")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        page.wait_for_function("before => !before.isConnected", arg=before)
    raise RuntimeError(f"no text begins with {MILD!r}: run this against a demo in a new OIG_LOCAL_DIR")


def _answer(browser: Browser, address: str, state: StorageState) -> None:
    """Vote, so that there is progress to show."""
    page = browser.new_page(base_url=address, storage_state=state)
    page.goto(LABEL)
    for _ in range(ANSWERS):
        before = page.locator("#answer [name=assignment]").input_value()
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        page.wait_for_function("it => document.querySelector('#answer [name=assignment]')?.value !== it", arg=before)
    page.wait_for_load_state("networkidle")
    page.close()


def _publish(version: str) -> None:
    """Publish the sample's campaign with the votes of now."""
    command = [sys.executable, "manage.py", "export_safety", "--version", version, "--campaign", "sample"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _adopt_newer(browser: Browser, address: str, state: StorageState) -> None:
    """Have the sample's campaign adopt another wording of its guidelines."""
    words = taxonomy.SHIPPED.joinpath("oig-safety.toml").read_text()
    revision = taxonomy.read(taxonomy.SHIPPED / "oig-safety.toml").revision
    words = words.replace(f"\nrevision = {revision}\n", f"\nrevision = {revision + 1}\n")
    for old, new in REWORDED.items():
        if old not in words:
            raise RuntimeError(f"the guidelines no longer say {old!r}: change REWORDED")
        words = words.replace(old, new)
    with NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(words)
        file.flush()
        subprocess.run([sys.executable, "manage.py", "load_label_sets", file.name], check=True)
    page = browser.new_page(base_url=address, storage_state=state)
    page.goto(ADOPTING)
    page.get_by_role("button", name=f"Adopt revision {revision + 1}").click()
    page.wait_for_load_state("networkidle")
    page.close()


def _choose(page: Page) -> None:
    """An answer in the making, so that the page shows what a choice looks like."""
    page.locator("label[for=choice-needs-caution]").click()
    page.locator("label[for=yes-personal-information-related]").click()
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")


def _choose_format(page: Page) -> None:
    page.get_by_label("Format").select_option("convabuse")
    page.wait_for_load_state("networkidle")


def _open_first(page: Page) -> None:
    page.locator("#result_list tbody th a, #result_list .field-text a").first.click()
    page.wait_for_load_state("networkidle")


def _scroll_to_over_time(page: Page) -> None:
    page.locator("#agreement").evaluate("part => part.scrollIntoView()")
    page.wait_for_load_state("networkidle")


def _scroll_to_topics(page: Page) -> None:
    """What does not fit is languages."""
    page.locator("fieldset").nth(1).evaluate("part => part.scrollIntoView()")


def _scroll_to_tables(page: Page) -> None:
    page.evaluate("document.getElementById('table-1').scrollIntoView()")


def _sign_out(browser: Browser, address: str, state: StorageState) -> None:
    page = browser.new_page(base_url=address, storage_state=state)
    page.goto("/campaigns/")
    page.get_by_role("button", name="You", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{address}/")
    page.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
