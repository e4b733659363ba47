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
from django.db.models import Max, Min
from django.utils import timezone

from sources import imports
from sources.jobs import JobState
from sources.models import ImportChunk, ImportRun, Instruction, Screening, Source
from tests import ROOT, servers
from tests.processes import Worker
from tests.sources.worlds import counts, forget_all, rows

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


def found(run: ImportRun) -> tuple[Any, ...]:
    """What an import says of itself, without how many chunks ended so far."""
    report = state_of(run).report
    return counts(run), report.reasons, report.first_offenders


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the processes that are started afterwards, and here."""
    monkeypatch.setenv("OIG_IMPORT_CHUNK_BYTES", "200000")


@pytest.mark.slow
def test_it_finishes_an_import_whose_whole_worker_was_killed_without_anyone_asking(
    small_chunks: None, worker: Worker, tmp_path: Path, settings: Any
) -> None:
    path = generated(tmp_path / "big.jsonl")
    run = imports.start(Source.objects.create(name="invented", license="MIT"), "oig", origin=path)
    wait_for(lambda: state_of(run).report.read > 0, worker)
    worker.kill_group()
    read = state_of(run).report.read
    assert (run.state, 0 < read < ROWS) == (JobState.RUNNING, True)
    assert sum(counts(run)[1:]) == read
    worker.restart()
    wait_for(lambda: state_of(run).state != JobState.RUNNING, worker)
    assert (run.state, run.error, run.report.read) == (JobState.FINISHED, "", ROWS)
    disturbed, result = rows(), found(run)

    forget_all()
    settings.IMPORT_CHUNK_BYTES = 200_000
    calm = imports.start(Source.objects.get(), "oig", origin=path)
    imports.work(calm)
    assert found(calm) == result
    assert rows() == disturbed


@pytest.mark.slow
def test_it_lets_the_workers_finish_what_a_killed_command_began(
    small_chunks: None, worker: Worker, tmp_path: Path
) -> None:
    path = generated(tmp_path / "big.jsonl", count=40_000)
    command = ["manage.py", "import_source", "oig", str(path), "--name", "invented", "--license", "MIT"]
    environment = servers.environment() | {"OIG_IMPORT_CHUNK_BYTES": "200000"}
    with subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment) as running:
        wait_for(lambda: ImportChunk.objects.filter(read__gt=0).exists(), worker)
        running.send_signal(signal.SIGKILL)
    run = ImportRun.objects.get()
    assert 0 < run.report.read < 40_000
    # As the lease would in its time: the test above waits for that.
    ImportRun.objects.update(lease_until=timezone.now())
    ImportChunk.objects.filter(state=JobState.RUNNING).update(lease_until=timezone.now())
    wait_for(lambda: state_of(run).state != JobState.RUNNING, worker)
    assert (run.state, run.report.read, run.report.added) == (JobState.FINISHED, 40_000, Instruction.objects.count())


@pytest.mark.slow
def test_two_imports_take_turns_and_sweeps_run_between_their_chunks(
    transactional_db: None, valkey: object, tmp_path: Path
) -> None:
    source = Source.objects.create(name="invented", license="MIT")
    path = generated(tmp_path / "big.jsonl", count=40_000)
    often = {"OIG_IMPORT_CHUNK_BYTES": "100000", "OIG_LEASE_SWEEP_SECONDS": "1", "OIG_JOB_SWEEP_SECONDS": "1"}
    runs = [imports.start(source, "oig", origin=path, options={"language": code}) for code in ("en", "de")]
    worker = Worker(tmp_path, servers.environment() | often, processes=1)
    try:
        wait_for(lambda: all(state_of(run).state == JobState.FINISHED for run in runs), worker)
    finally:
        worker.stop()
    done = re.findall(r"Task (\w+\.tasks\.\w+)\[\S+\] succeeded", worker.logs)
    turns = [place for place, name in enumerate(done) if name == "sources.tasks.import_chunk"]
    between = done[turns[0] : turns[-1]]
    assert "annotate.tasks.release_expired" in between
    assert "sources.tasks.dispatch_jobs" in between
    first, second = (run.chunks.aggregate(first=Min("finished_at"), last=Max("finished_at")) for run in runs)
    assert first["first"] < second["last"]
    assert second["first"] < first["last"]


@pytest.mark.slow
def test_it_takes_up_an_import_that_nobody_sent_to_the_workers_and_screens_it(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "small.jsonl"
    path.write_text(json.dumps({"text": "Write to anna@example.org, she reads her letters every day in the garden."}))
    run = imports.start(Source.objects.create(name="invented", license="MIT"), "oig", origin=path)
    wait_for(lambda: state_of(run).state == JobState.FINISHED, worker)
    assert run.report.added == 1
    wait_for(lambda: Screening.objects.filter(state=JobState.FINISHED).exists(), worker)
    instruction = Instruction.objects.get()
    assert instruction.language == "en"
    assert [(each.kind, each.start, each.end) for each in instruction.personal.all()] == [("email", 9, 25)]
