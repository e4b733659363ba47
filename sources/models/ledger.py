"""The ledger: every public dataset at its revision, under its licence."""

from __future__ import annotations

import difflib
import re
from typing import Any, override

from django.core.exceptions import ValidationError
from django.db import models
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.licenses._spdx import LICENSES

UNKNOWN_LICENSE = "unknown"
# How people write that they do not know; only the first is kept, so that "Unknown" is not published by mistake.
_UNKNOWN_SPELLINGS = r"^\s*(unknown|none|noassertion|\?*)\s*$"
# What stands between the identifiers of an SPDX expression.
_BETWEEN = re.compile(r"\s+(?:AND|OR|WITH)\s+|[()]", re.IGNORECASE)
_LONGEST = 60


def license_named(written: str) -> str:
    """The licence as the ledger keeps it: every spelling of not knowing it is ``unknown``, and SPDX's own of the rest.

    What is no SPDX expression stays as it is: ``check_license`` refuses it where it is new.
    """
    if re.match(_UNKNOWN_SPELLINGS, written, re.IGNORECASE):
        return UNKNOWN_LICENSE
    try:
        return canonicalize_license_expression(written) if len(written) <= _LONGEST else written
    except InvalidLicenseExpression:
        return written


def check_license(written: str) -> None:
    """Raise ValidationError, with the identifier that is nearest, unless ``written`` is SPDX's or ``unknown``."""
    if written == UNKNOWN_LICENSE or len(written) > _LONGEST:  # which is refused for its length
        return
    try:
        canonicalize_license_expression(written)
    except InvalidLicenseExpression:
        nearest = _nearest(written)
        remedy = "Write an SPDX identifier, such as CC-BY-4.0, LicenseRef-Name where SPDX has none, or unknown."
        raise ValidationError(f"{remedy} The nearest is {nearest}." if nearest else remedy) from None


def _nearest(expression: str) -> str:
    """The identifier that resembles the first part of an expression that is none; "" where none does."""
    parts = ("-".join(part.lower().split()) for part in _BETWEEN.split(expression))
    wrong = (part for part in parts if part and part not in LICENSES)
    found = difflib.get_close_matches(next(wrong, ""), LICENSES, n=1)
    return LICENSES[found[0]]["id"] if found else ""


class LicenseField(models.CharField[str, str]):
    """A licence, of which validation and every way into the database keep one spelling; see ``license_named``."""

    # Here and not on the field: what is checked of new text is no part of the schema.
    default_validators = [check_license]

    @override
    def to_python(self, value: Any) -> Any:
        return license_named(value) if isinstance(value, str) and value else super().to_python(value)


class Source(models.Model):
    """A public dataset at one revision, under one licence; or what an augmenter made of another source."""

    name = models.SlugField(max_length=80, help_text="Short name used in commands and in published records.")
    revision = models.CharField(max_length=80, blank=True, help_text="Version, tag or commit of the dataset.")
    title = models.CharField(max_length=200, blank=True)
    license = LicenseField(
        max_length=_LONGEST,
        default=UNKNOWN_LICENSE,
        help_text="SPDX identifier, for example CC-BY-4.0. Rows of a source with licence 'unknown' are not published.",
    )
    address = models.URLField(max_length=500, blank=True, help_text="Where the dataset can be found.")
    attribution = models.TextField(blank=True, help_text="The sentence its licence asks for.")
    precedence = models.PositiveSmallIntegerField(
        default=100,
        help_text="Of several sources of one text, the one with the lowest number gives its licence and attribution.",
    )
    augments = models.ForeignKey(
        "self", null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="augmented"
    )
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
        """Whether its licence is known, and that of every source it was made of."""
        if license_named(self.license) == UNKNOWN_LICENSE:
            return False
        return self.augments is None or self.augments.is_publishable
