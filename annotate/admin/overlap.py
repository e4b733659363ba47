"""How many votes a text gets and how they are added up: what policies and methods come to on a campaign's votes."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.html import format_html

from annotate import methods, stopping, tasks
from annotate.errors import AnnotateError
from annotate.figures import Estimate, Figure
from annotate.models import Annotator, Campaign
from labels.stopping import HIGHEST_CAP, Replay, StoppingError, StoppingTable

ADDRESS = "admin:annotate_campaign_overlap"


class PolicyForm(forms.Form):
    """A policy of dynamic overlap."""

    minimum = forms.IntegerField(min_value=1, max_value=HIGHEST_CAP, initial=2, help_text="Votes that every text gets.")
    cap = forms.IntegerField(min_value=1, max_value=HIGHEST_CAP, initial=7, help_text="Votes at most.")
    target = forms.FloatField(
        min_value=0.01, max_value=1, initial=0.9, help_text="How often the label should be right on gold, 0 to 1."
    )

    def clean(self) -> dict[str, Any]:
        """The cap is not below the minimum."""
        cleaned = super().clean() or {}
        if cleaned.get("minimum", 0) > cleaned.get("cap", HIGHEST_CAP):
            self.add_error("cap", "The cap is below the minimum: raise it.")
        return cleaned


class OverlapAdmin(admin.ModelAdmin[Campaign]):
    """The pages of dynamic overlap and of the ways to add up votes."""

    def get_urls(self) -> list[Any]:
        return [
            path("<int:pk>/overlap/", self.admin_site.admin_view(self.overlap_view), name="annotate_campaign_overlap"),
            path("<int:pk>/methods/", self.admin_site.admin_view(self.methods_view), name="annotate_campaign_methods"),
            *super().get_urls(),
        ]

    @admin.display(description="Votes for each text")
    def overlap_link(self, campaign: Campaign) -> str:
        """One line for the page of a campaign."""
        line = f"{campaign.stopping}, until they settle it" if campaign.stopping else f"{campaign.overlap} for each"
        address = reverse(ADDRESS, args=[campaign.pk])
        return format_html('{}. <a href="{}">What other policies would cost and gain</a>', line, address)

    @admin.display(description="Adding up votes")
    def methods_link(self, campaign: Campaign) -> str:
        """One line for the page of a campaign."""
        address = reverse("admin:annotate_campaign_methods", args=[campaign.pk])
        return format_html('<a href="{}">The ways to add up votes, side by side</a>', address)

    def overlap_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Simulate a policy (GET), or use or drop one (POST)."""
        campaign = get_object_or_404(Campaign.objects.select_related("label_set", "stopping"), pk=pk)
        if request.method == "POST":
            if not self.has_change_permission(request, campaign):
                raise PermissionDenied
            return self._apply_policy(request, campaign)
        if not self.has_view_permission(request, campaign):
            raise PermissionDenied
        form = PolicyForm(request.GET) if "minimum" in request.GET else PolicyForm()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Votes for each text of {campaign}",
            "opts": self.opts,
            "campaign": campaign,
            "form": form,
            "may_change": self.has_change_permission(request, campaign) and campaign.kind == Campaign.Kind.VOLUNTEER,
            **(_simulated(campaign, form) if form.is_bound and form.is_valid() else {}),
        }
        return render(request, "admin/annotate/campaign/overlap.html", context)

    def methods_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The ways to add up the votes, side by side."""
        campaign = get_object_or_404(Campaign.objects.select_related("label_set"), pk=pk)
        if not self.has_view_permission(request, campaign):
            raise PermissionDenied
        found = methods.compare(campaign)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Ways to add up the votes of {campaign}",
            "opts": self.opts,
            "campaign": campaign,
            "figures": methods.figures(found) if found else [],
            "compared": found,
        }
        return render(request, "admin/annotate/campaign/methods.html", context)

    def _apply_policy(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        form = PolicyForm(request.POST)
        try:
            if "drop" in request.POST:
                tasks.drop_stopping.delay_on_commit(campaign.pk, campaign.overlap)  # type: ignore[attr-defined]
                words = f"A worker has every text want {campaign.overlap} votes again"
            elif form.is_valid():
                rule = stopping.make(campaign, **form.cleaned_data, by=cast("Annotator", request.user))
                tasks.use_stopping.delay_on_commit(campaign.pk, rule.pk)  # type: ignore[attr-defined]
                words = f"A worker brings {campaign} to {rule}; nobody loses a place that is taken"
            else:
                raise StoppingError(" ".join(str(error) for errors in form.errors.values() for error in errors))
        except (AnnotateError, StoppingError) as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, words, messages.SUCCESS)
        return redirect(ADDRESS, campaign.pk)


def _simulated(campaign: Campaign, form: PolicyForm) -> dict[str, Any]:
    votes = stopping.history(campaign)
    try:
        table = stopping.tune(votes, **form.cleaned_data)
        replays = stopping.simulate(votes, table)
    except StoppingError as error:
        return {"problem": str(error)}
    return {"table": table, "figure": _policies(table, replays)}


def _policies(table: StoppingTable, replays: list[Replay]) -> Figure:
    head = (
        "Policy",
        "Votes",
        "Votes for a text",
        "Right on gold",
        "Same label as all votes",
        "Texts with too few votes",
    )
    rows = [
        (
            each.policy,
            each.n_votes,
            each.votes_per_unit,
            _accuracy(each),
            each.same_as_all,
            each.n_short,
        )
        for each in replays
    ]
    about = (
        f"Replayed on the campaign's own votes in their order. The table stops where the most probable answer is "
        f"{table.threshold:.0%} sure; it was tuned on {table.n_gold} known answers, so its own accuracy there is "
        "somewhat flattered."
    )
    return Figure("policies", "Policies", head, list(rows), about)


def _accuracy(replay: Replay) -> Estimate:
    low, high = replay.accuracy_ci95 or (None, None)
    return Estimate(replay.accuracy, low, high, "no gold has votes")
