"""How a campaign is going and how far its annotators agree: a page of figures, each also as CSV, and all as JSON."""

from __future__ import annotations

from typing import Any, override

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from annotate import charts, dashboard, figures, health, measures, tallies
from annotate.admin import downloads
from annotate.admin.quality import VOTES_PERMISSION
from annotate.dashboard import Disputed
from annotate.figures import Figure
from annotate.measures import Kept
from annotate.models import Campaign
from annotate.tallies import PATIENCE
from sources import curation, workers
from sources.admin import shown

# What stands open on the page; the rest is one click away.
OPEN = ("agreement", "over-time", "labels")


class MeasuresAdmin(admin.ModelAdmin[Campaign]):
    """The pages of what is measured of a campaign, for whoever may see it in the admin."""

    @override
    def get_urls(self) -> list[Any]:
        def at(rest: str, view: Any, name: str) -> Any:
            return path(f"<int:pk>/measures{rest}", self.admin_site.admin_view(view), name=f"annotate_campaign_{name}")

        return [
            at("/", self.measures_view, "measures"),
            at(".json", self.measures_json, "measures_json"),
            at("/<slug:slug>.csv", self.figure_csv, "figure_csv"),
            at("/<slug:slug>-<str:theme>.svg", self.figure_svg, "figure_svg"),
            at("/disputed/", self.disputed_view, "disputed"),
            *super().get_urls(),
        ]

    def measures_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The page. It asks for itself anew every few seconds, and is told 204 while nothing has changed."""
        campaign = self._campaign(request, pk)
        now, kept = health.look(campaign, timezone.now()), measures.kept(campaign)
        problem = workers.why_none_works()
        # What a worker measured anew is news too.
        stamp = f"{now.stamp}-{kept.at:%Y%m%d%H%M%S%f}-{bool(problem):d}"
        is_update = "HX-Request" in request.headers
        if is_update and request.GET.get("stamp") == stamp:
            return HttpResponse(status=204)
        measured, found = kept.measured, dashboard.figures(campaign.label_set.spec, kept.measured)
        headline = dashboard.headline(measured)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Measures of {campaign}",
            "opts": self.opts,
            "campaign": campaign,
            "health": now,
            "stamp": stamp,
            "workers_problem": problem,
            "measured": measured,
            "as_of": kept.at if kept.is_behind else None,
            "headline": headline,
            "are_both": all(one.estimate.low is not None and not one.estimate.interval_reason for one in headline),
            "figures": [_shown(campaign, figure) for figure in found],
            "is_update": is_update,
        }
        template = "admin/annotate/campaign/measures.html"
        return render(request, f"{template}#live" if is_update else template, context)

    def measures_json(self, request: HttpRequest, pk: int) -> JsonResponse:
        """Everything that is measured, and the figures of the page."""
        campaign = self._campaign(request, pk)
        kept, found = _measured(campaign)
        return JsonResponse({**kept.as_dict, "figures": {figure.slug: figure.as_dict() for figure in found}})

    def figure_csv(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        campaign = self._campaign(request, pk)
        return downloads.csv(campaign, _figure(campaign, slug))

    def figure_svg(self, request: HttpRequest, pk: int, slug: str, theme: str) -> HttpResponse:
        figure = _figure(self._campaign(request, pk), slug)
        if not figure.is_drawn or theme not in charts.THEMES:
            raise Http404("no such chart")
        return HttpResponse(figure.svg(theme), content_type="image/svg+xml")

    def disputed_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The texts on which votes differ most; those with a vote for the gravest answer only when asked for."""
        campaign = self._campaign(request, pk)
        if not request.user.has_perm(VOTES_PERMISSION):
            raise PermissionDenied
        severe = request.GET.get("severe") == "1"
        found = dashboard.disputed(campaign, request.user, severe=severe)  # type: ignore[arg-type]
        context = {
            **self.admin_site.each_context(request),
            "title": f"Most disputed in {campaign}",
            "opts": self.opts,
            "campaign": campaign,
            "severe": severe,
            "rows": _with_texts(found),
        }
        return render(request, "admin/annotate/campaign/disputed.html", context)

    @admin.display(description="Measures")
    def measures_link(self, campaign: Campaign) -> str:
        address = reverse("admin:annotate_campaign_measures", args=[campaign.pk])
        return format_html('<a href="{}">Progress, agreement, answers, disputes</a>', address)

    def _campaign(self, request: HttpRequest, pk: int) -> Campaign:
        campaign = get_object_or_404(Campaign.objects.select_related("label_set"), pk=pk)
        if not self.has_view_permission(request, campaign):
            raise PermissionDenied
        tallies.fold(PATIENCE)
        return campaign


def _measured(campaign: Campaign) -> tuple[Kept, list[Figure]]:
    kept = measures.kept(campaign)
    return kept, dashboard.figures(campaign.label_set.spec, kept.measured)


def _figure(campaign: Campaign, slug: str) -> Figure:
    figure = figures.by_slug(_measured(campaign)[1], slug)
    if figure is None:
        raise Http404("no such figure")
    return figure


def _with_texts(found: list[Disputed]) -> list[dict[str, Any]]:
    """Each with its text as pages of curators show it, folded where a source or a vote says that it is severe."""
    curation.with_provenances([one.instruction for one in found])
    samples = [shown.sample(one.instruction) for one in found]
    for one, sample in zip(found, samples, strict=True):
        sample["severity"] = sample["severity"] or one.gravest
    return [{"disputed": one, "sample": sample} for one, sample in zip(found, samples, strict=True)]


def _shown(campaign: Campaign, figure: Figure) -> dict[str, Any]:
    def address(name: str, *more: str) -> str:
        return reverse(f"admin:annotate_campaign_{name}", args=[campaign.pk, figure.slug, *more])

    drawn = {theme: address("figure_svg", theme) for theme in charts.THEMES} if figure.is_drawn else None
    return {"figure": figure, "is_open": figure.slug in OPEN, "chart": drawn, "csv": address("figure_csv")}
