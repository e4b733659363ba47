"""Admin of what annotators tell curators: flags to be closed, questions to be answered."""

from __future__ import annotations

from typing import Any, override

from django import forms
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from annotate import remarks
from annotate.models import Flag, Question, Unit
from sources.admin import BoundedPaginator
from sources.admin.shown import HIDDEN

NOT_SHOWN = "(hidden, as the text is)"


def shown(unit: Unit | None, words: str) -> str:
    """Words about a unit, which may quote its text: hidden with it."""
    return NOT_SHOWN if unit is not None and unit.instruction.state in HIDDEN else words


class RemarkAdmin(admin.ModelAdmin[Any]):
    """Rows that annotators write and curators answer, never delete: snapshots are derived from them again."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    actions = None

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @override
    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Without those whose words nobody may see, so that no search tells what is in them."""
        found, is_distinct = super().get_search_results(request, queryset, search_term)
        return found.exclude(unit__instruction__state__in=HIDDEN) if search_term else found, is_distinct

    @admin.display(description="Text")
    def text(self, remark: Flag | Question) -> SafeString | str:
        """The unit's instruction as a link, with its words unless nobody may see them."""
        return _linked(remark.unit) if remark.unit else "-"

    @admin.display(description="Words")
    def said(self, remark: Flag | Question) -> str:
        return shown(remark.unit, remark.words)


def _linked(unit: Unit) -> SafeString:
    instruction = unit.instruction
    words = instruction.get_state_display() if instruction.state in HIDDEN else str(instruction)
    address = reverse("admin:sources_instruction_change", args=[instruction.pk])
    return format_html('<a href="{}"><bdi>{}</bdi></a>', address, words)


class CloseForm(forms.ModelForm[Flag]):
    """What was done about a flag, which closes it."""

    class Meta:
        model = Flag
        fields = ("outcome",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "outcome" in self.fields:
            self.fields["outcome"].required = True
            self.fields["outcome"].help_text = "What was done about it. Saving closes the flag."


@admin.register(Flag)
class FlagAdmin(RemarkAdmin):
    form = CloseForm
    list_display = ("said", "campaign", "text", "annotator", "created_at", "closed_at", "done")
    list_filter = (("closed_at", admin.EmptyFieldListFilter), "unit__campaign")
    list_select_related = ("unit__campaign", "unit__instruction", "annotator")
    search_fields = ("outcome", "annotator__username")
    ordering = (F("closed_at").desc(nulls_first=True), "-id")
    readonly_fields = ("campaign", "text", "said", "annotator", "created_at", "done", "closed_by", "closed_at")

    @admin.display(ordering="unit__campaign", description="Campaign")
    def campaign(self, flag: Flag) -> str:
        return str(flag.unit.campaign)

    @admin.display(ordering="outcome", description="Outcome")
    def done(self, flag: Flag) -> str:
        return shown(flag.unit, flag.outcome)

    @override
    def get_fields(self, request: HttpRequest, obj: Flag | None = None) -> tuple[str, ...]:
        """A closed one stays as it is: what a snapshot says of it was decided then."""
        outcome = "done" if obj and obj.closed_at else "outcome"
        return "campaign", "text", "said", "annotator", "created_at", outcome, "closed_by", "closed_at"

    @override
    def save_model(self, request: HttpRequest, obj: Flag, form: Any, change: bool) -> None:
        if not remarks.close(obj, form.cleaned_data.get("outcome", ""), request.user):  # type: ignore[arg-type]
            self.message_user(request, "It had been closed before, and stays as it was.", messages.WARNING)


class ReplyForm(forms.ModelForm[Question]):
    """The answer that everybody reads."""

    class Meta:
        model = Question
        fields = ("answer",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "answer" in self.fields:
            self.fields["answer"].required = True
            self.fields["answer"].help_text = "Stands with the question under the guidelines; names nobody."


@admin.register(Question)
class QuestionAdmin(RemarkAdmin):
    form = ReplyForm
    list_display = ("said", "campaign", "text", "created_at", "reply", "answered_at")
    list_filter = (("answered_at", admin.EmptyFieldListFilter), "campaign")
    list_select_related = ("campaign", "unit__instruction")
    search_fields = ("answer",)
    ordering = (F("answered_at").desc(nulls_first=True), "-id")
    readonly_fields = ("campaign", "text", "said", "annotator", "created_at", "reply", "answered_by", "answered_at")

    @admin.display(ordering="answer", description="Answer")
    def reply(self, question: Question) -> str:
        return shown(question.unit, question.answer)

    @override
    def get_fields(self, request: HttpRequest, obj: Question | None = None) -> tuple[str, ...]:
        """Nobody would read another answer to a question about a text that nobody may see."""
        answer = "reply" if obj and shown(obj.unit, "") else "answer"
        return "campaign", "text", "said", "annotator", "created_at", answer, "answered_by", "answered_at"

    @override
    def save_model(self, request: HttpRequest, obj: Question, form: Any, change: bool) -> None:
        if "answer" in form.cleaned_data:
            remarks.answer(obj, form.cleaned_data["answer"], request.user)  # type: ignore[arg-type]
