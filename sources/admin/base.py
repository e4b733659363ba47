"""What several pages of the admin share: rows that nobody edits, lists without a full count, jobs with their progress."""

from __future__ import annotations

from typing import Any, override

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import cached_property

from sources.jobs import Job, JobState

MOST_COUNTED = 10_000


class ReadOnly:
    """For rows that only imports write."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class BoundedPaginator(Paginator[Any]):
    """Pages over the first 10,000 rows: counting millions would take longer than anybody looks at them."""

    most = MOST_COUNTED

    @cached_property
    @override
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_COUNTED].count())


class JobAdmin(admin.ModelAdmin[Any]):
    """Adding a job starts it; afterwards its page shows the progress while a worker is at it, and what came of it."""

    change_form_template = "admin/job.html"
    details_template: str

    @override
    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    @override
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        if job is None or not self.has_view_permission(request, job):
            return super().change_view(request, object_id, form_url, extra_context)
        progress = {
            "job": job,
            "is_live": job.state in {JobState.QUEUED, JobState.RUNNING},
            "details": self.details_template,
            "title": str(job),
        }
        if getattr(request, "htmx", False):
            return render(request, "admin/job.html#progress", progress)
        return super().change_view(request, object_id, form_url, progress)

    @admin.display(description="Done, %")
    def percent(self, job: Any) -> int:
        return int(job.percent)
