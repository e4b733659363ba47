"""The short form of bench/kill_imports.py: a short lease, and a kill when some of the chunks are written."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from config import env
from sources import imports, screening, tasks
from sources.jobs import JobState
from sources.models import ImportRun, Screening
from tests import servers
from tests.processes import Worker, wait_until
from tests.sources import disturbed
from tests.sources.disturbed import CASES, Case

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

SEED, ROWS, CHUNK_BYTES = 7, 3_000, 10_000
OF = {case.name: case for case in CASES}
LIMIT = 120.0


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """For the processes that are started afterwards; chunks as small here."""
    settings.IMPORT_CHUNK_BYTES = CHUNK_BYTES
    monkeypatch.setenv("OIG_IMPORT_CHUNK_BYTES", str(CHUNK_BYTES))
    monkeypatch.setenv("OIG_JOB_LEASE_SECONDS", "5")
    monkeypatch.setenv("OIG_JOB_SWEEP_SECONDS", "1")


def worked(run: ImportRun) -> ImportRun:
    """The import done here and now by one process, and screened."""
    imports.work(run)
    for pending in Screening.objects.exclude(state=JobState.FINISHED):
        screening.work(pending)
    return run


def begun(case: Case, path: Path) -> ImportRun:
    """The import in an empty database; of an augmentation what it reads is there."""
    servers.empty_tables(restart_numbers=True)  # the names of annotators have the number of their source
    if case.augmenter:
        worked(imports.start(disturbed.source(), case.format, origin=path))
    return case.begin(path)


def kill_worker(worker: Worker) -> None:
    worker.kill_group()
    worker.restart()


def kill_postgres(worker: Worker) -> None:
    if env.given("DATABASE_URL"):
        pytest.skip("the database is not the tests' own to kill")
    disturbed.kill_postgres()


def kill_broker(worker: Worker) -> None:
    if env.given("REDIS_URL"):
        pytest.skip("the broker is not the tests' own to kill")
    disturbed.kill_valkey()


@pytest.mark.parametrize(
    ("name", "kill"),
    [
        ("columns.parquet", kill_worker),
        ("votes.csv", kill_postgres),
        ("array.json.gz", kill_broker),
    ],
)
def test_a_killed_import_ends_in_the_rows_of_an_undisturbed_one(
    short_lease: None, valkey: object, tmp_path: Path, name: str, kill: Callable[[Worker], None]
) -> None:
    case = OF[name]
    path = case.file(tmp_path, SEED, ROWS)
    calm = disturbed.everything(worked(begun(case, path)))

    run = begun(case, path)
    # Only now, so that nobody helped with the undisturbed one.
    worker = Worker(tmp_path, servers.environment())
    try:
        tasks.plan_import.delay(run.pk)
        share = Random(f"{SEED} {name}").uniform(0.05, 0.5)
        wait_until(lambda: written(run) > share, lambda: worker.logs[-6000:], LIMIT)
        kill(worker)
        assert not disturbed.has_ended(run)
        wait_until(lambda: disturbed.is_over(run), lambda: worker.logs[-6000:], LIMIT)
    finally:
        worker.kill_group()
    assert not (told := disturbed.differences(calm, disturbed.everything(run))), "\n".join(told)


def test_a_worker_in_the_middle_of_a_chunk_outlives_the_broker(
    short_lease: None, valkey: object, tmp_path: Path
) -> None:
    case = OF["array.json.gz"]
    run = begun(case, case.file(tmp_path, SEED, 200))
    worker = Worker(tmp_path, servers.environment())
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE sources_instruction IN SHARE MODE")
            tasks.plan_import.delay(run.pk)
            wait_until(lambda: somebody_waits(cursor), lambda: worker.logs[-6000:], LIMIT)
            kill_broker(worker)
        wait_until(lambda: disturbed.is_over(run), lambda: worker.logs[-6000:], LIMIT)
    finally:
        worker.kill_group()
    assert ImportRun.objects.get(pk=run.pk).state == JobState.FINISHED


def somebody_waits(cursor: CursorWrapper) -> bool:
    """Whether somebody waits for a lock."""
    cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return bool(cursor.fetchone()[0])


def written(run: ImportRun) -> float:
    """The share of the chunks that are written."""
    report = ImportRun.objects.get(pk=run.pk).report
    return report.chunks_finished / max(report.chunks, 1)
