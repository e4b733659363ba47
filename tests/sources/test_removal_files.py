"""Files that hold a text which is taken down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction

from sources import criteria, imports, removals
from sources.models import (
    ImportRun,
    Instruction,
    Source,
)
from sources.readers import WrongFile
from tests.sources.letters import (
    AVAILABLE,
    WHY,
    by_id,
    said,
    source,
    state_of,
)
from tests.sources.worlds import imported, jsonl


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
