"""Dynamic overlap: votes are asked for until they settle a unit, by a table that was tuned on known answers.

A campaign that uses a rule gives every unit its minimum of votes. The transaction of the last vote that a unit waited
for looks its pattern up (``annotate_settle`` in sql/desk.sql) and wants one more, or is done; so does the end of a
lease that brought no vote. Units with gold get the cap, so that another table can be tuned on them. Tables are never
changed: another policy, or more gold, makes another rule.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from django.db import transaction

from annotate import sample
from annotate.campaigns import PAUSE, PIECE, change_overlap
from annotate.errors import CampaignRefused
from annotate.models import Annotator, Campaign, StoppingRule
from annotate.sample import Sample
from annotate.statements import one
from labels import stopping
from labels.aggregation import Rule, published_label
from labels.prefixes import NO_LABEL, StoppingError
from labels.stopping import Replay, StoppingTable
from labels.taxonomy import LabelSetSpec

SETTLE = "SELECT last, skipped FROM annotate_settle_piece(%(campaign)s, %(after)s, %(most)s)"
FIXED = (2, 3, 5)
LOOK_AGAIN = "votes or gold changed since you looked, and the table with them: look again"


@dataclass(frozen=True, eq=False)
class Simulation:
    """A table, and what it and fixed overlaps beside it would have cost and given; the table's row is the first.

    ``usual`` is the fixed overlap that published labels are compared with: the campaign's own without a rule.
    """

    table: StoppingTable
    replays: list[Replay]
    usual: int
    warning: str
    read: Sample


def tune(votes: Sample, minimum: int, cap: int, target: float) -> StoppingTable:
    """The table of a policy, from the campaign's known answers and the votes on them. Raises StoppingError."""
    is_known = votes.gold >= 0
    return stopping.tune(
        votes.options,
        votes.rows[is_known],
        votes.gold[is_known],
        minimum=minimum,
        cap=cap,
        target=target,
        **_prior(votes),
    )


def simulate(
    campaign: Campaign, minimum: int, cap: int, target: float, fixed: Sequence[int] | None = None
) -> Simulation:
    """Tune a table and tell what it would have cost and given on the campaign's own votes, fixed overlaps beside it.

    Accuracies are those on known answers that were held out. Raises StoppingError where no table can be made.
    """
    votes, usual = sample.read(campaign), overlap_without_rule(campaign)
    table = tune(votes, minimum, cap, target)
    overlaps = sorted({*FIXED, usual}) if fixed is None else list(fixed)
    spec, rule = campaign.label_set.spec, cast("Rule", campaign.aggregation)
    found, *others = stopping.simulate(
        table, votes.rows[votes.is_drawn], fixed=overlaps, publish=partial(_publish, spec, rule), usual=usual
    )
    replays = [replace(found, n_gold=table.n_gold, accuracy=table.accuracy, accuracy_ci95=table.accuracy_ci95)]
    is_known = votes.gold >= 0
    judged = stopping.fixed_accuracy(
        votes.options, votes.rows[is_known], votes.gold[is_known], overlaps, **_prior(votes)
    )
    for replay, (accuracy, interval) in zip(others, judged, strict=True):
        replays.append(replace(replay, n_gold=table.n_gold, accuracy=accuracy, accuracy_ci95=interval))
    warning = " ".join([_warning(campaign), *_shifts(campaign, replays, usual)]).strip()
    return Simulation(table, replays, usual, warning, votes)


def _prior(votes: Sample) -> dict[str, Any]:
    """Patterns of the texts to label: those with gold were chosen, unless they were drawn too."""
    patterns, multiplicity = votes.drawn_patterns
    return {"prior_counts": patterns, "prior_multiplicity": multiplicity} if len(patterns) else {}


def _publish(spec: LabelSetSpec, rule: Rule, counts: Sequence[int]) -> str | None:
    return published_label(spec, counts, rule)[0]


def labels_beside_options(campaign: Campaign) -> list[str]:
    """Labels that the campaign publishes although nobody can vote for them: they say how readers divide."""
    spec = campaign.label_set.spec
    if campaign.aggregation != Campaign.Aggregation.RULE:
        return []
    return [name for name in spec.published if name not in spec.option_names]


def _warning(campaign: Campaign) -> str:
    names = labels_beside_options(campaign)
    if not names:
        return ""
    quoted = " and ".join(f"“{name}”" for name in names)
    return (
        f"This campaign publishes {quoted}, which nobody votes for: they say how readers divide. A policy stops where "
        "one answer is sure, so it seldom hears the reader who differs: these labels become rare, and others common. "
        "Do not compare them with those under a fixed overlap."
    )


def _shifts(campaign: Campaign, replays: Sequence[Replay], usual: int) -> list[str]:
    """By how much those labels' shares differ between the policy and the usual fixed overlap."""
    fixed = next((replay for replay in replays if replay.policy == f"fixed {usual}" and replay.n_units), None)
    if fixed is None:
        return []
    before, after = dict(fixed.published), dict(replays[0].published)
    return [
        f"“{name}” goes from {before.get(name, 0) / fixed.n_units:.1%} under {usual} votes to "
        f"{after.get(name, 0) / fixed.n_units:.1%}."
        for name in labels_beside_options(campaign)
    ]


def published_names(campaign: Campaign) -> list[str]:
    """The labels that the campaign may publish, mild to severe, and none."""
    spec = campaign.label_set.spec
    is_rule = campaign.aggregation == Campaign.Aggregation.RULE
    return [*(spec.published if is_rule else spec.option_names), NO_LABEL]


def make(
    campaign: Campaign,
    minimum: int,
    cap: int,
    target: float,
    by: Annotator | None,
    *,
    version: str | None = None,
    labels_may_shift: bool = False,
) -> StoppingRule:
    """Store the table of a policy. Raises CampaignRefused where it cannot be made, with the remedy.

    With ``version`` only the table that was looked at is stored. Where published labels say how readers divide,
    ``labels_may_shift`` must say that their shares may.
    """
    if campaign.kind != Campaign.Kind.VOLUNTEER:
        raise CampaignRefused(f"{campaign} holds the votes of a public dataset: nobody labels in it")
    if labels_beside_options(campaign) and not labels_may_shift:
        raise CampaignRefused(f"{_warning(campaign)} Tick that you accept this, or choose another aggregation")
    try:
        table = tune(sample.read(campaign), minimum, cap, target)
    except StoppingError as error:
        raise CampaignRefused(str(error)) from None
    if version not in (None, table.version):
        raise CampaignRefused(LOOK_AGAIN)
    stops = [",".join(map(str, pattern)) for pattern in table.stops]
    return StoppingRule.objects.create(
        campaign=campaign, minimum=minimum, cap=cap, stops=stops, table=table.as_dict(), made_by=by
    )


def overlap_without_rule(campaign: Campaign) -> int:
    """Votes for every unit where no rule decides: the campaign's overlap, or what it was before a rule was in use."""
    rule = campaign.stopping
    return rule.overlap_before or campaign.overlap if rule else campaign.overlap


@transaction.atomic
def _serve_by(campaign: Campaign, rule: StoppingRule) -> None:
    now = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if now.stopping_id != rule.pk:
        rule.overlap_before = overlap_without_rule(now)
        rule.save(update_fields=["overlap_before"])
    now.stopping, now.overlap = rule, rule.minimum
    now.save(update_fields=["stopping", "overlap"])


def use(campaign: Campaign, rule: StoppingRule) -> None:
    """Serve by the rule from now on, and settle what was voted on before. May run twice, and beside those who label."""
    _serve_by(campaign, rule)
    settle_all(campaign)


def drop(campaign: Campaign, overlap: int | None = None) -> None:
    """Go back to one overlap for every unit: this one, or what it was before a rule was in use."""
    wanted = overlap_without_rule(campaign) if overlap is None else overlap
    Campaign.objects.filter(pk=campaign.pk).update(stopping=None)
    change_overlap(campaign, wanted)


def settle_all(campaign: Campaign) -> None:
    """``settle`` until nobody held any; as after a change of gold, whose units get the cap. Without a rule, nothing."""
    while settle(campaign):
        time.sleep(PAUSE)


def settle(campaign: Campaign) -> int:
    """Have every unit want as many votes as the rule says; returns how many were passed by, since others held them."""
    after: int | None = 0
    passed = 0
    while after is not None:
        after, skipped = one(SETTLE, {"campaign": campaign.pk, "after": after, "most": PIECE})
        passed += skipped or 0
    return passed


def replay_rows(replays: Sequence[Replay]) -> list[dict[str, Any]]:
    """What each policy came to, ready for JSON."""
    return [
        {
            "policy": each.policy,
            "units": each.n_units,
            "votes": each.n_votes,
            "votes_per_unit": each.votes_per_unit,
            "is_lower_bound": each.n_short > 0,
            "too_few_votes": each.n_short,
            "gold": each.n_gold,
            "accuracy": each.accuracy,
            "accuracy_ci95": each.accuracy_ci95,
            "same_label_as_all_votes": each.same_as_all,
            "published": dict(each.published),
            "same_published_as_all_votes": each.same_published_as_all,
            "same_published_as_usual": each.same_published_as_usual,
        }
        for each in replays
    ]
