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

    class Meta(AbstractUser.Meta):
        verbose_name = "annotator"
        verbose_name_plural = "annotators"


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
