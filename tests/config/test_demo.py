import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from config import demo
from tests.processes import Process, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine's folder: the sample is loaded by the first test that runs, as on a first `make demo`."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture
def environment(home: Path) -> Iterator[dict[str, str]]:
    own = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    own |= {"OIG_LOCAL_DIR": str(home / "local"), "OIG_PORT": "18000", "OIG_STATIC_ROOT": str(home / "static")}
    yield own | {"OIG_SNAPSHOT_ROOT": str(home / "snapshots"), "DJANGO_SETTINGS_MODULE": "config.settings"}
    kill_all(home)


def kill_all(home: Path) -> None:
    for pid in processes(home):
        os.kill(pid, signal.SIGKILL)


def processes(home: Path) -> list[int]:
    """Every living process that a demo of this folder has started, the servers too."""
    mark = f"OIG_LOCAL_DIR={home}/local".encode()
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and mark in marks(entry)]


def marks(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


class Demo(Process):
    """A running `make demo`, once it has shown its box."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        log = home / f"demo-{len(list(home.iterdir()))}.log"
        super().__init__([sys.executable, "-m", "config.demo"], log, environment)
        self.home = home
        self.wait_for("OIG Safety is running")
        self.address = re.findall(r"http://127\.0\.0\.1:\d+", self.output)[0]

    def get(self, path: str) -> int:
        with urllib.request.urlopen(self.address + path, timeout=30) as answer:
            return int(answer.status)

    def say(self, name: str) -> str:
        return (self.home / "local" / "log" / f"{name}.log").read_text()

    def wait_for_children(self) -> None:
        """Return once all of its children do their work, and end in order when they are asked to."""
        wait_until(
            lambda: " ready." in self.say("worker") and "beat: Starting" in self.say("beat"), lambda: self.output
        )

    def group(self, place: int) -> int:
        """The process group of the child at this place: web, worker, beat."""
        return int((self.home / "local" / "demo.groups").read_text().split()[place])

    def interrupt(self) -> int:
        os.kill(self.pid, signal.SIGINT)
        return self.wait()


def sign_ins(home: Path) -> str:
    password = (home / "local" / "demo_password").read_text()
    return f"Sign in as  volunteer  or as  admin  with the password  {password} "


def test_it_starts_the_whole_system_and_ctrl_c_leaves_no_process(home: Path, environment: dict[str, str]) -> None:
    running = Demo(home, environment)
    assert running.get("/healthz") == 200
    assert running.get("/") == 200
    running.wait_for_children()
    assert sign_ins(home) in running.output
    assert running.interrupt() == 0
    assert "Stopped. `make demo` goes on with the same data." in running.output
    assert processes(home) == []


def test_it_goes_on_after_everything_was_killed(home: Path, environment: dict[str, str]) -> None:
    first = Demo(home, environment)
    kill_all(home)
    assert first.wait() == -signal.SIGKILL
    second = Demo(home, environment)
    assert sign_ins(home) in second.output
    assert second.get("/") == 200
    assert second.interrupt() == 0
    assert processes(home) == []


def test_it_restarts_a_child_that_dies_and_says_so(home: Path, environment: dict[str, str]) -> None:
    running = Demo(home, environment)
    os.killpg(running.group(0), signal.SIGKILL)
    running.wait_for("Starting it again.")
    assert "The web process ended with -9. Its last words in" in running.output
    assert running.get("/healthz") == 200
    assert running.interrupt() == 0


def test_it_gives_up_on_a_child_that_keeps_dying(home: Path, environment: dict[str, str]) -> None:
    running = Demo(home, environment)
    killed: set[int] = set()
    while "It was started" not in running.output:
        # The demo notes a child's group before it looks at any child again.
        wait_until(lambda: running.group(2) not in killed or "It was started" in running.output, lambda: running.output)
        with suppress(ProcessLookupError):
            os.killpg(running.group(2), signal.SIGKILL)
        killed.add(running.group(2))
    assert running.wait() == 1
    assert "It was started 4 times." in running.output
    assert len(killed) == 4
    assert processes(home) == []


def test_its_children_end_when_it_is_killed(home: Path, environment: dict[str, str]) -> None:
    running = Demo(home, environment)
    running.wait_for_children()
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    wait_until(lambda: processes(home) == [], lambda: f"still running: {processes(home)}", 120)


def test_it_refuses_to_run_twice_in_one_folder(home: Path, environment: dict[str, str]) -> None:
    running = Demo(home, environment)
    second = Process([sys.executable, "-m", "config.demo"], home / "second.log", environment)
    assert second.wait() == 1
    message = f"The demo ended: a demo already runs in {home}/local: stop it, or set OIG_LOCAL_DIR to another folder\n"
    assert second.output == message
    assert running.get("/healthz") == 200
    assert running.interrupt() == 0


def test_it_ends_what_a_killed_demo_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIG_LOCAL_DIR", str(tmp_path))
    with demo._children_lock() as lock:
        left = subprocess.Popen(["sleep", "600"], start_new_session=True, pass_fds=(lock,))
    (tmp_path / "demo.groups").write_text(str(left.pid))
    with demo._children_lock():
        assert left.wait(30) == -signal.SIGTERM
