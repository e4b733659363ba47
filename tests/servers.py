"""The servers of one test session: its own embedded PostgreSQL and Valkey, or those that the environment names.

Several sessions may run in one work tree: each takes the first folder `.local/test-N` that no other holds.
"""

import fcntl
import os
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from config import local
from tests import ROOT

_held: list[int] = []


def choose() -> None:
    """Point this process, and those it starts, to the session's servers and folders; start nothing."""
    os.environ.setdefault("OIG_LOCAL_DURABLE", "0")
    if "OIG_LOCAL_DIR" not in os.environ:
        os.environ["OIG_LOCAL_DIR"] = str(_free_folder())
    for name in ("media", "snapshots", "static"):
        os.environ[f"OIG_{name.removesuffix('s').upper()}_ROOT"] = str(local.directory() / name)
    # WhiteNoise warns where there is no such folder, and warnings are errors.
    (local.directory() / "static").mkdir(parents=True, exist_ok=True)


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
