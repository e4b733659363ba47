"""The fixtures notice what they promise to notice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests import ROOT, servers
from tests.processes import Web, Worker, wait_until


def test_a_page_reports_scripts_that_fail_and_what_its_policy_blocks(page: Page, web: Web, faults: list[str]) -> None:
    page.goto("/")
    assert faults == []
    page.evaluate("console.error('said by a script')")
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    page.evaluate("setTimeout(() => { throw new Error('thrown by a script') })")
    page.evaluate("fetch('http://127.0.0.2:9/').catch(() => null)")
    wanted = ("said by a script", "style-src", "thrown by a script", "connect-src")

    def all_noticed() -> bool:
        # Asking the page for anything lets Playwright deliver its events.
        page.evaluate("1")
        return all(any(words in fault for fault in faults) for words in wanted)

    wait_until(all_noticed, lambda: str(faults))
    faults.clear()


def test_a_page_reports_requests_to_other_hosts(page: Page, web: Web, faults: list[str]) -> None:
    other = web.url.replace("127.0.0.1", "localhost")
    page.goto(other + "/healthz")
    assert f"request to another host: {other}/healthz" in faults
    page.wait_for_load_state("networkidle")  # the browser asks for an icon by itself, and logs that there is none
    faults.clear()


@pytest.mark.slow
def test_a_killed_worker_is_gone_with_all_its_processes_and_can_be_restarted(worker: Worker) -> None:
    group = worker.group
    assert len(members(group)) >= 4  # the worker, its two children, beat
    worker.kill_group()
    wait_until(lambda: members(group) == [], lambda: f"still running: {members(group)}")
    worker.restart()
    assert worker.logs.count(" ready.") == 2


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is of Linux")
def test_a_process_ends_with_the_session_that_started_it(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from tests.processes import Process;"
        "started = Process(['sh', '-c', 'echo up; exec sleep 600'], Path(sys.argv[1]), os.environ);"
        "started.wait_for('up'); print(started.pid, flush=True); os._exit(0)"
    )
    said = subprocess.check_output([sys.executable, "-c", code, tmp_path / "log"], cwd=ROOT, text=True)
    wait_until(lambda: members(int(said)) == [], lambda: f"still running: {members(int(said))}")


def test_processes_are_pointed_to_the_test_database(db: None) -> None:
    environment = servers.environment()
    assert "/test_oig" in environment["DATABASE_URL"]
    assert environment["DJANGO_SETTINGS_MODULE"] == "config.settings"


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ("redis://127.0.0.1", "redis://127.0.0.1/1"),
        ("redis://:word@valkey:6379/3", "redis://:word@valkey:6379/4"),
        ("unix:///run/valkey.sock?db=0", "unix:///run/valkey.sock?db=1"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock?db=1"),
    ],
)
def test_a_process_that_shares_the_tests_has_servers_and_folders_of_its_own(
    given: str, own: str, tmp_path: Path
) -> None:
    chosen = {"OIG_LOCAL_DIR": str(tmp_path), "REDIS_URL": given, "PYTEST_XDIST_WORKER": "gw1"}
    names = "OIG_LOCAL_DIR", "OIG_MEDIA_ROOT", "OIG_SNAPSHOT_ROOT", "REDIS_URL"
    code = f"import os; from tests import servers; servers.choose(); print([os.environ[name] for name in {names}])"
    said = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=os.environ | chosen, text=True)
    folder = tmp_path / "gw1"
    assert said == f"{[str(folder), str(folder / 'media'), str(folder / 'snapshots'), own]}\n"


def members(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            pid = int(entry.name)
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if os.getpgid(pid) == group and state != "Z":
                found.append(pid)
        except (ValueError, FileNotFoundError, ProcessLookupError):
            continue
    return found
