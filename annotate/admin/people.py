"""Admin of accounts."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone

from annotate import care
from annotate.admin.quality import AnnotatorQualityAdmin
from annotate.admin.standing import AnnotatorStandingAdmin
from annotate.models import Annotator, Assignment


@admin.register(Annotator)
class AnnotatorAdmin(AnnotatorStandingAdmin, AnnotatorQualityAdmin):
    list_display = ("username", "kind", "is_active", "is_staff", "votes", "date_joined")
    list_filter = ("kind", "is_active", "is_staff", "groups")
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Labelling", {"fields": ("kind", "quality", "standing", "exposure")}))
    readonly_fields = ("kind", "quality", "standing", "exposure")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Annotator]:
        votes = Assignment.objects.submitted().filter(annotator=OuterRef("pk")).order_by().values("annotator")
        counted = Subquery(votes.annotate(n=Count("pk")).values("n"))
        return super().get_queryset(request).annotate(votes_counted=Coalesce(counted, 0))

    @admin.display(ordering="votes_counted", description="Counted votes")
    def votes(self, annotator: Annotator) -> int:
        return annotator.votes_counted  # type: ignore[attr-defined, no-any-return]

    @admin.display(description="Severe texts, and time at the desk")
    def exposure(self, annotator: Annotator) -> str:
        """Totals alone: which texts somebody read is nobody's business."""
        total = care.exposure(annotator, timezone.now())
        return (
            f"{total.severe} severe texts of {total.texts} given in the last {care.LATELY.days} days; "
            f"{total.minutes} minutes at the desk"
        )
