"""Admin of sources, imports and instructions: looks, one form that starts an import, and its progress."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast, override

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminErrorList, AdminForm
from django.contrib.admin.widgets import AdminTextInputWidget, RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join, linebreaks
from django.utils.safestring import SafeString, mark_safe

from sources import importers, imports, tasks, texts
from sources.errors import SourceError
from sources.jobs import Job, JobState
from sources.models import ImportRun, Instruction, Provenance, Source

FOLDED_FROM = 2_000
MOST_COUNTED = 10_000


class ReadOnly:
    """For rows that only imports write."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class BoundedPaginator(Paginator[Any]):
    """Pages over the first 10,000 rows: counting millions would take longer than anybody looks at them."""

    @cached_property
    @override
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_COUNTED].count())


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


class ImportForm(forms.Form):
    """What starts an import: a source, a format with its options, and one file."""

    source = forms.ModelChoiceField(Source.objects.all())
    format = forms.ChoiceField(choices=lambda: [(known.name, known.title) for known in importers.known()])
    upload = forms.FileField(required=False, help_text="A file on your machine, plain or .gz.")
    path = forms.CharField(
        required=False,
        widget=AdminTextInputWidget,
        help_text="Instead of an upload: a file that the workers can read.",
    )
    options = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 4, "cols": 60}))

    def __init__(self, *args: Any, may_name_path: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        related = ImportRun._meta.get_field("source").remote_field  # noqa: SLF001
        field = self.fields["source"]
        field.widget = RelatedFieldWidgetWrapper(field.widget, related, admin.site, can_add_related=True)
        self.fields["options"].help_text = _options_help()
        if not may_name_path:
            # Whoever names a path reads what the workers may read, settings and keys among it.
            del self.fields["path"]

    def clean_upload(self) -> Any:
        upload = self.cleaned_data["upload"]
        if upload and upload.size > settings.UPLOAD_MAX_BYTES:
            limit = f"{settings.UPLOAD_MAX_BYTES:,}"
            raise forms.ValidationError(f"The file has {upload.size:,} bytes, more than {limit}: use import_source")
        return upload

    def clean_options(self) -> dict[str, str]:
        """One NAME=VALUE a line, or one JSON object."""
        written = self.cleaned_data["options"].strip()
        found = _json_options(written) if written.startswith("{") else _line_options(written)
        for name, value in found.items():
            if problem := texts.unstorable(name + value):
                raise forms.ValidationError(f"{imports.printable(name, 60)} has a {problem}: remove it")
        return found

    @override
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and bool(cleaned.get("upload")) == bool(cleaned.get("path")):
            raise forms.ValidationError("Upload a file or name one, not both.")
        return cleaned


def _options_help() -> SafeString:
    rows = [
        (known.name, ", ".join(f"{option.name} ({option.help})" for option in known.options) or "none")
        for known in importers.known()
    ]
    return format_html("One NAME=VALUE a line. {}", format_html_join("", "<br><b>{}</b>: {}", rows))


def _json_options(written: str) -> dict[str, str]:
    try:
        found = json.loads(written)
    except json.JSONDecodeError as error:
        raise forms.ValidationError(f"Line {error.lineno}, column {error.colno} is not JSON: {error.msg}") from None
    except (RecursionError, ValueError):
        raise forms.ValidationError("The JSON is nested too deep or has a number without end: write texts") from None
    if wrong := [name for name, value in found.items() if not isinstance(value, str)]:
        raise forms.ValidationError(f"{imports.printable(wrong[0], 60)} is no text: write it in quotes")
    return dict(found)


def _line_options(written: str) -> dict[str, str]:
    found = {}
    for number, line in enumerate(written.splitlines(), start=1):
        name, sign, value = line.partition("=")
        if line.strip() and not sign:
            raise forms.ValidationError(f"Line {number}, {line.strip()[:60]!r}: write NAME=VALUE, such as text=prompt")
        if sign:
            found[name.strip()] = value.strip()
    return found


class JobAdmin(admin.ModelAdmin[Any]):
    """Adding a job starts it; afterwards its page shows the progress while a worker is at it, and what came of it."""

    change_form_template = "admin/job.html"
    details_template: str

    @override
    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    @override
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        if job is None or not self.has_view_permission(request, job):
            return super().change_view(request, object_id, form_url, extra_context)
        progress = {
            "job": job,
            "is_live": job.state in {JobState.QUEUED, JobState.RUNNING},
            "details": self.details_template,
            "title": str(job),
        }
        if getattr(request, "htmx", False):
            return render(request, "admin/job.html#progress", progress)
        return super().change_view(request, object_id, form_url, progress)

    @admin.display(description="Done, %")
    def percent(self, job: Any) -> int:
        return int(job.percent)


@admin.register(ImportRun)
class ImportRunAdmin(JobAdmin):
    """What starts an import, and the imports there were."""

    details_template = "admin/sources/importrun/details.html"
    list_display = ("id", "source", "format", "state", "percent", "read", "added", "known", "rejected", "created_at")
    list_filter = ("state", "format", "source")
    search_fields = ("source__name", "path", "upload")
    list_select_related = ("source",)
    fields = ("source", "format", "upload", "path", "options", "started_by", "created_at", "finished_at", "attempts")
    actions = ("import_again",)

    @override
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        may_name_path = bool(getattr(request.user, "is_superuser", False))
        form = ImportForm(
            request.POST or None, request.FILES or None, initial=request.GET.dict(), may_name_path=may_name_path
        )
        if form.is_valid() and (run := self._started(request, form)):
            return HttpResponseRedirect(run.get_absolute_url())
        # Admin's helpers ask a form for nothing that only a model form has.
        plain = cast("forms.ModelForm[ImportRun]", form)
        context = {
            **self.admin_site.each_context(request),
            "title": "Import a file",
            "adminform": AdminForm(plain, [(None, {"fields": list(form.fields)})], {}),
            "errors": AdminErrorList(plain, []),
            "inline_admin_formsets": [],
            "media": self.media + form.media,
            "is_popup": False,
            "to_field": None,
            "show_save_and_continue": False,
            "show_save_and_add_another": False,
        }
        return self.render_change_form(request, context, add=True, form_url=form_url)

    def _started(self, request: HttpRequest, form: ImportForm) -> ImportRun | None:
        """The run that the form asks for; None, with the reason in the form, where it cannot begin."""
        asked = form.cleaned_data
        try:
            run = imports.start(
                asked["source"],
                asked["format"],
                path=Path(asked["path"]) if asked.get("path") else None,
                upload=asked["upload"],
                options=asked["options"],
                started_by=request.user,
            )
        except SourceError as error:
            form.add_error(None, imports.printable(str(error)))
            return None
        self._dispatch(request, run)
        return run

    def _dispatch(self, request: HttpRequest, run: ImportRun) -> None:
        tasks.import_run.delay_on_commit(run.pk)  # type: ignore[attr-defined]
        self.log_addition(request, run, "Started.")
        self.message_user(request, f"A worker is taking {run}", messages.INFO)

    @admin.action(description="Import again (known rows are only counted)", permissions=["add"])
    def import_again(self, request: HttpRequest, queryset: QuerySet[ImportRun]) -> None:
        for run in queryset.select_related("source"):
            try:
                self._dispatch(request, imports.again(run, started_by=request.user))
            except SourceError as error:
                self.message_user(request, imports.printable(str(error)), messages.ERROR)


class ProvenanceInline(ReadOnly, admin.TabularInline[Provenance, Instruction]):
    model = Provenance
    extra = 0
    fields = readonly_fields = ("source", "run", "row", "source_labels", "created_at")

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Provenance]:
        return super().get_queryset(request).select_related("source", "run__source")


@admin.register(Instruction)
class InstructionAdmin(ReadOnly, admin.ModelAdmin[Instruction]):
    list_display = ("id", "__str__", "language", "turn_count", "created_at")
    list_filter = ("provenances__source", "language")
    search_fields = ("turns__icontains",)
    search_help_text = "Words in the text."
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    fields = ("public_id", "language", "parent", "created_at", "dialogue")
    inlines = [ProvenanceInline]

    @admin.display(description="Turns")
    def turn_count(self, instruction: Instruction) -> int:
        return len(instruction.turns)

    @admin.display(description="Text")
    def dialogue(self, instruction: Instruction) -> SafeString:
        turns = [(turn["role"], _folded(turn["text"])) for turn in instruction.turns]
        return format_html_join("", '<p><b>{}</b></p><div dir="auto">{}</div>', turns)


def _folded(text: str) -> SafeString:
    # linebreaks(autoescape=True) escapes the text before it adds its paragraphs.
    whole = mark_safe(linebreaks(text, autoescape=True))  # noqa: S308
    if len(text) < FOLDED_FROM:
        return whole
    return format_html("<details><summary>{}… ({} characters)</summary>{}</details>", text[:200], len(text), whole)
