from __future__ import annotations

from typing import Any, override

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from annotate.models import Annotator, Campaign
from exports import comparing, snapshots, tasks
from exports.errors import SnapshotRefused
from exports.models import Comparison, Snapshot
from sources.admin import JobAdmin


class SnapshotForm(forms.ModelForm[Snapshot]):
    class Meta:
        model = Snapshot
        fields = ("version", "campaigns", "mask_personal")

    @override
    def clean(self) -> dict[str, Any]:
        """Say before saving what publishing would refuse."""
        cleaned = super().clean() or {}
        chosen = list(cleaned.get("campaigns") or snapshots.opened_campaigns())
        try:
            snapshots.check_campaigns(chosen)
        except SnapshotRefused as error:
            raise forms.ValidationError(str(error)) from None
        cleaned["campaigns"] = Campaign.objects.filter(pk__in=[campaign.pk for campaign in chosen])
        return cleaned


@admin.register(Snapshot)
class SnapshotAdmin(JobAdmin):
    """Adding a snapshot publishes it in a worker; afterwards it can only be looked at."""

    form = SnapshotForm
    details_template = "admin/exports/snapshot/details.html"
    list_display = ("__str__", "state", "percent", "instructions", "votes", "started_by", "created_at", "finished_at")
    list_filter = ("state", "campaigns")
    search_fields = ("version",)
    filter_horizontal = ("campaigns",)
    list_select_related = ("started_by",)
    actions = ("publish_again",)

    @override
    def get_fields(self, request: HttpRequest, obj: Snapshot | None = None) -> tuple[str, ...]:
        looked_at = ("started_by", "created_at", "finished_at", "attempts", "cut", "cut_at") if obj else ()
        return ("version", "campaigns", "mask_personal", *looked_at)

    @override
    def save_model(self, request: HttpRequest, obj: Snapshot, form: Any, change: bool) -> None:
        obj.started_by = request.user if isinstance(request.user, Annotator) else None
        super().save_model(request, obj, form, change)
        tasks.publish_snapshot.delay_on_commit(obj.pk)  # type: ignore[attr-defined]

    @override
    def response_add(self, request: HttpRequest, obj: Snapshot, post_url_continue: str | None = None) -> HttpResponse:
        self.message_user(request, f"A worker is taking {obj}", messages.INFO)
        return HttpResponseRedirect(reverse("admin:exports_snapshot_change", args=[obj.pk]))

    @admin.action(description="Publish again what failed, with the votes of now", permissions=["add"])
    def publish_again(self, request: HttpRequest, queryset: QuerySet[Snapshot]) -> None:
        for snapshot in queryset:
            if not snapshots.retry(snapshot):
                self.message_user(request, f"{snapshot} did not fail: it is {snapshot.state}", messages.WARNING)
                continue
            tasks.publish_snapshot.delay_on_commit(snapshot.pk)  # type: ignore[attr-defined]
            self.message_user(request, f"A worker is taking {snapshot}", messages.INFO)

    @admin.display(description="Instructions")
    def instructions(self, snapshot: Snapshot) -> int | None:
        counted: int | None = snapshot.manifest.get("instructions")
        return counted

    @admin.display(description="Votes")
    def votes(self, snapshot: Snapshot) -> int | None:
        counted: int | None = snapshot.manifest.get("votes")
        return counted


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
