"""When a unit has votes enough."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from annotate.models.campaigns import MOST_OVERLAP, Campaign
from annotate.models.people import Annotator


class StoppingRule(models.Model):
    """A stopping table (``labels.stopping``) as it was made for a campaign; another policy or other gold is another."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="stopping_rules")
    minimum = models.PositiveSmallIntegerField(help_text="Votes that every unit gets.")
    cap = models.PositiveSmallIntegerField(help_text="Votes that no unit gets more of.")
    stops = ArrayField(
        models.CharField(max_length=40),
        help_text="Patterns of fewer votes than the cap that are enough: positions of options in order, as 0,0,2.",
    )
    table = models.JSONField(help_text="The whole table with its model, what it was tuned on and its version.")
    overlap_before = models.PositiveSmallIntegerField(
        null=True,
        editable=False,
        help_text="Votes for every unit before any rule was in use: what the campaign goes back to. Empty: never used.",
    )
    made_by = models.ForeignKey(Annotator, null=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(minimum__gte=1, minimum__lte=F("cap"), cap__lte=MOST_OVERLAP), name="stopping_rule_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.minimum} to {self.cap} votes, version {self.version[:8]}"

    @property
    def version(self) -> str:
        """64 hex digits that tell this table from every other."""
        return str(self.table["version"])
