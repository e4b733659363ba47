"""Admin of a campaign's guidelines: what a newer revision changes, adopting it, and queueing votes for another look."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.html import format_html

from annotate import guidelines
from annotate.errors import AnnotateError
from annotate.models import Campaign
from labels.models import LabelSet

ADDRESS = "admin:annotate_campaign_guidelines"


class GuidelinesAdmin(admin.ModelAdmin[Campaign]):
    """The part of a campaign's admin that is about its guidelines."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.guidelines_view)
        return [path("<int:pk>/guidelines/", view, name="annotate_campaign_guidelines"), *super().get_urls()]

    @admin.display(description="Guidelines")
    def wording(self, campaign: Campaign) -> str:
        """One line for the page of a campaign."""
        if not campaign.is_open:
            return "Another revision can be adopted while the campaign is open."
        newer = guidelines.newer_revisions(campaign)
        is_loaded = f"; revision {newer[0].revision} is loaded" if newer else ""
        line = f"Counted votes under an older wording: {guidelines.under_older_wording(campaign):,}{is_loaded}"
        return format_html('{}. <a href="{}">Look at the wording</a>', line, reverse(ADDRESS, args=[campaign.pk]))

    def guidelines_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What a newer revision would change, and the buttons for adopting it and for queueing votes."""
        campaign = get_object_or_404(Campaign.objects.select_related("label_set"), pk=pk)
        if request.method == "POST":
            if not self.has_change_permission(request, campaign):
                raise PermissionDenied
            self._act(request, campaign)
            return redirect(ADDRESS, pk)
        if not self.has_view_permission(request, campaign):
            raise PermissionDenied
        present = campaign.label_set.spec
        newer = [
            (other, guidelines.why_not(present, other.spec), guidelines.changes(present, other.spec))
            for other in guidelines.newer_revisions(campaign)
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": f"Guidelines of {campaign}",
            "opts": self.opts,
            "campaign": campaign,
            "newer": newer,
            "older": guidelines.under_older_wording(campaign),
            "queued": guidelines.waiting(campaign),
            "may_change": self.has_change_permission(request, campaign),
        }
        return render(request, "admin/annotate/campaign/guidelines.html", context)

    def _act(self, request: HttpRequest, campaign: Campaign) -> None:
        if not campaign.is_open:
            self.message_user(request, f"{campaign} is not open", messages.ERROR)
        elif "adopt" in request.POST:
            self._adopt(request, campaign)
        elif "queue" in request.POST:
            queued = guidelines.queue_another_look(campaign)
            self.message_user(request, f"Queued for another look: {queued:,}", messages.SUCCESS)

    def _adopt(self, request: HttpRequest, campaign: Campaign) -> None:
        number = request.POST["adopt"]
        named = LabelSet.objects.filter(name=campaign.label_set.name, revision=number if number.isdecimal() else 0)
        label_set = named.first()
        if label_set is None:
            self.message_user(request, f"There is no revision {number} of {campaign.label_set.name}", messages.ERROR)
            return
        try:
            guidelines.adopt(campaign, label_set)
        except AnnotateError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        self.message_user(request, f"{campaign} uses {label_set} now; it cannot change any more", messages.SUCCESS)
