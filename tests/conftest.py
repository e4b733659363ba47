"""Fixtures for tests on real servers, real processes and a real browser."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from config import env, local
from tests import ROOT, SHARED_DATA, chromium, servers
from tests.processes import Web, Worker, wait_until

# How long an example takes depends on what else the machine does: other tests, where they are shared out.
# Properties are tried on fewer examples than in their long form.
EXAMPLES = 500 if env.flag("OIG_LONG_TESTS", default=False) else 40
hypothesis.settings.register_profile("patient", parent=hypothesis.settings(), deadline=None, max_examples=EXAMPLES)
hypothesis.settings.load_profile("patient")

# Without these Chromium talks to its maker's hosts on every start.
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`Content-Security-Policy: ${event.violatedDirective} blocked ${event.blockedURI} ${event.sample}`);
});
"""


@pytest.fixture(autouse=True)
def csv_limit() -> Iterator[None]:
    """The reader of CSV sets a limit that the whole process has, and tests set small ones."""
    before = csv.field_size_limit()
    yield
    csv.field_size_limit(before)


@pytest.fixture(scope="session")
def embedded_servers() -> Iterator[None]:
    """The session's PostgreSQL and Valkey answer; the last session to end stops them."""
    with local.running():
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(embedded_servers: None, django_db_modify_db_settings_parallel_suffix: None) -> None:
    """pytest-django calls this before it makes the test database: tests without a database start no server."""


@pytest.fixture(autouse=True, scope="session")
def lasting_content_types() -> Iterator[None]:
    """What empties the tables after a test leaves content types and permissions, which come of the code alone.

    Making them anew took longer than many a test, and web processes remember their numbers.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TransactionTestCase, "_fixture_teardown", lambda _: servers.empty_tables())
        yield


@pytest.fixture
def valkey(embedded_servers: None) -> Iterator[redis.Redis]:
    """The session's Valkey database, emptied: queues and caches of earlier tests are gone."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield client


@pytest.fixture(autouse=True)
def empty_folders() -> None:
    """No test meets the uploads and snapshots of another."""
    for folder in (settings.MEDIA_ROOT, settings.SNAPSHOT_ROOT):
        shutil.rmtree(folder, ignore_errors=True)
    settings.FILE_UPLOAD_TEMP_DIR.mkdir(parents=True)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Every test starts in English: a page that was asked for leaves its language behind in the thread."""
    with translation.override(settings.LANGUAGE_CODE):
        yield


@pytest.fixture(autouse=True)
def known_labels() -> None:
    """A frozen label set is remembered by its number, which another test's set may have had before."""
    # Models can be imported once Django is set up, which is after this module was read.
    from labels import loading

    loading._frozen_labels_of.cache_clear()


@pytest.fixture
def shared_data() -> Path:
    """The folder of real public data; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no public data beside the repository ({SHARED_DATA})")
    return SHARED_DATA


@pytest.fixture
def worker(transactional_db: None, valkey: redis.Redis, tmp_path: Path) -> Iterator[Worker]:
    """A real Celery worker and beat on the test database, in one process group of their own."""
    running = Worker(tmp_path, servers.environment())
    yield running
    running.stop()


@pytest.fixture(scope="session")
def web_processes(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """gunicorn with three web processes on the test database; use `web`, which isolates the tests."""
    environment = servers.environment()
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--clear"]
    subprocess.run(collect, cwd=ROOT, env=environment, check=True, capture_output=True)
    running = Web(tmp_path_factory.mktemp("web"), environment, processes=3)
    yield running
    running.stop()


@pytest.fixture
def web(web_processes: Web, transactional_db: None, valkey: redis.Redis) -> Iterator[Web]:
    """Several web processes that see what the test commits: `web.url`, `web.logs`."""
    yield web_processes
    # Pages fetch ahead: a request that is still being answered would deadlock with the emptying of the tables.
    wait_until(_is_quiet, lambda: "the web processes do not come to rest")


def _is_quiet() -> bool:
    """Whether nobody else has asked the database anything for a moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
            " AND (state <> 'idle' OR state_change > clock_timestamp() - interval '0.1 seconds')"
        )
        return cursor.fetchone()[0] == 0  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium or Chrome; without one the test is skipped, and fails where CI is set."""
    program = chromium.installed()
    if program is None:
        (pytest.fail if env.flag("CI") else pytest.skip)(chromium.MISSING)
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=[*QUIET, *sandbox])
        yield running
        running.close()


@pytest.fixture
def faults() -> list[str]:
    """What went wrong in the pages of this test; a test that provokes a fault on purpose clears the list."""
    return []


@pytest.fixture
def context(browser: Browser, web: Web, faults: list[str]) -> Iterator[BrowserContext]:
    """A visitor with cookies of their own.

    The test fails for an error on the console or in a script, for a violation of the Content-Security-Policy, and for a
    request to any host but the test's own.
    """
    visitor = browser.new_context(base_url=web.url)
    visitor.add_init_script(REPORT_VIOLATIONS)
    visitor.on("console", lambda message: _note_console(message, faults))
    visitor.on("weberror", lambda error: faults.append(f"script error: {error.error}"))
    visitor.on("request", lambda request: _note_foreign(request, web.url, faults))
    yield visitor
    visitor.close()
    assert faults == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page of `context`; paths such as `page.goto("/")` are taken from the test's web processes."""
    return context.new_page()


def _note_console(message: ConsoleMessage, faults: list[str]) -> None:
    if message.type == "error":
        faults.append(f"console: {message.text} ({message.location['url']})")


def _note_foreign(request: Request, own: str, faults: list[str]) -> None:
    if urlsplit(request.url).scheme not in ("data", "blob") and not request.url.startswith(own + "/"):
        faults.append(f"request to another host: {request.url}")
