"""Admin of campaigns: opening, closing, progress."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from annotate import campaigns, known, missing, order, tallies, tasks
from annotate.admin.guidelines import GuidelinesAdmin
from annotate.admin.measures import MeasuresAdmin
from annotate.admin.overlap import OverlapAdmin
from annotate.admin.quality import CampaignQualityAdmin
from annotate.errors import AnnotateError
from annotate.models import Campaign, OrderRule

# Between two looks at a campaign that is being opened.
REFRESH_SECONDS = "3"


class CampaignForm(forms.ModelForm[Campaign]):
    """What defines a campaign may change until it was opened: its units were made from it."""

    FIXED = ("label_set", "target", "seed", "one_per_cluster")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.instance.state != Campaign.State.DRAFT:
            for name in self.FIXED:
                if name in self.fields:
                    self.fields[name].disabled = True
                    self.fields[name].help_text = "Fixed since the campaign was opened."
        if self.instance.stopping_id and "overlap" in self.fields:
            self.fields["overlap"].disabled = True
            self.fields["overlap"].help_text = "The least that a text gets; a policy decides what more."


class OrderRuleInline(admin.TabularInline[OrderRule, Campaign]):
    """The order of service. Saving applies it, if the campaign was opened."""

    model = OrderRule
    extra = 0
    verbose_name_plural = "order of service"


@admin.register(Campaign)
class CampaignAdmin(MeasuresAdmin, OverlapAdmin, CampaignQualityAdmin, GuidelinesAdmin):
    form = CampaignForm
    list_display = ("title", "slug", "kind", "state_in_words", "target", "label_set", "for_whom", "units", "progress")
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
        "aggregation",
        "model",
        "adjudicators",
        "adjudicate_by",
        "lease_minutes",
        "seed",
        "family_distance",
        "severe_per_day",
        "minutes_per_day",
        "calm_after",
        "one_per_cluster",
        "groups",
        ("practice", "qualification_percent", "qualification_tries", "qualification_wait_hours"),
        ("gold_every", "gold_least", "gold_window"),
        "measures_link",
        "overlap_link",
        "methods_link",
        "who_is_missing",
        "annotators_quality",
        "wording",
        "kind",
        "state",
        "error",
        "created_at",
    )
    prepopulated_fields = {"slug": ("title",)}
    filter_horizontal = ("sources", "groups")
    readonly_fields = (
        "kind",
        "state",
        "error",
        "created_at",
        "measures_link",
        "overlap_link",
        "methods_link",
        "who_is_missing",
        "annotators_quality",
        "wording",
    )
    inlines = (OrderRuleInline,)
    list_select_related = ("label_set", "stopping")
    actions = ("open_campaigns", "close_campaigns", "apply_order", "count_anew")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        return Campaign.objects.with_progress().prefetch_related("groups")

    def get_urls(self) -> list[Any]:
        address = path(
            "<int:pk>/missing/", self.admin_site.admin_view(self.missing_view), name="annotate_campaign_missing"
        )
        return [address, *super().get_urls()]

    def missing_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Which languages and topics have open slots and nobody who reads them."""
        campaign = get_object_or_404(Campaign, pk=pk)
        if not self.has_view_permission(request, campaign):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": f"Who is missing in {campaign}",
            "opts": self.opts,
            "campaign": campaign,
            "missing": missing.look(campaign, timezone.now()),
            "days": missing.RECENT.days,
        }
        return render(request, "admin/annotate/campaign/missing.html", context)

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

    @admin.display(description="For whom")
    def for_whom(self, campaign: Campaign) -> str:
        return ", ".join(group.name for group in campaign.groups.all()) or "everybody"

    @admin.display(description="Who is missing")
    def who_is_missing(self, campaign: Campaign) -> str:
        address = reverse("admin:annotate_campaign_missing", args=[campaign.pk])
        return format_html('<a href="{}">Languages and topics that wait for readers</a>', address)

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

    @admin.action(description="Apply the order of service (a worker moves the units)", permissions=["change"])
    def apply_order(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> None:
        for campaign in queryset:
            self._send_order(request, campaign)

    @admin.action(description="Count the votes anew (a worker), as after a change of sources", permissions=["change"])
    def count_anew(self, request: HttpRequest, queryset: QuerySet[Campaign]) -> None:
        for campaign in queryset:
            queued = tallies.rebuild(campaign)
            self.message_user(request, f"A worker counts {queued:,} texts of {campaign} anew", messages.SUCCESS)

    def _send_order(self, request: HttpRequest, campaign: Campaign) -> None:
        tasks.apply_order.delay_on_commit(campaign.pk)  # type: ignore[attr-defined]
        self.message_user(request, f"A worker brings the units of {campaign} into their order", messages.SUCCESS)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The rules with the campaign; changed ones move the units of a campaign that was opened."""
        super().save_related(request, form, formsets, change)
        campaign: Campaign = form.instance
        for warning in known.doubts(campaign):
            self.message_user(request, warning, messages.WARNING)
        if any(formset.has_changed() for formset in formsets):
            for warning in order.doubts(campaign):
                self.message_user(request, warning, messages.WARNING)
            if campaign.state != Campaign.State.DRAFT:
                self._send_order(request, campaign)

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        """Write what the form changed and nothing else: a worker may be opening the campaign at this moment."""
        changed = [name for name in form.changed_data if name not in ("sources", "groups")]
        if change and "overlap" in changed and obj.state != Campaign.State.DRAFT:
            changed.remove("overlap")
            tasks.change_overlap.delay_on_commit(obj.pk, obj.overlap)  # type: ignore[attr-defined]
            words = f"A worker changes the overlap of every unit to {obj.overlap}; none loses a slot that is taken"
            self.message_user(request, words, messages.SUCCESS)
        obj.save(update_fields=changed if change else None)
