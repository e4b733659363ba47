"""In which order a campaign serves its units: ``OrderRule`` rows decide a tier, and a sequence the place in it.

Whoever moves to another tier goes to its end. Positions therefore only grow, so that a person's cursor in a tier, the
position of what they were given there last, never passes over a unit that they have not been offered. The function
``annotate_reorder`` of ``sql/desk.sql`` alone decides a tier.
"""

from __future__ import annotations

import time

from annotate.models import Campaign, Unit
from annotate.statements import one, row

# Units that are moved at a time; how often what was locked is tried again, after so many seconds.
PORTION, PATIENCE, PAUSE = 5_000, 40, 0.05
REORDER = "SELECT annotate_reorder(%(campaign)s, NULL, %(most)s)"
DIFFERS = """
    SELECT 1 FROM annotate_unit unit
    WHERE unit.campaign_id = %(campaign)s AND unit.tier <> annotate_tier(unit) LIMIT 1
"""

# The tags that the sources of a campaign suggest for an instruction.
TOPICS = """
    ARRAY(SELECT DISTINCT tag.key FROM sources_provenance given, jsonb_each(given.suggested -> 'tags') tag
          WHERE given.instruction_id = {instruction} AND given.source_id = ANY(%(sources)s)
            AND tag.value::text::float >= 0.5
          ORDER BY 1)
"""


def apply_rules(campaign: Campaign) -> int:
    """Bring every unit into the tier that the campaign's rules give it; returns how many moved.

    Outside a transaction each portion is committed by itself, so that claims go on meanwhile. What somebody holds
    locked all the while is left for the next time.
    """
    moved = 0
    for _ in range(PATIENCE):
        while portion := int(one(REORDER, {"campaign": campaign.pk, "most": PORTION})[0]):
            moved += portion
        if row(DIFFERS, {"campaign": campaign.pk}) is None:
            break
        time.sleep(PAUSE)
    return moved


def doubts(campaign: Campaign) -> list[str]:
    """Sentences about rules that no unit of the campaign can fit as things are."""
    units = Unit.objects.filter(campaign=campaign)
    sources = set(campaign.sources.values_list("pk", flat=True))
    found = []
    for rule in campaign.order_rules.select_related("source"):
        if rule.source is not None and rule.source.pk not in sources:
            found.append(f"{rule}: {rule.source} is not among the sources of {campaign}")
        if rule.language and not units.filter(language=rule.language).exists():
            found.append(
                f"{rule}: no unit of {campaign} is in {rule.language!r}; the languages are two letters, such as ja"
            )
        if rule.topic and not units.filter(topics__contains=[rule.topic]).exists():
            found.append(f"{rule}: no source of {campaign} suggests the tag {rule.topic!r}; name it by its code")
    return found
