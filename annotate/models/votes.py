"""What annotators said of units."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from annotate.models.people import Annotator
from annotate.models.units import Assignment, Unit
from labels.models import Label


class AnnotationQuerySet(models.QuerySet["Annotation"]):
    def up_to(self, cut: int) -> AnnotationQuerySet:
        """Annotations that a cut (see ``annotations.take_cut``) contains."""
        return self.filter(pk__lte=cut)

    def counted(self, cut: int | None = None) -> AnnotationQuerySet:
        """The tips of the chains that are answers and not surplus; as they stood at ``cut``."""
        later = Annotation.objects.filter(supersedes=models.OuterRef("pk"))
        now = self
        if cut is not None:
            now, later = self.up_to(cut), later.up_to(cut)
        return now.filter(choice__isnull=False, surplus=False).exclude(models.Exists(later))


class Annotation(models.Model):
    """What one annotator said of one unit; append-only. A later one of the same person supersedes it."""

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="annotations")
    annotator = models.ForeignKey(
        Annotator,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="annotations",
        help_text="Empty where a public dataset does not say who voted.",
    )
    assignment = models.ForeignKey(
        Assignment, null=True, blank=True, on_delete=models.PROTECT, related_name="annotations"
    )
    supersedes = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="superseded_by"
    )
    choice = models.ForeignKey(
        Label, null=True, blank=True, on_delete=models.PROTECT, help_text="The base vote; empty in a withdrawal."
    )
    tags = models.JSONField(
        default=dict, help_text="Answers on tags, {code: true or false}; what was not answered is not there."
    )
    surplus = models.BooleanField(default=False, help_text="Came after its slot was refilled: kept, not counted.")
    key = models.UUIDField(help_text="The same submit, or the same row of a dataset, has the same key.")
    note = models.TextField(
        blank=True, db_default="", help_text="For themselves and for whoever adjudicates; never published."
    )
    focused_ms = models.PositiveIntegerField(
        null=True, blank=True, help_text="Milliseconds for which the text was in front of them; empty if not measured."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AnnotationQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        # Rows are appended in the order of time, so a few pages of this index tell what came lately.
        indexes = [BrinIndex(fields=["created_at"], name="annotation_by_time")]
        constraints = [
            models.UniqueConstraint(
                fields=["unit", "annotator"],
                condition=Q(supersedes__isnull=True),
                name="annotation_one_chain_per_person",
            ),
            models.UniqueConstraint(fields=["unit", "key"], name="annotation_key_unique"),
            models.CheckConstraint(
                condition=Q(choice__isnull=False) | Q(supersedes__isnull=False, tags={}),
                name="annotation_withdrawal_supersedes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.annotator or 'somebody'} on {self.unit}: {self.choice or 'withdrawn'}"
