"""The same release made of a database and of what was restored from its dump, under whatever may differ elsewhere.

In between everything happens that may happen to votes and sources after a cut. Every file of every form is compared.
OIG_LONG_TESTS=1 has the release finished by Celery workers too, with one process and with four.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

from annotate import remarks
from annotate.models import Annotation, Annotator, Campaign
from config import env
from config.servers import Postgres
from exports.models import Snapshot
from sources import criteria, removals
from sources.models import ImportRun, Provenance
from tests import servers
from tests.exports import faults, worlds
from tests.exports.faults import FORMED, VERSION, stopped
from tests.exports.folders import contents
from tests.exports.test_snapshots import answered
from tests.processes import Worker, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

# What a plan may look like elsewhere, and how a server elsewhere writes moments, shares and bytes.
ELSEWHERE = {
    "enable_hashagg": "off",
    "enable_hashjoin": "off",
    "enable_seqscan": "off",
    "max_parallel_workers": "8",
    "max_parallel_workers_per_gather": "4",
    "parallel_setup_cost": "0",
    "work_mem": "64kB",
    "extra_float_digits": "0",
    "bytea_output": "escape",
    "DateStyle": "ISO,DMY",
    "TimeZone": "Asia/Kathmandu",
}


def told(database: str, folder: Path, **environment: str) -> dict[str, str]:
    """The environment of a process that publishes from a database into a folder."""
    address = urlsplit(servers.environment()["DATABASE_URL"])._replace(path=f"/{database}").geturl()
    return {**servers.environment(), "DATABASE_URL": address, "OIG_SNAPSHOT_ROOT": str(folder), **environment}


@contextmanager
def restored() -> Iterator[str]:
    """The name of a database restored from a dump of the test's own."""
    address = servers.environment()["DATABASE_URL"]
    name = f"{connection.settings_dict['NAME']}_restored"
    with closing(psycopg.connect(address, autocommit=True)) as maintenance:
        maintenance.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        maintenance.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        try:
            _copy(address, urlsplit(address)._replace(path=f"/{name}").geturl())
            yield name
        finally:
            maintenance.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _copy(address: str, target: str) -> None:
    dump = [_program("pg_dump"), "--format=custom", "--compress=none", "--no-owner", address]
    with subprocess.Popen(dump, stdout=subprocess.PIPE) as dumped:
        restore = [_program("pg_restore"), "--no-owner", "--exit-on-error", "--dbname", target]
        subprocess.run(restore, stdin=dumped.stdout, check=True)
    assert dumped.returncode == 0


def _program(name: str) -> str:
    """A program of PostgreSQL: the embedded one's, or that of the machine where another server is named."""
    if not env.given("DATABASE_URL"):
        return str(Postgres()._program(name))
    installed = shutil.which(name)
    if installed is None:
        pytest.skip(f"{name} is not installed")
    return installed


def everything_happens() -> None:
    """Votes are revised, withdrawn, given, flagged and closed; texts are imported, known ones among them."""
    kindness = Campaign.objects.get(slug="kindness")
    first, second, third = kindness.units.order_by("pk")[:3]
    ada = Annotator.objects.get(username="ada")
    for unit, choice in ((first, worlds.INTERVENTION), (second, None)):
        worlds.vote(unit, ada, choice, supersedes=Annotation.objects.get(unit=unit, annotator=ada))
    worlds.vote(third, worlds.person("zoe"), worlds.INTERVENTION, hate=True)
    held = answered(kindness, ada)
    remarks.close(remarks.flag(ada, held.pk, "Two texts in one."), "Split.", ada)
    remarks.flag(ada, held.pk, "Later.")
    # It comes first in the ledger, and gives what was published from another source and what nobody was allowed to.
    newer = worlds.source("newer", "MIT", precedence=0)
    unlicensed = kindness.units.get(instruction__turns__0__text__startswith="Unlicensed")
    for unit in (first, second, third, unlicensed):
        run, _ = ImportRun.objects.get_or_create(source=newer, state="finished", format="columns")
        Provenance.objects.create(instruction=unit.instruction, source=newer, run=run, row="row 99")
    elsewhere = worlds.campaign("elsewhere")
    worlds.agreeing(elsewhere, newer, "Taken down in another campaign.")
    removals.take_down(criteria.by_pattern("Taken down in another"), "its author asked for it")


def other_locale() -> str:
    """One whose capital letters, order or decimal point are not English; without encoding where none is installed."""
    found = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    wanted = [name for name in found if name.lower().startswith(("tr_tr.utf", "de_de.utf", "ja_jp.utf"))]
    return [*wanted, "C"][0]


def by_command(environment: dict[str, str], _: Path) -> None:
    done = faults.told([*VERSION, "--resume"], environment)
    assert done.returncode == 0, done.stderr


def by_worker(environment: dict[str, str], folder: Path, *, processes: int) -> None:
    worker = Worker(folder, environment, processes=processes)
    wait_until(lambda: Snapshot.objects.get().is_published, lambda: worker.logs)
    worker.stop()


FINISHING: list[Callable[[dict[str, str], Path], None]] = [by_command]
if env.flag("OIG_LONG_TESTS", default=False):
    FINISHING += [partial(by_worker, processes=1), partial(by_worker, processes=4)]


@pytest.mark.parametrize("finish", FINISHING)
def test_it_gives_the_same_bytes_of_a_dump_whatever_differs(
    valkey: object, tmp_path: Path, finish: Callable[[dict[str, str], Path], None]
) -> None:
    faults.world()
    with restored() as database:
        calm = told(database, tmp_path / "calm", PYTHONHASHSEED="1")
        done = faults.told([*VERSION, *FORMED], calm)
        assert done.returncode == 0, done.stderr
    there = told(
        str(connection.settings_dict["NAME"]),
        tmp_path / "there",
        PYTHONHASHSEED="4711",
        LC_ALL=other_locale(),
        LANGUAGE="tr",
        PYTHONCOERCECLOCALE="0",
        PYTHONUTF8="0",
        TZ="Pacific/Chatham",
        PGOPTIONS=" ".join(f"-c {name}={value}" for name, value in ELSEWHERE.items()),
    )
    # The process is lost when it has its cut, and another finishes after everything has happened.
    with stopped("exports.derivation.write", *VERSION, *FORMED, **there) as child:
        child.kill()
    everything_happens()
    worlds.lose_worker(Snapshot.objects.get())
    finish(there, tmp_path)
    expected, found = contents(tmp_path / "calm" / "0.3"), contents(tmp_path / "there" / "0.3")
    assert len(expected) > len(FORMED)
    assert sorted(found) == sorted(expected)
    assert [name for name in sorted(expected) if found[name] != expected[name]] == []
    assert left_of(tmp_path / "there") == ["0.3"]


def left_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
