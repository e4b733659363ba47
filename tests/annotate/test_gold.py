"""Gold mixed in: at its rate, never twice to one person, never more votes than the overlap."""

import random
import uuid
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from annotate import annotations, assignments, known, progress, standing
from annotate.annotations import Answer, Outcome
from annotate.models import Annotation, Annotator, Assignment, Campaign, KnownAnswer, Participation, Unit
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

GOLD = KnownAnswer.Phase.GOLD


def make_gold(
    campaign: Campaign, count: int, choice: str = "casual", phase: str = GOLD, why: str = "as it says"
) -> list[int]:
    """Make the answer of the first units known; their ids."""
    units = list(Unit.objects.filter(campaign=campaign, known_answer=None).order_by("pk").values_list("pk", flat=True))
    known.add(campaign, known.read("\n".join(f"{unit},{choice},{why}" for unit in units[:count])), phase, None)
    return units[:count]


def set_up(campaign: Campaign, **fields: object) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(**fields)
    campaign.refresh_from_db()


def label(person: Annotator, campaign: Campaign, count: int, choice: str = "casual") -> list[Assignment]:
    return [worlds.vote(person, campaign, choice) for _ in range(count)]


def test_gold_comes_at_its_rate_by_chance_and_the_rest_in_order() -> None:
    kindness, ada = worlds.campaign(units=200, overlap=1), worlds.person("ada")
    golds = set(make_gold(kindness, 100))
    set_up(kindness, gold_every=4, gold_seed=3)
    given = label(ada, kindness, 100)
    is_gold = [one.unit_id in golds for one in given]
    assert 15 <= sum(is_gold) <= 35
    gaps = "".join("g" if one else "." for one in is_gold)
    assert "gg" in gaps  # by chance two in a row: who could rely on a text between would know the next
    others = [one.unit.position for one in given if one.unit_id not in golds]
    assert others == sorted(others)
    bob = worlds.person("bob")
    assert [one.unit_id in golds for one in label(bob, kindness, 20)] != is_gold[:20]
    assert worlds.problems(kindness) == []


def test_gold_is_read_by_more_people_than_its_overlap_and_counts_no_more_often() -> None:
    kindness = worlds.campaign(units=30, overlap=2)
    [gold] = make_gold(kindness, 1)
    set_up(kindness, gold_every=2, gold_seed=1)
    people = [worlds.person(f"person-{number}") for number in range(5)]
    for person in people:
        label(person, kindness, 10)
    told = [Participation.objects.labelled_by(person, kindness) for person in people]
    assert told == [10] * 5  # for who read gold as a check as for the others
    said = Annotation.objects.filter(unit=gold)
    assert said.count() == 5
    assert said.filter(surplus=False).count() == Unit.objects.get(pk=gold).taken == 2
    assert Annotation.objects.counted().filter(unit=gold).count() == 2
    assert Assignment.objects.filter(unit=gold, is_check=True, state="surplus").count() == 3
    assert {row.own_votes for row in progress.campaigns_of(people[-1])} == {10}  # type: ignore[attr-defined]
    assert worlds.problems(kindness) == []


def test_a_check_is_told_revised_and_taken_back_like_a_vote() -> None:
    kindness = worlds.campaign(units=8, overlap=1)
    make_gold(kindness, 1)
    set_up(kindness, gold_every=2, gold_seed=1)
    label(worlds.person("ada"), kindness, 6)
    bob = worlds.person("bob")
    while not (held := worlds.claimed(bob, kindness)).is_check:
        worlds.say(held)
    told = annotations.submit_and_claim(bob, kindness.slug, held.pk, Answer("casual", {}), uuid.uuid4(), 2)
    assert (told.outcome, told.votes) == (Outcome.SAVED, Assignment.objects.answered().filter(annotator=bob).count())
    [said] = Annotation.objects.filter(assignment=held)
    assert worlds.revise(said, "needs-caution") == Outcome.CHANGED
    assert annotations.last_answers(bob, kindness)[0].assignment == held
    assert annotations.withdraw(bob, held.pk, Assignment.Reason.UNSURE)
    assert Participation.objects.labelled_by(bob, kindness) == told.votes - 1
    assert worlds.problems(kindness) == []


def test_a_check_becomes_a_vote_where_a_slot_became_free() -> None:
    kindness, ada, bob = worlds.campaign(units=1, overlap=1), worlds.person("ada"), worlds.person("bob")
    held = worlds.claimed(ada, kindness)
    make_gold(kindness, 1)
    set_up(kindness, gold_every=2, gold_seed=0)
    while (check := assignments.claim_next(bob, kindness)) is None:
        Participation.objects.filter(annotator=bob).update(draws=F("draws") + 1)  # chance decides anew
    assert check.is_check
    assert worlds.problems(kindness) == []
    assignments.release(held, Assignment.Reason.UNSURE)
    assert worlds.say(check) == Outcome.SAVED
    assert Unit.objects.get().taken == Annotation.objects.counted().count() == 1
    assert worlds.problems(kindness) == []


def test_who_signs_out_is_given_the_same_text_again_whether_it_is_gold_or_not() -> None:
    kindness, ada = worlds.campaign(units=60, overlap=1), worlds.person("ada")
    golds = set(make_gold(kindness, 20))
    set_up(kindness, gold_every=3, gold_seed=5)
    seen = set()
    for _ in range(30):
        held = worlds.claimed(ada, kindness)
        seen.add(held.unit_id in golds)
        assert assignments.release_all(ada, Assignment.Reason.SIGNED_OUT) == 1
        again = worlds.claimed(ada, kindness)
        assert again.unit_id == held.unit_id
        worlds.say(again)
    assert seen == {True, False}


def test_texts_for_practice_and_qualification_are_not_served_among_the_others() -> None:
    kindness, ada = worlds.campaign(units=6, overlap=1), worlds.person("ada")
    apart = [*make_gold(kindness, 1, phase="practice"), *make_gold(kindness, 1, phase="qualification")]
    given = label(ada, kindness, 4)
    assert not {one.unit_id for one in given} & set(apart)
    assert assignments.claim_next(ada, kindness) is None


def test_gold_is_served_to_the_last_slot_once_nothing_else_is_left() -> None:
    kindness, ada = worlds.campaign(units=5, overlap=1), worlds.person("ada")
    make_gold(kindness, 4)
    set_up(kindness, gold_every=1000)
    assert len({one.unit_id for one in label(ada, kindness, 5)}) == 5
    assert worlds.problems(kindness) == []


class Walk:
    """What people and curators do in one campaign where a third of the texts is gold."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.campaign = worlds.campaign(units=12, overlap=2, slug=f"walk-{seed}")
        make_gold(self.campaign, 4)
        set_up(self.campaign, gold_every=2, gold_seed=seed, gold_least=55, family_distance=0)
        self.people = [worlds.person(f"person-{seed}-{number}") for number in range(5)]
        self.root = worlds.person(f"root-{seed}")

    def step(self) -> None:
        person = self.chance.choice(self.people)
        held = assignments.claim(person, self.campaign, self.chance.choice((1, 2)))
        acts = (self.say, self.decline, self.leave, self.change, self.expire, self.judge)
        act = self.chance.choices(acts, (9, 1, 2, 3, 1, 1))[0]
        act(person, [one.assignment_id for one in held])

    def say(self, person: Annotator, held: list[int]) -> None:
        for pk in held[:1]:
            worlds.say(Assignment.objects.get(pk=pk), self.chance.choice(("casual", "needs-caution")))

    def decline(self, person: Annotator, held: list[int]) -> None:
        for lease in Assignment.objects.filter(pk__in=held[:1]):
            assignments.release(lease, Assignment.Reason.UNSURE)

    def leave(self, person: Annotator, held: list[int]) -> None:
        assignments.release_all(person, Assignment.Reason.SIGNED_OUT)

    def change(self, person: Annotator, held: list[int]) -> None:
        for said in annotations.last_answers(person, self.campaign)[:2]:
            if self.chance.random() < 0.5:
                worlds.revise(said, self.chance.choice(("casual", "needs-caution")))
            elif said.assignment_id:
                annotations.withdraw(person, said.assignment_id, Assignment.Reason.UNSURE)

    def expire(self, person: Annotator, held: list[int]) -> None:
        late = list(Assignment.objects.filter(pk__in=held))
        assignments.release_expired(timezone.now() + timedelta(hours=2))
        for lease in late:
            worlds.say(lease)

    def judge(self, person: Annotator, held: list[int]) -> None:
        here = Participation.objects.get(annotator=person, campaign=self.campaign)
        if here.standing == Participation.Standing.PAUSED:
            standing.lift(here, self.root)
        elif here.standing == Participation.Standing.EXCLUDED:
            standing.take_back(here, self.root)
        elif self.chance.random() < 0.3:
            standing.exclude(here, "by chance", self.root)
            standing.withdraw(here)


@pytest.mark.parametrize("seed", range(3))
def test_slots_and_counts_are_exact_whatever_people_and_curators_do_with_gold(seed: int) -> None:
    walk = Walk(seed)
    for number in range(120):
        walk.step()
        if number % 10 == 0:
            assert worlds.problems(walk.campaign) == []
    assert worlds.problems(walk.campaign) == []
    for here in Participation.objects.filter(campaign=walk.campaign):
        theirs = Assignment.objects.filter(annotator=here.annotator, unit__campaign=walk.campaign)
        assert here.checks == theirs.filter(is_check=True, state="surplus").count()
        units = list(theirs.answered().values_list("unit", flat=True))
        assert len(units) == len(set(units))  # nobody answers anything twice
