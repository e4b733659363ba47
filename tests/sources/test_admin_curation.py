"""Curators' pages: numbers that add up, filters, bulk decisions, and texts that nobody may see."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from annotate.models import Annotator
from sources import criteria, curation, removals
from sources.criteria import Criterion
from sources.models import (
    DuplicateSearch,
    Escalation,
    ImportChunk,
    Instruction,
    InstructionState,
    NearDuplicate,
    PersonalFinding,
    Provenance,
    Screening,
    Source,
    TakeDown,
)
from tests.annotate import worlds
from tests.sources.worlds import near

LIST = "/admin/sources/instruction/"
HOSTILE = "<script>alert(1)</script>{{ 7|add:7 }}"
SECRET = "zanzibar"
CALL = "Call +1 212 555 0123 or write to fenna@example.org"


@pytest.fixture
def ada(db: None) -> Annotator:
    return worlds.person("ada", is_staff=True)


@pytest.fixture
def admin(client: Client, ada: Annotator) -> Client:
    client.force_login(ada)
    return client


@pytest.fixture
def letters(db: None) -> Source:
    return worlds.source("letters")


def given(source: Source, *texts: str, **fields: Any) -> list[Instruction]:
    """Instructions of these texts; ``fields`` are of the provenance."""
    made = worlds.instructions(source, [worlds.says(text) for text in texts])
    for one, text in zip(made, texts, strict=True):
        one.characters = len(text)
        one.save(update_fields=["characters"])
    if fields:
        Provenance.objects.filter(source=source, instruction__in=made).update(**fields)
    return made


def page_of(one: Any) -> str:
    return reverse(f"admin:sources_{one._meta.model_name}_change", args=[one.pk])


def shown(admin: Client, address: str) -> str:
    answer = admin.get(address)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def listed(admin: Client, query: str) -> list[int]:
    """The ids of the list, in its order."""
    answer = admin.get(LIST + query)
    assert answer.status_code == 200
    return [one.pk for one in answer.context["cl"].result_list]


def act(admin: Client, action: str, *chosen: Instruction, query: str = "", **more: Any) -> str:
    form = {"action": action, "_selected_action": [one.pk for one in chosen], "index": 0, **more}
    return admin.post(LIST + query, form, follow=True).content.decode()


def states() -> list[int]:
    return list(Instruction.objects.order_by("pk").values_list("state", flat=True))


# --- A source's page ------------------------------------------------------------------------------------------------


def test_it_shows_what_a_source_holds_and_whether_it_is_published(admin: Client, letters: Source) -> None:
    made = given(letters, "one", "two", "three", "four")
    removals.set_aside(Instruction.objects.filter(pk=made[0].pk))
    removals.report(made[1], None)
    run = letters.runs.get()
    ImportChunk.objects.create(run=run, number=0, start=0, end=9, read=9, added=4, known=3, rejected=2, votes_added=5)
    page = shown(admin, page_of(letters))
    assert "4 instructions" in page
    assert "2 available</a>" in page
    assert "1 set aside by a curator</a>" in page
    assert "1 quarantined, 0 taken down." in page
    assert "9 rows read = 4 texts added + 3 known before + 2 rejected" in page
    assert "5 votes of its annotators" in page
    assert "Published." in page
    assert "anybody may use it who names the source (CC-BY-4.0)" in page
    assert run.get_absolute_url() in page
    assert f'hx-get="/admin/sources/source/{letters.pk}/parts/spread/"' in page
    Source.objects.update(license="unknown")
    assert "Not published." in shown(admin, page_of(letters))


def test_what_was_made_of_a_source_without_a_licence_is_shown_as_not_published(admin: Client, letters: Source) -> None:
    made = Source.objects.create(name="letters-typos", license="MIT", augments=letters)
    assert shown(admin, "/admin/sources/source/").count('alt="True"') == 2
    Source.objects.filter(pk=letters.pk).update(license="unknown")
    assert shown(admin, "/admin/sources/source/").count('alt="False"') == 2
    assert "Nobody has named the licence of the source it was made of" in shown(admin, page_of(made))


def test_it_answers_for_a_source_without_anything(admin: Client, letters: Source) -> None:
    assert "Nothing was imported yet" in shown(admin, page_of(letters))
    for part in ("spread", "duplicates", "samples"):
        shown(admin, f"/admin/sources/source/{letters.pk}/parts/{part}/")
    assert admin.get(f"/admin/sources/source/{letters.pk}/parts/nonsense/").status_code == 404
    assert admin.get("/admin/sources/source/99/parts/spread/").status_code == 404


def test_it_counts_lengths_languages_and_labels(letters: Source) -> None:
    short = given(letters, "a" * 25, "b" * 26, "c" * 50, suggested={"label": "casual", "tags": {"hate": 0}})
    given(letters, "d" * 6_401, "e" * 6_400, suggested={"label": "needs-caution", "tags": {"hate": 0.5}})
    Instruction.objects.filter(pk=short[0].pk).update(language="pt-BR")
    Instruction.objects.filter(pk=short[1].pk).update(language="")
    spread = curation.spread(letters)
    assert (spread.looked_at, spread.of, spread.is_sample) == (5, 5, False)
    lengths = {bar.name: bar.count for bar in spread.lengths if bar.count}
    assert lengths == {"0 to 25": 1, "26 to 50": 2, "3,201 to 6,400": 1, "6,401 and more": 1}
    assert (spread.quantiles["least"], spread.quantiles["median"], spread.quantiles["most"]) == (25, 50, 6_401)
    assert [(bar.name, bar.count) for bar in spread.languages] == [("en", 3), ("pt-BR", 1), ("unknown", 1)]
    assert [(bar.name, bar.percent) for bar in spread.labels] == [("casual", 60), ("needs caution", 40)]
    assert spread.tags == [("hate", 2, 3)]


def test_it_names_twenty_languages_and_counts_the_others(letters: Source) -> None:
    for number, one in enumerate(given(letters, *[f"text {n}" for n in range(30)])):
        Instruction.objects.filter(pk=one.pk).update(language=f"x{number % 23:02}")
    names = [(bar.name, bar.count) for bar in curation.spread(letters).languages]
    assert len(names) == curation.LANGUAGES_NAMED + 1
    assert names[-1] == ("3 others", 3)


def test_it_looks_at_a_sample_of_a_large_source_and_says_so(
    admin: Client, letters: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(letters, *[f"text {n}" for n in range(200)])
    monkeypatch.setattr(curation, "SAMPLE", 50)
    spread = curation.spread(letters)
    assert 20 < spread.looked_at < 90
    assert spread == curation.spread(letters)
    page = shown(admin, f"/admin/sources/source/{letters.pk}/parts/spread/")
    assert f"Of a sample of {spread.looked_at} of its 200 instructions" in page


def test_it_shows_what_is_mapped_and_what_is_not(admin: Client, letters: Source) -> None:
    given(letters, "one", "two", source_labels={"type": "racist", "hidden": HOSTILE})
    run = letters.runs.get()
    type(run).objects.update(format="convabuse")
    for number, labels in enumerate(({"type=odd": 2}, {"type=odd": 3, "other": 1})):
        ImportChunk.objects.create(run=run, number=number, start=0, end=1, unmapped=labels)
    columns = {column.name: column.values for column in curation.spread(letters).columns}
    assert [(value.text, value.count, value.meaning) for value in columns["type"]] == [("racist", 2, "hate, yes")]
    assert columns["hidden"][0].meaning is None
    assert curation.unmapped(letters) == [("type=odd", 5), ("other", 1)]
    page = shown(admin, f"/admin/sources/source/{letters.pk}/parts/spread/")
    assert "hate, yes" in page
    assert "no mapping" in page
    assert "<script>alert" not in page
    type(run).objects.update(format="nonsense")
    assert curation.label_map(letters) is None


def test_it_names_a_few_values_of_a_column_and_counts_the_others(letters: Source) -> None:
    for number, one in enumerate(given(letters, *[f"text {n}" for n in range(12)])):
        Provenance.objects.filter(instruction=one).update(source_labels={"toxicity": number / 100})
    [column] = curation.spread(letters).columns
    assert (column.count, column.different, len(column.values), column.others) == (12, 12, 8, 4)


def test_it_counts_duplicates_and_personal_information(admin: Client, letters: Source) -> None:
    made = given(letters, "one", "two", "three")
    other = worlds.source("other")
    run = letters.runs.get()
    Provenance.objects.create(instruction=made[0], source=other, run=run, row="line 1")
    search = near(made[1], made[2])
    PersonalFinding.objects.create(instruction=made[0], turn=0, start=0, end=1, kind="email")
    PersonalFinding.objects.create(instruction=made[0], turn=0, start=1, end=2, kind="email")
    found = curation.duplicates(letters)
    assert (found.exact, found.sources, found.search) == (1, [(other, 1)], search)
    assert (found.members, found.clusters, found.representatives) == (1, 1, 1)
    assert curation.personal(letters) == [("email", 2, 1)]
    page = shown(admin, f"/admin/sources/source/{letters.pk}/parts/duplicates/")
    assert "1 of its texts is given by other sources too" in page
    assert "e-mail address" in page


def test_it_shows_ten_samples_that_a_seed_chooses(admin: Client, letters: Source) -> None:
    given(letters, HOSTILE, *[f"text {n}" for n in range(40)])
    first, second = curation.samples(letters, 1), curation.samples(letters, 2)
    assert len(first) == 10
    assert [one.pk for one in first] == [one.pk for one in curation.samples(letters, 1)]
    assert [one.pk for one in first] != [one.pk for one in second]
    address = f"/admin/sources/source/{letters.pk}/parts/samples/"
    part = admin.get(f"{address}?seed=1", headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith('<div class="samples">')
    assert str(first[0]) in part or "&lt;script" in part
    for seed in ("-1", "x", "9" * 30, "²"):
        assert "Drawn with seed 0" in shown(admin, f"{address}?seed={seed}")


def test_it_folds_severe_and_long_texts(admin: Client, letters: Source) -> None:
    [severe] = given(letters, "something cruel", suggested={"label": "needs-intervention"})
    [long] = given(letters, "long " * 500)
    assert "open to read" in shown(admin, f"/admin/sources/source/{letters.pk}/parts/samples/")
    assert "something cruel" not in shown(admin, LIST)
    assert "Severe (needs intervention): open it to read" in shown(admin, LIST)
    page = shown(admin, page_of(severe))
    assert page.index('<details class="severe">') < page.index("something cruel")
    assert "<details>" in shown(admin, page_of(long))


# --- The list -------------------------------------------------------------------------------------------------------


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


# --- What nobody may see --------------------------------------------------------------------------------------------


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


# --- An instruction's page ------------------------------------------------------------------------------------------


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


# --- Searches, reports, take-downs, screening -----------------------------------------------------------------------


def test_it_starts_a_search_and_refuses_a_threshold_that_nothing_reaches(
    admin: Client, ada: Annotator, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        answer = admin.post("/admin/sources/duplicatesearch/add/", {"threshold": "0.7"})
    search = DuplicateSearch.objects.get()
    assert (answer["Location"], search.threshold, search.started_by) == (page_of(search), 0.7, ada)
    assert len(callbacks) == 1
    assert "All available instructions are compared" in shown(admin, page_of(search))
    for threshold in ("0.2", "1.2", "x"):
        page = admin.post("/admin/sources/duplicatesearch/add/", {"threshold": threshold}).content.decode()
        assert "errorlist" in page
    assert DuplicateSearch.objects.count() == 1


def test_it_shows_clusters_by_size_with_what_differs(admin: Client, letters: Source) -> None:
    made = given(letters, "see the red bike", "see the blue bike", "pair one", "pair two!", "pair two")
    search = near(made[0], made[1])
    DuplicateSearch.objects.update(clusters=2)
    for other in made[3:]:
        NearDuplicate.objects.create(search=search, representative=made[2], instruction=other, similarity=0.8)
    page = shown(admin, f"/admin/sources/duplicatesearch/{search.pk}/clusters/")
    assert page.index("3 that are nearly the same") < page.index("2 that are nearly the same")
    assert "see the <del>red</del><ins>blue</ins> bike" in page
    assert "Similarity 0.90" in page


def test_it_decides_on_a_report(admin: Client, letters: Source, ada: Annotator) -> None:
    [one] = given(letters, SECRET)
    report = removals.report(one, None, "Bad.")
    assert report.instruction.public_id in shown(admin, "/admin/sources/escalation/")
    page = admin.post(page_of(report), {"state": "referred", "outcome": ""}).content.decode()
    assert "Say what was decided and why." in page
    admin.post(page_of(report), {"state": "referred", "outcome": "Sent on.", "reference": "7/26"})
    report.refresh_from_db()
    assert (report.state, report.outcome, report.reference, report.decided_by) == ("referred", "Sent on.", "7/26", ada)
    assert states() == [InstructionState.QUARANTINED]
    admin.post(page_of(report), {"state": "removed", "outcome": "They said so."})
    assert states() == [InstructionState.REMOVED]
    page = admin.post(page_of(report), {"state": "released", "outcome": "No."}).content.decode()
    assert "The text was taken down: nothing is left to decide on." in page
    assert SECRET not in " ".join(LogEntry.objects.values_list("object_repr", flat=True))


def test_it_lists_take_downs_with_what_they_refuse(admin: Client, letters: Source) -> None:
    given(letters, "one", "two")
    removals.take_down(Criterion(TakeDown.By.PATTERN, "o", Instruction.objects.all), "Asked for.")
    page = shown(admin, "/admin/sources/takedown/")
    assert '<td class="field-tombstones">2</td>' in page
    assert admin.get("/admin/sources/takedown/add/").status_code == 403


def test_it_screens_everything_again(
    admin: Client, letters: Source, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    again = reverse("admin:sources_screening_again")
    assert "There is no instruction to screen" in admin.post(again, follow=True).content.decode()
    given(letters, "one")
    with django_capture_on_commit_callbacks() as callbacks:
        page = admin.post(again, follow=True).content.decode()
    assert "Everything is screened again, in 1 part." in page
    assert len(callbacks) == 1
    assert Screening.objects.get().state == "queued"
    assert admin.get(again).status_code == 405


# --- Who may do what ------------------------------------------------------------------------------------------------


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
