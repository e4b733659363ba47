"""What adjudicators decide about disputed units, and what the guidelines show of it.

A decision is one row of one adjudicator, append-only. The trigger ``annotate_decide`` of migration 0019 refuses one by
a person who was given the unit to label, lets a person have one standing decision on a unit, and writes down what the
decisions that stand come to from then on, by the campaign's setting of that moment: the newest row on a unit says
whether it is decided. Whoever decided never votes on the unit: the trigger ``annotate_decided`` refuses it.
"""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from annotate.models.people import Annotator
from annotate.models.units import Unit
from labels.models import LabelSet
from labels.taxonomy import MAX_NAME


class DecisionQuerySet(models.QuerySet["Decision"]):
    def newest(self) -> Self:
        """The last row on each unit, which says what has become of it."""
        return self.exclude(Exists(Decision.objects.filter(unit=OuterRef("unit"), pk__gt=OuterRef("pk"))))

    def standing(self) -> Self:
        """Those that no later one supersedes and that were not taken back."""
        return self.exclude(label="").filter(superseded_by=None)

    def settling(self) -> Self:
        """Those by which their units are published now."""
        settled = Decision.objects.newest().exclude(settled_by=None)
        return self.filter(pk__in=settled.values("settled_by"))


class Decision(models.Model):
    """What one adjudicator says that the label of a disputed unit is, and why."""

    class Cause(models.TextChoices):
        GUIDELINE = "guideline", _("the guidelines settle it")
        OVERLOOKED = "overlooked", _("something in the text was overlooked")
        CONTEXT = "context", _("the meaning depends on the rest of the dialogue or on a culture")
        CAREFUL = "careful", _("it can be read both ways; the more careful reading counts")
        OTHER = "other", _("another reason")

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="decisions")
    adjudicator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="decisions")
    supersedes = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="superseded_by"
    )
    label_set = models.ForeignKey(LabelSet, on_delete=models.PROTECT, related_name="+")
    label = models.CharField(
        max_length=MAX_NAME, blank=True, help_text="One of the published base labels; empty: taken back."
    )
    tags = models.JSONField(
        default=dict, help_text="Decided tags, {code: true or false}; of the others the votes decide."
    )
    cause = models.CharField(max_length=10, choices=Cause, help_text="Published with the decision.")
    words = models.TextField(help_text="Why, for curators and for the guidelines; not published with the release.")
    decided_at = models.DateTimeField(db_default=Now(), editable=False)  # by the clock of cuts
    settled_by = models.ForeignKey(
        "self",
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The decision by which the unit is published since this one; empty: it is not decided. Owned by the "
        "trigger annotate_decide.",
    )
    alike = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="How many adjudicators decided as that one did. Owned by the trigger annotate_decide.",
    )

    objects = DecisionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [("adjudicate", "Can decide disputed texts")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(label="") | Q(supersedes__isnull=False, tags={}), name="decision_taken_back_supersedes"
            ),
            models.CheckConstraint(
                condition=Q(settled_by=None, alike=0) | Q(settled_by__isnull=False, alike__gte=1),
                name="decision_settled_by_somebody",
            ),
        ]
        indexes = [
            models.Index(F("unit"), F("id").desc(), name="decision_newest_of_unit"),
            models.Index(fields=["adjudicator", "unit"], name="decision_by_adjudicator"),
        ]

    def __str__(self) -> str:
        return f"decision {self.pk}: {self.label or 'taken back'}"


class DecidedExampleQuerySet(models.QuerySet["DecidedExample"]):
    def shown(self) -> Self:
        """Those of decisions that still hold, on texts that may be read."""
        return self.filter(unit__is_withdrawn=False, decision__in=Decision.objects.settling())


class DecidedExample(models.Model):
    """A decided unit that stands below a campaign's guidelines, with the reason, for everybody to learn from."""

    unit = models.OneToOneField(Unit, on_delete=models.PROTECT, related_name="decided_example")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="+")
    words = models.TextField(help_text="Why, as readers of the guidelines see it.")
    added_by = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    objects = DecidedExampleQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"example of {self.decision}"
