"""Near-duplicates: what one search found."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from sources.jobs import Job
from sources.models.instructions import Instruction


class DuplicateSearch(Job):
    """One search for instructions that are nearly the same, over all that are available."""

    threshold = models.FloatField(default=0.8, help_text="From what similarity (0 to 1) two texts are nearly the same.")
    read = models.BigIntegerField(default=0, editable=False)
    total = models.BigIntegerField(default=0, editable=False)
    clusters = models.BigIntegerField(default=0, editable=False)
    duplicates = models.BigIntegerField(default=0, editable=False, help_text="Instructions beside the representatives.")
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, editable=False
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(threshold__gt=0, threshold__lte=1), name="duplicate_search_threshold")
        ]
        verbose_name_plural = "duplicate searches"

    def __str__(self) -> str:
        return f"search {self.pk} for near-duplicates from {self.threshold:g}"

    @property
    def percent(self) -> int:
        """Progress in whole per cent of the texts read."""
        if self.state == "finished":
            return 100
        return min(99, 100 * self.read // self.total) if self.total else 0


class NearDuplicate(models.Model):
    """An instruction that is nearly the same as the representative of its cluster."""

    search = models.ForeignKey(DuplicateSearch, on_delete=models.CASCADE, related_name="found")
    representative = models.ForeignKey(Instruction, on_delete=models.PROTECT, related_name="+")
    instruction = models.ForeignKey(Instruction, on_delete=models.PROTECT, related_name="near_duplicates")
    similarity = models.FloatField(help_text="Jaccard similarity of their shingles, 0 to 1.")

    class Meta:
        ordering = ["search", "representative", "instruction"]
        constraints = [
            models.UniqueConstraint(fields=["search", "instruction"], name="near_duplicate_in_one_cluster"),
            models.CheckConstraint(condition=~Q(instruction=F("representative")), name="near_duplicate_of_another"),
        ]

    def __str__(self) -> str:
        return f"instruction {self.instruction_id} is nearly {self.representative_id}"
