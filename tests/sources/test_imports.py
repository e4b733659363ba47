import json
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import close_old_connections, connection
from django.test import override_settings

from annotate.models import Annotation, Campaign
from sources import imports, ledger
from sources.errors import SourceError
from sources.jobs import JobState
from sources.models import ImportRun, Instruction, Provenance, Source

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> Source:
    return Source.objects.create(name="invented", license="CC0-1.0")


def jsonl(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def imported(source: Source, path: Path, name: str = "oig", **options: str) -> ImportRun:
    run = imports.start(source, name, path=path, options=options)
    imports.work(run)
    run.refresh_from_db()
    return run


def counts(run: ImportRun) -> tuple[int, int, int, int]:
    return run.read, run.added, run.known, run.rejected


def rows() -> list[tuple[bytes, str, Any, Any]]:
    """All that imports wrote, without the numbers and times that differ between two equal imports."""
    found = Provenance.objects.order_by("instruction__digest")
    return [
        (bytes(digest), row, turns, labels)
        for digest, row, turns, labels in found.values_list(
            "instruction__digest", "row", "instruction__turns", "source_labels"
        )
    ]


def test_it_writes_each_text_once_and_where_it_came_from(source: Source, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["<human>: a\n<bot>: b", "c", " C ", "c  "])
    run = imported(source, path, language="en")
    assert (run.state, counts(run)) == (JobState.FINISHED, (4, 3, 1, 0))
    assert {(str(row.instruction), row.row, row.run) for row in Provenance.objects.all()} == {
        ("a", "line 1", run),
        ("c", "line 2", run),
        ("C", "line 3", run),
    }
    assert {instruction.language for instruction in Instruction.objects.all()} == {"en"}
    assert run.bytes_read == run.bytes_total == path.stat().st_size


def test_it_may_be_run_twice(source: Source, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a", "b", "a"])
    imported(source, path)
    before = rows()
    assert counts(imported(source, path)) == (3, 0, 3, 0)
    assert rows() == before


def test_it_gives_a_known_text_the_provenance_of_another_source_too(source: Source, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a"])
    imported(source, path)
    other = Source.objects.create(name="other", license="MIT")
    assert counts(imported(other, path)) == (1, 0, 1, 0)
    assert Instruction.objects.get().provenances.count() == 2


HOSTILE = [
    "<script>alert(1)</script>",
    "{{ settings.SECRET_KEY }}{% load static %}",
    "'; DROP TABLE sources_instruction; --",
    "\u202eright to left\u202c",
    "\\u0000 written out, and a backslash \\",
    "\x1b[31m",
]


def test_it_keeps_hostile_texts_unharmed_and_names_those_it_refuses(source: Source, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    refused = [
        ('{"text": "nul \\u0000"}', "NUL character"),
        ('{"text": "half \\ud800"}', "lone surrogate"),
        (json.dumps({"text": "x" * 1_000_000}), "too long"),
        ('{"text": "\\u200b"}', "empty"),
        ('{"text": "a", "metadata": {"k": "\\u0000"}}', "NUL character"),
        ('{"text": "a", "metadata": {"\\udfff": 1}}', "lone surrogate"),
        ('{"text": "a", "metadata": 1e999}', "unusable labels"),
        ('{"text": "a", "metadata": ' + "[" * 900 + "]" * 900 + "}", None),
        ('{"text": "\\ud83d', "broken JSON"),
    ]
    lines = [json.dumps({"text": text, "metadata": {"raw": text}}) for text in HOSTILE]
    path.write_text("\n".join(lines + [line for line, _ in refused]))
    run = imported(source, path)
    stored = {turns[0]["text"]: labels for _, _, turns, labels in rows()}
    assert [stored[text] for text in HOSTILE] == [{"metadata": {"raw": text}} for text in HOSTILE]
    expected = {
        f"line {number}": reason for number, (_, reason) in enumerate(refused, start=len(HOSTILE) + 1) if reason
    }
    assert {first["row"]: first["reason"] for first in run.first_offenders} == expected
    assert counts(run) == (len(HOSTILE) + len(refused), len(HOSTILE) + 1, 0, len(expected))
    assert run.reasons["NUL character"] == 2


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"t": "a", "l": "Klingon!", "i": "1"}, "wrong language"),
        ({"t": "a", "l": "en", "i": "i" * 121}, "wrong identity"),
        ({"t": "a", "l": "en", "i": "\0"}, "wrong identity"),
    ],
)
def test_it_rejects_names_that_no_column_holds(
    source: Source, tmp_path: Path, record: dict[str, str], reason: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(record))
    run = imported(source, path, "jsonl", text="t", language_column="l", id="i")
    assert counts(run) == (1, 0, 0, 1)
    assert run.reasons == {reason: 1}


def test_it_keeps_the_first_offenders_and_a_bounded_number_of_reasons(source: Source, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    votes = [{"context": f"text {n}", "safety_annotations": [f"unknown\n{n}"]} for n in range(80)]
    path.write_text("\n".join([json.dumps(vote) for vote in votes] + ["broken {"] * 30))
    run = imported(source, path, "prosocial-dialog")
    assert (run.votes_added, run.votes_rejected, run.rejected) == (0, 80, 30)
    assert len(run.reasons) == imports.REASONS_KEPT + 1
    assert sum(run.reasons.values()) == 110
    assert len([first for first in run.first_offenders if first["row"]]) == imports.OFFENDERS_KEPT
    assert run.first_offenders[0]["row"] == "line 81"


def test_it_imports_convabuse_with_its_votes(source: Source, shared_data: Path) -> None:
    path = shared_data / "convabuse" / "ConvAbuseEMNLPfull.csv"
    run = imported(source, path, "convabuse")
    assert counts(run) == (12_768, 4_185, 8_583, 0)
    assert (run.votes_added, run.votes_repeated, run.votes_rejected) == (12_411, 357, 0)
    assert Annotation.objects.count() == 12_411
    assert Annotation.objects.values("annotator").distinct().count() == 8
    campaign = Campaign.objects.get(kind=Campaign.Kind.EXTERNAL)
    assert (campaign.label_set.name, campaign.units.count()) == ("convabuse", 4_185)
    assert run.first_offenders[0]["detail"].startswith("line 72: Annotator7 voted again")
    again = imported(source, path, "convabuse")
    assert counts(again) == (12_768, 0, 12_768, 0)
    assert (again.votes_added, again.votes_known, again.votes_repeated) == (0, 12_411, 357)


def test_it_imports_both_layouts_of_prosocial_dialog_without_a_vote_twice(source: Source, shared_data: Path) -> None:
    folder = shared_data / "prosocial_dialog"
    lines = imported(source, folder / "prosocial_17_rows.jsonl", "prosocial-dialog")
    columns = imported(source, folder / "original_examples.json", "prosocial-dialog")
    assert (counts(lines), lines.votes_added) == ((17, 17, 0, 0), 51)
    assert (counts(columns), columns.votes_added, columns.votes_known) == ((5, 0, 5, 0), 0, 15)


@pytest.mark.parametrize(
    ("content", "name", "options", "message"),
    [
        ('{"a": 1}', "oig", {}, "line 1: column 'text' is missing"),
        ('{"text": "a"}', "oig", {"text": "a"}, "option 'text' of format oig: is not known"),
        ('{"text": "a"}', "nonsense", {}, "format 'nonsense' is not known"),
        ("prompt,reply\n", "csv", {"text": "prompt"}, "has no rows: check that the format is csv"),
        ("a,b\nc,d\n", "oig", {}, "line 1: is not JSON .*: check that the format is oig"),
        ("\x00", "oig", {}, "is binary"),
    ],
)
def test_it_refuses_before_anything_is_written(
    tmp_path: Path, content: str, name: str, options: dict[str, str], message: str
) -> None:
    path = tmp_path / "a"
    path.write_text(content)
    with pytest.raises(SourceError, match=message):
        imports.start(ledger.entry("new", license="MIT"), name, path=path, options=options)
    assert not Source.objects.exists()
    assert not ImportRun.objects.exists()


def test_it_stores_an_upload_and_removes_it_again_if_it_is_refused(source: Source, settings: Any) -> None:
    with pytest.raises(SourceError, match="is binary"):
        imports.start(source, "oig", upload=ContentFile(b"\0", name="bad.jsonl"))
    stored = [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    assert stored == []
    run = imports.start(source, "oig", upload=ContentFile(b'{"text": "a"}', name="../../good.jsonl"))
    assert run.file.is_relative_to(settings.MEDIA_ROOT)
    imports.work(run)
    second = imports.again(run)
    imports.work(second)
    assert (counts(run), counts(second)) == ((1, 1, 0, 0), (1, 0, 1, 0))


def test_it_leaves_a_job_alone_that_is_done_or_held_by_another(source: Source, tmp_path: Path) -> None:
    run = imports.start(source, "oig", path=jsonl(tmp_path / "a.jsonl", ["a"]))
    other = ImportRun.objects.get(pk=run.pk)
    assert other.take()
    imports.work(run)
    assert not Instruction.objects.exists()
    imports.proceed(other)
    imports.work(run)
    run.refresh_from_db()
    assert counts(run) == (1, 1, 0, 0)


class Killed(BaseException):
    """What no handler catches, as SIGKILL is not caught."""


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "BATCH_ROWS", 7)


def test_it_goes_on_where_a_lost_worker_stopped(source: Source, tmp_path: Path, small_batches: None) -> None:
    texts = [f"text {n % 40}" if n % 9 else "" for n in range(100)]
    path = jsonl(tmp_path / "a.jsonl", texts)
    undisturbed = imported(source, path)
    expected, result = rows(), counts(undisturbed)
    for table in (Provenance, ImportRun, Instruction):
        table.objects.all().delete()
    run = imports.start(source, "oig", path=path)
    deaths = 0
    for _ in range(20):
        ImportRun.objects.filter(pk=run.pk).update(lease_until="2000-01-01T00:00Z")
        begun = run.read
        try:
            imports.work(run, _die_after(begun + 20))
        except Killed:
            deaths += 1
        run = ImportRun.objects.get(pk=run.pk)
    assert deaths > 3
    assert (rows(), counts(run)) == (expected, result)
    assert run.reasons == undisturbed.reasons
    assert run.first_offenders == undisturbed.first_offenders


def test_it_gives_its_place_up_after_its_time_and_goes_on_in_the_next_turn(
    source: Source, tmp_path: Path, small_batches: None
) -> None:
    run = imports.start(source, "oig", path=jsonl(tmp_path / "a.jsonl", [f"text {n}" for n in range(50)]))
    imports.work(run, seconds=0)
    assert (run.state, run.read, run.lease_token) == (JobState.QUEUED, 7, None)
    turns = 1
    while run.state == JobState.QUEUED:
        imports.work(run, seconds=0)
        # More turns than workers may be lost in a row.
        assert run.attempts <= 1
        turns += 1
    assert (run.state, counts(run)) == (JobState.FINISHED, (50, 50, 0, 0))
    assert imports.FRUITLESS_ATTEMPTS < turns <= 9


def _die_after(read: int) -> Callable[[ImportRun], None]:
    def die(run: ImportRun) -> None:
        if run.read >= read:
            raise Killed

    return die


def test_it_writes_nothing_more_once_its_lease_is_lost(source: Source, tmp_path: Path, small_batches: None) -> None:
    run = imports.start(source, "oig", path=jsonl(tmp_path / "a.jsonl", [f"text {n}" for n in range(50)]))

    def lose(current: ImportRun) -> None:
        ImportRun.objects.filter(pk=current.pk).update(lease_until="2000-01-01T00:00Z")
        assert ImportRun.objects.get(pk=current.pk).take()

    imports.work(run, lose)
    run.refresh_from_db()
    assert (run.state, run.read, Instruction.objects.count()) == (JobState.RUNNING, 7, 7)


def test_it_fails_for_what_trying_again_would_not_change(source: Source, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a"])
    changed = imports.start(source, "oig", path=path)
    jsonl(path, ["a", "b"])
    imports.work(changed)
    assert changed.state == JobState.FAILED
    assert changed.error.endswith("when the import began: import it anew")
    same_size = imports.start(source, "oig", path=jsonl(path, ["b"]))
    jsonl(path, ["c"])
    os.utime(path, ns=(0, 0))
    imports.work(same_size)
    assert same_size.error == changed.error
    gone = imports.start(source, "oig", path=path)
    path.unlink()
    imports.work(gone)
    assert gone.error == f"{path}: there is no such file: check the path"
    assert not Instruction.objects.exists()


def test_it_gives_up_a_file_that_kills_its_workers(source: Source, tmp_path: Path) -> None:
    run = imports.start(source, "oig", path=jsonl(tmp_path / "a.jsonl", ["a"]))
    ImportRun.objects.filter(pk=run.pk).update(attempts=imports.FRUITLESS_ATTEMPTS)
    imports.work(run)
    assert run.state == JobState.FAILED
    assert "the worker was lost 5 times in a row after row 0" in run.error


def test_it_skips_lines_longer_than_the_limit(source: Source, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a", "x" * 5000, "b"])
    with override_settings(IMPORT_MAX_LINE_BYTES=1000):
        run = imported(source, path)
    assert (counts(run), run.reasons) == ((3, 2, 0, 1), {"line too long": 1})


def test_it_looks_at_a_file_without_reading_to_the_end_of_an_endless_line(source: Source, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["x" * 50_000, "found only by who reads to the end of the first line"])
    with override_settings(IMPORT_MAX_LINE_BYTES=1000), pytest.raises(SourceError, match="longer than 1,000 bytes"):
        imports.start(source, "oig", path=path)


def test_it_keeps_its_lease_while_it_reads_lines_that_it_rejects(
    source: Source, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = imports.start(source, "oig", path=jsonl(tmp_path / "a.jsonl", ["a", *[""] * 50]))
    settings.JOB_LEASE = timedelta(0)
    renewed: list[dict[str, Any]] = []
    renew = ImportRun.renew

    def noted(run: ImportRun, **progress: Any) -> None:
        renewed.append(progress)
        renew(run, **progress)

    monkeypatch.setattr(ImportRun, "renew", noted)
    imports.work(run)
    assert run.state == JobState.FINISHED
    assert len([what for what in renewed if not what]) >= 50


def together(*work: Callable[[], None]) -> None:
    """Run all at once, each on a connection of its own; the first error is raised."""
    barrier, errors = threading.Barrier(len(work)), list[BaseException]()

    def one(job: Callable[[], None]) -> None:
        try:
            barrier.wait()
            job()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=[job]) for job in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_old_connections()
    if errors:
        raise errors[0]


@pytest.fixture
def dialogues(tmp_path: Path) -> list[Path]:
    """Two files whose first batches hold the same rows in opposite order; then each has rows of its own. With votes."""
    paths = []
    shared = range(imports.BATCH_ROWS)
    for name, order in (("a", [*shared, *range(5000, 5200)]), ("b", [*reversed(shared), *range(6000, 6200)])):
        path = tmp_path / name
        rows = [{"context": f"said {n}", "response": "yes", "safety_annotations": ["casual"]} for n in order]
        path.write_text("\n".join(json.dumps(row) for row in rows))
        paths.append(path)
    return paths


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sources", [("one", "two"), ("one", "one")])
def test_it_imports_overlapping_files_at_once(dialogues: list[Path], sources: tuple[str, str]) -> None:
    ledger_entries = {name: Source.objects.create(name=name, license="MIT") for name in set(sources)}
    runs = [
        imports.start(ledger_entries[name], "prosocial-dialog", path=path)
        for name, path in zip(sources, dialogues, strict=True)
    ]
    together(*[lambda run=run: imports.work(run) for run in runs])
    for run in runs:
        run.refresh_from_db()
        assert (run.state, run.read, run.error) == (JobState.FINISHED, 2200, "")
    assert Instruction.objects.count() == sum(run.added for run in runs) == 2400
    wanted = 2400 if len(set(sources)) == 1 else 4400
    assert Provenance.objects.count() == wanted
    assert Annotation.objects.count() == sum(run.votes_added for run in runs) == wanted
