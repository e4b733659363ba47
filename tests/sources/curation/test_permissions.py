"""Who may do what."""

from __future__ import annotations

from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from annotate.models import Annotator
from sources import removals
from sources.models import InstructionState, Source
from tests.sources.curation.pages import LIST, act, given, page_of, shown, states
from tests.sources.worlds import near


def allow(annotator: Annotator, *names: str) -> None:
    annotator.user_permissions.add(*Permission.objects.filter(codename__in=names))


def test_it_lets_nobody_in_without_a_permission(client: Client, letters: Source) -> None:
    [one] = given(letters, "one")
    search, report = near(one), removals.report(one, None)
    bob = Annotator.objects.create_user("bob", is_staff=True)
    client.force_login(bob)
    for address in (
        LIST,
        page_of(one),
        page_of(letters),
        f"/admin/sources/source/{letters.pk}/parts/spread/",
        f"/admin/sources/source/{letters.pk}/parts/samples/",
        page_of(search),
        f"/admin/sources/duplicatesearch/{search.pk}/clusters/",
        "/admin/sources/duplicatesearch/add/",
        page_of(report),
        "/admin/sources/escalation/",
        "/admin/sources/takedown/",
        "/admin/sources/screening/",
    ):
        answer = client.get(address)
        assert answer.status_code in (403, 302), address
        assert answer.status_code == 403 or answer["Location"] == "/admin/", address
    assert client.post(reverse("admin:sources_screening_again")).status_code == 403


def test_it_shows_no_text_and_takes_no_decision_of_those_who_may_only_look(client: Client, letters: Source) -> None:
    [one] = given(letters, "one")
    bob = Annotator.objects.create_user("bob", is_staff=True)
    client.force_login(bob)
    allow(bob, "view_source")
    assert "parts/samples" not in shown(client, page_of(letters))
    assert client.get(f"/admin/sources/source/{letters.pk}/parts/samples/").status_code == 403
    shown(client, f"/admin/sources/source/{letters.pk}/parts/spread/")
    allow(bob, "view_instruction", "view_screening")
    assert "set_aside" not in shown(client, LIST)
    act(client, "set_aside", one)
    act(client, "report", one, confirmed="yes", reason="Bad.")
    assert states() == [InstructionState.AVAILABLE]
    assert client.post(reverse("admin:sources_screening_again")).status_code == 403
    allow(bob, "change_instruction")
    bob = Annotator.objects.get(pk=bob.pk)
    act(client, "set_aside", one)
    assert states() == [InstructionState.SET_ASIDE]
    assert client.get(f"/admin/sources/source/{letters.pk}/delete/").status_code == 403
