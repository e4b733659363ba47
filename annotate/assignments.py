"""Leases on units: claim, release, expire. Exact under any concurrency.

What holds at every moment: live leases + counted annotations of a unit <= its overlap, and nobody holds more than two
leases over all their tabs and campaigns. What happens at every answer is done by the functions of ``sql/desk.sql``,
one round trip each. Every verb here and in ``annotations`` locks in one order - the annotator's row, then the
assignment, then the unit - and the unit's count is changed by the trigger ``annotate_slot`` alone. The CHECK on
``Unit.taken`` and the unique constraints stand behind it.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import orjson
from django.db import transaction
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.utils import timezone

from annotate.models import Annotator, Assignment, Campaign, Unit
from annotate.statements import Row, one, row, rows
from sources.rows import Turn

# One text on the desk and one that is fetched ahead.
HANDS = 2

CLAIM = "SELECT * FROM annotate_claim(%(annotator)s, %(campaign)s, %(leases)s, %(patient)s)"
MAKE_ROOM = "SELECT annotate_make_room(%(annotator)s, %(campaign)s, %(leases)s)"
GIVE_BACK = "SELECT annotate_give_back(%(assignment)s, %(reason)s)"


class Lease(NamedTuple):
    """A live lease in one campaign, with what a page shows of it."""

    assignment_id: int
    unit_id: int
    hand: int
    expires_at: datetime
    target: str
    turns: list[Turn]
    language: str

    @classmethod
    def read(cls, found: Row) -> Lease:
        """The lease of a row of ``annotate_claim``."""
        lease = cls._make(found)
        return lease._replace(turns=orjson.loads(found[5]))


def lock(annotator_id: int) -> None:
    """Serialise what one person does in several tabs; held until the transaction ends."""
    row("SELECT 1 FROM annotate_annotator WHERE id = %(annotator)s FOR NO KEY UPDATE", {"annotator": annotator_id})


def claim(annotator: Annotator, campaign: Campaign, leases: int = 1, held: list[Lease] | None = None) -> list[Lease]:
    """Return the annotator's leases in this campaign, oldest first, after claiming until there are ``leases``.

    Fewer come back if nothing more is left for them. Who holds leases elsewhere gives back as many, the oldest first,
    as are too many now. Nobody gets two of one family within the campaign's ``family_distance``. Leases that have
    expired but were not yet swept are swept before "nothing left" is said. ``held`` is what came of a first, quick look
    that the caller has had already.
    """
    if held is None:
        held = _claimed(annotator, campaign, leases, patient=False)
    if len(held) < leases:
        held = _claimed_patiently(annotator, campaign, leases, held)
    if len(held) < leases and release_expired(timezone.now(), campaign):
        held = _claimed_patiently(annotator, campaign, leases, held)
    return held


def claim_next(annotator: Annotator, campaign: Campaign) -> Assignment | None:
    """The first of what ``claim`` returns, as a row; None if there is none."""
    held = claim(annotator, campaign)
    return Assignment.objects.select_related("unit", "annotator").get(pk=held[0].assignment_id) if held else None


def _claimed(annotator: Annotator, campaign: Campaign, leases: int, *, patient: bool) -> list[Lease]:
    values = {"annotator": annotator.pk, "campaign": campaign.pk, "leases": leases, "patient": patient}
    return [Lease.read(found) for found in rows(CLAIM, values)]


def _claimed_patiently(annotator: Annotator, campaign: Campaign, leases: int, held: list[Lease]) -> list[Lease]:
    """The same, waiting for units that others hold locked, and giving back what is too many, until nothing changes.

    A transaction for each lease, since one that waited for a unit while it holds another could deadlock.
    """
    while True:
        before = {lease.assignment_id for lease in held}
        made_room = one(MAKE_ROOM, {"annotator": annotator.pk, "campaign": campaign.pk, "leases": leases})[0]
        held = _claimed(annotator, campaign, leases, patient=True)
        if len(held) >= leases or not (made_room or before != {lease.assignment_id for lease in held}):
            return held


@transaction.atomic
def release(assignment: Assignment, reason: Assignment.Reason) -> bool:
    """Give a lease back; False if it had ended already. Declined units are not served to this person again.

    Declining holds even where the lease had expired in the meantime: nobody gets a text again that they sent away.
    """
    lock(assignment.annotator_id)
    if reason in (*Assignment.DECLINES, Assignment.Reason.ILLEGAL, Assignment.Reason.QUICK_EXIT):
        mine = Assignment.objects.filter(unit=assignment.unit_id, annotator=assignment.annotator_id)
        given_back = mine.filter(state__in=[Assignment.State.LIVE, Assignment.State.RETURNED])
        return bool(given_back.update(state=Assignment.State.DECLINED, reason=reason, ended_at=timezone.now()))
    return _give_back(assignment.pk, reason)


def _give_back(assignment_id: int, reason: Assignment.Reason) -> bool:
    """End a live lease so that its unit is the next that its holder gets if nobody else takes it."""
    return bool(one(GIVE_BACK, {"assignment": assignment_id, "reason": reason.value})[0])


def release_all(annotator: Annotator, reason: Assignment.Reason) -> int:
    """Give back every live lease of a person, as at sign-out; returns how many."""
    live = Assignment.objects.live().filter(annotator=annotator)
    return sum(release(assignment, reason) for assignment in live)


def release_unwished(annotator: Annotator) -> int:
    """Give back what a person holds and does not wish to read, as at a change of wishes; returns how many.

    The text that a page fetched ahead would otherwise be shown against a wish that was saved before it.
    """
    unwished = Q(unit__topics__overlap=annotator.avoided_topics)
    if annotator.languages:
        unwished |= ~Q(unit__language__in=["", *annotator.languages])
    held = Assignment.objects.live().filter(unwished, annotator=annotator)
    return sum(release(lease, Assignment.Reason.MOVED_ON) for lease in held)


def release_expired(now: datetime, campaign: Campaign | None = None) -> int:
    """End the leases that expired before ``now`` and return how many; one short transaction each.

    Each row in a transaction of its own: a sweep that held many units at once could deadlock with claims.
    """
    expired = Assignment.objects.expired(now)
    if campaign is not None:
        expired = expired.filter(unit__campaign=campaign)
    return sum(_expire(pk, now) for pk in expired.values_list("pk", flat=True))


def _expire(assignment_id: int, now: datetime) -> int:
    return (
        Assignment.objects.expired(now)
        .filter(pk=assignment_id)
        .update(state=Assignment.State.RETURNED, reason=Assignment.Reason.EXPIRED, ended_at=now)
    )


def release_withdrawn() -> int:
    """End the leases on units whose instruction was withdrawn and return how many; one short transaction each.

    They are over already: nobody is shown them, and no answer to them counts.
    """
    withdrawn = Assignment.objects.live().filter(unit__is_withdrawn=True).values_list("pk", flat=True)
    return sum(
        Assignment.objects.live()
        .filter(pk=pk)
        .update(state=Assignment.State.RETURNED, reason=Assignment.Reason.WITHDRAWN, ended_at=timezone.now())
        for pk in withdrawn
    )


def concerned(instructions: RawSQL) -> dict[str, int]:
    """How many units and live leases there are of some instructions, whose ids ``instructions`` selects."""
    units = Unit.objects.filter(instruction__in=instructions)
    return {"units": units.count(), "live leases": Assignment.objects.live().filter(unit__in=units).count()}
