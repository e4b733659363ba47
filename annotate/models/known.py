"""Answers that are known before anybody is asked."""

from __future__ import annotations

from typing import Self

from django.core.exceptions import ValidationError
from django.db import models

from annotate.models.campaigns import Campaign, Participation
from annotate.models.people import Annotator
from annotate.models.units import Unit
from labels.models import Label


class KnownAnswerQuerySet(models.QuerySet["KnownAnswer"]):
    def gold(self) -> Self:
        """Those with which votes are compared, and nobody is told."""
        return self.filter(phase=KnownAnswer.Phase.GOLD)

    def of(self, campaign: Campaign) -> Self:
        return self.filter(unit__campaign=campaign)


class KnownAnswer(models.Model):
    """What a unit's answer is, and since when it is known: one thing with a phase.

    The choice may be of an earlier revision of the campaign's label set; answers are compared by code.
    """

    class Phase(models.TextChoices):
        PRACTICE = "practice"  # shown and explained at once
        QUALIFICATION = "qualification"  # asked before the first vote counts
        GOLD = "gold"  # among the others, compared afterwards

    unit = models.OneToOneField(Unit, on_delete=models.PROTECT, related_name="known_answer")
    choice = models.ForeignKey(Label, on_delete=models.PROTECT, related_name="+")
    tags = models.JSONField(
        default=dict, blank=True, help_text="Known answers on tags, {code: true or false}; others are not known."
    )
    phase = models.CharField(
        max_length=13,
        choices=Phase,
        default=Phase.GOLD,
        help_text="Practice is explained at once, qualification after a try; neither is served among the others. Gold "
        "is, and answers are compared with it.",
    )
    is_promoted = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Made of votes that all agreed: who gave them is not compared with it.",
    )
    explanation = models.TextField(blank=True, db_default="", help_text="Why that is the answer.")
    added_by = models.ForeignKey(Annotator, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    objects = KnownAnswerQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.unit}: {self.choice}"

    def clean(self) -> None:
        """The choice and the tags are of the campaign's label set."""
        if not (self.unit_id and self.choice_id):
            return  # the form says that they are missing
        label_set = self.unit.campaign.label_set
        if self.choice.kind != Label.Kind.OPTION or self.choice.label_set.name != label_set.name:
            options = ", ".join(label_set.spec.option_names)
            raise ValidationError({"choice": f"The answers of {label_set} are {options}."})
        codes = [tag.code for tag in label_set.spec.tags]
        if not all(code in codes and isinstance(value, bool) for code, value in _items(self.tags)):
            tags = f"the tags {', '.join(codes)}" if codes else "no tags"
            raise ValidationError({"tags": f"{label_set} has {tags}; write {{code: true or false}}."})


class Trial(models.Model):
    """An answer to a text for practice or qualification: no vote, and of nobody's business but this person's."""

    participation = models.ForeignKey(Participation, on_delete=models.CASCADE, related_name="trials")
    known = models.ForeignKey(KnownAnswer, on_delete=models.CASCADE, related_name="trials")
    phase = models.CharField(max_length=13, choices=KnownAnswer.Phase)
    round = models.PositiveSmallIntegerField(help_text="Which time of practising, or which try; 0 first.")
    choice = models.ForeignKey(Label, on_delete=models.PROTECT, related_name="+")
    tags = models.JSONField(default=dict, blank=True)
    said_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["participation", "known", "phase", "round"], name="trial_once_a_round")
        ]

    def __str__(self) -> str:
        return f"{self.participation}, {self.phase} {self.round}: {self.choice}"

    @property
    def is_right(self) -> bool:
        return self.choice.code == self.known.choice.code


def _items(tags: object) -> list[tuple[object, object]]:
    """The answers on tags; of what is no table of them, one that no label set has."""
    return list(tags.items()) if isinstance(tags, dict) else [(None, None)]
