"""The language of an answer: chosen, else the browser's, else English; English for programs and curators."""

import pytest
from django.conf import settings
from django.test import Client

from annotate.models import Annotator
from tests.annotate import worlds

pytestmark = pytest.mark.django_db
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def test_it_answers_in_the_language_of_the_browser() -> None:
    response = Client(headers=GERMAN).get("/")
    assert '<html lang="de" dir="ltr">' in response.text
    assert response.headers["Content-Language"] == "de"
    assert {"Accept-Language", "Cookie"} <= set(response.headers["Vary"].split(", "))


def test_it_answers_in_english_where_it_knows_none_of_the_languages() -> None:
    response = Client(headers={"Accept-Language": "nl"}).get("/")
    assert '<html lang="en" dir="ltr">' in response.text


def test_what_was_chosen_goes_before_what_the_browser_asks_for() -> None:
    client = Client(headers=GERMAN)
    response = client.post("/i18n/setlang/", {"language": "ar", "next": "/releases/?x=1"})
    assert response.headers["Location"] == "/releases/?x=1"
    assert '<html lang="ar" dir="rtl">' in client.get("/").text


def test_it_remembers_nothing_but_the_language_and_only_of_whoever_chose_one() -> None:
    client = Client()
    client.get("/")
    client.get("/releases/")
    assert client.cookies == {}
    client.post("/i18n/setlang/", {"language": "fr"})
    (cookie,) = client.cookies.values()
    assert (cookie.key, cookie.value) == (settings.LANGUAGE_COOKIE_NAME, "fr")
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_a_language_that_is_not_offered_changes_nothing() -> None:
    client = Client()
    client.post("/i18n/setlang/", {"language": "tlh"})
    assert client.cookies == {}


@pytest.mark.parametrize("elsewhere", ["https://example.org/", "//example.org/", "javascript:alert(1)"])
def test_it_never_leads_to_another_site(elsewhere: str) -> None:
    response = Client().post("/i18n/setlang/", {"language": "de", "next": elsewhere})
    assert response.headers["Location"] == "/"


def test_another_site_cannot_change_it() -> None:
    client = Client(headers={"Sec-Fetch-Site": "cross-site"})
    assert client.post("/i18n/setlang/", {"language": "de"}).status_code == 403
    assert client.cookies == {}


def test_the_admin_is_in_english_for_everybody(client: Client) -> None:
    client.force_login(Annotator.objects.create_superuser("grace"))
    for address in ("/admin/", "/admin/annotate/campaign/", "/admin/nothing-here/"):
        response = client.get(address, headers=GERMAN)
        assert 'lang="en' in response.text
        assert "Abmelden" not in response.text
    assert "Abmelden" in client.get("/", headers=GERMAN).text


def test_what_is_no_page_is_the_same_for_everybody() -> None:
    response = Client(headers=GERMAN).get("/healthz")
    assert "Content-Language" not in response.headers
    assert "Accept-Language" not in response.headers.get("Vary", "")


def test_numbers_are_written_as_the_language_does_and_only_where_people_read_them() -> None:
    worlds.campaign(units=1500)
    page = Client(headers=GERMAN).get("/").text
    assert "0 von 4.500 Stimmen" in page
    assert 'max="4500"' in page
