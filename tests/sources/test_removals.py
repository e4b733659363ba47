"""What is left of a text that is taken down, hidden or set aside, and what is not touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.db.models import Q

from sources import criteria, imports, removals, texts
from sources.criteria import UnknownId, UnknownSource, WrongDigests, WrongPattern
from sources.models import (
    DuplicateSearch,
    Escalation,
    ImportChunk,
    ImportRun,
    Instruction,
    InstructionState,
    NearDuplicate,
    PersonalFinding,
    Provenance,
    Source,
    TakeDown,
    Tombstone,
)
from sources.readers import WrongFile
from sources.removals import TextIsGone
from sources.rows import Turn
from tests.sources.worlds import imported, jsonl

pytestmark = pytest.mark.django_db

AVAILABLE, SET_ASIDE, QUARANTINED, REMOVED = InstructionState
WHY = "its author asked for it"


def source(name: str = "letters", **facts: Any) -> Source:
    return Source.objects.create(name=name, revision=facts.pop("revision", "1"), license="MIT", **facts)


def said(text: str, *origins: Source, parent: Instruction | None = None) -> Instruction:
    """An instruction that ``origins`` gave, with everything that is known of one."""
    turns: list[Turn] = [{"role": "human", "text": text}]
    root = parent and (parent.root or parent)
    made = Instruction.objects.create(
        digest=texts.digest(turns), turns=turns, language="en", characters=len(text), parent=parent, root=root
    )
    PersonalFinding.objects.create(instruction=made, turn=0, start=0, end=1, kind="email")
    for origin in origins:
        run, _ = ImportRun.objects.get_or_create(
            source=origin, format="jsonl", augments=origin.augments, defaults={"state": "finished"}
        )
        labels = {"label": text}
        Provenance.objects.create(
            instruction=made, source=origin, run=run, row=text[:20], source_labels=labels, suggested=labels
        )
    return made


def state_of(instruction: Instruction) -> InstructionState:
    instruction.refresh_from_db()
    return InstructionState(instruction.state)


def states(*instructions: Instruction) -> list[InstructionState]:
    return [state_of(instruction) for instruction in instructions]


def by_id(*instructions: Instruction) -> criteria.Criterion:
    return criteria.by_ids([instruction.public_id for instruction in instructions])


def everything_stored() -> str:
    """Every row of this app's tables, as text."""
    with connection.cursor() as cursor:
        tables = [name for name in connection.introspection.table_names(cursor) if name.startswith("sources_")]
        rows = [cursor.execute(f'SELECT "{name}"::text FROM "{name}"').fetchall() for name in tables]
    return str(rows)


# --- What a take-down removes -----------------------------------------------------------------------------------------


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


# --- Files that hold the texts ----------------------------------------------------------------------------------------


@pytest.fixture
def uploaded(transactional_db: None) -> ImportRun:
    """A finished import of an upload that gave a text, with what an import that failed midway leaves beside it."""
    gone = said("gone", source())
    run = ImportRun.objects.get()
    run.upload.save("letters.jsonl", ContentFile(b'{"text": "gone"}\n'))
    run.staging.mkdir(parents=True)
    (run.staging / "unpacked-0").write_text("gone")
    assert gone.provenances.get().run == run
    return run


@pytest.mark.django_db(transaction=True)
def test_it_deletes_uploads_and_staged_files_that_hold_the_text(uploaded: ImportRun) -> None:
    removal = removals.take_down(criteria.by_pattern("gone"), WHY)
    assert sorted(removal.deleted) == sorted([uploaded.upload.path, str(uploaded.staging)])
    assert [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()] == []


@pytest.mark.django_db(transaction=True)
def test_it_keeps_the_files_where_the_transaction_is_rolled_back(uploaded: ImportRun) -> None:
    with transaction.atomic():
        removals.take_down(criteria.by_pattern("gone"), WHY)
        transaction.set_rollback(True)
    assert Path(uploaded.upload.path).exists()
    assert state_of(Instruction.objects.get()) == AVAILABLE


@pytest.mark.django_db(transaction=True)
def test_a_file_that_an_import_still_reads_goes_with_the_next_run(uploaded: ImportRun) -> None:
    again = ImportRun.objects.create(source=uploaded.source, format="jsonl", upload=uploaded.upload.name)
    removal = removals.take_down(criteria.by_pattern("gone"), WHY)
    assert (removal.deleted, len(removal.left)) == ([], 2)
    assert Path(uploaded.upload.path).exists()
    assert f"{again} still reads it: cancel it" in removal.left[0]
    ImportRun.objects.filter(pk=again.pk).update(state="cancelled")
    assert removals.take_down(criteria.by_pattern("gone"), WHY).deleted[:1] == [uploaded.upload.path]
    assert not Path(uploaded.upload.path).exists()


@pytest.mark.django_db(transaction=True)
def test_it_names_a_file_that_was_imported_from_where_it_stood(tmp_path: Path) -> None:
    said("gone", source())
    file = tmp_path / "letters.jsonl"
    file.write_text('{"text": "gone"}\n')
    ImportRun.objects.update(origin=str(file))
    removal = removals.take_down(criteria.by_pattern("gone"), WHY)
    assert removal.left == [f"{file}: may hold the texts too, and was imported from there: delete it by hand"]
    assert file.exists()


@pytest.mark.django_db(transaction=True)
def test_it_deletes_every_upload_that_may_hold_the_text(tmp_path: Path) -> None:
    letters = source()
    noise = source("noise", augments=letters)
    first = uploaded_to(letters, "swordfish")
    # The second import gives the text too, and is named nowhere: it was known by then.
    second = uploaded_to(letters, "swordfish", "a kettle")
    refused = uploaded_to(source("novels"), "a lamp")
    made, other = uploaded_to(noise, "a swordfish!"), uploaded_to(source("plays"), "a kettle, too")
    beside = jsonl(tmp_path / "beside.jsonl", ["swordfish"])
    imported(letters, beside)
    gone = Instruction.objects.get(turns__0__text="swordfish")
    removal = removals.take_down(by_id(gone), WHY)
    assert sorted(removal.deleted) == sorted([first.upload.path, second.upload.path, made.upload.path])
    assert removal.left == [f"{beside}: may hold the texts too, and was imported from there: delete it by hand"]
    # A file whose row was refused holds it still; it goes with the next take-down.
    again = uploaded_to(refused.source, "swordfish", "a vase")
    assert again.report.reasons == {"taken down": 1}
    deleted = removals.take_down(criteria.by_pattern("nowhere"), WHY).deleted
    assert deleted == [again.upload.path]
    assert Path(refused.upload.path).exists()
    assert Path(other.upload.path).exists()
    with pytest.raises(WrongFile, match=r"there is no such file: check the path"):
        imports.again(second)


def uploaded_to(origin: Source, *lines: str) -> ImportRun:
    """A finished import of an upload with these texts."""
    content = "".join(json.dumps({"text": line}) + "\n" for line in lines).encode()
    run = imports.start(origin, "oig", upload=ContentFile(content, name="letters.jsonl"))
    imports.work(run)
    run.refresh_from_db()
    assert run.state == "finished"
    return run


# --- Quarantine -------------------------------------------------------------------------------------------------------


def test_a_report_hides_a_text_and_what_was_made_of_it() -> None:
    letters = source()
    noise = source("noise", augments=letters)
    parent = said("parent", letters)
    child = said("child", noise, letters, parent=parent)
    other = said("other", letters)
    escalation = removals.report(parent, None, "looks illegal")
    assert states(parent, child, other) == [QUARANTINED, QUARANTINED, AVAILABLE]
    assert (escalation.state, escalation.reason) == ("open", "looks illegal")
    assert removals.report(parent, None).pk == escalation.pk
    assert list(Instruction.objects.visible()) == [other]
    assert "parent" not in str(parent)


def test_it_is_released_or_referred_or_removed() -> None:
    letters = source()
    noise = source("noise", augments=letters)
    parent = said("parent", letters)
    child = said("child", noise, letters, parent=parent)
    escalation = removals.report(parent, None)
    removals.decide(escalation, Escalation.State.REFERRED, reference="case 7")
    assert states(parent, child) == [QUARANTINED, QUARANTINED]
    released = removals.decide(escalation, Escalation.State.RELEASED, outcome="a quotation")
    assert states(parent, child) == [AVAILABLE, AVAILABLE]
    assert (released.state, released.outcome) == ("released", "a quotation")
    assert released.decided_at is not None
    assert removals.report(parent, None, "again").state == "open"
    removals.decide(escalation, Escalation.State.REMOVED, outcome="it was illegal")
    # What was made of illegal material goes, whoever gives it.
    assert states(parent, child) == [REMOVED, REMOVED]
    assert TakeDown.objects.get().removed == 2
    with pytest.raises(TextIsGone, match="nothing left to decide"):
        removals.decide(escalation, Escalation.State.RELEASED)
    assert states(parent, child) == [REMOVED, REMOVED]


def test_what_another_report_hides_stays_hidden() -> None:
    letters = source()
    noise = source("noise", augments=letters)
    parent = said("parent", letters)
    child = said("child", noise, parent=parent)
    grandchild = said("grandchild", noise, parent=child)
    of_parent, of_child = removals.report(parent, None), removals.report(child, None)
    removals.decide(of_parent, Escalation.State.RELEASED)
    assert states(parent, child, grandchild) == [AVAILABLE, QUARANTINED, QUARANTINED]
    removals.report(parent, None)
    removals.decide(of_child, Escalation.State.RELEASED)
    assert states(parent, child, grandchild) == [QUARANTINED] * 3
    removals.decide(of_parent, Escalation.State.RELEASED)
    assert states(parent, child, grandchild) == [AVAILABLE] * 3


def test_a_quarantined_text_can_be_taken_down_by_any_way() -> None:
    hidden = said("hidden", source())
    removals.report(hidden, None)
    assert removals.take_down(criteria.by_pattern("hidden"), WHY).effect.texts == 1


# --- Set aside --------------------------------------------------------------------------------------------------------


def test_a_curator_sets_aside_and_takes_back() -> None:
    letters = source()
    first, second = said("first", letters), said("second", letters)
    hidden = said("hidden", letters)
    removals.report(hidden, None)
    of_letters = Instruction.objects.filter(Q(provenances__source=letters)).distinct()
    assert removals.set_aside(of_letters) == 2
    assert removals.set_aside(of_letters) == 0
    assert states(first, second, hidden) == [SET_ASIDE, SET_ASIDE, QUARANTINED]
    assert removals.take_back(Instruction.objects.filter(pk=first.pk)) == 1
    assert removals.take_back(of_letters[:1]) == 0
    assert removals.set_aside(Instruction.objects.none()) == 0
    assert states(first, second, hidden) == [AVAILABLE, SET_ASIDE, QUARANTINED]


def test_it_leaves_no_words_of_a_text_in_the_report_of_its_import(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"t": "the golden zebra sings", "l": "the golden zebra sings"}))
    mapping = '[labels.l.values]\nhigh = {tags = ["hate"]}\n'
    run = imported(source(), path, "columns", text="t", labels="l", mapping=mapping)
    assert "golden zebra" in json.dumps(run.report.unmapped)
    removals.take_down(criteria.by_ids([Instruction.objects.get().public_id]), WHY)
    run.refresh_from_db()
    assert (run.report.unmapped, run.report.first_offenders) == ({}, [])
