"""What is left of a text that is taken down, hidden or set aside, and what is not touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sources import criteria, removals, texts
from sources.criteria import UnknownId, UnknownSource, WrongDigests, WrongPattern
from sources.models import (
    DuplicateSearch,
    ImportChunk,
    Instruction,
    NearDuplicate,
    PersonalFinding,
    Provenance,
    Source,
    TakeDown,
    Tombstone,
)
from tests.sources.letters import (
    AVAILABLE,
    REMOVED,
    WHY,
    by_id,
    everything_stored,
    said,
    source,
    state_of,
    states,
)
from tests.sources.worlds import imported

pytestmark = pytest.mark.django_db


def test_it_leaves_nothing_of_a_text_but_its_digest() -> None:
    letters = source()
    gone, other = said("swordfish at dawn", letters), said("a kettle", letters)
    search = DuplicateSearch.objects.create()
    NearDuplicate.objects.create(search=search, representative=gone, instruction=other, similarity=0.9)
    Provenance.objects.update(row="7")
    removal = removals.take_down(by_id(gone), WHY)
    assert "swordfish" not in everything_stored()
    gone.refresh_from_db()
    assert (gone.turns, gone.language, gone.characters, gone.state) == ([], "", 0, REMOVED)
    assert not PersonalFinding.objects.filter(instruction=gone).exists()
    assert not NearDuplicate.objects.exists()
    assert (removal.effect.texts, removal.effect.augmented, removal.effect.kept) == (1, 0, 0)
    record = TakeDown.objects.get()
    assert (record, record.by, record.reason, record.removed) == (removal.take_down, "id", WHY, 1)
    stone = Tombstone.objects.get()
    assert (stone.kind, str(stone), stone.take_down) == ("instruction", gone.public_id, record)
    # Its row can be named still; of the other text everything is there.
    assert Provenance.objects.get(instruction=gone).row == "7"
    assert state_of(other) == AVAILABLE
    assert other.turns[0]["text"] == "a kettle"
    assert PersonalFinding.objects.filter(instruction=other).exists()
    assert Provenance.objects.get(instruction=other).source_labels == {"label": "a kettle"}


def test_it_removes_what_was_made_of_a_text_to_any_depth() -> None:
    letters = source()
    noise = source("noise", augments=letters)
    parent = said("parent", letters)
    child = said("child", noise, parent=parent)
    grandchild = said("grandchild", noise, parent=child)
    sibling = said("of another", noise, parent=said("another", letters))
    removal = removals.take_down(by_id(parent), WHY)
    assert states(parent, child, grandchild, sibling) == [REMOVED, REMOVED, REMOVED, AVAILABLE]
    assert (removal.effect.texts, removal.effect.augmented) == (3, 2)
    assert Tombstone.objects.count() == 3


def test_it_keeps_a_child_that_a_source_gives_as_well_and_no_longer_as_a_child() -> None:
    letters, novels = source(), source("novels")
    noise = source("noise", augments=letters)
    parent = said("parent", letters)
    child = said("child", noise, novels, parent=parent)
    grandchild = said("grandchild", noise, parent=child)
    removal = removals.take_down(by_id(parent), WHY)
    assert states(parent, child, grandchild) == [REMOVED, AVAILABLE, AVAILABLE]
    assert removal.effect.kept == 1
    assert [given.source for given in child.provenances.all()] == [novels]
    assert grandchild.provenances.exists()


def test_by_source_it_keeps_what_another_source_gives() -> None:
    letters, novels = source(), source("novels")
    noise = source("noise", augments=novels)
    own, shared, made = said("own", letters), said("shared", letters, novels), said("made", letters, noise)
    elsewhere, child = said("elsewhere", novels), said("child", noise, parent=own)
    ImportChunk.objects.create(run=letters.runs.get(), number=0, start=0, end=1, content=b"seen")
    removal = removals.take_down(criteria.by_source("letters@1"), WHY)
    assert states(own, shared, made, elsewhere, child) == [REMOVED, AVAILABLE, REMOVED, AVAILABLE, REMOVED]
    assert [given.source for given in shared.provenances.all()] == [novels]
    assert (removal.effect.texts, removal.effect.augmented, removal.effect.kept) == (3, 1, 1)
    assert removal.take_down is not None
    assert (removal.take_down.criterion, removal.take_down.kept) == ("letters@1", 1)
    # The same bytes are read again if they come again.
    assert ImportChunk.objects.get().content is None


def test_by_source_it_needs_the_revision_where_there_are_several() -> None:
    source(), source(revision="2")
    assert criteria.by_source("letters@2").source == Source.objects.get(revision="2")
    with pytest.raises(UnknownSource, match=r"letters: no such source: name one of letters@1, letters@2$"):
        criteria.by_source("letters")
    with pytest.raises(UnknownSource, match="novels: no such source: name one of letters@1, letters@2"):
        criteria.by_source("novels")


def test_by_pattern_it_finds_any_turn_in_any_case() -> None:
    letters = source()
    found, other = said("My name is JANE roe.", letters), said("nothing", letters)
    assert removals.take_down(criteria.by_pattern(r"\mjane\s+roe"), WHY).effect.texts == 1
    assert states(found, other) == [REMOVED, AVAILABLE]


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "[z-a]", " ", ""])
def test_it_names_a_pattern_that_is_none(pattern: str) -> None:
    with pytest.raises(WrongPattern, match="write a regular expression of PostgreSQL"):
        criteria.by_pattern(pattern)


def test_by_digests_it_finds_ids_and_turns_and_refuses_all_of_them() -> None:
    letters = source()
    by_its_id, by_its_turn, other = said("first", letters), said("two\n\nlines", letters), said("other", letters)
    turn = texts.text_digest("two   lines").hex()
    absent = texts.text_digest("not here yet").hex()
    listed = [f"{by_its_id.public_id.upper()}  # the first", "", "# a comment", turn, absent]
    removal = removals.take_down(criteria.by_digests("list.txt", listed), WHY)
    assert states(by_its_id, by_its_turn, other) == [REMOVED, REMOVED, AVAILABLE]
    assert removal.effect.texts == 2
    kinds = {str(stone): stone.kind for stone in Tombstone.objects.all()}
    assert kinds == {
        by_its_id.public_id: "instruction",
        by_its_turn.public_id: "instruction",
        turn: "text",
        absent: "text",
    }


def test_it_names_every_bad_line_of_a_list() -> None:
    lines = ["0" * 32, "0" * 31, "# fine", "g" * 64, "0" * 40]
    with pytest.raises(WrongDigests) as refused:
        criteria.read_digests("list.txt", lines)
    assert str(refused.value).startswith(f"list.txt: line 2 is '{'0' * 31}', line 4 is 'ggg")
    assert "line 5 is" in str(refused.value)
    with pytest.raises(WrongDigests, match=r"list\.txt: has no digest"):
        criteria.read_digests("list.txt", ["# nothing"])


def test_it_names_ids_that_nothing_has() -> None:
    here = said("here", source())
    with pytest.raises(UnknownId, match=f"{'a' * 32}: no instruction"):
        criteria.by_ids([here.public_id, "a" * 32])
    with pytest.raises(UnknownId, match="12: no instruction"):
        criteria.by_ids(["12"])


def test_it_may_be_run_twice() -> None:
    gone = said("gone", source())
    for criterion in (by_id, lambda _: criteria.by_source("letters@1"), lambda _: criteria.by_pattern("gone")):
        removals.take_down(criterion(gone), WHY)
    listed = [gone.public_id]
    removals.take_down(criteria.by_digests("list.txt", listed), WHY)
    assert removals.refuse("list.txt", listed, WHY) == (None, 0)
    assert (TakeDown.objects.count(), Tombstone.objects.count()) == (1, 1)


def test_a_preview_counts_the_same_and_changes_nothing() -> None:
    letters, novels = source(), source("novels")
    parent = said("parent", letters)
    said("child", source("noise", augments=letters), parent=parent)
    said("shared", letters, novels)
    before = everything_stored()
    seen = removals.preview(criteria.by_source("letters@1"))
    assert everything_stored() == before
    assert seen == removals.take_down(criteria.by_source("letters@1"), WHY).effect
    assert (seen.texts, seen.augmented, seen.kept) == (2, 1, 1)
    assert {"units", "live leases"} <= set(seen.concerned)


def test_a_text_that_was_refused_and_then_removed_names_its_removal() -> None:
    gone = said("gone", source())
    record, new = removals.refuse("list.txt", [gone.public_id], WHY)
    assert record is not None
    assert (record.by, record.removed, new, state_of(gone)) == ("refusal", 0, 1, AVAILABLE)
    removal = removals.take_down(by_id(gone), WHY)
    assert Tombstone.objects.get().take_down == removal.take_down


def test_its_statements_do_not_grow_with_the_texts(django_assert_max_num_queries: Callable[..., Any]) -> None:
    letters = source()
    noise = source("noise", augments=letters)
    for number in range(40):
        said(f"child {number}", noise, parent=said(f"parent {number}", letters))
    criterion = criteria.by_source("letters@1")
    with django_assert_max_num_queries(40):
        assert removals.take_down(criterion, WHY).effect.texts == 80


def test_it_leaves_no_words_of_a_text_in_the_report_of_its_import(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"t": "the golden zebra sings", "l": "the golden zebra sings"}))
    mapping = '[labels.l.values]\nhigh = {tags = ["hate"]}\n'
    run = imported(source(), path, "columns", text="t", labels="l", mapping=mapping)
    assert "golden zebra" in json.dumps(run.report.unmapped)
    removals.take_down(criteria.by_ids([Instruction.objects.get().public_id]), WHY)
    run.refresh_from_db()
    assert (run.report.unmapped, run.report.first_offenders) == ({}, [])
