"""Celery: ids in, one verb. Several dispatches of one job are harmless, since ``Job.take`` lets one worker in."""

from __future__ import annotations

from celery import current_app, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone

from sources import duplicates, imports, jobs, screening
from sources.models import DuplicateSearch, ImportRun, Screening


# A download that takes longer is cut off, and goes on where it was when the lease has lapsed.
@shared_task(soft_time_limit=3500, time_limit=3600, throws=(SoftTimeLimitExceeded,))
def plan_import(run_id: int) -> None:
    if imports.plan(ImportRun.objects.get(pk=run_id)):
        dispatch_jobs.delay()


@shared_task(soft_time_limit=600, time_limit=660, throws=(SoftTimeLimitExceeded,))
def import_chunk(run_id: int) -> None:
    """One chunk; then whoever is free takes the next: two long imports take turns."""
    if imports.work_on_next(ImportRun.objects.get(pk=run_id)):
        import_chunk.apply_async((run_id,), expires=settings.JOB_SWEEP.total_seconds())


@shared_task(soft_time_limit=600, time_limit=660, throws=(SoftTimeLimitExceeded,))
def screen(screening_id: int) -> None:
    screening.work(Screening.objects.get(pk=screening_id))


@shared_task(soft_time_limit=3500, time_limit=3600, throws=(SoftTimeLimitExceeded,))
def search_duplicates(search_id: int) -> None:
    duplicates.work(DuplicateSearch.objects.get(pk=search_id))


@shared_task(soft_time_limit=50, time_limit=55)
def dispatch_jobs() -> None:
    """Send every job that waits to the workers. What no worker begins before the next sweep is thrown away then.

    Also removes what lost workers left of finished imports.
    """
    for task, pk in jobs.waiting(timezone.now()):
        current_app.send_task(task, [pk], expires=settings.JOB_SWEEP.total_seconds())
    imports.clean_up_finished()
