from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, connection, transaction

from annotate import adjudication, assignments, known, remarks, tallies
from annotate.adjudication import Ruling
from annotate.annotations import Answer, submit
from annotate.errors import DecisionRefused
from annotate.models import Annotation, Annotator, Assignment, Campaign, DecidedExample, Decision, KnownAnswer, Unit
from sources import criteria, removals
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

CASUAL = Ruling("casual", {}, Decision.Cause.GUIDELINE, "The guideline on jokes says so.")
CAUTION = Ruling("needs caution", {}, Decision.Cause.CAREFUL, "It can be read both ways.")


def adjudicator(name: str) -> Annotator:
    made = worlds.person(name)
    made.user_permissions.add(Permission.objects.get(codename="adjudicate"))
    return Annotator.objects.get(pk=made.pk)


def disputed(campaign: Campaign, choices: tuple[str, ...] = ("casual", "needs-caution")) -> Unit:
    """The next unit of a campaign of two votes, on which Ada and Ben differ."""
    said = [
        worlds.vote(worlds_person(name), campaign, choice) for name, choice in zip(("ada", "ben"), choices, strict=True)
    ]
    assert {one.unit_id for one in said} == {said[0].unit_id}
    return said[0].unit


def worlds_person(name: str) -> Annotator:
    return Annotator.objects.filter(username=name).first() or worlds.person(name)


@pytest.fixture
def kindness(db: None) -> Campaign:
    return worlds.campaign(units=3, overlap=2)


def queue(viewer: Annotator, campaign: Campaign, order: str = "severity") -> list[int]:
    while tallies.fold():
        pass
    return [one.unit.pk for one in adjudication.waiting(viewer, campaign, order)]


def test_it_queues_what_the_votes_leave_disputed(kindness: Campaign) -> None:
    unit, cleo = disputed(kindness), adjudicator("cleo")
    disputed(kindness, ("casual", "casual"))
    worlds.vote(worlds_person("ada"), kindness)
    assert queue(cleo, kindness) == [unit.pk]
    assert adjudication.count_waiting(cleo, kindness) == 1


def test_it_queues_the_gravest_first_or_the_widest_split(kindness: Campaign) -> None:
    mild, grave, cleo = disputed(kindness), disputed(kindness, ("casual", "needs-intervention")), adjudicator("cleo")
    assert queue(cleo, kindness) == [grave.pk, mild.pk]
    assert queue(cleo, kindness, "split") == [grave.pk, mild.pk]
    assert set(queue(cleo, kindness, "age")) == {grave.pk, mild.pk}


def test_it_queues_ties_of_tags_and_what_was_flagged(kindness: Campaign) -> None:
    cleo = adjudicator("cleo")
    tie = [worlds.claimed(worlds_person(name), kindness) for name in ("ada", "ben")]
    for assignment, yes in zip(tie, (True, False), strict=True):
        worlds.say(assignment, "casual", {"hate": yes})
    flagged = disputed(kindness, ("casual", "casual"))
    remarks.flag(worlds_person("ada"), flagged.assignments.get(annotator__username="ada").pk, "Look at this.")
    assert set(queue(cleo, kindness)) == {tie[0].unit_id, flagged.pk}


def test_it_shows_nothing_that_still_collects_votes(kindness: Campaign) -> None:
    cleo = adjudicator("cleo")
    unit = disputed(kindness)
    Unit.objects.filter(pk=unit.pk).update(overlap=3)
    assert queue(cleo, kindness) == []
    assert adjudication.dispute(cleo, kindness.slug, unit.pk) is None
    with pytest.raises(DecisionRefused, match="still waits for votes"):
        adjudication.decide(cleo, unit.pk, CASUAL)


def test_it_shows_votes_without_names_with_their_notes(kindness: Campaign) -> None:
    first = worlds.claimed(worlds_person("ada"), kindness)
    submit(first.annotator, first.pk, Answer("casual", {"hate": False}, note="A joke, I think."), uuid.uuid4())
    worlds.vote(worlds_person("ben"), kindness, "needs-caution")
    shown = adjudication.dispute(adjudicator("cleo"), kindness.slug, first.unit_id)
    assert shown is not None
    assert [tuple(vote) for vote in shown.votes] == [
        ("casual", "casual", [("hate", False)], "A joke, I think."),
        ("needs-caution", "needs caution", [], ""),
    ]
    assert "ada" not in repr(shown)


def test_it_decides_with_one_adjudicator(kindness: Campaign) -> None:
    unit, cleo = disputed(kindness), adjudicator("cleo")
    decision = adjudication.decide(cleo, unit.pk, CASUAL)
    assert (decision.settled_by, decision.alike) == (decision, 1)
    assert adjudication.settled_by(unit) == decision
    assert queue(cleo, kindness) == queue(adjudicator("dora"), kindness) == []
    assert adjudication.decide(cleo, unit.pk, CASUAL) == decision  # a second click


def test_nobody_decides_who_has_not_the_right(kindness: Campaign) -> None:
    unit = disputed(kindness)
    with pytest.raises(DecisionRefused, match="not been asked"):
        adjudication.decide(worlds.person("eve"), unit.pk, CASUAL)
    assert adjudication.may(worlds.person("grace", is_staff=True))


def test_the_group_of_the_migration_has_the_right() -> None:
    group = Group.objects.get(name="adjudicators")
    assert [right.codename for right in group.permissions.all()] == ["adjudicate"]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"label": "fine"}, "Choose one of the labels"),
        ({"words": " "}, "Say why"),
        ({"cause": "mood"}, "Choose a reason"),
        ({"tags": {"spam": True}}, "no tag “spam”"),
    ],
)
def test_it_asks_for_a_label_and_a_reason(kindness: Campaign, changed: dict[str, object], problem: str) -> None:
    unit = disputed(kindness)
    with pytest.raises(DecisionRefused, match=problem):
        adjudication.decide(adjudicator("cleo"), unit.pk, Ruling(**{**vars(CASUAL), **changed}))


def test_it_asks_for_the_tags_that_tie(kindness: Campaign) -> None:
    tie = [worlds.claimed(worlds_person(name), kindness) for name in ("ada", "ben")]
    for assignment, yes in zip(tie, (True, False), strict=True):
        worlds.say(assignment, "casual", {"hate": yes})
    cleo = adjudicator("cleo")
    with pytest.raises(DecisionRefused, match="“hate” tie"):
        adjudication.decide(cleo, tie[0].unit_id, CASUAL)
    decided = adjudication.decide(cleo, tie[0].unit_id, Ruling("casual", {"hate": True}, "guideline", "It is aimed."))
    assert decided.settled_by == decided


def test_nobody_decides_what_they_voted_on_or_hold_or_sent_away(kindness: Campaign) -> None:
    cleo = adjudicator("cleo")
    worlds.vote(cleo, kindness)
    own = worlds.vote(worlds_person("ada"), kindness, "needs-caution").unit
    sent_away = worlds.claimed(cleo, kindness)
    assignments.release(sent_away, Assignment.Reason.UNSURE)
    other = disputed(kindness)
    assert other.pk == sent_away.unit_id
    assert queue(cleo, kindness) == []
    for unit in (own, other):
        with pytest.raises(DecisionRefused, match="others decide it"):
            adjudication.decide(cleo, unit.pk, CASUAL)
        with pytest.raises(DatabaseError, match="others decide it"), transaction.atomic():
            directly(unit, cleo)


def directly(unit: Unit, by: Annotator, **facts: object) -> Decision:
    """A row past the verbs."""
    said = {"label_set": unit.campaign.label_set, "label": "casual", "cause": "other", "words": "-", **facts}
    return Decision.objects.create(unit=unit, adjudicator=by, **said)


def test_who_decided_is_never_given_the_text_and_cannot_vote_on_it(kindness: Campaign) -> None:
    unit, cleo = disputed(kindness), adjudicator("cleo")
    adjudication.decide(cleo, unit.pk, CASUAL)
    Unit.objects.filter(campaign=kindness).exclude(pk=unit.pk).update(overlap=1, taken=0)
    Unit.objects.filter(pk=unit.pk).update(overlap=3)
    given = {worlds.vote(cleo, kindness).unit_id for _ in range(2)}
    assert unit.pk not in given
    assert assignments.claim_next(cleo, kindness) is None
    placeholder = Assignment.objects.get(unit=unit, annotator=cleo)
    with pytest.raises(DatabaseError, match="does not vote on it"), transaction.atomic():
        worlds.say(placeholder)
    assert not Annotation.objects.filter(unit=unit, annotator=cleo).exists()


def test_several_must_decide_alike_and_do_not_see_each_other_before(kindness: Campaign) -> None:
    Campaign.objects.update(adjudicators=2)
    unit, cleo, dora, eve = disputed(kindness), adjudicator("cleo"), adjudicator("dora"), adjudicator("eve")
    assert adjudication.decide(cleo, unit.pk, CASUAL).settled_by is None
    assert queue(cleo, kindness) == []
    assert queue(dora, kindness) == [unit.pk]
    shown = adjudication.dispute(dora, kindness.slug, unit.pk)
    assert shown is not None
    assert (shown.decisions, shown.rulings) == ([], 1)
    assert adjudication.decide(dora, unit.pk, CAUTION).settled_by is None
    last = adjudication.decide(eve, unit.pk, CASUAL)
    assert (last.settled_by, last.alike) == (last, 2)


def test_a_majority_decides_where_the_campaign_says_so(kindness: Campaign) -> None:
    Campaign.objects.update(adjudicators=3, adjudicate_by="majority")
    unit = disputed(kindness)
    said = [(name, CASUAL if name != "eve" else CAUTION) for name in ("cleo", "dora", "eve")]
    made = [adjudication.decide(adjudicator(name), unit.pk, ruling) for name, ruling in said]
    assert [one.settled_by for one in made] == [None, None, made[1]]
    assert made[2].alike == 2


def test_a_later_setting_changes_nothing_that_was_decided(kindness: Campaign) -> None:
    unit = disputed(kindness)
    decision = adjudication.decide(adjudicator("cleo"), unit.pk, CASUAL)
    Campaign.objects.update(adjudicators=3)
    assert adjudication.settled_by(unit) == decision


def test_a_decision_is_revised_by_another_that_supersedes_it_and_never_edited(kindness: Campaign) -> None:
    unit, cleo, dora = disputed(kindness), adjudicator("cleo"), adjudicator("dora")
    first = adjudication.decide(cleo, unit.pk, CASUAL)
    with pytest.raises(DecisionRefused, match="meanwhile"):
        adjudication.decide(dora, unit.pk, CAUTION)
    second = adjudication.decide(dora, unit.pk, CAUTION, first.pk)
    assert adjudication.settled_by(unit) == second
    with pytest.raises(DecisionRefused, match="changed meanwhile"):
        adjudication.decide(cleo, unit.pk, CASUAL, first.pk)
    assert list(unit.decisions.order_by("pk")) == [first, second]
    for change in ("UPDATE annotate_decision SET label = 'casual'", "DELETE FROM annotate_decision"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)


def test_a_decision_is_taken_back_and_the_unit_is_disputed_again(kindness: Campaign) -> None:
    unit, cleo = disputed(kindness), adjudicator("cleo")
    first = adjudication.decide(cleo, unit.pk, CASUAL)
    gone = adjudication.take_back(cleo, unit.pk, first.pk, "I had the wrong text before me.")
    assert (gone.label, gone.settled_by) == ("", None)
    assert queue(adjudicator("dora"), kindness) == queue(cleo, kindness) == [unit.pk]


def test_words_go_with_a_text_that_is_taken_down_and_nothing_is_decided_on_it(kindness: Campaign) -> None:
    unit, cleo = disputed(kindness), adjudicator("cleo")
    decision = adjudication.decide(cleo, unit.pk, CASUAL)
    adjudication.make_example(unit, cleo)
    removals.take_down(criteria.by_ids([unit.instruction.public_id]), "They asked for it.")
    decision.refresh_from_db()
    assert (decision.words, decision.label) == ("", "casual")
    assert adjudication.examples(kindness) == []
    assert adjudication.decided(kindness) == []
    with pytest.raises(DecisionRefused, match="withdrawn"):
        adjudication.decide(cleo, unit.pk, CAUTION, decision.pk)
    with pytest.raises(DatabaseError, match="withdrawn"), transaction.atomic():
        directly(unit, cleo, supersedes=decision, label="needs caution")


def test_it_becomes_a_known_answer_or_an_example_but_not_both(kindness: Campaign) -> None:
    one, cleo = disputed(kindness), adjudicator("cleo")
    adjudication.decide(cleo, one.pk, CASUAL)
    answer = adjudication.make_known(one, cleo)
    assert (answer.choice.code, answer.phase, answer.explanation) == ("casual", "gold", CASUAL.words)
    assert known.gold(kindness).unit.tolist() == [one.pk]
    with pytest.raises(DecisionRefused, match="known one"):
        adjudication.make_example(one, cleo)
    two = disputed(kindness)
    decision = adjudication.decide(cleo, two.pk, CASUAL)
    example = adjudication.make_example(two, cleo)
    assert adjudication.examples(kindness) == [(example, False)]
    with pytest.raises(DecisionRefused, match="example"):
        adjudication.make_known(two, cleo)
    adjudication.decide(cleo, two.pk, CAUTION, decision.pk)
    assert adjudication.examples(kindness) == []  # it said what does not hold any more
    assert (KnownAnswer.objects.count(), DecidedExample.objects.count()) == (1, 1)


def test_what_only_a_rule_says_is_no_known_answer(kindness: Campaign) -> None:
    unit, cleo = disputed(kindness), adjudicator("cleo")
    adjudication.decide(cleo, unit.pk, Ruling("possibly needs caution", {}, "careful", "Readers divide."))
    with pytest.raises(DecisionRefused, match="no answer that people can give"):
        adjudication.make_known(unit, cleo)


def test_severe_texts_are_among_the_decided_only_when_asked_for(kindness: Campaign) -> None:
    unit, cleo = disputed(kindness, ("casual", "needs-intervention")), adjudicator("cleo")
    grave = adjudication.decide(cleo, unit.pk, Ruling("needs intervention", {}, "guideline", "A threat."))
    assert adjudication.decided(kindness) == []
    assert adjudication.decided(kindness, severe=True) == [(grave, True)]
