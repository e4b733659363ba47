"""How many votes a text gets and how they are added up: what policies and methods come to on a campaign's votes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.html import format_html

from annotate import methods, stopping, tallies, tasks
from annotate.admin import downloads
from annotate.errors import AnnotateError
from annotate.figures import Estimate, Figure, Value, by_slug
from annotate.models import Annotator, Campaign
from annotate.stopping import Simulation
from annotate.tallies import PATIENCE
from labels.stopping import HIGHEST_CAP, Replay, StoppingError

ADDRESS = "admin:annotate_campaign_overlap"


class PolicyForm(forms.Form):
    """A policy of dynamic overlap."""

    minimum = forms.IntegerField(
        min_value=1, max_value=HIGHEST_CAP - 1, initial=2, help_text="Votes that every text gets."
    )
    cap = forms.IntegerField(min_value=2, max_value=HIGHEST_CAP, initial=7, help_text="Votes at most.")
    target = forms.FloatField(
        min_value=0.01,
        max_value=0.999,
        initial=0.9,
        help_text="How often the label should be right on gold; above 0, below 1.",
    )

    def clean(self) -> dict[str, Any]:
        """The cap is above the minimum."""
        cleaned = super().clean() or {}
        if {"minimum", "cap"} <= cleaned.keys() and cleaned["minimum"] >= cleaned["cap"]:
            self.add_error("cap", "The cap is not above the minimum: raise it.")
        return cleaned


class UseForm(PolicyForm):
    """The policy that was looked at, to be used: the version of its table, and whether published labels may shift."""

    version = forms.CharField(max_length=64)
    labels_may_shift = forms.BooleanField(required=False)


class OverlapAdmin(admin.ModelAdmin[Campaign]):
    """The pages of dynamic overlap and of the ways to add up votes."""

    def get_urls(self) -> list[Any]:
        def at(rest: str, view: Any, name: str) -> Any:
            return path(f"<int:pk>/{rest}", self.admin_site.admin_view(view), name=f"annotate_campaign_{name}")

        return [
            at("overlap/", self.overlap_view, "overlap"),
            at("overlap.json", self.overlap_json, "overlap_json"),
            at("overlap/<slug:slug>.csv", self.overlap_csv, "overlap_csv"),
            at("methods/", self.methods_view, "methods"),
            at("methods.json", self.methods_json, "methods_json"),
            at("methods/<slug:slug>.csv", self.methods_csv, "methods_csv"),
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
        campaign = self._seen(request, pk)
        if request.method == "POST":
            if not self.has_change_permission(request, campaign):
                raise PermissionDenied
            return self._apply_policy(request, campaign)
        form = PolicyForm(request.GET) if "minimum" in request.GET else PolicyForm()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Votes for each text of {campaign}",
            "opts": self.opts,
            "campaign": campaign,
            "form": form,
            "before": stopping.overlap_without_rule(campaign),
            "may_change": self.has_change_permission(request, campaign) and campaign.kind == Campaign.Kind.VOLUNTEER,
            **(_simulated(campaign, form) if form.is_bound and form.is_valid() else {}),
        }
        return render(request, "admin/annotate/campaign/overlap.html", context)

    def overlap_json(self, request: HttpRequest, pk: int) -> JsonResponse:
        """What a policy would cost and gain, with the whole table."""
        found = self._policy(request, pk)
        figures = {figure.slug: figure.as_dict() for figure in found["figures"]} if "figures" in found else {}
        if "problem" in found:
            return JsonResponse({"problem": found["problem"]}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        simulated: Simulation = found["found"]
        return JsonResponse(
            {
                "table": simulated.table.as_dict(),
                "policies": stopping.replay_rows(simulated.replays),
                "usual": simulated.usual,
                "warnings": [simulated.warning] if simulated.warning else [],
                "read": simulated.read.about,
                "figures": figures,
            }
        )

    def overlap_csv(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        found = self._policy(request, pk)
        return downloads.csv(self._seen(request, pk), by_slug(found.get("figures", []), slug))

    def methods_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The ways to add up the votes, side by side."""
        campaign = self._seen(request, pk)
        compared = methods.kept(campaign)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Ways to add up the votes of {campaign}",
            "opts": self.opts,
            "campaign": campaign,
            "figures": methods.figures(compared.found) if compared else [],
            "compared": compared,
        }
        return render(request, "admin/annotate/campaign/methods.html", context)

    def methods_json(self, request: HttpRequest, pk: int) -> JsonResponse:
        compared = methods.kept(self._seen(request, pk))
        return JsonResponse(methods.as_dict(compared) if compared else {"problem": "there are no votes yet"})

    def methods_csv(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        campaign = self._seen(request, pk)
        compared = methods.kept(campaign)
        return downloads.csv(campaign, by_slug(methods.figures(compared.found) if compared else [], slug))

    def _seen(self, request: HttpRequest, pk: int) -> Campaign:
        campaign = get_object_or_404(Campaign.objects.select_related("label_set", "stopping"), pk=pk)
        if not self.has_view_permission(request, campaign):
            raise PermissionDenied
        tallies.fold(PATIENCE)
        return campaign

    def _policy(self, request: HttpRequest, pk: int) -> dict[str, Any]:
        """What a policy that a request names comes to, or the problem with it."""
        campaign, form = self._seen(request, pk), PolicyForm(request.GET)
        return _simulated(campaign, form) if form.is_valid() else {"problem": _problems(form)}

    def _apply_policy(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        form, again = UseForm(request.POST), reverse(ADDRESS, args=[campaign.pk])
        try:
            if "drop" in request.POST:
                overlap = stopping.overlap_without_rule(campaign)
                tasks.drop_stopping.delay_on_commit(campaign.pk, overlap)  # type: ignore[attr-defined]
                words = f"A worker has every text want {overlap} votes again"
            elif form.is_valid():
                rule = stopping.make(campaign, **form.cleaned_data, by=cast("Annotator", request.user))
                tasks.use_stopping.delay_on_commit(campaign.pk, rule.pk)  # type: ignore[attr-defined]
                words = f"A worker brings {campaign} to {rule}; nobody loses a place that is taken"
            else:
                raise StoppingError(_problems(form))
        except (AnnotateError, StoppingError) as error:
            self.message_user(request, str(error), messages.ERROR)
            policy = {name: request.POST[name] for name in PolicyForm.base_fields if name in request.POST}
            return redirect(f"{again}?{urlencode(policy)}")
        self.message_user(request, words, messages.SUCCESS)
        return redirect(again)


def _problems(form: PolicyForm) -> str:
    return " ".join(str(error) for errors in form.errors.values() for error in errors)


def _simulated(campaign: Campaign, form: PolicyForm) -> dict[str, Any]:
    try:
        found = stopping.simulate(campaign, **form.cleaned_data)
    except StoppingError as error:
        return {"problem": str(error)}
    return {"found": found, "table": found.table, "figures": _figures(campaign, found)}


def _figures(campaign: Campaign, found: Simulation) -> list[Figure]:
    return [_policies(found), _labels(campaign, found)]


def _policies(found: Simulation) -> Figure:
    head = (
        "Policy",
        "Votes",
        "Votes are",
        "Votes for a text",
        "Right on gold",
        "Same published label as all votes",
        f"Same published label as {found.usual} votes",
        "Texts with too few votes",
    )
    rows: list[tuple[Value, ...]] = [
        (
            each.policy,
            each.n_votes,
            "at least these" if each.n_short else "exact",
            each.votes_per_unit,
            _accuracy(each),
            each.same_published_as_all,
            each.same_published_as_usual,
            each.n_short,
        )
        for each in found.replays
    ]
    about = (
        f"Replayed on the campaign's own votes in their order. {found.read.about} The table stops where the most "
        f"probable answer is {found.table.threshold:.0%} sure. “Right on gold” is how often the most probable answer "
        f"is the known one, on {found.table.n_gold:,} known answers, each held out from the table that judges it."
    )
    return Figure("policies", "What it would cost and gain", head, rows, about.replace("  ", " "))


def _labels(campaign: Campaign, found: Simulation) -> Figure:
    published = [dict(each.published) for each in found.replays]
    rows: list[tuple[Value, ...]] = [
        (
            name,
            *(
                counts.get(name, 0) / each.n_units if each.n_units else None
                for counts, each in zip(published, found.replays, strict=True)
            ),
        )
        for name in stopping.published_names(campaign)
    ]
    about = (
        "Which share of the texts would get each label of those that the campaign publishes. A text with too few votes "
        "for a policy counts with those that it has."
    )
    return Figure(
        "labels", "Published labels", ("Label", *(each.policy for each in found.replays)), rows, about, "heat"
    )


def _accuracy(replay: Replay) -> Estimate:
    low, high = replay.accuracy_ci95 or (None, None)
    return Estimate(replay.accuracy, low, high, "no gold has votes")
