"""What annotators want curators to know: flags on texts, and questions on the guidelines."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from annotate.models.campaigns import Campaign
from annotate.models.people import Annotator
from annotate.models.units import Unit


class FlagQuerySet(models.QuerySet["Flag"]):
    def open(self) -> Self:
        """Those that no curator has closed."""
        return self.filter(closed_at=None)


class Flag(models.Model):
    """Somebody asks curators to look at a unit. An open one makes the unit disputed."""

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="flags")
    annotator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="flags")
    words = models.TextField(help_text="What the curators should look at.")
    # By the clock that also says when a cut was taken.
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(Annotator, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    outcome = models.TextField(blank=True, help_text="What was done about it.")

    objects = FlagQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["unit", "annotator"], condition=Q(closed_at=None), name="flag_open_once_per_person"
            ),
        ]

    def __str__(self) -> str:
        return f"flag {self.pk} on {self.unit}"


class QuestionQuerySet(models.QuerySet["Question"]):
    def answered(self) -> Self:
        return self.exclude(answered_at=None)

    def published(self) -> Self:
        """The answered ones that everybody may read: none may quote a text that nobody may see."""
        return self.answered().filter(Q(unit=None) | Q(unit__is_withdrawn=False))

    def waiting(self) -> Self:
        return self.filter(answered_at=None)


class Question(models.Model):
    """A question on the guidelines of a campaign; answered for everybody to read, without the name of who asked."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="questions")
    unit = models.ForeignKey(
        Unit, null=True, blank=True, on_delete=models.PROTECT, related_name="questions", help_text="What raised it."
    )
    annotator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="questions")
    words = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    answer = models.TextField(blank=True)
    answered_by = models.ForeignKey(Annotator, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)

    objects = QuestionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(answer="", answered_at=None) | (~Q(answer="") & Q(answered_at__isnull=False)),
                name="question_answered_with_words",
            ),
        ]

    def __str__(self) -> str:
        return f"question {self.pk} on {self.campaign}"
