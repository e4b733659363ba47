"""What a campaign asks of somebody before it serves them texts: practice, qualification, and the way back from a pause.

That it serves nothing before is decided in the claim (``sql/desk.sql``); here people meet what is asked.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from annotate import readings
from annotate.assignments import lock
from annotate.models import Annotator, Campaign, KnownAnswer, Participation, Severity, Trial, Unit
from annotate.models.known import KnownAnswerQuerySet
from labels import loading
from sources.models import InstructionState

PRACTICE, QUALIFICATION = KnownAnswer.Phase.PRACTICE, KnownAnswer.Phase.QUALIFICATION
# So often somebody comes back from a pause by practising again; after that curators decide.
MOST_RETURNS = 2


class Demand(enum.Enum):
    """What stands between a person and the next text of a campaign; the first that is true."""

    NOTHING = "nothing"
    EXCLUDED = "excluded"
    CURATORS = "curators"  # paused, and only curators can lift it
    RETURN = "return"  # paused, and practising again lifts it
    PRACTICE = "practice"
    QUALIFICATION = "qualification"
    WAIT = "wait"  # for the next try
    NO_TRIES = "no tries"


class Asked(NamedTuple):
    """The next text of a round, and, where there is one that may not be given now, which limit keeps it back."""

    known: KnownAnswer | None
    limit: str = ""


class Score(NamedTuple):
    """What a round came to."""

    trials: list[Trial]

    @property
    def right(self) -> int:
        return sum(trial.is_right for trial in self.trials)

    @property
    def total(self) -> int:
        return len(self.trials)

    def reaches(self, percent: int) -> bool:
        return self.total > 0 and 100 * self.right >= percent * self.total


def joined(annotator: Annotator, campaign: Campaign) -> Participation | None:
    return Participation.objects.filter(annotator=annotator, campaign=campaign).first()


def standing(annotator: Annotator, slug: str) -> str:
    """Whether a campaign is paused for somebody, or they are excluded from it; empty if neither."""
    here = Participation.objects.filter(annotator=annotator, campaign__slug=slug)
    return here.values_list("standing", flat=True).first() or ""


def demanded(annotator: Annotator, campaign: Campaign, now: datetime) -> Demand:
    """What ``annotator`` has to do before ``campaign`` serves them anything."""
    here = joined(annotator, campaign) or Participation(annotator=annotator, campaign=campaign)
    if here.standing == Participation.Standing.EXCLUDED:
        return Demand.EXCLUDED
    if here.standing == Participation.Standing.PAUSED:
        may_return = here.pauses <= MOST_RETURNS and texts(annotator, campaign, PRACTICE).exists()
        return Demand.RETURN if may_return else Demand.CURATORS
    if campaign.practice and here.practised_at is None:
        return Demand.PRACTICE
    if not campaign.qualification_percent or here.qualified_at:
        return Demand.NOTHING
    if here.tries >= campaign.qualification_tries:
        return Demand.NO_TRIES
    return Demand.WAIT if next_try(here) > now else Demand.QUALIFICATION


def next_try(here: Participation) -> datetime:
    """When somebody may try to qualify again."""
    wait = timedelta(hours=here.campaign.qualification_wait_hours)
    return here.tried_at + wait if here.tried_at else datetime.min.replace(tzinfo=timezone.get_current_timezone())


def texts(annotator: Annotator, campaign: Campaign, phase: str) -> KnownAnswerQuerySet:
    """The known answers of a phase that this person is asked, the oldest first: of texts that they wish to read.

    What they sent away is none of them, nor is anything severe where they have said, or the campaign, that they read
    nothing severe: else the round would never end.
    """
    found = KnownAnswer.objects.of(campaign).filter(
        phase=phase, unit__is_withdrawn=False, unit__instruction__state=InstructionState.AVAILABLE
    )
    if annotator.languages:
        found = found.filter(unit__language__in=["", *annotator.languages])
    if annotator.avoided_topics:
        found = found.exclude(unit__topics__overlap=annotator.avoided_topics)
    if readings.is_never_severe(annotator, campaign):
        found = found.filter(unit__severity__lt=Severity.SEVERE)
    found = found.exclude(unit__in=readings.never_again(annotator).values("unit"))
    return found.select_related("choice", "unit__instruction").order_by("pk")


def give(annotator: Annotator, campaign: Campaign, phase: str) -> Asked:
    """The text of a round that this person is to answer now, which counts as given to them."""
    left = _left(annotator, campaign, phase)
    if not left.exists():
        _finish(annotator, campaign, phase)
        return Asked(None)
    units = Unit.objects.filter(known_answer__in=left.values("pk")).order_by("known_answer__pk")
    unit_id, limit = readings.give(annotator, campaign, units)
    return Asked(left.filter(unit=unit_id).first() if unit_id else None, limit)


@transaction.atomic
def _finish(annotator: Annotator, campaign: Campaign, phase: str) -> None:
    """End a round of which nothing is left to answer, since its last texts were sent away or are not wished."""
    lock(annotator.pk)
    if KnownAnswer.objects.of(campaign).filter(phase=phase).exists() and _is_asked(annotator, campaign, phase):
        here, _ = Participation.objects.get_or_create(annotator=annotator, campaign=campaign)
        _end_if_over(here, phase)


def next_text(annotator: Annotator, campaign: Campaign, phase: str) -> KnownAnswer | None:
    """The next text of the round that this person is in, whether or not it may be given to them now."""
    return _left(annotator, campaign, phase).first()


def _left(annotator: Annotator, campaign: Campaign, phase: str) -> KnownAnswerQuerySet:
    """What is not answered of the round that this person is in."""
    here = joined(annotator, campaign)
    done = here.trials.filter(phase=phase, round=round_of(here, phase)).values_list("known", flat=True) if here else []
    return texts(annotator, campaign, phase).exclude(pk__in=done)


def round_of(here: Participation, phase: str) -> int:
    """Each pause asks for practice anew; each try is a round."""
    return here.pauses if phase == PRACTICE else here.tries


def score(here: Participation, phase: str, number: int) -> Score:
    found = here.trials.filter(phase=phase, round=number)
    return Score(list(found.select_related("choice", "known__choice", "known__unit__instruction")))


@transaction.atomic
def answer(
    annotator: Annotator, campaign: Campaign, phase: str, known_id: int, choice: str, tags: Mapping[str, bool]
) -> Trial | None:
    """Keep an answer to a text of this phase; None if it is not asked of this person now. What was said first stands.

    The last answer of a round ends it: practice is done, a pause is over, or a try is judged.
    """
    lock(annotator.pk)
    here, _ = Participation.objects.get_or_create(annotator=annotator, campaign=campaign)
    known = texts(annotator, campaign, phase).filter(pk=known_id).first()
    if known is None or not _is_asked(annotator, campaign, phase):
        return None
    said = {"choice": loading.labels_of(campaign.label_set_id)["option", choice], "tags": dict(tags)}
    trial, _ = here.trials.get_or_create(known=known, phase=phase, round=round_of(here, phase), defaults=said)
    readings.end(annotator, known.unit_id)
    _end_if_over(here, phase)
    return trial


@transaction.atomic
def skip(annotator: Annotator, campaign: Campaign, phase: str, known_id: int) -> bool:
    """Send a text away for good, and go on without it; False if this person does not have it."""
    lock(annotator.pk)
    known = texts(annotator, campaign, phase).filter(pk=known_id).first()
    if known is None or not _is_asked(annotator, campaign, phase) or not readings.decline(annotator, known.unit_id):
        return False
    here, _ = Participation.objects.get_or_create(annotator=annotator, campaign=campaign)
    _end_if_over(here, phase)
    return True


def _is_asked(annotator: Annotator, campaign: Campaign, phase: str) -> bool:
    """Practice is open to everybody who is not kept out; qualification to whom a try is left."""
    if not Campaign.objects.open_to(annotator).filter(pk=campaign.pk).exists():
        return False
    demand = demanded(annotator, campaign, timezone.now())
    if phase == QUALIFICATION:
        return demand is Demand.QUALIFICATION
    return phase == PRACTICE and demand not in (Demand.EXCLUDED, Demand.CURATORS)


def _end_if_over(here: Participation, phase: str) -> None:
    if next_text(here.annotator, here.campaign, phase) is None:
        _end(here, phase, timezone.now())


def _end(here: Participation, phase: str, now: datetime) -> None:
    if phase == PRACTICE:
        here.practised_at = here.practised_at or now
        if here.standing == Participation.Standing.PAUSED:
            _open(here, now)
    elif _qualifies(here):
        here.qualified_at = now
    elif here.trials.filter(phase=phase, round=here.tries).exists():
        here.tries, here.tried_at = here.tries + 1, now
    here.save(update_fields=[*STANDING, "practised_at", "qualified_at", "tries", "tried_at"])


def _qualifies(here: Participation) -> bool:
    """Whether a try reaches the pass mark, on no fewer texts than were sent away."""
    reached = score(here, QUALIFICATION, here.tries)
    asked = KnownAnswer.objects.of(here.campaign).filter(phase=QUALIFICATION)
    sent_away = asked.filter(unit__in=readings.never_again(here.annotator).values("unit")).count()
    return reached.total >= sent_away and reached.reaches(here.campaign.qualification_percent)


STANDING = ("standing", "standing_why", "standing_at", "standing_by", "gold_since", "pauses")


def _open(here: Participation, now: datetime) -> None:
    """A pause is over; what was answered before it is settled, else the next answer would pause again."""
    here.standing, here.standing_at, here.gold_since = Participation.Standing.OPEN, now, now
