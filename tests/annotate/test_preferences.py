from __future__ import annotations

import pytest
from django.test import Client

from annotate import assignments, campaigns
from annotate.models import Annotator, Unit, VoteSharing
from tests.annotate import worlds

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client) -> Annotator:
    signed_in = worlds.person("ada")
    client.force_login(signed_in)
    return signed_in


def send(client: Client, **fields: object) -> str:
    """The page after sending the form; key fields are named key_ACTION here."""
    data = {name.replace("key_", "key-", 1) if name.startswith("key_") else name: said for name, said in fields.items()}
    return client.post("/preferences/", {"keys_enabled": "on", **data}, follow=True).content.decode()


def test_it_offers_the_languages_and_topics_of_open_campaigns(client: Client, ada: Annotator) -> None:
    kindness = worlds.campaign()
    Unit.objects.filter(pk=kindness.units.first().pk).update(language="de")  # type: ignore[union-attr]
    closed = worlds.campaign(slug="closed")
    closed.units.update(language="fr")
    campaigns.close(closed)
    page = client.get("/preferences/").content.decode()
    assert 'lang="de" dir="auto">Deutsch<' in page
    assert ">English<" in page
    assert "rançais</span>" not in page
    assert 'value="hate"' in page
    assert 'name="key-label:hate"' in page


def test_it_keeps_what_was_chosen_and_offers_it_again(client: Client, ada: Annotator) -> None:
    kindness = worlds.campaign()
    page = send(client, languages=["en"], avoided_topics=["hate"], **{"key_label:hate": "X", "key_undo": "esc"})
    assert "would do two things: “Skip” and “Change the last answer”" in page
    page = send(
        client, languages=["en"], avoided_topics=["hate"], **{"key_label:hate": "X", "key_undo": "esc", "key_skip": "q"}
    )
    assert "Saved." in page
    ada.refresh_from_db()
    assert (ada.languages, ada.avoided_topics, ada.keys_enabled) == (["en"], ["hate"], True)
    assert ada.keys == {"label:hate": "x", "undo": "Escape", "skip": "q"}
    campaigns.close(kindness)
    page = client.get("/preferences/").content.decode()
    assert 'value="en" id="id_languages_0" checked' in page
    assert 'value="hate" id="id_avoided_topics_0" checked' in page


def test_it_switches_single_keys_off(client: Client, ada: Annotator) -> None:
    client.post("/preferences/", {})
    ada.refresh_from_db()
    assert not ada.keys_enabled


def test_it_keeps_nothing_of_a_form_with_an_error(client: Client, ada: Annotator) -> None:
    worlds.campaign()
    answer = client.post("/preferences/", {"languages": ["en"], "key-undo": "h"})
    assert answer.status_code == 422
    assert "“H” would do two things: “hate” and “Change the last answer”." in answer.content.decode()
    assert 'name="key-undo" value="h"' in answer.content.decode()
    ada.refresh_from_db()
    assert (ada.languages, ada.keys) == ([], {})


def test_it_refuses_languages_and_topics_that_nobody_offered(client: Client, ada: Annotator) -> None:
    worlds.campaign()
    assert client.post("/preferences/", {"languages": ["tlh"], "avoided_topics": ["rain"]}).status_code == 422


def test_it_asks_that_keys_work_in_every_open_label_set(client: Client, ada: Annotator) -> None:
    worlds.campaign()
    origin = worlds.source("direct-letters")
    worlds.instructions(origin, [worlds.says("Directly")])
    worlds.opened(origin, slug="direct", label_set="oig-safety-direct")
    assert "would do two things" in send(client, key_undo="5")  # five answers in one set, three in the other
    page = send(client, **{"key_label:needs-caution": "6"})
    assert "Saved." in page
    assert 'usually <kbd lang="en" dir="ltr">2 / 4</kbd>' in page


def test_it_leaves_keys_of_labels_that_are_not_open_alone(client: Client, ada: Annotator) -> None:
    Annotator.objects.update(keys={"label:gone": "z", "undo": "x"})
    send(client)
    ada.refresh_from_db()
    assert ada.keys == {"label:gone": "z"}


def test_it_takes_regions_for_their_language(client: Client, ada: Annotator) -> None:
    Annotator.objects.update(languages=["pt-BR"])
    assert 'value="pt" id="id_languages_0" checked' in client.get("/preferences/").content.decode()


def test_a_held_text_stays_whatever_is_wished(client: Client, ada: Annotator) -> None:
    kindness = worlds.campaign()
    kindness.units.update(language="de")
    held = worlds.claimed(ada, kindness)
    Annotator.objects.update(languages=["en"])
    ada.refresh_from_db()
    assert worlds.claimed(ada, kindness) == held
    worlds.say(held)
    assert assignments.claim(ada, kindness) == []


def test_what_is_held_against_a_new_wish_goes_to_others_and_comes_again_when_the_wish_is_gone(
    client: Client, ada: Annotator
) -> None:
    kindness = worlds.campaign(units=3, overlap=1)
    first, second, third = kindness.units.order_by("position")
    Unit.objects.filter(pk=second.pk).update(topics=["hate"], language="de")
    assert [lease.unit_id for lease in assignments.claim(ada, kindness, 2)] == [first.pk, second.pk]
    send(client, avoided_topics=["hate"])
    assert [lease.unit_id for lease in assignments.claim(ada, kindness, 2)] == [first.pk, third.pk]
    send(client, languages=["de"])
    assert [lease.unit_id for lease in assignments.claim(ada, kindness, 2)] == [second.pk]
    assert worlds.problems(kindness) == []


def test_strangers_are_sent_to_sign_in(client: Client) -> None:
    assert client.get("/preferences/").status_code == 302


def said(annotator: Annotator) -> list[bool]:
    """What they said on publishing their single votes, in the order in which they did."""
    return list(VoteSharing.objects.filter(annotator=annotator).order_by("pk").values_list("allowed", flat=True))


def allowing() -> list[str]:
    return list(VoteSharing.objects.allowing().values_list("annotator__username", flat=True))


def test_nobody_allows_single_votes_before_they_say_so(client: Client, ada: Annotator) -> None:
    page = client.get("/preferences/").content.decode()
    assert '<input type="checkbox" name="shares_votes" id="id_shares_votes">' in page
    assert "You have allowed it" not in page
    send(client)
    assert (said(ada), allowing()) == ([], [])


def test_it_keeps_when_somebody_allows_single_votes_and_when_they_take_it_back(client: Client, ada: Annotator) -> None:
    ben = worlds.person("ben")
    VoteSharing.objects.create(annotator=ben, allowed=True)
    page = send(client, shares_votes="on")
    assert "You have allowed it since " in page
    assert 'name="shares_votes" id="id_shares_votes" checked' in page
    assert (said(ada), sorted(allowing())) == ([True], ["ada", "ben"])
    send(client, shares_votes="on")
    assert said(ada) == [True]
    assert "You took it back on " in send(client)
    assert (said(ada), allowing()) == ([True, False], ["ben"])
    send(client, shares_votes="on")
    first, second, third = VoteSharing.objects.filter(annotator=ada).order_by("pk")
    assert first.created_at < second.created_at < third.created_at
    assert sorted(allowing()) == ["ada", "ben"]


def test_a_form_with_an_error_allows_nothing(client: Client, ada: Annotator) -> None:
    worlds.campaign()
    assert client.post("/preferences/", {"shares_votes": "on", "key-undo": "h"}).status_code == 422
    assert said(ada) == []


def test_annotators_of_datasets_and_simulated_ones_never_allow_it() -> None:
    for kind in (Annotator.Kind.EXTERNAL, Annotator.Kind.SIMULATED):
        other = Annotator.objects.create(username=f"a-{kind}", kind=kind)
        VoteSharing.objects.create(annotator=other, allowed=True)
    assert allowing() == []
