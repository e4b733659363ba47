"""The list of instructions with its filters and bulk decisions, and an instruction's page."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from annotate.models import Annotator
from sources import removals
from sources.models import Escalation, Instruction, InstructionState, PersonalFinding, Provenance, Source
from tests.annotate import worlds
from tests.sources.curation.pages import CALL, HOSTILE, LIST, SECRET, act, given, listed, page_of, shown, states
from tests.sources.worlds import near


def test_it_filters_and_sorts(admin: Client, letters: Source) -> None:
    other = worlds.source("other")
    [one] = given(letters, "long text about mail", suggested={"label": "casual"})
    [two] = given(other, CALL, suggested={"label": "needs-caution"})
    [three] = given(letters, "tiny")
    Instruction.objects.filter(pk=three.pk).update(language="", parent=one, root=one)
    PersonalFinding.objects.create(instruction=two, turn=0, start=5, end=20, kind="phone")
    near(one, two)
    removals.set_aside(Instruction.objects.filter(pk=three.pk))
    for query, expected in {
        "": [one, two, three],
        f"?source={letters.pk}": [one, three],
        "?source=nonsense": [],
        "?language=en": [one, two],
        "?language=unknown": [three],
        "?state=1": [three],
        "?state=0": [one, two],
        "?state=2": [],
        "?made=1": [three],
        "?made=0": [one, two],
        "?personal=any": [two],
        "?personal=phone": [two],
        "?personal=email": [],
        "?personal=none": [one, three],
        "?near=member": [two],
        "?near=kept": [one],
        "?near=alone": [three],
        f"?near=of-{one.pk}": [one, two],
        "?near=nonsense": [],
        "?length=0-25": [one, three],
        "?length=26-50": [two],
        "?length=6401-": [],
        "?length=x-y": [],
        "?suggested=casual": [one],
        "?suggested=none": [three],
        "?o=-3": [two, one, three],
        "?o=3": [three, one, two],
        "?o=4": [three, two, one],
        "?q=mail": [one],
        '?q="about+mail"': [one],
        '?q="mail+about"': [],
        "?q=about+long": [one],
        "?q=human": [],
        f"?q={two.public_id.upper()}": [two],
    }.items():
        found = listed(admin, query)
        wanted = [instruction.pk for instruction in expected]
        assert (found if "o=" in query else sorted(found)) == wanted, query


def test_it_searches_for_quotes_and_line_ends_as_they_stand_in_a_text(admin: Client, letters: Source) -> None:
    [one] = given(letters, 'She said "no\\yes" — ça va?\nYes.')
    for word in ("%5C", "ça", "—", "%22%5C%22no%22", "%25"):
        assert listed(admin, f"?q={word}") == ([] if word == "%25" else [one.pk]), word


def test_it_lists_without_a_query_for_each_row(
    admin: Client, letters: Source, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    given(letters, *[f"text {n}" for n in range(60)])
    with django_assert_max_num_queries(20):
        assert len(listed(admin, "")) == 50


def test_it_says_where_the_list_ends(admin: Client, letters: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    given(letters, *[f"text {n}" for n in range(5)])
    assert "5 instructions" in shown(admin, LIST)
    monkeypatch.setattr("sources.admin.base.MOST_COUNTED", 3)
    assert "The first 3 that match: sort or filter to see others" in shown(admin, LIST)


def test_it_sets_aside_and_takes_back_what_is_chosen(admin: Client, letters: Source, ada: Annotator) -> None:
    made = given(letters, "one", "two", "three")
    assert "2 instructions are set aside." in act(admin, "set_aside", *made[:2])
    assert states() == [1, 1, 0]
    assert "1 instruction is set aside." in act(admin, "set_aside", *made)
    assert "None of them is available: nothing was set aside" in act(admin, "set_aside", *made)
    assert "1 instruction is taken back." in act(admin, "take_back", made[0])
    assert states() == [0, 1, 1]
    entries = LogEntry.objects.filter(object_id=str(made[0].pk)).order_by("id")
    assert [(entry.change_message, entry.user) for entry in entries] == [("Set aside", ada), ("Taken back", ada)]
    page = shown(admin, page_of(made[0]))
    assert "ada: Set aside" in page
    assert "one" not in " ".join(LogEntry.objects.values_list("object_repr", flat=True))


def test_it_changes_all_that_match_up_to_a_limit_and_says_whether_there_are_more(
    admin: Client, letters: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = given(letters, *[f"text {n}" for n in range(9)])
    Instruction.objects.filter(pk__in=[one.pk for one in made[:2]]).update(language="de")
    monkeypatch.setattr("sources.admin.instructions.MOST_CHANGED", 4)
    monkeypatch.setattr("sources.admin.instructions.MOST_LOGGED", 3)
    page = act(admin, "set_aside", made[2], query="?language=en", select_across=1)
    assert "4 instructions are set aside. More match" in page
    assert states() == [0, 0, 1, 1, 1, 1, 0, 0, 0]
    assert LogEntry.objects.get().object_repr == "4 instructions"
    assert "language=en" in LogEntry.objects.get().change_message
    page = act(admin, "set_aside", made[2], query="?language=en", select_across=1)
    assert "3 instructions are set aside." in page
    assert "More match" not in page
    assert states() == [0, 0, 1, 1, 1, 1, 1, 1, 1]


def test_it_asks_for_a_reason_before_it_hides_a_text(admin: Client, letters: Source, ada: Annotator) -> None:
    [one, two] = given(letters, SECRET, "two")
    page = act(admin, "report", one)
    assert "At once, nobody is shown this text any more" in page
    assert SECRET not in page
    assert not Escalation.objects.exists()
    assert "This field is required" in act(admin, "report", one, confirmed="yes", reason="")
    page = act(admin, "report", one, confirmed="yes", reason="Names a place.")
    assert "1 instruction is reported and hidden from everybody" in page
    report = Escalation.objects.get()
    assert (report.instruction, report.reason, report.reported_by) == (one, "Names a place.", ada)
    assert states() == [InstructionState.QUARANTINED, InstructionState.AVAILABLE]
    # From the instruction's own page.
    form = {"CHANGE_FORM-action": "report", "_selected_action": two.pk, "index": 0}
    assert "At once" in admin.post(page_of(two), form).content.decode()


def test_it_reports_no_more_than_somebody_can_have_seen(
    admin: Client, letters: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = given(letters, "one", "two", "three")
    monkeypatch.setattr("sources.admin.instructions.MOST_REPORTED", 2)
    assert "Nothing was reported" in act(admin, "report", *made, confirmed="yes", reason="All of it.")
    assert not Escalation.objects.exists()


def test_it_shows_where_a_text_comes_from_and_what_is_personal_in_it(admin: Client, letters: Source) -> None:
    labels = {"tone": HOSTILE}
    [one] = given(
        letters, f"{CALL} {HOSTILE}", source_labels=labels, suggested={"label": "casual", "tags": {"hate": 0.3}}
    )
    first = Source.objects.create(name="first", precedence=1, license="MIT")
    Provenance.objects.create(instruction=one, source=first, run=letters.runs.get(), row="row 9")
    PersonalFinding.objects.create(instruction=one, turn=0, start=5, end=20, kind="phone")
    page = shown(admin, page_of(one))
    assert '<mark>+1 212 555 0123<span class="kind"> telephone number</span></mark>' in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7|add:7 }}" in page
    assert "<script>alert" not in page
    assert page.index("row 9") < page.index("line 1")
    assert "It comes first: a release names this licence" in page
    assert "Suggests: casual; hate, 0.3 of the raters." in page
    assert 'name="_save"' not in page
    assert admin.post(page_of(one), {"language": "de"}).status_code == 403


def test_it_shows_family_and_near_duplicates(admin: Client, letters: Source) -> None:
    made = given(letters, "the first", "the second", "the third", "the fourth")
    Instruction.objects.filter(pk=made[1].pk).update(parent=made[0], root=made[0])
    Instruction.objects.filter(pk=made[2].pk).update(parent=made[1], root=made[0])
    near(made[0], made[3])
    page = shown(admin, page_of(made[2]))
    assert "Made of" in page
    assert "The family began with" in page
    assert "the second" in page
    page = shown(admin, page_of(made[0]))
    assert "1 was made of it" in page
    assert "It is the one kept of 2" in page
    assert "similarity 0.90" in page
    assert "the one kept of 2" in shown(admin, page_of(made[3]))
