from __future__ import annotations

import re
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotate import campaigns
from annotate.models import Annotation, Annotator, Assignment, Campaign
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

HIDDEN = re.compile(r'name="(assignment|key|label_set|revises)" value="([^"]+)"')
PART = {"HX-Request": "true"}
QUEUE = {"Accept": "application/json"}


@pytest.fixture
def kindness() -> Campaign:
    return worlds.campaign(units=3)


@pytest.fixture
def ada(client: Client) -> Annotator:
    signed_in = worlds.person("ada")
    client.force_login(signed_in)
    return signed_in


def form_on(page: str) -> dict[str, str]:
    return dict(HIDDEN.findall(page))


def test_a_stranger_is_sent_to_sign_in_and_back(client: Client, kindness: Campaign) -> None:
    answer = client.get(kindness.get_absolute_url())
    assert answer.status_code == 302
    assert answer["Location"] == f"/sign-in/?next={kindness.get_absolute_url()}"
    signed_in = client.post(answer["Location"], {"username": "ada", "password": "wrong"})
    assert signed_in.status_code == 200
    worlds.person("ada")
    signed_in = client.post(answer["Location"], {"username": "ada", "password": "password of ada"})
    assert signed_in["Location"] == kindness.get_absolute_url()


def test_a_part_of_a_page_after_the_session_ended_sends_the_whole_page_to_sign_in(
    client: Client, kindness: Campaign
) -> None:
    answer = client.post(reverse("submit", args=[kindness.slug]), headers=PART)
    assert answer["HX-Redirect"].startswith("/sign-in/")
    assert not answer.content


def test_submit_saves_and_serves_the_next_without_a_page_load(
    client: Client, ada: Annotator, kindness: Campaign
) -> None:
    page = client.get(kindness.get_absolute_url()).content.decode()
    form = form_on(page) | {"choice": "needs-caution", "tag-hate": "no", "tag-sexual-content": ""}
    answer = client.post(reverse("submit", args=[kindness.slug]), form, headers=PART)
    part = answer.content.decode()
    assert "<html" not in part
    assert "Saved." in part
    assert form_on(part)["assignment"] != form["assignment"]
    assert Annotation.objects.get().tags == {"hate": False}


def test_submit_without_javascript_redirects_to_the_next(client: Client, ada: Annotator, kindness: Campaign) -> None:
    form = form_on(client.get(kindness.get_absolute_url()).content.decode()) | {"choice": "casual"}
    answer = client.post(reverse("submit", args=[kindness.slug]), form, follow=True)
    assert answer.redirect_chain == [(kindness.get_absolute_url(), 302)]
    assert "Saved." in answer.content.decode()


def test_an_answer_without_a_base_vote_comes_back_with_what_was_said(
    client: Client, ada: Annotator, kindness: Campaign
) -> None:
    form = form_on(client.get(kindness.get_absolute_url()).content.decode()) | {"tag-hate": "yes"}
    page = client.post(reverse("submit", args=[kindness.slug]), form, headers=PART).content.decode()
    assert "Choose one of the answers before you submit." in page
    assert re.search(r'id="yes-hate" value="yes" checked', page)
    assert form_on(page) == form_on(page) | {name: form[name] for name in ("assignment", "key")}
    assert not Annotation.objects.exists()


def test_the_assignment_of_somebody_else_is_not_found(client: Client, ada: Annotator, kindness: Campaign) -> None:
    theirs = worlds.claimed(worlds.person("bob"), kindness)
    form = {"assignment": theirs.pk, "key": str(uuid.uuid4()), "choice": "casual", "reason": "unsure"}
    for name in ("submit", "skip"):
        assert client.post(reverse(name, args=[kindness.slug]), form).status_code == 404
        heard = client.post(reverse(name, args=[kindness.slug]), form, headers=QUEUE)
        assert (heard.status_code, heard["Content-Type"]) == (404, "application/json")
    theirs.refresh_from_db()
    assert theirs.state == Assignment.State.LIVE


@pytest.mark.parametrize("number", ["", "x", "-1", "1e3", "9" * 40, "\u0661"])
def test_an_odd_assignment_is_not_found(client: Client, ada: Annotator, kindness: Campaign, number: str) -> None:
    form = {"assignment": number, "key": str(uuid.uuid4()), "choice": "casual"}
    assert client.post(reverse("submit", args=[kindness.slug]), form).status_code == 404


def test_skip_asks_for_a_reason_and_declines(client: Client, ada: Annotator, kindness: Campaign) -> None:
    form = form_on(client.get(kindness.get_absolute_url()).content.decode())
    url = reverse("skip", args=[kindness.slug])
    assert "choose a reason" in client.post(url, form | {"reason": "expired"}, headers=PART).content.decode()
    assert Assignment.objects.get().state == Assignment.State.LIVE
    assert "Skipped." in client.post(url, form | {"reason": "language"}, headers=PART).content.decode()
    assert Assignment.objects.order_by("pk")[0].reason == "language"


def test_an_earlier_answer_comes_back_into_the_form_and_stands_until_it_is_changed(
    client: Client, ada: Annotator, kindness: Campaign
) -> None:
    form = form_on(client.get(kindness.get_absolute_url()).content.decode())
    client.post(reverse("submit", args=[kindness.slug]), form | {"choice": "needs-caution", "tag-hate": "yes"})
    page = client.get(f"{kindness.get_absolute_url()}?revise=last", headers=PART).content.decode()
    assert form_on(page)["assignment"] == form["assignment"]
    assert form_on(page)["key"] != form["key"]
    assert re.search(r'id="choice-needs-caution"[^>]* checked', page)
    assert re.search(r'id="yes-hate" value="yes" checked', page)
    assert Annotation.objects.counted().get().tags == {"hate": True}
    changed = client.post(reverse("submit", args=[kindness.slug]), form_on(page) | {"choice": "casual"}, headers=PART)
    assert "Your answer is changed." in changed.content.decode()
    assert Annotation.objects.counted().get().choice.code == "casual"  # type: ignore[union-attr]


def test_a_revision_that_is_refused_comes_back_with_what_was_said(
    client: Client, ada: Annotator, kindness: Campaign
) -> None:
    form = form_on(client.get(kindness.get_absolute_url()).content.decode())
    client.post(reverse("submit", args=[kindness.slug]), form | {"choice": "needs-caution"})
    revision = form_on(client.get(f"{kindness.get_absolute_url()}?revise={form['assignment']}").content.decode())
    page = client.post(reverse("submit", args=[kindness.slug]), revision | {"tag-hate": "no"}, headers=PART)
    assert "Choose one of the answers" in page.content.decode()
    assert form_on(page.content.decode()) == revision


def test_skipping_an_earlier_answer_takes_it_back(client: Client, ada: Annotator, kindness: Campaign) -> None:
    form = form_on(client.get(kindness.get_absolute_url()).content.decode())
    client.post(reverse("submit", args=[kindness.slug]), form | {"choice": "needs-caution"})
    skipped = client.post(reverse("skip", args=[kindness.slug]), form | {"reason": "distressing"}, headers=PART)
    assert "Your answer is taken back." in skipped.content.decode()
    assert not Annotation.objects.counted().exists()


def test_taking_an_answer_back_in_a_closed_campaign_says_that_it_stands(
    client: Client, ada: Annotator, kindness: Campaign
) -> None:
    form = {"assignment": worlds.vote(ada, kindness).pk, "reason": "unsure"}
    sent_away = worlds.claimed(ada, kindness)
    Campaign.objects.update(state=Campaign.State.CLOSED)
    url = reverse("skip", args=[kindness.slug])
    page = client.post(url, form, headers=PART).content.decode()
    assert "your answer stands; it could not be taken back" in page
    assert "Skipped" not in page
    assert Annotation.objects.counted().count() == 1
    for _ in range(2):
        assert "Skipped." in client.post(url, form | {"assignment": sent_away.pk}, headers=PART).content.decode()


def test_where_there_is_nothing_to_change_it_says_so(client: Client, ada: Annotator, kindness: Campaign) -> None:
    page = client.get(f"{kindness.get_absolute_url()}?revise=last").content.decode()
    assert "no earlier answer" in page


def test_the_queue_is_told_what_became_of_an_answer_and_given_the_texts_that_it_lacks(
    client: Client, ada: Annotator, kindness: Campaign
) -> None:
    form = form_on(client.get(kindness.get_absolute_url()).content.decode())
    more = client.post(reverse("cards", args=[kindness.slug]), {"holding": form["assignment"]}, headers=QUEUE).json()
    here, ahead = more["leases"]
    assert (str(here["assignment"]), here["text"]) == (form["assignment"], "")
    assert "Letter" in ahead["text"]
    data = form | {"choice": "casual", "holding": str(ahead["assignment"])}
    said = client.post(reverse("submit", args=[kindness.slug]), data, headers=QUEUE).json()
    assert (said["outcome"], said["words"], said["votes"]) == ("saved", "Saved.", 1)
    assert [(lease["assignment"] == ahead["assignment"], bool(lease["text"])) for lease in said["leases"]] == [
        (True, False),
        (False, True),
    ]
    again = client.post(reverse("submit", args=[kindness.slug]), data, headers=QUEUE).json()
    assert (again["outcome"], again["good"], again["votes"]) == ("already saved", True, 1)
    wrong = client.post(reverse("submit", args=[kindness.slug]), form | {"choice": "x"}, headers=QUEUE)
    assert (wrong.status_code, list(wrong.json()["errors"])) == (422, ["choice"])


def test_signing_out_gives_the_held_instruction_back(client: Client, ada: Annotator, kindness: Campaign) -> None:
    client.get(kindness.get_absolute_url())
    assert client.post(reverse("sign-out"))["Location"] == "/"
    assert Assignment.objects.get().reason == "signed out"


def test_a_draft_or_a_campaign_never_joined_is_not_found(client: Client, ada: Annotator, kindness: Campaign) -> None:
    campaigns.close(kindness)
    for name in ("label", "guidelines"):
        assert client.get(reverse(name, args=[kindness.slug])).status_code == 404


def test_every_text_is_escaped(client: Client, ada: Annotator) -> None:
    origin = worlds.source()
    hostile = "</div><script>alert(1)</script>{{ 7|add:7 }}{% load x %}'\"><img src=x onerror=alert(2)>"
    worlds.instructions(origin, [worlds.says(hostile)])
    page = client.get(worlds.opened(origin).get_absolute_url()).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7|add:7 }}{% load x %}" in page
    assert "<img src=x" not in page


def test_pages_carry_a_strict_policy(client: Client, ada: Annotator, kindness: Campaign) -> None:
    policy = client.get(kindness.get_absolute_url())["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.search(r"script-src 'self' 'nonce-[\w+/=-]{20,}'", policy)


def test_healthz_answers_everybody(client: Client) -> None:
    assert client.get("/healthz").content == b"ok"


@pytest.mark.parametrize("units", [12, 60])
def test_an_answer_of_the_queue_takes_two_statements_however_many_came_before(
    client: Client, ada: Annotator, units: int
) -> None:
    where = worlds.campaign(units=units)
    held = client.post(reverse("cards", args=[where.slug]), {"holding": ""}, headers=QUEUE).json()["leases"]
    counted = []
    for _ in range(8):
        (mine, *ahead) = held
        keys = {lease["assignment"]: lease["key"] for lease in held}
        form = {"assignment": mine["assignment"], "key": mine["key"], "choice": "casual"}
        form |= {"label_set": where.label_set_id, "holding": " ".join(str(lease["assignment"]) for lease in ahead)}
        with CaptureQueriesContext(connection) as queries:
            told = client.post(reverse("submit", args=[where.slug]), form, headers=QUEUE).json()
        assert told["outcome"] == "saved"
        held = [lease | {"key": lease["key"] or keys[lease["assignment"]]} for lease in told["leases"]]
        counted.append(len(queries))
    # Who asks, and the answer with what comes next.
    assert counted[1:] == [2] * 7
