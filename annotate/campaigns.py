"""Opening and closing campaigns: instructions become units."""

from __future__ import annotations

import time

from django.db import connection, transaction

from annotate import order
from annotate.errors import CampaignRefused
from annotate.models import Campaign, Unit
from annotate.models.campaigns import MOST_OVERLAP
from annotate.order import TOPICS
from annotate.statements import one, row
from labels import loading
from sources.models import Instruction

# Units are appended behind those there are, in an order that the campaign's seed decides, so that no source and no
# label comes in a block. Placing twice adds only what is new. Of a cluster of near-duplicates one has a unit: the one
# that is placed already, else the representative, else the oldest.
PLACE = f"""
    WITH fitting AS (
        SELECT instruction.id, instruction.digest, instruction.language,
               coalesce(near.representative_id, instruction.id) AS cluster,
               EXISTS (SELECT 1 FROM annotate_unit placed
                       WHERE placed.campaign_id = %(campaign)s AND placed.instruction_id = instruction.id) AS is_placed
        FROM sources_instruction instruction
        LEFT JOIN sources_nearduplicate near
          ON near.instruction_id = instruction.id AND near.search_id = %(one_per_cluster)s
        WHERE instruction.state = 0
          AND EXISTS (SELECT 1 FROM sources_provenance given
                      WHERE given.instruction_id = instruction.id AND given.source_id = ANY(%(sources)s))
          AND (%(target)s = 'dialogue' OR jsonb_path_exists(instruction.turns, %(judged)s::jsonpath))
    ), new AS (
        SELECT DISTINCT ON (cluster) id, digest, language, is_placed FROM fitting
        ORDER BY cluster, is_placed DESC, id <> cluster, id
    )
    INSERT INTO annotate_unit (campaign_id, instruction_id, position, overlap, taken, is_withdrawn, language, topics,
                               severity)
    SELECT %(campaign)s, id, nextval('annotate_unit_position'), %(overlap)s, 0, false, language, topics,
           annotate_expected(%(campaign)s, id) FROM (
        SELECT new.id, split_part(new.language, '-', 1) AS language, {TOPICS.format(instruction="new.id")} AS topics
        FROM new WHERE NOT is_placed
        ORDER BY hashtextextended(encode(new.digest, 'hex'), %(seed)s), new.id OFFSET 0
    ) ordered
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - made of constants

WEIGH = """
    UPDATE annotate_unit unit SET severity = weighed.severity
    FROM (SELECT placed.id, annotate_severity(placed) AS severity FROM annotate_unit placed
          WHERE placed.campaign_id = %(campaign)s) weighed
    WHERE unit.id = weighed.id AND unit.severity <> weighed.severity
"""

# Which turn must exist for there to be something to judge.
JUDGED_TURN = {
    Campaign.Target.PROMPT: '$[*] ? (@.role == "human")',
    Campaign.Target.REPLY: '$[*] ? (@.role == "bot")',
    Campaign.Target.DIALOGUE: "$[*]",
}


def weigh(campaign: Campaign) -> None:
    """Bring every unit to its severity, after votes that did not come through ``annotations``."""
    with connection.cursor() as cursor:
        cursor.execute(WEIGH, {"campaign": campaign.pk})


def request_opening(campaign: Campaign) -> None:
    """Mark the campaign for opening by a worker, which places its units; raises CampaignRefused if it cannot be."""
    if campaign.kind != Campaign.Kind.VOLUNTEER:
        raise CampaignRefused(f"{campaign} holds the votes of a public dataset: nobody labels in it")
    if not Instruction.objects.available().filter(provenances__source__in=campaign.sources.all()).exists():
        raise CampaignRefused(f"{campaign} has no instructions: import one of its sources first")
    Campaign.objects.filter(pk=campaign.pk).exclude(state=Campaign.State.OPEN).update(
        state=Campaign.State.OPENING, error=""
    )


@transaction.atomic
def open_requested(campaign_id: int) -> bool:
    """Place the units of a campaign marked for opening and open it; False if another worker is at it or it is done."""
    waiting = Campaign.objects.select_for_update(skip_locked=True).filter(state=Campaign.State.OPENING)
    campaign = waiting.filter(pk=campaign_id).first()
    if campaign is None:
        return False
    place(campaign)
    if not Unit.objects.filter(campaign=campaign).exists():
        campaign.state, campaign.error = Campaign.State.DRAFT, f"no instruction of its sources has {campaign.target}"
    else:
        loading.freeze(campaign.label_set)
        campaign.state, campaign.error = Campaign.State.OPEN, ""
    campaign.save(update_fields=["state", "error"])
    return True


def place(campaign: Campaign) -> int:
    """Make a unit of every available instruction of the campaign's sources that is not placed yet.

    Returns how many were new. Of near-duplicates that ``one_per_cluster`` found only one gets a unit.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            PLACE,
            {
                "campaign": campaign.pk,
                "seed": campaign.seed,
                "overlap": campaign.overlap,
                "sources": list(campaign.sources.values_list("pk", flat=True)),
                "target": campaign.target,
                "one_per_cluster": campaign.one_per_cluster_id,
                "judged": JUDGED_TURN[Campaign.Target(campaign.target)],
            },
        )
        placed = int(cursor.rowcount)
        # Claims that come before the database looks at the table by itself would be planned for an empty one.
        cursor.execute("ANALYZE annotate_unit")
    if campaign.order_rules.exists():
        order.apply_rules(campaign)
    return placed


# Takes each unit as it is when its turn comes: none gets less overlap than it has slots taken. What others hold locked
# is left for the next round: nobody who labels, and no curator who withdraws many texts, is stopped by it or stops it.
CHANGE_OVERLAP = """
    WITH piece AS (
        SELECT id, position FROM annotate_unit WHERE campaign_id = %(campaign)s AND position > %(after)s
        ORDER BY position LIMIT %(most)s
    ), free AS (
        SELECT unit.id, campaign.overlap FROM annotate_unit unit
        JOIN annotate_campaign campaign ON campaign.id = unit.campaign_id
        WHERE unit.id IN (SELECT id FROM piece) AND unit.overlap <> greatest(unit.taken, campaign.overlap)
        FOR NO KEY UPDATE OF unit SKIP LOCKED
    ), changed AS (
        UPDATE annotate_unit unit SET overlap = greatest(unit.taken, free.overlap) FROM free WHERE unit.id = free.id
    )
    SELECT max(position) FROM piece
"""
DIFFERS = """
    SELECT 1 FROM annotate_unit unit JOIN annotate_campaign campaign ON campaign.id = unit.campaign_id
    WHERE campaign.id = %(campaign)s AND unit.overlap <> greatest(unit.taken, campaign.overlap) LIMIT 1
"""
PIECE, PAUSE = 5000, 0.05  # units in a transaction, and seconds before what was locked is tried again


def change_overlap(campaign: Campaign, overlap: int) -> int:
    """Want so many votes for each unit from now on; returns how many keep more, since more slots are taken already.

    Piece by piece, each in a transaction of its own; may run twice, and beside another that wants something else: what
    the campaign says last is what all units follow.
    """
    if not 1 <= overlap <= MOST_OVERLAP:
        raise CampaignRefused(f"the overlap is between 1 and {MOST_OVERLAP} votes")
    if Campaign.objects.filter(pk=campaign.pk, stopping__isnull=False).exists():
        raise CampaignRefused(f"{campaign} asks for votes until they settle a text: stop using its rule first")
    Campaign.objects.filter(pk=campaign.pk).update(overlap=overlap)
    _follow_overlap(campaign)
    while row(DIFFERS, {"campaign": campaign.pk}) is not None:
        time.sleep(PAUSE)
        _follow_overlap(campaign)
    return Unit.objects.filter(campaign=campaign, overlap__gt=overlap).count()


def _follow_overlap(campaign: Campaign) -> None:
    after: int | None = -1
    while after is not None:
        after = one(CHANGE_OVERLAP, {"campaign": campaign.pk, "after": after, "most": PIECE})[0]


def close(campaign: Campaign) -> None:
    """Serve nothing new; what people hold at this moment they may still finish. Raises CampaignRefused."""
    open_ones = Campaign.objects.filter(state__in=[Campaign.State.OPEN, Campaign.State.OPENING])
    if not open_ones.filter(pk=campaign.pk).update(state=Campaign.State.CLOSED):
        raise CampaignRefused(f"{campaign} is not open, so there is nothing to close")
