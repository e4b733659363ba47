"""What is measured of a campaign as JSON, for those who may see it in the admin (docs/api.md)."""

from __future__ import annotations

from typing import Any, override

from rest_framework import generics
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from annotate import measures, tallies
from annotate.models import Campaign
from annotate.tallies import PATIENCE, Scope


class MaySeeCampaigns(BasePermission):
    """Staff who may see campaigns in the admin."""

    @override
    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        return bool(user.is_active and user.is_staff and user.has_perm("annotate.view_campaign"))


class CampaignAgreement(generics.GenericAPIView[Campaign]):
    queryset = Campaign.objects.all()
    lookup_field = "slug"
    permission_classes = [MaySeeCampaigns]

    def get(self, request: Request, slug: str) -> Response:
        """All that is measured of the campaign's counted votes; ``waiting`` votes are not counted yet."""
        campaign = self.get_object()
        tallies.fold(PATIENCE)
        return Response({"waiting": tallies.waiting(), **measures.of_scope(Scope((campaign.pk,)))})
