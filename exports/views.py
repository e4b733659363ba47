from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final, cast

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_safe

from annotate import charts
from annotate.models import Annotation, Annotator, Campaign
from exports import card, changes, checksums, serving, single_votes, tables, writers
from exports.comparing import lines_file, summary_name
from exports.models import Comparison, Snapshot, Standing
from exports.release_files import CHANGELOG, file_names, in_order, manifest_name
from exports.versions import numbers
from sources.jobs import JobState
from sources.models import Instruction

WHAT = {
    "records": _("one instruction a line, with labels, votes and lineage"),
    "statistics": _("agreement and counts"),
    "card": _("dataset card"),
    "plot": _("a plot of the dataset card"),
    "changelog": _("what changed since the version before"),
    "changes": _("what changed, for programs"),
    "votes": _("single votes under pseudonyms, of people who allow it"),
    "form": _("the same records in another form"),
    "registered": _("the file as it was published elsewhere"),
    "lines": _("its lines as releases are compared by them: one for each text, in order"),
    "manifest": _("checksums, label set, campaigns and the cut of the votes"),
    "sums": _("the checksums of all files, for sha256sum"),
}
# Seconds for which the numbers of the front page are kept.
NUMBERS_AGE = 60
# Of a file that lists the others.
UNKNOWN: Final = {"bytes": None, "sha256": None}


@login_not_required
@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """For strangers: what this is, how much there is, and how to join."""
    context = {
        # Counting reads every annotation: strangers make it happen once a minute, not once a request.
        **cast("dict[str, int]", cache.get_or_set("front-numbers", _numbers, NUMBERS_AGE)),
        "releases": Snapshot.objects.recommended()[:3],
        "campaigns": Campaign.objects.filter(kind=Campaign.Kind.VOLUNTEER, state=Campaign.State.OPEN).with_progress(),
        "contact_email": settings.CONTACT_EMAIL,
    }
    return render(request, "exports/front.html", context)


@login_not_required
@require_safe
def releases(request: HttpRequest) -> HttpResponse:
    published = Snapshot.objects.published()
    # The two latest are what is most likely asked about.
    chosen = [snapshot.version for snapshot in published[:2]]
    return render(request, "exports/releases.html", {"releases": published, **_two(published, chosen)})


@login_not_required
@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """Lead to what changed between the two releases that were chosen, whichever is the earlier one."""
    asked = {request.GET.get("before"), request.GET.get("after")}
    found = [one for one in Snapshot.objects.published().values_list("version", flat=True) if one in asked]
    match found:
        case [after, before]:
            return redirect("changes", after, before)
        case [one]:
            return redirect("release", one)
    return redirect("releases")


@login_not_required
@require_safe
def changes_between(request: HttpRequest, version: str, since: str) -> HttpResponse:
    """What changed from one release to a later one: what was found once, never computed for a request."""
    published = list(Snapshot.objects.published().only("version", "manifest"))
    found = {snapshot.version: snapshot for snapshot in published}
    if version not in found or since not in found or numbers(since) >= numbers(version):
        raise Http404("no such releases, or not in this order")
    kept = Comparison.objects.filter(before=found[since], after=found[version]).first()
    summary = kept.summary if kept else {}
    shown = changes.tables(summary) if summary else []
    context = {
        "before": found[since],
        "after": found[version],
        "summary": summary,
        "has_failed": bool(kept and kept.state == JobState.FAILED),
        "tables": [_shown(found[version], table) for table in shown if not table.is_more],
        "more": [_shown(found[version], table) for table in shown if table.is_more],
        **_two(published, [version, since]),
    }
    return render(request, "exports/changes.html", context)


@login_not_required
@require_safe
def release(request: HttpRequest, version: str) -> HttpResponse:
    snapshot = get_object_or_404(Snapshot.objects.published(), version=version)
    if snapshot.is_withdrawn:
        # What it said of its texts goes with it; by the digests of its files a copy can be told.
        context = {"snapshot": snapshot, "manifest": snapshot.manifest, "files": _files(snapshot)}
        return render(request, "exports/withdrawn.html", context)
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
def download(request: HttpRequest, version: str, name: str) -> HttpResponseBase:
    """A file of a published snapshot: what its manifest lists, the manifest itself, and SHA256SUMS.

    Of one that was withdrawn nothing is given: 410, with the reason.
    """
    snapshot = get_object_or_404(Snapshot.objects.published(), version=version)
    if name not in (*snapshot.manifest["files"], manifest_name(version), checksums.NAME):
        raise Http404(f"{snapshot} has no file {name}")
    if snapshot.is_withdrawn:
        return _gone(snapshot)
    try:
        if name == checksums.NAME:
            return _sums(snapshot)
        return serving.serve(request, snapshot.path / name, name, checksums.digest(snapshot, name))
    except OSError:
        raise Http404(f"{name} is not on this server any more") from None


@login_not_required
@require_GET
@cache_control(public=True, max_age=86_400)
def chart(request: HttpRequest, version: str, chart: str, theme: str) -> HttpResponse:
    """A chart of a published snapshot, as SVG; kept for a day: the numbers never change, the drawing may."""
    offered = Snapshot.objects.published().exclude(standing=Standing.WITHDRAWN)
    snapshot = get_object_or_404(offered, version=version)
    drawn = next((table for table in tables.tables(snapshot.statistics) if table.chart == chart), None)
    if drawn is None or theme not in charts.THEMES:
        raise Http404("no such chart")
    return HttpResponse(charts.svg(drawn.bars, theme), content_type="image/svg+xml")


def _sums(snapshot: Snapshot) -> HttpResponse:
    """What ``sha256sum -c`` reads."""
    headers = {"Content-Disposition": f'attachment; filename="{checksums.NAME}"'}
    listing = checksums.listing(checksums.digests(snapshot))
    return HttpResponse(listing, content_type="text/plain; charset=utf-8", headers=headers)


def _gone(snapshot: Snapshot) -> HttpResponse:
    """Who fetches with a program reads the reason too: it is the whole of the answer, in English as all files."""
    said = f"{snapshot} was withdrawn: {snapshot.standing_reason}\n"
    return HttpResponse(said, status=HTTPStatus.GONE, content_type="text/plain; charset=utf-8")


def _numbers() -> dict[str, int]:
    """How many ``instructions``, ``votes``, ``simulated`` votes and ``annotators`` there are."""
    simulated = Q(annotator__kind=Annotator.Kind.SIMULATED)
    votes = Annotation.objects.counted().aggregate(
        votes=Count("pk"),
        simulated=Count("pk", filter=simulated),
        annotators=Count("annotator", distinct=True, filter=~simulated),
    )
    return {"instructions": Instruction.objects.count(), **votes}


def _two(published: Iterable[Snapshot], chosen: Sequence[str]) -> dict[str, Any]:
    """What the form to compare two releases shows: the ``versions``, and which are chosen."""
    return {"versions": [snapshot.version for snapshot in published], "chosen": chosen}


def _files(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The files in reading order: ``name``, ``url``, ``what``, and ``bytes`` and ``sha256``, None of SHA256SUMS."""
    version, known = snapshot.version, snapshot.manifest["files"]
    manifest = manifest_name(version)
    # What was moved away is still listed; it is a 404.
    its_own = {manifest: writers.fingerprint(snapshot.path / manifest)} if (snapshot.path / manifest).is_file() else {}
    what = {name: WHAT[kind] for kind, name in file_names(version).items()}
    what |= {CHANGELOG: WHAT["changelog"], summary_name(snapshot): WHAT["changes"]}
    what |= dict.fromkeys((name for name in known if name.endswith(".svg")), WHAT["plot"])
    what[f"{snapshot}.{single_votes.FORM}.jsonl"] = WHAT["votes"]
    if snapshot.is_registered:
        what = dict.fromkeys(known, WHAT["registered"]) | {lines_file(snapshot).name: WHAT["lines"]}
    named = [(name, what.get(name, WHAT["form"])) for name in in_order(snapshot)]
    named += [(manifest, WHAT["manifest"]), (checksums.NAME, WHAT["sums"])]
    return [
        {
            "name": name,
            "url": reverse("download", args=[version, name]),
            "what": what,
            **UNKNOWN,
            **known.get(name, {}),
            **its_own.get(name, {}),
        }
        for name, what in named
    ]


def _shown(snapshot: Snapshot, table: tables.Table) -> dict[str, Any]:
    drawn = None
    if table.chart:
        drawn = {theme: reverse("chart", args=[snapshot.version, table.chart, theme]) for theme in charts.THEMES}
        drawn["alt"] = f"Bar chart: {table.title}. The table beside it has the same numbers."
    return {"title": table.title, "head": table.head, "rows": table.rows, "words": table.words, "chart": drawn}
