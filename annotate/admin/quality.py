"""Admin of annotators' quality: a list for each campaign, a page for each person. Totals and signals, no verdicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, override

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from annotate import pairs, person, quality, standing, tallies
from annotate.admin import downloads
from annotate.figures import by_slug
from annotate.models import Annotator, Campaign
from annotate.pairs import Pair
from annotate.person import Disagreement
from annotate.quality import Report
from annotate.tallies import PATIENCE
from sources import curation
from sources.admin import shown

PER_PAGE = 50
VOTES_PERMISSION = "annotate.view_annotation"

type Key = Callable[[Report], float | str | None]

# By the name in the address: what the column is called, and what it is sorted by.
COLUMNS: dict[str, tuple[str, Key]] = {
    "name": ("Annotator", lambda one: one.name.lower()),
    "signals": ("Signals", lambda one: len(one.signals)),
    "votes": ("Votes", lambda one: one.measured.n),
    "compared": ("Beside others", lambda one: one.measured.n_compared),
    "agreement": ("Agreement with the others", lambda one: one.agreement.value),
    "distance": ("Distance", lambda one: one.distance.value),
    "bias": ("More severe by", lambda one: one.bias.value),
    "gain": ("Alpha without them", lambda one: one.gain.value),
    "gold": ("Right on gold", lambda one: one.gold.value),
}
USUAL_ORDER = "-signals"


class ListForm(forms.Form):
    """Which of a campaign's annotators are listed."""

    q = forms.CharField(required=False, label="Name contains", max_length=150)
    fewest = forms.IntegerField(required=False, label="Votes from", min_value=0, max_value=2**31)
    signals = forms.BooleanField(required=False, label="Only with signals")
    o = forms.ChoiceField(
        required=False,
        widget=forms.HiddenInput,
        choices=[(sign + name, name) for name in COLUMNS for sign in ("", "-")],
    )


class PairForm(forms.Form):
    """Two people who voted in a campaign."""

    one = forms.ModelChoiceField(Annotator.objects.none(), label="First", empty_label="choose")
    other = forms.ModelChoiceField(Annotator.objects.none(), label="Second", empty_label="choose")

    def __init__(self, campaign: Campaign, asked: QueryDict) -> None:
        # One of the two may be named by a link: then the other is still to be chosen, which is no error.
        is_asked = "one" in asked and "other" in asked
        super().__init__(asked if is_asked else None, initial=asked.dict())
        self.campaign = campaign
        voters = pairs.voters(campaign).order_by("username")
        for field in self.fields.values():
            field.queryset = voters  # type: ignore[attr-defined]

    @override
    def clean(self) -> dict[str, Any]:
        found = super().clean() or self.cleaned_data
        if found.get("one") and found.get("one") == found.get("other"):
            raise forms.ValidationError("Choose two different people.")
        return found

    def pair(self) -> Pair | None:
        """What they said on the same texts; None unless two people are named."""
        if not self.is_valid():
            return None
        return pairs.read(self.campaign, self.cleaned_data["one"], self.cleaned_data["other"])


class Heading:
    """A column's heading: a link that sorts by it, the other way round if the list is sorted by it already."""

    def __init__(self, name: str, order: str, request: HttpRequest) -> None:
        self.name = name
        self.title = COLUMNS[name][0]
        self.sorted = {name: "ascending", f"-{name}": "descending"}.get(order, "")
        self.is_number = name not in ("name", "signals")
        # Names run from A on first, numbers from the highest.
        descending = self.sorted == "ascending" if name == "name" else self.sorted != "descending"
        asked = request.GET.copy()
        asked.pop("p", None)
        asked["o"] = f"-{name}" if descending else name
        self.address = f"?{asked.urlencode()}"


class CampaignQualityAdmin(admin.ModelAdmin[Campaign]):
    """The part of a campaign's admin that is about its annotators."""

    @override
    def get_urls(self) -> list[Any]:
        def at(rest: str, view: Any, name: str) -> Any:
            return path(f"<int:pk>/quality/{rest}", self.admin_site.admin_view(view), name=f"annotate_campaign_{name}")

        return [
            at("", self.quality_view, "quality"),
            at("annotators.csv", self.quality_csv, "quality_csv"),
            at("pair/", self.pair_view, "pair"),
            at("pair.json", self.pair_json, "pair_json"),
            at("pair/<slug:slug>.csv", self.pair_csv, "pair_csv"),
            *super().get_urls(),
        ]

    @admin.display(description="Annotators' quality")
    def annotators_quality(self, campaign: Campaign) -> SafeString:
        address = reverse("admin:annotate_campaign_quality", args=[campaign.pk])
        return format_html("<a href=\"{}\">How everybody's votes stand beside the others' and gold</a>", address)

    def quality_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Everybody who voted in a campaign, sorted and filtered."""
        campaign = self._whose_votes_are_seen(request, pk)
        form = ListForm(request.GET)
        kept = quality.listed(campaign)
        listed, order = _chosen(kept.made, form)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Annotators' quality in {campaign}",
            "opts": self.opts,
            "campaign": campaign,
            "form": form,
            "headings": [Heading(name, order, request) for name in COLUMNS],
            "page": Paginator(listed, PER_PAGE).get_page(request.GET.get("p")),
            "everybody": len(kept.made),
            "as_of": kept.at,
            "names": quality.NAMES,
            "level": quality.level(campaign),
            "kept_out": standing.kept_out(campaign),
        }
        return render(request, "admin/annotate/campaign/quality.html", context)

    def quality_csv(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The same people in the same order, on one page."""
        campaign = self._whose_votes_are_seen(request, pk)
        listed, _ = _chosen(quality.listed(campaign).made, ListForm(request.GET))
        return downloads.csv(campaign, quality.figure(listed))

    def pair_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Two people beside each other; who they are is chosen on the page."""
        campaign = self._whose_votes_are_seen(request, pk)
        form = PairForm(campaign, request.GET)
        pair = form.pair()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Two annotators of {campaign}",
            "opts": self.opts,
            "campaign": campaign,
            "form": form,
            "pair": pair,
            "figures": pair.figures() if pair else [],
        }
        return render(request, "admin/annotate/campaign/pair.html", context)

    def pair_json(self, request: HttpRequest, pk: int) -> JsonResponse:
        """The same numbers; 400 with the problems where not two people are named."""
        form = PairForm(self._whose_votes_are_seen(request, pk), request.GET)
        pair = form.pair()
        return JsonResponse(pair.as_dict()) if pair else JsonResponse({"errors": form.errors}, status=400)

    def pair_csv(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        campaign = self._whose_votes_are_seen(request, pk)
        pair = PairForm(campaign, request.GET).pair()
        return downloads.csv(campaign, by_slug(pair.figures(), slug) if pair else None)

    def _whose_votes_are_seen(self, request: HttpRequest, pk: int) -> Campaign:
        campaign = get_object_or_404(Campaign.objects.select_related("label_set"), pk=pk)
        may_see = self.has_view_permission(request, campaign) and request.user.has_perm(VOTES_PERMISSION)
        if not (may_see and request.user.has_perm("annotate.view_annotator")):
            raise PermissionDenied
        tallies.fold(PATIENCE)
        return campaign


class AnnotatorQualityAdmin(UserAdmin[Annotator]):
    """The part of an annotator's admin that is about their votes."""

    @override
    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.quality_view)
        return [path("<int:pk>/quality/", view, name="annotate_annotator_quality"), *super().get_urls()]

    @admin.display(description="Quality")
    def quality(self, annotator: Annotator) -> SafeString | str:
        if not annotator.pk:
            return "-"
        address = reverse("admin:annotate_annotator_quality", args=[annotator.pk])
        return format_html('<a href="{}">How these votes stand beside the others\' and gold</a>', address)

    def quality_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One person: measures in each campaign, and of one of these the signals, weeks, answers and gold."""
        annotator = get_object_or_404(Annotator, pk=pk)
        may_see = self.has_view_permission(request, annotator) and request.user.has_perm(VOTES_PERMISSION)
        if not may_see:
            raise PermissionDenied
        found = [(campaign, *quality.report(campaign, annotator)) for campaign in person.campaigns_of(annotator)]
        told = [(campaign, report, votes) for campaign, report, votes in found if report is not None]
        asked = request.GET.get("campaign")
        chosen = next((one for one in told if one[0].slug == asked), told[0] if told else None)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Quality of the votes of {annotator}",
            "opts": self.opts,
            "annotator": annotator,
            "campaigns": [(campaign, report) for campaign, report, _ in told],
        }
        if chosen is not None:
            campaign, report, votes = chosen
            differing, hidden = person.disagreements(campaign, annotator, request.user)  # type: ignore[arg-type]
            context |= {
                "campaign": campaign,
                "report": report,
                "weeks": person.weeks(votes, annotator.pk),
                "shares": person.shares(votes, annotator.pk),
                "confusion": person.confusion(votes, annotator.pk),
                "disagreements": _with_texts(differing),
                "hidden": hidden,
            }
        return render(request, "admin/annotate/annotator/quality.html", context)


def _chosen(everybody: list[Report], form: ListForm) -> tuple[list[Report], str]:
    """Who is listed, in which order, by a form that need not be valid."""
    chosen = form.cleaned_data if form.is_valid() else {}
    order = chosen.get("o") or USUAL_ORDER
    return _sorted([one for one in everybody if _fits(one, chosen)], order), order


def _fits(report: Report, chosen: dict[str, Any]) -> bool:
    return (
        str(chosen.get("q") or "").lower() in report.name.lower()
        and report.measured.n >= (chosen.get("fewest") or 0)
        and (not chosen.get("signals") or bool(report.signals))
    )


def _sorted(listed: list[Report], order: str) -> list[Report]:
    """By one column, then by name; what has no value stands last either way."""
    key = COLUMNS[order.removeprefix("-")][1]
    known = [one for one in listed if key(one) is not None]
    known.sort(key=key, reverse=order.startswith("-"))  # type: ignore[arg-type]
    return known + [one for one in listed if key(one) is None]


def _with_texts(differing: list[Disagreement]) -> list[dict[str, Any]]:
    """Each with its text as pages of curators show it: folded where a source suggests that it is severe."""
    curation.with_provenances([one.annotation.unit.instruction for one in differing])
    return [
        {"said": one.annotation, "known": one.known, "sample": shown.sample(one.annotation.unit.instruction)}
        for one in differing
    ]
