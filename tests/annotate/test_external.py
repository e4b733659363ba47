from __future__ import annotations

from collections.abc import Sequence

import pytest

from annotate import external
from annotate.models import Annotation, Annotator, Campaign, Unit
from sources.models import ImportRun, Instruction, Source
from sources.rows import SourceVote, VoteCounts
from tests.annotate import worlds

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> ImportRun:
    return ImportRun.objects.create(source=worlds.source("convabuse"), format="convabuse", origin="a.csv")


@pytest.fixture
def letters(run: ImportRun) -> list[Instruction]:
    return worlds.instructions(run.source, [worlds.says("You again."), worlds.says("Thank you.")])


def write(run: ImportRun, *rows: tuple[Instruction, Sequence[SourceVote]]) -> VoteCounts:
    return external.write_votes(run, "convabuse", [(instruction.pk, votes) for instruction, votes in rows])


def vote(annotator: str | None, row: int, choice: str = "not-abusive") -> SourceVote:
    return SourceVote(annotator, choice, f"line {row}")


def test_votes_become_a_closed_campaign_of_their_own(run: ImportRun, letters: list[Instruction]) -> None:
    counts = write(run, (letters[0], [vote("mary", 2)]), (letters[1], [vote("mary", 3), vote("john", 4)]))
    assert (counts.added, counts.known, counts.repeated, counts.rejected) == (3, 0, 0, 0)
    campaign = Campaign.objects.get()
    assert (campaign.kind, campaign.state, campaign.label_set.name) == ("external", "closed", "convabuse")
    assert campaign.label_set.frozen_at is not None
    assert list(campaign.sources.all()) == [run.source]
    assert Annotation.objects.counted().count() == 3
    assert set(Unit.objects.values_list("overlap", "taken")) == {(0, 0)}


def test_external_annotators_can_never_sign_in(run: ImportRun, letters: list[Instruction]) -> None:
    write(run, (letters[0], [vote("mary", 2)]))
    mary = Annotator.objects.get()
    assert (mary.username, mary.kind, mary.is_active) == (f"source-{run.source_id}:mary", "external", False)
    assert not mary.has_usable_password()


def test_long_names_do_not_make_one_person_of_two(letters: list[Instruction]) -> None:
    source = worlds.source("s" * 80)
    source.revision = "r" * 80
    source.save()
    run = ImportRun.objects.create(source=source, format="convabuse", origin="a.csv")
    counts = write(run, (letters[0], [vote("mary", 2), vote("john", 3)]))
    assert (counts.added, counts.repeated) == (2, 0)


def test_the_first_vote_of_a_person_counts_and_the_others_are_named(run: ImportRun, letters: list[Instruction]) -> None:
    counts = write(run, (letters[0], [vote("mary", 2), vote("mary", 3, "ambiguous")]))
    assert (counts.added, counts.repeated) == (1, 1)
    assert counts.offenders == ["line 3: mary voted again on this unit; the first vote counts"]
    assert str(Annotation.objects.counted().get().choice) == "Not abusive".lower()


def test_the_same_rows_again_are_known(run: ImportRun, letters: list[Instruction]) -> None:
    rows = (letters[0], [vote("mary", 2), vote("mary", 3), vote(None, 4), vote(None, 5)])
    first, second = write(run, rows), write(run, rows)
    assert (first.added, first.known, first.repeated) == (3, 0, 1)
    assert (second.added, second.known, second.repeated) == (0, 3, 1)


def test_the_same_rows_are_known_although_the_source_was_renamed(run: ImportRun, letters: list[Instruction]) -> None:
    rows = (letters[0], [vote("mary", 2), vote(None, 3)])
    write(run, rows)
    run.source.name, run.source.revision = "conv-abuse", "emnlp"
    run.source.save()
    again = write(run, rows)
    assert (again.added, again.known) == (0, 2)
    assert Annotator.objects.count() == 1


def test_votes_without_an_annotator_all_count(run: ImportRun, letters: list[Instruction]) -> None:
    assert write(run, (letters[0], [vote(None, 2), vote(None, 3)])).added == 2
    assert not Annotator.objects.exists()


def test_a_vote_without_a_mapping_is_counted_not_guessed(run: ImportRun, letters: list[Instruction]) -> None:
    counts = write(run, (letters[0], [vote("mary", 2, "grumpy")]))
    assert (counts.added, counts.rejected) == (0, 1)
    assert counts.reasons == {"no mapping for the vote 'grumpy'": 1}
    assert not Annotation.objects.exists()


def test_two_revisions_of_a_source_have_two_campaigns(letters: list[Instruction]) -> None:
    for revision in ("1", "2"):
        source, _ = Source.objects.get_or_create(name="convabuse", revision=revision)
        run = ImportRun.objects.create(source=source, format="convabuse", origin="a.csv")
        write(run, (letters[0], [vote("mary", 2)]))
    assert sorted(Campaign.objects.values_list("slug", flat=True)) == [
        "convabuse-votes",
        f"convabuse-votes-{source.pk}",
    ]
    assert Annotation.objects.counted().count() == 2
