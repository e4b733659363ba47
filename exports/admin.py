from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from annotate.models import Annotator, Campaign
from exports import snapshots, tasks
from exports.errors import SnapshotRefused
from exports.models import Snapshot


class SnapshotForm(forms.ModelForm[Snapshot]):
    class Meta:
        model = Snapshot
        fields = ("version", "campaigns")

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
class SnapshotAdmin(admin.ModelAdmin[Snapshot]):
    """Adding a snapshot publishes it in a worker; afterwards it can only be looked at."""

    form = SnapshotForm
    list_display = ("__str__", "state", "progress", "instructions", "votes", "started_by", "created_at", "finished_at")
    list_filter = ("state", "campaigns")
    search_fields = ("version",)
    filter_horizontal = ("campaigns",)
    list_select_related = ("started_by",)
    readonly_fields = ("state", "progress", "error", "cut", "page")
    actions = ("publish_again",)

    def has_change_permission(self, request: HttpRequest, obj: Snapshot | None = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Snapshot | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Snapshot | None = None) -> list[str]:
        return ["version", "campaigns"] + (list(self.readonly_fields) if obj else [])

    def save_model(self, request: HttpRequest, obj: Snapshot, form: Any, change: bool) -> None:
        obj.started_by = request.user if isinstance(request.user, Annotator) else None
        super().save_model(request, obj, form, change)
        tasks.publish_snapshot.delay_on_commit(obj.pk)
        self.message_user(request, f"A worker is publishing {obj}; its list shows the progress", messages.INFO)

    @admin.action(description="Publish again (after a failure)", permissions=["add"])
    def publish_again(self, request: HttpRequest, queryset: QuerySet[Snapshot]) -> None:
        for snapshot in queryset:
            snapshots.retry(snapshot)
            tasks.publish_snapshot.delay_on_commit(snapshot.pk)

    @admin.display(description="Progress")
    def progress(self, snapshot: Snapshot) -> SafeString:
        return format_html('<progress max="100" value="{}"></progress> {} %', snapshot.percent, snapshot.percent)

    @admin.display(description="Page")
    def page(self, snapshot: Snapshot) -> str | SafeString:
        if not snapshot.is_published:
            return "not published yet"
        return format_html('<a href="{}">{}</a>', snapshot.get_absolute_url(), snapshot)

    @admin.display(description="Instructions")
    def instructions(self, snapshot: Snapshot) -> int | None:
        return snapshot.manifest.get("instructions")

    @admin.display(description="Votes")
    def votes(self, snapshot: Snapshot) -> int | None:
        return snapshot.manifest.get("votes")
