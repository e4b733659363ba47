"""Who is made of whom, and who is nearly the same: never near each other on one desk, never twice in one campaign."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate import assignments, campaigns
from annotate.models import Assignment, Campaign, Unit
from sources.models import DuplicateSearch, Instruction, NearDuplicate, Source
from tests.annotate import worlds

pytestmark = pytest.mark.django_db


def family(origin: Source, name: str, children: int = 2) -> list[Instruction]:
    """A text and what was made of it."""
    parent, *made = worlds.instructions(origin, [worlds.says(f"{name} {number}") for number in range(children + 1)])
    Instruction.objects.filter(pk__in=[child.pk for child in made]).update(parent=parent, root=parent)
    return [parent, *made]


def families_in_order(where: Campaign, annotator: str, votes: int) -> list[int]:
    person = worlds.person(annotator)
    given = [worlds.vote(person, where).unit.instruction for _ in range(votes)]
    return [instruction.root_id or instruction.pk for instruction in given]


def nearest(order: list[int]) -> int:
    """The smallest distance between two of one family, in assignments."""
    places = range(len(order))
    return min(b - a for a in places for b in places if a < b and order[a] == order[b])


def test_nobody_gets_two_of_one_family_within_the_distance() -> None:
    origin = worlds.source()
    for number in range(6):
        family(origin, f"family {number}", children=1)
    near = worlds.opened(origin, slug="near", family_distance=0)
    far = worlds.opened(origin, slug="far", family_distance=4)
    assert nearest(families_in_order(near, "ada", 12)) < 5
    assert nearest(families_in_order(far, "bob", 9)) >= 5


def test_siblings_are_as_near_as_parent_and_child() -> None:
    origin = worlds.source()
    _, first, second = family(origin, "one")
    where = worlds.opened(origin, family_distance=20)
    Unit.objects.filter(instruction=first.parent).delete()
    held = worlds.vote(worlds.person("ada"), where).unit.instruction
    assert held in (first, second)
    assert assignments.claim_next(where.participations.get().annotator, where) is None
    # Others get the other one all the same.
    assert worlds.vote(worlds.person("bob"), where).unit.instruction in (first, second)


def test_the_distance_is_kept_across_campaigns() -> None:
    letters, notes = worlds.source(), worlds.source("notes")
    parent, child = family(letters, "one", children=1)
    child.provenances.all().delete()
    (other,) = worlds.instructions(notes, [worlds.says("other")])
    child.provenances.create(source=notes, run=notes.runs.get(), row="1")
    first, second = worlds.opened(letters, slug="first"), worlds.opened(notes, slug="second", family_distance=1)
    ada = worlds.person("ada")
    assert worlds.vote(ada, first).unit.instruction == parent
    assert worlds.vote(ada, second).unit.instruction == other
    assert worlds.vote(ada, second).unit.instruction == child


def test_what_was_given_back_by_the_way_is_served_again() -> None:
    origin = worlds.source()
    family(origin, "one")
    where, ada = worlds.opened(origin), worlds.person("ada")
    held = worlds.claimed(ada, where)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assignments.release_expired(timezone.now())
    assert worlds.claimed(ada, where).unit_id == held.unit_id


def test_a_claim_takes_as_many_statements_with_families_as_without() -> None:
    letters, ada = worlds.source(), worlds.person("ada")
    for number in range(10):
        family(letters, f"family {number}")
    counts = []
    for slug, distance in (("far", 20), ("off", 0)):
        where = worlds.opened(letters, slug=slug, family_distance=distance)
        worlds.vote(ada, where)
        with CaptureQueriesContext(connection) as asked:
            worlds.claimed(ada, where)
        counts.append(len(asked))
    assert counts[0] == counts[1]


# --- One of each cluster ----------------------------------------------------------------------------------------------


def clusters(*found: list[Instruction]) -> DuplicateSearch:
    """A search that found these clusters; the first of each is its representative."""
    search = DuplicateSearch.objects.create(state="finished")
    for representative, *others in found:
        for other in others:
            NearDuplicate.objects.create(
                search=search, representative=representative, instruction=other, similarity=0.9
            )
    return search


def placed(where: Campaign) -> set[Instruction]:
    return {unit.instruction for unit in where.units.select_related("instruction")}


def test_one_of_each_cluster_is_placed() -> None:
    origin = worlds.source()
    made = worlds.instructions(origin, [worlds.says(f"letter {n}") for n in range(6)])
    search, other = clusters([made[2], made[0], made[1]], [made[3], made[4]]), clusters([made[5], made[3]])
    assert placed(worlds.opened(origin, one_per_cluster=search)) == {made[2], made[3], made[5]}
    assert placed(worlds.opened(origin, slug="other", one_per_cluster=other)) == {*made} - {made[3]}
    assert placed(worlds.opened(origin, slug="all")) == {*made}


def test_another_stands_for_a_representative_that_the_campaign_does_not_have() -> None:
    letters, notes = worlds.source(), worlds.source("notes")
    (elsewhere,) = worlds.instructions(notes, [worlds.says("elsewhere")])
    first, second, alone = worlds.instructions(letters, [worlds.says(text) for text in ("first", "second", "alone")])
    search = clusters([elsewhere, first, second])
    where = worlds.opened(letters, one_per_cluster=search)
    assert placed(where) == {first, alone}
    # It stays the one when the representative comes later, and when it is placed once more.
    where.sources.add(notes)
    assert campaigns.place(where) == 0


def test_another_stands_for_a_representative_that_is_set_aside() -> None:
    origin = worlds.source()
    first, second = worlds.instructions(origin, [worlds.says("first"), worlds.says("second")])
    search = clusters([first, second])
    Instruction.objects.filter(pk=first.pk).update(state=1)
    assert placed(worlds.opened(origin, one_per_cluster=search)) == {second}
