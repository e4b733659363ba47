"""What `manage.py verify_snapshot` says of a release when something has happened since."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from annotate.models import Annotation, Campaign
from exports import snapshots
from exports.filters import EVERYTHING, Filters
from exports.formats import FORMS, Options
from exports.models import Snapshot
from sources import criteria, removals
from sources.models import Source
from tests.exports import faults, worlds
from tests.exports.folders import contents, file_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def snapshot(kindness: Campaign, letters: Source) -> Snapshot:
    """Three lines; the numbers of texts are their places in the file."""
    for text in ("first", "second"):
        worlds.agreeing(kindness, letters, text)
    return worlds.published("0.3", kindness)


def verify(version: str = "0.3") -> str:
    out = StringIO()
    call_command("verify_snapshot", version, stdout=out, stderr=StringIO())
    return out.getvalue()


def refused() -> tuple[list[str], str]:
    """The lines that are listed, and the closing sentence."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("verify_snapshot", "0.3", stdout=out, stderr=StringIO())
    return out.getvalue().splitlines(), str(error.value)


def number_of(text: str, snapshot: Snapshot) -> int:
    lines = (snapshot.path / file_of(snapshot)).read_text().split("\n")
    return next(number for number, line in enumerate(lines, start=1) if text in json.loads(line)["text"])


def erase(votes: list[Annotation]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE annotate_annotation DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM annotate_annotation WHERE id = ANY(%s)", [[vote.pk for vote in votes]])
        cursor.execute("ALTER TABLE annotate_annotation ENABLE TRIGGER USER")


def votes_on(text: str) -> list[Annotation]:
    return list(Annotation.objects.filter(unit__instruction__turns__0__text=text).order_by("pk"))


def test_it_says_that_all_is_the_same_also_after_more_votes(snapshot: Snapshot, kindness: Campaign) -> None:
    before = contents(snapshot.path)
    worlds.vote(kindness.units.earliest("pk"), worlds.person("cleo"), worlds.INTERVENTION)
    assert verify() == "OIG_safety_v0.3: the files are as published, and 3 lines were derived again\n"
    assert contents(snapshot.path) == before
    assert snapshot.manifest["files"][file_of(snapshot)]["rows"] == 3


def test_it_names_exactly_the_lines_that_are_lost_and_why(snapshot: Snapshot) -> None:
    removals.take_down(criteria.by_pattern("first"), "its author asked for it")
    erase(votes_on("second"))
    erase(votes_on("How do I descale a kettle?")[:1])
    listed, sentence = refused()
    first, second, kettle = (number_of(text, snapshot) for text in ("first", "second", "kettle"))
    expected = {
        first: "taken down (take-down 1)",
        second: "all of its votes were erased",
        kettle: "1 of its 2 votes were erased",
    }
    assert [line.split(":")[0] for line in listed] == [f"line {number}" for number in sorted(expected)]
    assert f"line {kettle}: {expected[kettle]}" in listed
    assert f"line {second}: {expected[second]}" in listed
    assert any(line.startswith(f"line {first}: taken down (take-down ") for line in listed)
    assert "of 3 lines 3 lines are lost for the reasons given" in sentence


ALL = Options(tuple(FORMS), seed=7, shard_bytes=4_000)


@pytest.mark.parametrize(
    ("options", "mask_personal", "model"),
    [
        (ALL, False, ""),
        (ALL, True, ""),
        (replace(ALL, filters=Filters(languages=("en",), min_votes=2)), False, ""),
        (replace(ALL, filters=Filters(statuses=("unanimous", "majority"))), False, ""),
        (ALL, False, Campaign.Model.SHARED),
    ],
    ids=["plain", "masked", "two votes", "agreed", "model"],
)
def test_it_names_exactly_the_lines_that_are_lost_in_every_form(
    options: Options, mask_personal: bool, model: str
) -> None:
    campaigns = faults.world()
    Campaign.objects.update(model=model)
    if model:
        faults.know(campaigns[0])
    release = snapshots.prepare("0.3", campaigns, mask_personal=mask_personal, options=options)
    snapshots.work(release)
    assert release.is_published, release.error
    files, lines = contents(release.path), release.manifest["instructions"]
    removal = removals.take_down(criteria.by_pattern("^Majority"), "its author asked for it")
    erase(votes_on("Against: he says he will jump."))
    left = votes_on("Surplus: the third came too late.")
    erase(left[:1])
    # Whoever takes only lines with two votes, or that agree, has nothing left of what is down to one.
    filtered = ", and the filters leave it out now" if options.filters != EVERYTHING else ""
    expected = {
        "Majority": f"taken down (take-down {removal.take_down.pk})" if removal.take_down else "",
        "Against": "all of its votes were erased",
        "Surplus": f"1 of its 2 votes were erased{filtered}",
    }
    named = {text: why for text, why in expected.items() if text in texts_of(release)}
    assert named.keys() >= {"Majority", "Surplus"}
    assert refused()[0] == [
        f"line {number}: {why}"
        for number, why in sorted((number_of(text, release), why) for text, why in named.items())
    ]
    assert refused()[1].endswith(f"; of {lines} lines {len(named)} lines are lost for the reasons given")
    assert contents(release.path) == files


def texts_of(snapshot: Snapshot) -> str:
    return (snapshot.path / file_of(snapshot)).read_text()


def test_it_names_the_first_difference_by_line_and_field(snapshot: Snapshot) -> None:
    Source.objects.update(license="MIT")
    listed, sentence = refused()
    assert listed == []
    assert 'first, line 1, metadata.license was "CC-BY-4.0" and would be "MIT"; of 3 lines 3 other lines' in sentence


def test_it_says_where_no_licence_is_known_any_more(snapshot: Snapshot) -> None:
    Source.objects.update(license="unknown")
    assert refused()[0] == [f"line {number}: no source of it has a known licence any more" for number in (1, 2, 3)]


def test_it_names_a_field_of_the_statistics(snapshot: Snapshot) -> None:
    Source.objects.update(attribution="Somebody else")
    assert 'by_source.letters@1.attribution was "" and would be "Somebody else"' in refused()[1]


def test_it_says_which_file_is_not_the_published_one(snapshot: Snapshot) -> None:
    (snapshot.path / "README.md").write_text("mine")
    assert "README.md: not the file that was published; restore it from a backup" in refused()[1]


def test_it_says_which_versions_there_are(snapshot: Snapshot) -> None:
    with pytest.raises(CommandError, match=r"0\.4 was not published; published are: 0\.3"):
        verify("0.4")
