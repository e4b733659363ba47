"""Leases on units: claim, release, expire. Exact under any concurrency.

What holds at every moment: live leases + counted annotations of a unit <= its overlap, and nobody holds more than two
leases over all their tabs and campaigns. Every verb here and in ``annotations`` locks in one order - the annotator's
row, then the assignment, then the unit - and the unit's count is changed by the trigger ``annotate_slot`` alone. The
CHECK on ``Unit.taken`` and the unique constraints stand behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from django.db import transaction
from django.db.models.expressions import RawSQL
from django.utils import timezone

from annotate.models import Annotator, Assignment, Campaign, Participation, Unit
from annotate.models.campaigns import START
from annotate.statements import one, row, rows
from sources.rows import Turn

# One text on the desk and one that is fetched ahead.
HANDS = 2

# How a claim reads the unit it picks. FOR NO KEY UPDATE is what keeps two people out of one last slot.
LOCK = "FOR NO KEY UPDATE OF unit"

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

# The first open unit after the cursor of the lowest tier that has one. Walking the partial index unit_open_slots from
# the cursor costs the same with 0 or 50,000 votes behind the person; from the start it was 200 times slower at 50,000.
# What was given back by the way comes again, whatever its family.
# The state of the instruction is asked for although the index leaves withdrawn units out: a campaign that was being
# opened when an instruction was withdrawn has a unit of it that nobody marked. It is one value of each unit, since a
# planner that may join the instructions can leave the order of the index.
PICK = f"""
    SELECT picked.id, picked.tier, picked.position
    FROM unnest(%(cursors)s::bigint[]) WITH ORDINALITY AS lane(cursor, number), LATERAL (
        SELECT unit.id, unit.tier, unit.position FROM annotate_unit unit
        WHERE unit.campaign_id = %(campaign)s AND unit.tier = lane.number - 1 AND unit.position > lane.cursor
          AND unit.taken < unit.overlap AND NOT unit.is_withdrawn {{wishes}}
          AND NOT EXISTS (
            SELECT 1 FROM annotate_assignment held
            WHERE held.unit_id = unit.id AND held.annotator_id = %(annotator)s AND held.state <> 'returned')
          AND (
            SELECT instruction.state = 0
              AND (coalesce(instruction.root_id, instruction.id) <> ALL (ARRAY({RECENT_FAMILIES}))
                   OR unit.id = ANY (ARRAY({RECENT})))
            FROM sources_instruction instruction WHERE instruction.id = unit.instruction_id)
        ORDER BY unit.position LIMIT 1 {{lock}}
    ) picked LIMIT 1
"""  # noqa: S608 - made of constants

# What people may wish for. A text of unknown language is served to everybody.
LANGUAGES = "AND (unit.language = ANY (%(languages)s) OR unit.language = '')"
AVOIDED = "AND NOT unit.topics && %(avoided)s::varchar[]"

# Where a person stands in a campaign, and whether it serves them now.
STANDING = """
    SELECT campaign.state = 'open' AND campaign.kind = 'volunteer' AND annotator.is_active
             AND (NOT EXISTS (SELECT 1 FROM annotate_campaign_groups invited WHERE invited.campaign_id = campaign.id)
                  OR EXISTS (SELECT 1 FROM annotate_campaign_groups invited
                             JOIN annotate_annotator_groups member USING (group_id)
                             WHERE invited.campaign_id = campaign.id AND member.annotator_id = annotator.id)),
           participation.id, participation.cursors, annotator.languages, annotator.avoided_topics
    FROM annotate_annotator annotator CROSS JOIN annotate_campaign campaign
    LEFT JOIN annotate_participation participation
      ON participation.campaign_id = campaign.id AND participation.annotator_id = annotator.id
    WHERE annotator.id = %(annotator)s AND campaign.id = %(campaign)s
"""

HELD = """
    SELECT lease.id, lease.unit_id, lease.hand, lease.expires_at, unit.campaign_id,
           unit.is_withdrawn OR instruction.state <> 0, instruction.turns, instruction.language
    FROM annotate_assignment lease
    JOIN annotate_unit unit ON unit.id = lease.unit_id
    JOIN sources_instruction instruction ON instruction.id = unit.instruction_id
    WHERE lease.annotator_id = %(annotator)s AND lease.state = 'live'
    ORDER BY lease.claimed_at, lease.id FOR NO KEY UPDATE OF lease
"""

LEASE = """
    WITH leased AS (
        INSERT INTO annotate_assignment
            (unit_id, annotator_id, hand, state, reason, look_again, claimed_at, expires_at)
        VALUES (%(unit)s, %(annotator)s, %(hand)s, 'live', '', false, %(now)s, %(expires_at)s) RETURNING id
    ), moved AS (
        UPDATE annotate_participation SET cursors[%(tier)s + 1] = %(position)s WHERE id = %(participation)s
    )
    SELECT leased.id, instruction.turns, instruction.language FROM leased, annotate_unit unit
    JOIN sources_instruction instruction ON instruction.id = unit.instruction_id WHERE unit.id = %(unit)s
"""

# Returns no row where the lease had ended.
GIVE_BACK = """
    WITH ended AS (
        UPDATE annotate_assignment SET state = 'returned', reason = %(reason)s, ended_at = %(now)s
        WHERE id = %(assignment)s AND state = 'live' RETURNING annotator_id, unit_id
    ), moved AS (
        UPDATE annotate_participation joined
        SET cursors[unit.tier + 1] = least(joined.cursors[unit.tier + 1], unit.position - 1)
        FROM ended JOIN annotate_unit unit ON unit.id = ended.unit_id
        WHERE joined.annotator_id = ended.annotator_id AND joined.campaign_id = unit.campaign_id
    )
    SELECT unit_id FROM ended
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """A live lease in one campaign, with what a page shows of it."""

    assignment_id: int
    unit_id: int
    hand: int
    expires_at: datetime
    turns: list[Turn]
    language: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a person is in a campaign, and what they wish to read."""

    participation_id: int
    cursors: list[int]
    languages: list[str]
    avoided: list[str]


def lock(annotator_id: int) -> None:
    """Serialise what one person does in several tabs; held until the transaction ends."""
    row("SELECT 1 FROM annotate_annotator WHERE id = %(annotator)s FOR NO KEY UPDATE", {"annotator": annotator_id})


def claim(annotator: Annotator, campaign: Campaign, leases: int = 1) -> list[Lease]:
    """Return the annotator's leases in this campaign, oldest first, after claiming until there are ``leases``.

    Fewer come back if nothing more is left for them. Who holds leases elsewhere gives back as many, the oldest first,
    as are too many now. Nobody gets two of one family within the campaign's ``family_distance``. Leases that have
    expired but were not yet swept are swept before "nothing left" is said.
    """
    found = _claimed(annotator, campaign, leases)
    if len(found) < leases and release_expired(timezone.now(), campaign):
        found = _claimed(annotator, campaign, leases)
    return found


def claim_next(annotator: Annotator, campaign: Campaign) -> Assignment | None:
    """The first of what ``claim`` returns, as a row; None if there is none."""
    held = claim(annotator, campaign)
    return Assignment.objects.select_related("unit", "annotator").get(pk=held[0].assignment_id) if held else None


def _claimed(annotator: Annotator, campaign: Campaign, leases: int) -> list[Lease]:
    """What the person holds here after one step at a time; a transaction that locked two units could deadlock."""
    held, stepped = _step(annotator, campaign, leases)
    while stepped and len(held) < leases:
        held, stepped = _step(annotator, campaign, leases)
    return held


@transaction.atomic
def _step(annotator: Annotator, campaign: Campaign, leases: int) -> tuple[list[Lease], bool]:
    """Give one lease back that is too many, or else claim one that is wanted; whether either was done."""
    lock(annotator.pk)
    now = timezone.now()
    here, elsewhere, withdrawn = _held(annotator, campaign, now)
    if withdrawn:
        return here, _give_back(withdrawn[0].assignment_id, Assignment.Reason.WITHDRAWN, now)
    if elsewhere and len(elsewhere) + max(len(here), leases) > HANDS:
        return here, _give_back(elsewhere[0].assignment_id, Assignment.Reason.MOVED_ON, now)
    standing = _standing(annotator, campaign) if len(here) < leases else None
    picked = _pick(annotator, campaign, standing) if standing else None
    if standing is None or picked is None:
        return here, False
    used = {lease.hand for lease in here + elsewhere}
    hand = next(hand for hand in range(1, HANDS + 1) if hand not in used)
    return [*here, _lease(annotator, campaign, standing, picked, hand, now)], True


def _held(annotator: Annotator, campaign: Campaign, now: datetime) -> tuple[list[Lease], list[Lease], list[Lease]]:
    """The person's live leases: those here, renewed; those elsewhere; those whose text was withdrawn. Oldest first."""
    here, elsewhere, withdrawn = [], [], []
    for number, unit, hand, expires_at, at, is_gone, turns, language in rows(HELD, {"annotator": annotator.pk}):
        lease = Lease(number, unit, hand, expires_at, orjson.loads(turns), language)
        if is_gone:
            withdrawn.append(lease)
        elif at == campaign.pk:
            here.append(_renewed(lease, campaign, now))
        else:
            elsewhere.append(lease)
    return here, elsewhere, withdrawn


def _renewed(lease: Lease, campaign: Campaign, now: datetime) -> Lease:
    """The lease, for a whole term again if less than half of it is left."""
    if lease.expires_at - now > campaign.lease / 2:
        return lease
    expires_at = now + campaign.lease
    Assignment.objects.filter(pk=lease.assignment_id).update(expires_at=expires_at)
    return replace(lease, expires_at=expires_at)


def _standing(annotator: Annotator, campaign: Campaign) -> Standing | None:
    """Where the person stands in the campaign; None if it does not serve them."""
    found = row(STANDING, {"annotator": annotator.pk, "campaign": campaign.pk})
    if found is None or not found[0]:
        return None
    _, participation, cursors, languages, avoided = found
    if participation is None:
        joined = Participation.objects.create(annotator=annotator, campaign=campaign)
        participation, cursors = joined.pk, joined.cursors
    return Standing(participation, list(cursors), list(languages), list(avoided))


def _pick(annotator: Annotator, campaign: Campaign, standing: Standing) -> tuple[int, int, int] | None:
    """Lock and return (unit id, tier, position) of the next unit, looking twice before saying there is none.

    Near the end of a campaign most open units are locked by other claims for a moment; SKIP LOCKED alone turned 84 % of
    the claims away there although slots were left. The second look waits for the lock. It may still come back empty
    although units are open (PostgreSQL re-checks the one row it waited for and does not go on to the next), hence the
    loop: each round has waited for somebody else's progress.
    """
    values = {
        "campaign": campaign.pk,
        "annotator": annotator.pk,
        "cursors": standing.cursors,
        "languages": standing.languages,
        "avoided": standing.avoided,
        "family_distance": campaign.family_distance,
    }
    wishes = f"{LANGUAGES if standing.languages else ''} {AVOIDED if standing.avoided else ''}"
    picked = row(PICK.format(wishes=wishes, lock=f"{LOCK} SKIP LOCKED" if LOCK else ""), values)
    values["cursors"] = [START] * len(standing.cursors)
    while picked is None:
        if row(PICK.format(wishes=wishes, lock=""), values) is None:
            return None
        picked = row(PICK.format(wishes=wishes, lock=LOCK), values)
    return picked


def _lease(
    annotator: Annotator,
    campaign: Campaign,
    standing: Standing,
    picked: tuple[int, int, int],
    hand: int,
    now: datetime,
) -> Lease:
    unit, tier, position = picked
    standing.cursors[tier] = position
    values = {
        "unit": unit,
        "tier": tier,
        "position": position,
        "annotator": annotator.pk,
        "participation": standing.participation_id,
        "hand": hand,
        "now": now,
        "expires_at": now + campaign.lease,
    }
    number, turns, language = one(LEASE, values)
    return Lease(number, unit, hand, now + campaign.lease, orjson.loads(turns), language)


@transaction.atomic
def release(assignment: Assignment, reason: Assignment.Reason) -> bool:
    """Give a lease back; False if it had ended already. Declined units are not served to this person again.

    Declining holds even where the lease had expired in the meantime: nobody gets a text again that they sent away.
    """
    lock(assignment.annotator_id)
    now = timezone.now()
    if reason in Assignment.DECLINES:
        mine = Assignment.objects.filter(unit=assignment.unit_id, annotator=assignment.annotator_id)
        given_back = mine.filter(state__in=[Assignment.State.LIVE, Assignment.State.RETURNED])
        return bool(given_back.update(state=Assignment.State.DECLINED, reason=reason, ended_at=now))
    return _give_back(assignment.pk, reason, now)


def _give_back(assignment_id: int, reason: Assignment.Reason, now: datetime) -> bool:
    """End a live lease so that its unit is the next that its holder gets if nobody else takes it."""
    return row(GIVE_BACK, {"assignment": assignment_id, "reason": reason.value, "now": now}) is not None


def release_all(annotator: Annotator, reason: Assignment.Reason) -> int:
    """Give back every live lease of a person, as at sign-out; returns how many."""
    live = Assignment.objects.live().filter(annotator=annotator)
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


def has_open_slot(unit_id: int) -> bool:
    """Lock the unit and say whether one more vote on it would count; the lock holds until the transaction ends."""
    return Unit.objects.select_for_update(no_key=True).with_open_slots().filter(pk=unit_id).exists()
