"""One person's votes in a campaign: by week, by answer, beside the others', and where they differ from gold."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np

from annotate import blindness
from annotate.figures import Estimate, Figure, Value
from annotate.models import Annotation, Annotator, Campaign, KnownAnswer
from annotate.quality import Votes
from annotate.statements import rows
from labels import quality

DISAGREEMENTS = 10

WRONG_ON_GOLD = """
    SELECT annotation_id FROM annotate_on_gold
    WHERE campaign_id = %(campaign)s AND annotator_id = %(annotator)s AND NOT is_right
    ORDER BY annotation_id DESC LIMIT %(most)s
"""


class Week(NamedTuple):
    """A week of one person: votes, and the share of the others' votes on the same texts that agree."""

    monday: date
    votes: int
    agreement: Estimate

    @property
    def percent(self) -> float | None:
        return None if self.agreement.value is None else 100 * self.agreement.value


class OptionShare(NamedTuple):
    """How often a person chose an option, and how often the others did on the same texts; 0 to 1, None without any."""

    name: str
    votes: int
    own: float
    others: float | None

    @property
    def percent(self) -> float:
        return 100 * self.own

    @property
    def others_percent(self) -> float | None:
        return None if self.others is None else 100 * self.others


class Disagreement(NamedTuple):
    """A vote on a known answer that differs from it."""

    annotation: Annotation
    known: KnownAnswer


def campaigns_of(annotator: Annotator) -> list[Campaign]:
    """The campaigns in which a person has an annotation, the one with their newest first."""
    newest = rows(
        "SELECT unit.campaign_id FROM annotate_annotation vote JOIN annotate_unit unit ON unit.id = vote.unit_id"
        " WHERE vote.annotator_id = %(annotator)s GROUP BY unit.campaign_id ORDER BY max(vote.id) DESC",
        {"annotator": annotator.pk},
    )
    found = Campaign.objects.select_related("label_set").in_bulk([pk for (pk,) in newest])
    return [found[pk] for (pk,) in newest]


def weeks(votes: Votes, annotator: int) -> list[Week]:
    """The weeks in which a person voted, the newest first."""
    chosen = votes.of(annotator)
    others = votes.others[chosen]
    beside = others.sum(axis=1)
    agreeing = np.take_along_axis(others, votes.option[chosen][:, None], axis=1)[:, 0] / np.maximum(beside, 1)
    mondays = [votes.week(vote) for vote in chosen.tolist()]
    found = []
    for monday in sorted(set(mondays), reverse=True):
        of_week = np.array([one == monday for one in mondays])
        compared = of_week & (beside > 0)
        share = quality.share(float(agreeing[compared].sum()), int(compared.sum()), quality.NO_OTHERS)
        found.append(Week(monday, int(of_week.sum()), Estimate.of(share)))
    return found


def shares(votes: Votes, annotator: int) -> list[OptionShare]:
    """How often a person chose each option, beside how often the others did on the same texts."""
    chosen = votes.of(annotator)
    own = np.bincount(votes.option[chosen], minlength=len(votes.options))
    others = votes.others[chosen]
    beside = others.sum(axis=1)
    # Each text weighs the same, however many others voted on it.
    texts = others[beside > 0] / beside[beside > 0][:, None]
    mean = texts.mean(axis=0).tolist() if len(texts) else [None] * len(votes.options)
    total = max(int(own.sum()), 1)
    return [
        OptionShare(name, n, n / total, usual) for name, n, usual in zip(votes.options, own.tolist(), mean, strict=True)
    ]


def confusion(votes: Votes, annotator: int) -> Figure:
    """What the others said where a person gave each answer; each vote counts once, spread over the others there."""
    chosen = votes.of(annotator)
    others = votes.others[chosen]
    beside = others.sum(axis=1)
    met = np.zeros((len(votes.options), len(votes.options)))
    compared = beside > 0
    np.add.at(met, votes.option[chosen][compared], others[compared] / beside[compared][:, None])
    times = np.bincount(votes.option[chosen][compared], minlength=len(votes.options))
    rows: list[tuple[Value, ...]] = [
        (name, *(each / n if n else None for each in row), n)
        for name, row, n in zip(votes.options, met.tolist(), times.tolist(), strict=True)
    ]
    head = ("This person says", *(f"Others: {name}" for name in votes.options), "Votes beside others")
    about = "Where this person gave the answer of the row, what share of the others' votes was for that of the column."
    return Figure("confusion", "Confusion with the others", head, rows, about, "heat")


def disagreements(campaign: Campaign, annotator: Annotator, viewer: Annotator) -> tuple[list[Disagreement], int]:
    """The last answers that differ from gold, of texts that are served; and how many of them ``viewer`` may not see.

    Whoever may still be given a text sees neither its known answer nor anybody's vote on it.
    """
    wrong = rows(WRONG_ON_GOLD, {"campaign": campaign.pk, "annotator": annotator.pk, "most": DISAGREEMENTS})
    said = Annotation.objects.filter(pk__in=[pk for (pk,) in wrong])
    last = list(said.select_related("choice", "unit__instruction", "unit__known_answer__choice").order_by("-pk"))
    hidden = set(
        blindness.still_to_be_given(viewer, campaign)
        .filter(pk__in=[one.unit_id for one in last])
        .values_list("pk", flat=True)
    )
    shown = [Disagreement(one, one.unit.known_answer) for one in last if one.unit_id not in hidden]
    return shown, len(last) - len(shown)
