"""The servers of one test session: its own embedded PostgreSQL and Valkey, or those that the environment names.

Several sessions may run in one work tree: each takes the first folder `.local/test-N` that no other holds. Where a
session shares its tests out (`pytest -n 2`), each of its workers has servers of its own, in a folder inside that one.
"""

import fcntl
import os
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.color import no_style
from django.db import connection

from config import local
from tests import ROOT

_held: list[int] = []


def choose() -> None:
    """Point this process, and those it starts, to the session's servers and folders; start nothing."""
    os.environ.setdefault("OIG_LOCAL_DURABLE", "0")
    if "OIG_LOCAL_DIR" not in os.environ:
        os.environ["OIG_LOCAL_DIR"] = str(_free_folder())
    _part_from_other_workers()
    for name in ("media", "snapshots", "static"):
        os.environ[f"OIG_{name.removesuffix('s').upper()}_ROOT"] = str(local.directory() / name)
    # WhiteNoise warns where there is no such folder, and warnings are errors.
    (local.directory() / "static").mkdir(parents=True, exist_ok=True)


def _part_from_other_workers() -> None:
    """A worker inherits the choice of the process that shares the tests out, which starts no server and holds the lock.

    Of a PostgreSQL that the environment names each worker has a database, which pytest-django calls by the worker.
    """
    worker = os.environ.pop("PYTEST_XDIST_WORKER", "")  # what a test starts is no worker
    if worker:
        os.environ["OIG_LOCAL_DIR"] = str(Path(os.environ["OIG_LOCAL_DIR"]) / worker)
        if given := os.environ.get("REDIS_URL"):
            os.environ["REDIS_URL"] = _valkey_database(given, int(worker.removeprefix("gw")))


def _valkey_database(address: str, further: int) -> str:
    """The address of the database that is so many further on; Valkey has 16."""
    parts = urlsplit(address)
    if parts.scheme == "unix":
        before, _, number = address.partition("?db=")
        return f"{before}?db={int(number or 0) + further}"
    return parts._replace(path=f"/{int(parts.path.strip('/') or 0) + further}").geturl()


def _free_folder() -> Path:
    for number in count(1):
        folder = ROOT / ".local" / f"test-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "session", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            _held.append(lock)
            return folder
    raise AssertionError("count() never ends")


def allow_loop() -> None:
    """Let a test use the database while a synchronous Playwright runs its loop in the same thread."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


def empty_tables(*, restart_numbers: bool = False) -> None:
    """Empty the test database but for content types and permissions, which come of the code alone.

    With ``restart_numbers`` rows are numbered from 1 again.
    """
    # Models can be imported once Django is set up, which is after the settings have read this module.
    from django.contrib.auth.models import Permission
    from django.contrib.contenttypes.models import ContentType

    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    emptied = sorted(set(tables) - {ContentType._meta.db_table, Permission._meta.db_table})
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), emptied, reset_sequences=restart_numbers))


def environment() -> dict[str, str]:
    """What a process of the project needs to work on the TEST database and this session's Valkey."""
    address = urlsplit(os.environ.get("DATABASE_URL") or local.database_url())
    name = str(connection.settings_dict["NAME"])
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": address._replace(path=f"/{name}").geturl(),
        "REDIS_URL": settings.REDIS_URL,
        "OIG_SECRET_KEY": settings.SECRET_KEY,
        "PYTHONUNBUFFERED": "1",
    }
