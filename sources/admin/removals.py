"""Admin of reports of illegal material and of take-downs: digests and decisions, never a text."""

from __future__ import annotations

from typing import Any, override

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator, capfirst

from sources import removals
from sources.admin.base import BoundedPaginator, ReadOnly
from sources.errors import SourceError
from sources.models import Escalation, InstructionState, TakeDown, Tombstone

# So many characters of a reason; the page of the record has all.
MOST_LISTED = 100


class DecisionForm(forms.ModelForm[Escalation]):
    """What was decided on a report."""

    class Meta:
        model = Escalation
        fields = ("state", "outcome", "reference")
        labels = {"state": "Decision"}
        help_texts = {
            "state": "While it is open or referred, nobody sees the text. Removed for good empties the text and all "
            "that was made of it, for ever. Released makes it available again."
        }

    @override
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        state = cleaned.get("state")
        is_gone = self.instance.instruction.state == InstructionState.REMOVED
        if is_gone and state != Escalation.State.REMOVED:
            self.add_error("state", "The text was taken down: nothing is left to decide on.")
        if state not in (None, Escalation.State.OPEN) and not cleaned.get("outcome"):
            self.add_error("outcome", "Say what was decided and why.")
        return cleaned


@admin.register(Escalation)
class EscalationAdmin(admin.ModelAdmin[Escalation]):
    form = DecisionForm
    list_display = ("id", "digest", "state", "why", "reported_by", "reported_at", "decided_by", "decided_at")
    list_filter = ("state",)
    search_fields = ("reason", "reference", "outcome")
    list_select_related = ("instruction", "reported_by", "decided_by")
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    fields = (
        "digest",
        "text_is",
        "reason",
        "reported_by",
        "reported_at",
        "state",
        "outcome",
        "reference",
        "decided_by",
        "decided_at",
    )
    readonly_fields = ("digest", "text_is", "reason", "reported_by", "reported_at", "decided_by", "decided_at")
    actions = None

    class Media:
        css = {"all": ("curation.css",)}

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Escalation | None = None) -> bool:
        return False

    @admin.display(description="Public id")
    def digest(self, escalation: Escalation) -> str:
        return escalation.instruction.public_id

    @admin.display(description="Reason", ordering="reason")
    def why(self, escalation: Escalation) -> str:
        return Truncator(escalation.reason).chars(MOST_LISTED)

    @admin.display(description="The text is")
    def text_is(self, escalation: Escalation) -> SafeString:
        address = reverse("admin:sources_instruction_change", args=[escalation.instruction_id])
        return format_html('<a href="{}">{}</a>', address, escalation.instruction.get_state_display())

    @override
    def save_model(self, request: HttpRequest, obj: Escalation, form: Any, change: bool) -> None:
        chosen = form.cleaned_data
        try:
            removals.decide(
                obj,
                Escalation.State(chosen["state"]),
                outcome=chosen["outcome"],
                reference=chosen["reference"],
                by=request.user,
            )
        except SourceError as error:  # somebody took it down at this moment
            self.message_user(request, str(error), messages.ERROR)


class FoundByFilter(admin.ChoicesFieldListFilter):
    """What was given to find the texts by; the field's own name would read "By by"."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "what was given"


@admin.register(TakeDown)
class TakeDownAdmin(ReadOnly, admin.ModelAdmin[TakeDown]):
    """What manage.py take_down did."""

    list_display = ("id", "found_by", "criterion", "why", "removed", "kept", "tombstones", "decided_by", "created_at")
    list_filter = (("by", FoundByFilter),)
    search_fields = ("criterion", "reason")
    list_select_related = ("decided_by",)
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    fields = ("by", "criterion", "reason", "removed", "kept", "tombstones", "decided_by", "created_at")
    actions = None

    class Media:
        css = {"all": ("curation.css",)}

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[TakeDown]:
        stones = Tombstone.objects.filter(take_down=OuterRef("pk")).order_by().values("take_down")
        counted = Coalesce(Subquery(stones.annotate(n=Count("*")).values("n")), 0)
        return super().get_queryset(request).annotate(n_tombstones=counted)

    @admin.display(ordering="n_tombstones", description="Refused from now on")
    def tombstones(self, take_down: TakeDown) -> int:
        return take_down.n_tombstones  # type: ignore[attr-defined, no-any-return]

    @admin.display(description="Found by", ordering="by")
    def found_by(self, take_down: TakeDown) -> str:
        return capfirst(take_down.get_by_display())

    @admin.display(description="Reason", ordering="reason")
    def why(self, take_down: TakeDown) -> str:
        return Truncator(take_down.reason).chars(MOST_LISTED)
