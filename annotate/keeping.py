"""What was made of a campaign's votes and known answers, kept until one of these changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.core.cache import cache
from django.utils import timezone

from annotate import tallies
from annotate.models import Campaign
from annotate.statements import one
from annotate.tallies import Scope

# What changes whenever a known answer does, or what anybody said of gold: checks are in no table that follows votes.
GOLD_VERSION = """
    SELECT md5(coalesce(string_agg(concat_ws('-', known.unit_id, known.xmin, known.cmin, known.ctid), ' '
                                   ORDER BY known.unit_id), '')),
           (SELECT max(said.annotation_id) FROM annotate_on_gold said WHERE said.campaign_id = %(campaign)s)
    FROM annotate_knownanswer known JOIN annotate_unit unit ON unit.id = known.unit_id
    WHERE unit.campaign_id = %(campaign)s
"""
# Kept for so long at most: what a person is called may have changed.
KEPT_SECONDS = 600


class Kept[T](NamedTuple):
    """What was made, of which version of the votes and known answers, and when."""

    made: T
    version: tuple[Any, ...]
    at: datetime


def kept[T](name: str, campaign: Campaign, make: Callable[[Campaign], T]) -> Kept[T]:
    """What ``make`` makes of the campaign, anew only if votes or known answers have changed since.

    Fold before: votes are known to have changed by the tables that follow them.
    """
    gold = one(GOLD_VERSION, {"campaign": campaign.pk})
    version = (tallies.version(Scope((campaign.pk,))), campaign.label_set_id, *gold)
    key = f"{name}-{campaign.pk}"
    found: Kept[T] | None = cache.get(key)
    if found is None or found.version != version:
        found = Kept(make(campaign), version, timezone.now())
        cache.set(key, found, KEPT_SECONDS)
    return found
