"""Texts that somebody was given otherwise than as assignments."""

from __future__ import annotations

from django.db import models

from annotate.models.people import Annotator
from annotate.models.units import Severity, Unit


class Reading(models.Model):
    """That a person was given a text to practise or to qualify: it counts for the limits of their day.

    Made by ``annotate.readings`` alone, under the lock of the person's row.
    """

    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="readings")
    unit = models.ForeignKey(Unit, on_delete=models.CASCADE, related_name="readings")
    severity = models.PositiveSmallIntegerField(choices=Severity, help_text="Of the unit as it was given.")
    given_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="Until then it is shown again without counting again.")
    ended_at = models.DateTimeField(null=True)
    is_declined = models.BooleanField(default=False, help_text="They sent it away: it is never shown to them again.")

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["annotator", "given_at"], name="reading_history")]

    def __str__(self) -> str:
        return f"{self.unit} to {self.annotator}"
