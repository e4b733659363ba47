"""Admin of the ledger: the sources and their licences."""

from __future__ import annotations

from typing import Any, override

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from sources.models import ImportRun, Provenance, Source


@admin.register(Source)
class SourceAdmin(admin.ModelAdmin[Source]):
    list_display = ("name", "revision", "title", "license", "is_published", "instructions", "imports", "created_at")
    list_filter = ("license",)
    search_fields = ("name", "title", "attribution", "address")

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        return (
            super()
            .get_queryset(request)
            .annotate(n_instructions=_count_of(Provenance.objects.all()), n_imports=_count_of(ImportRun.objects.all()))
        )

    @admin.display(boolean=True, description="Published")
    def is_published(self, source: Source) -> bool:
        return source.is_publishable

    @admin.display(ordering="n_instructions")
    def instructions(self, source: Source) -> int:
        return source.n_instructions  # type: ignore[attr-defined, no-any-return]

    @admin.display(ordering="n_imports")
    def imports(self, source: Source) -> int:
        return source.n_imports  # type: ignore[attr-defined, no-any-return]


def _count_of(rows: QuerySet[Any]) -> Coalesce:
    """How many of ``rows`` each source has, by one subquery."""
    of_source = rows.filter(source=OuterRef("pk")).order_by().values("source")
    return Coalesce(Subquery(of_source.annotate(n=Count("pk")).values("n")), 0)
