"""Texts that are given otherwise than as assignments, to practise or to qualify: they keep to the limits of a day too.

As in a claim, everything is looked at under the lock of the person's row, and what was given counts, whatever became
of it. Whoever has a text may look at it again until it expires, as a lease does.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotate import care
from annotate.assignments import lock
from annotate.models import Annotator, Campaign, Reading, Unit


@transaction.atomic
def give(annotator: Annotator, campaign: Campaign, units: QuerySet[Unit]) -> tuple[int | None, str]:
    """The first of ``units`` that this person may be given now, and, if none may be, which limit keeps it from them."""
    lock(annotator.pk)
    if care.elsewhere(Annotator.objects.get(pk=annotator.pk)):
        return None, ""
    worst, limit = care.bearable(annotator, campaign)
    now = timezone.now()
    held = Reading.objects.filter(annotator=annotator, ended_at=None, expires_at__gt=now, unit__in=units).last()
    if held:
        return held.unit_id, ""
    found = units.filter(severity__lte=worst).first()
    if found is None:
        return None, limit
    expires = now + timedelta(minutes=campaign.lease_minutes)
    Reading.objects.create(annotator=annotator, unit=found, severity=found.severity, given_at=now, expires_at=expires)
    return found.pk, ""


def end(annotator: Annotator, unit_id: int) -> None:
    """The person answered it. Whoever calls this holds their row."""
    _open(annotator).filter(unit=unit_id).update(ended_at=timezone.now())


@transaction.atomic
def decline(annotator: Annotator, unit_id: int) -> bool:
    """Never show this person that text again; False if they do not have it."""
    lock(annotator.pk)
    return bool(_open(annotator).filter(unit=unit_id).update(ended_at=timezone.now(), is_declined=True))


def never_again(annotator: Annotator) -> QuerySet[Reading]:
    """What a person sent away."""
    return Reading.objects.filter(annotator=annotator, is_declined=True)


def is_never_severe(annotator: Annotator, campaign: Campaign) -> bool:
    """Whether this person gets no severe text in a campaign on any day."""
    return 0 in (annotator.severe_per_day, campaign.severe_per_day)


def _open(annotator: Annotator) -> QuerySet[Reading]:
    return Reading.objects.filter(annotator=annotator, ended_at=None)
