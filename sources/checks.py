"""System checks: the limits of work in the background fit each other."""

from __future__ import annotations

from typing import Any

from celery import current_app
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import autodiscover_modules

APPS = ("annotate", "exports", "labels", "sources")


@register()
def limits_are_ordered(**_: Any) -> list[CheckMessage]:
    """Every task of the project has a soft limit below its hard limit, and beat looks before a lease has lapsed."""
    # Not Celery's own loader: it runs all system checks, this one too.
    autodiscover_modules("tasks")
    tasks = [task for name, task in current_app.tasks.items() if name.partition(".")[0] in APPS]
    found: list[CheckMessage] = [
        Error(
            f"{task.name} has soft limit {task.soft_time_limit} and hard limit {task.time_limit}",
            hint="Give both, the soft limit below the hard limit.",
            id="sources.E001",
        )
        for task in tasks
        if not (task.soft_time_limit and task.time_limit and task.soft_time_limit < task.time_limit)
    ]
    if settings.JOB_SWEEP > settings.JOB_LEASE:
        hint = "Lower OIG_JOB_SWEEP_SECONDS or raise OIG_JOB_LEASE_SECONDS."
        found.append(Error("Beat looks for lost jobs more rarely than leases lapse", hint=hint, id="sources.E002"))
    return found
