"""Exactness as a property: random walks over all that people and curators can do, compared with a book kept by hand.

``python -m tests.annotate.exactness --steps 2000000 --seed 7`` walks further.
"""

from __future__ import annotations

import os

import pytest
from django.db import connection

from annotate.sql import DESK
from labels import loading
from tests.annotate import walks

pytestmark = pytest.mark.django_db

STEPS = int(os.environ.get("OIG_TEST_STEPS", "100000"))
SEED = int(os.environ.get("OIG_TEST_SEED", "1"))
PARTS = 5  # of the long walk, which processes that share the tests out can take side by side


@pytest.fixture
def labels() -> None:
    """The label set, once for all worlds."""
    loading.load_shipped_set("oig-safety")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_the_database_and_a_book_kept_by_hand_agree_over_a_long_walk(part: int, labels: None) -> None:
    worlds = -(-STEPS // walks.LENGTH)
    ends = [worlds * end // PARTS for end in (part, part + 1)]
    failure = walks.explore(min(STEPS, ends[1] * walks.LENGTH) - ends[0] * walks.LENGTH, SEED, first=ends[0])
    assert failure is None, str(failure)


# Rules of the desk, each broken in a way that a hurried change might break it: what it says, and what it says then.
BROKEN_RULES = {
    "a submit ignores its key": ("WHEN said.tip_key = key THEN", "WHEN false THEN"),
    "a key that was sent before is answered anew": ("AND earlier.key = annotate_submit.key", "AND false"),
    "a revision replaces whatever there is": ("answered AND revises IS DISTINCT FROM said.tip", "false"),
    "a late answer always counts": ("RETURN FOUND;", "RETURN true;"),
    "an answer to a withdrawn text counts": ("(NOT said.is_gone AND (said.state", "(true AND (said.state"),
    "what was declined is served again": (
        "held.annotator_id = who AND held.state <> 'returned'",
        "held.annotator_id = who AND held.state IN ('live', 'submitted')",
    ),
    "the cursor skips": (
        "picked.unit_tier + 1] := picked.unit_position",
        "picked.unit_tier + 1] := picked.unit_position + 1",
    ),
    "what is given back is not the next": ("least(joined.cursors[unit.tier + 1], unit.position - 1)", "unit.position"),
    "nothing left is said without a second look": ("IF patient THEN cursors :=", "IF false THEN cursors :="),
    "a late answer that did not count gives way to another": ("mine.state = 'surplus' DESC, ", ""),
    "a third hand": ("AND here + elsewhere < 2 AND", "AND"),
    "avoided topics are served": ("NOT unit.topics && avoided", "true"),
    "texts in no known language are not served": ("unnest(languages || ''::varchar)", "unnest(languages)"),
    "the first language goes before the others": (") head ORDER BY head.position LIMIT 1", ") head LIMIT 1"),
    "families are served together": ("<> ALL(families)", "<> ALL('{}')"),
    "a closed campaign serves": ("AND campaign.state = 'open' AND campaign.kind", "AND campaign.kind"),
    "full units keep an old tier": (
        "AND unit.tier <> annotate_tier(unit)",
        "AND unit.tier <> annotate_tier(unit) AND taken < overlap",
    ),
}
MANY = 15_000  # steps in which each must be noticed; most are within a few hundred


@pytest.mark.parametrize("rule", BROKEN_RULES)
def test_a_walk_notices_that(rule: str, labels: None) -> None:
    right, wrong = BROKEN_RULES[rule]
    assert right in DESK
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE annotate_unit DROP CONSTRAINT unit_taken_within_overlap")
        cursor.execute(DESK.replace(right, wrong))
    assert walks.explore(MANY, seed=1, tries=0) is not None
