"""What the admin asks before a version is published, and before a release is deprecated or withdrawn."""

from __future__ import annotations

import re
from typing import Any, get_args, override

from django import forms
from django.contrib.admin.widgets import (
    AdminBigIntegerFieldWidget,
    AdminIntegerFieldWidget,
    AdminTextareaWidget,
    AdminTextInputWidget,
    FilteredSelectMultiple,
)

from annotate.models import Campaign
from exports import snapshots
from exports.errors import SnapshotRefused
from exports.filters import LARGEST, Filters
from exports.formats import FORMS, PLAIN, Options
from exports.groups import source_key
from exports.models import Snapshot, Standing
from exports.standings import FOLLOWING
from exports.versions import validate_version
from labels.aggregation import Status
from sources.models import UNKNOWN_LICENSE, Source

type Choices = list[tuple[str, str]]

WHAT = {
    "zst": "zst: one compressed file",
    "shards": "shards: files of a given size",
    "splits": "splits: train, validation and test by family",
    "parquet": "parquet: typed columns",
    "training": "training: the text that GPT-JT-Moderation is trained on",
    "text": "text: OIG's text alone",
    "csv": "csv: for spreadsheets",
    "csv-bom": "csv-bom: the same for Excel",
    "schema": "schema: the JSON Schema of a record",
    "votes": "votes: single votes under pseudonyms, of people who allow it; none with fewer than five of them",
}
BECOMES = {
    Standing.DEPRECATED: "Deprecated: it can still be fetched; its page says why not to, and leads to the newer one",
    Standing.WITHDRAWN: "Withdrawn for good: nobody can fetch it any more, and this cannot be undone",
    Standing.PUBLISHED: "Published again: the notice goes",
}


class PublishForm(forms.Form):
    """All that a version can be asked to be."""

    version = forms.CharField(
        max_length=20, validators=[validate_version], widget=AdminTextInputWidget, help_text="For example 0.3."
    )
    allow_lower = forms.BooleanField(
        required=False,
        label="Allow a lower version",
        help_text="One below the highest that is published, such as 0.2.1 beside 0.3.",
    )
    campaigns = forms.ModelMultipleChoiceField(
        Campaign.objects.select_related("label_set"),
        required=False,
        widget=FilteredSelectMultiple("campaigns", is_stacked=False),
        help_text="None chosen: all volunteer campaigns that were opened.",
    )
    mask_personal = forms.BooleanField(
        required=False,
        label="Mask personal information",
        help_text="Publish [e-mail address] and the like instead of what was found.",
    )
    sources = forms.MultipleChoiceField(
        required=False,
        choices=lambda: _sources(),  # noqa: PLW0108 - it stands below
        widget=FilteredSelectMultiple("sources", is_stacked=False),
        help_text="None chosen: all of them.",
    )
    licenses = forms.MultipleChoiceField(
        required=False,
        label="Licences",
        choices=lambda: _licenses(),  # noqa: PLW0108 - it stands below
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all of them.",
    )
    languages = forms.CharField(
        required=False,
        widget=AdminTextInputWidget,
        help_text="Such as en, pt-BR, und; empty for all of them.",
    )
    statuses = forms.MultipleChoiceField(
        required=False,
        label="Agreement",
        choices=[(status, status) for status in get_args(Status)],
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all of them.",
    )
    min_votes = forms.IntegerField(
        label="Votes at least", min_value=1, max_value=1000, initial=1, widget=AdminIntegerFieldWidget
    )
    without_augmented = forms.BooleanField(required=False, label="Leave out what was made of other texts")
    without_personal = forms.BooleanField(
        required=False, label="Leave out texts in which personal information was found"
    )
    without_disputed = forms.BooleanField(
        required=False, label="Hold back what is disputed", help_text="Until somebody has decided it."
    )
    other_forms = forms.MultipleChoiceField(
        required=False,
        choices=[(form, WHAT[form]) for form in FORMS],
        widget=forms.CheckboxSelectMultiple,
        help_text="Beside the lines, which every release has.",
    )
    seed = forms.IntegerField(
        min_value=-LARGEST,
        max_value=LARGEST,
        initial=PLAIN.seed,
        widget=AdminIntegerFieldWidget,
        help_text="Of the splits.",
    )
    shard_bytes = forms.IntegerField(
        label="Bytes of a shard",
        min_value=1,
        max_value=LARGEST,
        initial=PLAIN.shard_bytes,
        widget=AdminBigIntegerFieldWidget,
        help_text="The most that one has, unless a line alone has more.",
    )

    fieldsets = (
        (None, {"fields": ("version", "allow_lower", "campaigns", "mask_personal")}),
        ("Which lines", {"fields": tuple(Filters.__dataclass_fields__)}),
        ("Other forms", {"fields": ("other_forms", "seed", "shard_bytes")}),
    )

    def clean_languages(self) -> list[str]:
        return re.findall(r"[^\s,;]+", self.cleaned_data["languages"])

    @override
    def clean(self) -> dict[str, Any]:
        """Say at its field what publishing would refuse."""
        cleaned = super().clean() or {}
        if not self.errors:
            # A field that is wrong is no longer among what is cleaned.
            version, campaigns = cleaned["version"], self.chosen()
            self._check("version", snapshots.check_free, version)
            if not cleaned["allow_lower"]:
                self._check("version", snapshots.check_highest, version)
            self._check("campaigns", snapshots.check_campaigns, campaigns)
        return cleaned

    def chosen(self) -> list[Campaign]:
        return list(self.cleaned_data["campaigns"] or snapshots.opened_campaigns())

    def options(self) -> Options:
        asked = self.cleaned_data
        filters = {name: asked[name] for name in Filters.__dataclass_fields__}
        named = {"names": asked["other_forms"], "seed": asked["seed"], "shard_bytes": asked["shard_bytes"]}
        return Options.read({"forms": named, "filters": filters})

    def _check(self, field: str, check: Any, *asked: Any) -> None:
        try:
            check(*asked)
        except SnapshotRefused as error:
            self.add_error(field, str(error))


class StandingForm(forms.Form):
    """What becomes of a release, and why."""

    standing = forms.ChoiceField(label="It becomes", widget=forms.RadioSelect)
    reason = forms.CharField(
        widget=AdminTextareaWidget(attrs={"rows": 3}),
        max_length=2000,
        help_text="Everybody who uses the release reads it. Never quote a text in it.",
    )

    def __init__(self, *args: Any, snapshot: Snapshot, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        following = FOLLOWING[Standing(snapshot.standing)]
        field: Any = self.fields["standing"]
        field.choices = [(standing, BECOMES[standing]) for standing in following]


def _sources() -> Choices:
    named = Source.objects.exclude(license=UNKNOWN_LICENSE).order_by("name", "revision").values_list("name", "revision")
    return [(key, key) for key in (source_key(name, revision) for name, revision in named)]


def _licenses() -> Choices:
    known = Source.objects.exclude(license=UNKNOWN_LICENSE).order_by("license").distinct()
    return [(license_, license_) for license_ in known.values_list("license", flat=True)]
