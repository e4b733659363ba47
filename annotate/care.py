"""Care for who reads: their consent to what they are going to read, and leaving at once.

Both are enforced where texts are given out, in ``annotate_claim`` (``sql/desk.sql``), under the lock of the person's
row: no tab, page that was fetched ahead, or queue of answers gets around them. Pages ask ``elsewhere`` before they
show a text.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, Q, Sum
from django.urls import reverse
from django.utils import timezone

from annotate import assignments
from annotate.models import Annotator, Assignment, Campaign, Consent, DeskDay, Reading, Severity
from annotate.statements import one

# Of what the consent page says. Raise it with every change of the meaning of that page, here and in the function
# annotate_consent of sql/desk.sql: everybody is asked again before their next text.
CONSENT = 1
LATELY = timedelta(days=30)

BEARABLE = """
    SELECT bearable.worst, bearable.why
    FROM annotate_annotator person, annotate_campaign campaign, clock_timestamp() moment,
         annotate_spend(person.id, person.time_zone, moment) spent,
         annotate_bearable(person, campaign, spent, moment) bearable
    WHERE person.id = %(annotator)s AND campaign.id = %(campaign)s
"""


def has_consented(annotator: Annotator) -> bool:
    return annotator.consented == CONSENT


def consent(annotator: Annotator, version: int) -> bool:
    """Record that a person agrees to the page of this version; False if that is not the present one."""
    if version != CONSENT:
        return False
    with transaction.atomic():
        assignments.lock(annotator.pk)
        Annotator.objects.filter(pk=annotator.pk).update(consented=version)
        Consent.objects.create(annotator=annotator, version=version)
    annotator.consented = version
    return True


def withdraw_consent(annotator: Annotator) -> int:
    """Give this person no more texts until they agree again; what they hold goes back. Returns how many that were."""
    with transaction.atomic():
        assignments.lock(annotator.pk)
        Annotator.objects.filter(pk=annotator.pk).update(consented=0)
        Consent.objects.filter(annotator=annotator, withdrawn_at=None).update(withdrawn_at=timezone.now())
    annotator.consented = 0
    return assignments.release_all(annotator, Assignment.Reason.MOVED_ON)


def leave(annotator: Annotator) -> int:
    """Quick exit: give everything back at once and nothing more until ``come_back``; returns how many leases ended.

    None of these texts is given to the person again, and nothing of it counts. In any tab, since it is the person who
    leaves.
    """
    now = timezone.now()
    with transaction.atomic():
        assignments.lock(annotator.pk)
        Annotator.objects.filter(pk=annotator.pk).update(left_at=now)
        Reading.objects.filter(annotator=annotator, ended_at=None).update(ended_at=now, is_declined=True)
    # After that, when nothing can be claimed any more; one short transaction each, since one that holds a unit while it
    # waits for another could deadlock.
    return assignments.release_all(annotator, Assignment.Reason.QUICK_EXIT)


def come_back(annotator: Annotator) -> None:
    Annotator.objects.filter(pk=annotator.pk).update(left_at=None)
    annotator.left_at = None


def elsewhere(annotator: Annotator, back: str = "") -> str:
    """The address to which a person is sent instead of a text, "" if they may be shown one."""
    if annotator.left_at is not None:
        return reverse("away")
    if not has_consented(annotator):
        return f"{reverse('consent')}?next={back}" if back else reverse("consent")
    return ""


def bearable(annotator: Annotator, campaign: Campaign) -> tuple[int, str]:
    """The worst severity that a person may be given in a campaign now, -1 for nothing, and which limit says so."""
    worst, limit = one(BEARABLE, {"annotator": annotator.pk, "campaign": campaign.pk})
    return int(worst), str(limit)


class Exposure(NamedTuple):
    """What somebody was given lately: totals, and never which texts."""

    texts: int
    severe: int
    minutes: int


def exposure(annotator: Annotator, now: datetime) -> Exposure:
    """Of the last thirty days."""
    assigned = Assignment.objects.filter(annotator=annotator, claimed_at__gte=now - LATELY)
    read = Reading.objects.filter(annotator=annotator, given_at__gte=now - LATELY)
    is_severe = Q(severity__gte=Severity.SEVERE)
    counts = [some.aggregate(texts=Count("pk"), severe=Count("pk", filter=is_severe)) for some in (assigned, read)]
    days = DeskDay.objects.filter(annotator=annotator, day__gte=(now - LATELY).date())
    spent = days.aggregate(total=Sum("milliseconds"))["total"] or 0
    texts, severe = (sum(some[name] for some in counts) for name in ("texts", "severe"))
    return Exposure(texts, severe, spent // 60_000)
