import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from annotate import annotations, assignments
from annotate.annotations import Outcome
from annotate.errors import AnswerRefused, NothingToUndo
from annotate.models import Annotation, Assignment, Participation
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


def test_undo_gives_the_last_unit_back_and_the_new_answer_counts_instead() -> None:
    kindness, ada = worlds.campaign(units=3), worlds.person("ada")
    answered = worlds.vote(ada, kindness, "casual")
    following = worlds.claimed(ada, kindness)
    reopened = annotations.undo(ada, kindness)
    earlier = annotations.taken_back(reopened)
    assert (reopened, str(earlier and earlier.choice)) == (answered, "casual")
    assert counted() == []
    assert worlds.claimed(ada, kindness) == answered
    worlds.say(reopened, "needs-caution")
    assert counted() == [("ada", "needs caution")]
    assert worlds.claimed(ada, kindness).unit_id == following.unit_id
    assert worlds.problems(kindness) == []


def test_undo_twice_goes_back_two() -> None:
    kindness, ada = worlds.campaign(units=3), worlds.person("ada")
    first, second = worlds.vote(ada, kindness), worlds.vote(ada, kindness)
    assert [annotations.undo(ada, kindness) for _ in range(2)] == [second, first]
    with pytest.raises(NothingToUndo):
        annotations.undo(ada, kindness)
    assert worlds.claimed(ada, kindness) == first
    assert counted() == []
    assert worlds.problems(kindness) == []


def test_a_retry_of_an_undone_submit_does_not_bring_it_back() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")
    held, key = worlds.claimed(ada, kindness), uuid.uuid4()
    worlds.say(held, key=key)
    annotations.undo(ada, kindness)
    assert worlds.say(held, key=key) == Outcome.TAKEN_BACK
    assert counted() == []


def test_undo_does_not_take_back_an_older_answer_for_one_that_came_too_late() -> None:
    kindness = worlds.campaign(units=2, overlap=1)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    worlds.vote(ada, kindness)
    held = worlds.claimed(ada, kindness)
    assignments.release_expired(held.expires_at + timedelta(seconds=1))
    worlds.vote(bob, kindness)
    assert worlds.say(held) == Outcome.SURPLUS
    with pytest.raises(NothingToUndo, match="too late to count"):
        annotations.undo(ada, kindness)
    assert counted() == [("ada", "casual"), ("bob", "casual")]


def test_the_count_of_own_votes_follows_submit_and_undo() -> None:
    kindness, ada = worlds.campaign(), worlds.person("ada")

    def count() -> int:
        return Participation.objects.votes_of(ada, kindness)

    worlds.vote(ada, kindness)
    worlds.vote(ada, kindness)
    assert count() == Annotation.objects.counted().filter(annotator=ada).count() == 2
    annotations.undo(ada, kindness)
    assert count() == Annotation.objects.counted().filter(annotator=ada).count() == 1


def test_undo_does_not_reach_into_another_campaign() -> None:
    kindness, courage = worlds.campaign(), worlds.campaign(slug="courage")
    ada = worlds.person("ada")
    worlds.vote(ada, kindness)
    with pytest.raises(NothingToUndo):
        annotations.undo(ada, courage)
    assert counted() == [("ada", "casual")]


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
    held = worlds.vote(ada, kindness, "casual")
    cut = Annotation.objects.get().pk
    annotations.undo(ada, kindness)
    worlds.say(held, "needs-caution")
    then = Annotation.objects.counted(cut).get()
    assert str(then.choice) == "casual"
    assert counted() == [("ada", "needs caution")]
    assert timezone.now() >= then.created_at
