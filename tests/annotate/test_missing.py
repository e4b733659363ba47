from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from annotate import assignments, missing
from annotate.models import Annotator, Campaign, Unit
from annotate.statements import rows
from sources.models import Instruction
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def look(campaign: Campaign, later: timedelta = HOUR) -> missing.Missing:
    return missing.look(campaign, timezone.now() + later)


@pytest.fixture
def kindness() -> Campaign:
    """Four units in English and two in Japanese, one of which is expected to be about hate; three votes each."""
    where = worlds.campaign(units=6)
    japanese = list(Instruction.objects.order_by("pk")[:2])
    for instruction in japanese:
        instruction.language = "ja"
        instruction.save()
    Unit.objects.filter(instruction=japanese[0]).update(topics=["hate"])
    return where


def reader(name: str, where: Campaign, **wishes: list[str]) -> Annotator:
    """Somebody who has voted once, and wishes for this since."""
    person = worlds.person(name)
    worlds.vote(person, where)
    Annotator.objects.filter(pk=person.pk).update(**wishes)
    return person


def test_it_names_the_starved_languages_first(kindness: Campaign) -> None:
    reader("ada", kindness, languages=["en"])
    found = {need.name: need for need in look(kindness).languages}
    assert [need.name for need in look(kindness).languages] == ["ja", "en"]
    assert (found["ja"].units, found["ja"].readers, found["en"].readers) == (2, 0, 1)
    assert found["ja"].slots + found["en"].slots == 17


def test_who_has_no_wishes_reads_everything_and_who_was_long_away_nothing(kindness: Campaign) -> None:
    reader("ada", kindness)
    assert {need.readers for need in look(kindness).languages} == {1}
    assert {need.readers for need in look(kindness, timedelta(days=31)).languages} == {0}


def test_it_counts_who_has_opted_out_of_a_topic(kindness: Campaign) -> None:
    reader("ada", kindness, avoided_topics=["hate"])
    reader("bob", kindness)
    assert [(need.name, need.units, need.readers) for need in look(kindness).topics] == [("hate", 1, 1)]


def test_it_counts_only_the_invited(kindness: Campaign) -> None:
    ada = reader("ada", kindness)
    club = Group.objects.create(name="club")
    kindness.groups.add(club)
    assert {need.readers for need in look(kindness).languages} == {0}
    ada.groups.add(club)
    assert {need.readers for need in look(kindness).languages} == {1}


def test_the_page_says_in_words_who_is_missing(kindness: Campaign, client: Client) -> None:
    reader("ada", kindness, languages=["en"], avoided_topics=["hate"])
    client.force_login(worlds.person("root", is_staff=True))
    page = client.get(f"/admin/annotate/campaign/{kindness.pk}/missing/").content.decode()
    assert "open slots in ja: nobody who reads it was here" in page
    assert "on hate: everybody who was here in the last 30 days has opted out of it" in page


@pytest.mark.parametrize("invited", [True, False])
@pytest.mark.parametrize("member", [True, False])
@pytest.mark.parametrize("active", [True, False])
def test_the_campaign_is_open_to_the_same_people_everywhere(invited: bool, member: bool, active: bool) -> None:
    kindness, ada, club = worlds.campaign(), worlds.person("ada"), Group.objects.create(name="club")
    if invited:
        kindness.groups.add(club)
    if member:
        ada.groups.add(club)
    Annotator.objects.filter(pk=ada.pk).update(is_active=active)
    ada.refresh_from_db()
    expected = active and (member or not invited)
    assert Campaign.objects.open_to(ada).exists() == expected
    assert (assignments.claim_next(ada, kindness) is not None) == expected
    values = {"annotator": ada.pk, "campaign": kindness.pk, "leases": 1, "patient": False}
    assert bool(rows(assignments.CLAIM, values)) == expected


def test_the_pages_are_there_for_the_invited_only(client: Client) -> None:
    kindness, ada, club = worlds.campaign(), worlds.person("ada"), Group.objects.create(name="club")
    kindness.groups.add(club)
    client.force_login(ada)
    assert "Kindness" not in client.get("/campaigns/").content.decode()
    assert client.get(kindness.get_absolute_url()).status_code == 404
    ada.groups.add(club)
    assert "Kindness" in client.get("/campaigns/").content.decode()
    assert client.get(kindness.get_absolute_url()).status_code == 200
