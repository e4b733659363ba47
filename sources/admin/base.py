"""What several pages of the admin share: rows that nobody edits, bounded lists, jobs with their progress."""

from __future__ import annotations

from typing import Any, override

from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminErrorList, AdminForm
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.functional import cached_property

from sources import workers
from sources.jobs import Job, JobState

MOST_COUNTED = 10_000
LIVE = (JobState.QUEUED, JobState.RUNNING)


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

    @cached_property
    @override
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_COUNTED].count())


class JobAdmin(admin.ModelAdmin[Any]):
    """Adding a job starts it; afterwards its page shows the progress while a worker is at it, and what came of it.

    ``details_template`` is the part of the progress that is the job's own; ``verbs_template`` has its buttons, which
    submit the page's form to other addresses. Only when the state changes are the buttons replaced: a press that
    meets a replacement would be lost.
    """

    change_form_template = "admin/job.html"
    details_template: str
    verbs_template = ""

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
            "is_live": job.state in LIVE,
            "details": self.details_template,
            "verbs": self.verbs_template,
            "may_act": self.has_add_permission(request),
            "title": str(job),
            "subtitle": None,
            **self.progress_of(job),
        }
        if getattr(request, "htmx", False):
            progress["is_new_state"] = request.GET.get("seen") != job.state
            return render(request, "admin/job.html#progress", progress)
        return super().change_view(request, object_id, form_url, progress)

    def progress_of(self, job: Any) -> dict[str, Any]:
        """What the templates show beside the job; ``state`` is its state in words."""
        return {"state": str(job.get_state_display()).capitalize()}

    def check_may_start(self, request: HttpRequest) -> None:
        if not self.has_add_permission(request):
            raise PermissionDenied

    def asked(self, request: HttpRequest, pk: int) -> Any:
        """The job that somebody asks something for who may."""
        if request.method != "POST":
            raise Http404
        self.check_may_start(request)
        return get_object_or_404(self.model, pk=pk)

    def form_page(self, request: HttpRequest, form: Any, **context: Any) -> HttpResponse:
        """The page that adds a job, of a form with ``fieldsets`` that need not be one of a model."""
        shown = {
            **self.admin_site.each_context(request),
            "adminform": AdminForm(form, form.fieldsets, {}),
            "errors": AdminErrorList(form, []),
            "inline_admin_formsets": [],
            "media": self.media + form.media,
            "is_popup": False,
            "to_field": None,
            **context,
        }
        return self.render_change_form(request, shown, add=True)

    def send(self, request: HttpRequest, task: Any, *ids: int) -> None:
        """Send it to the workers; where the queue does not answer, beat does so later."""

        def send() -> None:
            if not workers.send(task, *ids):
                self.message_user(request, workers.NO_BROKER, messages.WARNING)

        transaction.on_commit(send)

    def back(self, request: HttpRequest, job: Job, message: str, level: int = messages.SUCCESS) -> HttpResponseRedirect:
        """To the page of the job, with what was done."""
        self.message_user(request, message, level)
        options = self.opts
        return HttpResponseRedirect(reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[job.pk]))

    @admin.display(description="Done, %")
    def percent(self, job: Any) -> int:
        return int(job.percent)


def duration(seconds: float) -> str:
    """A time in words, as rough as it is sure."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"about {seconds / length:.0f} {unit}s"
    return "less than two minutes" if seconds > 30 else "less than half a minute"
