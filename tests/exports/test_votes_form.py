"""The single votes of a release: whose they are, under which pseudonyms, and when there are none."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction

from annotate.annotations import take_cut
from annotate.models import Annotator, Campaign, VoteSharing
from exports import derivation, single_votes, snapshots, verification
from exports.filters import Filters
from exports.formats import Options
from exports.models import Snapshot
from sources.models import PersonalFinding, Source
from tests.exports import worlds
from tests.exports.folders import contents
from tests.exports.test_formats import problems
from tests.exports.test_loaders import run

pytestmark = pytest.mark.django_db(transaction=True)

# In this order they vote in ``crowd``; the last five never say that they allow it.
WILLING = "ada ben cleo dora eve"
OTHERS = "fay gil hal ida jon"


def allow(names: str, allowed: bool = True) -> None:
    for one in worlds.people(names):
        VoteSharing.objects.create(annotator=one, allowed=allowed)


@pytest.fixture
def crowd(letters: Source) -> Campaign:
    """Four texts with ten votes each, and one of Ada and Fay alone; five of the ten people allow it."""
    made = worlds.campaign("crowd")
    for text in ("first", "second", "third", "fourth"):
        placed = worlds.unit(made, worlds.instruction(text, letters))
        worlds.vote(placed, worlds.person("ada"), worlds.CAUTION, hate=True, abuse_related=False)
        worlds.votes(placed, worlds.people(f"{WILLING} {OTHERS}")[1:], *[worlds.CASUAL] * 9)
    alone = worlds.unit(made, worlds.instruction("alone", letters, language="de"))
    worlds.votes(alone, worlds.people("ada fay"), worlds.CASUAL, worlds.INTERVENTION)
    allow(WILLING)
    return made


def release(where: Campaign, version: str = "0.3", filters: Filters | None = None, **asked: Any) -> Snapshot:
    options = Options(("votes", "schema"), filters=filters or Filters())
    made = snapshots.prepare(version, [where], options=options, **asked)
    snapshots.work(made)
    made.refresh_from_db()
    assert made.is_published, made.error
    return made


def votes_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    path = snapshot.path / f"{snapshot}.votes.jsonl"
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def pseudonyms(snapshot: Snapshot) -> set[str]:
    return {vote["annotator"] for vote in votes_of(snapshot)}


def reason(snapshot: Snapshot) -> str:
    """Why there are none; nothing about them was written."""
    found = snapshot.manifest["single_votes"]
    assert (found["votes"], found["people"], found["simulated"]) == (0, 0, 0)
    assert [name for name in contents(snapshot.path) if "votes." in name] == []
    assert found["reason"] in (snapshot.path / "README.md").read_text()
    return str(found["reason"])


def test_it_has_the_votes_of_those_who_allow_it_and_of_nobody_else(crowd: Campaign) -> None:
    snapshot = release(crowd)
    votes = votes_of(snapshot)
    assert len(votes) == 4 * 5 + 1
    assert len(pseudonyms(snapshot)) == 5
    assert snapshot.manifest["single_votes"] == {
        "votes": 21,
        "people": 5,
        "simulated": 0,
        "people_who_did_not_allow_it": 5,
        "of_public_datasets_never_asked": 0,
        "reason": None,
    }
    assert snapshot.manifest["files"][f"{snapshot}.votes.jsonl"]["rows"] == 21
    tags = {"personal information related": "not answered", "sexual content": "not answered"}
    (ada,) = {vote["annotator"] for vote in votes if vote["option"] == "needs caution"}
    said = [vote for vote in votes if vote["annotator"] == ada]
    assert len(said) == 5
    assert {json.dumps(vote["tags"], sort_keys=True) for vote in said if vote["option"] == "needs caution"} == {
        json.dumps({"abuse related": "no", "hate": "yes", **tags}, sort_keys=True)
    }
    assert {vote["option"] for vote in votes} == {"casual", "needs caution"}


def test_a_line_has_nothing_else_and_is_as_its_schema_says(crowd: Campaign) -> None:
    snapshot = release(crowd)
    schema = json.loads((snapshot.path / f"{snapshot}.votes.schema.json").read_text())
    for vote in votes_of(snapshot):
        assert list(vote) == ["id", "annotator", "option", "tags"]
        assert problems(vote, schema) == []
    written = (snapshot.path / f"{snapshot}.votes.jsonl").read_text()
    assert not [name for name in f"{WILLING} {OTHERS}".split() if f'"{name}"' in written]


def test_its_order_is_by_instruction_then_by_pseudonym(crowd: Campaign) -> None:
    found = [(vote["id"], vote["annotator"]) for vote in votes_of(release(crowd))]
    assert found == sorted(found)
    assert len(set(found)) == len(found)


def test_pseudonyms_are_one_within_a_release_and_others_in_the_next(crowd: Campaign) -> None:
    first, second = release(crowd, "0.3"), release(crowd, "0.4")
    assert len(pseudonyms(first)) == len(pseudonyms(second)) == 5
    assert pseudonyms(first) & pseudonyms(second) == set()
    assert all(len(name) == 32 and int(name, 16) for name in pseudonyms(first))


def test_a_release_stays_as_it_was_when_people_change_their_minds_and_a_later_one_follows(crowd: Campaign) -> None:
    allow("fay")
    before = release(crowd, "0.3", filters=Filters(min_votes=1))
    assert reason(before) == single_votes.REST
    allow("fay", False)
    snapshot = release(crowd, "0.4")
    allow("ada", False)
    allow("gil")
    derivation.rederive(snapshot)
    assert verification.verify(snapshot).is_same
    later = release(crowd, "0.5")
    assert later.manifest["single_votes"]["people"] == 5
    assert "needs caution" not in {vote["option"] for vote in votes_of(later)}


def test_verify_tells_if_other_votes_would_be_told(crowd: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = release(crowd)
    ben, gil = worlds.people("ben gil")
    kept = [one for one in snapshot.settled["sharing"] if one != ben.pk]
    snapshot.settled = {**snapshot.settled, "sharing": [*kept, gil.pk]}
    assert verification.verify(snapshot).single_votes == "answers or pseudonyms would be others"
    snapshot.settled["sharing"] = kept
    assert verification.verify(snapshot).single_votes == "votes was 21 and would be 0"
    monkeypatch.setattr(single_votes, "PERSON", b"others")
    with pytest.raises(CommandError, match="but in the single votes answers or pseudonyms would be others"):
        call_command("verify_snapshot", "0.3")


def test_it_has_votes_of_published_lines_alone(crowd: Campaign) -> None:
    of_english = release(crowd, "0.3", Filters(languages=("en",)))
    assert len(votes_of(of_english)) == 20
    Source.objects.update(license="unknown")
    elsewhere = worlds.source("elsewhere")
    more = worlds.unit(crowd, worlds.instruction("licensed", elsewhere))
    worlds.votes(more, worlds.people(WILLING), *[worlds.CASUAL] * 5)
    after = votes_of(release(crowd, "0.4"))
    assert {vote["id"] for vote in after} == {bytes(more.instruction.digest).hex()}


def test_it_has_votes_up_to_the_cut_and_the_last_word_of_each_alone(crowd: Campaign) -> None:
    unit = crowd.units.earliest("pk")
    said = unit.annotations.get(annotator__username="ben")
    worlds.vote(unit, said.annotator, worlds.INTERVENTION, supersedes=said)
    snapshot = release(crowd)
    assert [vote["option"] for vote in votes_of(snapshot)].count("needs intervention") == 1
    late = worlds.unit(crowd, worlds.instruction("late", Source.objects.get(name="letters")))
    worlds.votes(late, worlds.people(WILLING), *[worlds.CASUAL] * 5)
    derivation.rederive(snapshot)


def test_who_answered_in_two_campaigns_has_one_vote_the_later(crowd: Campaign) -> None:
    other = worlds.campaign("other")
    again = worlds.unit(other, crowd.units.earliest("pk").instruction)
    worlds.vote(again, worlds.person("ben"), worlds.INTERVENTION, sexual_content=True)
    made = snapshots.prepare("0.3", [crowd, other], options=Options(("votes",)))
    snapshots.work(made)
    made.refresh_from_db()
    (later,) = [vote for vote in votes_of(made) if vote["option"] == "needs intervention"]
    assert later["tags"]["sexual content"] == "yes"
    assert len(votes_of(made)) == 21
    assert len([vote for vote in votes_of(made) if vote["annotator"] == later["annotator"]]) == 4


def test_masking_changes_nothing_of_it(crowd: Campaign) -> None:
    first = crowd.units.earliest("pk").instruction
    PersonalFinding.objects.create(instruction=first, turn=0, start=0, end=5, kind="email")
    plain, masked = release(crowd, "0.3"), release(crowd, "0.4", mask_personal=True)

    def without_names(snapshot: Snapshot) -> list[str]:
        return sorted(json.dumps({**vote, "annotator": ""}) for vote in votes_of(snapshot))

    assert without_names(plain) == without_names(masked)


def test_there_are_none_of_fewer_than_five_people(crowd: Campaign) -> None:
    allow("ada", False)
    assert reason(release(crowd, "0.3")) == single_votes.TOO_FEW
    allow("ben cleo dora eve", False)
    assert reason(release(crowd, "0.4")) == single_votes.NOBODY


def test_there_are_none_where_the_counts_would_leave_the_votes_of_fewer_than_five(crowd: Campaign) -> None:
    allow("gil hal")
    found = release(crowd)
    assert reason(found) == single_votes.REST
    assert found.manifest["single_votes"]["people_who_did_not_allow_it"] == 3
    allow("fay ida jon")
    everybody = release(crowd, "0.4")
    assert everybody.manifest["single_votes"]["people"] == 10
    assert everybody.manifest["single_votes"]["people_who_did_not_allow_it"] == 0


def test_simulated_annotators_are_asked_for_nothing_and_those_of_datasets_are_never_in_it(letters: Source) -> None:
    made = worlds.campaign("made-up")
    placed = worlds.unit(made, worlds.instruction("simulated", letters))
    sam, external = (
        worlds.person("sam", Annotator.Kind.SIMULATED),
        worlds.person("letters@1:7", Annotator.Kind.EXTERNAL),
    )
    VoteSharing.objects.create(annotator=external, allowed=True)
    worlds.votes(placed, [sam, external], worlds.CASUAL, worlds.INTERVENTION)
    worlds.vote(placed, None, worlds.CAUTION)
    snapshot = release(made)
    assert [vote["option"] for vote in votes_of(snapshot)] == ["casual"]
    found = snapshot.manifest["single_votes"]
    assert (found["people"], found["simulated"], found["of_public_datasets_never_asked"]) == (0, 1, 1)


def test_who_takes_it_back_before_a_release_is_gone_on_with_is_not_in_it(crowd: Campaign) -> None:
    allow(OTHERS)
    begun = snapshots.prepare("0.3", [crowd], options=Options(("votes",)))
    cut, cut_at = take_cut()
    settled = snapshots.settle("0.3", [crowd]) | single_votes.settle({})
    Snapshot.objects.filter(pk=begun.pk).update(cut=cut, cut_at=cut_at, settled=settled)
    allow("ada ben cleo dora eve", False)
    begun.refresh_from_db()
    snapshots.work(begun)
    begun.refresh_from_db()
    assert begun.manifest["single_votes"]["people"] == 5
    assert "needs caution" not in {vote["option"] for vote in votes_of(begun)}
    derivation.rederive(begun)


def test_without_the_form_nobody_is_settled_and_nothing_is_said(crowd: Campaign) -> None:
    snapshot = worlds.published("0.3", crowd)
    assert "sharing" not in snapshot.settled
    assert "single_votes" not in snapshot.manifest
    assert "Single votes" not in (snapshot.path / "README.md").read_text()


def test_the_card_says_how_many_and_the_page_what_the_file_is(crowd: Campaign, client: Any) -> None:
    snapshot = release(crowd)
    card = (snapshot.path / "README.md").read_text()
    assert "has 21 single votes on these lines, of 5 people who allow that and 0 simulated annotators" in card
    assert "5 people did not allow it" in card
    assert "| single votes | 21 |" in card
    page = client.get(snapshot.get_absolute_url()).content.decode()
    assert "Single votes under pseudonyms, of people who allow it" in page


@pytest.mark.slow
def test_loaders_of_the_folder_take_the_lines_alone(crowd: Campaign) -> None:
    snapshot = release(crowd)
    script = f"""
import json, datasets
loaded = datasets.load_dataset({os.fspath(snapshot.path)!r})
print(json.dumps({{name: split.num_rows for name, split in loaded.items()}}))
"""
    assert run(script, snapshot.path) == {"train": 5}


def test_what_people_allow_is_append_only_and_goes_with_the_account() -> None:
    allow("ada")
    for change in (
        lambda: VoteSharing.objects.update(allowed=False),
        lambda: VoteSharing.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    worlds.person("ada").delete()
    assert not VoteSharing.objects.exists()
