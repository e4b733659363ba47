"""Admin of the instructions: what is there, where it comes from."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html, format_html_join, linebreaks
from django.utils.safestring import SafeString, mark_safe

from sources.admin.base import BoundedPaginator, ReadOnly
from sources.models import Instruction, InstructionState

FOLDED_FROM = 2_000


@admin.register(Instruction)
class InstructionAdmin(ReadOnly, admin.ModelAdmin[Instruction]):
    list_display = ("id", "__str__", "language", "turn_count", "created_at")
    list_filter = ("state", "provenances__source", "language")
    search_fields = ("turns__icontains",)
    search_help_text = "Words in the text."
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    fields = ("public_id", "state", "language", "parent", "created_at", "dialogue", "given_by")

    @admin.display(description="Turns")
    def turn_count(self, instruction: Instruction) -> int:
        return len(instruction.turns)

    @admin.display(description="Given by")
    def given_by(self, instruction: Instruction) -> SafeString:
        rows = instruction.provenances.select_related("source").order_by("source__precedence", "source")
        return format_html_join(
            "", "<p><b>{}</b>, {}<br>{}</p>", [(given.source, given.row, given.source_labels) for given in rows]
        )

    @admin.display(description="Text")
    def dialogue(self, instruction: Instruction) -> SafeString:
        if instruction.state in {InstructionState.QUARANTINED, InstructionState.REMOVED}:
            return format_html("<p>{}</p>", instruction)
        turns = [(turn["role"], _folded(turn["text"])) for turn in instruction.turns]
        return format_html_join("", '<p><b>{}</b></p><div dir="auto">{}</div>', turns)


def _folded(text: str) -> SafeString:
    # linebreaks(autoescape=True) escapes the text before it adds its paragraphs.
    whole = mark_safe(linebreaks(text, autoescape=True))  # noqa: S308
    if len(text) < FOLDED_FROM:
        return whole
    return format_html("<details><summary>{}… ({} characters)</summary>{}</details>", text[:200], len(text), whole)
