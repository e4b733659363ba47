"""Admin of known answers: adding one, adding a table of them."""

from __future__ import annotations

from typing import Any, override

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from annotate import known, tasks
from annotate.errors import AnnotateError
from annotate.models import Campaign, KnownAnswer
from labels.models import Label
from sources.admin import BoundedPaginator
from sources.admin.shown import HIDDEN

MOST_BYTES = 10_000_000


class OptionField(forms.ModelChoiceField[Label]):
    """Vote options, each with the label set that it is of."""

    @override
    def label_from_instance(self, obj: Label) -> str:
        return f"{obj.name} ({obj.label_set})"


class KnownAnswerForm(forms.ModelForm[KnownAnswer]):
    choice = OptionField(
        Label.objects.filter(kind=Label.Kind.OPTION).select_related("label_set").order_by("label_set", "position")
    )

    class Meta:
        model = KnownAnswer
        fields = ("unit", "choice", "tags", "phase", "explanation")


class TableForm(forms.Form):
    """A table of known answers for one campaign."""

    campaign = forms.ModelChoiceField(Campaign.objects.all())
    phase = forms.ChoiceField(choices=KnownAnswer.Phase.choices, initial=KnownAnswer.Phase.GOLD)
    file = forms.FileField(
        help_text="CSV in UTF-8, one answer a line: the unit's id or the public id of its text, the answer as code "
        "or name, and, if you like, why."
    )

    def clean_file(self) -> list[known.Line]:
        file = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            raise forms.ValidationError(f"The file has {file.size:,} bytes; at most {MOST_BYTES:,} are read.")
        try:
            return known.read(file.read().decode("utf-8"))
        except UnicodeDecodeError as error:
            raise forms.ValidationError(f"Byte {error.start:,} is not UTF-8; save the file as UTF-8.") from error
        except AnnotateError as error:
            raise forms.ValidationError(str(error)) from error


class PromoteForm(forms.Form):
    """Which texts become gold."""

    campaign = forms.ModelChoiceField(Campaign.objects.filter(kind=Campaign.Kind.VOLUNTEER))
    most = forms.IntegerField(min_value=1, max_value=10_000, initial=50, label="So many texts at most")
    fewest = forms.IntegerField(min_value=2, max_value=100, initial=3, label="With so many votes or more, all the same")


@admin.register(KnownAnswer)
class KnownAnswerAdmin(admin.ModelAdmin[KnownAnswer]):
    form = KnownAnswerForm
    change_list_template = "admin/annotate/knownanswer/list.html"
    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_display = ("unit", "text", "choice", "phase", "is_promoted", "explanation", "added_by", "added_at")
    list_filter = ("phase", "unit__campaign")
    list_select_related = ("unit__campaign", "unit__instruction", "choice", "added_by")
    search_fields = ("explanation", "unit__campaign__title", "added_by__username")
    search_help_text = "Words of the explanation, of the campaign's title, or who added it"
    raw_id_fields = ("unit",)
    fields = ("unit", "choice", "tags", "phase", "explanation", "added_by", "added_at")
    readonly_fields = ("added_by", "added_at")

    @override
    def get_urls(self) -> list[Any]:
        table, promote = (self.admin_site.admin_view(view) for view in (self.table_view, self.promote_view))
        return [
            path("table/", table, name="annotate_knownanswer_table"),
            path("promote/", promote, name="annotate_knownanswer_promote"),
            *super().get_urls(),
        ]

    @admin.display(description="Text")
    def text(self, answer: KnownAnswer) -> SafeString:
        """A link to the text, which is not shown here: some are severe."""
        instruction = answer.unit.instruction
        words = instruction.get_state_display() if instruction.state in HIDDEN else instruction.public_id[:12]
        address = reverse("admin:sources_instruction_change", args=[instruction.pk])
        return format_html('<a href="{}">{}</a>', address, words)

    @override
    def save_model(self, request: HttpRequest, obj: KnownAnswer, form: Any, change: bool) -> None:
        obj.added_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)
        _settle(obj.unit.campaign)

    def table_view(self, request: HttpRequest) -> HttpResponse:
        """Add a table of known answers: all of it, or nothing and the line that is wrong."""
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        form = TableForm(request.POST or None, request.FILES or None)
        if form.is_valid():
            chosen = form.cleaned_data
            try:
                added = known.add(chosen["campaign"], chosen["file"], chosen["phase"], request.user)  # type: ignore[arg-type]
            except AnnotateError as error:
                form.add_error("file", str(error))
            else:
                _settle(chosen["campaign"])
                words = f"{added.new:,} known answers added, {added.changed:,} changed, {added.same:,} there before"
                self.message_user(request, words, messages.SUCCESS)
                return redirect("admin:annotate_knownanswer_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": "Add a table of known answers",
            "opts": self.opts,
            "form": form,
        }
        return render(request, "admin/annotate/knownanswer/table.html", context)

    def promote_view(self, request: HttpRequest) -> HttpResponse:
        """Make gold of texts on which all votes agree."""
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        form = PromoteForm(request.POST or None)
        if form.is_valid():
            campaign, most, fewest = (form.cleaned_data[name] for name in ("campaign", "most", "fewest"))
            promoted = known.promote(campaign, most, fewest, request.user)  # type: ignore[arg-type]
            _settle(campaign)
            self.message_user(request, f"{promoted:,} texts of {campaign} are gold now", messages.SUCCESS)
            return redirect("admin:annotate_knownanswer_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": "Promote unanimous texts to gold",
            "opts": self.opts,
            "form": form,
        }
        return render(request, "admin/annotate/knownanswer/promote.html", context)


def _settle(campaign: Campaign) -> None:
    """Where votes are asked for until they settle a text, those with gold get as many as any."""
    if campaign.stopping_id:
        tasks.settle.delay_on_commit(campaign.pk)  # type: ignore[attr-defined]
