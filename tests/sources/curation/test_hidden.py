"""Texts that nobody may see."""

from __future__ import annotations

import pytest
from django.test import Client

from annotate.models import Annotator
from sources import criteria, removals
from sources.models import (
    DuplicateSearch,
    Escalation,
    Instruction,
    InstructionState,
    NearDuplicate,
    PersonalFinding,
    Provenance,
    Source,
    TakeDown,
)
from tests.sources.curation.pages import LIST, SECRET, given, page_of, shown
from tests.sources.worlds import near


@pytest.fixture
def secret(letters: Source, ada: Annotator) -> Instruction:
    """A quarantined text with everything that could tell of it: a child, near-duplicates, personal information."""
    [one, copy, child, mild] = given(letters, f"{SECRET} here", f"{SECRET} there", f"{SECRET} child", "mild")
    Provenance.objects.filter(instruction__in=[one, copy, child]).update(source_labels={"note": SECRET})
    Instruction.objects.filter(pk=child.pk).update(parent=one, root=one)
    PersonalFinding.objects.create(instruction=one, turn=0, start=0, end=8, kind="address")
    search = near(one, mild)
    NearDuplicate.objects.create(search=search, representative=one, instruction=copy, similarity=0.9)
    removals.report(one, ada, "Bad.")
    removals.take_down(criteria.by_ids([copy.public_id]), "Asked for.")
    return one


def test_it_shows_a_hidden_text_nowhere(admin: Client, letters: Source, secret: Instruction) -> None:
    search = DuplicateSearch.objects.get()
    everywhere = [
        LIST,
        f"{LIST}?source={letters.pk}",
        f"{LIST}?near=of-{secret.pk}",
        f"{LIST}?personal=any",
        f"{LIST}?made=1",
        *[page_of(one) for one in Instruction.objects.all()],
        *[f"{LIST}{one.pk}/history/" for one in Instruction.objects.all()],
        page_of(letters),
        *[f"/admin/sources/source/{letters.pk}/parts/{part}/" for part in ("spread", "duplicates", "samples")],
        page_of(search),
        f"/admin/sources/duplicatesearch/{search.pk}/clusters/",
        "/admin/sources/escalation/",
        page_of(Escalation.objects.get()),
        "/admin/sources/takedown/",
        page_of(TakeDown.objects.get()),
        "/admin/",
    ]
    for address in everywhere:
        answer = admin.get(address, follow=True)
        assert answer.status_code == 200, address
        assert SECRET not in answer.content.decode(), address
    for address in (f"{LIST}{secret.pk}/delete/", "/admin/sources/escalation/1/delete/"):
        assert admin.get(address).status_code in (403, 302)


def test_it_finds_a_hidden_text_by_no_search_and_no_filter(admin: Client, secret: Instruction) -> None:
    for query in (
        f"?q={SECRET}",
        f"?q={secret.public_id}",
        f"?turns__icontains={SECRET}",
        f"?turns__0__text__startswith={SECRET}",
        "?state=2",
        "?state=3",
        f"?state__in=2,3&q={SECRET}",
    ):
        assert admin.get(LIST + query, follow=True).context["cl"].result_count == 0, query
    for related in ("escalation/?instruction__", "importrun/?provenances__instruction__"):
        # A lookup that is not allowed answers 400, so that it tells nothing.
        assert admin.get(f"/admin/sources/{related}turns__icontains={SECRET}").status_code == 400


def test_it_says_why_a_text_is_hidden(admin: Client, secret: Instruction) -> None:
    page = shown(admin, page_of(secret))
    assert secret.public_id in page
    assert "Escalation" in page
    assert "Bad." in page
    assert "Select an option" not in page
    assert "on what it was made of" in shown(admin, page_of(secret.children.get()))
    gone = Instruction.objects.get(state=InstructionState.REMOVED)
    assert "Asked for." in shown(admin, page_of(gone))
