"""Admin of decisions: to look at. They are made on the pages of adjudication, and never edited."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from annotate.admin.remarks import shown
from annotate.admin.votes import LargeTableAdmin
from annotate.models import DecidedExample, Decision


@admin.register(Decision)
class DecisionAdmin(LargeTableAdmin):
    """No text is shown here: some are severe."""

    list_display = ("id", "page", "label", "cause", "adjudicator", "state", "supersedes", "decided_at")
    list_filter = ("cause", "unit__campaign")
    list_select_related = ("unit__campaign", "unit__instruction", "adjudicator", "supersedes")
    search_fields = ("adjudicator__username",)
    fields = (
        "page",
        "adjudicator",
        "label",
        "tags",
        "label_set",
        "cause",
        "why",
        "supersedes",
        "settled_by",
        "alike",
        "decided_at",
    )
    readonly_fields = ("page", "why")

    @admin.display(description="Text", ordering="unit")
    def page(self, decision: Decision) -> SafeString:
        """A link to where it is decided."""
        unit = decision.unit
        address = reverse("adjudication-unit", args=[unit.campaign.slug, unit.pk])
        return format_html('<a href="{}">{}</a>', address, unit)

    @admin.display(description="Words")
    def why(self, decision: Decision) -> str:
        return shown(decision.unit, decision.words) or "-"

    @admin.display(description="Since then")
    def state(self, decision: Decision) -> str:
        """What had become of the unit with it."""
        if decision.settled_by_id is None:
            return "taken back" if not decision.label else "not decided yet"
        return f"decided by {decision.alike}"


@admin.register(DecidedExample)
class DecidedExampleAdmin(admin.ModelAdmin[DecidedExample]):
    """Examples below the guidelines: their words may be changed, and they may be removed."""

    list_display = ("decision", "campaign", "added_by", "added_at")
    list_filter = ("unit__campaign",)
    list_select_related = ("decision", "unit__campaign", "added_by")
    fields = ("unit", "decision", "words", "added_by", "added_at")
    readonly_fields = ("unit", "decision", "added_by", "added_at")

    @admin.display(description="Campaign")
    def campaign(self, example: DecidedExample) -> str:
        return str(example.unit.campaign)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """They are made where the text was decided."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[DecidedExample]:
        """Without those whose text nobody may see."""
        return super().get_queryset(request).filter(unit__is_withdrawn=False)
