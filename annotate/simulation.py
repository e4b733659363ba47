"""Simulated annotators, so that a first run has something to show. Their votes are marked as simulated everywhere.

Each has a skill: how often they give the answer that the sample's author expects on a text that is clear to everybody.
A vote that misses goes to a neighbouring option more often than to a far one, as people's misses do.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import transaction
from django.utils import timezone

from annotate import campaigns
from annotate.models import Annotation, Annotator, Assignment, Campaign, Unit
from labels.models import Label

# A dozen readers, from careful to careless.
SKILLS = (0.97, 0.96, 0.95, 0.93, 0.92, 0.9, 0.88, 0.85, 0.8, 0.75, 0.66, 0.55)

# Shares of the units with three, two and no simulated votes; the rest of the slots is for people.
VOTES = ((0.60, 3), (0.92, 2), (1.0, 0))


@transaction.atomic
def vote(campaign: Campaign, expected: Mapping[int, Mapping[str, Any]], seed: int = 0) -> int:
    """Cast simulated votes on fresh units; returns how many, 0 if they were cast before.

    ``expected`` gives by instruction id what the author expects: ``{"base": name, "tags": [name], "clarity": 0..1}``.
    """
    if Annotation.objects.filter(unit__campaign=campaign, annotator__kind=Annotator.Kind.SIMULATED).exists():
        return 0
    chance = random.Random(seed)  # noqa: S311 - a simulation must repeat
    readers = _readers()
    units = list(Unit.objects.filter(campaign=campaign, instruction__in=expected.keys()).order_by("position"))
    plan = list(_plan(units, readers, chance))
    now = timezone.now()
    assignments = Assignment.objects.bulk_create(
        Assignment(
            unit=unit,
            annotator=reader,
            state=Assignment.State.SUBMITTED,
            claimed_at=now,
            expires_at=now + campaign.lease,
            ended_at=now,
        )
        for unit, reader, _ in plan
    )
    labels = list(campaign.label_set.labels.all())
    Annotation.objects.bulk_create(
        Annotation(
            unit=unit,
            annotator=reader,
            assignment=assignment,
            key=uuid.UUID(int=chance.getrandbits(128)),
            **_answer(labels, expected[unit.instruction_id], skill, chance),
        )
        for (unit, reader, skill), assignment in zip(plan, assignments, strict=True)
    )
    campaigns.weigh(campaign)
    return len(plan)


def _readers() -> list[tuple[Annotator, float]]:
    found = []
    for number, skill in enumerate(SKILLS, start=1):
        defaults = {"kind": Annotator.Kind.SIMULATED, "password": UNUSABLE_PASSWORD_PREFIX}
        reader, _ = Annotator.objects.get_or_create(username=f"simulated-{number:02d}", defaults=defaults)
        found.append((reader, skill))
    return found


def _plan(
    units: Sequence[Unit], readers: Sequence[tuple[Annotator, float]], chance: random.Random
) -> Iterator[tuple[Unit, Annotator, float]]:
    for number, unit in enumerate(units):
        votes = next(votes for share, votes in VOTES if number < share * len(units) or share == 1.0)
        for reader, skill in chance.sample(readers, min(votes, unit.overlap)):
            yield unit, reader, skill


def _answer(
    labels: Sequence[Label], expected: Mapping[str, Any], skill: float, chance: random.Random
) -> dict[str, Any]:
    options = [label for label in labels if label.kind == Label.Kind.OPTION]
    names = [option.name for option in options]
    hit = skill * (0.5 + expected["clarity"] / 2)
    wanted = names.index(expected["base"])
    weights = [hit if n == wanted else (1 - hit) * 0.8 / 4 ** (abs(n - wanted) - 1) for n in range(len(names))]
    tags = {
        tag.code: (tag.name in expected["tags"]) == (chance.random() < 1 - (1 - hit) / 4)
        for tag in labels
        if tag.kind == Label.Kind.TAG and chance.random() < 0.85
    }
    return {"choice": chance.choices(options, weights)[0], "tags": tags}
