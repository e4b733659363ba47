from __future__ import annotations

from typing import Any

import pytest

from annotate import simulation
from annotate.models import Annotation, Annotator
from tests.annotate import worlds

pytestmark = pytest.mark.django_db


def test_simulated_votes_are_marked_repeat_exactly_and_leave_slots_for_people() -> None:
    kindness = worlds.campaign(units=100)
    truth: dict[str, Any] = {"base": "needs caution", "tags": ["hate"], "clarity": 1.0}
    expected = {unit.instruction_id: truth for unit in kindness.units.all()}
    votes = simulation.vote(kindness, expected, seed=4)
    assert votes == 60 * 3 + 32 * 2
    assert simulation.vote(kindness, expected, seed=4) == 0
    readers = Annotator.objects.all()
    assert {reader.kind for reader in readers} == {"simulated"}
    assert not any(reader.has_usable_password() for reader in readers)
    assert worlds.problems(kindness) == []
    assert worlds.claimed(worlds.person("ada"), kindness).unit.taken == 3


def test_better_readers_hit_more_often() -> None:
    kindness = worlds.campaign(units=200)
    truth: dict[str, Any] = {"base": "casual", "tags": [], "clarity": 1.0}
    simulation.vote(kindness, {unit.instruction_id: truth for unit in kindness.units.all()}, seed=4)

    def hits(reader: str) -> float:
        votes = Annotation.objects.filter(annotator__username=reader)
        return votes.filter(choice__code="casual").count() / votes.count()

    assert hits("simulated-01") > hits("simulated-12")
