import os
import re
import signal
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

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

    def group(self, place: int) -> int:
        """The process group of the child at this place: web, worker, beat."""
        return int((self.home / "local" / "demo.children").read_text().split()[place])

    def interrupt(self) -> int:
        os.kill(self.pid, signal.SIGINT)
        return self.wait()


def test_it_starts_the_whole_system_and_ctrl_c_leaves_no_process(home: Path, environment: dict[str, str]) -> None:
    demo = Demo(home, environment)
    assert demo.get("/healthz") == 200
    assert demo.get("/") == 200
    wait_until(lambda: " ready." in demo.say("worker") and "beat: Starting" in demo.say("beat"), lambda: demo.output)
    assert "volunteer" in demo.output
    assert "admin" in demo.output
    assert demo.interrupt() == 0
    assert "Stopped. `make demo` goes on with the same data." in demo.output
    assert processes(home) == []


def test_it_goes_on_after_everything_was_killed(home: Path, environment: dict[str, str]) -> None:
    first = Demo(home, environment)
    kill_all(home)
    assert first.wait() == -signal.SIGKILL
    second = Demo(home, environment)
    assert second.get("/") == 200
    assert second.interrupt() == 0
    assert processes(home) == []


def test_it_restarts_a_child_that_dies_and_says_so(home: Path, environment: dict[str, str]) -> None:
    demo = Demo(home, environment)
    os.killpg(demo.group(0), signal.SIGKILL)
    demo.wait_for("Starting it again.")
    assert "The web process ended with -9. Its last words in" in demo.output
    assert demo.get("/healthz") == 200
    assert demo.interrupt() == 0


def test_it_gives_up_on_a_child_that_keeps_dying(home: Path, environment: dict[str, str]) -> None:
    demo = Demo(home, environment)
    killed: set[int] = set()
    while "It was started" not in demo.output:
        # The demo notes a child's group before it looks at any child again.
        wait_until(lambda: demo.group(2) not in killed or "It was started" in demo.output, lambda: demo.output)
        with suppress(ProcessLookupError):
            os.killpg(demo.group(2), signal.SIGKILL)
        killed.add(demo.group(2))
    assert demo.wait() == 1
    assert "It was started 4 times." in demo.output
    assert len(killed) == 4
    assert processes(home) == []


def test_its_children_end_when_it_is_killed(home: Path, environment: dict[str, str]) -> None:
    demo = Demo(home, environment)
    os.kill(demo.pid, signal.SIGKILL)
    demo.wait()
    wait_until(lambda: processes(home) == [], lambda: f"still running: {processes(home)}")


def test_it_refuses_to_run_twice_in_one_folder(home: Path, environment: dict[str, str]) -> None:
    demo = Demo(home, environment)
    second = Process([sys.executable, "-m", "config.demo"], home / "second.log", environment)
    assert second.wait() == 1
    message = f"The demo ended: a demo already runs in {home}/local: stop it, or set OIG_LOCAL_DIR to another folder\n"
    assert second.output == message
    assert demo.get("/healthz") == 200
    assert demo.interrupt() == 0
