"""The people who vote."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models

from labels.taxonomy import MAX_CODE


class Annotator(AbstractUser):
    """A person who votes; also staff, and the annotators of public datasets and simulations, who never sign in."""

    class Kind(models.TextChoices):
        HUMAN = "human"
        EXTERNAL = "external", "external (of a public dataset)"
        SIMULATED = "simulated"

    kind = models.CharField(max_length=10, choices=Kind, default=Kind.HUMAN)
    languages = ArrayField(
        models.CharField(max_length=20),
        default=list,
        db_default=[],
        blank=True,
        help_text="Languages of the texts that they want to read, such as en; empty: all.",
    )
    avoided_topics = ArrayField(
        models.SlugField(max_length=MAX_CODE),
        default=list,
        db_default=[],
        blank=True,
        help_text="Codes of tags; what is expected to carry one of them is not served to this person.",
    )
    keys_enabled = models.BooleanField(
        default=True, db_default=True, help_text="Whether single keys act on the labelling page (WCAG 2.1.4)."
    )
    keys = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="Keys that differ from the usual ones, {action: key}."
    )

    consented = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Version of the consent page that they agreed to; 0: none. Only the present one is enough.",
    )
    left_at = models.DateTimeField(
        null=True, editable=False, help_text="Since when they are away by the quick exit: they are given nothing."
    )

    severe_per_day = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="How many severe texts they want in a day at most; empty: as the campaign says.",
    )
    minutes_per_day = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="How long they want to label in a day at most; empty: as the campaign says."
    )
    calm_after = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How many calm texts they want after a severe one."
    )
    time_zone = models.CharField(
        max_length=64, default="UTC", db_default="UTC", help_text="In which their day begins, such as Asia/Tokyo."
    )
    is_masked = models.BooleanField(
        default=False, db_default=False, help_text="Whether a text is shown only after a key or a click."
    )
    is_still = models.BooleanField(default=False, db_default=False, help_text="Whether nothing moves on the pages.")

    class Meta(AbstractUser.Meta):
        verbose_name = "annotator"
        verbose_name_plural = "annotators"


class DeskDay(models.Model):
    """How long a person was at the desk on one day of theirs. Owned by the function annotate_spend."""

    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="desk_days")
    day = models.DateField()
    milliseconds = models.PositiveIntegerField(default=0)
    seen_at = models.DateTimeField(help_text="Up to when they are counted.")

    class Meta:
        ordering = ["annotator", "day"]
        constraints = [models.UniqueConstraint(fields=["annotator", "day"], name="desk_day_unique")]

    def __str__(self) -> str:
        return f"{self.annotator} on {self.day}"


class Consent(models.Model):
    """That a person agreed to be given texts of the kind that one version of the consent page names, and when."""

    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="consents")
    version = models.PositiveSmallIntegerField()
    given_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.annotator}, version {self.version}"
