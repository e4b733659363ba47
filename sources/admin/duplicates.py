"""Admin of near-duplicates: a form that starts a search, and the clusters that it found."""

from __future__ import annotations

from typing import Any, override

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from sources import curation, duplicates, tasks
from sources.admin import shown
from sources.admin.base import JobAdmin
from sources.models import DuplicateSearch, Instruction, NearDuplicate

CLUSTERS_A_PAGE = 10
MEMBERS_SHOWN = 10


class SearchForm(forms.ModelForm[DuplicateSearch]):
    class Meta:
        model = DuplicateSearch
        fields = ("threshold",)

    def clean_threshold(self) -> float:
        from sources.similarity import LOWEST_THRESHOLD  # numpy and rensa take memory that other pages do not need

        threshold: float = self.cleaned_data["threshold"]
        if not LOWEST_THRESHOLD <= threshold <= 1:
            raise forms.ValidationError(f"Give a number from {LOWEST_THRESHOLD} to 1.")
        return threshold


@admin.register(DuplicateSearch)
class DuplicateSearchAdmin(JobAdmin):
    """Adding a search starts it in a worker; its clusters are on a page of their own."""

    form = SearchForm
    details_template = "admin/sources/duplicatesearch/details.html"
    list_display = ("id", "threshold", "state", "percent", "clusters", "duplicates", "started_by", "created_at")
    list_filter = ("state",)
    list_select_related = ("started_by",)

    @override
    def get_fields(self, request: HttpRequest, obj: DuplicateSearch | None = None) -> tuple[str, ...]:
        looked_at = ("started_by", "created_at", "finished_at") if obj else ()
        return ("threshold", *looked_at)

    @override
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.clusters_view)
        return [path("<int:pk>/clusters/", view, name="sources_duplicatesearch_clusters"), *super().get_urls()]

    @override
    def save_form(self, request: HttpRequest, form: Any, change: bool) -> DuplicateSearch:
        return duplicates.search(form.cleaned_data["threshold"], request.user)

    @override
    def save_model(self, request: HttpRequest, obj: DuplicateSearch, form: Any, change: bool) -> None:
        tasks.search_duplicates.delay_on_commit(obj.pk)  # type: ignore[attr-defined]

    @override
    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """A search has nothing beside it."""

    @override
    def response_add(
        self, request: HttpRequest, obj: DuplicateSearch, post_url_continue: str | None = None
    ) -> HttpResponse:
        self.message_user(request, f"A worker is taking {obj}", messages.INFO)
        return HttpResponseRedirect(reverse("admin:sources_duplicatesearch_change", args=[obj.pk]))

    def clusters_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The clusters, the largest first, each with its representative and the most similar of the others."""
        search = get_object_or_404(DuplicateSearch, pk=pk)
        if not self.has_view_permission(request, search) or not request.user.has_perm("sources.view_instruction"):
            raise PermissionDenied
        page = _Clusters(search.found.order_by(), CLUSTERS_A_PAGE, search.clusters).get_page(request.GET.get("p"))
        is_newest = search == curation.newest_search()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Near-duplicates, similar from {search.threshold:g}",
            "opts": self.opts,
            "search": search,
            "page": page,
            "numbers": page.paginator.get_elided_page_range(page.number),
            "clusters": _shown(search, page, is_newest),
        }
        return TemplateResponse(request, "admin/sources/duplicatesearch/clusters.html", context)


class _Clusters(Paginator[Any]):
    """Representatives with how many are nearly the same; the search counted them when it ended."""

    def __init__(self, found: QuerySet[NearDuplicate], per_page: int, count: int) -> None:
        ordered = found.values("representative").annotate(n=Count("*")).order_by("-n", "representative")
        super().__init__(ordered, per_page)
        self.count = count


def _shown(search: DuplicateSearch, page: Page[Any], is_newest: bool) -> list[dict[str, Any]]:
    rows = list(page.object_list)
    kept = Instruction.objects.in_bulk([row["representative"] for row in rows])
    return [_cluster(search, kept[row["representative"]], row["n"], is_newest) for row in rows]


def _cluster(search: DuplicateSearch, kept: Instruction, count: int, is_newest: bool) -> dict[str, Any]:
    found = search.found.filter(representative=kept).select_related("instruction")
    members = list(found.order_by("-similarity", "instruction")[:MEMBERS_SHOWN])
    curation.with_provenances([kept, *(member.instruction for member in members)])
    return {
        "kept": shown.sample(kept),
        "is_hidden": kept.state in shown.HIDDEN,
        "members": [_member(kept, member) for member in members],
        "count": count,
        "left": count - len(members),
        # The list of instructions filters by the newest search only.
        "filter": f"near=of-{kept.pk}" if is_newest else "",
    }


def _member(kept: Instruction, member: NearDuplicate) -> dict[str, Any]:
    other = member.instruction
    is_hidden = other.state in shown.HIDDEN or kept.state in shown.HIDDEN
    return {
        **shown.sample(other),
        "is_hidden": is_hidden,
        "similarity": member.similarity,
        "parts": [] if is_hidden else shown.difference(kept, other),
    }
