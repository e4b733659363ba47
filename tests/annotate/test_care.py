from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.core import checks
from django.test import Client

from annotate import assignments, care, help_lines
from annotate.models import Annotator, Assignment, Campaign, Consent, Participation
from annotate.statements import one
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

LABEL = "/campaigns/kindness/label/"
QUEUE = {"Accept": "application/json"}


@pytest.fixture
def kindness() -> Campaign:
    return worlds.campaign(units=6)


@pytest.fixture
def ada(client: Client) -> Annotator:
    ada = worlds.person("ada")
    client.force_login(ada)
    return ada


def stranger(client: Client) -> Annotator:
    """Somebody who did not agree yet, signed in."""
    bob = Annotator.objects.create_user("bob")
    client.force_login(bob)
    return bob


# Consent.


def test_nobody_is_given_a_text_before_they_agreed(client: Client, kindness: Campaign) -> None:
    bob = stranger(client)
    assert assignments.claim(bob, kindness, 2) == []
    answer = client.get(LABEL)
    assert answer.status_code == 302
    assert answer["Location"] == f"/consent/?next={LABEL}"
    assert client.get(f"{LABEL}answers/")["Location"].startswith("/consent/")
    assert client.get(LABEL, headers={"HX-Request": "true"})["HX-Redirect"].startswith("/consent/")
    cards = client.post(f"{LABEL}cards/", {"holding": ""}, headers=QUEUE).json()
    assert (cards["leases"], cards["elsewhere"]) == ([], "/consent/")
    assert not Assignment.objects.exists()
    assert not Participation.objects.exists()


def test_agreeing_is_recorded_with_its_version_and_leads_on(client: Client, kindness: Campaign) -> None:
    bob = stranger(client)
    assert "despair, self-harm and suicide" in client.get(f"/consent/?next={LABEL}").content.decode()
    assert client.post("/consent/", {"version": care.CONSENT, "next": LABEL})["Location"] == LABEL
    assert Consent.objects.get().version == care.CONSENT
    assert client.get(LABEL).status_code == 200
    assert "You agreed on" in client.get("/consent/").content.decode()
    bob.refresh_from_db()
    assert bob.consented == care.CONSENT


def test_it_takes_no_consent_to_another_version_and_leads_to_no_other_site(client: Client) -> None:
    stranger(client)
    assert client.post("/consent/", {"version": care.CONSENT + 1}).status_code == 200
    assert client.post("/consent/", {"version": "all"}).status_code == 200
    assert not Consent.objects.exists()
    elsewhere = client.post("/consent/", {"version": care.CONSENT, "next": "https://example.org/"})
    assert elsewhere["Location"] == "/campaigns/"


def test_a_new_version_asks_everybody_again_whatever_they_hold(client: Client, kindness: Campaign) -> None:
    ada = worlds.person("ada")
    client.force_login(ada)
    worlds.claimed(ada, kindness)
    Consent.objects.create(annotator=ada, version=care.CONSENT + 1)
    Annotator.objects.update(consented=care.CONSENT + 1)  # as before the present version came
    ada.refresh_from_db()
    assert assignments.claim(ada, kindness, 2) == []
    assert client.get(LABEL).status_code == 302
    assert "This page has changed" in client.get("/consent/").content.decode()


def test_an_answer_that_was_on_its_way_is_kept_without_consent(client: Client, kindness: Campaign) -> None:
    ada = worlds.person("ada")
    client.force_login(ada)
    held = worlds.claimed(ada, kindness)
    Annotator.objects.update(consented=0)
    form = {"assignment": held.pk, "key": "00000000-0000-4000-8000-000000000000", "choice": "casual"}
    told = client.post(f"{LABEL}submit/", form, headers=QUEUE).json()
    assert (told["outcome"], told["leases"], told["elsewhere"]) == ("saved", [], "/consent/")


def test_consent_taken_back_gives_back_what_is_held(client: Client, ada: Annotator, kindness: Campaign) -> None:
    client.post("/consent/", {"version": care.CONSENT})
    worlds.claimed(ada, kindness)
    client.post("/consent/", {"withdraw": "yes"})
    assert not Assignment.objects.live().exists()
    assert Consent.objects.get().withdrawn_at is not None
    assert client.get(LABEL).status_code == 302


def test_the_database_knows_the_version_of_the_page() -> None:
    assert one("SELECT annotate_consent()", {})[0] == care.CONSENT


def test_votes_of_datasets_and_simulations_ask_nobody(kindness: Campaign) -> None:
    reader = Annotator.objects.create(username="simulated", kind=Annotator.Kind.SIMULATED)
    assert len(assignments.claim(reader, kindness, 2)) == 2


# The quick exit.


def test_leaving_gives_everything_back_and_counts_nothing(client: Client, ada: Annotator, kindness: Campaign) -> None:
    units = {lease.unit_id for lease in assignments.claim(ada, kindness, 2)}
    answer = client.post("/leave/")
    assert (answer.status_code, answer["Location"]) == (302, "/away/")
    ended = Assignment.objects.filter(annotator=ada)
    assert set(ended.values_list("state", "reason")) == {("declined", "quick exit")}
    assert worlds.problems(kindness) == []
    assert {lease.unit_id for lease in assignments.claim(worlds.person("bob"), kindness, 2)} == units


def test_whoever_left_is_shown_nothing_in_any_tab_until_they_come_back(
    client: Client, ada: Annotator, kindness: Campaign
) -> None:
    fled = {lease.unit_id for lease in assignments.claim(ada, kindness, 2)}
    client.post("/leave/")
    for address in (LABEL, f"{LABEL}?revise=last", f"{LABEL}answers/"):
        assert client.get(address)["Location"] == "/away/"
    cards = client.post(f"{LABEL}cards/", {"holding": ""}, headers=QUEUE).json()
    assert (cards["leases"], cards["elsewhere"]) == ([], "/away/")
    ada.refresh_from_db()
    assert assignments.claim(ada, kindness, 2) == []
    assert "Letter" not in client.get("/away/").content.decode()
    assert client.post("/away/")["Location"] == "/campaigns/"
    assert client.get(LABEL).status_code == 200
    assert not {lease.unit_id for lease in assignments.claim(ada, kindness, 2)} & fled


def test_a_way_out_and_help_are_on_every_labelling_page(client: Client, ada: Annotator, kindness: Campaign) -> None:
    finished = worlds.campaign(units=1, slug="finished")
    worlds.vote(ada, finished)
    for address in (LABEL, "/campaigns/finished/label/", f"{LABEL}?revise=last", f"{LABEL}answers/"):
        page = client.get(address).content.decode()
        assert 'action="/leave/"' in page, address
        assert "Help lines" in page, address
    assert "&quot;leave&quot;: &quot;-&quot;" in client.get(LABEL).content.decode()


# Lines to call.


@pytest.mark.parametrize("line", help_lines.lines(), ids=lambda line: f"{line.country} {line.number}")
def test_a_line_is_whole(line: help_lines.Line) -> None:
    assert line.is_valid, "the numbering plan of its country has no such number"
    assert line.country in help_lines.COUNTRIES
    assert line.address.startswith("https://")
    assert line.source.startswith("https://")
    assert line.name
    assert line.languages
    assert all(len(code) == 2 and code.islower() for code in line.languages)
    assert date(2026, 1, 1) < line.checked <= date.today()


def test_a_line_that_nobody_looked_up_for_a_year_is_named_by_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    newest = max(line.checked for line in help_lines.lines())
    assert help_lines.stale(newest) == []
    assert len(help_lines.stale(newest + timedelta(days=366))) == len(help_lines.lines())
    monkeypatch.setattr(help_lines, "STALE", timedelta(days=-1000))
    assert {found.id for found in help_lines.check_lines()} == {"annotate.W001"}
    assert all(found.level == checks.WARNING for found in help_lines.check_lines())


def test_countries_of_the_page_s_language_come_first(client: Client, ada: Annotator) -> None:
    assert [country.code for country in help_lines.by_country("fr")][:3] == ["CA", "FR", "CH"]
    page = client.get("/help/").content.decode()
    assert 'href="tel:988"' in page
    assert 'href="tel:+498001110111"' in page
