"""The real command in a process of its own, which stops at a place of the code until it is killed or told to go on."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from django.core.management import call_command

from annotate import known
from annotate.models import Campaign, KnownAnswer
from exports.formats import FORMS
from exports.models import Snapshot
from exports.versions import code_revision
from sources import personal
from sources.models import PersonalFinding, Source
from tests import ROOT, servers
from tests.exports import worlds
from tests.exports.folders import contents

# Every form at once; shards so small that there are several.
FORMED = [*(f"--form={name}" for name in FORMS), "--seed=7", "--shard-bytes=4000", "--mask-personal"]
VERSION = ["export_safety", "--version=0.3"]

# Manifests name it: that of a process started later differs where somebody commits meanwhile.
OF_THIS_CODE = {"OIG_REVISION": code_revision()}

STOPPING = """
import sys
from importlib import import_module

import django
django.setup()
from django.core.management import execute_from_command_line

place, when, *arguments = sys.argv[1:]
module, _, name = place.rpartition(".")
holder = import_module(module)
real = getattr(holder, name)

def stopped(*given, **named):
    setattr(holder, name, real)  # the first time alone
    found = real(*given, **named) if when == "after" else None
    print("here", flush=True)
    sys.stdin.readline()
    return found if when == "after" else real(*given, **named)

setattr(holder, name, stopped)
execute_from_command_line(["manage.py", *arguments])
"""


@contextmanager
def stopped(place: str, *arguments: str, when: str = "before", **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The command with these arguments, standing before (or after) its first call of ``place``; killed at the end."""
    child = subprocess.Popen(
        [sys.executable, "-c", STOPPING, place, when, *arguments],
        cwd=ROOT,
        env={**servers.environment(), **OF_THIS_CODE, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            assert child.stdout is not None
            if child.stdout.readline() != "here\n":
                raise AssertionError(child.communicate()[1])
            yield child
        finally:
            child.kill()


def command(*arguments: str) -> str:
    """What the command says, in this process."""
    out = StringIO()
    call_command(*VERSION, *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def told(arguments: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What a command says in a process of its own."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**OF_THIS_CODE, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def world() -> list[Campaign]:
    """The world that is checked by eye, with a model's columns and personal information in two of its texts."""
    campaigns = worlds.everything()
    Campaign.objects.update(model=Campaign.Model.POOLED)
    for text in ("Write to ada@example.org.", "Or to ben@example.org."):
        said = worlds.agreeing(campaigns[0], Source.objects.get(name="letters"), text).instruction
        for span in personal.spans(said.turns):
            PersonalFinding.objects.create(instruction=said, **span)
    return campaigns


def know(campaign: Campaign) -> None:
    """Gold, on a text that everybody read alike."""
    unit = campaign.units.get(instruction__turns__0__text__startswith="Unanimous")
    known.add(campaign, [known.Line(1, str(unit.pk), worlds.CASUAL, "")], KnownAnswer.Phase.GOLD, None)


def undisturbed() -> dict[str, bytes]:
    """Every file of the release that the command makes of the database as it is; afterwards it was never made."""
    command(*FORMED)
    snapshot = Snapshot.objects.get()
    files = contents(snapshot.path)
    forget(snapshot)
    return files


def forget(snapshot: Snapshot) -> None:
    for path in snapshot.path.iterdir():
        path.unlink()
    snapshot.path.rmdir()
    worlds.lose_commit(snapshot)
    snapshot.delete()


def partial_files(folder: Path) -> list[str]:
    """What in a folder and below looks unfinished."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.startswith("."))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No process here writes a longer file: what a full disk says, where none can be mounted."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
