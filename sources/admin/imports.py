"""Admin of imports: one form that starts one, and what became of those there were."""

from __future__ import annotations

import json
from typing import Any, cast, override

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminErrorList, AdminForm
from django.contrib.admin.widgets import AdminTextInputWidget, RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from sources import importers, imports, tasks, texts
from sources.admin.base import JobAdmin
from sources.errors import SourceError
from sources.models import ImportRun, Source


class ImportForm(forms.Form):
    """What starts an import: a source, a format with its options, and one file."""

    source = forms.ModelChoiceField(Source.objects.all())
    format = forms.ChoiceField(choices=lambda: [(known.name, known.title) for known in importers.known()])
    upload = forms.FileField(required=False, help_text="A file on your machine, plain or .gz.")
    address = forms.CharField(
        required=False,
        widget=AdminTextInputWidget,
        help_text="Instead of an upload: https://…, or hf://datasets/ORG/NAME@REVISION/FILE on the Hugging Face hub.",
    )
    path = forms.CharField(
        required=False,
        widget=AdminTextInputWidget,
        help_text="Instead of an upload: a file, or a folder of them, that the workers can read.",
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
                raise forms.ValidationError(f"{texts.printable(name, 60)} has a {problem}: remove it")
        return found

    @override
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = [name for name in ("upload", "address", "path") if cleaned.get(name)]
        if not self.errors and len(given) != 1:
            raise forms.ValidationError("Upload a file or name one: exactly one of upload, address and path.")
        return cleaned

    def clean_address(self) -> str:
        address: str = self.cleaned_data["address"].strip()
        if address and "://" not in address:
            raise forms.ValidationError("Begin it with https:// or hf://")
        return address


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
        raise forms.ValidationError(f"{texts.printable(wrong[0], 60)} is no text: write it in quotes")
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


@admin.register(ImportRun)
class ImportRunAdmin(JobAdmin):
    """What starts an import, and the imports there were."""

    details_template = "admin/sources/importrun/details.html"
    list_display = ("id", "source", "format", "state", "percent", "counts", "created_at")
    list_filter = ("state", "format", "source")
    search_fields = ("source__name", "origin", "upload")
    list_select_related = ("source",)
    fields = ("source", "format", "given_as", "options", "started_by", "created_at")
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

    @admin.display(description="Counts")
    def counts(self, run: ImportRun) -> str:
        report = run.report
        return f"{report.read:,} = {report.added:,} added + {report.known:,} known + {report.rejected:,} rejected"

    def _started(self, request: HttpRequest, form: ImportForm) -> ImportRun | None:
        """The run that the form asks for; None, with the reason in the form, where it cannot begin."""
        asked = form.cleaned_data
        try:
            run = imports.start(
                asked["source"],
                asked["format"],
                origin=asked["address"] or asked.get("path") or "",
                upload=asked["upload"],
                options=asked["options"],
                started_by=request.user,
            )
        except SourceError as error:
            form.add_error(None, texts.printable(str(error)))
            return None
        self._dispatch(request, run)
        return run

    def _dispatch(self, request: HttpRequest, run: ImportRun) -> None:
        tasks.plan_import.delay_on_commit(run.pk)  # type: ignore[attr-defined]
        self.log_addition(request, run, "Started.")
        self.message_user(request, f"A worker is taking {run}", messages.INFO)

    @admin.action(description="Import again (known rows are only counted)", permissions=["add"])
    def import_again(self, request: HttpRequest, queryset: QuerySet[ImportRun]) -> None:
        for run in queryset.select_related("source"):
            try:
                self._dispatch(request, imports.again(run, started_by=request.user))
            except SourceError as error:
                self.message_user(request, texts.printable(str(error)), messages.ERROR)
