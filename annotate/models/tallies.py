"""Incrementally kept pattern tables, owned by the function ``annotate_fold`` of ``sql/tallies.sql`` alone.

Nothing here is said by anybody: all of it can be computed anew from the annotations (``tallies.rebuild``), and a test
proves that it is always equal to that. No foreign key is checked by the database, since checking one locks the row it
names: neither an answer nor a take-down ever waits for a fold.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from annotate.models.campaigns import Campaign
from annotate.models.people import Annotator
from annotate.models.units import Unit
from labels.taxonomy import MAX_CODE
from sources.models import Source

BASE, TAG_SETS = "base", "tags"


def tag_kind(code: str) -> str:
    """The kind of patterns of one tag."""
    return f"tag:{code}"


class Slice(models.Model):
    """Units with counted votes that are measured together; ``units`` is how many there are, never 0.

    Each unit is in two: in that of its week, which has patterns, and in that of all weeks, which has voters. Who voted
    what in which week would be about as many rows as votes.
    """

    campaign = models.ForeignKey(
        Campaign, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    tags = ArrayField(
        models.SlugField(max_length=MAX_CODE),
        help_text="Codes of the tags of the label set by which they were folded: what the bits of a tag set mean.",
    )
    source = models.ForeignKey(
        Source,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="Of the sources of the instruction, the one that a snapshot names.",
    )
    language = models.CharField(max_length=20, blank=True, help_text="The instruction's, without its region.")
    is_augmented = models.BooleanField(help_text="Made of another instruction.")
    week = models.DateField(
        null=True, help_text="The Monday before the last counted vote, in UTC; empty where it is all weeks."
    )
    units = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "tags", "source", "language", "is_augmented", "week"],
                nulls_distinct=False,
                name="slice_unique",
            ),
            models.CheckConstraint(condition=Q(units__gt=0), name="slice_has_units"),
        ]

    def __str__(self) -> str:
        return f"slice {self.pk} of campaign {self.campaign_id}"


class PatternCount(models.Model):
    """How many units of a slice have a pattern.

    ``kind`` is "base" (the positions of the options that were voted for, sorted), "tag:<code>" (1 for yes, 0 for no,
    sorted) or "tags" (of every vote that answered every tag, the sum of 2 to the position of each yes, sorted).
    """

    slice = models.ForeignKey(
        Slice, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="patterns"
    )
    kind = models.CharField(max_length=4 + MAX_CODE)
    pattern = ArrayField(models.IntegerField())
    units = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slice", "kind", "pattern"], name="pattern_count_unique"),
            models.CheckConstraint(condition=Q(units__gt=0), name="pattern_count_has_units"),
        ]

    def __str__(self) -> str:
        return f"{self.units} units with {self.kind} {self.pattern}"


class VoterCount(models.Model):
    """How often an annotator voted for an option on a unit of a pattern, which contains that vote.

    ``kind``, ``pattern`` and ``option`` are as in patterns. Votes of nobody known are in the patterns alone.
    """

    slice = models.ForeignKey(
        Slice, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="voters"
    )
    annotator = models.ForeignKey(
        Annotator, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    kind = models.CharField(max_length=4 + MAX_CODE)
    pattern = ArrayField(models.IntegerField())
    option = models.PositiveIntegerField()
    votes = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["slice", "kind", "annotator", "pattern", "option"], name="voter_count_unique"
            ),
            models.CheckConstraint(condition=Q(votes__gt=0), name="voter_count_has_votes"),
        ]

    def __str__(self) -> str:
        return f"{self.votes} votes of {self.annotator_id} for {self.option} in {self.kind} {self.pattern}"


class UnitTally(models.Model):
    """The counted votes of one unit as they were folded last; a unit without any has none.

    ``voters``, ``choices``, ``tags_yes`` and ``tags_answered`` have one entry for each vote, in the order of their
    authors; the latter two hold a bit for each tag, and are empty where nobody answered one.
    """

    unit = models.OneToOneField(
        Unit, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="tally"
    )
    campaign = models.ForeignKey(
        Campaign, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    slice = models.ForeignKey(
        Slice, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="tallies"
    )
    base = ArrayField(models.IntegerField())
    voters = ArrayField(models.BigIntegerField(null=True))
    choices = ArrayField(models.IntegerField())
    tags_yes = ArrayField(models.IntegerField())
    tags_answered = ArrayField(models.IntegerField())
    disagreement = models.FloatField(
        null=True,
        help_text="Mean distance of two votes, 0 to 1: squared where the options are ordered, else whether they "
        "differ. Empty below two votes.",
    )
    is_severe = models.BooleanField(help_text="Somebody voted for the last, most severe option.")

    class Meta:
        indexes = [
            models.Index(
                models.F("campaign"),
                models.F("is_severe"),
                models.F("disagreement").desc(),
                models.F("unit"),
                condition=Q(disagreement__gt=0),
                name="unit_tally_disputed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.base} on unit {self.unit_id}"


class TallyQueue(models.Model):
    """A unit whose counted votes may differ from its tally. Written by triggers, emptied by ``annotate_fold``."""

    unit = models.ForeignKey(Unit, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")

    def __str__(self) -> str:
        return f"unit {self.unit_id}"


class UnitChange(models.Model):
    """What a change of units added to the numbers of their campaign, which are the sums of all its rows.

    Written by triggers on units in the transaction of each change, and gathered into one row of each campaign by
    ``annotate_gather_changes``: counting a million units took most of a second on every page that shows progress.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    units = models.BigIntegerField(help_text="Units that are served.")
    wanted = models.BigIntegerField(help_text="Votes that they want.")
    given = models.BigIntegerField(help_text="Slots of them that are taken.")

    def __str__(self) -> str:
        return f"{self.units:+} units of campaign {self.campaign_id}"
