"""What is measured of a campaign as JSON, for those who may see it in the admin (docs/api.md)."""

from __future__ import annotations

from typing import Any, override

from django.utils.crypto import salted_hmac
from rest_framework import generics
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from annotate import measures, quality, tallies
from annotate.models import Campaign
from annotate.quality import Report
from annotate.tallies import PATIENCE


class MaySeeCampaigns(BasePermission):
    """Staff who may see campaigns in the admin."""

    @override
    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        return bool(user.is_active and user.is_staff and user.has_perm("annotate.view_campaign"))


class MaySeeVotes(MaySeeCampaigns):
    """Those of them who may see what people answered."""

    @override
    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and request.user.has_perm("annotate.view_annotation")


class CampaignAgreement(generics.GenericAPIView[Campaign]):
    queryset = Campaign.objects.all()
    lookup_field = "slug"
    permission_classes = [MaySeeCampaigns]

    def get(self, request: Request, slug: str) -> Response:
        """All that is measured of the campaign's counted votes, and when; ``waiting`` votes are not counted yet.

        Of a large campaign it ``is_behind``: a worker measures it anew now and then.
        """
        campaign = self.get_object()
        tallies.fold(PATIENCE)
        return Response({"waiting": tallies.waiting(), **measures.kept(campaign).as_dict})


class CampaignAnnotators(generics.GenericAPIView[Campaign]):
    queryset = Campaign.objects.select_related("label_set")
    lookup_field = "slug"
    permission_classes = [MaySeeVotes]

    def get(self, request: Request, slug: str) -> Response:
        """How everybody's votes stand beside the others' and beside gold, in the order of their pseudonyms."""
        campaign = self.get_object()
        people = [_of_person(campaign, report) for report in quality.reports(campaign)]
        return Response(
            {"level": quality.level(campaign), "annotators": sorted(people, key=lambda person: str(person["id"]))}
        )


def pseudonym(campaign: Campaign, annotator: int) -> str:
    """What somebody is called here: the same every time, another in each campaign, and no way back without the key."""
    return salted_hmac("annotate.api.pseudonym", f"{campaign.pk}:{annotator}", algorithm="sha256").hexdigest()[:16]


def _of_person(campaign: Campaign, report: Report) -> dict[str, Any]:
    """Of signals no reasons, which name others."""
    return {
        "id": pseudonym(campaign, report.annotator),
        "n": report.measured.n,
        "n_compared": report.measured.n_compared,
        "loo_agreement": report.agreement.as_dict(),
        "loo_mean_abs_deviation": report.distance.as_dict(),
        "loo_signed_bias": report.bias.as_dict(),
        "alpha_gain_if_left_out": report.gain.as_dict(),
        "gold_accuracy": report.gold.as_dict(),
        "signals": [{"signal": one.code, "since": one.week} for one in report.signals],
    }
