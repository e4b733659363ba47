"""Admin of the ledger: the sources with their licences, and what a curator wants to know of each."""

from __future__ import annotations

from typing import Any, override

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from sources import curation, personal, wording
from sources.admin import shown
from sources.jobs import JobState
from sources.models import ImportRun, InstructionState, Provenance, Screening, Source

RUNS_LISTED = 20
# What a page loads after it is shown, since a million instructions take longer than anybody waits for a page.
PARTS = {
    "spread": "Lengths, languages and labels",
    "duplicates": "Duplicates and personal information",
    "samples": "Ten at random",
}
LICENSES = {
    "CC0-1.0": "Creative Commons Zero: given to the public domain",
    "CC-BY-4.0": "Creative Commons Attribution 4.0: anybody may use it who names the source",
    "CC-BY-SA-4.0": "Creative Commons Attribution-ShareAlike 4.0: name the source, and pass it on under the same terms",
    "CC-BY-NC-4.0": "Creative Commons Attribution-NonCommercial 4.0: name the source, and do not sell it",
    "MIT": "the MIT licence: keep its notice",
    "Apache-2.0": "the Apache License 2.0: keep its notices",
    "ODC-By-1.0": "the Open Data Commons Attribution License: name the source",
    "CDLA-Permissive-2.0": "the Community Data License Agreement, Permissive 2.0: keep its text",
}


@admin.register(Source)
class SourceAdmin(admin.ModelAdmin[Source]):
    change_form_template = "admin/sources/source/page.html"
    list_display = ("name", "revision", "title", "license", "is_published", "instructions", "imports", "created_at")
    list_filter = ("license",)
    list_select_related = ("augments",)
    search_fields = ("name", "title", "attribution", "address")

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        return (
            super()
            .get_queryset(request)
            .annotate(n_instructions=_count_of(Provenance.objects.all()), n_imports=_count_of(ImportRun.objects.all()))
        )

    @override
    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Source | None:
        """Without the counts of the list, which nothing on a source's own page uses."""
        return Source.objects.filter(pk=object_id).first() if object_id.isdecimal() else None

    @override
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.part_view)
        return [path("<int:pk>/parts/<slug:part>/", view, name="sources_source_part"), *super().get_urls()]

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Source | None = None) -> bool:
        return False

    @override
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        source = self.get_object(request, object_id)
        if source is None or not self.has_view_permission(request, source):
            return super().change_view(request, object_id, form_url, extra_context)
        parts = {part: title for part, title in PARTS.items() if _may_see(request, part)}
        context = {"source": source, "parts": parts, "title": str(source), "subtitle": None, **_overview(source)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def part_view(self, request: HttpRequest, pk: int, part: str) -> HttpResponse:
        """One part of a source's page: for htmx alone, for everybody else on a page of its own."""
        source = get_object_or_404(Source, pk=pk)
        if part not in PARTS:
            raise Http404
        if not self.has_view_permission(request, source) or not _may_see(request, part):
            raise PermissionDenied
        context = {"source": source, "part": part, "heading": PARTS[part], **_PARTS[part](request, source)}
        if getattr(request, "htmx", False):
            return render(request, f"admin/sources/source/{part}.html", context)
        whole = {**self.admin_site.each_context(request), "title": f"{source}: {PARTS[part].lower()}"}
        return TemplateResponse(request, "admin/sources/source/part.html", {**whole, **context, "opts": self.opts})

    @admin.display(boolean=True, description="Published")
    def is_published(self, source: Source) -> bool:
        return source.is_publishable

    @admin.display(ordering="n_instructions")
    def instructions(self, source: Source) -> int:
        return source.n_instructions  # type: ignore[attr-defined, no-any-return]

    @admin.display(ordering="n_imports")
    def imports(self, source: Source) -> int:
        return source.n_imports  # type: ignore[attr-defined, no-any-return]


def _may_see(request: HttpRequest, part: str) -> bool:
    """Whoever may see a source may see its numbers; texts are for those who may see instructions."""
    return part != "samples" or request.user.has_perm("sources.view_instruction")


def _overview(source: Source) -> dict[str, Any]:
    names = ("read", "added", "known", "rejected")
    runs = ImportRun.objects.filter(source=source).order_by("-pk")
    listed = runs.annotate(**{f"n_{name}": Sum(f"chunks__{name}", default=0) for name in names})
    found = curation.counts(source)
    return {
        "counts": found,
        "states": [(InstructionState(state).label, n, _shown_as(state)) for state, n in found.states.items()],
        # Of a path or an address the file: the whole stands on the page of the import.
        "runs": [(run, run.given_as.rstrip("/").rpartition("/")[2]) for run in listed[:RUNS_LISTED]],
        "runs_named": RUNS_LISTED,
        "licence": LICENSES.get(source.license, source.license),
        "augmented": source.augmented.all(),
    }


def _shown_as(state: InstructionState) -> str:
    """The value of the list's filter for a state; "" where its texts are shown to nobody."""
    return str(state.value) if state in (InstructionState.AVAILABLE, InstructionState.SET_ASIDE) else ""


def _spread(request: HttpRequest, source: Source) -> dict[str, Any]:
    return {"spread": curation.spread(source), "unmapped": curation.unmapped(source), "ranges": wording.LENGTHS}


def _duplicates(request: HttpRequest, source: Source) -> dict[str, Any]:
    kinds = [(kind, personal.KINDS.get(kind, kind), n, of) for kind, n, of in curation.personal(source)]
    return {"duplicates": curation.duplicates(source), "personal": kinds, "is_waiting": _is_screened_later()}


def _is_screened_later() -> bool:
    return Screening.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING]).exists()


def _samples(request: HttpRequest, source: Source) -> dict[str, Any]:
    given = request.GET.get("seed", "0")
    seed = int(given) if given.isdecimal() and len(given) < 10 else 0
    return {"samples": [shown.sample(one) for one in curation.samples(source, seed)], "seed": seed, "next": seed + 1}


_PARTS = {"spread": _spread, "duplicates": _duplicates, "samples": _samples}


def _count_of(rows: QuerySet[Any]) -> Coalesce:
    """How many of ``rows`` each source has, by one subquery."""
    of_source = rows.filter(source=OuterRef("pk")).order_by().values("source")
    return Coalesce(Subquery(of_source.annotate(n=Count("*")).values("n")), 0)
