"""People (Annotator), what they are asked (Campaign, Unit), what they hold (Assignment), what they said (Annotation).

Four promises of this module are kept by the database, whatever code runs (see migrations 0003 and 0005):

* ``Unit.taken`` is owned by one trigger on Assignment, and ``taken <= overlap`` is a CHECK: no unit can get more live
  leases and counted annotations than its overlap.
* An annotator's annotations of one unit are one chain: each supersedes the one before. A person therefore has at most
  one counted annotation on a unit: the tip of the chain.
* Annotations are append-only: a trigger refuses UPDATE and DELETE.
* ``Unit.is_withdrawn`` follows the state of the instruction: a trigger sets it in the transaction that takes an
  instruction down, quarantines it, sets it aside or takes it back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.urls import reverse

from labels.models import Label, LabelSet
from sources.models import DuplicateSearch, Instruction, InstructionState, Source
from sources.rows import Turn


class Annotator(AbstractUser):
    """A person who votes; also staff, and the annotators of public datasets and simulations, who never sign in."""

    class Kind(models.TextChoices):
        HUMAN = "human"
        EXTERNAL = "external", "external (of a public dataset)"
        SIMULATED = "simulated"

    kind = models.CharField(max_length=10, choices=Kind, default=Kind.HUMAN)

    class Meta(AbstractUser.Meta):
        verbose_name = "annotator"
        verbose_name_plural = "annotators"


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def open_to(self, annotator: Annotator) -> CampaignQuerySet:
        """Campaigns in which ``annotator`` may label now."""
        if not annotator.is_active:
            return self.none()
        return self.filter(state=Campaign.State.OPEN, kind=Campaign.Kind.VOLUNTEER)

    def known_to(self, annotator: Annotator) -> CampaignQuerySet:
        """Campaigns whose pages ``annotator`` may see: the open ones, and those they have taken part in."""
        joined = Q(participations__annotator=annotator)
        return self.filter(Q(pk__in=self.open_to(annotator)) | joined, kind=Campaign.Kind.VOLUNTEER).distinct()

    def with_votes_of(self, annotator: Annotator) -> CampaignQuerySet:
        """Adds ``own_votes``: how many counted votes ``annotator`` has given in each."""
        own = Participation.objects.filter(annotator=annotator, campaign=models.OuterRef("pk")).values("votes")
        return self.annotate(own_votes=Coalesce(models.Subquery(own), 0))

    def with_progress(self) -> CampaignQuerySet:
        """Adds ``units_count``, ``wanted`` and ``given`` (slots taken), each by one subquery."""
        units = Unit.objects.served().filter(campaign=models.OuterRef("pk")).order_by().values("campaign")

        def summed(value: models.Aggregate) -> Coalesce:
            return Coalesce(models.Subquery(units.annotate(n=value).values("n")), 0)

        return self.annotate(
            units_count=summed(models.Count("pk")),
            wanted=summed(models.Sum("overlap")),
            given=summed(models.Sum("taken")),
        )


class Campaign(models.Model):
    """Which instructions are judged, with which label set, what in them is judged, and how many votes each gets."""

    class State(models.TextChoices):
        DRAFT = "draft"
        OPENING = "opening", "opening: instructions are being placed"
        OPEN = "open"
        CLOSED = "closed", "closed: nothing new is served; what is held may be finished"

    class Kind(models.TextChoices):
        VOLUNTEER = "volunteer", "volunteers label here"
        EXTERNAL = "external", "votes that a public dataset brought"

    class Target(models.TextChoices):
        PROMPT = "prompt", "the last thing the person says"
        REPLY = "reply", "the last thing the assistant says"
        DIALOGUE = "dialogue", "the whole dialogue"

    slug = models.SlugField(max_length=80, unique=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True, help_text="One paragraph for volunteers.")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.VOLUNTEER, editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT, editable=False)
    error = models.TextField(blank=True, editable=False, help_text="Why opening it failed.")
    label_set = models.ForeignKey(LabelSet, on_delete=models.PROTECT, related_name="campaigns")
    target = models.CharField(max_length=10, choices=Target, default=Target.PROMPT)
    sources = models.ManyToManyField(Source, related_name="campaigns", help_text="Whose instructions are judged.")
    overlap = models.PositiveSmallIntegerField(default=3, help_text="Votes wanted for each instruction.")
    lease_minutes = models.PositiveSmallIntegerField(default=30, help_text="How long an instruction stays reserved.")
    seed = models.PositiveIntegerField(default=0, help_text="Decides the order in which instructions are served.")
    family_distance = models.PositiveSmallIntegerField(
        default=20,
        db_default=20,
        help_text="A person who was given an instruction is given none of its family - what it was made from and what "
        "was made of it or beside it - among their next so many. 0: no distance is kept. Whoever has nothing "
        "else left is told so, until they have labelled elsewhere or this number is smaller.",
    )
    one_per_cluster = models.ForeignKey(
        DuplicateSearch,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="campaigns",
        help_text="Of instructions that this search found nearly the same, only one is placed: the representative "
        "if it is among those of the campaign. Empty: all are placed.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                condition=Q(overlap__gte=1, overlap__lte=100),
                name="campaign_overlap_range",
                violation_error_message="The overlap is between 1 and 100 votes.",
            ),
            models.CheckConstraint(
                condition=Q(lease_minutes__gte=1, lease_minutes__lte=1440),
                name="campaign_lease_range",
                violation_error_message="A lease lasts between 1 and 1440 minutes.",
            ),
            models.CheckConstraint(
                condition=Q(family_distance__lte=1000),
                name="campaign_family_distance_range",
                violation_error_message="The distance within a family is at most 1000.",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("label", args=[self.slug])

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN

    @property
    def lease(self) -> timedelta:
        return timedelta(minutes=self.lease_minutes)


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
    position = models.BigIntegerField(help_text="Order of service; unique in the campaign.")
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
        ]
        indexes = [
            # A unit leaves this index with its last slot, or when its instruction is withdrawn, so a claim costs the
            # same among 10,000 and 1,000,000 units.
            models.Index(
                fields=["campaign", "position"],
                condition=Q(taken__lt=F("overlap"), is_withdrawn=False),
                name="unit_open_slots",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign} #{self.position}"

    @property
    def is_available(self) -> bool:
        """Whether the instruction may be shown to annotators."""
        return self.instruction.state == InstructionState.AVAILABLE

    def judged_turns(self) -> list[tuple[Turn, bool]]:
        """The turns of the instruction, each with whether it is what the campaign asks to judge.

        None of an instruction that is not available: its state is read together with its text, so that nobody is shown
        what was withdrawn before this moment.
        """
        if not self.is_available:
            return []
        turns: list[Turn] = self.instruction.turns
        if self.campaign.target == Campaign.Target.DIALOGUE:
            return [(turn, True) for turn in turns]
        role = "human" if self.campaign.target == Campaign.Target.PROMPT else "bot"
        judged = max((number for number, turn in enumerate(turns) if turn["role"] == role), default=None)
        return [(turn, number == judged) for number, turn in enumerate(turns)]


class ParticipationQuerySet(models.QuerySet["Participation"]):
    def votes_of(self, annotator: Annotator, campaign: Campaign) -> int:
        """How many counted votes ``annotator`` has given in ``campaign``."""
        votes = self.filter(annotator=annotator, campaign=campaign).values_list("votes", flat=True).first()
        return votes or 0


class Participation(models.Model):
    """One annotator in one campaign: where in the order of service they are, and how far they came."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="participations")
    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="participations")
    cursor = models.BigIntegerField(default=-1, help_text="Position of the unit claimed last.")
    votes = models.PositiveIntegerField(
        default=0, editable=False, help_text="Counted votes given. Owned by the trigger annotate_slot."
    )

    objects = ParticipationQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "annotator"], name="participation_unique")]

    def __str__(self) -> str:
        return f"{self.annotator} in {self.campaign}"


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def live(self) -> AssignmentQuerySet:
        return self.filter(state=Assignment.State.LIVE)

    def submitted(self) -> AssignmentQuerySet:
        """Those whose annotation counts."""
        return self.filter(state=Assignment.State.SUBMITTED)

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
        UNSURE = "unsure", "I am unsure"
        DISTRESSING = "distressing", "too distressing"
        BROKEN = "broken", "broken or unreadable"
        LANGUAGE = "language", "a language I do not read"
        ACQUAINTED = "acquainted", "I know this person"
        EXPIRED = "expired", "the lease expired"
        UNDO = "undo", "went back to the one before"
        SIGNED_OUT = "signed out"
        WITHDRAWN = "withdrawn", "the instruction was withdrawn"

    # What a person may say when giving an instruction back; none of it counts against anyone.
    DECLINES = (Reason.UNSURE, Reason.DISTRESSING, Reason.BROKEN, Reason.LANGUAGE, Reason.ACQUAINTED)

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="assignments")
    annotator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="assignments")
    state = models.CharField(max_length=10, choices=State, default=State.LIVE)
    reason = models.CharField(max_length=12, choices=Reason, blank=True)
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
            models.CheckConstraint(
                condition=Q(state="live", ended_at__isnull=True) | (~Q(state="live") & Q(ended_at__isnull=False)),
                name="assignment_ended_unless_live",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="live"), name="assignment_live_by_expiry"),
            models.Index(fields=["annotator"], condition=Q(state="live"), name="assignment_live_by_person"),
            models.Index(fields=["unit", "annotator"], name="assignment_by_unit"),
            models.Index(fields=["annotator", "-ended_at"], name="assignment_history"),
        ]

    def __str__(self) -> str:
        return f"{self.annotator} on {self.unit} ({self.state})"


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
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AnnotationQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
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
