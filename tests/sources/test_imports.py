import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from sources import chunks, imports, jobs, ledger
from sources.errors import SourceError
from sources.jobs import JobState
from sources.models import ImportChunk, ImportRun, Instruction, Provenance, Screening, Source
from tests.sources.worlds import FEW_BYTES, counts, imported, jsonl, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> Source:
    return Source.objects.create(name="invented", license="CC0-1.0")


@pytest.fixture
def queued(source: Source, tmp_path: Path, settings: Any) -> ImportRun:
    """An import of 40 lines in several chunks, of which nothing is done."""
    settings.IMPORT_CHUNK_BYTES = FEW_BYTES
    return imports.start(source, "oig", origin=jsonl(tmp_path / "a.jsonl", [f"text {n}" for n in range(40)]))


def test_it_writes_each_text_once_and_where_it_came_from(source: Source, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["<human>: a\n<bot>: b", "c", " C ", "c  "])
    run = imported(source, path, language="en")
    assert (run.state, counts(run)) == (JobState.FINISHED, (4, 3, 1, 0))
    assert {(str(row.instruction), row.row, row.run) for row in Provenance.objects.all()} == {
        ("a", "line 1", run),
        ("c", "line 2", run),
        ("C", "line 3", run),
    }
    assert {(each.language, each.characters) for each in Instruction.objects.all()} == {("en", 2), ("en", 1)}
    assert run.report.done == run.report.size == path.stat().st_size


def test_it_records_what_the_file_was(source: Source, tmp_path: Path) -> None:
    run = imported(source, jsonl(tmp_path / "a.jsonl", ["a"]))
    (shard,) = run.shards
    assert (shard["name"], shard["bytes"], len(shard["sha256"])) == ("a.jsonl", 14, 64)


def test_it_imports_a_folder_of_shards_in_the_order_of_their_names(source: Source, tmp_path: Path) -> None:
    jsonl(tmp_path / "part-2.jsonl", ["b", "a"])
    jsonl(tmp_path / "part-1.jsonl", ["a"])
    (tmp_path / "README.md").write_text("# no data")
    run = imported(source, tmp_path)
    assert [shard["name"] for shard in run.shards] == ["part-1.jsonl", "part-2.jsonl"]
    assert counts(run) == (3, 2, 1, 0)
    assert [row for _, _, _, row, *_ in rows()] in (
        ["part-1.jsonl: line 1", "part-2.jsonl: line 1"],
        ["part-2.jsonl: line 1", "part-1.jsonl: line 1"],
    )


def test_it_is_the_same_however_it_is_cut(source: Source, tmp_path: Path, settings: Any) -> None:
    path = jsonl(tmp_path / "a.jsonl", [f"text {n % 23}" for n in range(60)])
    whole = imported(source, path)
    settings.IMPORT_CHUNK_BYTES = FEW_BYTES
    other = Source.objects.create(name="other", license="CC0-1.0")
    cut = imported(other, path)
    assert (whole.report.chunks, cut.report.chunks > 3) == (1, True)
    assert counts(cut) == (60, 0, 60, 0)
    named = [(turns, row, labels) for _, _, turns, row, _, labels, _ in rows()]
    assert named[:23] == named[23:]


def test_it_may_be_run_twice(source: Source, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a", "b", "a", ""])
    first = imported(source, path)
    before = rows()
    second = imported(source, path)
    assert (counts(first), counts(second)) == ((4, 2, 1, 1), (4, 0, 3, 1))
    assert second.report.reasons == first.report.reasons
    assert second.report.first_offenders == first.report.first_offenders
    assert rows() == before


def test_it_reads_the_same_bytes_anew_where_something_else_decides(
    source: Source, tmp_path: Path, settings: Any
) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a", "b" * 200])
    assert counts(imported(source, path)) == (2, 2, 0, 0)
    settings.INSTRUCTION_MAX_CHARACTERS = 100
    assert counts(imported(source, path)) == (2, 0, 1, 1)
    imported(source, path, language="de")
    assert ImportChunk.objects.values("content").distinct().count() == 3
    other = Source.objects.create(name="other", license="MIT")
    assert counts(imported(other, path)) == (2, 0, 1, 1)
    assert other.provenances.count() == 1


def test_it_lets_what_is_new_be_screened(queued: ImportRun) -> None:
    imports.work(queued)
    ranges = list(Screening.objects.order_by("lowest").values_list("lowest", "highest"))
    assert len(ranges) == ImportRun.objects.get().report.chunks
    for pk in Instruction.objects.values_list("pk", flat=True):
        assert sum(low <= pk <= high for low, high in ranges) == 1


@pytest.mark.parametrize(
    ("content", "name", "options", "message"),
    [
        ('{"a": 1}', "oig", {}, "a.jsonl: line 1: .*'text'.*check that the format is oig"),
        ('{"text": "a"}', "oig", {"text": "a"}, "option 'text' of oig: is not known"),
        ('{"text": "a"}', "nonsense", {}, "format 'nonsense' is not known"),
        ("a,b\nc,d\n", "oig", {}, "a.jsonl: is not JSON: rename it to what it is, for example .csv"),
        ('{"text": 1}', "oig", {}, "line 1: .*no row before or after it is better: check that the format is oig"),
        ("\x00", "oig", {}, "is binary"),
        (" ", "oig", {}, "has no text"),
    ],
)
def test_it_refuses_before_anything_is_written(
    tmp_path: Path, content: str, name: str, options: dict[str, str], message: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(SourceError, match=message):
        imports.start(ledger.entry("new", license="MIT"), name, origin=path, options=options)
    assert not Source.objects.exists()
    assert not ImportRun.objects.exists()


def test_what_only_holds_a_scheme_further_on_is_a_path(source: Source, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "c:").mkdir()
    path = jsonl(tmp_path / "base.jsonl", ["a"])
    monkeypatch.chdir(tmp_path)
    assert imports.start(source, "oig", origin="./c://../base.jsonl").origin == f"{path.parent}/c:/../base.jsonl"
    with pytest.raises(SourceError, match="no home folder that is known: write the path from the root"):
        imports.start(source, "oig", origin="~nobodyatall://x")
    with pytest.raises(SourceError, match="write https://"):
        imports.start(source, "oig", origin="http://huggingface.co/a.jsonl")


def test_it_fails_without_a_row_where_a_later_file_is_not_what_its_name_says(source: Source, tmp_path: Path) -> None:
    jsonl(tmp_path / "part-1.jsonl", ["a"])
    (tmp_path / "part-2.jsonl.gz").write_text('{"text": "b"}')
    run = imported(source, tmp_path)
    assert run.state == JobState.FAILED
    assert "part-2.jsonl.gz: is named .gz but is not gzip" in run.error
    assert not Instruction.objects.exists()


def test_it_refuses_more_rows_than_are_allowed_before_the_first(queued: ImportRun, settings: Any) -> None:
    settings.IMPORT_MAX_ROWS = 20
    imports.work(queued)
    assert queued.state == JobState.FAILED
    assert queued.error == "a.jsonl: has more than 20 rows: split it, or raise OIG_IMPORT_MAX_ROWS"
    assert not Instruction.objects.exists()


def test_it_stores_an_upload_and_removes_it_again_if_it_is_refused(source: Source, settings: Any) -> None:
    with pytest.raises(SourceError, match="is binary"):
        imports.start(source, "oig", upload=ContentFile(b"\0", name="bad.jsonl"))
    stored = [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    assert stored == []
    run = imports.start(source, "oig", upload=ContentFile(b'{"text": "a"}', name="../../good.jsonl"))
    assert Path(run.upload.path).is_relative_to(settings.MEDIA_ROOT)
    assert run.given_as == "good.jsonl"
    imports.work(run)
    second = imports.again(run)
    imports.work(second)
    assert (counts(run), counts(second)) == ((1, 1, 0, 0), (1, 0, 1, 0))


def test_it_unpacks_beside_the_uploads_and_cleans_up(source: Source, tmp_path: Path) -> None:
    path = tmp_path / "array.json"
    path.write_text(json.dumps([{"text": "a"}, {"text": "b"}]))
    run = imports.start(source, "oig", origin=path)
    assert imports.plan(run)
    run.refresh_from_db()
    assert [Path(shard["path"]).is_relative_to(run.staging) for shard in run.shards] == [True]
    assert imports.work_on_next(run)
    assert (run.state, counts(run), run.staging.exists()) == (JobState.FINISHED, (2, 2, 0, 0), False)


def test_it_leaves_a_job_alone_that_is_done_or_held_by_another(source: Source, tmp_path: Path) -> None:
    run = imports.start(source, "oig", origin=jsonl(tmp_path / "a.jsonl", ["a"]))
    other = ImportRun.objects.get(pk=run.pk)
    assert other.take()
    imports.work(run)
    assert not imports.plan(run)
    assert not Instruction.objects.exists()
    imports.proceed(other)
    imports.work(run)
    assert counts(run) == (1, 1, 0, 0)


def test_several_workers_share_the_chunks_of_a_planned_import(queued: ImportRun) -> None:
    assert not imports.work_on_next(queued)
    assert imports.plan(queued)
    planned = queued.chunks.count()
    assert [task for task, _ in imports.waiting(timezone.now())] == ["sources.tasks.import_chunk"] * min(planned, 16)
    here, there = chunks.take_next(queued), chunks.take_next(queued)
    assert here is not None
    assert there is not None
    assert (here.number, there.number) == (0, 1)
    chunks.work(there)
    chunks.work(here)
    while imports.work_on_next(queued):
        pass
    assert (queued.state, counts(queued)) == (JobState.FINISHED, (40, 40, 0, 0))
    assert list(imports.waiting(timezone.now())) == []


def test_nobody_takes_chunks_of_an_import_that_a_command_holds(queued: ImportRun) -> None:
    assert queued.take()
    seen: list[int] = []

    def look(run: ImportRun) -> None:
        assert chunks.take_next(run) is None
        assert list(imports.waiting(timezone.now())) == []
        seen.append(run.report.read)

    imports.proceed(queued, look)
    assert seen == sorted(seen)
    assert seen[-1] == 40
    assert queued.rows_per_second > 0


def test_workers_go_on_when_the_command_that_held_an_import_is_gone(queued: ImportRun) -> None:
    class Killed(BaseException):
        """What no handler catches, as SIGKILL is not caught."""

    def die(run: ImportRun) -> None:
        raise Killed

    with pytest.raises(Killed):
        imports.work(queued, die)
    ImportRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert list(imports.waiting(timezone.now()))
    while imports.work_on_next(queued):
        pass
    assert (queued.state, counts(queued)) == (JobState.FINISHED, (40, 40, 0, 0))


def test_it_can_be_cancelled_and_resumed(queued: ImportRun) -> None:
    imports.plan(queued)
    imports.work_on_next(queued)
    held = chunks.take_next(queued)
    assert held is not None
    assert imports.cancel(queued)
    written = counts(queued)
    chunks.work(held)
    assert (queued.state, counts(queued)) == (JobState.CANCELLED, written)
    assert not imports.work_on_next(queued)
    assert list(imports.waiting(timezone.now())) == []
    assert not imports.cancel(queued)
    imports.resume(queued)
    while imports.work_on_next(queued):
        pass
    assert (queued.state, counts(queued)) == (JobState.FINISHED, (40, 40, 0, 0))
    with pytest.raises(SourceError, match="is Finished: only a failed or cancelled one is resumed"):
        imports.resume(queued)


def test_one_that_was_cancelled_before_it_was_planned_is_planned_when_it_is_resumed(queued: ImportRun) -> None:
    imports.cancel(queued)
    assert not imports.plan(queued)
    imports.resume(queued)
    imports.work(queued)
    assert counts(queued) == (40, 40, 0, 0)


def test_it_fails_for_what_trying_again_would_not_change(source: Source, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a"])
    changed = imports.start(source, "oig", origin=path)
    assert imports.plan(changed)
    jsonl(path, ["a", "b"])
    imports.work_on_next(changed)
    assert changed.state == JobState.FAILED
    assert changed.error.endswith("since the import was planned: start the import again")
    same_size = imports.start(source, "oig", origin=jsonl(path, ["b"]))
    imports.plan(same_size)
    jsonl(path, ["c"])
    os.utime(path, ns=(0, 0))
    imports.work_on_next(same_size)
    assert same_size.error == changed.error
    gone = imports.start(source, "oig", origin=path)
    path.unlink()
    imports.work(gone)
    assert gone.error == f"{path}: there is no such file or folder: check the path"
    assert not Instruction.objects.exists()


def test_it_gives_up_a_chunk_that_kills_its_workers(queued: ImportRun) -> None:
    imports.plan(queued)
    queued.chunks.filter(number=1).update(attempts=jobs.FRUITLESS_ATTEMPTS)
    while imports.work_on_next(queued):
        pass
    assert queued.state == JobState.FAILED
    assert "chunk 1 of import" in queued.error
    assert "the worker was lost 5 times in a row" in queued.error
    assert queued.chunks.filter(state=JobState.CANCELLED).exists()
    imports.resume(queued)
    imports.work(queued)
    while imports.work_on_next(queued):
        pass
    assert counts(queued) == (40, 40, 0, 0)


def test_a_source_says_its_licence_itself_where_the_format_knows_it() -> None:
    from sources import importers

    entry = ledger.entry("xs", importer=importers.get("xstest"))
    assert (entry.license, entry.is_publishable) == ("CC-BY-4.0", True)
    own = ledger.entry("mine", importer=importers.get("xstest"), license="MIT")
    assert own.license == "MIT"


def test_instructions_and_their_origins_cannot_be_deleted(source: Source, tmp_path: Path) -> None:
    from django.db import IntegrityError, connection, transaction

    imported(source, jsonl(tmp_path / "a.jsonl", ["a"]))
    for table in ("sources_instruction", "sources_source", "sources_importrun"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")  # table is one of the three above
