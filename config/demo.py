"""`make demo`: the whole system on this machine, until Ctrl-C.

Prepares the database and the sample, then runs the web server, the Celery worker and beat as children, each in a
session of its own, and restarts one that dies. `demo.lock` is held by the one demo of a folder, `demo.children` by all
its children: what a demo that was killed has left behind is ended by the next one before it starts.
"""

import ctypes
import fcntl
import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connections
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from config import env, local

ROOT = Path(__file__).resolve().parent.parent
# A child that dies this often, each time within CALM seconds of its start, will not do better the next time.
TRIES, CALM = 4, 60.0
READY_LIMIT, STOP_LIMIT = 60.0, 20.0

console = Console(highlight=False)


class Stopped(BaseException):
    """Somebody asked the demo to end: Ctrl-C, SIGTERM, or a closed terminal."""


class Failed(Exception):
    """The demo cannot go on; the message says why, and where to look."""


@dataclass
class Child:
    """One process of the system, and its log."""

    name: str
    command: list[str]
    fds: tuple[int, ...]
    log: Path = field(init=False)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    tries: int = 0

    def __post_init__(self) -> None:
        self.log = local.directory() / "log" / f"{self.name}.log"
        self.log.write_bytes(b"")

    def start(self) -> None:
        self.tries += 1
        self.started = time.monotonic()
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=self.fds,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 (this process has one thread)
            )

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join(f"    {line}" for line in lines)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def main() -> int:
    """Run the demo until it is stopped; returns the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        with _only_demo(), local.running():
            _run()
    except Stopped:
        console.print("Stopped. `make demo` goes on with the same data.")
    except (Failed, ImproperlyConfigured, CommandError) as error:
        console.print(f"The demo ended: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    return 0


def _run() -> None:
    with _children_lock() as lock, _listener() as listener:
        sign_ins = _prepare()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        children = _children(listener.fileno(), lock)
        try:
            _step("Starting web server, worker and beat", lambda: _start(children, address))
            console.print(_box(address, sign_ins))
            _watch(children)
        finally:
            _stop_children(children)


def _prepare() -> str:
    """Bring database, label sets, files and sample up to date; returns the sign-ins to show."""
    django.setup()
    _step("Preparing the database", lambda: call_command("migrate", verbosity=0))
    _step("Loading the label sets", lambda: call_command("load_label_sets", stdout=io.StringIO()))
    _step("Collecting static files", lambda: call_command("collectstatic", verbosity=0, interactive=False))
    # What this command says on stdout are the sign-ins; its progress goes to stderr.
    sign_ins = io.StringIO()
    password = local.demo_password()
    _step("Loading the sample", lambda: call_command("load_demo", password=password, stdout=sign_ins), spinner=False)
    connections.close_all()
    return sign_ins.getvalue().strip()


def _children(listener: int, lock: int) -> list[Child]:
    celery = [sys.executable, "-m", "celery", "-A", "config"]
    serve = [sys.executable, "-m", "gunicorn", "--config", "python:config.gunicorn", "--bind", f"fd://{listener}"]
    return [
        Child("web", serve, (listener, lock)),
        Child("worker", [*celery, "worker", "--loglevel", "INFO", "--concurrency", "2"], (lock,)),
        Child("beat", [*celery, "beat", "--loglevel", "INFO"], (lock,)),
    ]


def _start(children: list[Child], address: str) -> None:
    web, *background = children
    _launch(web, children)
    deadline = time.monotonic() + READY_LIMIT
    while not _healthy(address):
        _revive(children)
        if time.monotonic() > deadline:
            raise Failed(f"{address}/healthz does not answer; its log {web.log} ends with:\n{web.last_words()}")
        time.sleep(0.1)
    # Only now: all at once they would be twice as long in showing the first page.
    for child in background:
        _launch(child, children)


def _launch(child: Child, children: list[Child]) -> None:
    child.start()
    started = (each.process.pid for each in children if each.process)
    draft = _groups_file().with_suffix(".new")
    draft.write_text(" ".join(map(str, started)))
    draft.replace(_groups_file())


def _healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:  # noqa: S310 (our own address)
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _watch(children: list[Child]) -> NoReturn:
    while True:
        time.sleep(0.5)
        _revive(children)


def _revive(children: list[Child]) -> None:
    for child in children:
        if child.process is None or child.process.poll() is None:
            if time.monotonic() - child.started > CALM:
                child.tries = 0
            continue
        ending = f"The {child.name} process ended with {child.process.returncode}. Its last words in {child.log}:"
        if child.tries >= TRIES:
            raise Failed(f"{ending}\n{child.last_words()}\nIt was started {child.tries} times.")
        console.print(f"{ending}\n{child.last_words()}\nStarting it again.", markup=False, soft_wrap=True)
        _launch(child, children)


def _stop_children(children: list[Child]) -> None:
    # The work in hand of a worker may take longest; nothing new reaches it by then.
    web, worker, beat = children
    for child in (beat, web, worker):
        with console.status(f"Stopping {child.name}"):
            child.stop()


def _box(address: str, sign_ins: str) -> Panel:
    closing = f"Data and logs: {local.directory()}\nCtrl-C stops everything; `make demo` goes on with the same data."
    shown = Text.assemble((address, "bold"), f"\n\n{sign_ins}\n\n", (closing, "dim"))
    return Panel(shown, title="OIG Safety is running", expand=False, padding=(1, 3))


def _step(title: str, do: Callable[[], object], *, spinner: bool = True) -> None:
    began = time.monotonic()
    if spinner and console.is_terminal:
        with console.status(title):
            do()
    else:
        console.print(f"{title} ...")
        do()
    console.print(f"[green]done[/green] {title} ({time.monotonic() - began:.1f} s)")


def _listener() -> socket.socket:
    """A socket on OIG_PORT or the first free port after it; it outlives a web server that dies."""
    first = env.integer("OIG_PORT", 8000, minimum=1, maximum=65_535)
    for port in range(first, min(first + 50, 65_536)):
        with suppress(OSError):
            return socket.create_server(("127.0.0.1", port))
    raise Failed(f"no free port from {first} on: set OIG_PORT to another")


@contextmanager
def _only_demo() -> Iterator[None]:
    folder = local.directory()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log").mkdir(exist_ok=True)
    lock = os.open(folder / "demo.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _taken(lock):
            raise Failed(f"a demo already runs in {folder}: stop it, or set OIG_LOCAL_DIR to another folder")
        yield
    finally:
        os.close(lock)


@contextmanager
def _children_lock() -> Iterator[int]:
    """A lock that every child inherits, once all children of a demo that was killed have ended."""
    lock = os.open(local.directory() / "demo.children", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _end_leftovers(lock)
        yield lock
    finally:
        os.close(lock)


def _end_leftovers(lock: int) -> None:
    for number, limit in ((signal.SIGTERM, STOP_LIMIT), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + limit
        if _taken(lock):
            return
        # While the lock is held these are living processes, not numbers given to others since.
        for group in _groups_file().read_text().split():
            with suppress(ProcessLookupError):
                os.killpg(int(group), number)
        while not _taken(lock) and time.monotonic() < deadline:
            time.sleep(0.1)
    if not _taken(lock):
        raise Failed(f"processes of an earlier demo do not end; {_groups_file()} has their process groups")


def _groups_file() -> Path:
    """Where the process groups of the children are noted: web, worker, beat."""
    return local.directory() / "demo.groups"


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _end_with_parent() -> None:
    """Linux tells the child when this process dies, however it dies; elsewhere the next demo ends it."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _stop(number: int, _: FrameType | None) -> None:
    # A second Ctrl-C does not interrupt the orderly end.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
