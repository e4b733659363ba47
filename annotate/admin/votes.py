"""What was placed, leased and said: to look at, not to change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from annotate.admin.remarks import shown
from annotate.models import Annotation, Assignment, Unit
from sources.admin import BoundedPaginator, ReadOnly
from sources.models import Instruction


class LargeTableAdmin(ReadOnly, admin.ModelAdmin[Any]):
    """Lists over millions of rows that only the verbs write."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50


@admin.register(Unit)
class UnitAdmin(LargeTableAdmin):
    list_display = ("__str__", "text", "overlap", "taken")
    list_filter = ("campaign",)
    list_select_related = ("campaign", "instruction")
    search_fields = ("instruction__turns__icontains",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Unit]:
        """Without those whose text nobody may see, so that no search tells what is in it."""
        return super().get_queryset(request).filter(instruction__in=Instruction.objects.visible())

    @admin.display(description="Instruction")
    def text(self, unit: Unit) -> str:
        return str(unit.instruction)


@admin.register(Assignment)
class AssignmentAdmin(LargeTableAdmin):
    list_display = ("id", "unit", "annotator", "state", "reason", "claimed_at", "expires_at", "ended_at")
    list_filter = ("state", "reason", "unit__campaign")
    list_select_related = ("unit__campaign", "annotator")
    search_fields = ("annotator__username",)


@admin.register(Annotation)
class AnnotationAdmin(LargeTableAdmin):
    list_display = ("id", "unit", "annotator", "choice", "wording", "tags", "surplus", "created_at")
    list_filter = ("surplus", "choice", "unit__campaign")
    list_select_related = ("unit__campaign__label_set", "annotator", "choice__label_set")
    search_fields = ("annotator__username",)
    fields = (
        "unit",
        "annotator",
        "assignment",
        "supersedes",
        "choice",
        "tags",
        "surplus",
        "key",
        "noted",
        "focused_ms",
        "created_at",
    )
    readonly_fields = ("noted",)

    @admin.display(description="Note")
    def noted(self, annotation: Annotation) -> str:
        return shown(annotation.unit, annotation.note) or "-"

    @admin.display(description="Wording")
    def wording(self, annotation: Annotation) -> str:
        """The revision of the guidelines that the person was shown, and whether it is an older one."""
        if annotation.choice is None:
            return "-"
        shown, now = annotation.choice.label_set, annotation.unit.campaign.label_set
        return f"revision {shown.revision}{'' if shown == now else ', older than the present'}"
