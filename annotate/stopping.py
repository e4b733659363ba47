"""Dynamic overlap: votes are asked for until they settle a unit, by a table that was tuned on known answers.

A campaign that uses a rule gives every unit its minimum of votes. The transaction of the last vote that a unit waited
for looks its pattern up (``annotate_settle`` in sql/desk.sql) and wants one more, or is done. Tables are never changed:
another policy, or more gold, makes another rule.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from annotate import known, tallies
from annotate.campaigns import PAUSE, PIECE, change_overlap
from annotate.errors import CampaignRefused
from annotate.models import Annotator, Campaign, StoppingRule
from annotate.statements import one, rows
from labels import stopping
from labels.stopping import Replay, StoppingError, StoppingTable

type Ints = NDArray[np.int64]

VOTES = """
    SELECT said.unit_id, array_position(%(options)s::varchar[], option.code) - 1
    FROM annotate_counted said JOIN labels_label option ON option.id = said.choice_id
    WHERE said.campaign_id = %(campaign)s AND option.code = ANY(%(options)s::varchar[])
    ORDER BY said.id
"""
SETTLE = "SELECT last, skipped FROM annotate_settle_piece(%(campaign)s, %(after)s, %(most)s)"


@dataclass(frozen=True, eq=False)
class History:
    """The counted votes of a campaign, unit by unit in the order in which they were given, with what is known of them.

    ``votes`` (N, most) are positions of options, padded with -1 behind; ``gold`` (N,) the known answers', or -1.
    """

    options: tuple[str, ...]
    votes: Ints
    gold: Ints

    @cached_property
    def counts(self) -> Ints:
        """Votes per unit and option, (N, K)."""
        found: Ints = (self.votes[:, :, np.newaxis] == np.arange(len(self.options))).sum(axis=1)
        return found


def history(campaign: Campaign) -> History:
    """Read all counted votes of a campaign."""
    options = tallies.option_codes(campaign.label_set.spec)
    found = np.array(rows(VOTES, {"campaign": campaign.pk, "options": list(options)}), dtype=np.int64).reshape(-1, 2)
    units, unit = np.unique(found[:, 0], return_inverse=True)
    return History(options, stopping.in_order(unit, found[:, 1], len(units)), known.gold(campaign).beside(units))


def tune(votes: History, minimum: int, cap: int, target: float) -> StoppingTable:
    """The table of a policy, from the campaign's known answers and the votes on them. Raises StoppingError."""
    is_known = votes.gold >= 0
    return stopping.tune(
        votes.options,
        votes.votes[is_known],
        votes.gold[is_known],
        minimum=minimum,
        cap=cap,
        target=target,
        prior_counts=votes.counts,
    )


def simulate(votes: History, table: StoppingTable, fixed: tuple[int, ...] = (2, 3, 5)) -> list[Replay]:
    """What the table would have cost and given on the campaign's own votes, and fixed overlaps beside it."""
    return stopping.simulate(table, votes.votes, votes.gold, fixed)


def make(campaign: Campaign, minimum: int, cap: int, target: float, by: Annotator | None) -> StoppingRule:
    """Store the table of a policy. Raises CampaignRefused where it cannot be made, with the remedy."""
    if campaign.kind != Campaign.Kind.VOLUNTEER:
        raise CampaignRefused(f"{campaign} holds the votes of a public dataset: nobody labels in it")
    try:
        table = tune(history(campaign), minimum, cap, target)
    except StoppingError as error:
        raise CampaignRefused(str(error)) from None
    stops = [",".join(map(str, pattern)) for pattern in table.stops]
    return StoppingRule.objects.create(
        campaign=campaign, minimum=minimum, cap=cap, stops=stops, table=table.as_dict(), made_by=by
    )


def use(campaign: Campaign, rule: StoppingRule) -> None:
    """Serve by the rule from now on, and settle what was voted on before. May run twice, and beside those who label."""
    with transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk).update(stopping=rule, overlap=rule.minimum)
    while settle(campaign):
        time.sleep(PAUSE)


def drop(campaign: Campaign, overlap: int) -> None:
    """Go back to one overlap for every unit."""
    Campaign.objects.filter(pk=campaign.pk).update(stopping=None)
    change_overlap(campaign, overlap)


def settle(campaign: Campaign) -> int:
    """Have every unit want as many votes as the rule says; returns how many were passed by, since others held them."""
    after: int | None = 0
    passed = 0
    while after is not None:
        after, skipped = one(SETTLE, {"campaign": campaign.pk, "after": after, "most": PIECE})
        passed += skipped or 0
    return passed


def replay_rows(replays: list[Replay]) -> list[dict[str, Any]]:
    """What each policy came to, ready for JSON."""
    return [
        {
            "policy": each.policy,
            "units": each.n_units,
            "votes": each.n_votes,
            "votes_per_unit": each.votes_per_unit,
            "too_few_votes": each.n_short,
            "gold": each.n_gold,
            "accuracy": each.accuracy,
            "accuracy_ci95": each.accuracy_ci95,
            "same_label_as_all_votes": each.same_as_all,
        }
        for each in replays
    ]
