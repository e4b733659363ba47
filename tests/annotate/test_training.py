"""Practice and qualification: what a campaign asks before it serves anything, and the way back from a pause."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from annotate import assignments, training
from annotate.annotations import Outcome
from annotate.models import Annotation, Annotator, Campaign, KnownAnswer, Participation, Trial
from annotate.training import PRACTICE, QUALIFICATION, Demand
from tests.annotate import worlds
from tests.annotate.test_gold import make_gold, set_up
from tests.annotate.test_views import QUEUE, form_on

pytestmark = pytest.mark.django_db

NOW = timezone.now


@pytest.fixture
def kindness() -> Campaign:
    return worlds.campaign(units=12)


@pytest.fixture
def ada(client: Client) -> Annotator:
    signed_in = worlds.person("ada")
    client.force_login(signed_in)
    return signed_in


def go_through(person: Annotator, campaign: Campaign, phase: str, *choices: str) -> None:
    for choice in choices:
        known = training.next_text(person, campaign, phase)
        assert known is not None
        assert training.answer(person, campaign, phase, known.pk, choice, {})


def standing(person: Annotator, campaign: Campaign) -> Participation:
    return Participation.objects.get(annotator=person, campaign=campaign)


def test_practice_comes_before_the_first_text_and_is_no_vote(kindness: Campaign) -> None:
    ada = worlds.person("ada")
    make_gold(kindness, 2, phase=PRACTICE)
    set_up(kindness, practice=True)
    assert assignments.claim_next(ada, kindness) is None
    go_through(ada, kindness, PRACTICE, "casual")
    assert assignments.claim_next(ada, kindness) is None
    go_through(ada, kindness, PRACTICE, "needs-caution")
    worlds.vote(ada, kindness)
    assert Annotation.objects.count() == 1
    assert [trial.is_right for trial in Trial.objects.order_by("pk")] == [True, False]


def test_who_does_not_reach_the_pass_mark_waits_and_has_so_many_tries(kindness: Campaign) -> None:
    ada = worlds.person("ada")
    make_gold(kindness, 2, phase=QUALIFICATION)
    set_up(kindness, qualification_percent=100, qualification_tries=2, qualification_wait_hours=24)
    go_through(ada, kindness, QUALIFICATION, "casual", "needs-caution")
    assert training.demanded(ada, kindness, NOW()) is Demand.WAIT
    known = KnownAnswer.objects.first()
    assert known is not None
    assert training.answer(ada, kindness, QUALIFICATION, known.pk, "casual", {}) is None
    Participation.objects.update(tried_at=NOW() - timedelta(hours=25))
    go_through(ada, kindness, QUALIFICATION, "needs-caution", "casual")
    assert training.demanded(ada, kindness, NOW()) is Demand.NO_TRIES
    assert assignments.claim_next(ada, kindness) is None
    set_up(kindness, qualification_tries=3)
    Participation.objects.update(tried_at=NOW() - timedelta(hours=25))
    go_through(ada, kindness, QUALIFICATION, "casual", "casual")
    worlds.vote(ada, kindness)


def test_what_was_answered_first_stands_in_two_tabs(kindness: Campaign) -> None:
    ada = worlds.person("ada")
    make_gold(kindness, 2, phase=QUALIFICATION)
    set_up(kindness, qualification_percent=50)
    known = training.next_text(ada, kindness, QUALIFICATION)
    assert known is not None
    first = training.answer(ada, kindness, QUALIFICATION, known.pk, "casual", {})
    again = training.answer(ada, kindness, QUALIFICATION, known.pk, "needs-caution", {})
    assert first == again
    assert again is not None
    assert again.choice.code == "casual"


def test_texts_that_a_person_does_not_wish_are_no_practice(kindness: Campaign) -> None:
    ada = worlds.person("ada")
    [unwished, _] = make_gold(kindness, 2, phase=PRACTICE)
    KnownAnswer.objects.get(unit=unwished).unit.__class__.objects.filter(pk=unwished).update(topics=["hate"])
    ada.avoided_topics = ["hate"]
    assert unwished not in training.texts(ada, kindness, PRACTICE).values_list("unit", flat=True)


def paused(person: Annotator, campaign: Campaign) -> Participation:
    """After wrong answers to gold, as few as it takes."""
    make_gold(campaign, 5)
    set_up(campaign, gold_every=2, gold_seed=1, gold_least=60)
    while not standing(person, campaign).standing if Participation.objects.exists() else True:
        assert worlds.say(worlds.claimed(person, campaign), "needs-intervention") == Outcome.SAVED
    return standing(person, campaign)


def test_too_low_on_gold_pauses_with_a_reason_and_practice_is_the_way_back(kindness: Campaign) -> None:
    ada = worlds.person("ada")
    make_gold(kindness, 1, phase=PRACTICE)
    found = paused(ada, kindness)
    assert (found.standing, found.standing_why) == (
        "paused",
        "0 of the last 3 answers to gold were right: at most 56 %, and 60 % are wanted",
    )
    assert assignments.claim(ada, kindness, 2) == []
    assert training.demanded(ada, kindness, NOW()) is Demand.RETURN
    votes = Annotation.objects.counted().count()
    go_through(ada, kindness, PRACTICE, "casual")
    assert standing(ada, kindness).standing == ""
    assert worlds.say(worlds.claimed(ada, kindness)) == Outcome.SAVED
    assert Annotation.objects.counted().count() >= votes
    assert worlds.problems(kindness) == []


def test_what_was_fetched_ahead_goes_back_and_a_late_answer_is_kept_and_not_counted(kindness: Campaign) -> None:
    ada = worlds.person("ada")
    for person in ("bob", "cyd"):
        worlds.claimed(worlds.person(person), kindness)
    held = assignments.claim(ada, kindness, 2)
    Participation.objects.filter(annotator=ada).update(standing="paused", pauses=1)
    assert assignments.claim(ada, kindness, 2) == []
    late = ada.assignments.get(pk=held[1].assignment_id)
    assert (late.state, late.reason) == ("returned", "paused")
    assert worlds.say(late) == Outcome.PAUSED
    assert not Annotation.objects.counted().exists()
    assert worlds.problems(kindness) == []


def test_the_pages_of_practice_explain_and_lead_on_without_javascript(
    client: Client, ada: Annotator, kindness: Campaign
) -> None:
    make_gold(kindness, 1, phase=PRACTICE, why="It only greets.")
    make_gold(kindness, 1, phase=QUALIFICATION, why="It asks for the time.")
    set_up(kindness, practice=True, qualification_percent=60)
    page = client.get(kindness.get_absolute_url()).content.decode()
    address = f"/campaigns/{kindness.slug}/practice/"
    assert address in page
    assert 'name="assignment"' not in page
    cards = client.post(f"/campaigns/{kindness.slug}/label/cards/", headers=QUEUE).json()
    assert cards["leases"] == []
    known = training.next_text(ada, kindness, PRACTICE)
    assert known is not None
    assert "It only greets." not in client.get(address).content.decode()
    assert client.post(address, {"known": known.pk}).status_code == 422
    told = client.post(address, {"known": known.pk, "choice": "needs-caution"}, follow=True).content.decode()
    assert "It only greets." in told
    assert "The known answer is another." in told
    assert "On 0 of 1 text" in client.get(address).content.decode()
    address = f"/campaigns/{kindness.slug}/qualification/"
    known = training.next_text(ada, kindness, QUALIFICATION)
    assert known is not None
    page = client.post(address, {"known": known.pk, "choice": "needs-caution"}, follow=True).content.decode()
    assert "Not yet, and that is fine" in page
    assert "It asks for the time." in page
    Participation.objects.update(tries=0, tried_at=None)
    Trial.objects.filter(phase=QUALIFICATION).delete()
    page = client.post(address, {"known": known.pk, "choice": "casual"}, follow=True).content.decode()
    assert "You are ready" in page
    assert form_on(client.get(kindness.get_absolute_url()).content.decode())["assignment"]
