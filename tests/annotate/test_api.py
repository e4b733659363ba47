"""Agreement as JSON."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from annotate import api
from annotate.models import Annotator, Campaign
from tests.annotate import worlds

pytestmark = pytest.mark.django_db


@pytest.fixture
def kindness() -> Campaign:
    campaign = worlds.campaign(units=1, overlap=2)
    for name in ("olga", "bob"):
        worlds.vote(worlds.person(name), campaign)
    return campaign


def address(campaign: Campaign) -> str:
    return f"/api/v1/campaigns/{campaign.slug}/agreement/"


def test_it_gives_all_that_is_measured(kindness: Campaign, client: Client) -> None:
    client.force_login(worlds.person("root", is_staff=True))
    found = client.get(address(kindness)).json()
    assert found["waiting"] == 0
    assert found["base"]["percent_agreement"]["value"] == 1.0
    assert found["base"]["gwet_ac1"]["n_annotators"] == 2
    assert set(found["slices"]) == {"source", "language", "is_augmented", "campaign", "week"}
    assert client.get("/api/v1/campaigns/nothing/agreement/").status_code == 404


def test_nobody_else_is_answered(kindness: Campaign, client: Client) -> None:
    assert client.get(address(kindness)).status_code == 401
    client.force_login(Annotator.objects.get(username="olga"))
    assert client.get(address(kindness)).status_code == 403
    helper = worlds.person("helper")
    helper.is_staff = True
    helper.save()
    client.force_login(helper)
    assert client.get(address(kindness)).status_code == 403
    assert client.post(address(kindness)).status_code == 403


def test_annotators_are_told_under_pseudonyms_to_who_may_see_votes(kindness: Campaign, client: Client) -> None:
    there = f"/api/v1/campaigns/{kindness.slug}/annotators/"
    assert client.get(there).status_code == 401
    helper = worlds.person("helper")
    helper.is_staff = True
    helper.save()
    helper.user_permissions.set(Permission.objects.filter(codename="view_campaign"))
    client.force_login(helper)
    assert client.get(there).status_code == 403
    helper.user_permissions.set(Permission.objects.filter(codename__in=["view_campaign", "view_annotation"]))
    answer = client.get(there)
    found = answer.json()["annotators"]
    assert [one["n"] for one in found] == [1, 1]
    assert found[0]["loo_agreement"]["value"] == 1.0
    assert found[0]["gold_accuracy"]["reason"] == "this person has no vote on a known answer"
    ids = [one["id"] for one in found]
    assert ids == sorted(set(ids))
    olga = Annotator.objects.get(username="olga")
    assert api.pseudonym(kindness, olga.pk) in ids
    assert api.pseudonym(worlds.campaign(slug="other"), olga.pk) not in ids
    # Names that no pseudonym can have among its digits.
    assert b"olga" not in answer.content
    assert b"bob" not in answer.content
