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
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config import env
from config.servers import ALL, STOP_LIMIT, Server, complaint, directory, sockets

__all__ = ["database_url", "demo_password", "directory", "join", "redis_url", "running", "secret_key"]

# Seconds. Recovery after a crash may replay a lot; what is silent for longer than PATIENCE is stopped and started anew.
PATIENCE, START_LIMIT = 2.0, 120.0


def database_url() -> str:
    """The address of the embedded database; starts nothing."""
    return f"postgresql://oig@/oig?host={sockets()}"


def redis_url() -> str:
    """The address of the embedded Valkey's database 0; starts nothing."""
    return f"unix://{sockets()}/valkey.sock?db=0"


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
        raise ImproperlyConfigured(f"{server.name} did not start: {complaint(said)} ({log})")


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
    if _is_private(sockets()):
        shutil.rmtree(sockets(), ignore_errors=True)


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


def _make_sockets() -> None:
    folder = sockets()
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
