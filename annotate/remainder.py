"""Why nothing is left for somebody in a campaign. Asked only where a claim came back with nothing."""

from __future__ import annotations

import enum

from annotate import care
from annotate.models import Annotator, Campaign, Severity
from annotate.models.campaigns import TIERS
from annotate.statements import one


class Why(enum.Enum):
    """The first that is true."""

    CLOSED = "closed"
    MINUTES = "minutes"  # the day's time is over
    SEVERE = "severe"  # the day's severe texts were given, and what is left is severe
    CALM = "calm"  # what is left is severe, and calm ones or a break come first
    NOT_NOW = "not now"  # others hold it, or it is of the family of what the person had last
    WISHES = "wishes"  # what is left is in languages, or on topics, that the person does not wish
    OTHERS = "others"  # what is open waits for other people: this one had it
    DONE = "done"


# Texts that teach and test are never served among the others.
APART = "'{practice,qualification}'"

# Whether there is a unit that this person did not have: one that they wish, any, one that somebody else holds at the
# moment; and whether any is open at all. What a claim passes by for its family is not passed by here.
LEFT = f"""
    SELECT next_wished.unit_id IS NOT NULL, next_any.unit_id IS NOT NULL,
        EXISTS (
            SELECT 1 FROM annotate_assignment lease JOIN annotate_unit unit ON unit.id = lease.unit_id
            WHERE lease.state = 'live' AND unit.campaign_id = %(campaign)s AND NOT unit.is_withdrawn
              AND (wish.languages = '{{}}' OR unit.language = ANY(wish.languages || ''::varchar))
              AND NOT unit.topics && wish.avoided
              AND annotate_suits(%(annotator)s, unit.id, unit.instruction_id, '{{}}', '{{}}', {APART})),
        EXISTS (
            SELECT 1 FROM annotate_unit unit
            WHERE unit.campaign_id = %(campaign)s AND unit.taken < unit.overlap AND NOT unit.is_withdrawn
              AND NOT EXISTS (SELECT 1 FROM annotate_knownanswer known
                              WHERE known.unit_id = unit.id AND known.phase = ANY({APART})))
    FROM (SELECT array_fill(-1::bigint, ARRAY[{TIERS}]) AS start) place,
         (SELECT %(languages)s::varchar[] AS languages, %(avoided)s::varchar[] AS avoided) wish,
         annotate_next_wished(
             %(annotator)s, %(campaign)s, place.start, wish.languages, wish.avoided, '{{}}', '{{}}', {APART}, %(worst)s
         ) next_wished,
         annotate_next(%(annotator)s, %(campaign)s, place.start, '{{}}', '{{}}', '{{}}', {APART}, 3) next_any
"""  # noqa: S608 - made of constants


def why(annotator: Annotator, campaign: Campaign) -> Why:
    """Why a claim of this person found nothing in this campaign. It costs about what such a claim does."""
    if not campaign.is_open:
        return Why.CLOSED
    wishes = {"languages": annotator.languages, "avoided": annotator.avoided_topics}
    values = {"annotator": annotator.pk, "campaign": campaign.pk, **wishes}
    worst, limit = care.bearable(annotator, campaign)
    if limit == Why.MINUTES.value:
        return Why.MINUTES
    wished, unwished, held, is_open = one(LEFT, {**values, "worst": worst})
    if limit and not wished and one(LEFT, {**values, "worst": Severity.GRAVE.value})[0]:
        return Why(limit)
    if wished or held:
        return Why.NOT_NOW
    if unwished:
        return Why.WISHES
    return Why.OTHERS if is_open else Why.DONE
