"""A source's page: numbers that add up."""

from __future__ import annotations

import pytest
from django.test import Client

from sources import curation, removals
from sources.models import ImportChunk, Instruction, PersonalFinding, Provenance, Source
from tests.annotate import worlds
from tests.sources.curation.pages import HOSTILE, LIST, given, page_of, shown
from tests.sources.worlds import near


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
