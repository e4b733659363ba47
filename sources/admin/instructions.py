"""Admin of the instructions: what is there, where it comes from, what a curator does with it.

What was reported or taken down is in no list and found by no search: of it there are only the digest and the records
of why. The log of the admin keeps names for ever, so no text is ever such a name here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, override

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import ActionLocation, get_content_type_for_model
from django.contrib.admin.views.main import ChangeList
from django.db.models import Func, QuerySet, TextField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import smart_split, unescape_string_literal

from sources import curation, removals, wording
from sources.admin import base, shown
from sources.admin.base import BoundedPaginator, ReadOnly
from sources.admin.filters import FILTERS
from sources.errors import SourceError
from sources.models import Instruction, InstructionState

# So many at a time: one statement that anybody waits for.
MOST_CHANGED = 50_000
MOST_REPORTED = 100
# Of more than these, the log has one entry for all.
MOST_LOGGED = 1_000
LISTED = 90  # characters of a text in the list
PUBLIC_ID = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
ALL_ON_THIS_PAGE = mark_safe('<input type="checkbox" id="action-toggle" aria-label="Select all on this page">')
EVERYWHERE = [ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM]


class Spoken(Func):
    """The texts of all turns as JSON: a search for "human" must not find every role."""

    template = "jsonb_path_query_array(%(expressions)s, '$[*].text')::text"
    output_field = TextField()


class ReportForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text="What you saw, in your own words. Never quote the text.",
    )


class InstructionList(ChangeList):
    """A page of the list, with what its sources suggest of each: severe texts are not shown there."""

    @override
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = curation.with_provenances(list(self.result_list))
        self.most_changed = MOST_CHANGED
        self.is_cut = self.result_count >= base.MOST_COUNTED


@admin.register(Instruction)
class InstructionAdmin(ReadOnly, admin.ModelAdmin[Instruction]):
    change_form_template = "admin/sources/instruction/page.html"
    list_display = ("id", "text", "characters", "language", "given_by", "state", "created_at")
    list_display_links = ("id", "text")
    list_filter = FILTERS
    search_fields = ("turns",)
    search_help_text = (
        'Words in the text, all of them; "several words" in quotes stand together. Or the 32 digits of a public id.'
    )
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    fields = ("public_id",)
    actions = ("set_aside", "take_back", "report")

    class Media:
        css = {"all": ("curation.css",)}

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Instruction]:
        return Instruction.objects.visible()

    @override
    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Instruction | None:
        """Any instruction: the page of one whose text nobody may see says why."""
        return Instruction.objects.filter(pk=object_id).first() if object_id.isdecimal() else None

    @override
    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return InstructionList

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Instruction], search_term: str
    ) -> tuple[QuerySet[Instruction], bool]:
        if PUBLIC_ID.fullmatch(search_term.strip()):
            return queryset.filter(digest=bytes.fromhex(search_term.strip())), False
        for word in smart_split(search_term):
            searched = _unquoted(word)
            # As JSON spells it, and without the quotes around it.
            spelled = json.dumps(searched, ensure_ascii=False)[1:-1]
            queryset = queryset.alias(spoken=Spoken("turns")).filter(spoken__icontains=spelled)
        return queryset, False

    def has_curate_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may set aside, take back and report; nobody changes the texts."""
        return request.user.has_perm("sources.change_instruction")

    @override
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        instruction = self.get_object(request, object_id)
        if instruction is None or not self.has_view_permission(request, instruction):
            return super().change_view(request, object_id, form_url, extra_context)
        context = {"instruction": instruction, "subtitle": shown.name(instruction), **shown.everything(instruction)}
        if "is_hidden" in context:
            context["action_form"] = None  # nothing is left to do with it here
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    @override
    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Its own page shows what was done with it."""
        return HttpResponseRedirect(reverse("admin:sources_instruction_change", args=[object_id]))

    @override
    @admin.display(description=ALL_ON_THIS_PAGE)
    def action_checkbox(self, obj: Instruction) -> SafeString:
        """Named by the id: Django would name it by the text."""
        attributes = {"class": "action-select", "aria-label": f"Select {shown.name(obj)}"}
        return forms.CheckboxInput(attributes, lambda _: False).render(ACTION_CHECKBOX_NAME, str(obj.pk))

    @admin.display(description="Text")
    def text(self, instruction: Instruction) -> SafeString:
        given: Any = getattr(instruction, "given", [])
        if severity := wording.severity(one.suggested for one in given):
            return format_html("<em>Severe ({}): open it to read</em>", severity)
        text = str(instruction)
        return format_html('<bdi dir="auto">{}</bdi>', text if len(text) <= LISTED else f"{text[: LISTED - 1]}…")

    @admin.display(description="Given by")
    def given_by(self, instruction: Instruction) -> str:
        return ", ".join(str(one.source) for one in getattr(instruction, "given", []))

    @admin.action(description="Set aside: neither placed nor published", permissions=["curate"], location=EVERYWHERE)
    def set_aside(self, request: HttpRequest, queryset: QuerySet[Instruction]) -> None:
        available = queryset.filter(state=InstructionState.AVAILABLE)
        self._change(request, available, removals.set_aside, "set aside", "available")

    @admin.action(description="Take back what was set aside", permissions=["curate"], location=EVERYWHERE)
    def take_back(self, request: HttpRequest, queryset: QuerySet[Instruction]) -> None:
        aside = queryset.filter(state=InstructionState.SET_ASIDE)
        self._change(request, aside, removals.take_back, "taken back", "set aside")

    @admin.action(
        description="Report as illegal: hide at once from everybody", permissions=["curate"], location=EVERYWHERE
    )
    def report(self, request: HttpRequest, queryset: QuerySet[Instruction]) -> HttpResponse | None:
        chosen = list(queryset[: MOST_REPORTED + 1])
        if len(chosen) > MOST_REPORTED:
            sentence = f"More than {MOST_REPORTED} are chosen: report those that you have seen. Nothing was reported."
            self.message_user(request, sentence, messages.ERROR)
            return None
        form = ReportForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            return self._confirmation(request, chosen, form)
        try:
            for instruction in chosen:
                removals.report(instruction, request.user, form.cleaned_data["reason"])
        except SourceError as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        sentence = f"{_counted(len(chosen))} reported and hidden from everybody; the escalations say what follows."
        self.message_user(request, sentence, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:sources_instruction_changelist"))

    def _confirmation(self, request: HttpRequest, chosen: Sequence[Instruction], form: ReportForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"Report {_counted(len(chosen), is_sentence=False)} as illegal",
            "opts": self.opts,
            "chosen": chosen,
            "form": form,
            "checkbox": ACTION_CHECKBOX_NAME,
            "media": self.media,
        }
        return TemplateResponse(request, "admin/sources/instruction/report.html", context)

    def _change(
        self,
        request: HttpRequest,
        queryset: QuerySet[Instruction],
        verb: Callable[[QuerySet[Instruction]], int],
        done: str,
        before: str,
    ) -> None:
        """Do it with the first of the list, say how many that were, and whether there are more."""
        ids = list(queryset.values_list("pk", flat=True)[: MOST_CHANGED + 1])
        chosen = Instruction.objects.filter(pk__in=ids[:MOST_CHANGED])
        changed = verb(chosen) if ids else 0
        self._log(request, ids[:MOST_CHANGED], changed, done)
        if not changed:
            self.message_user(request, f"None of them is {before}: nothing was {done}", messages.WARNING)
            return
        more = f" More match: that is all that is {done} at a time, so run it again." if len(ids) > MOST_CHANGED else ""
        self.message_user(request, f"{_counted(changed)} {done}.{more}", messages.SUCCESS)

    def _log(self, request: HttpRequest, ids: Sequence[int], changed: int, done: str) -> None:
        kind, message = get_content_type_for_model(Instruction), done.capitalize()
        common = {"user_id": request.user.pk, "content_type": kind, "action_flag": CHANGE}
        if len(ids) > MOST_LOGGED:
            words = f"{changed:,} instructions"
            LogEntry.objects.create(**common, object_repr=words, change_message=f"{message}: {request.get_full_path()}")
            return
        LogEntry.objects.bulk_create(
            LogEntry(**common, object_id=str(one.pk), object_repr=shown.name(one), change_message=message)
            for one in Instruction.objects.filter(pk__in=ids).defer("turns")
        )


def _counted(n: int, *, is_sentence: bool = True) -> str:
    noun = f"{n:,} instruction" if n == 1 else f"{n:,} instructions"
    return f"{noun} {'is' if n == 1 else 'are'}" if is_sentence else noun


def _unquoted(word: str) -> str:
    if word[0] in "\"'" and word[-1] == word[0] and len(word) > 1:
        return unescape_string_literal(word)
    return word
