"""Admin of campaigns: opening, closing, progress."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from annotate import campaigns, tasks
from annotate.errors import AnnotateError
from annotate.models import Campaign

# Between two looks at a campaign that is being opened.
REFRESH_SECONDS = "3"


class CampaignForm(forms.ModelForm[Campaign]):
    """What defines a campaign may change until it was opened: its units were made from it."""

    FIXED = ("label_set", "target", "seed", "overlap", "one_per_cluster")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.instance.state != Campaign.State.DRAFT:
            for name in self.FIXED:
                if name in self.fields:
                    self.fields[name].disabled = True
                    self.fields[name].help_text = "Fixed since the campaign was opened."


@admin.register(Campaign)
class CampaignAdmin(admin.ModelAdmin[Campaign]):
    form = CampaignForm
    list_display = ("title", "slug", "kind", "state_in_words", "target", "label_set", "units", "progress")
    list_filter = ("state", "kind", "target", "label_set")
    search_fields = ("title", "slug", "description")
    fields = (
        "title",
        "slug",
        "description",
        "label_set",
        "target",
        "sources",
        "overlap",
        "lease_minutes",
        "seed",
        "family_distance",
        "one_per_cluster",
        "kind",
        "state",
        "error",
        "created_at",
    )
    prepopulated_fields = {"slug": ("title",)}
    filter_horizontal = ("sources",)
    readonly_fields = ("kind", "state", "error", "created_at")
    list_select_related = ("label_set",)
    actions = ("open_campaigns", "close_campaigns")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        return Campaign.objects.with_progress()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Campaign | None = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return obj is not None and obj.state == Campaign.State.DRAFT and super().has_delete_permission(request, obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list; while a worker opens a campaign it comes again by itself until that is done."""
        response = super().changelist_view(request, extra_context)
        if Campaign.objects.filter(state=Campaign.State.OPENING).exists():
            response["Refresh"] = REFRESH_SECONDS
        return response

    @admin.display(ordering="state", description="State")
    def state_in_words(self, campaign: Campaign) -> str:
        label = campaign.get_state_display()
        return f"{label} - {campaign.error}" if campaign.error else label

    @admin.display(ordering="units_count", description="Units")
    def units(self, campaign: Campaign) -> int:
        return campaign.units_count  # type: ignore[attr-defined, no-any-return]

    @admin.display(description="Slots taken")
    def progress(self, campaign: Campaign) -> str:
        wanted, given = campaign.wanted, campaign.given  # type: ignore[attr-defined]
        return f"{given:,} of {wanted:,} ({given / wanted:.0%})" if wanted else "-"

    @admin.action(description="Open (a worker places the instructions)", permissions=["change"])
    def open_campaigns(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> None:
        for campaign in queryset:
            try:
                campaigns.request_opening(campaign)
            except AnnotateError as error:
                self.message_user(request, str(error), messages.ERROR)
                continue
            tasks.open_campaign.delay_on_commit(campaign.pk)  # type: ignore[attr-defined]
            self.message_user(request, f"{campaign} is being opened; this list shows when it is", messages.SUCCESS)

    @admin.action(description="Close (what people hold they may finish)", permissions=["change"])
    def close_campaigns(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> None:
        for campaign in queryset:
            try:
                campaigns.close(campaign)
            except AnnotateError as error:
                self.message_user(request, str(error), messages.ERROR)
                continue
            self.message_user(request, f"{campaign} is closed", messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        """Write what the form changed and nothing else: a worker may be opening the campaign at this moment."""
        changed = [name for name in form.changed_data if name != "sources"]
        obj.save(update_fields=changed if change else None)
