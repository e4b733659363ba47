"""How a campaign is going: how far it is, how fast, until when, and who is at it now."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta

from annotate import tallies
from annotate.models import Campaign
from annotate.statements import one

DAY = timedelta(days=1)

# Slots filled in the last day, and people: neither what came too late nor a second thought fills one. created_at has a
# block-range index, since annotations are only appended.
LATELY = """
    SELECT count(*), count(DISTINCT said.annotator_id), count(*) FILTER (WHERE said.created_at > %(hour)s)
    FROM annotate_annotation said JOIN annotate_unit unit ON unit.id = said.unit_id
    WHERE said.created_at > %(day)s AND unit.campaign_id = %(campaign)s AND said.choice_id IS NOT NULL
      AND NOT said.surplus AND said.supersedes_id IS NULL
"""
LEASES = """
    SELECT count(*), count(DISTINCT lease.annotator_id), count(*) FILTER (WHERE lease.expires_at < %(now)s)
    FROM annotate_assignment lease JOIN annotate_unit unit ON unit.id = lease.unit_id
    WHERE lease.state = 'live' AND unit.campaign_id = %(campaign)s
"""
NEWEST = "SELECT coalesce(max(id), 0) FROM annotate_annotation"


@dataclass(frozen=True, slots=True)
class Health:
    """Of one campaign: slots ``wanted`` and ``given``, votes of the last day and hour, people, and leases now."""

    units: int
    wanted: int
    given: int
    votes_day: int
    people_day: int
    votes_hour: int
    leases: int
    holders: int
    lapsed: int
    newest: int
    waiting: int  # changes that the pattern tables do not know yet

    @property
    def percent(self) -> float:
        """Of the slots that are wanted, how many are taken, 0 to 100."""
        return 100 * self.given / self.wanted if self.wanted else 0.0

    @property
    def time_left(self) -> str:
        """At the pace of the last day, in words; empty where nobody voted."""
        if not self.votes_day:
            return ""
        hours = 24 * (self.wanted - self.given) / self.votes_day
        return f"{hours / 24:,.0f} days" if hours >= 72 else f"{max(hours, 1):.0f} hours"

    @property
    def stamp(self) -> str:
        """Changes with whatever would change the page."""
        return "-".join(map(str, dataclasses.astuple(self)))


def look(campaign: Campaign, now: datetime) -> Health:
    """Count it all as it is at this moment."""
    at = {"campaign": campaign.pk, "now": now, "day": now - DAY, "hour": now - timedelta(hours=1)}
    progress = Campaign.objects.with_progress().get(pk=campaign.pk)
    votes_day, people_day, votes_hour = one(LATELY, at)
    leases, holders, lapsed = one(LEASES, at)
    return Health(
        units=progress.units_count,  # type: ignore[attr-defined]
        wanted=progress.wanted,  # type: ignore[attr-defined]
        given=progress.given,  # type: ignore[attr-defined]
        votes_day=votes_day,
        people_day=people_day,
        votes_hour=votes_hour,
        leases=leases,
        holders=holders,
        lapsed=lapsed,
        newest=one(NEWEST, {})[0],
        waiting=tallies.waiting(),
    )
