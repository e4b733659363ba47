"""In which order a campaign serves its units: ``OrderRule`` rows decide a tier, and a sequence the place in it.

Whoever moves to another tier goes to its end. Positions therefore only grow, so that a person's cursor in a tier, the
position of what they were given there last, never passes over a unit that they have not been offered.
"""

from __future__ import annotations

from django.db import connection

from annotate.models import Campaign
from annotate.models.campaigns import USUAL_TIER

# The tags that the sources of a campaign suggest for an instruction.
TOPICS = """
    ARRAY(SELECT DISTINCT tag.key FROM sources_provenance given, jsonb_each(given.suggested -> 'tags') tag
          WHERE given.instruction_id = {instruction} AND given.source_id = ANY(%(sources)s)
            AND tag.value::text::float >= 0.5
          ORDER BY 1)
"""

# The tier of a row named ``unit``: the lowest of all rules that fit it. This is the only place that decides it.
TIER = f"""
    coalesce((
        SELECT min(rule.tier) FROM annotate_orderrule rule
        WHERE rule.campaign_id = unit.campaign_id
          AND (rule.source_id IS NULL OR EXISTS (
            SELECT 1 FROM sources_provenance given
            WHERE given.source_id = rule.source_id AND given.instruction_id = unit.instruction_id))
          AND (rule.language = '' OR rule.language = unit.language)
          AND (rule.topic = '' OR rule.topic = ANY(unit.topics))
          AND (NOT rule.votes_differ OR (
            SELECT count(DISTINCT option.code) > 1 FROM annotate_annotation said
            JOIN labels_label option ON option.id = said.choice_id
            WHERE said.unit_id = unit.id AND NOT said.surplus
              AND NOT EXISTS (SELECT 1 FROM annotate_annotation later WHERE later.supersedes_id = said.id)))
    ), {USUAL_TIER})
"""  # noqa: S608 - made of constants

# Moves the units of a campaign, or the one named, whose tier is another now; those that move keep their order.
MOVE = f"""
    UPDATE annotate_unit SET tier = moving.new_tier, position = moving.new_position FROM (
        SELECT id, new_tier, nextval('annotate_unit_position') AS new_position FROM (
            SELECT unit.id, {TIER} AS new_tier FROM annotate_unit unit
            WHERE unit.campaign_id = %(campaign)s AND unit.taken < unit.overlap
              AND (%(unit)s::bigint IS NULL OR unit.id = %(unit)s)
              AND unit.tier <> {TIER}
            ORDER BY unit.position OFFSET 0
        ) ordered
    ) moving WHERE annotate_unit.id = moving.id
"""  # noqa: S608 - made of constants


def apply_rules(campaign: Campaign) -> int:
    """Bring every unit that has open slots into the tier that the campaign's rules give it; returns how many moved."""
    return follow(campaign.pk)


def follow(campaign_id: int, unit_id: int | None = None) -> int:
    """The same for one unit, after a vote on it."""
    with connection.cursor() as cursor:
        cursor.execute(MOVE, {"campaign": campaign_id, "unit": unit_id})
        return int(cursor.rowcount)
