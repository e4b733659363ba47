"""Celery: ids in, one verb. Several dispatches of one job are harmless, since ``Job.take`` lets one worker in."""

from __future__ import annotations

from celery import current_app, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone

from sources import imports, jobs
from sources.jobs import JobState
from sources.models import ImportRun


# A turn is short; the rest of the limit is for the way to its place in a very large file. A longer one loses its batch
# at the soft limit, and the next dispatch goes on when its lease has lapsed.
@shared_task(soft_time_limit=1200, time_limit=1260, throws=(SoftTimeLimitExceeded,))
def import_run(run_id: int) -> None:
    run = ImportRun.objects.get(pk=run_id)
    imports.work(run, seconds=settings.IMPORT_TURN.total_seconds())
    if run.state == JobState.QUEUED:
        # Behind what waits by now: two long imports must not hold all processes of the workers until they end.
        import_run.delay(run_id)


@shared_task(soft_time_limit=50, time_limit=55)
def dispatch_jobs() -> None:
    """Send every job that waits to the workers. What no worker begins before the next sweep is thrown away then."""
    for task, pk in jobs.waiting(timezone.now()):
        current_app.send_task(task, [pk], expires=settings.JOB_SWEEP.total_seconds())
