"""Two people of a campaign beside each other."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from annotate import tallies
from annotate.models import Annotation, Annotator, Campaign
from tests.annotate import worlds

ADA, BOB = ("casual", "casual", "needs-caution", "casual"), ("casual", "needs-caution", "needs-caution", "casual")


@pytest.fixture
def kindness(db: None) -> Campaign:
    """Ada and Bob answered four texts, Bob a fifth too; Cyd another alone."""
    made = worlds.campaign(units=6)
    for name, answers in {"ada": ADA, "bob": (*BOB, "needs-intervention")}.items():
        person = worlds.person(name)
        for answer in answers:
            worlds.vote(person, made, answer)
    unit = made.units.order_by("-pk")[0]
    said = Annotation.objects.all()[0]
    Annotation.objects.create(unit=unit, annotator=worlds.person("cyd"), choice=said.choice, key=uuid.uuid4())
    tallies.fold()
    return made


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(worlds.person("root", is_staff=True))
    return client


def address(made: Campaign, rest: str = "/", **people: str) -> str:
    asked = "&".join(f"{key}={Annotator.objects.get(username=name).pk}" for key, name in people.items())
    return f"/admin/annotate/campaign/{made.pk}/quality/pair{rest}?{asked}"


def test_their_answers_to_the_same_texts_are_told_with_how_far_they_agree(kindness: Campaign, admin: Client) -> None:
    found = admin.get(address(kindness, ".json", one="ada", other="bob")).json()
    assert (found["n"], found["met"]) == (4, [[2, 1, 0], [0, 1, 0], [0, 0, 0]])
    assert found["agreement"]["percent_agreement"]["value"] == 0.75
    # Observed .75; by chance Ada .75, .25 and Bob .5, .5 give .5.
    assert found["agreement"]["conger_kappa"]["value"] == pytest.approx(0.5)
    low, high = found["agreement"]["percent_agreement"]["ci95_items"]
    assert low < 0.75 < high
    turned = admin.get(address(kindness, ".json", one="bob", other="ada")).json()
    assert turned["met"] == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    page = admin.get(address(kindness, one="ada", other="bob")).content.decode()
    assert "4 texts answered by both" in page
    assert "of these two people and of nobody else" in page
    lines = admin.get(address(kindness, "/pair-confusion.csv", one="ada", other="bob")).content.decode().splitlines()
    assert lines[1].startswith("casual,0.66")
    for wrong in (address(kindness, "/nothing.csv", one="ada", other="bob"), address(kindness, "/pair-agreement.csv")):
        assert admin.get(wrong).status_code == 404


def test_two_who_share_no_text_have_nulls_with_a_reason(kindness: Campaign, admin: Client) -> None:
    found = admin.get(address(kindness, ".json", one="ada", other="cyd")).json()
    assert (found["n"], {each["value"] for each in found["agreement"].values()}) == (0, {None})
    assert all(each["reason"] for each in found["agreement"].values())
    assert "0 texts answered by both" in admin.get(address(kindness, one="ada", other="cyd")).content.decode()


def test_the_second_is_chosen_on_the_page_and_nobody_is_compared_with_themselves(
    kindness: Campaign, admin: Client
) -> None:
    page = admin.get(address(kindness, one="ada")).content.decode()
    ada = Annotator.objects.get(username="ada")
    assert f'<option value="{ada.pk}" selected>ada</option>' in page
    assert "errorlist" not in page
    assert "Choose two different people." in admin.get(address(kindness, one="ada", other="ada")).content.decode()
    assert admin.get(address(kindness, ".json", one="ada", other="ada")).status_code == 400


def test_who_may_not_see_votes_does_not_get_in(kindness: Campaign, client: Client) -> None:
    client.force_login(worlds.person("helper"))
    assert client.get(address(kindness, one="ada", other="bob")).status_code == 302
