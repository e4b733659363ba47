"""What the labelling page weighs, and how long it takes from Enter until the next text is painted.

`python -m bench.label_page` starts an embedded database of its own, loads the sample, serves it with gunicorn and
labels in a real browser. Each line: the figure, its limit, and figure / limit; exit code 1 if a limit is exceeded.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from config import local
from tests import ROOT, chromium
from tests.conftest import QUIET
from tests.processes import Web

WARM_UP, ROUNDS = 5, 30
BYTES_LIMIT, REQUESTS_LIMIT, MILLISECONDS_LIMIT = 100_000, 8, 60.0
PASSWORD = "only for this bench"

# From the key event until the frame with the next text is on the screen: the task after its animation frame.
MEASURE = """
() => {
  window.milliseconds = [];
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const watching = new MutationObserver((changes) => {
      const added = changes.flatMap((change) => [...change.addedNodes]);
      if (!added.some((node) => node.id === "text" || node.id === "desk")) return;
      watching.disconnect();
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => milliseconds.push(performance.now() - event.timeStamp);
        port2.postMessage(null);
      });
    });
    watching.observe(document.querySelector("main"), { childList: true, subtree: true });
  }, true);
}
"""


def main() -> int:
    """Measure, print, and return the exit code."""
    program = chromium.installed() or sys.exit(chromium.MISSING)
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*QUIET, *sandbox])
        page = browser.new_page(base_url=url, viewport={"width": 1280, "height": 800})
        sign_in(page)
        received = weigh(page)
        times = label(page)
        browser.close()
    return report(
        ("bytes transferred, cold", sum(received), BYTES_LIMIT),
        ("requests, cold", len(received), REQUESTS_LIMIT),
        (f"ms from Enter to paint, median of {ROUNDS}", statistics.median(times), MILLISECONDS_LIMIT),
        (f"ms from Enter to paint, slowest of {ROUNDS}", max(times), 3 * MILLISECONDS_LIMIT),
    )


@contextmanager
def served() -> Iterator[str]:
    """The address of the sample, served by gunicorn on embedded servers that are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        for variable in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(variable, None)
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "OIG_LOCAL_DIR": str(folder / "local"),
            **{f"OIG_{what}_ROOT": str(folder / what.lower()) for what in ("STATIC", "MEDIA", "SNAPSHOT")},
            "PYTHONUNBUFFERED": "1",
        }
        # The folder is shared by servers that do not run as root.
        folder.chmod(0o755)
        with local.running():
            for command in (["migrate"], ["load_demo", "--password", PASSWORD], ["collectstatic", "--noinput"]):
                subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            web = Web(folder, os.environ, processes=2)
            try:
                yield web.url
            finally:
                web.stop()


def sign_in(page: Page) -> None:
    page.goto("/sign-in/")
    page.get_by_label("Username").fill("volunteer")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/campaigns/")
    page.goto("/consent/")
    page.get_by_role("button", name="I am an adult").click()
    page.wait_for_url("**/campaigns/")


def weigh(page: Page) -> list[int]:
    """Open the page with an empty cache; the bytes of every response, headers included."""
    received: list[int] = []
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.clearBrowserCache")
    network.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    page.goto("/campaigns/sample/label/", wait_until="networkidle")
    network.detach()
    return received


def label(page: Page) -> list[float]:
    """Vote on one text after the other; milliseconds of each submit.

    Whoever reads gives the page time to fetch the next text, so that is waited for.
    """
    page.evaluate(MEASURE)
    for done in range(1, WARM_UP + ROUNDS + 1):
        page.wait_for_function("() => held.length > 0")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        page.wait_for_function("done => milliseconds.length === done", arg=done)
    return [float(time) for time in page.evaluate("milliseconds")[WARM_UP:]]


def report(*figures: tuple[str, float, float]) -> int:
    """Print each figure with its limit and their ratio; 1 if one is beyond its limit, else 0."""
    for what, figure, limit in figures:
        print(f"{what:44} {figure:>10,.0f}   limit {limit:>8,.0f}   {figure / limit:5.2f}")
    return int(any(figure > limit for _, figure, limit in figures))


if __name__ == "__main__":
    sys.exit(main())
