"""What a release says and holds of texts that were withdrawn, given by several sources, made of others, or personal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from annotate.models import Campaign
from exports import derivation, differences, release_files, snapshots, verification
from exports.differences import Difference
from exports.errors import NotReproducible, SnapshotRefused
from exports.models import Snapshot
from sources import criteria, removals, screening
from sources.jobs import JobState
from sources.models import Escalation, Instruction, PersonalFinding, Screening, Source
from tests.exports import worlds

pytestmark = pytest.mark.django_db(transaction=True)


def lines(snapshot: Snapshot) -> list[dict[str, Any]]:
    path = snapshot.path / release_files.file_names(snapshot.version)["records"]
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def texts_of(snapshot: Snapshot) -> set[str]:
    return {line["text"].removeprefix("<human>: ") for line in lines(snapshot)}


def take_down(text: str) -> removals.Removal:
    return removals.take_down(criteria.by_pattern(text), "its author asked for it")


@pytest.fixture
def several(kindness: Campaign, letters: Source) -> Campaign:
    """With the text of the fixture, four on which Ada and Ben agree."""
    for text in ("first", "second", "third"):
        worlds.agreeing(kindness, letters, text)
    return kindness


def test_only_what_is_available_is_published_and_the_rest_is_counted(several: Campaign) -> None:
    removal = take_down("first")
    removals.report(Instruction.objects.get(turns__0__text="second"), None)
    removals.set_aside(Instruction.objects.filter(turns__0__text="third"))
    snapshot = worlds.published("0.3", several)
    assert texts_of(snapshot) == {"How do I descale a kettle?"}
    assert snapshot.manifest["left_out"]["votes"]["set aside, quarantined or taken down"] == 6
    assert snapshot.manifest["left_out"]["instructions"]["set aside, quarantined or taken down"] == 3
    assert removal.take_down is not None
    assert snapshot.manifest["take_downs"] == [{"id": removal.take_down.pk, "instructions": 1}]
    assert "its author" not in json.dumps(snapshot.manifest)
    assert snapshot.statistics["annotators"]["human"] == 2


def test_a_take_down_of_another_campaigns_texts_is_not_named(several: Campaign) -> None:
    worlds.agreeing(worlds.campaign("courage"), worlds.source("novels"), "elsewhere")
    take_down("elsewhere")
    assert worlds.published("0.3", several).manifest["take_downs"] == []


def test_readers_of_nothing_but_withdrawn_texts_are_not_counted(several: Campaign, letters: Source) -> None:
    gone = worlds.unit(several, worlds.instruction("gone", letters))
    worlds.votes(gone, worlds.people("gil hal"), worlds.CASUAL, worlds.CASUAL)
    take_down("gone")
    assert worlds.published("0.3", several).statistics["annotators"]["human"] == 2


def test_deriving_a_release_again_names_the_lines_that_are_gone_and_why(several: Campaign) -> None:
    snapshot = worlds.published("0.3", several)
    number = {line["text"].removeprefix("<human>: "): at for at, line in enumerate(lines(snapshot), start=1)}
    removal = take_down("first")
    hidden = Instruction.objects.get(turns__0__text="second")
    escalation = removals.report(hidden, None)
    with pytest.raises(NotReproducible) as refused:
        derivation.rederive(snapshot)
    message = str(refused.value)
    assert "2 of its 4 lines cannot be derived again" in message
    assert removal.take_down is not None
    assert f"taken down (take-down {removal.take_down.pk}): line {number['first']}" in message
    assert f"quarantined: line {number['second']}" in message
    assert "and every other line is the same: it stays as it is in" in message
    assert texts_of(snapshot) >= {"first", "second"}
    removals.decide(escalation, Escalation.State.RELEASED)
    with pytest.raises(NotReproducible, match="1 of its 4 lines cannot be derived again"):
        derivation.rederive(snapshot)


def test_it_says_so_if_other_lines_differ_too(several: Campaign) -> None:
    snapshot = worlds.published("0.3", several)
    take_down("first")
    Instruction.objects.filter(turns__0__text="second").update(language="de")
    with pytest.raises(NotReproducible, match=r"1 of its 4 lines .*, and 1 other lines would not be the same either"):
        derivation.rederive(snapshot)


def test_it_says_so_if_no_line_is_left(several: Campaign) -> None:
    snapshot = worlds.published("0.3", several)
    removals.take_down(criteria.by_source("letters"), "the licence was wrong")
    with pytest.raises(NotReproducible, match="4 of its 4 lines cannot be derived again"):
        derivation.rederive(snapshot)
    failed = snapshots.prepare("0.4", [several])
    snapshots.work(failed)
    assert failed.error.startswith("No available instruction with votes")


def test_what_was_not_published_may_be_withdrawn_without_a_difference(several: Campaign) -> None:
    unlicensed = worlds.instruction("unlicensed", worlds.source("secrets", "unknown"))
    worlds.votes(worlds.unit(several, unlicensed), worlds.people("ada ben"), worlds.CASUAL, worlds.CASUAL)
    worlds.unit(several, worlds.instruction("nobody voted", Source.objects.get(name="letters")))
    snapshot = worlds.published("0.3", several)
    take_down("unlicensed|nobody voted")
    derivation.rederive(snapshot)


def test_the_preview_of_a_take_down_says_which_releases_hold_the_texts(several: Campaign) -> None:
    worlds.published("0.3", several)
    late = worlds.agreeing(several, Source.objects.get(name="letters"), "late")
    worlds.published("0.4", several)
    concerned = removals.preview(criteria.by_ids([late.instruction.public_id])).concerned
    assert concerned["lines of OIG_safety_v0.4, which stays as it was published"] == 1
    assert not any("v0.3" in words for words in concerned)
    both = removals.preview(criteria.by_source("letters")).concerned
    assert [count for words, count in both.items() if words.startswith("lines of")] == [5, 4]


# --- Whose licence, which family --------------------------------------------------------------------------------------


def test_the_declared_order_of_sources_decides_whose_licence_is_published(kindness: Campaign, letters: Source) -> None:
    novels = worlds.source("novels", "MIT", precedence=50)
    shared = worlds.unit(kindness, worlds.instruction("shared", letters, novels))
    worlds.votes(shared, worlds.people("ada ben"), worlds.CASUAL, worlds.CASUAL)

    def named(version: str) -> tuple[str, str]:
        (line,) = [line for line in lines(worlds.published(version, kindness)) if "shared" in line["text"]]
        return line["metadata"]["lineage"]["source"], line["metadata"]["license"]

    assert named("0.3") == ("novels@1", "MIT")
    Source.objects.filter(name="novels").update(precedence=100)
    assert named("0.4") == ("letters@1", "CC-BY-4.0")
    removals.take_down(criteria.by_source("letters"), "asked for")
    assert named("0.5") == ("novels@1", "MIT")


def test_what_was_made_of_a_source_is_published_only_while_the_licence_of_that_source_is_known(
    kindness: Campaign, letters: Source
) -> None:
    novels = worlds.source("novels")
    typos = worlds.source("novels-typos", augments=novels)
    for made in (typos, worlds.source("novels-typos-case", augments=typos)):
        worlds.agreeing(kindness, made, made.name)
    assert {"novels-typos", "novels-typos-case"} < texts_of(worlds.published("0.3", kindness))
    Source.objects.filter(name="novels").update(license="unknown")
    later = worlds.published("0.4", kindness)
    assert texts_of(later) == {"How do I descale a kettle?"}
    assert later.manifest["left_out"]["instructions"]["no source with a known licence"] == 2


def test_a_family_is_named_after_the_text_at_its_beginning(kindness: Campaign, letters: Source) -> None:
    noisy = worlds.source("letters-typos", augments=letters)
    first = kindness.units.get().instruction
    child = worlds.instruction("child", noisy, parent=first)
    grandchild = worlds.instruction("grandchild", noisy, parent=child)
    for made in (child, grandchild):
        worlds.votes(worlds.unit(kindness, made), worlds.people("ada ben"), worlds.CASUAL, worlds.CASUAL)
    lineage = {line["metadata"]["id"]: line["metadata"]["lineage"] for line in lines(worlds.published("0.3", kindness))}
    assert {found["family"] for found in lineage.values()} == {first.public_id}
    assert lineage[grandchild.public_id]["parent"] == child.public_id
    assert [lineage[one.public_id]["augmenter"] for one in (first, child, grandchild)] == ["", "typos", "typos"]


# --- Personal information ---------------------------------------------------------------------------------------------


@pytest.fixture
def personal(kindness: Campaign, letters: Source) -> Campaign:
    """With a text in which an e-mail address was found."""
    text = "Write to ada@example.org, please."
    placed = worlds.agreeing(kindness, letters, text)
    start = text.index("ada@")
    end = start + len("ada@example.org")
    PersonalFinding.objects.create(instruction=placed.instruction, turn=0, start=start, end=end, kind="email")
    return kindness


def test_it_masks_what_was_found_and_says_so(personal: Campaign) -> None:
    snapshot = snapshots.prepare("0.3", [personal], mask_personal=True)
    snapshots.work(snapshot)
    assert "Write to [e-mail address], please." in texts_of(snapshot)
    assert "ada@example.org" not in "".join(file.read_text() for file in snapshot.path.iterdir())
    (line,) = [line for line in lines(snapshot) if "Write" in line["text"]]
    assert line["metadata"]["turns"] == [{"role": "human", "text": "Write to [e-mail address], please."}]
    assert snapshot.manifest["personal_information"] == "masked where it was found"
    assert "| personal information | masked where it was found |" in (snapshot.path / "README.md").read_text()
    derivation.rederive(snapshot)


def test_it_masks_nothing_unless_it_is_asked_to(personal: Campaign) -> None:
    snapshot = worlds.published("0.3", personal)
    assert "Write to ada@example.org, please." in texts_of(snapshot)
    assert snapshot.manifest["personal_information"] == "as it is"
    with pytest.raises(SnapshotRefused, match="nothing is masked in it: choose another version"):
        snapshots.prepare("0.3", mask_personal=True)


def screened(campaign: Campaign, state: str) -> Screening:
    """A screening of all texts."""
    ids = sorted(campaign.units.values_list("instruction", flat=True))
    return Screening.objects.create(lowest=ids[0], highest=ids[-1], state=state)


@pytest.mark.parametrize("mask_personal", [False, True], ids=["as it is", "masked"])
@pytest.mark.parametrize("state", ["queued", "running"])
def test_nothing_is_published_while_its_texts_are_screened(personal: Campaign, state: str, mask_personal: bool) -> None:
    job = screened(personal, state)
    # Of nobody's texts here.
    Screening.objects.create(lowest=job.highest + 10**9, highest=job.highest + 10**9, state="queued")
    snapshot = snapshots.prepare("0.3", [personal], mask_personal=mask_personal)
    snapshots.work(snapshot)
    assert (snapshot.state, snapshot.cut) == (JobState.FAILED, None)
    assert f"is {state}: publish when it is finished; if no worker runs, start one with " in snapshot.error
    Screening.objects.filter(pk=job.pk).update(state="finished")
    snapshots.work(snapshots.prepare("0.3", mask_personal=mask_personal))
    assert Snapshot.objects.get().is_published


def test_a_language_is_found_before_the_release_or_it_is_refused(personal: Campaign) -> None:
    Instruction.objects.update(language="")
    screening.request_all()
    snapshots.work(snapshots.prepare("0.3", [personal]))
    assert not Snapshot.objects.get().is_published
    screening.work_waiting()
    assert verification.verify(worlds.published("0.3", personal)).is_same


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_it_masks_nothing_where_the_search_ended_without_a_result(personal: Campaign, state: str) -> None:
    ended = screened(personal, state)
    masked = snapshots.prepare("0.3", [personal], mask_personal=True)
    snapshots.work(masked)
    assert f"was {state}, so that nobody knows what is personal" in masked.error
    assert "have everything screened again in the admin, then publish" in masked.error
    # Whoever masks nothing does without: nothing will change of itself.
    worlds.published("0.2", personal)
    Screening.objects.create(lowest=1, highest=ended.highest + 10, state="finished")
    snapshots.work(snapshots.prepare("0.3", mask_personal=True))
    assert Snapshot.objects.get(version="0.3").is_published


# --- Two files, line by line ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("published", "again", "gone", "others"),
    [
        ("abc", "abc", [], 0),
        ("abc", "ac", [(2, "b")], 0),
        ("abc", "", [(1, "a"), (2, "b"), (3, "c")], 0),
        ("abc", "aBc", [], 1),
        ("bd", "abcde", [], 3),
        ("abd", "bcD", [(1, "a")], 2),
        ("", "ab", [], 2),
    ],
)
def test_files_are_compared_by_the_ids_of_their_lines(
    tmp_path: Any, published: str, again: str, gone: list[tuple[int, str]], others: int
) -> None:
    for name, letters in (("first", published), ("second", again)):
        content = "".join(json.dumps({"text": letter, "metadata": {"id": letter.lower()}}) + "\n" for letter in letters)
        (tmp_path / name).write_text(content)
    found = differences.compare(tmp_path / "first", tmp_path / "second")
    assert found == Difference(len(published), gone, others)
