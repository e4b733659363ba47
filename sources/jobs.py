"""Jobs: work that survives the death of the worker that does it.

A job is a row with a lease of its own. A worker *takes* the job, renews the lease with every committed batch, and
*finishes* it. Every write of a batch happens in the transaction that renews the lease under the worker's own token, so
a worker that lost its lease (it slept, it was cut off) cannot write any more: its renewal fails and its batch is
rolled back. Beat dispatches jobs that wait or whose lease has lapsed (``sources.tasks.dispatch_jobs``): the broker's
own redelivery would take up to an hour after a SIGKILL. Work between two batches that may outlast the lease is done
under ``heartbeat``.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import OperationalError, connection, models
from django.utils import timezone

# A worker that is lost this often over one job is killed by what is in it (it takes all memory, say).
FRUITLESS_ATTEMPTS = 5


class LostLease(Exception):
    """Another worker has taken this job over; this worker stops without writing."""


class JobState(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobQuerySet(models.QuerySet[Any]):
    def waiting(self, now: datetime) -> Self:
        """Jobs that somebody should work on: queued, or running under a lapsed lease."""
        lapsed = models.Q(state=JobState.RUNNING, lease_until__lt=now)
        return self.filter(models.Q(state=JobState.QUEUED) | lapsed)


class Job(models.Model):
    """The columns and the life cycle that all jobs share."""

    state = models.CharField(max_length=10, choices=JobState, default=JobState.QUEUED, editable=False)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveIntegerField(default=0, editable=False)
    error = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        abstract = True

    def take(self) -> bool:
        """Try to become the one worker of this job; False if it is done or somebody else holds it."""
        now, token = timezone.now(), uuid.uuid4()
        taken = (
            JobQuerySet(type(self))
            .waiting(now)
            .filter(pk=self.pk)
            .update(
                state=JobState.RUNNING,
                lease_token=token,
                lease_until=now + settings.JOB_LEASE,
                attempts=models.F("attempts") + 1,
            )
        )
        self.refresh_from_db()
        return taken == 1 and self.lease_token == token

    def is_given_up(self) -> bool:
        """Whether so many workers were lost over this job that it has failed now, in the hands of this one."""
        if self.attempts <= FRUITLESS_ATTEMPTS:
            return False
        self.fail(f"the worker was lost {self.attempts - 1} times in a row: see its log")
        return True

    def renew(self, **progress: Any) -> None:
        """Keep the lease and store ``progress``. Raises LostLease, so that a transaction around it rolls back."""
        held = type(self).objects.filter(pk=self.pk, state=JobState.RUNNING, lease_token=self.lease_token)
        if not held.update(**{"lease_until": timezone.now() + settings.JOB_LEASE, **progress}):
            raise LostLease(f"{self} was taken over by another worker")

    def finish(self, **result: Any) -> None:
        self.renew(state=JobState.FINISHED, finished_at=timezone.now(), error="", **result)
        self.refresh_from_db()

    def fail(self, error: str) -> None:
        """End the job for a reason that trying again would not change."""
        self.renew(state=JobState.FAILED, finished_at=timezone.now(), error=error)
        self.refresh_from_db()


class Heartbeat:
    """Renews the lease of one job from a thread of its own; see ``heartbeat``."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._end, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat of {job}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def check(self) -> None:
        """Raise LostLease if the last renewal failed: go no further."""
        if self._lost.is_set():
            raise LostLease(f"{self._job} was taken over by another worker")

    def _run(self) -> None:
        try:
            while not self._end.wait(settings.JOB_LEASE.total_seconds() / 4):
                self._beat()
        except LostLease:
            self._lost.set()
        finally:
            connection.close()

    def _beat(self) -> None:
        try:
            self._job.renew()
        except OperationalError:
            connection.close()  # an outage: the next beat connects anew, and the worker's own writes tell of it


@contextmanager
def heartbeat(job: Job) -> Iterator[Heartbeat]:
    """While the block runs, renew the lease of a job that was taken, four times a lease, on a connection of its own.

    What is written under the job's lease still renews it in the same transaction. Never leave the block inside such a
    transaction: the last renewal may be waiting for its row.
    """
    beat = Heartbeat(job)
    beat.start()
    try:
        yield beat
    finally:
        beat.stop()


type Waiting = Callable[[datetime], Iterator[tuple[str, int]]]

_waiting: list[Waiting] = []


def register(waiting: Waiting) -> None:
    """Have beat dispatch what ``waiting`` yields: the name of a Celery task, and the id that it is sent."""
    _waiting.append(waiting)


def each(model: type[Job], task: str) -> Waiting:
    """Every job of ``model`` that waits, for the Celery task named ``task``."""

    def waiting(now: datetime) -> Iterator[tuple[str, int]]:
        for pk in model.objects.waiting(now).values_list("pk", flat=True):
            yield task, pk

    return waiting


def waiting(now: datetime) -> Iterator[tuple[str, int]]:
    """Task name and id of everything that somebody should work on."""
    for found in _waiting:
        yield from found(now)
