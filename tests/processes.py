"""Processes of the project that a test starts, and ends for certain."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from tests import ROOT

# Seconds; only a broken build meets it.
START_LIMIT = 60.0
# A worker imports much before it is ready; measurements start several at once.
WORKER_LIMIT = 180.0


def wait_until(condition: Callable[[], bool], describe: Callable[[], str], limit: float = START_LIMIT) -> None:
    """Return once `condition()` holds; after `limit` seconds fail with `describe()`."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(describe())
        time.sleep(0.05)


def _until_parent_ends() -> list[str]:
    """The prefix that ends a command with the session that started it: a killed session tears nothing down."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


class Process:
    """One command in a process group of its own (or in `group`), its output in a file."""

    def __init__(
        self,
        command: list[str],
        log: Path,
        environment: Mapping[str, str],
        *,
        group: int = 0,
        pass_fds: tuple[int, ...] = (),
        cwd: Path = ROOT,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                [*_until_parent_ends(), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                process_group=group,
                pass_fds=pass_fds,
                cwd=cwd,
            )
        self.pid = self._child.pid
        self.command = command

    @property
    def output(self) -> str:
        """All that it has written so far."""
        return self.log.read_text(errors="replace")

    def wait_for(self, words: str) -> None:
        """Return once it has written `words`."""
        wait_until(lambda: words in self.output or self._child.poll() is not None, self._last_words)
        if words not in self.output:
            raise RuntimeError(self._last_words())

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to every process of its group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self) -> int:
        """Ask it to end, wait, and return its exit code."""
        self._child.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended and return its exit code."""
        try:
            return self._child.wait(START_LIMIT)
        except subprocess.TimeoutExpired:
            self.kill_group()
            raise

    def kill_group(self) -> None:
        """SIGKILL to the whole group, then wait for the child."""
        self.signal_group(signal.SIGKILL)
        self._child.kill()
        self._child.wait(START_LIMIT)

    def _last_words(self) -> str:
        return (
            f"{' '.join(self.command)} ended with {self._child.returncode} or hangs; it wrote:\n{self.output[-4000:]}"
        )


class Worker:
    """A Celery worker and beat under the shipped settings, in one process group."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, processes: int = 2) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._processes = processes
        self._lives = 0
        self._start()

    def _start(self) -> None:
        celery = [sys.executable, "-m", "celery", "-A", "config"]
        # The same log for every life: what a worker said before it was killed is part of the story.
        self._worker = Process(
            [*celery, "worker", "--loglevel", "INFO", "--concurrency", str(self._processes)],
            self._folder / "worker.log",
            self._environment,
        )
        self._beat = Process(
            [*celery, "beat", "--loglevel", "INFO", "--schedule", str(self._folder / "schedule")],
            self._folder / "beat.log",
            self._environment,
            group=self._worker.pid,
        )
        self._lives += 1
        try:
            wait_until(lambda: self._worker.output.count(" ready.") >= self._lives, lambda: self.logs, WORKER_LIMIT)
            self._beat.wait_for("beat: Starting")
        except BaseException:
            self.kill_group()
            raise

    @property
    def group(self) -> int:
        """The number of their process group."""
        return self._worker.pid

    @property
    def logs(self) -> str:
        """What the worker and beat have written, over all their lives."""
        return f"{self._worker.output}\n--- beat ---\n{self._beat.output}"

    def kill_group(self) -> None:
        """SIGKILL to the worker, its children and beat at once."""
        self._worker.kill_group()
        self._beat.kill_group()

    def restart(self, **environment: str) -> None:
        """Start a worker and beat again, as an operator would after a crash."""
        self._environment |= environment
        self._start()

    def stop(self) -> None:
        """End both in order."""
        self._beat.stop()
        self._worker.stop()


class Web:
    """gunicorn with several web processes on a free port of the loopback interface."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        processes: int,
        config: str = "config.gunicorn",
        access_log: bool = True,
    ) -> None:
        # The listening socket is handed over, so that nobody can take the port in between.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            serve = [
                "--config",
                f"python:{config}",
                "--bind",
                f"fd://{listener.fileno()}",
                *(["--access-logfile", "-"] if access_log else []),
            ]
            self._process = Process(
                [sys.executable, "-m", "gunicorn", *serve],
                folder / "web.log",
                {**environment, "OIG_WEB_PROCESSES": str(processes)},
                pass_fds=(listener.fileno(),),
            )
            self._processes = processes
            self.pid = self._process.pid
            wait_until(lambda: self._process.output.count("Booting worker") >= processes, lambda: self.logs)

    @property
    def logs(self) -> str:
        """What gunicorn and the application have written."""
        return self._process.output

    def stop(self) -> None:
        """End it in order."""
        self._process.stop()
