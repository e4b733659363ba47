import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from annotate import annotations, assignments, campaigns
from annotate.annotations import Answer, Outcome
from annotate.errors import AnswerRefused, NotTheirs
from annotate.models import Annotation, Annotator, Assignment, Participation
from tests.annotate import worlds

pytestmark = pytest.mark.django_db


def counted() -> list[tuple[str, str]]:
    """Who counts with which base vote, by name."""
    tips = Annotation.objects.counted().select_related("annotator", "choice").order_by("annotator__username")
    return [(str(tip.annotator), str(tip.choice)) for tip in tips]


def test_it_saves_a_vote_with_its_tags_and_leaves_unanswered_ones_out() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    assert worlds.say(worlds.claimed(ada, kindness), "needs-caution", {"hate": True}) == Outcome.SAVED
    annotation = Annotation.objects.get()
    assert annotation.tags == {"hate": True}
    assert counted() == [("ada", "needs caution")]


def test_it_takes_the_same_submit_twice_as_one() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    held, key = worlds.claimed(ada, kindness), uuid.uuid4()
    assert worlds.say(held, key=key) == Outcome.SAVED
    assert worlds.say(held, key=key) == Outcome.ALREADY_SAVED
    assert Annotation.objects.count() == 1


def test_it_does_not_call_another_answer_under_the_same_key_saved() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    held, key = worlds.claimed(ada, kindness), uuid.uuid4()
    worlds.say(held, "casual", key=key)
    assert worlds.say(held, "needs-intervention", key=key) == Outcome.ALREADY_ANSWERED
    assert counted() == [("ada", "casual")]


def test_it_keeps_the_first_of_two_answers_from_two_tabs() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    held = worlds.claimed(ada, kindness)
    worlds.say(held, "casual")
    assert worlds.say(held, "needs-intervention") == Outcome.ALREADY_ANSWERED
    assert counted() == [("ada", "casual")]


def test_it_counts_a_late_answer_whose_slot_is_still_free() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    held = worlds.claimed(ada, kindness)
    assignments.release_expired(held.expires_at + timedelta(seconds=1))
    assert worlds.say(held) == Outcome.SAVED
    assert counted() == [("ada", "casual")]
    assert worlds.problems(kindness) == []


def test_it_keeps_a_late_answer_whose_slot_was_refilled_as_surplus() -> None:
    kindness = worlds.campaign(units=1, overlap=1)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    held = worlds.claimed(ada, kindness)
    assignments.release_expired(held.expires_at + timedelta(seconds=1))
    worlds.vote(bob, kindness, "needs-caution")
    assert worlds.say(held) == Outcome.SURPLUS
    assert counted() == [("bob", "needs caution")]
    assert Annotation.objects.get(annotator=ada).surplus
    assert worlds.problems(kindness) == []


def test_it_counts_a_late_answer_on_the_lease_that_the_person_holds_anew() -> None:
    kindness, ada = worlds.campaign(units=1), worlds.person("ada")
    first = worlds.claimed(ada, kindness)
    assignments.release_expired(first.expires_at + timedelta(seconds=1))
    second = worlds.claimed(ada, kindness)
    assert worlds.say(first) == Outcome.SAVED
    second.refresh_from_db()
    assert second.state == Assignment.State.SUBMITTED
    assert worlds.say(second) == Outcome.ALREADY_ANSWERED
    assert worlds.problems(kindness) == []


@pytest.mark.parametrize(
    ("choice", "tags"), [("furious", {}), ("hate", {}), ("casual", {"spam": True}), ("casual", {"casual": True})]
)
def test_it_refuses_labels_that_the_label_set_does_not_have(choice: str, tags: dict[str, bool]) -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    held = worlds.claimed(ada, kindness)
    with pytest.raises(AnswerRefused):
        worlds.say(held, choice, tags)
    held.refresh_from_db()
    assert held.state == Assignment.State.LIVE
    assert not Annotation.objects.exists()


def said(annotator: Annotator) -> Annotation:
    """The last that a person said."""
    return Annotation.objects.filter(annotator=annotator).latest("id")


def test_a_revision_counts_instead_and_the_slot_stays_theirs_all_the_while() -> None:
    kindness, ada = worlds.campaign(units=3), worlds.person("ada")
    answered = worlds.vote(ada, kindness, "casual")
    following = worlds.claimed(ada, kindness)
    earlier = annotations.last_answers(ada, kindness)[0]
    assert (earlier.assignment, str(earlier.choice)) == (answered, "casual")
    assert worlds.revise(earlier, "needs-caution") == Outcome.CHANGED
    assert counted() == [("ada", "needs caution")]
    assert worlds.claimed(ada, kindness) == following
    assert worlds.problems(kindness) == []


def test_it_lists_the_last_ten_answers_newest_first_and_any_of_them_can_be_changed() -> None:
    kindness, ada = worlds.campaign(units=12, overlap=1), worlds.person("ada")
    made = [worlds.vote(ada, kindness) for _ in range(12)]
    listed = annotations.last_answers(ada, kindness)
    assert [answer.assignment for answer in listed] == made[:1:-1]
    assert worlds.revise(listed[-1], "needs-caution") == Outcome.CHANGED
    again = annotations.last_answers(ada, kindness)
    assert [answer.assignment for answer in again] == made[:1:-1]
    assert str(again[-1].choice) == "needs caution"
    assert worlds.problems(kindness) == []


def test_a_revision_of_what_was_changed_in_another_tab_since_does_not_hide_that() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    worlds.vote(ada, kindness)
    seen = said(ada)
    assert worlds.revise(seen, "needs-caution") == Outcome.CHANGED
    assert worlds.revise(seen, "needs-intervention") == Outcome.ALREADY_ANSWERED
    assert counted() == [("ada", "needs caution")]


def test_a_retry_of_a_revised_submit_does_not_bring_the_old_answer_back() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    held, key = worlds.claimed(ada, kindness), uuid.uuid4()
    worlds.say(held, key=key)
    worlds.revise(said(ada), "needs-caution")
    assert worlds.say(held, key=key) == Outcome.ALREADY_ANSWERED
    assert counted() == [("ada", "needs caution")]


def test_what_came_too_late_counts_once_it_is_changed_and_a_slot_is_free() -> None:
    kindness = worlds.campaign(units=1, overlap=1)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    held = worlds.claimed(ada, kindness)
    assignments.release_expired(held.expires_at + timedelta(seconds=1))
    bobs = worlds.vote(bob, kindness)
    assert worlds.say(held) == Outcome.SURPLUS
    assert worlds.revise(said(ada)) == Outcome.SURPLUS
    assert annotations.withdraw(bob, bobs.pk, Assignment.Reason.UNSURE)
    assert worlds.revise(said(ada), "needs-caution") == Outcome.CHANGED
    assert counted() == [("ada", "needs caution")]
    assert worlds.problems(kindness) == []


def test_a_withdrawn_answer_frees_its_slot_and_is_not_served_to_its_author_again() -> None:
    kindness = worlds.campaign(units=1, overlap=1)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    answered = worlds.vote(ada, kindness)
    assert annotations.withdraw(ada, answered.pk, Assignment.Reason.DISTRESSING)
    assert not annotations.withdraw(ada, answered.pk, Assignment.Reason.DISTRESSING)
    assert counted() == []
    assert annotations.last_answers(ada, kindness) == []
    assert assignments.claim_next(ada, kindness) is None
    assert worlds.claimed(bob, kindness).unit_id == answered.unit_id
    assert worlds.problems(kindness) == []


def test_answers_of_a_closed_campaign_stand() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    answered = worlds.vote(ada, kindness)
    campaigns.close(kindness)
    assert worlds.revise(said(ada), "needs-caution") == Outcome.STANDS
    assert not annotations.withdraw(ada, answered.pk, Assignment.Reason.UNSURE)
    assert counted() == [("ada", "casual")]


def test_nobody_answers_for_somebody_else() -> None:
    kindness, ada, bob = worlds.campaign(), worlds.person("ada"), worlds.person("bob")
    held = worlds.claimed(ada, kindness)
    with pytest.raises(NotTheirs):
        annotations.submit(bob, held.pk, Answer("casual", {}), uuid.uuid4())
    with pytest.raises(NotTheirs):
        annotations.withdraw(bob, held.pk, Assignment.Reason.UNSURE)


def test_it_keeps_note_and_time_and_refuses_the_wording_of_another_label_set() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    held = worlds.claimed(ada, kindness)
    other = worlds.opened(worlds.source("kindness-letters"), slug="courage", label_set="oig-safety-direct")
    answer = Answer("casual", {}, label_set=other.label_set_id)
    with pytest.raises(AnswerRefused, match="reload the page"):
        annotations.submit(ada, held.pk, answer, uuid.uuid4())
    answer = Answer("casual", {}, label_set=kindness.label_set_id, note="hm", focused_ms=1200)
    assert annotations.submit(ada, held.pk, answer, uuid.uuid4()) == Outcome.SAVED
    assert (said(ada).note, said(ada).focused_ms) == ("hm", 1200)


def test_the_count_of_own_votes_follows_submit_and_withdrawal() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")

    def count() -> int:
        return Participation.objects.labelled_by(ada, kindness)

    worlds.vote(ada, kindness)
    last = worlds.vote(ada, kindness)
    assert count() == Annotation.objects.counted().filter(annotator=ada).count() == 2
    annotations.withdraw(ada, last.pk, Assignment.Reason.UNSURE)
    assert count() == Annotation.objects.counted().filter(annotator=ada).count() == 1


def test_the_database_refuses_to_change_or_delete_an_annotation() -> None:
    kindness = worlds.campaign()
    worlds.vote(worlds.person("ada"), kindness)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Annotation.objects.update(surplus=True)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Annotation.objects.all().delete()


def test_the_database_refuses_a_chain_across_people() -> None:
    kindness = worlds.campaign(units=1)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    worlds.vote(ada, kindness)
    said = Annotation.objects.get()
    with pytest.raises(DatabaseError, match="same annotator"), transaction.atomic():
        Annotation.objects.create(unit=said.unit, annotator=bob, choice=said.choice, supersedes=said, key=uuid.uuid4())


def test_a_cut_sees_the_votes_as_they_stood() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    worlds.vote(ada, kindness, "casual")
    cut = Annotation.objects.get().pk
    worlds.revise(said(ada), "needs-caution")
    then = Annotation.objects.counted(cut).get()
    assert str(then.choice) == "casual"
    assert counted() == [("ada", "needs caution")]
    assert timezone.now() >= then.created_at
