"""Leases on units: claim, release, expire. Exact under any concurrency.

What holds at every moment: live leases + counted annotations of a unit <= its overlap. Every verb here and in
``annotations`` locks in one order - the annotator's row, then the assignment, then the unit - and the unit's count is
changed by the trigger ``annotate_slot`` alone. The CHECK on ``Unit.taken`` and the unique constraints stand behind it.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.db.models import F
from django.db.models.expressions import RawSQL
from django.db.models.functions import Least
from django.utils import timezone

from annotate.models import Annotator, Assignment, Campaign, Participation, Unit

# How a claim reads the unit it picks. FOR NO KEY UPDATE is what keeps two people out of one last slot.
LOCK = "FOR NO KEY UPDATE"

# The units that this person was given last, in any campaign, and their families; each is read once for a claim.
RECENT = """
    SELECT unit_id FROM annotate_assignment WHERE annotator_id = %(annotator)s
    ORDER BY ended_at DESC LIMIT %(family_distance)s
"""
RECENT_FAMILIES = f"""
    SELECT coalesce(given.root_id, given.id) FROM ({RECENT}) recent
    JOIN annotate_unit seen ON seen.id = recent.unit_id
    JOIN sources_instruction given ON given.id = seen.instruction_id
"""  # noqa: S608 - made of constants

# The first open unit after the cursor that this person may get. Walking the partial index unit_open_slots from the
# cursor costs the same with 0 or 50,000 votes behind the person; from the start it was 200 times slower at 50,000.
# What was given back by the way comes again, whatever its family.
# The state of the instruction is asked for although the index leaves withdrawn units out: a campaign that was being
# opened when an instruction was withdrawn has a unit of it that nobody marked. It is one value of each unit, since a
# planner that may join the instructions can leave the order of the index.
PICK = f"""
    SELECT unit.id, unit.position FROM annotate_unit unit
    WHERE unit.campaign_id = %(campaign)s AND unit.position > %(after)s AND unit.taken < unit.overlap
      AND NOT unit.is_withdrawn
      AND NOT EXISTS (
        SELECT 1 FROM annotate_assignment held
        WHERE held.unit_id = unit.id AND held.annotator_id = %(annotator)s AND held.state <> 'returned')
      AND (
        SELECT instruction.state = 0
          AND (coalesce(instruction.root_id, instruction.id) <> ALL (ARRAY({RECENT_FAMILIES}))
               OR unit.id = ANY (ARRAY({RECENT})))
        FROM sources_instruction instruction WHERE instruction.id = unit.instruction_id)
    ORDER BY unit.position LIMIT 1
"""  # noqa: S608 - made of constants

START = -1  # a cursor before every position


def lock(annotator: Annotator) -> None:
    """Serialise what one person does in several tabs; held until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM annotate_annotator WHERE id = %s FOR NO KEY UPDATE", [annotator.pk])


def claim_next(annotator: Annotator, campaign: Campaign) -> Assignment | None:
    """Return the lease the annotator holds here, or a new one on the next unit; None if nothing is left for them.

    Nobody gets two of one family within the campaign's ``family_distance``. Leases that have expired but were not yet
    swept are swept before "nothing left" is said.
    """
    assignment = _claim(annotator, campaign)
    if assignment is None and release_expired(timezone.now(), campaign):
        assignment = _claim(annotator, campaign)
    return assignment


@transaction.atomic
def _claim(annotator: Annotator, campaign: Campaign) -> Assignment | None:
    lock(annotator)
    now = timezone.now()
    held = _held(annotator, campaign)
    if held is not None:
        return _renewed(held, campaign, now)
    if not Campaign.objects.open_to(annotator).filter(pk=campaign.pk).exists():
        return None
    participation, _ = Participation.objects.get_or_create(annotator=annotator, campaign=campaign)
    picked = _pick(annotator, campaign, participation.cursor)
    if picked is None:
        return None
    unit_id, position = picked
    Participation.objects.filter(pk=participation.pk).update(cursor=position)
    return Assignment.objects.create(
        unit_id=unit_id, annotator=annotator, claimed_at=now, expires_at=now + campaign.lease
    )


def _held(annotator: Annotator, campaign: Campaign) -> Assignment | None:
    mine = Assignment.objects.live().filter(annotator=annotator, unit__campaign=campaign, unit__is_withdrawn=False)
    return mine.select_for_update(of=("self",)).order_by("-claimed_at", "-id").first()


def _renewed(assignment: Assignment, campaign: Campaign, now: datetime) -> Assignment:
    assignment.expires_at = now + campaign.lease
    assignment.save(update_fields=["expires_at"])
    return assignment


def _pick(annotator: Annotator, campaign: Campaign, after: int) -> tuple[int, int] | None:
    """Lock and return (unit id, position) of the next unit, looking twice before saying there is none.

    Near the end of a campaign most open units are locked by other claims for a moment; SKIP LOCKED alone turned 84 % of
    the claims away there although slots were left. The second look waits for the lock. It may still come back empty
    although units are open (PostgreSQL re-checks the one row it waited for and does not go on to the next), hence the
    loop: each round has waited for somebody else's progress.
    """
    arguments = {
        "campaign": campaign.pk,
        "annotator": annotator.pk,
        "after": after,
        "family_distance": campaign.family_distance,
    }
    first_look = f"{PICK} {LOCK} OF unit SKIP LOCKED" if LOCK else PICK
    second_look = f"{PICK} {LOCK} OF unit" if LOCK else PICK
    with connection.cursor() as cursor:
        picked: tuple[int, int] | None = cursor.execute(first_look, arguments).fetchone()
        arguments["after"] = START
        while picked is None:
            if cursor.execute(PICK, arguments).fetchone() is None:
                return None
            picked = cursor.execute(second_look, arguments).fetchone()
    return picked


@transaction.atomic
def release(assignment: Assignment, reason: Assignment.Reason) -> bool:
    """Give a lease back; False if it had ended already. Declined units are not served to this person again.

    Declining holds even where the lease had expired in the meantime: nobody gets a text again that they sent away.
    """
    lock(assignment.annotator)
    mine = Assignment.objects.filter(unit=assignment.unit_id, annotator=assignment.annotator_id)
    now = timezone.now()
    if reason in Assignment.DECLINES:
        given_back = mine.filter(state__in=[Assignment.State.LIVE, Assignment.State.RETURNED])
        return bool(given_back.update(state=Assignment.State.DECLINED, reason=reason, ended_at=now))
    live = mine.live().filter(pk=assignment.pk)
    if not live.update(state=Assignment.State.RETURNED, reason=reason, ended_at=now):
        return False
    _serve_again_from(assignment)
    return True


def _serve_again_from(assignment: Assignment) -> None:
    """Move the person's cursor back, so that a returned unit is the next they get if nobody else takes it."""
    unit = assignment.unit
    Participation.objects.filter(annotator_id=assignment.annotator_id, campaign_id=unit.campaign_id).update(
        cursor=Least(F("cursor"), unit.position - 1)
    )


def release_all(annotator: Annotator, reason: Assignment.Reason) -> int:
    """Give back every live lease of a person, as at sign-out; returns how many."""
    live = Assignment.objects.live().filter(annotator=annotator).select_related("unit", "annotator")
    return sum(release(assignment, reason) for assignment in live)


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


def has_open_slot(unit: Unit) -> bool:
    """Lock the unit and say whether one more vote on it would count; the lock holds until the transaction ends."""
    return Unit.objects.select_for_update(no_key=True).with_open_slots().filter(pk=unit.pk).exists()
