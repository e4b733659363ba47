"""Public datasets (Source), their import (ImportRun) and the instructions they gave, each with its provenance."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, override

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.urls import reverse

from sources.jobs import Job, JobState

UNKNOWN_LICENSE = "unknown"
# How people write that they do not know; only the first is kept, so that "Unknown" is not published by mistake.
_UNKNOWN_SPELLINGS = r"^\s*(unknown|none|noassertion|\?*)\s*$"
_SPDX = r"\(*[A-Za-z0-9][A-Za-z0-9.+-]*\)*"
_LICENSE = RegexValidator(
    rf"\A{_SPDX}( (AND|OR|WITH) {_SPDX})*\Z",
    "Write an SPDX identifier, such as CC-BY-4.0, LicenseRef-Name where SPDX has none, or unknown.",
)


def license_named(written: str) -> str:
    """The licence as the ledger keeps it: every spelling of not knowing it is ``unknown``."""
    return UNKNOWN_LICENSE if re.match(_UNKNOWN_SPELLINGS, written, re.IGNORECASE) else written


class LicenseField(models.CharField[str, str]):
    """Text of which validation and every way into the database keep one spelling of ``unknown``."""

    @override
    def to_python(self, value: Any) -> Any:
        return license_named(value) if isinstance(value, str) and value else super().to_python(value)


class Source(models.Model):
    """A public dataset at one revision, under one licence."""

    name = models.SlugField(max_length=80, help_text="Short name used in commands and in published records.")
    revision = models.CharField(max_length=80, blank=True, help_text="Version, tag or commit of the dataset.")
    title = models.CharField(max_length=200, blank=True)
    license = LicenseField(
        max_length=60,
        default=UNKNOWN_LICENSE,
        validators=[_LICENSE],
        help_text="SPDX identifier, for example CC-BY-4.0. Rows of a source with licence 'unknown' are not published.",
    )
    address = models.URLField(max_length=500, blank=True, help_text="Where the dataset can be found.")
    attribution = models.TextField(blank=True, help_text="The sentence its licence asks for.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "revision"]
        constraints = [
            models.UniqueConstraint(fields=["name", "revision"], name="source_name_revision_unique"),
            models.CheckConstraint(
                condition=models.Q(license=UNKNOWN_LICENSE) | ~models.Q(license__iregex=_UNKNOWN_SPELLINGS),
                name="source_license_unknown_has_one_spelling",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name

    @property
    def is_publishable(self) -> bool:
        return license_named(self.license) != UNKNOWN_LICENSE


class ImportRun(Job):
    """One import of one file into one source; read = added + known + rejected."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="runs")
    format = models.CharField(max_length=40)
    upload = models.FileField(upload_to="imports/%Y/%m/", blank=True)
    path = models.CharField(max_length=1000, blank=True, help_text="A file that the workers can read.")
    options = models.JSONField(default=dict, blank=True, help_text='For example {"text": "prompt", "language": "en"}.')
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, editable=False
    )

    # Progress and result; written in the transaction that writes the rows.
    bytes_total = models.BigIntegerField(default=0, editable=False)
    modified_ns = models.BigIntegerField(
        null=True, editable=False, help_text="When the file was changed, in ns since 1970."
    )
    bytes_read = models.BigIntegerField(default=0, editable=False)
    read = models.BigIntegerField(default=0, editable=False)
    added = models.BigIntegerField(default=0, editable=False)
    known = models.BigIntegerField(default=0, editable=False)
    rejected = models.BigIntegerField(default=0, editable=False)
    votes_added = models.BigIntegerField(default=0, editable=False)
    votes_repeated = models.BigIntegerField(default=0, editable=False)
    votes_known = models.BigIntegerField(default=0, editable=False)
    votes_rejected = models.BigIntegerField(default=0, editable=False)
    reasons = models.JSONField(default=dict, editable=False, help_text="Why rows or votes were not taken.")
    first_offenders = models.JSONField(default=list, editable=False, help_text="The first lines that were not taken.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(read=models.F("added") + models.F("known") + models.F("rejected")),
                name="import_run_counts_add_up",
            ),
        ]

    def __str__(self) -> str:
        return f"import {self.pk} of {self.source} ({self.format})"

    def get_absolute_url(self) -> str:
        return reverse("admin:sources_importrun_change", args=[self.pk])

    @property
    def file(self) -> Path:
        """The file on this machine that is imported."""
        return Path(self.upload.path) if self.upload else Path(self.path)

    @property
    def percent(self) -> int:
        """Progress in whole per cent of the bytes of the file."""
        if self.state == JobState.FINISHED:
            return 100
        return min(99, 100 * self.bytes_read // self.bytes_total) if self.bytes_total else 0


class Instruction(models.Model):
    """One text or dialogue. Its turns never change: other turns are another instruction."""

    digest = models.BinaryField(
        max_length=16, unique=True, editable=False, help_text="Of the normalised turns (sources.texts.digest)."
    )
    turns = models.JSONField(editable=False)
    language = models.CharField(max_length=20, blank=True, help_text="BCP 47, such as en or pt-BR; empty if unknown.")
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        first = str(self.turns[0]["text"]) if self.turns else ""
        return first if len(first) <= 80 else f"{first[:79]}…"

    @property
    def public_id(self) -> str:
        """The identity that snapshots publish: the same text has the same one in every database."""
        return bytes(self.digest).hex()


class Provenance(models.Model):
    """That a source gave an instruction, and in which row first. Every published line can be traced through it."""

    instruction = models.ForeignKey(Instruction, on_delete=models.PROTECT, related_name="provenances")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="provenances")
    run = models.ForeignKey(ImportRun, on_delete=models.PROTECT, related_name="provenances")
    row = models.CharField(max_length=120, help_text="Where in the file: its line or the identity it gives.")
    source_labels = models.JSONField(default=dict, help_text="Labels as the source wrote them; never votes.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["instruction", "source"], name="provenance_instruction_source_unique")
        ]
        indexes = [models.Index(fields=["source", "id"], name="provenance_by_source")]

    def __str__(self) -> str:
        return f"{self.source}, {self.row}"
