"""What commands that read a release say where the disk or the database fails: one line, that tells what to do."""

from __future__ import annotations

import errno
import os
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import InterfaceError, OperationalError

from annotate.models import Campaign
from exports import writers
from exports.models import Comparison, Snapshot
from tests.exports import worlds
from tests.exports.folders import file_of

pytestmark = pytest.mark.django_db(transaction=True)

READING = ["verify_snapshot 0.3", "diff_snapshots 0.2 0.3", "push_snapshot 0.3 --folder"]


@pytest.fixture
def snapshot(kindness: Campaign) -> Snapshot:
    worlds.published("0.2", kindness)
    later = worlds.published("0.3", kindness)
    Comparison.objects.all().delete()
    return later


def said_by(command: str, folder: Path) -> str:
    where = [str(folder)] if command.endswith("--folder") else []
    with pytest.raises(CommandError) as refused:
        call_command(*command.split(), *where, stdout=StringIO(), stderr=StringIO())
    return str(refused.value)


@pytest.mark.parametrize("command", READING)
def test_it_names_the_file_that_cannot_be_read(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    lines, real = snapshot.path / file_of(snapshot), writers.fingerprint

    def fingerprint(path: Path) -> dict[str, object]:
        if path == lines:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path)

    monkeypatch.setattr(writers, "fingerprint", fingerprint)
    assert said_by(command, tmp_path) == (f"{lines}: Input/output error; make it readable, or restore it from a backup")


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize(
    "error", [OperationalError, InterfaceError, psycopg.OperationalError, psycopg.errors.AdminShutdown]
)
def test_it_says_that_the_database_went_away(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, error: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise error("the connection is lost\nand more of it")

    monkeypatch.setattr(writers, "fingerprint", fail)
    assert said_by(command, tmp_path) == ("The database went away (the connection is lost); when it answers, try again")
