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

from annotate.assignments import lock
from annotate.models import Annotator, Campaign, KnownAnswer, Participation, Trial
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
    """The known answers of a phase that this person is asked, the oldest first: of texts that they wish to read."""
    found = KnownAnswer.objects.of(campaign).filter(
        phase=phase, unit__is_withdrawn=False, unit__instruction__state=InstructionState.AVAILABLE
    )
    if annotator.languages:
        found = found.filter(unit__language__in=["", *annotator.languages])
    if annotator.avoided_topics:
        found = found.exclude(unit__topics__overlap=annotator.avoided_topics)
    return found.select_related("choice", "unit__instruction").order_by("pk")


def next_text(annotator: Annotator, campaign: Campaign, phase: str) -> KnownAnswer | None:
    """The next text of the round that this person is in."""
    here = joined(annotator, campaign)
    done = here.trials.filter(phase=phase, round=round_of(here, phase)).values_list("known", flat=True) if here else []
    return texts(annotator, campaign, phase).exclude(pk__in=done).first()


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
    if next_text(annotator, campaign, phase) is None:
        _end(here, phase, timezone.now())
    return trial


def _is_asked(annotator: Annotator, campaign: Campaign, phase: str) -> bool:
    """Practice is open to everybody who is not kept out; qualification to whom a try is left."""
    if not Campaign.objects.open_to(annotator).filter(pk=campaign.pk).exists():
        return False
    demand = demanded(annotator, campaign, timezone.now())
    if phase == QUALIFICATION:
        return demand is Demand.QUALIFICATION
    return phase == PRACTICE and demand not in (Demand.EXCLUDED, Demand.CURATORS)


def _end(here: Participation, phase: str, now: datetime) -> None:
    if phase == PRACTICE:
        here.practised_at = here.practised_at or now
        if here.standing == Participation.Standing.PAUSED:
            _open(here, now)
    elif score(here, phase, here.tries).reaches(here.campaign.qualification_percent):
        here.qualified_at = now
    else:
        here.tries, here.tried_at = here.tries + 1, now
    here.save(update_fields=[*STANDING, "practised_at", "qualified_at", "tries", "tried_at"])


STANDING = ("standing", "standing_why", "standing_at", "standing_by", "gold_since", "pauses")


def _open(here: Participation, now: datetime) -> None:
    """A pause is over; what was answered before it is settled, else the next answer would pause again."""
    here.standing, here.standing_at, here.gold_since = Participation.Standing.OPEN, now, now
