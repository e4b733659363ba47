"""Who is shown what on the pages of adjudication, and in the admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from annotate import adjudication, tallies
from annotate.adjudication import Ruling
from annotate.models import Annotator, Campaign, Decision, KnownAnswer, Unit
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

RULING = Ruling("casual", {}, "guideline", "The guideline on jokes says so.")
SAID = {"label": "casual", "cause": "guideline", "words": RULING.words}


def may_decide(name: str) -> Annotator:
    made = worlds.person(name)
    made.user_permissions.add(Permission.objects.get(codename="adjudicate"))
    return Annotator.objects.get(pk=made.pk)


@pytest.fixture
def kindness() -> Campaign:
    return worlds.campaign(units=1, overlap=2)


@pytest.fixture
def unit(kindness: Campaign) -> Unit:
    """Ada says casual, Cleo, who may decide, votes for caution."""
    first = worlds.vote(worlds.person("ada"), kindness)
    worlds.vote(may_decide("cleo"), kindness, "needs-caution")
    while tallies.fold():
        pass
    return first.unit


def at(name: str, *args: object) -> str:
    return reverse(f"adjudication-{name}", args=args)


def signed_in(annotator: Annotator) -> Client:
    client = Client()
    client.force_login(annotator)
    return client


def test_it_is_for_those_with_the_right_alone(unit: Unit) -> None:
    ada = signed_in(Annotator.objects.get(username="ada"))
    slug = unit.campaign.slug
    for address in (reverse("adjudication"), at("queue", slug), at("decided", slug), at("unit", slug, unit.pk)):
        assert ada.get(address).status_code == 403
        assert Client().get(address).status_code == 302
    for name in ("unit", "take-back", "known", "example"):
        assert ada.post(at(name, slug, unit.pk), SAID).status_code == 403
    assert not Decision.objects.exists()


def test_who_voted_finds_no_page_of_the_text(unit: Unit) -> None:
    cleo, slug = signed_in(Annotator.objects.get(username="cleo")), unit.campaign.slug
    assert at("unit", slug, unit.pk) not in cleo.get(at("queue", slug)).text
    assert cleo.get(at("unit", slug, unit.pk)).status_code == 404
    assert cleo.post(at("unit", slug, unit.pk), SAID).status_code == 404


def test_it_has_no_other_orders_and_pages(unit: Unit) -> None:
    dora, slug = signed_in(may_decide("dora")), unit.campaign.slug
    assert dora.get(at("queue", slug), {"order": "names"}).status_code == 404
    assert dora.get(at("queue", "nowhere")).status_code == 404
    assert dora.get(at("queue", slug), {"from": "many"}).status_code == 200
    assert dora.get(at("unit", slug, unit.pk + 1)).status_code == 404
    assert dora.get(at("queue", slug))["Cache-Control"].startswith("max-age=0")


def test_a_decision_of_meanwhile_is_told_and_nothing_is_lost(unit: Unit) -> None:
    dora, eve, slug = signed_in(may_decide("dora")), may_decide("eve"), unit.campaign.slug
    adjudication.decide(eve, unit.pk, RULING)
    answer = dora.post(at("unit", slug, unit.pk), SAID | {"words": "My own words."})
    assert answer.status_code == 422
    assert "Somebody decided this text meanwhile" in answer.text
    assert "My own words." in answer.text
    assert Decision.objects.get().adjudicator == eve


def test_hostile_words_are_words(unit: Unit) -> None:
    dora, slug = signed_in(may_decide("dora")), unit.campaign.slug
    words = "<script>alert(1)</script>{{ 7|add:7 }}"
    assert dora.post(at("unit", slug, unit.pk), SAID | {"words": words}).status_code == 302
    for address in (at("unit", slug, unit.pk), at("decided", slug)):
        page = dora.get(address).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7|add:7 }}" in page
        assert words not in page
    assert dora.post(at("example", slug, unit.pk)).status_code == 302
    guidelines = signed_in(Annotator.objects.get(username="ada")).get(reverse("guidelines", args=[slug])).text
    assert words not in guidelines
    assert "&lt;script&gt;" in guidelines


def test_a_curator_decides_and_makes_it_known_in_one_step(unit: Unit) -> None:
    grace, slug = signed_in(worlds.person("grace", is_staff=True)), unit.campaign.slug
    assert grace.post(at("unit", slug, unit.pk), SAID).status_code == 302
    assert grace.post(at("known", slug, unit.pk)).status_code == 302
    assert KnownAnswer.objects.get().unit == unit


def test_the_admin_lists_decisions_to_look_at(unit: Unit) -> None:
    decision = adjudication.decide(may_decide("dora"), unit.pk, RULING)
    grace = signed_in(worlds.person("grace", is_staff=True))
    listed = grace.get(reverse("admin:annotate_decision_changelist"))
    assert "decided by 1" in listed.text
    assert str(unit.instruction) not in listed.text
    address = reverse("admin:annotate_decision_change", args=[decision.pk])
    assert RULING.words in grace.get(address).text
    assert grace.post(address, {"label": "needs caution"}).status_code == 403
    assert grace.get(reverse("admin:annotate_decision_add")).status_code == 403
    adjudication.make_example(unit, Annotator.objects.get(username="grace"))
    assert grace.get(reverse("admin:annotate_decidedexample_changelist")).status_code == 200
