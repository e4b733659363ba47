"""The admin's pages of policies of overlap, and of the ways to add up votes."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client

from annotate import methods, stopping, tallies
from annotate.models import Campaign, KnownAnswer, StoppingRule
from labels import comparison
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


def shown(campaign: Campaign, admin: Client) -> dict[str, str]:
    """What the form of the page that shows the policy sends."""
    version = admin.get(address(campaign, "overlap"), POLICY).context["table"].version
    return {**POLICY, "version": version, "labels_may_shift": "on"}


def test_a_policy_is_used_and_dropped(
    taught: Campaign,  # noqa: F811
    admin: Client,
) -> None:
    page = admin.post(address(taught, "overlap"), shown(taught, admin), follow=True).content.decode()
    rule = StoppingRule.objects.get()
    assert rule.made_by is not None
    assert f"A worker brings Kindness to 2 to 3 votes, version {rule.version[:8]}" in page
    stopping.use(taught, rule)
    page = admin.get(address(taught, "overlap")).content.decode()
    assert "2 to 3 votes, by the table of" in page
    assert "Back to 3 votes for every text" in page
    measures = admin.get(address(taught, "measures")).content.decode()
    assert "percent agreement and AC1 come out too high" in measures
    change = admin.get(f"/admin/annotate/campaign/{taught.pk}/change/").content.decode()
    assert "The least that a text gets; a policy decides what more." in change
    page = admin.post(address(taught, "overlap"), {"drop": "1"}, follow=True).content.decode()
    assert "A worker has every text want 3 votes again" in page


def test_what_was_not_looked_at_or_accepted_is_not_used(taught: Campaign, admin: Client) -> None:  # noqa: F811
    sent = shown(taught, admin)
    page = admin.post(address(taught, "overlap"), sent | {"version": "0" * 64}, follow=True).content.decode()
    assert "look again" in page
    assert "Use this policy" in page  # of the policy as it is now
    del sent["labels_may_shift"]
    page = admin.post(address(taught, "overlap"), sent, follow=True).content.decode()
    assert "Tick that you accept this" in page
    assert not StoppingRule.objects.exists()


def test_the_page_warns_of_labels_that_say_how_readers_divide(taught: Campaign, admin: Client) -> None:  # noqa: F811
    page = admin.get(address(taught, "overlap"), POLICY).content.decode()
    assert "“possibly needs caution” goes from" in page
    assert 'name="labels_may_shift" required' in page
    assert "More gold tells more." in page
    Campaign.objects.update(aggregation=Campaign.Aggregation.MAJORITY)
    page = admin.get(address(taught, "overlap"), POLICY).content.decode()
    assert "goes from" not in page
    assert "labels_may_shift" not in page


def test_figures_are_also_csv_and_json(taught: Campaign, admin: Client) -> None:  # noqa: F811
    where = f"/admin/annotate/campaign/{taught.pk}"
    found = admin.get(f"{where}/overlap.json", POLICY).json()
    assert [row["policy"] for row in found["policies"]] == ["2 to 3", "fixed 2", "fixed 3", "fixed 5"]
    assert found["figures"]["policies"]["rows"][0]["Right on gold"]["value"] == found["table"]["accuracy"]
    assert found["warnings"]
    lines = admin.get(f"{where}/overlap/labels.csv", POLICY).content.decode().splitlines()
    assert lines[0] == "Label,2 to 3,fixed 2,fixed 3,fixed 5"
    assert lines[-1].startswith("no label,")
    assert admin.get(f"{where}/overlap/nothing.csv", POLICY).status_code == 404
    assert admin.get(f"{where}/overlap.json", POLICY | {"minimum": "0"}).status_code == 422
    found = admin.get(f"{where}/methods.json").json()
    assert found["n_votes"] == 120
    assert "Right where it gives an option" in found["figures"]["methods"]["rows"][0]
    assert admin.get(f"{where}/methods/methods.csv").content.decode().startswith("Method,Right on gold,")
    assert admin.get(f"{where}/methods/nothing.csv").status_code == 404


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"minimum": "5", "cap": "3"}, "The cap is not above the minimum: raise it."),
        ({"minimum": "0"}, "greater than or equal to 1"),
        ({"target": "2"}, "less than or equal to 0.999"),
    ],
)
def test_it_says_what_is_wrong_with_a_policy(wrong: dict[str, str], words: str, admin: Client) -> None:
    campaign = worlds.campaign()
    assert words in admin.get(address(campaign, "overlap"), POLICY | wrong).content.decode()
    sent = POLICY | {"version": "0"} | wrong
    assert words in admin.post(address(campaign, "overlap"), sent, follow=True).content.decode()


def test_without_gold_no_policy_can_be_tuned(admin: Client) -> None:
    campaign = worlds.campaign()
    worlds.vote(worlds.person("ada"), campaign)
    words = "0 known answers have votes; give at least 30."
    assert words in admin.get(address(campaign, "overlap"), POLICY).content.decode()
    sent = POLICY | {"version": "0", "labels_may_shift": "on"}
    assert words in admin.post(address(campaign, "overlap"), sent, follow=True).content.decode()


def test_the_ways_to_add_up_votes_stand_side_by_side(taught: Campaign, admin: Client) -> None:  # noqa: F811
    page = admin.get(address(taught, "methods")).content.decode()
    for name in ("majority", "median", "Dawid-Skene, pooled prior and gold", "shared confusion, from gold"):
        assert name in page
    assert "on 120 votes of 40 texts" in page
    assert "looks worse there than it is" in page


def test_the_ways_are_compared_anew_only_after_a_change(taught: Campaign, monkeypatch: Any) -> None:  # noqa: F811
    tallies.fold()
    first = methods.kept(taught)
    assert first is not None
    with monkeypatch.context() as patched:
        patched.setattr(comparison, "compare", None)
        again = methods.kept(taught)
    assert again is not None
    assert again.found == first.found
    told = {row.title: row for row in methods.figures(first.found)}["How the models were estimated"]
    assert told.rows == [(methods.NAMES[name], one["rounds"], "yes") for name, one in first.found.convergence.items()]
    KnownAnswer.objects.all().delete()
    later = methods.kept(taught)
    assert later is not None
    assert {score.n_gold for score in later.found.scores} == {0}


def test_a_campaign_without_votes_has_no_ways_to_compare(admin: Client) -> None:
    assert "There are no votes yet." in admin.get(address(worlds.campaign(), "methods")).content.decode()


def test_without_gold_methods_are_compared_with_each_other(admin: Client) -> None:
    campaign = worlds.campaign()
    assert admin.get(f"/admin/annotate/campaign/{campaign.pk}/methods.json").json()["problem"]
    for name in ("ada", "bob"):
        worlds.vote(worlds.person(name), campaign)
    page = admin.get(address(campaign, "methods")).content.decode()
    assert "undefined: no unit with a known answer has a vote" in page


def test_gold_that_is_added_gets_the_cap(taught: Campaign, admin: Client) -> None:  # noqa: F811
    sent = shown(taught, admin)
    admin.post(address(taught, "overlap"), sent)
    stopping.use(taught, StoppingRule.objects.get())
    known = KnownAnswer.objects.first()
    assert known is not None
    known.delete()
    with patch("annotate.tasks.settle.delay_on_commit") as settle:
        answer = {"unit": known.unit_id, "choice": known.choice_id, "tags": "{}", "phase": "gold"}
        page = admin.post("/admin/annotate/knownanswer/add/", answer, follow=True)
        assert page.status_code == 200
    settle.assert_called_once_with(taught.pk)


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
