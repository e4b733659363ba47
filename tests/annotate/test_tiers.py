"""Tiers of the order of service: who moves keeps its turn, and votes move it where rows told anew say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotate import annotations, assignments, order
from annotate.models import Annotation, Annotator, Assignment, Campaign, OrderRule, Unit
from sources.models import Instruction
from tests.annotate import worlds

pytestmark = pytest.mark.django_db


def rule(where: Campaign, tier: int, **fits: object) -> None:
    """A new rule, applied."""
    OrderRule.objects.create(campaign=where, tier=tier, **fits)
    order.apply_rules(where)


def units(where: Campaign) -> list[Unit]:
    """In the order in which somebody who comes now is given them."""
    return list(where.units.order_by("tier", "position"))


def written_in(unit: Unit, language: str) -> None:
    """The language of its text is found to be this one."""
    Instruction.objects.filter(pk=unit.instruction_id).update(language=language)


def expected_of(unit: Unit, *topics: str) -> None:
    """Its source suggests these tags."""
    Unit.objects.filter(pk=unit.pk).update(topics=list(topics))


def given_to(person: Annotator, where: Campaign, most: int = 20) -> list[int]:
    """The units that a person is given one after the other, as they vote on each."""
    served: list[int] = []
    while len(served) < most and (assignment := assignments.claim_next(person, where)) is not None:
        worlds.say(assignment)
        served.append(assignment.unit_id)
    return served


def test_a_rule_fits_only_where_all_it_says_does() -> None:
    kindness = worlds.campaign(units=3)
    english, both, neither = units(kindness)
    written_in(neither, "ja")
    expected_of(both, "hate")
    rule(kindness, 2, language="en", topic="hate")
    assert dict(kindness.units.values_list("pk", "tier")) == {english.pk: 5, both.pk: 2, neither.pk: 5}


def test_who_moves_goes_behind_those_that_are_there_and_keeps_the_order_among_those_that_move() -> None:
    kindness = worlds.campaign(units=6)
    before = units(kindness)
    for unit in before[:2] + before[3:4]:
        expected_of(unit, "hate")
    rule(kindness, 7, topic="hate")
    moved = [unit.pk for unit in units(kindness) if unit.tier == 7]
    assert moved == [before[0].pk, before[1].pk, before[3].pk]
    highest = max(unit.position for unit in before)
    assert all(unit.position > highest for unit in units(kindness) if unit.pk in moved)


def test_what_is_lowered_is_still_served_once_to_everybody() -> None:
    kindness = worlds.campaign(units=4, overlap=2)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    first, *_ = units(kindness)
    seen = given_to(ada, kindness, most=2)
    expected_of(first, "hate")
    rule(kindness, 9, topic="hate")
    for_bob = given_to(bob, kindness)
    assert for_bob[-1] == first.pk
    assert sorted(for_bob) == sorted(unit.pk for unit in units(kindness))
    assert sorted(seen + given_to(ada, kindness)) == sorted(for_bob)
    assert worlds.problems(kindness) == []


def expected_tier(unit: Unit) -> int:
    """The tier that two rules - votes that differ: 1, in Japanese: 7 - give a unit, told anew from the rows."""
    tips = Annotation.objects.counted().filter(unit=unit)
    differ = tips.values("choice__code").distinct().count() > 1
    japanese = unit.instruction.language == "ja"
    return min([1] * differ + [7] * japanese, default=5)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["vote", "vote", "vote", "revise", "withdraw", "return"]),
        st.integers(0, 2),
        st.sampled_from(["casual", "needs-caution"]),
    ),
    min_size=5,
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_after_any_votes_a_unit_is_in_the_tier_that_its_rows_give_it(steps: list[tuple[str, int, str]]) -> None:
    where = worlds.campaign(units=3, overlap=3, slug=f"walk-{Campaign.objects.count()}")
    people = [worlds.person(f"{name}-{where.slug}") for name in ("ada", "bob", "cyd")]
    written_in(units(where)[0], "ja")
    rule(where, 1, votes_differ=True)
    rule(where, 7, language="ja")
    positions = dict(where.units.values_list("pk", "position"))
    for verb, number, choice in steps:
        take(verb, people[number], where, choice)
        for unit in where.units.select_related("instruction"):
            assert unit.tier == expected_tier(unit)
            assert unit.position >= positions[unit.pk]
            positions[unit.pk] = unit.position
    assert order.apply_rules(where) == 0
    assert worlds.problems(where) == []


def take(verb: str, person: Annotator, where: Campaign, choice: str) -> None:
    """One step of somebody; none if there is nothing that they could do it with."""
    if verb == "vote":
        if (assignment := assignments.claim_next(person, where)) is not None:
            worlds.say(assignment, choice)
    elif verb == "return":
        assignments.claim(person, where)
        assignments.release_all(person, Assignment.Reason.SIGNED_OUT)
    elif said := annotations.last_answers(person, where):
        if verb == "revise":
            worlds.revise(said[0], choice)
        else:
            annotations.withdraw(person, said[0].assignment_id or 0, Assignment.Reason.UNSURE)
