"""The admin's pages of policies of overlap, and of the ways to add up votes."""

from __future__ import annotations

import pytest
from django.test import Client

from annotate import stopping
from annotate.models import Campaign, StoppingRule
from tests.annotate import worlds
from tests.annotate.test_stopping import taught  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db

POLICY = {"minimum": "2", "cap": "3", "target": "0.85"}


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(worlds.person("root", is_staff=True))
    return client


def address(campaign: Campaign, page: str) -> str:
    return f"/admin/annotate/campaign/{campaign.pk}/{page}/"


def test_a_policy_is_looked_at_before_it_is_used(taught: Campaign, admin: Client) -> None:  # noqa: F811
    page = admin.get(address(taught, "overlap")).content.decode()
    assert "3 votes for every text." in page
    page = admin.get(address(taught, "overlap"), POLICY).content.decode()
    assert "2 to 3" in page
    assert "fixed 3" in page
    assert "Use this policy" in page
    assert not StoppingRule.objects.exists()


def test_a_policy_is_used_and_dropped(
    taught: Campaign,  # noqa: F811
    admin: Client,
) -> None:
    page = admin.post(address(taught, "overlap"), POLICY, follow=True).content.decode()
    rule = StoppingRule.objects.get()
    assert rule.made_by is not None
    assert f"A worker brings Kindness to 2 to 3 votes, version {rule.version[:8]}" in page
    stopping.use(taught, rule)
    page = admin.get(address(taught, "overlap")).content.decode()
    assert "2 to 3 votes, by the table of" in page
    assert "Back to 2 votes for every text" in page
    change = admin.get(f"/admin/annotate/campaign/{taught.pk}/change/").content.decode()
    assert "The least that a text gets; a policy decides what more." in change
    page = admin.post(address(taught, "overlap"), {"drop": "1"}, follow=True).content.decode()
    assert "A worker has every text want 2 votes again" in page


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"minimum": "5", "cap": "3"}, "The cap is below the minimum: raise it."),
        ({"minimum": "0"}, "greater than or equal to 1"),
        ({"target": "2"}, "less than or equal to 1"),
    ],
)
def test_it_says_what_is_wrong_with_a_policy(wrong: dict[str, str], words: str, admin: Client) -> None:
    campaign = worlds.campaign()
    assert words in admin.get(address(campaign, "overlap"), POLICY | wrong).content.decode()
    assert words in admin.post(address(campaign, "overlap"), POLICY | wrong, follow=True).content.decode()


def test_without_gold_no_policy_can_be_tuned(admin: Client) -> None:
    campaign = worlds.campaign()
    worlds.vote(worlds.person("ada"), campaign)
    words = "0 known answers have votes; give at least 30."
    assert words in admin.get(address(campaign, "overlap"), POLICY).content.decode()
    assert words in admin.post(address(campaign, "overlap"), POLICY, follow=True).content.decode()


def test_the_ways_to_add_up_votes_stand_side_by_side(taught: Campaign, admin: Client) -> None:  # noqa: F811
    page = admin.get(address(taught, "methods")).content.decode()
    for name in ("majority", "median", "Dawid-Skene, pooled prior and gold", "shared confusion, from gold"):
        assert name in page
    assert "on 120 votes" in page


def test_a_campaign_without_votes_has_no_ways_to_compare(admin: Client) -> None:
    assert "There are no votes yet." in admin.get(address(worlds.campaign(), "methods")).content.decode()


def test_without_gold_methods_are_compared_with_each_other(admin: Client) -> None:
    campaign = worlds.campaign()
    for name in ("ada", "bob"):
        worlds.vote(worlds.person(name), campaign)
    page = admin.get(address(campaign, "methods")).content.decode()
    assert "undefined: no unit with a known answer has a vote" in page


@pytest.mark.parametrize("page", ["overlap", "methods"])
def test_nobody_else_gets_in(page: str, client: Client) -> None:
    campaign = worlds.campaign()
    assert client.get(address(campaign, page)).status_code == 302
    client.force_login(worlds.person("ada"))
    assert client.get(address(campaign, page)).status_code == 302
    helper = worlds.person("helper")
    helper.is_staff = True
    helper.save()
    client.force_login(helper)
    assert client.get(address(campaign, page)).status_code == 403
    assert client.post(address(campaign, page), POLICY).status_code == 403
