"""Why nothing is left: the page says it, and what can be done."""

from __future__ import annotations

import pytest
from django.test import Client

from annotate import assignments, remainder
from annotate.models import Annotator, Assignment, Campaign
from annotate.remainder import Why
from sources.models import Instruction
from tests.annotate import worlds

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Annotator:
    return worlds.person("ada")


@pytest.fixture
def kindness() -> Campaign:
    return worlds.campaign(units=2, overlap=1)


def wish(person: Annotator, **wishes: object) -> None:
    Annotator.objects.filter(pk=person.pk).update(**wishes)
    person.refresh_from_db()


def why(person: Annotator, where: Campaign) -> Why:
    """Asked as the page does, after a claim has found nothing."""
    assert assignments.claim(person, where) == []
    return remainder.why(person, where)


def test_it_says_that_the_campaign_is_closed(ada: Annotator, kindness: Campaign) -> None:
    kindness.state = Campaign.State.CLOSED
    kindness.save()
    assert why(ada, kindness) == Why.CLOSED


@pytest.mark.parametrize("wishes", [{"languages": ["de"]}, {"avoided_topics": ["hate"]}])
def test_it_says_that_wishes_leave_nothing(ada: Annotator, kindness: Campaign, wishes: dict[str, list[str]]) -> None:
    kindness.units.update(topics=["hate"])
    wish(ada, **wishes)
    assert why(ada, kindness) == Why.WISHES


def test_it_says_that_others_hold_what_is_left(ada: Annotator, kindness: Campaign) -> None:
    assignments.claim(worlds.person("bob"), kindness, leases=2)
    assert why(ada, kindness) == Why.NOT_NOW
    wish(ada, languages=["de"])
    assert why(ada, kindness) == Why.DONE  # as far as it is theirs


def test_it_says_that_what_is_left_is_too_much_like_what_one_had(ada: Annotator, kindness: Campaign) -> None:
    first, second = Instruction.objects.order_by("pk")
    Instruction.objects.filter(pk=second.pk).update(parent=first, root=first)
    worlds.vote(ada, kindness)
    assert why(ada, kindness) == Why.NOT_NOW


def test_it_says_that_what_is_open_waits_for_other_people(ada: Annotator, kindness: Campaign) -> None:
    kindness.units.update(overlap=2)
    worlds.vote(ada, kindness)
    assignments.release(worlds.claimed(ada, kindness), Assignment.Reason.UNSURE)
    assert why(ada, kindness) == Why.OTHERS


def test_it_says_that_everything_is_labelled(ada: Annotator, kindness: Campaign) -> None:
    worlds.vote(ada, kindness)
    worlds.vote(ada, kindness)
    assert why(ada, kindness) == Why.DONE
    assert why(worlds.person("bob"), kindness) == Why.DONE


def test_the_page_says_why_and_leads_to_the_preferences(client: Client, ada: Annotator, kindness: Campaign) -> None:
    wish(ada, languages=["de"])
    client.force_login(ada)
    page = client.get(kindness.get_absolute_url()).content.decode()
    assert "What is left is in languages that you did not choose" in page
    assert '<a href="/preferences/">Change your preferences</a>' in page
    wish(ada, languages=[])
    assignments.claim(worlds.person("bob"), kindness, leases=2)
    page = client.get(kindness.get_absolute_url()).content.decode()
    assert "is with others at the moment" in page
    assert 'href="/preferences/">Change' not in page
