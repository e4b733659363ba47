from __future__ import annotations

from typing import Any, Final, cast

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db.models import Count, Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_safe

from annotate import charts
from annotate.models import Annotation, Annotator, Campaign
from exports import card, tables
from exports.models import Snapshot
from exports.snapshots import file_names, in_order, manifest_name
from sources.models import Instruction

WHAT = {
    "records": _("one instruction a line, with labels, votes and lineage"),
    "statistics": _("agreement and counts"),
    "card": _("dataset card"),
    "form": _("the same records in another form"),
    "manifest": _("checksums, label set, campaigns and the cut of the votes"),
}
# Seconds for which the numbers of the front page are kept.
NUMBERS_AGE = 60
# The manifest cannot hold its own checksum.
UNKNOWN: Final = {"bytes": None, "sha256": None}


@login_not_required
@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """For strangers: what this is, how much there is, and how to join."""
    context = {
        # Counting reads every annotation: strangers make it happen once a minute, not once a request.
        **cast("dict[str, int]", cache.get_or_set("front-numbers", _numbers, NUMBERS_AGE)),
        "releases": Snapshot.objects.published()[:3],
        "campaigns": Campaign.objects.filter(kind=Campaign.Kind.VOLUNTEER, state=Campaign.State.OPEN).with_progress(),
        "contact_email": settings.CONTACT_EMAIL,
    }
    return render(request, "exports/front.html", context)


@login_not_required
@require_safe
def releases(request: HttpRequest) -> HttpResponse:
    return render(request, "exports/releases.html", {"releases": Snapshot.objects.published()})


@login_not_required
@require_safe
def release(request: HttpRequest, version: str) -> HttpResponse:
    snapshot = get_object_or_404(Snapshot.objects.published(), version=version)
    shown = tables.tables(snapshot.statistics)
    context = {
        "snapshot": snapshot,
        "manifest": snapshot.manifest,
        "files": _files(snapshot),
        "headline": tables.headline(snapshot.statistics),
        "others": tables.others(snapshot.statistics),
        "tables": [_shown(snapshot, table) for table in shown if not table.is_more],
        "more": [_shown(snapshot, table) for table in shown if table.is_more],
        "warnings": card.warnings(snapshot.statistics),
    }
    return render(request, "exports/release.html", context)


@login_not_required
@require_safe
def download(request: HttpRequest, version: str, name: str) -> FileResponse:
    """A file of a published snapshot; only names that its manifest lists, and the manifest itself."""
    snapshot = get_object_or_404(Snapshot.objects.published(), version=version)
    if name not in snapshot.manifest["files"] and name != manifest_name(version):
        raise Http404(f"{snapshot} has no file {name}")
    file = snapshot.path / name
    if not file.is_file():
        raise Http404(f"{name} is not on this server any more")
    # Never rendered by a browser on this host: the texts in it are hostile.
    return FileResponse(file.open("rb"), as_attachment=True, filename=name, content_type="application/octet-stream")


@login_not_required
@require_GET
@cache_control(public=True, max_age=86_400)
def chart(request: HttpRequest, version: str, chart: str, theme: str) -> HttpResponse:
    """A chart of a published snapshot, as SVG; kept for a day: the numbers never change, the drawing may."""
    snapshot = get_object_or_404(Snapshot.objects.published(), version=version)
    drawn = next((table for table in tables.tables(snapshot.statistics) if table.chart == chart), None)
    if drawn is None or theme not in charts.THEMES:
        raise Http404("no such chart")
    return HttpResponse(charts.svg(drawn.bars, theme), content_type="image/svg+xml")


def _numbers() -> dict[str, int]:
    """How many ``instructions``, ``votes``, ``simulated`` votes and ``annotators`` there are."""
    simulated = Q(annotator__kind=Annotator.Kind.SIMULATED)
    votes = Annotation.objects.counted().aggregate(
        votes=Count("pk"),
        simulated=Count("pk", filter=simulated),
        annotators=Count("annotator", distinct=True, filter=~simulated),
    )
    return {"instructions": Instruction.objects.count(), **votes}


def _files(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The files in reading order: ``name``, ``url``, ``what``, and ``bytes`` and ``sha256``, None of the manifest."""
    version, known = snapshot.version, snapshot.manifest["files"]
    what = {name: WHAT[kind] for kind, name in file_names(version).items()}
    drawn = dict.fromkeys((name for name in known if name.endswith(".svg")), WHAT["statistics"])
    named = [(name, (what | drawn).get(name, WHAT["form"])) for name in in_order(snapshot)]
    return [
        {"name": name, "url": reverse("download", args=[version, name]), "what": what, **known.get(name, UNKNOWN)}
        for name, what in [*named, (manifest_name(version), WHAT["manifest"])]
    ]


def _shown(snapshot: Snapshot, table: tables.Table) -> dict[str, Any]:
    drawn = None
    if table.chart:
        drawn = {theme: reverse("chart", args=[snapshot.version, table.chart, theme]) for theme in charts.THEMES}
        drawn["alt"] = f"Bar chart: {table.title}. The table beside it has the same numbers."
    return {"title": table.title, "head": table.head, "rows": table.rows, "chart": drawn}
