"""Units, and the leases on them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from annotate.models.campaigns import TIERS, USUAL_TIER, Campaign
from annotate.models.people import Annotator
from labels.taxonomy import MAX_CODE
from sources.models import Instruction, InstructionState
from sources.rows import Turn


def judged_turns(turns: Sequence[Turn], target: str) -> list[tuple[Turn, bool]]:
    """Turns, each with whether it is what a campaign with this target asks to judge."""
    if target == Campaign.Target.DIALOGUE:
        return [(turn, True) for turn in turns]
    role = "human" if target == Campaign.Target.PROMPT else "bot"
    judged = max((number for number, turn in enumerate(turns) if turn["role"] == role), default=None)
    return [(turn, number == judged) for number, turn in enumerate(turns)]


class Severity(models.IntegerChoices):
    """How hard a text is to read, as far as it can be told: from its sources at first, then from the votes."""

    NONE = 0, "none"
    MILD = 1, "mild"
    SEVERE = 2, "severe"
    GRAVE = 3, "grave"


class UnitQuerySet(models.QuerySet["Unit"]):
    def served(self) -> UnitQuerySet:
        """Those whose instruction is neither set aside nor quarantined nor taken down."""
        return self.filter(is_withdrawn=False)

    def with_open_slots(self) -> UnitQuerySet:
        return self.served().filter(taken__lt=F("overlap"))


class Unit(models.Model):
    """One instruction placed in one campaign."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="units")
    instruction = models.ForeignKey(Instruction, on_delete=models.PROTECT, related_name="units")
    tier = models.PositiveSmallIntegerField(
        default=USUAL_TIER,
        db_default=USUAL_TIER,
        editable=False,
        help_text="What the campaign's order rules make of it; 0 is served first. Owned by annotate.order.",
    )
    position = models.BigIntegerField(
        help_text="Order of service in the tier, from a sequence: who moves to another tier goes to its end."
    )
    language = models.CharField(
        max_length=20,
        blank=True,
        db_default="",
        editable=False,
        help_text="The instruction's, without its region. Owned by the trigger annotate_withdrawal.",
    )
    topics = ArrayField(
        models.SlugField(max_length=MAX_CODE),
        default=list,
        db_default=[],
        editable=False,
        help_text="Codes of the tags that its sources suggest.",
    )
    severity = models.PositiveSmallIntegerField(
        choices=Severity,
        default=Severity.NONE,
        db_default=Severity.NONE,
        editable=False,
        help_text="Expected from the sources, then voted. Owned by the function annotate_severity.",
    )
    overlap = models.PositiveSmallIntegerField(help_text="Votes wanted.")
    taken = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Live leases + counted annotations. Owned by the trigger annotate_slot."
    )
    is_withdrawn = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="The instruction is set aside, quarantined or taken down. Owned by the trigger annotate_withdrawal.",
    )

    objects = UnitQuerySet.as_manager()

    class Meta:
        ordering = ["campaign", "position"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "instruction"], name="unit_campaign_instruction_unique"),
            models.UniqueConstraint(fields=["campaign", "position"], name="unit_campaign_position_unique"),
            models.CheckConstraint(condition=Q(taken__lte=F("overlap")), name="unit_taken_within_overlap"),
            models.CheckConstraint(condition=Q(tier__lt=TIERS), name="unit_tier_range"),
        ]
        indexes = [
            # A unit leaves this index with its last slot, or when its instruction is withdrawn, so a claim costs the
            # same among 10,000 and 1,000,000 units.
            models.Index(
                fields=["campaign", "tier", "position"],
                condition=Q(taken__lt=F("overlap"), is_withdrawn=False),
                name="unit_open_slots",
            ),
            # For who reads few languages: says at once that nothing is left in them.
            models.Index(
                fields=["campaign", "language", "tier", "position"],
                condition=Q(taken__lt=F("overlap"), is_withdrawn=False),
                name="unit_open_by_language",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign} #{self.position}"

    @property
    def is_available(self) -> bool:
        """Whether the instruction may be shown to annotators."""
        return self.instruction.state == InstructionState.AVAILABLE


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def live(self) -> AssignmentQuerySet:
        return self.filter(state=Assignment.State.LIVE)

    def submitted(self) -> AssignmentQuerySet:
        """Those whose annotation counts."""
        return self.filter(state=Assignment.State.SUBMITTED)

    def answered(self) -> AssignmentQuerySet:
        """Those whose annotation stands, whether it counts or not."""
        return self.filter(state__in=[Assignment.State.SUBMITTED, Assignment.State.SURPLUS])

    def expired(self, now: datetime) -> AssignmentQuerySet:
        return self.live().filter(expires_at__lte=now)


class Assignment(models.Model):
    """A lease on one slot of a unit, and afterwards what became of it."""

    class State(models.TextChoices):
        LIVE = "live"
        SUBMITTED = "submitted"
        SURPLUS = "surplus", "submitted after the slot was refilled; not counted"
        DECLINED = "declined", "given back; not served to this person again"
        RETURNED = "returned", "given back; may be served to this person again"

    class Reason(models.TextChoices):
        # The first five are read by annotators, the others by curators alone.
        UNSURE = "unsure", _("I am unsure")
        DISTRESSING = "distressing", _("too distressing")
        BROKEN = "broken", _("broken or unreadable")
        LANGUAGE = "language", _("a language I do not read")
        ACQUAINTED = "acquainted", _("I know this person")
        EXPIRED = "expired", "the lease expired"
        MOVED_ON = "moved on", "went to another campaign or back to an earlier text"
        ILLEGAL = "illegal", "reported as illegal"
        SIGNED_OUT = "signed out"
        QUICK_EXIT = "quick exit"
        WITHDRAWN = "withdrawn", "the instruction was withdrawn"
        PAUSED = "paused", "the campaign was paused for this person"
        EXCLUDED = "excluded", "the person was excluded; their vote was withdrawn"

    # What a person may say when giving an instruction back; none of it counts against anyone.
    DECLINES = (Reason.UNSURE, Reason.DISTRESSING, Reason.BROKEN, Reason.LANGUAGE, Reason.ACQUAINTED)

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="assignments")
    annotator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="assignments")
    hand = models.PositiveSmallIntegerField(
        default=1, db_default=1, editable=False, help_text="Which of the person's two live leases this is, 1 or 2."
    )
    state = models.CharField(max_length=10, choices=State, default=State.LIVE)
    look_again = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Answered under an older wording of the guidelines, and queued for another look.",
    )
    is_check = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Gold that had votes enough when it was served: holds no slot; the answer is compared, not counted.",
    )
    reason = models.CharField(max_length=12, choices=Reason, blank=True)
    severity = models.PositiveSmallIntegerField(
        choices=Severity,
        default=Severity.NONE,
        db_default=Severity.NONE,
        editable=False,
        help_text="Of the unit as it was given: what counts for the day's limit.",
    )
    claimed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["unit", "annotator"],
                condition=Q(state__in=["live", "submitted"]),
                name="assignment_one_slot_per_person",
            ),
            models.UniqueConstraint(
                fields=["annotator", "hand"], condition=Q(state="live"), name="assignment_two_hands"
            ),
            models.CheckConstraint(condition=Q(hand__in=[1, 2]), name="assignment_hand_range"),
            models.CheckConstraint(
                condition=Q(state="live", ended_at__isnull=True) | (~Q(state="live") & Q(ended_at__isnull=False)),
                name="assignment_ended_unless_live",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="live"), name="assignment_live_by_expiry"),
            models.Index(fields=["annotator"], condition=Q(look_again=True), name="assignment_look_again"),
            models.Index(fields=["unit", "annotator"], name="assignment_by_unit"),
            models.Index(fields=["annotator", "-ended_at"], name="assignment_history"),
            # How many severe texts somebody was given today.
            models.Index(
                fields=["annotator", "claimed_at"],
                condition=Q(severity__gte=Severity.SEVERE),
                name="assignment_severe",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.annotator} on {self.unit} ({self.state})"
