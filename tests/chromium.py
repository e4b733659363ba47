"""The browser of the tests: an installed Chromium or Chrome, else the one that Playwright fetched.

`python -m tests.chromium` prints its path, or fails with one line that says how to get one.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
APPLICATIONS = tuple(
    folder / f"Applications/{name}.app/Contents/MacOS/{name}"
    for folder in (Path("/"), Path.home())
    for name in ("Google Chrome", "Chromium")
)
MISSING = "no Chromium or Chrome: `make browser` fetches one (or install your system's package `chromium`)"


def installed() -> Path | None:
    """The program, or None where there is none."""
    on_path = (Path(found) for found in map(shutil.which, NAMES) if found)
    return next((program for program in (*on_path, *APPLICATIONS) if program.exists()), None) or _fetched()


def _fetched() -> Path | None:
    with sync_playwright() as playwright:
        program = Path(playwright.chromium.executable_path)
    return program if program.exists() else None


if __name__ == "__main__":
    sys.stdout.write(f"{installed() or sys.exit(MISSING)}\n")
