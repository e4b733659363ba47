"""Imports and augmentations whose workers, broker or database are killed, beside undisturbed ones of the same files.

`python -m bench.kill_imports [--runs 50] [--seed 1] [--side-by-side 4]` kills the whole process group of a Celery
worker (two processes and beat, shipped settings but for small chunks) in each of the runs, and the broker or the
database in a tenth as many further ones each, at a moment that the seed chooses: while files are unpacked and cut,
while chunks are written, or while instructions are screened. A killed one is started again at once. Every lane has
servers of its own, and every run a database of its own. A line for each run; exit code 1 if any row differs.
"""

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

CHUNK_BYTES = 100_000
PHASES = ("planning", "chunks", "chunks", "chunks", "screening")
# Seconds after which an import is said to hang.
LIMIT = 400.0
# Beyond lease and sweep: a worker starts, and does again what was lost, on a machine that others use.
STARTING = 30.0


@dataclass(slots=True)
class Plan:
    """What one run does: all of it follows from the seed."""

    number: int
    victim: str
    case: int
    phase: str
    share: float  # of the phase, after which the kill comes


@dataclass(slots=True)
class Outcome:
    """What became of one run; times in seconds."""

    plan: Plan
    case: str = ""
    after: float = 0.0
    seen: str = ""
    took: float = 0.0  # from the kill to the end
    recovery: float = 0.0  # what of that an undisturbed import did not need
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Calm:
    """An undisturbed import: all its rows, and when it was planned, finished and screened, in seconds."""

    rows: dict[str, list[Any]]
    times: dict[str, float]

    def phase(self, name: str) -> tuple[float, float]:
        """When the phase began and how long it took."""
        begins = {"planning": 0.0, "chunks": self.times["planned"], "screening": self.times["screening"]}
        ends = {"planning": self.times["planned"], "chunks": self.times["finished"], "screening": self.times["over"]}
        return begins[name], ends[name] - begins[name]


def main() -> int:
    """Run all, print, and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--side-by-side", type=int, default=4)
    parser.add_argument("--only", type=int, help="the number of one run")
    options = parser.parse_args()
    plans = [plan for plan in planned(options.runs, options.seed) if options.only in (None, plan.number)]
    folder = Path(tempfile.mkdtemp(prefix="oig-kills-"))
    outcomes = list(run_all(plans, folder, options))
    if any(outcome.problems for outcome in outcomes):
        print(f"logs are kept in {folder}")
    else:
        shutil.rmtree(folder)
    return summary(outcomes)


def planned(runs: int, seed: int) -> list[Plan]:
    """So many kills of workers, and among them those of servers."""
    chosen = random.Random(seed)
    victims = ["worker"] * runs + ["broker", "postgres"] * -(-runs // 10)
    chosen.shuffle(victims)
    cases = [number % 6 for number in range(len(victims))]
    chosen.shuffle(cases)
    return [
        Plan(number, victim, case, chosen.choice(PHASES), chosen.random())
        for number, (victim, case) in enumerate(zip(victims, cases, strict=True), start=1)
    ]


def run_all(plans: list[Plan], folder: Path, options: argparse.Namespace) -> Iterator[Outcome]:
    """The outcomes as they come, from as many lanes as were asked for."""
    context = get_context("spawn")
    todo, done = context.Queue(), context.Queue()
    for plan in plans:
        todo.put(plan)
    number = min(options.side_by_side, len(plans))
    lanes = [
        context.Process(target=lane, args=(folder / f"lane-{place}", todo, done, options)) for place in range(number)
    ]
    for process in lanes:
        todo.put(None)
        process.start()
    for _ in plans:
        outcome = done.get()
        tell(outcome)
        yield outcome
    for process in lanes:
        process.join()


def tell(outcome: Outcome) -> None:
    """One line, and the differences below it."""
    plan = outcome.plan
    print(
        f"{plan.number:3} {plan.victim:8} {outcome.case:16} {plan.phase:9} after {outcome.after:5.1f} s at "
        f"{outcome.seen:41} end {outcome.took:6.1f} s later, "
        f"recovery {outcome.recovery:5.1f} s  {'DIFFERS' if outcome.problems else 'the same rows'}",
        *outcome.problems,
        sep="\n      ",
        flush=True,
    )


def summary(outcomes: list[Outcome]) -> int:
    """Median and worst of each victim, beside what lease and sweep allow."""
    bad = sum(bool(outcome.problems) for outcome in outcomes)
    for victim in ("worker", "broker", "postgres"):
        found = [outcome.recovery for outcome in outcomes if outcome.plan.victim == victim and not outcome.problems]
        if found:
            print(
                f"{victim:8} {len(found)} runs: recovery median {statistics.median(found):.1f} s, "
                f"worst {max(found):.1f} s (lease 60 s + sweep 10 s + start {STARTING:.0f} s)"
            )
    print(f"{len(outcomes)} runs, {bad} with differences")
    return 1 if bad else 0


def lane(folder: Path, todo: Any, done: Any, options: argparse.Namespace) -> None:
    """Do what is to do, on servers of this process' own."""
    os.nice(10)
    folder.mkdir(parents=True)
    os.environ |= {
        "OIG_LOCAL_DIR": str(folder / "local"),
        "OIG_LOCAL_DURABLE": "1",
        "OIG_IMPORT_CHUNK_BYTES": str(CHUNK_BYTES),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    from tests import servers

    servers.choose()
    with prepared():
        calm: dict[int, Calm] = {}
        worker = started(folder)
        while plan := todo.get():
            outcome = Outcome(plan)
            try:
                disturb(outcome, calm, folder, options, worker)
            except Exception:  # noqa: BLE001
                outcome.problems.append(traceback.format_exc().replace("\n", "\n      "))
                worker.kill_group()
                worker.restart()
            done.put(outcome)
        worker.kill_group()


@contextmanager
def prepared() -> Iterator[None]:
    """Servers and empty tables, while the block runs."""
    import django

    from config import local

    with local.running():
        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        yield


def disturb(outcome: Outcome, calm: dict[int, Calm], folder: Path, options: argparse.Namespace, worker: Any) -> None:
    """One run: import undisturbed if that was not done yet, then again with a kill, and compare."""
    from tests.sources import disturbed

    plan, case = outcome.plan, disturbed.CASES[outcome.plan.case]
    outcome.case = case.name
    path = folder / case.name
    if plan.case not in calm:
        base(case, case.file(folder, options.seed, options.rows))
        empty(case)
        calm[plan.case] = undisturbed(case, path, worker)
    _, length = calm[plan.case].phase(plan.phase)
    for share in (plan.share, plan.share / 2, plan.share / 4, 0.0):
        empty(case)
        if one(outcome, case, path, worker, length * share, calm[plan.case]):
            return
    outcome.problems.append("it was always over before the kill")


def base(case: Any, path: Path) -> None:
    """The database that each run of a case begins with: of an augmentation it holds what is augmented."""
    from django.db import connection

    from sources import imports, screening
    from sources.models import Screening

    create(f"base_{case.format}_{case.augmenter}", "oig")
    if case.augmenter:
        run = imports.start(disturbed_source(), case.format, origin=path)
        imports.work(run)
        for waiting in Screening.objects.all():
            screening.work(waiting)
    connection.close()


def disturbed_source() -> Any:
    """The source of all runs."""
    from tests.sources import disturbed

    return disturbed.source()


def create(name: str, template: str) -> None:
    """A copy of a database, which is used from now on."""
    from django.db import ProgrammingError, connection

    use("postgres")
    with connection.cursor() as cursor:
        while True:
            try:
                cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
                break
            except ProgrammingError:  # a vacuum, which only a superuser may end, is at work in it
                time.sleep(0.5)
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    use(name)


def use(name: str) -> None:
    """Let this process work on the database of that name."""
    from django.db import connection

    connection.close()
    connection.settings_dict["NAME"] = name


def started(folder: Path) -> Any:
    """A worker and beat, which serve one run after the other."""
    import redis
    from django.conf import settings

    from tests import servers
    from tests.processes import Worker

    create("run", "oig")
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
    return Worker(folder, servers.environment())


def empty(case: Any) -> None:
    """The database and the folders that a run begins with."""
    from django.conf import settings

    create("run", f"base_{case.format}_{case.augmenter}")
    shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)
    settings.FILE_UPLOAD_TEMP_DIR.mkdir(parents=True)


def undisturbed(case: Any, path: Path, worker: Any) -> Calm:
    """All rows and times of an import that nobody disturbs."""
    from tests.sources import disturbed

    began, run = begun(case, path)
    times = {}
    for name, reached in milestones(run).items():
        wait_for(reached, worker)
        times[name] = time.monotonic() - began
    return Calm(disturbed.everything(run), times)


def begun(case: Any, path: Path) -> tuple[float, Any]:
    """When it began, and the import, which is sent to the workers as the admin does it."""
    from sources import tasks

    run = case.begin(path)
    began = time.monotonic()
    tasks.plan_import.delay(run.pk)
    return began, run


def milestones(run: Any) -> dict[str, Callable[[], bool]]:
    """What tells that a phase of the import has ended, in order."""
    from sources.jobs import JobState
    from sources.models import ImportRun, Screening
    from tests.sources import disturbed

    return {
        "planned": lambda: ImportRun.objects.filter(pk=run.pk, planned_at__isnull=False).exists(),
        "finished": lambda: disturbed.has_ended(run),
        "screening": lambda: disturbed.has_ended(run) and Screening.objects.exclude(state=JobState.QUEUED).exists(),
        "over": lambda: disturbed.is_over(run),
    }


def one(outcome: Outcome, case: Any, path: Path, worker: Any, delay: float, calm: Calm) -> bool:
    """Import, kill, wait and compare; False if the import was over before the kill."""
    from tests.sources import disturbed

    phase = outcome.plan.phase
    began, run = begun(case, path)
    reached = milestones(run)
    if phase != "planning":
        wait_for(reached["planned" if phase == "chunks" else "screening"], worker)
    time.sleep(delay)
    outcome.after = time.monotonic() - began
    had_ended = disturbed.has_ended(run)
    if had_ended and (phase != "screening" or disturbed.is_over(run)):
        return False
    kill(outcome.plan.victim, worker, lambda: setattr(outcome, "seen", seen(run)))
    until = "over" if had_ended else "finished"
    wait_for(reached[until], worker)
    took = time.monotonic() - began
    outcome.took, outcome.recovery = took - outcome.after, max(0.0, took - calm.times[until])
    wait_for(reached["over"], worker)
    outcome.problems = disturbed.differences(calm.rows, disturbed.everything(run))
    return True


def kill(victim: str, worker: Any, look: Callable[[], None]) -> None:
    """SIGKILL, a look at what was left, and a start at once."""
    from tests.sources import disturbed

    match victim:
        case "worker":
            worker.kill_group()
            look()
            worker.restart()
        case "broker":
            disturbed.kill_valkey()
            look()
        case _:
            disturbed.kill_postgres()
            look()


def seen(run: Any) -> str:
    """What the kill left."""
    from sources.jobs import JobState
    from sources.models import Screening

    run.refresh_from_db()
    running = run.chunks.filter(state=JobState.RUNNING).count()
    screened = Screening.objects.filter(state=JobState.FINISHED).count()
    if not run.planned_at:
        return f"no plan yet, {run.doing or 'queued'}"
    report = run.report
    return (
        f"{report.chunks_finished}/{report.chunks} chunks, {running} begun, "
        f"{screened}/{Screening.objects.count()} screened"
    )


def wait_for(condition: Callable[[], bool], worker: Any) -> None:
    """Return once it holds; raise with the worker's last words if that takes too long."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(worker.logs[-6000:])
        time.sleep(0.03)


if __name__ == "__main__":
    sys.exit(main())
