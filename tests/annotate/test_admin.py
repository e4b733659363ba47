from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotate import campaigns, tallies
from annotate.models import Annotation, Campaign
from labels import loading
from tests.annotate import worlds
from tests.processes import Worker, wait_until

LIST = "/admin/annotate/campaign/"


@pytest.fixture
def admin(client: Client, db: None) -> Client:
    client.force_login(worlds.person("root", is_staff=True))
    return client


def act(admin: Client, action: str, campaign: Campaign) -> str:
    form = {"action": action, "_selected_action": [campaign.pk]}
    return admin.post(LIST, form, follow=True).content.decode()


def test_every_list_opens_and_does_not_grow_with_a_query_per_row(
    admin: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    kindness = worlds.campaign(units=30)
    for name in ("ada", "bob", "cyd"):
        ada = worlds.person(name)
        for _ in range(8):
            worlds.vote(ada, kindness)
    for model, found in (("annotator", "ada"), ("unit", "Letter"), ("assignment", "ada"), ("annotation", "ada")):
        with django_assert_max_num_queries(14):
            page = admin.get(f"/admin/annotate/{model}/?q={found}").content.decode()
        assert found in page
    with django_assert_max_num_queries(14):
        assert "24 of 90 (27%)" in admin.get(LIST).content.decode()


def test_what_people_said_can_be_looked_at_and_not_changed(admin: Client) -> None:
    worlds.vote(worlds.person("ada"), worlds.campaign())
    annotation = Annotation.objects.get()
    page = f"/admin/annotate/annotation/{annotation.pk}/"
    assert admin.get(f"{page}change/").status_code == 200
    assert admin.post(f"{page}change/", {"surplus": "on"}).status_code == 403
    assert admin.post(f"{page}delete/", {"post": "yes"}).status_code == 403
    assert admin.get("/admin/annotate/annotation/add/").status_code == 403


def test_votes_are_counted_anew_on_request(admin: Client) -> None:
    kindness = worlds.campaign(units=2)
    worlds.vote(worlds.person("ada"), kindness)
    tallies.fold()
    assert "A worker counts 2 texts" in act(admin, "count_anew", kindness)
    assert tallies.waiting() == 2


def test_a_volunteer_does_not_get_into_admin(client: Client, db: None) -> None:
    client.force_login(worlds.person("ada"))
    assert client.get(LIST).status_code == 302


def test_closing_stops_new_claims(admin: Client) -> None:
    kindness = worlds.campaign()
    assert "is closed" in act(admin, "close_campaigns", kindness)
    kindness.refresh_from_db()
    assert kindness.state == Campaign.State.CLOSED


def test_the_list_comes_again_by_itself_while_a_campaign_is_being_opened(admin: Client) -> None:
    worlds.campaign()
    assert "Refresh" not in admin.get(LIST)
    Campaign.objects.update(state=Campaign.State.OPENING)
    page = admin.get(LIST)
    assert page["Refresh"] == "3"
    assert "instructions are being placed" in page.content.decode()


def test_opening_a_campaign_without_instructions_says_what_to_do(admin: Client) -> None:
    empty = Campaign.objects.create(slug="e", title="Empty", label_set=loading.load_shipped_set("oig-safety"))
    assert "import one of its sources first" in act(admin, "open_campaigns", empty)


def test_an_opened_campaign_keeps_what_its_units_were_made_from(admin: Client) -> None:
    kindness = worlds.campaign()
    other = loading.load_shipped_set("oig-safety-direct")
    form = {
        "title": "Kindness, again",
        "slug": kindness.slug,
        "label_set": other.pk,
        "target": "dialogue",
        "overlap": 9,
        "aggregation": "rule",
        "seed": 5,
        "adjudicators": 1,
        "adjudicate_by": "alike",
        "lease_minutes": 10,
        "family_distance": 3,
        "qualification_percent": 0,
        "qualification_tries": 3,
        "qualification_wait_hours": 24,
        "gold_every": 10,
        "gold_least": 0,
        "gold_window": 30,
        "calm_after": 0,
        "sources": [source.pk for source in kindness.sources.all()],
        "order_rules-TOTAL_FORMS": 0,
        "order_rules-INITIAL_FORMS": 0,
    }
    answer = admin.post(reverse("admin:annotate_campaign_change", args=[kindness.pk]), form)
    assert answer.status_code == 302
    kindness.refresh_from_db()
    assert (kindness.title, kindness.lease_minutes, kindness.gold_every) == ("Kindness, again", 10, 10)
    assert (kindness.label_set.name, kindness.target, kindness.overlap) == ("oig-safety", "prompt", 3)


@pytest.mark.slow
def test_a_worker_opens_the_campaign(worker: Worker, client: Client) -> None:
    client.force_login(worlds.person("root", is_staff=True))
    kindness = worlds.campaign()
    Campaign.objects.update(state=Campaign.State.DRAFT)
    assert "is being opened" in act(client, "open_campaigns", kindness)
    wait_until(lambda: Campaign.objects.get().is_open, lambda: worker.logs)


@pytest.mark.slow
def test_beat_opens_what_a_lost_worker_left_and_sweeps_expired_leases(worker: Worker) -> None:
    kindness = worlds.campaign()
    held = worlds.claimed(worlds.person("ada"), kindness)
    type(held).objects.update(expires_at=held.claimed_at)
    Campaign.objects.update(state=Campaign.State.DRAFT)
    campaigns.request_opening(kindness)  # and nobody tells a worker
    wait_until(lambda: Campaign.objects.get().is_open, lambda: worker.logs)
    wait_until(lambda: not type(held).objects.live().exists(), lambda: worker.logs)


def change(admin: Client, campaign: Campaign, **changed: object) -> str:
    """Save the form of a campaign with these values changed, and rules given as {number: {field: value}}."""
    page = admin.get(f"{LIST}{campaign.pk}/change/")
    form = page.context["adminform"].form
    data = {name: value for name, value in form.initial.items() if name in form.fields and value is not None}
    data |= {"sources": [source.pk for source in campaign.sources.all()], "groups": []}
    data |= {"order_rules-TOTAL_FORMS": 0, "order_rules-INITIAL_FORMS": 0}
    return admin.post(f"{LIST}{campaign.pk}/change/", data | changed, follow=True).content.decode()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_applies_overlap_and_order_of_an_open_campaign(admin: Client, worker: Worker) -> None:
    kindness = worlds.campaign(units=3, overlap=2)
    rule = {"order_rules-TOTAL_FORMS": 1, "order_rules-0-tier": 1, "order_rules-0-language": "en"}
    page = change(admin, kindness, overlap=4, **rule)
    assert "changes the overlap of every unit to 4" in page

    def seen() -> set[tuple[int, int]]:
        return set(kindness.units.values_list("overlap", "tier"))

    wait_until(lambda: seen() == {(4, 1)}, lambda: f"{seen()}")
    kindness.refresh_from_db()
    assert kindness.overlap == 4


def test_rules_that_fit_nothing_are_doubted(admin: Client) -> None:
    kindness = worlds.campaign()
    rule = {"order_rules-TOTAL_FORMS": 1, "order_rules-0-tier": 1, "order_rules-0-topic": "hat"}
    page = change(admin, kindness, **rule)
    assert "suggests the tag &#x27;hat&#x27;; name it by its code" in page
