"""Admin of releases: what begins one, its page while it is made and afterwards, and what becomes of it."""

from __future__ import annotations

from typing import Any, override

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, URLResolver, path

from annotate.models import Annotator
from exports import comparing, snapshots, standings, tasks
from exports.errors import SnapshotRefused, StandingRefused
from exports.forms import PublishForm, StandingForm
from exports.models import Comparison, Snapshot, Standing
from sources import workers
from sources.admin import JobAdmin
from sources.jobs import JobState


@admin.register(Snapshot)
class SnapshotAdmin(JobAdmin):
    """Adding a snapshot publishes it in a worker; afterwards it is only said whether it should be used."""

    details_template = "admin/exports/snapshot/details.html"
    verbs_template = "admin/exports/snapshot/verbs.html"
    add_form_template = "admin/exports/snapshot/start.html"
    list_display = (
        "__str__",
        "standing",
        "state",
        "percent",
        "instructions",
        "votes",
        "started_by",
        "created_at",
        "finished_at",
    )
    list_filter = ("standing", "state", "campaigns")
    search_fields = ("version",)
    list_select_related = ("started_by",)
    fields = readonly_fields = (
        "version",
        "campaigns",
        "mask_personal",
        "filters",
        "forms",
        "started_by",
        "created_at",
        "finished_at",
        "attempts",
        "cut",
        "cut_at",
    )
    actions = ("publish_again",)

    def view_on_site(self, obj: Snapshot) -> str | None:
        """A draft has no page."""
        return obj.get_absolute_url() if obj.is_published else None

    @override
    def get_urls(self) -> list[URLPattern | URLResolver]:  # type: ignore[override]
        own = {
            "cancel": self.cancel_view,
            "resume": self.resume_view,
            "again": self.again_view,
            "standing": self.standing_view,
        }
        named = [
            path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=f"exports_snapshot_{name}")
            for name, view in own.items()
        ]
        return [*named, *super().get_urls()]

    @override
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form; what would be published, if that is asked; else a way to the version that was begun."""
        self.check_may_start(request)
        form, found = PublishForm(request.POST or None), None
        if form.is_valid():
            try:
                if "preview" not in request.POST:
                    return self._begin(request, form)
                found = _preview(form)
            except SnapshotRefused as error:
                form.add_error(None, str(error))
        return self.form_page(request, form, title="Publish a version", found=found)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        snapshot = self.asked(request, pk)
        if not snapshots.cancel(snapshot):
            return self.back(request, snapshot, f"{snapshot} had ended already", messages.WARNING)
        self.log_change(request, snapshot, "Cancelled.")
        return self.back(request, snapshot, "Cancelled: nothing of it is left, and it can be resumed")

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        snapshot = self.asked(request, pk)
        return self._queued(request, snapshot, snapshots.resume(snapshot), "Resumed with the votes up to its cut")

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        snapshot = self.asked(request, pk)
        return self._queued(request, snapshot, snapshots.retry(snapshot), "Begun anew with the votes of now")

    def standing_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Deprecate a release, withdraw it, or publish it again, with a reason."""
        if not request.user.has_perm("exports.change_snapshot"):
            raise PermissionDenied
        snapshot = get_object_or_404(Snapshot.objects.published(), pk=pk)
        form = StandingForm(request.POST or None, snapshot=snapshot)
        if form.is_valid():
            asked = form.cleaned_data
            try:
                standings.change(snapshot, Standing(asked["standing"]), asked["reason"])
            except StandingRefused as error:
                form.add_error(None, str(error))
            else:
                self.log_change(request, snapshot, f"{snapshot.get_standing_display()}: {asked['reason']}")
                return self.back(request, snapshot, f"{snapshot} is {snapshot.standing} now")
        context = {
            **self.admin_site.each_context(request),
            "title": f"What becomes of {snapshot}",
            "opts": self.opts,
            "snapshot": snapshot,
            "form": form,
        }
        return render(request, "admin/exports/snapshot/standing.html", context)

    @admin.action(description="Begin anew what failed or was cancelled, with the votes of now", permissions=["add"])
    def publish_again(self, request: HttpRequest, queryset: QuerySet[Snapshot]) -> None:
        for snapshot in queryset:
            if not snapshots.retry(snapshot):
                self.message_user(request, f"{snapshot} did not fail: it is {snapshot.state}", messages.WARNING)
                continue
            self.send(request, tasks.publish_snapshot, snapshot.pk)
            self.message_user(request, f"A worker is taking {snapshot}", messages.INFO)

    @override
    def progress_of(self, job: Any) -> dict[str, Any]:
        return {
            "state": _state(job),
            "why_it_waits": workers.why_it_waits() if job.state == JobState.QUEUED else "",
            "remedy": _remedy(job),
        }

    @admin.display(description="Instructions")
    def instructions(self, snapshot: Snapshot) -> int | None:
        counted: int | None = snapshot.manifest.get("instructions")
        return counted

    @admin.display(description="Votes")
    def votes(self, snapshot: Snapshot) -> int | None:
        counted: int | None = snapshot.manifest.get("votes")
        return counted

    @admin.display(description="Which lines")
    def filters(self, snapshot: Snapshot) -> str:
        return _told(snapshot.options.get("filters", {})) or "all that can be published"

    @admin.display(description="Other forms")
    def forms(self, snapshot: Snapshot) -> str:
        return _told(snapshot.options.get("forms", {})) or "none"

    def _begin(self, request: HttpRequest, form: PublishForm) -> HttpResponse:
        snapshot = snapshots.begin(
            form.cleaned_data["version"],
            form.chosen(),
            mask_personal=form.cleaned_data["mask_personal"],
            options=form.options(),
            started_by=request.user if isinstance(request.user, Annotator) else None,
            allow_lower=form.cleaned_data["allow_lower"],
        )
        self.log_addition(request, snapshot, "Begun.")
        self.send(request, tasks.publish_snapshot, snapshot.pk)
        return self.back(request, snapshot, f"A worker is taking {snapshot}", messages.INFO)

    def _queued(self, request: HttpRequest, snapshot: Snapshot, was_queued: bool, words: str) -> HttpResponse:
        if not was_queued:
            refusal = f"{snapshot} is {snapshot.state}: only what failed or was cancelled is begun again"
            return self.back(request, snapshot, refusal, messages.WARNING)
        self.send(request, tasks.publish_snapshot, snapshot.pk)
        self.log_change(request, snapshot, f"{words}.")
        return self.back(request, snapshot, words)


def _preview(form: PublishForm) -> dict[str, Any]:
    left_out = snapshots.preview(form.chosen(), form.options())
    return {"instructions": left_out.pop("instructions"), "votes": left_out.pop("votes"), "left_out": left_out}


def _state(snapshot: Snapshot) -> str:
    """What it is at, in words."""
    if snapshot.is_published:
        return str(snapshot.get_standing_display())
    named = {JobState.QUEUED: "Waiting for a worker", JobState.RUNNING: "Being made"}
    return f"Draft: {named.get(JobState(snapshot.state), str(snapshot.get_state_display()).lower())}"


def _remedy(snapshot: Snapshot) -> str:
    if snapshot.state not in snapshots.ENDED:
        return ""
    resumed = "Resume it with the votes up to its cut, or begin" if snapshot.cut is not None else "Begin"
    return f"Nothing of it is left. {resumed} anew with the votes of now."


def _told(chosen: dict[str, Any]) -> str:
    """One choice a line."""
    listed = {name: ", ".join(value) if isinstance(value, list) else value for name, value in chosen.items()}
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in listed.items())


@admin.register(Comparison)
class ComparisonAdmin(JobAdmin):
    """Beat has every two releases compared; here stands why one could not be, and it can be tried again."""

    details_template = "admin/exports/comparison/details.html"
    list_display = ("__str__", "state", "error", "finished_at")
    list_filter = ("state",)
    list_select_related = ("before", "after")
    fields = ("before", "after", "created_at", "finished_at", "attempts")
    actions = ("compare_again",)

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("exports.add_snapshot")

    @admin.action(description="Compare again what failed", permissions=["publish"])
    def compare_again(self, request: HttpRequest, queryset: QuerySet[Comparison]) -> None:
        for comparison in queryset:
            if comparing.again(comparison):
                tasks.compare_snapshots.delay_on_commit(comparison.pk)  # type: ignore[attr-defined]
                self.message_user(request, f"A worker is taking {comparison}", messages.INFO)
            else:
                self.message_user(request, f"{comparison} did not fail: it is {comparison.state}", messages.WARNING)
