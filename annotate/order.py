"""In which order a campaign serves its units: ``OrderRule`` rows decide a tier, and a sequence the place in it.

Whoever moves to another tier goes to its end. Positions therefore only grow, so that a person's cursor in a tier, the
position of what they were given there last, never passes over a unit that they have not been offered. The function
``annotate_reorder`` of ``sql/desk.sql`` alone decides a tier.
"""

from __future__ import annotations

from annotate.models import Campaign
from annotate.statements import one

# The tags that the sources of a campaign suggest for an instruction.
TOPICS = """
    ARRAY(SELECT DISTINCT tag.key FROM sources_provenance given, jsonb_each(given.suggested -> 'tags') tag
          WHERE given.instruction_id = {instruction} AND given.source_id = ANY(%(sources)s)
            AND tag.value::text::float >= 0.5
          ORDER BY 1)
"""


def apply_rules(campaign: Campaign) -> int:
    """Bring every unit that has open slots into the tier that the campaign's rules give it; returns how many moved."""
    return int(one("SELECT annotate_reorder(%(campaign)s, NULL)", {"campaign": campaign.pk})[0])
