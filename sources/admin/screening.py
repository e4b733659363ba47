"""Admin of the screening for personal information and languages: how far it is, and a button that begins it anew."""

from __future__ import annotations

from typing import override

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from sources import screening, tasks
from sources.admin.base import BoundedPaginator, ReadOnly
from sources.models import Screening


@admin.register(Screening)
class ScreeningAdmin(ReadOnly, admin.ModelAdmin[Screening]):
    """Read-only; whoever may add screenings may have everything screened again."""

    change_list_template = "admin/sources/screening/list.html"
    list_display = ("id", "instructions", "state", "screened", "findings", "languages", "created_at", "finished_at")
    list_filter = ("state",)
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    fields = ("instructions", "state", "screened", "findings", "languages", "error", "created_at", "finished_at")
    actions = None

    class Media:
        css = {"all": ("curation.css",)}

    @override
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.again_view)
        return [path("again/", view, name="sources_screening_again"), *super().get_urls()]

    def again_view(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm("sources.add_screening"):
            raise PermissionDenied
        jobs = screening.request_all()
        tasks.dispatch_jobs.delay_on_commit()  # type: ignore[attr-defined]
        parts = "part" if jobs == 1 else "parts"
        said = f"Everything is screened again, in {jobs:,} {parts}" if jobs else "There is no instruction to screen"
        self.message_user(request, f"{said}.", messages.INFO)
        return HttpResponseRedirect(reverse("admin:sources_screening_changelist"))

    @admin.display(description="Instructions", ordering="lowest")
    def instructions(self, job: Screening) -> str:
        return f"{job.lowest:,} to {job.highest:,}"
