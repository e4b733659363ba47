"""How somebody stands in a campaign, as curators decide it: a pause lifted, tries given, excluded, taken back.

To exclude somebody withdraws what they said there, each answer by an annotation that supersedes it: nothing is deleted,
freed slots are served to others, and releases, which count up to their cut, stay what they were.
"""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from annotate.assignments import GIVE_BACK, lock
from annotate.errors import StandingRefused
from annotate.models import Annotator, Assignment, Campaign, KnownAnswer, Participation
from annotate.statements import one

ACCURACY = "SELECT * FROM annotate_accuracy(%(annotator)s, %(campaign)s, %(since)s, %(most)s)"
EXCLUDE = "SELECT annotate_exclude(%(annotator)s, %(assignment)s)"
Standing = Participation.Standing


class Accuracy(NamedTuple):
    """Of the last ``n`` answers to gold, how many are right, and the most that can be believed of the share."""

    right: int
    n: int
    high: float | None

    @property
    def percent(self) -> int:
        return round(100 * (self.high or 0))


def accuracy(here: Participation) -> Accuracy:
    """What a campaign goes by when it pauses for somebody."""
    values = {"annotator": here.annotator_id, "campaign": here.campaign_id}
    return Accuracy._make(one(ACCURACY, values | {"since": here.gold_since, "most": here.campaign.gold_window}))


def lift(here: Participation, by: Annotator) -> None:
    """End a pause. Answers to gold before now are settled, else the next one would pause the campaign again."""
    _change(here, Standing.PAUSED, Standing.OPEN, "", by)


def take_back(here: Participation, by: Annotator) -> None:
    """Let somebody take part again who was excluded; their votes stay withdrawn, and those texts are others' now."""
    _change(here, Standing.EXCLUDED, Standing.OPEN, "", by)


def exclude(here: Participation, why: str, by: Annotator) -> None:
    """Serve somebody nothing more in a campaign; ``withdraw`` then takes back what they said there."""
    if not why.strip():
        raise StandingRefused("Say why: whoever looks at it later wants to know.")
    _change(here, "", Standing.EXCLUDED, why.strip(), by)


@transaction.atomic
def give_tries(here: Participation) -> None:
    """Let somebody try to qualify from the beginning, at once."""
    lock(here.annotator_id)
    here.trials.filter(phase=KnownAnswer.Phase.QUALIFICATION).delete()
    Participation.objects.filter(pk=here.pk).update(tries=0, tried_at=None)


@transaction.atomic
def _change(here: Participation, before: str, after: str, why: str, by: Annotator) -> None:
    lock(here.annotator_id)
    now = timezone.now()
    found = Participation.objects.filter(pk=here.pk).exclude(standing=after)
    if before:
        found = found.filter(standing=before)
    if not found.update(standing=after, standing_why=why, standing_by=by, standing_at=now, gold_since=now):
        raise StandingRefused(f"{here} stands otherwise by now; reload the page.")


def withdraw(here: Participation) -> int:
    """Withdraw every answer of an excluded person and give back what they hold; returns how many answers.

    A transaction for each, so that nobody who labels waits long; may run twice, and goes on where it was stopped.
    """
    theirs = Assignment.objects.filter(annotator=here.annotator_id, unit__campaign=here.campaign_id)
    for pk in theirs.live().values_list("pk", flat=True):
        one(GIVE_BACK, {"assignment": pk, "reason": Assignment.Reason.EXCLUDED.value})
    answered = list(theirs.answered().values_list("pk", flat=True))
    return sum(bool(one(EXCLUDE, {"annotator": here.annotator_id, "assignment": pk})[0]) for pk in answered)


def withdraw_all() -> int:
    """Go on with every exclusion that is not done; returns how many answers were withdrawn."""
    there = Assignment.objects.filter(annotator=OuterRef("annotator"), unit__campaign=OuterRef("campaign"))
    left = there.filter(state__in=[Assignment.State.LIVE, Assignment.State.SUBMITTED, Assignment.State.SURPLUS])
    return sum(withdraw(here) for here in Participation.objects.filter(Exists(left), standing=Standing.EXCLUDED))


def kept_out(campaign: Campaign) -> list[Participation]:
    """Whom a campaign is paused for or who is excluded, the latest first."""
    found = Participation.objects.filter(campaign=campaign).exclude(standing=Standing.OPEN)
    return list(found.select_related("annotator", "standing_by").order_by("-standing_at"))
