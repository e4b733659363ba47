"""Which lines a release takes, on the world that was checked by eye."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from django.core.management import CommandError

from annotate.models import Annotation, Campaign
from exports import contributions, snapshots, verification
from exports.errors import SnapshotRefused
from exports.filters import Filters
from exports.formats import Options
from exports.models import Snapshot
from sources import criteria, removals
from sources.models import Instruction, PersonalFinding, Provenance, Screening, Source
from tests.exports import faults, worlds
from tests.exports.faults import command
from tests.exports.folders import file_of

pytestmark = pytest.mark.django_db(transaction=True)


def published(*campaigns: Campaign, **asked: Any) -> Snapshot:
    prepared = snapshots.prepare("0.3", campaigns, options=Options(filters=Filters(**asked)))
    snapshots.work(prepared)
    prepared.refresh_from_db()
    assert prepared.is_published, prepared.error
    return prepared


def lines_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    return [
        json.loads(line)["metadata"] for line in (snapshot.path / file_of(snapshot)).read_text().split("\n") if line
    ]


@pytest.mark.parametrize(
    ("asked", "field", "kept"),
    [
        ({"sources": ("letters-typos",)}, "source", {"letters-typos"}),
        ({"sources": ("letters@1",)}, "source", {"letters"}),
        ({"languages": ("ar", "und")}, "language", {"ar", "und"}),
        ({"statuses": ("unanimous", "majority")}, "agreement", {"unanimous", "majority"}),
        ({"min_votes": 3}, "n_votes", {3, 6}),
        ({"without_augmented": True}, "source", {"letters"}),
        ({"without_disputed": True}, "agreement", {"unanimous", "majority", "too few votes"}),
    ],
)
def test_it_takes_what_is_asked_and_counts_the_rest(asked: dict[str, Any], field: str, kept: set[Any]) -> None:
    campaigns = worlds.everything()
    snapshot = published(*campaigns, **asked)
    lines, manifest = lines_of(snapshot), snapshot.manifest
    assert {line[field] for line in lines} == kept
    (name,) = asked
    left_out = manifest["left_out"]["filters"][name]
    assert left_out["instructions"] + len(lines) == 16
    assert left_out["votes"] + manifest["votes"] == 39
    assert manifest["filters"] == Filters(**asked).stored()
    # Readers of what was left out are not counted.
    statistics = snapshot.statistics
    published_ids = [bytes.fromhex(line["id"]) for line in lines]
    voters = Annotation.objects.counted().filter(unit__instruction__digest__in=published_ids, annotator__kind="human")
    assert statistics["annotators"]["human"] == voters.values("annotator").distinct().count()
    assert statistics["instructions"] == len(lines)
    assert verification.verify(snapshot).is_same


def test_it_leaves_out_texts_with_personal_information(kindness: Campaign, letters: Source) -> None:
    worlds.agreeing(kindness, letters, "Write to ada@example.org")
    found = Instruction.objects.get(turns__0__text__startswith="Write")
    PersonalFinding.objects.create(instruction=found, turn=0, start=9, end=24, kind="email")
    snapshot = published(kindness, without_personal=True)
    assert len(lines_of(snapshot)) == 1
    assert snapshot.manifest["left_out"]["filters"] == {"without_personal": {"instructions": 1, "votes": 2}}


def test_it_names_the_first_filter_that_leaves_a_line_out() -> None:
    snapshot = published(*worlds.everything(), languages=("en",), min_votes=3)
    left_out = snapshot.manifest["left_out"]["filters"]
    counted: Counter[str] = Counter({name: counts["instructions"] for name, counts in left_out.items()})
    assert counted["languages"] == 2
    assert counted.total() + len(lines_of(snapshot)) == 16


@pytest.mark.parametrize(
    "asked", [{"languages": ("de",)}, {"min_votes": 3}, {"statuses": ("majority",)}, {"sources": ("novels",)}]
)
def test_what_was_left_out_is_in_no_release(kindness: Campaign, letters: Source, asked: dict[str, Any]) -> None:
    """Of five texts that Ada read one is taken; a take-down and her own page say so."""
    novels = worlds.source("novels", "MIT")
    taken = worlds.unit(kindness, worlds.instruction("taken", novels, language="de"))
    worlds.votes(taken, worlds.people("ada ben cleo"), worlds.CASUAL, worlds.CASUAL, worlds.CAUTION)
    for number in range(3):
        worlds.agreeing(kindness, letters, f"left out {number}")
    published(kindness, **asked)
    everything = worlds.published("0.4", kindness)
    assert [(one.version, one.votes) for one in contributions.of_person(worlds.person("ada"))] == [
        ("0.4", 5),
        ("0.3", 1),
    ]
    assert [(one.version, one.votes) for one in contributions.of_person(worlds.person("cleo"))] == [
        ("0.4", 1),
        ("0.3", 1),
    ]
    both = removals.preview(criteria.by_ids([taken.instruction.public_id])).concerned
    assert both["lines of OIG_safety_v0.3, which stays as it was published"] == 1
    of_letters = removals.preview(criteria.by_source("letters")).concerned
    assert of_letters[f"lines of {everything}, which stays as it was published"] == 4
    assert not any("v0.3" in words for words in of_letters)


def test_a_text_that_a_known_licence_came_to_later_is_in_no_release_of_before(
    kindness: Campaign, letters: Source
) -> None:
    secret = worlds.unit(kindness, worlds.instruction("secret", worlds.source("secrets", "unknown")))
    worlds.votes(secret, worlds.people("ada ben"), worlds.CASUAL, worlds.CASUAL)
    worlds.published("0.3", kindness)
    run = letters.runs.get()
    Provenance.objects.create(instruction=secret.instruction, source=letters, run=run, row="row 9")
    worlds.published("0.4", kindness)
    assert [(one.version, one.votes) for one in contributions.of_person(worlds.person("ada"))] == [
        ("0.4", 2),
        ("0.3", 1),
    ]


def test_it_refuses_where_nothing_is_left_and_what_no_line_can_be(kindness: Campaign) -> None:
    with pytest.raises(SnapshotRefused, match="There is no agreement 'unanimus'; there are: unanimous, majority"):
        snapshots.prepare("0.3", [kindness], options=Options(filters=Filters(statuses=("unanimus",))))
    with pytest.raises(SnapshotRefused, match=r"There is no source 'lettres': give the name of one, or NAME@REVISION"):
        Filters(sources=("letters", "letters@1", "lettres")).check()
    with pytest.raises(SnapshotRefused, match=r"No source is under the licence 'CC BY 4\.0'"):
        Filters(licenses=("CC-BY-4.0", "CC BY 4.0")).check()
    empty = snapshots.prepare("0.3", [kindness], options=Options(filters=Filters(languages=("tlh",))))
    snapshots.work(empty)
    assert empty.error == "The filters leave nothing: languages"


def test_a_dry_run_says_what_would_be_and_writes_nothing() -> None:
    worlds.everything()
    said = command("--dry-run", "--language", "en", "--min-votes", "3")
    assert "left out by languages: 2 instructions\n" in said
    assert said.endswith("votes would be published; nothing was written\n")
    assert not Snapshot.objects.exists()


def test_it_resumes_only_what_was_begun_and_with_its_own_choice(kindness: Campaign) -> None:
    with pytest.raises(CommandError, match=r"0\.3 was never begun: leave out --resume"):
        command("--resume")
    begun = snapshots.prepare("0.3", [kindness], options=Options(filters=Filters(languages=("en",))))
    worlds.lose_worker(begun)
    assert command("--resume").endswith("OIG_safety_v0.3: 1 instructions, 2 votes\n")
    begun.refresh_from_db()
    assert begun.manifest["filters"] == {"languages": ["en"]}


COMBINED: list[list[str]] = [
    [],
    ["--language=en", "--min-votes=2"],
    ["--source=letters", "--agreement=unanimous", "--agreement=majority"],
    ["--license=CC-BY-4.0", "--without-augmented", "--without-personal"],
    ["--source=letters@1", "--language=en", "--language=und", "--min-votes=2", "--without-augmented"],
    ["--language=en", "--agreement=disputed", "--without-personal", "--min-votes=3"],
]


@pytest.mark.parametrize("masking", [[], ["--mask-personal"]], ids=["as it is", "masked"])
def test_a_dry_run_promises_what_is_published_and_every_text_is_accounted_for(masking: list[str]) -> None:
    campaigns = faults.world()
    removals.take_down(criteria.by_pattern("^Tag tie"), "its author asked for it")
    read = Annotation.objects.counted().filter(unit__campaign__in=campaigns)
    instructions = read.values("unit__instruction").distinct().count()
    for number, asked in enumerate(COMBINED, start=1):
        promised = command(*asked, *masking, "--dry-run").splitlines()
        assert not Snapshot.objects.filter(version=f"0.3.{number}").exists()
        published = command(f"--version=0.3.{number}", *asked, *masking).splitlines()[-1]
        manifest = Snapshot.objects.get(version=f"0.3.{number}").manifest
        left_out = manifest["left_out"]["filters"]
        lines, votes = manifest["instructions"], manifest["votes"]
        assert published == f"OIG_safety_v0.3.{number}: {lines} instructions, {votes} votes (1 simulated)".removesuffix(
            "" if manifest["simulated_votes"] else " (1 simulated)"
        )
        assert promised == [
            *(
                f"left out by {name}: {counts['instructions']} instructions"
                for name, counts in sorted(left_out.items())
            ),
            f"{lines} instructions and {votes} votes would be published; nothing was written",
        ]
        # Read is what was kept, what each filter left out, and what may not be published at all.
        gone, repeated = manifest["left_out"]["instructions"], manifest["left_out"]["votes"]
        filtered = sum(counts["instructions"] for counts in left_out.values())
        assert lines + filtered + sum(gone.values()) == instructions
        not_counted = [repeated[why] for why in (*gone, "the same person again, in another campaign")]
        assert votes + sum(counts["votes"] for counts in left_out.values()) + sum(not_counted) == read.count()
        assert all(counts["instructions"] for counts in left_out.values())


def test_a_dry_run_refuses_what_publishing_would(kindness: Campaign) -> None:
    screening = Screening.objects.create(lowest=1, highest=10**9, state="running")
    for asked in ([], ["--without-personal"], ["--mask-personal"]):
        with pytest.raises(CommandError, match="is running: publish when it is finished"):
            command(*asked, "--dry-run")
    Screening.objects.filter(pk=screening.pk).update(state="cancelled")
    for asked in (["--without-personal"], ["--mask-personal"]):
        with pytest.raises(CommandError, match="screened again in the admin, then publish"):
            command(*asked, "--dry-run")
    with pytest.raises(CommandError, match=r"'v0\.3' is not a version"):
        command("--version=v0.3", "--dry-run")
    assert not Snapshot.objects.exists()
