"""Tables of the admin's pages as files."""

from __future__ import annotations

from django.http import Http404, HttpResponse

from annotate.figures import Figure
from annotate.models import Campaign


def csv(campaign: Campaign, figure: Figure | None) -> HttpResponse:
    """The numbers of a figure. Raises Http404 where there is none."""
    if figure is None:
        raise Http404("no such figure")
    headers = {"Content-Disposition": f'attachment; filename="{campaign.slug}-{figure.slug}.csv"'}
    return HttpResponse(figure.csv(), content_type="text/csv; charset=utf-8", headers=headers)
