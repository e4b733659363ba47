"""Campaigns, in which order they serve, and who takes part."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from annotate.models.people import Annotator
from labels.models import LabelSet
from labels.taxonomy import MAX_CODE
from sources.models import DuplicateSearch, Source

# Tiers of the order of service, 0 first. What no rule names is in the middle, so that rules can raise and lower.
TIERS, USUAL_TIER = 10, 5
MOST_OVERLAP = 100
MOST_ADJUDICATORS = 9
START = -1  # a cursor before every position


def fresh_cursors() -> list[int]:
    """The cursors of somebody who was served nothing yet."""
    return [START] * TIERS


def hidden_seed() -> int:
    """A number that nobody can guess."""
    return secrets.randbits(62)


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def open_to(self, annotator: Annotator) -> CampaignQuerySet:
        """Campaigns in which ``annotator`` may label now."""
        if not annotator.is_active:
            return self.none()
        invited = Q(groups__isnull=True) | Q(groups__in=annotator.groups.all())
        named = Campaign.objects.filter(invited).values("pk")
        return self.filter(pk__in=named, state=Campaign.State.OPEN, kind=Campaign.Kind.VOLUNTEER)

    def known_to(self, annotator: Annotator) -> CampaignQuerySet:
        """Campaigns whose pages ``annotator`` may see: the open ones, and those they have taken part in."""
        joined = Q(participations__annotator=annotator)
        return self.filter(Q(pk__in=self.open_to(annotator)) | joined, kind=Campaign.Kind.VOLUNTEER).distinct()

    def with_votes_of(self, annotator: Annotator) -> CampaignQuerySet:
        """Adds ``own_votes``: how many votes ``annotator`` has given in each, and checks, told like votes."""
        own = Participation.objects.filter(annotator=annotator, campaign=models.OuterRef("pk"))
        given = own.values(given=models.F("votes") + models.F("checks"))
        return self.annotate(own_votes=Coalesce(models.Subquery(given), 0))

    def with_progress(self) -> CampaignQuerySet:
        """Adds ``units_count``, ``wanted`` and ``given`` (slots taken) of the units that are served."""
        from annotate.models.tallies import UnitChange

        changes = UnitChange.objects.filter(campaign=models.OuterRef("pk")).order_by().values("campaign")

        def summed(name: str) -> Coalesce:
            return Coalesce(models.Subquery(changes.annotate(n=models.Sum(name)).values("n")), 0)

        return self.annotate(units_count=summed("units"), wanted=summed("wanted"), given=summed("given"))


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
        PROMPT = "prompt", _("the last thing the person says")
        REPLY = "reply", _("the last thing the assistant says")
        DIALOGUE = "dialogue", _("the whole dialogue")

    class Aggregation(models.TextChoices):
        RULE = "rule", "the label set's own rule"
        MEDIAN = "ordinal_median", "the median of the options"
        MAJORITY = "majority", "the option with most votes; a tie is no label"

    class AdjudicateBy(models.TextChoices):
        ALIKE = "alike", "so many must decide alike"
        MAJORITY = "majority", "so many must decide, and more than half of them alike"

    class Model(models.TextChoices):
        NONE = "", "none"
        SHARED = "shared_confusion", "one confusion matrix for all annotators, from gold"
        POOLED = "dawid_skene_pooled", "Dawid-Skene with a pooled prior and gold"

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
    aggregation = models.CharField(
        max_length=20,
        choices=Aggregation,
        default=Aggregation.RULE,
        db_default=Aggregation.RULE,
        help_text="What makes the published label of the votes.",
    )
    model = models.CharField(
        max_length=20,
        choices=Model,
        default=Model.NONE,
        db_default=Model.NONE,
        blank=True,
        help_text="Whose label and probabilities are published beside it, in columns of their own.",
    )
    stopping = models.ForeignKey(
        "annotate.StoppingRule",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="When a unit has votes enough, if that depends on them; the overlap is then the least.",
    )
    adjudicators = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="How many adjudicators a disputed text needs before it counts as decided."
    )
    adjudicate_by = models.CharField(
        max_length=10, choices=AdjudicateBy, default=AdjudicateBy.ALIKE, db_default=AdjudicateBy.ALIKE
    )
    lease_minutes = models.PositiveSmallIntegerField(default=30, help_text="How long an instruction stays reserved.")
    seed = models.PositiveIntegerField(default=0, help_text="Decides the order in which instructions are served.")
    family_distance = models.PositiveSmallIntegerField(
        default=20,
        db_default=20,
        help_text="A person who was given an instruction is given none of its family - what it was made from and what "
        "was made of it or beside it - among their next so many. 0: no distance is kept. Whoever has nothing "
        "else left is told so, until they have labelled elsewhere or this number is smaller.",
    )
    practice = models.BooleanField(
        "practice first",
        default=False,
        db_default=False,
        help_text="Whether people go through the known answers for practice, each explained at once, before their "
        "first text.",
    )
    qualification_percent = models.PositiveSmallIntegerField(
        "pass mark",
        default=0,
        db_default=0,
        help_text="How many percent of the known answers for qualification somebody must get right before their first "
        "text. 0: no qualification is asked.",
    )
    qualification_tries = models.PositiveSmallIntegerField(
        "tries", default=3, db_default=3, help_text="How often somebody may try to qualify."
    )
    qualification_wait_hours = models.PositiveSmallIntegerField(
        "hours between tries", default=24, db_default=24, help_text="How long they wait before they try again."
    )
    gold_every = models.PositiveSmallIntegerField(
        "one text of",
        default=0,
        db_default=0,
        help_text="On average one text of so many is gold that the person did not have yet, by chance. "
        "0: gold is served only where the order of service has it.",
    )
    gold_least = models.PositiveSmallIntegerField(
        "right on gold",
        default=0,
        db_default=0,
        help_text="Below so many percent the campaign is paused for a person, once that is sure: Wilson's upper bound "
        "counts. 0: it is paused for nobody.",
    )
    gold_window = models.PositiveSmallIntegerField(
        "of the last", default=30, db_default=30, help_text="So many answers to gold of a person are looked at."
    )
    gold_seed = models.BigIntegerField(
        default=hidden_seed, editable=False, help_text="Decides who gets which gold when. Nobody sees it."
    )
    severe_per_day = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Whoever was given so many severe texts in a day of theirs, here or elsewhere, gets no other here "
        "that day. People can choose fewer. Empty: no limit but their own.",
    )
    minutes_per_day = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Whoever has labelled for so long in a day of theirs, here or elsewhere, gets nothing more here that "
        "day. People can choose less. Empty: no limit but their own.",
    )
    calm_after = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="After a severe text a person is given so many calm ones, or has a break. People can choose more.",
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
    groups = models.ManyToManyField(
        Group, blank=True, related_name="campaigns", help_text="Who is invited. Empty: everybody."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                condition=Q(overlap__gte=1, overlap__lte=MOST_OVERLAP),
                name="campaign_overlap_range",
                violation_error_message=f"The overlap is between 1 and {MOST_OVERLAP} votes.",
            ),
            models.CheckConstraint(
                condition=Q(lease_minutes__gte=1, lease_minutes__lte=1440),
                name="campaign_lease_range",
                violation_error_message="A lease lasts between 1 and 1440 minutes.",
            ),
            models.CheckConstraint(
                condition=Q(adjudicators__gte=1, adjudicators__lte=MOST_ADJUDICATORS),
                name="campaign_adjudicators_range",
                violation_error_message=f"Between 1 and {MOST_ADJUDICATORS} adjudicators decide a text.",
            ),
            models.CheckConstraint(
                condition=Q(family_distance__lte=1000),
                name="campaign_family_distance_range",
                violation_error_message="The distance within a family is at most 1000.",
            ),
            models.CheckConstraint(
                condition=Q(qualification_percent__lte=100, gold_least__lte=100),
                name="campaign_percent_range",
                violation_error_message="The pass mark and what is wanted on gold are at most 100 %.",
            ),
            models.CheckConstraint(
                condition=Q(qualification_tries__gte=1, gold_window__gte=1) & ~Q(gold_every=1),
                name="campaign_known_answers_range",
                violation_error_message="At least one try, one answer to look at, and not every text gold.",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("label", args=[self.slug])

    def clean(self) -> None:
        """A median needs an order."""
        if self.label_set_id and self.aggregation == self.Aggregation.MEDIAN and not self.label_set.ordinal:
            message = f"The options of {self.label_set} have no order, so they have no median: choose another way."
            raise ValidationError({"aggregation": message})

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN

    @property
    def lease(self) -> timedelta:
        return timedelta(minutes=self.lease_minutes)


class OrderRule(models.Model):
    """One line of a campaign's order of service: the units that fit all it says belong to its tier.

    A unit of which several rules speak is in the lowest of their tiers; one of which none speaks, in tier 5.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="order_rules")
    tier = models.PositiveSmallIntegerField(help_text="0 to 9. Lower ones are served first; without a rule it is 5.")
    source = models.ForeignKey(Source, null=True, blank=True, on_delete=models.CASCADE, help_text="Empty: any.")
    language = models.CharField(max_length=20, blank=True, help_text="Such as ja. Empty: any.")
    topic = models.SlugField(
        max_length=MAX_CODE, blank=True, help_text="Code of a tag that the source suggests. Empty: any."
    )
    votes_differ = models.BooleanField(
        default=False, help_text="Only those whose votes so far are not all for the same answer (uncertain ones)."
    )

    class Meta:
        ordering = ["campaign", "tier", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(tier__lt=TIERS),
                name="order_rule_tier_range",
                violation_error_message="A tier is a number from 0 to 9.",
            ),
        ]

    def __str__(self) -> str:
        named = [f"source {self.source}" if self.source else "", self.language, self.topic]
        named.append("votes differ" if self.votes_differ else "")
        return f"tier {self.tier}: {', '.join(name for name in named if name) or 'all'}"


class ParticipationQuerySet(models.QuerySet["Participation"]):
    def labelled_by(self, annotator: Annotator, campaign: Campaign) -> int:
        """What ``annotator`` is told that they have labelled in ``campaign``."""
        joined = self.filter(annotator=annotator, campaign=campaign).first()
        return joined.labelled if joined else 0


class Participation(models.Model):
    """One annotator in one campaign: how far they are in the order of service, how far they came, how they stand."""

    class Standing(models.TextChoices):
        OPEN = "", "open"
        PAUSED = "paused", "paused: there is a way back"
        EXCLUDED = "excluded", "excluded: nothing is served, and no vote counts"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="participations")
    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="participations")
    cursors = ArrayField(
        models.BigIntegerField(),
        size=TIERS,
        default=fresh_cursors,
        db_default=fresh_cursors(),
        editable=False,
        help_text="Of each tier, the position of the unit claimed last.",
    )
    votes = models.PositiveIntegerField(
        default=0, editable=False, help_text="Counted votes given. Owned by the trigger annotate_slot."
    )

    guidelines_seen = models.ForeignKey(
        LabelSet,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The revision whose wording this person was shown last.",
    )

    checks = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Answers to gold that had votes enough. Owned by the trigger annotate_slot.",
    )
    draws = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="How often chance decided whether the next text is gold."
    )
    practised_at = models.DateTimeField(null=True, editable=False)
    qualified_at = models.DateTimeField(null=True, editable=False)
    tries = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False, help_text="How often they tried to qualify and did not."
    )
    tried_at = models.DateTimeField(null=True, editable=False)
    standing = models.CharField(max_length=8, choices=Standing, default=Standing.OPEN, db_default="", blank=True)
    standing_why = models.TextField(blank=True, default="", db_default="", help_text="For curators.")
    standing_at = models.DateTimeField(null=True, editable=False)
    standing_by = models.ForeignKey(
        Annotator, null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    pauses = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False, help_text="How often gold has paused the campaign for them."
    )
    gold_since = models.DateTimeField(
        null=True, editable=False, help_text="Answers to gold before this are settled: a pause was lifted then."
    )

    objects = ParticipationQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "annotator"], name="participation_unique")]

    def __str__(self) -> str:
        return f"{self.annotator} in {self.campaign}"

    @property
    def labelled(self) -> int:
        """Votes and checks: what the person is told, since a number that stands still would tell gold from the rest."""
        return self.votes + self.checks
