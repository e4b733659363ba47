"""The truth about the workers: who answers now, when each was last heard, what waits.

Workers write their heartbeats, and beat its sweeps, into the broker itself, where they outlive both: a worker that was
killed is then shown as one that is silent, with the time of its last sign, and never as running. Nothing here waits
long: whoever asks gets an answer within about one and a half seconds, also where no server answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import redis
from celery import current_app
from django.apps import apps
from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from sources.jobs import Job, JobState

HEARTBEATS, SWEEP = "oig:workers:heartbeats", "oig:workers:sweep"
# Workers send one every two seconds.
SILENT_AFTER = 10
FORGOTTEN_AFTER = 24 * 3600
CONNECT_SECONDS, ANSWER_SECONDS, INSPECT_SECONDS = 0.5, 0.6, 0.6

START = "celery -A config worker"
START_BEAT = "celery -A config beat"


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker process; ``heard`` is how many seconds ago it last gave a sign, None if it never did."""

    name: str
    answers: bool
    heard: float | None
    running: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """Its state in words."""
        if self.answers:
            return "running"
        is_silent = self.heard is None or self.heard > SILENT_AFTER
        return "not running" if is_silent else "does not answer: it is very busy, or was killed just now"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The jobs of one kind that somebody should work on, or works on."""

    name: str
    queued: int
    running: int
    lapsed: int  # of the running: their worker was lost, and the next sweep gives them to another


@dataclass(frozen=True, slots=True)
class Workers:
    """What there is to say; ``swept`` is how many seconds ago beat last looked for jobs, None if it never did."""

    broker_answers: bool
    workers: list[Worker] = field(default_factory=list)
    swept: float | None = None
    queues: Mapping[str, int] = field(default_factory=dict)
    jobs: list[Waiting] = field(default_factory=list)

    @property
    def beat_runs(self) -> bool:
        """Whether beat has looked for jobs lately."""
        return self.swept is not None and self.swept <= 3 * settings.JOB_SWEEP.total_seconds()

    @property
    def problems(self) -> list[str]:
        """What keeps jobs waiting, each with its remedy; empty where nothing does."""
        if not self.broker_answers:
            return [NO_BROKER]
        found = []
        if not any(worker.answers for worker in self.workers):
            found.append(_nobody(min((each.heard for each in self.workers if each.heard is not None), default=None)))
        if not self.beat_runs:
            found.append(f"Beat is not running: what a lost worker left waits. Start it with: {START_BEAT}")
        return found


NO_BROKER = (
    "The queue (Valkey or Redis, REDIS_URL) does not answer: jobs wait, and go on by themselves when it is back."
)


def send(task: Any, *ids: int) -> bool:
    """Send a task to the workers; False where the queue does not answer: beat does so later."""
    try:
        # Celery itself would try for six seconds.
        check_broker()
        task.apply_async(ids, retry=False)
    except (redis.RedisError, OperationalError):
        return False
    return True


def note_heartbeat(name: str) -> None:
    """A worker lives; called by it every two seconds."""
    with suppress(redis.RedisError), _broker() as broker:
        broker.hset(HEARTBEATS, name, str(time.time()))


def forget(name: str) -> None:
    """A worker has ended in order."""
    with suppress(redis.RedisError), _broker() as broker:
        broker.hdel(HEARTBEATS, name)


def note_sweep() -> None:
    """Beat has sent the workers to look for jobs that wait."""
    with suppress(redis.RedisError), _broker() as broker:
        broker.set(SWEEP, str(time.time()))


def check_broker() -> None:
    """Raise RedisError where the broker does not answer soon."""
    with _broker() as broker:
        broker.ping()


def why_it_waits() -> str:
    """One sentence for a job that waits, from what was heard last: asks no worker, and takes a few milliseconds."""
    problem, last = _silence()
    return problem or f"It waits for a worker. One was last heard {last:.0f} s ago."


def why_none_works() -> str:
    """The same where no worker was heard lately; empty where one was."""
    return _silence()[0]


def look() -> Workers:
    """All there is to know now; asks every worker."""
    waiting = list(_jobs())
    try:
        heard, swept, queues = _noted()
        active = _active(len([each for each in heard.values() if each <= SILENT_AFTER]))
    except (redis.RedisError, OperationalError, OSError):
        return Workers(broker_answers=False, jobs=waiting)
    found = [
        Worker(name, name in active, heard.get(name), tuple(active.get(name, ())))
        for name in sorted(heard.keys() | active.keys())
    ]
    return Workers(broker_answers=True, workers=found, swept=swept, queues=queues, jobs=waiting)


def _silence() -> tuple[str, float | None]:
    """What is wrong if nobody was heard lately, and how many seconds ago somebody was."""
    try:
        heard, _, _ = _noted()
    except redis.RedisError:
        return NO_BROKER, None
    last = min(heard.values(), default=None)
    return _nobody(last) if last is None or last > SILENT_AFTER else "", last


def _nobody(heard: float | None) -> str:
    last = "" if heard is None else f" The last sign of one was {_ago(heard)}."
    return f"No worker is running: jobs wait. Start one with: {START}.{last}"


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} minutes ago" if seconds < 7200 else f"{seconds / 3600:.0f} hours ago"


def _noted() -> tuple[dict[str, float], float | None, dict[str, int]]:
    """How many seconds ago each worker and beat's sweep were noted, and how long the queues are. Raises RedisError."""
    names = [queue.name for queue in settings.CELERY_TASK_QUEUES]
    with _broker() as broker, broker.pipeline(transaction=False) as asked:
        asked.hgetall(HEARTBEATS).get(SWEEP)
        for name in names:
            asked.llen(name)
        heartbeats, swept, *lengths = asked.execute()
    now = time.time()
    heard = {name.decode(): max(0.0, now - float(at)) for name, at in heartbeats.items()}
    lately = {name: seconds for name, seconds in heard.items() if seconds <= FORGOTTEN_AFTER}
    return lately, max(0.0, now - float(swept)) if swept else None, dict(zip(names, lengths, strict=True))


def _broker() -> redis.Redis:
    """A connection that gives up soon: redis-py's own would try again for seconds."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _active(expected: int) -> dict[str, list[str]]:
    """The tasks that each worker which answers is at, by its name; returns early once ``expected`` have answered."""
    options = {"socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": ANSWER_SECONDS, "max_retries": 0}
    with current_app.connection_for_write(transport_options=options) as connection:
        asked = current_app.control.inspect(timeout=INSPECT_SECONDS, limit=expected or None, connection=connection)
        replies: Mapping[str, list[Any]] = asked.active() or {}
    return {name: [f"{task['name']} {tuple(task['args'])}" for task in tasks] for name, tasks in replies.items()}


def _jobs() -> Iterator[Waiting]:
    lapsed = Q(state=JobState.RUNNING, lease_until__lt=timezone.now())
    for model in apps.get_models():
        if issubclass(model, Job):
            counts = model.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING]).aggregate(
                queued=Count("pk", filter=Q(state=JobState.QUEUED)),
                running=Count("pk", filter=Q(state=JobState.RUNNING)),
                lapsed=Count("pk", filter=lapsed),
            )
            if any(counts.values()):
                yield Waiting(str(model._meta.verbose_name_plural), **counts)  # noqa: SLF001
