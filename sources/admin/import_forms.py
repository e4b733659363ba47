"""The forms that start an import or an augmentation: each fault stands at its field."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, override

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget, RelatedFieldWidgetWrapper
from django.urls import reverse_lazy

from sources import augmenters, importers, ledger, texts
from sources.augmenters import UnknownAugmenter
from sources.augmenters.augmenter import KEPT
from sources.errors import SourceError
from sources.importers import UnknownFormat
from sources.importers.importer import Importer, WrongOption
from sources.mapping import WrongMapping
from sources.models import ImportRun, Source
from sources.parents import NotScreened

ABOUT = reverse_lazy("admin:sources_importrun_about")
# The fields of a new source, which the ledger has under the same names without "new_".
FACTS = ("license", "title", "address", "attribution")
NEW = ("name", "revision", *FACTS)
FILES = ("upload", "address", "path")
# With any other beginning it could be a path, which not everybody may name.
ADDRESS = re.compile(r"(https|hf)://", re.IGNORECASE)

type Choices = list[tuple[str, list[tuple[str, str]]]]


class OptionsField(forms.CharField):
    """One NAME=VALUE a line, or one JSON object; a dict of texts."""

    def __init__(self, **kwargs: Any) -> None:
        help_text = "One NAME=VALUE a line. The options are listed above once a choice is made there."
        super().__init__(required=False, widget=AdminTextareaWidget(attrs={"rows": 4}), help_text=help_text, **kwargs)

    @override
    def clean(self, value: Any) -> Any:
        written = str(super().clean(value)).strip()
        found = _json_options(written) if written.startswith("{") else _line_options(written)
        for name, text in found.items():
            if problem := texts.unstorable(name + text):
                raise forms.ValidationError(f"{texts.printable(name, 60)} has a {problem}: remove it")
        return found


class ImportForm(forms.Form):
    """A source of the ledger or a new one, a format with its options, and one file."""

    source = forms.ModelChoiceField(Source.objects.all(), required=False)
    format = forms.ChoiceField(choices=lambda: _formats(importers.known()))
    upload = forms.FileField(required=False, help_text="On your machine: JSON, CSV or Parquet, plain, .gz or .zst.")
    address = forms.CharField(
        required=False,
        widget=AdminTextInputWidget,
        help_text="Instead of an upload: https://…, or hf://datasets/ORG/NAME@REVISION/FILE on the Hugging Face hub.",
    )
    path = forms.CharField(required=False, widget=AdminTextInputWidget)
    options = OptionsField()
    mapping = forms.CharField(
        required=False,
        widget=AdminTextareaWidget(attrs={"rows": 6}),
        help_text="Only for the format columns: TOML with the tables [columns], the options above, and [labels], "
        "what labels of the file suggest in ours. Where both name a column, the option above counts.",
    )

    def __init__(self, *args: Any, may_name_path: bool, may_add_source: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["source"].widget = _with_popup(self.fields["source"].widget, can_add=may_add_source)
        self.fields["format"].widget.attrs.update(_asks_about())
        if may_add_source:
            self.fields |= _fields_of_new_source()
        else:
            self.fields["source"].required = True
        if may_name_path and settings.IMPORT_ROOT is not None:
            self.fields[
                "path"
            ].help_text = f"Instead of an upload: a file, or a folder of them, below {settings.IMPORT_ROOT}."
        else:
            # Whoever names a path reads what the workers may read, settings and keys among it.
            del self.fields["path"]

    @property
    def fieldsets(self) -> list[tuple[str | None, dict[str, Any]]]:
        """The fields in the order of the page."""
        new = [f"new_{name}" for name in NEW if f"new_{name}" in self.fields]
        closed = not any(self[name].value() or self[name].errors for name in new)
        open_or_closed = {"classes": ("collapse",)} if closed else {}
        described = "Instead of a source above. What the format knows of its dataset stands in for what you leave out."
        return [
            (None, {"fields": ["format", "source"]}),
            *([("New source", {"fields": new, "description": described, **open_or_closed})] if new else []),
            ("File", {"fields": [name for name in FILES if name in self.fields]}),
            ("Options", {"fields": ["options", "mapping"]}),
        ]

    def clean_upload(self) -> Any:
        upload = self.cleaned_data["upload"]
        if upload and upload.size > settings.UPLOAD_MAX_BYTES:
            limit = f"{settings.UPLOAD_MAX_BYTES:,}"
            raise forms.ValidationError(
                f"The file has {upload.size:,} bytes, more than {limit}: give its address, or use import_source"
            )
        return upload

    def clean_address(self) -> str:
        address: str = self.cleaned_data["address"].strip()
        if address and not ADDRESS.match(address):
            raise forms.ValidationError("Begin it with https:// or hf://")
        return address

    def clean_path(self) -> str:
        written, root = self.cleaned_data["path"].strip(), settings.IMPORT_ROOT
        return str(_below_root(root, written)) if written and root else ""

    def clean_mapping(self) -> str:
        # Browsers send the ends of lines as CRLF.
        mapping: str = self.cleaned_data["mapping"].replace("\r\n", "\n")
        if problem := texts.unstorable(mapping):
            raise forms.ValidationError(f"It has a {problem}: remove it")
        return mapping.strip()

    @override
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            self._check_one_source(cleaned)
            if len([name for name in FILES if cleaned.get(name)]) != 1:
                named = [str(self[name].label).lower() for name in FILES if name in self.fields]
                self.add_error("upload", f"Give exactly one of {', '.join(named[:-1])} and {named[-1]}.")
            if cleaned.get("mapping"):
                cleaned["options"] = {**cleaned["options"], "mapping": cleaned["mapping"]}
        return cleaned

    def named_source(self) -> Source:
        """The source that was chosen, or the new one, not saved yet. Raises SourceError."""
        asked = self.cleaned_data
        if asked["source"]:
            return asked["source"]  # type: ignore[no-any-return]
        facts = {name: asked[f"new_{name}"] for name in FACTS}
        return ledger.entry(asked["new_name"], asked["new_revision"], importers.get(asked["format"]), **facts)

    def tell(self, error: SourceError) -> None:
        """Say at its field why the import cannot begin; an upload is called by its own name, not by where it lies."""
        upload = self.cleaned_data["upload"]
        message = texts.printable(str(error), 1000)
        if upload:
            message = re.sub(re.escape(str(settings.MEDIA_ROOT)) + r"/imports/[^:\s]*", str(upload.name), message)
        self.add_error(self._field_of(error), message)

    def _field_of(self, error: SourceError) -> str:
        match error:
            case UnknownFormat():
                return "format"
            case WrongMapping():
                return "mapping"
            case WrongOption():
                return "mapping" if "option 'mapping'" in str(error) else "options"
            case ledger.LicenseMissing():
                return "new_license"
            case ledger.WrongSource() | ledger.SourceDiffers():
                return "new_name"
        return next(name for name in FILES if self.cleaned_data.get(name))

    def _check_one_source(self, cleaned: dict[str, Any]) -> None:
        if cleaned["source"] and cleaned.get("new_name"):
            self.add_error("new_name", "A source is chosen already: leave this empty, or choose none.")
        elif not cleaned["source"] and not cleaned.get("new_name"):
            self.add_error("source", "Choose a source, or name a new one below.")


class AugmentationForm(forms.Form):
    """A source, an augmenter with its options, and the name of the source that holds what it makes."""

    source = forms.ModelChoiceField(
        Source.objects.all(), empty_label="Choose one", help_text="Its available instructions are augmented."
    )
    augmenter = forms.ChoiceField(choices=lambda: _augmenters())  # noqa: PLW0108 - it stands below
    name = forms.SlugField(
        required=False,
        max_length=80,
        widget=AdminTextInputWidget,
        label="Name of the new source",
        help_text="SOURCE-AUGMENTER if you leave it empty. Licence and attribution are those of the source.",
    )
    options = OptionsField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["augmenter"].widget.attrs.update(_asks_about())

    @property
    def fieldsets(self) -> list[tuple[str | None, dict[str, Any]]]:
        """The fields in the order of the page."""
        return [(None, {"fields": ["augmenter", "source"]}), ("New rows", {"fields": ["name", "options"]})]

    def tell(self, error: SourceError) -> None:
        """Say at its field why the augmentation cannot begin."""
        match error:
            case UnknownAugmenter():
                field = "augmenter"
            case NotScreened():
                field = "source"
            case ledger.NotDerived() | ledger.WrongSource():
                field = "name"
            case _:
                field = "options"
        self.add_error(field, texts.printable(str(error), 1000))


def _below_root(root: Path, written: str) -> Path:
    """The file or folder below ``root`` that is meant, without links. Raises ValidationError for any other."""
    if "\0" in written:
        raise forms.ValidationError("It has a NUL character: remove it")
    outside = forms.ValidationError(f"This is not below {root}: name a file or folder there")
    try:
        allowed, found = root.resolve(), (root / written).resolve()
        if not found.is_relative_to(allowed):
            raise outside
        files = found.iterdir() if found.is_dir() else [found]
        if not all(file.resolve().is_relative_to(allowed) for file in files):
            raise outside
    except (OSError, RuntimeError):
        raise forms.ValidationError("It cannot be read: check the path and its permissions") from None
    return found


def _with_popup(widget: Any, *, can_add: bool) -> RelatedFieldWidgetWrapper:
    related = ImportRun._meta.get_field("source").remote_field  # noqa: SLF001
    return RelatedFieldWidgetWrapper(widget, related, admin.site, can_add_related=can_add)


def _asks_about() -> dict[str, Any]:
    return {"hx-get": ABOUT, "hx-target": "#about", "hx-trigger": "change, load", "aria-controls": "about"}


def _fields_of_new_source() -> dict[str, forms.Field]:
    """The fields of the ledger, none of which has to be filled in."""
    found = {}
    for name in NEW:
        widget = AdminTextareaWidget(attrs={"rows": 2}) if name == "attribution" else AdminTextInputWidget()
        column: Any = Source._meta.get_field(name)  # noqa: SLF001
        field = column.formfield(required=False, widget=widget, initial="")
        field.validators = list(column.validators)
        field.label = f"{name.capitalize()} of the dataset" if name == "address" else name.capitalize()
        found[f"new_{name}"] = field
    return found


def _formats(known: Iterable[Importer]) -> Choices:
    votes = "Votes of people come with it"
    groups: dict[str, list[tuple[str, str]]] = {"Any layout": [], votes: [], "Texts and labels of a source": []}
    for importer in known:
        group = votes if importer.label_set else "Texts and labels of a source"
        # Only the generic one was written for no dataset and takes a mapping.
        takes_mapping = any(option.name == "mapping" for option in importer.options)
        groups["Any layout" if takes_mapping else group].append((importer.name, f"{importer.title} ({importer.name})"))
    return [("", [("", "Choose one")]), *groups.items()]


def _augmenters() -> Choices:
    kept = [(each.name, f"{each.title} ({each.name})") for each in augmenters.known() if each.effect == KEPT]
    others = [(each.name, f"{each.title} ({each.name})") for each in augmenters.known() if each.effect != KEPT]
    return [("", [("", "Choose one")]), ("The suggestion is kept", kept), ("New rows need votes", others)]


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
            shown = texts.printable(line.strip(), 60)
            raise forms.ValidationError(f"Line {number}, {shown!r}: write NAME=VALUE, such as text=prompt")
        if sign:
            found[name.strip()] = value.strip()
    return found
