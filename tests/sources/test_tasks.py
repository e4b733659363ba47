import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from sources import imports
from sources.jobs import JobState
from sources.models import ImportRun, Instruction, Provenance, Source
from tests import ROOT, servers
from tests.processes import Worker

ROWS = 100_000
# A lease of 60 s must lapse, and beat look for it every 10 s, under the shipped settings.
LIMIT = 150.0


def generated(path: Path, count: int = ROWS) -> Path:
    """Rows of which every tenth repeats another and every hundredth is refused."""
    with path.open("w") as file:
        for n in range(count):
            text = "" if n % 100 == 0 else f"<human>: question {n // 10 if n % 10 == 0 else n}\n<bot>: answer"
            file.write(json.dumps({"text": text, "metadata": {"n": n}}) + "\n")
    return path


def state_of(run: ImportRun) -> ImportRun:
    run.refresh_from_db()
    return run


def wait_for(condition: Callable[[], bool], worker: Worker) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, worker.logs[-6000:]
        time.sleep(0.02)


def rows() -> list[tuple[Any, ...]]:
    found = Provenance.objects.order_by("instruction__digest")
    return [
        (bytes(digest), *rest)
        for digest, *rest in found.values_list("instruction__digest", "instruction__turns", "row", "source_labels")
    ]


def counts(run: ImportRun) -> tuple[Any, ...]:
    return run.read, run.added, run.known, run.rejected, run.reasons, run.first_offenders


@pytest.mark.slow
def test_it_finishes_an_import_whose_whole_worker_was_killed_without_anyone_asking(
    worker: Worker, tmp_path: Path
) -> None:
    path = generated(tmp_path / "big.jsonl")
    run = imports.start(Source.objects.create(name="invented", license="MIT"), "oig", path=path)
    wait_for(lambda: state_of(run).read > 0, worker)
    worker.kill_group()
    read = state_of(run).read
    assert (run.state, 0 < read < ROWS) == (JobState.RUNNING, True)
    assert run.added + run.known + run.rejected == read
    worker.restart()
    wait_for(lambda: state_of(run).state != JobState.RUNNING, worker)
    assert (run.state, run.error, run.read) == (JobState.FINISHED, "", ROWS)
    disturbed, found = rows(), counts(run)

    for table in (Provenance, ImportRun, Instruction):
        table.objects.all().delete()
    calm = imports.start(run.source, "oig", path=path)
    imports.work(calm)
    assert counts(state_of(calm)) == found
    assert rows() == disturbed


@pytest.mark.slow
def test_it_lets_the_workers_finish_what_a_killed_command_began(worker: Worker, tmp_path: Path) -> None:
    path = generated(tmp_path / "big.jsonl", count=40_000)
    command = ["manage.py", "import_source", "oig", str(path), "--name", "invented", "--license", "MIT"]
    with subprocess.Popen([sys.executable, *command], cwd=ROOT, env=servers.environment()) as running:
        wait_for(lambda: ImportRun.objects.filter(read__gt=0).exists(), worker)
        running.send_signal(signal.SIGKILL)
    run = ImportRun.objects.get()
    assert 0 < run.read < 40_000
    # As the lease would in its time: the test above waits for that.
    ImportRun.objects.update(lease_until=timezone.now())
    wait_for(lambda: state_of(run).state != JobState.RUNNING, worker)
    assert (run.state, run.read, run.added) == (JobState.FINISHED, 40_000, Instruction.objects.count())


@pytest.mark.slow
def test_it_lets_sweeps_run_between_the_turns_of_imports_that_would_keep_every_process(
    transactional_db: None, valkey: object, tmp_path: Path
) -> None:
    source = Source.objects.create(name="invented", license="MIT")
    path = generated(tmp_path / "big.jsonl", count=40_000)
    runs = [imports.start(source, "oig", path=path) for _ in range(2)]
    often = {"OIG_IMPORT_TURN_SECONDS": "1", "OIG_LEASE_SWEEP_SECONDS": "1", "OIG_JOB_SWEEP_SECONDS": "1"}
    worker = Worker(tmp_path, servers.environment() | often, processes=1)
    try:
        wait_for(lambda: all(state_of(run).state == JobState.FINISHED for run in runs), worker)
    finally:
        worker.stop()
    done = re.findall(r"Task (\w+\.tasks\.\w+)\[\S+\] succeeded", worker.logs)
    turns = [place for place, name in enumerate(done) if name == "sources.tasks.import_run"]
    between = done[turns[0] : turns[-1]]
    assert "annotate.tasks.release_expired" in between
    assert "sources.tasks.dispatch_jobs" in between


@pytest.mark.slow
def test_it_takes_up_an_import_that_nobody_sent_to_the_workers(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "small.jsonl"
    path.write_text('{"text": "a"}\n')
    run = imports.start(Source.objects.create(name="invented", license="MIT"), "oig", path=path)
    wait_for(lambda: state_of(run).state == JobState.FINISHED, worker)
    assert run.added == 1
