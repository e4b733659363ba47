"""What one person's votes came to. For their eyes alone: never compared with anybody's, never with time.

Which of them are in a release is known to an app that this one does not import; it registers here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from annotate.models import Annotation, Annotator, Campaign, CampaignQuerySet
from annotate.statements import rows

# Below so many texts a share says more about chance than about the person.
FEWEST_COMPARED = 20

# Of the texts that the person answered last, in each campaign the complete ones: every slot is a vote. What is not
# complete is not looked at, since it would say how others voted on texts that somebody is still to read. The answer of
# the others that is more frequent than any other of theirs is compared with the person's; answers are equal by code,
# since the revisions of a label set share them. The index assignment_history gives the last ones; OFFSET 0 keeps the
# planner from reading all units of a campaign instead.
AGREEMENT = """
    WITH given AS MATERIALIZED (
        SELECT unit_id, ended_at FROM annotate_assignment
        WHERE annotator_id = %(annotator)s AND state = 'submitted' ORDER BY ended_at DESC LIMIT %(last)s
    ), complete AS (
        SELECT unit.campaign_id AS campaign, given.unit_id,
               row_number() OVER (PARTITION BY unit.campaign_id ORDER BY given.ended_at DESC) AS place
        FROM given CROSS JOIN LATERAL (
            SELECT unit.campaign_id FROM annotate_unit unit
            WHERE unit.id = given.unit_id AND unit.taken = unit.overlap AND NOT unit.is_withdrawn
              AND NOT EXISTS (
                SELECT 1 FROM annotate_assignment held WHERE held.unit_id = unit.id AND held.state = 'live')
            OFFSET 0
        ) unit
    ), mine AS (
        SELECT campaign, unit_id FROM complete WHERE place <= %(newest)s
    ), tally AS (
        SELECT mine.campaign, mine.unit_id, option.code,
               count(*) FILTER (WHERE vote.annotator_id IS DISTINCT FROM %(annotator)s) AS others,
               count(*) FILTER (WHERE vote.annotator_id = %(annotator)s) AS own
        FROM mine
        JOIN annotate_annotation vote ON vote.unit_id = mine.unit_id AND NOT vote.surplus
        JOIN labels_label option ON option.id = vote.choice_id
        WHERE NOT EXISTS (SELECT 1 FROM annotate_annotation later WHERE later.supersedes_id = vote.id)
        GROUP BY mine.campaign, mine.unit_id, option.code
    ), ranked AS (
        SELECT tally.*, max(others) OVER (PARTITION BY unit_id) AS most FROM tally
    ), compared AS (
        SELECT campaign, unit_id, count(*) FILTER (WHERE others = most) AS first,
               bool_or(own > 0 AND others = most) AS agrees
        FROM ranked WHERE most > 0 GROUP BY campaign, unit_id
    )
    SELECT campaign, count(*) FILTER (WHERE first = 1), count(*) FILTER (WHERE first = 1 AND agrees),
           count(*) FILTER (WHERE first > 1)
    FROM compared GROUP BY campaign
"""
# So many texts of each campaign are compared, of so many that were answered last: the page costs as much after a
# hundred thousand answers as after ten thousand.
NEWEST, LAST = 1_000, 10_000
# Of each campaign, the texts with a known answer that were given to the person as others are. They are told once what
# they say of them changes no result any more: an hour after it (see sql/gold.sql), or when the campaign is paused for
# them and takes no change.
ON_GOLD = """
    SELECT told.campaign_id, told.annotation_id, told.is_right
    FROM annotate_participation joined
    JOIN annotate_on_gold told ON told.campaign_id = joined.campaign_id AND told.annotator_id = joined.annotator_id
    WHERE joined.annotator_id = %(annotator)s AND told.was_known
      AND (joined.standing <> '' OR told.said_at < %(now)s - interval '1 hour')
    ORDER BY told.said_at DESC
"""
# So many answers that differ from a known one are shown with the reason.
MOST_SHOWN = 5


class Agreement(NamedTuple):
    """Of ``compared`` complete texts, on how many the person answered as most others did; ``tied`` are left out."""

    compared: int = 0
    equal: int = 0
    tied: int = 0

    @property
    def is_told(self) -> bool:
        """Whether there are enough to say anything."""
        return self.compared >= FEWEST_COMPARED

    @property
    def percent(self) -> int:
        """In whole percent, rounded; 0 if nothing was compared."""
        return round(100 * self.equal / self.compared) if self.compared else 0


class InRelease(NamedTuple):
    """How many votes of a person are in one release."""

    version: str
    address: str
    votes: int


class OnGold(NamedTuple):
    """Of ``n`` texts with a known answer, on how many the person gave it; and the last on which they did not."""

    n: int = 0
    right: int = 0
    differing: Sequence[Annotation] = ()


type Releases = Callable[[Annotator], Sequence[InRelease]]

_releases: list[Releases] = []


def register(releases: Releases) -> None:
    """Have ``in_releases`` ask this too; for an app's ready()."""
    _releases.append(releases)


def in_releases(annotator: Annotator) -> list[InRelease]:
    """The releases that contain votes of ``annotator``, the newest first."""
    return [found for releases in _releases for found in releases(annotator)]


def campaigns_of(annotator: Annotator) -> CampaignQuerySet:
    """The campaigns in which ``annotator`` takes part, with ``own_votes`` and how far each has come."""
    joined = Campaign.objects.filter(participations__annotator=annotator, kind=Campaign.Kind.VOLUNTEER)
    return joined.with_progress().with_votes_of(annotator)


def agreement(annotator: Annotator) -> dict[int, Agreement]:
    """Of each campaign, by id, how often ``annotator`` answered as most others did on the newest complete texts."""
    found = rows(AGREEMENT, {"annotator": annotator.pk, "newest": NEWEST, "last": LAST})
    return {campaign: Agreement(*counts) for campaign, *counts in found}


def on_gold(annotator: Annotator, now: datetime) -> dict[int, OnGold]:
    """Of each campaign, by id, what ``annotator`` answered where the answer is known."""
    found = rows(ON_GOLD, {"annotator": annotator.pk, "now": now})
    by_campaign = {place: [row[1:] for row in found if row[0] == place] for place in {row[0] for row in found}}
    differing = {
        place: [pk for pk, is_right in of_it if not is_right][:MOST_SHOWN] for place, of_it in by_campaign.items()
    }
    said = Annotation.objects.select_related(
        "choice", "unit__known_answer__choice", "unit__instruction", "unit__campaign"
    )
    shown = said.in_bulk([pk for pks in differing.values() for pk in pks])
    return {
        place: OnGold(len(of_it), sum(is_right for _, is_right in of_it), [shown[pk] for pk in differing[place]])
        for place, of_it in by_campaign.items()
    }
