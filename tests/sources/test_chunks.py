import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import close_old_connections, connection
from django.test import override_settings
from django.utils import timezone

from annotate.models import Annotation, Campaign
from sources import chunks, imports
from sources.jobs import JobState
from sources.models import ImportChunk, ImportRun, Instruction, Provenance, Source, TakeDown, Tombstone
from sources.texts import digest, text_digest
from tests.sources.worlds import FEW_BYTES, counts, imported, jsonl, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> Source:
    return Source.objects.create(name="invented", license="CC0-1.0")


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
        ('{"text": "a", "metadata": 1e999}', "broken JSON"),
        ('{"text": "a", "metadata": ' + "[" * 900 + "]" * 900 + "}", "nested too deep"),
        ('{"text": "a", "metadata": ' + "[" * 49 + '"[[["' + "]" * 49 + "}", None),
        ('{"text": "a", "metadata": ' + "[" * 51 + "]" * 51 + "}", "nested too deep"),
        ('{"text": "\\ud83d', "broken JSON"),
    ]
    lines = [json.dumps({"text": text, "metadata": {"raw": text}}) for text in HOSTILE]
    path.write_text("\n".join(lines + [line for line, _ in refused]))
    run = imported(source, path)
    stored = {turns[0]["text"]: labels for _, _, turns, _, _, labels, _ in rows()}
    assert [stored[text] for text in HOSTILE] == [{"metadata": {"raw": text}} for text in HOSTILE]
    expected = {
        f"line {number}": reason for number, (_, reason) in enumerate(refused, start=len(HOSTILE) + 1) if reason
    }
    assert {first["row"]: first["reason"] for first in run.report.first_offenders} == expected
    assert counts(run) == (len(HOSTILE) + len(refused), len(HOSTILE) + 1, 0, len(expected))
    assert run.report.reasons["NUL character"] == 2


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"t": "a", "l": "Klingon!", "i": "1"}, "wrong language"),
        ({"t": "a", "l": "en", "i": "\0"}, "wrong identity"),
    ],
)
def test_it_rejects_names_that_no_column_holds(
    source: Source, tmp_path: Path, record: dict[str, str], reason: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(record))
    run = imported(source, path, "columns", text="t", language_column="l", id="i")
    assert counts(run) == (1, 0, 0, 1)
    assert run.report.reasons == {reason: 1}


def test_it_keeps_the_first_offenders_and_a_bounded_number_of_reasons(
    source: Source, tmp_path: Path, settings: Any
) -> None:
    path = tmp_path / "a.jsonl"
    votes = [{"context": f"text {n}", "safety_annotations": [f"unknown\n{n}"]} for n in range(80)]
    path.write_text("\n".join([json.dumps(vote) for vote in votes] + ["broken {"] * 30))
    run = imported(source, path, "prosocial-dialog")
    report = run.report
    assert (report.votes_added, report.votes_rejected, report.rejected) == (0, 80, 30)
    assert len(report.reasons) == chunks.REASONS_KEPT + 1
    assert sum(report.reasons.values()) == 110
    assert len([first for first in report.first_offenders if first["row"]]) == 20
    assert report.first_offenders[0]["row"] == "line 81"


def test_it_says_what_labels_suggest_and_counts_those_it_has_no_mapping_for(source: Source, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": f"p {n}", "S": 1, "H": 7 if n else 0}) for n in range(3)))
    run = imported(source, path, "openai-moderation")
    assert Provenance.objects.filter(**{"suggested__tags__sexual-content": 1}).count() == 3
    assert run.report.unmapped == {"H=7": 2}
    assert Provenance.objects.filter(source_labels__H=7).count() == 2


def test_a_later_import_of_the_same_rows_says_anew_what_their_labels_are(source: Source, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"t": text, "harm": "high"}) + "\n" for text in ("a", "b", "a")))
    imported(source, path, "columns", text="t")
    assert {row.suggested for row in Provenance.objects.all()} == {None}
    mapping = '[labels.harm.values]\nhigh = {tags = ["hate"]}\n'
    run = imported(source, path, "columns", text="t", labels="harm", mapping=mapping)
    assert counts(run) == (3, 0, 3, 0)
    found = Provenance.objects.values_list("row", "source_labels", "suggested")
    said = {"harm": "high"}, {"tags": {"hate": 1}}
    assert sorted(found) == [("line 1", *said), ("line 2", *said)]


@pytest.mark.django_db(transaction=True)  # its heartbeat is another connection, which must see the job
def test_it_imports_convabuse_with_its_votes(source: Source, shared_data: Path) -> None:
    path = shared_data / "convabuse" / "ConvAbuseEMNLPfull.csv"
    run = imported(source, path, "convabuse")
    assert counts(run) == (12_768, 4_185, 8_583, 0)
    assert (run.report.votes_added, run.report.votes_repeated, run.report.votes_rejected) == (12_411, 357, 0)
    assert Annotation.objects.count() == 12_411
    assert Annotation.objects.values("annotator").distinct().count() == 8
    campaign = Campaign.objects.get(kind=Campaign.Kind.EXTERNAL)
    assert (campaign.label_set.name, campaign.units.count()) == ("convabuse", 4_185)
    assert run.report.first_offenders[0]["detail"].startswith("line 72: Annotator7 voted again")
    # By the same bytes, which are not read again, and row by row.
    for expected in ({}, {"content": None}):
        ImportChunk.objects.update(**expected)
        again = imported(source, path, "convabuse")
        assert counts(again) == (12_768, 0, 12_768, 0)
        report = again.report
        assert (report.votes_added, report.votes_known, report.votes_repeated) == (0, 12_411, 357)


def test_votes_are_taken_in_the_order_of_the_file(source: Source, shared_data: Path, settings: Any) -> None:
    path = shared_data / "convabuse" / "ConvAbuseEMNLPfull.csv"
    settings.IMPORT_CHUNK_BYTES = 500_000
    run = imports.start(source, "convabuse", origin=path)
    imports.plan(run)
    first = chunks.take_next(run)
    assert first is not None
    assert chunks.take_next(run) is None
    chunks.work(first)
    while imports.work_on_next(run):
        pass
    assert run.report.chunks > 3
    assert (run.report.votes_added, run.report.votes_repeated) == (12_411, 357)


def test_it_imports_both_layouts_of_prosocial_dialog_without_a_vote_twice(source: Source, shared_data: Path) -> None:
    folder = shared_data / "prosocial_dialog"
    lines = imported(source, folder / "prosocial_17_rows.jsonl", "prosocial-dialog")
    columns = imported(source, folder / "original_examples.json", "prosocial-dialog")
    assert (counts(lines), lines.report.votes_added) == ((17, 17, 0, 0), 51)
    assert (counts(columns), columns.report.votes_added, columns.report.votes_known) == ((5, 0, 5, 0), 0, 15)


def test_it_skips_lines_longer_than_the_limit(source: Source, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a", "x" * 5000, "b"])
    with override_settings(IMPORT_MAX_LINE_BYTES=1000):
        run = imported(source, path)
    assert (counts(run), run.report.reasons) == ((3, 2, 0, 1), {"line too long": 1})


def test_of_equal_rows_the_first_of_the_file_is_named_whichever_chunk_ends_first(
    source: Source, tmp_path: Path, settings: Any
) -> None:
    settings.IMPORT_CHUNK_BYTES = FEW_BYTES
    run = imports.start(source, "oig", origin=jsonl(tmp_path / "a.jsonl", [f"text {n % 17}" for n in range(60)]))
    imports.plan(run)
    taken = list(iter(lambda: chunks.take_next(run), None))
    assert len(taken) > 3
    for chunk in reversed(taken):
        chunks.work(chunk)
    assert counts(run) == (60, 17, 43, 0)
    named = {int(str(row.instruction).split()[1]): row.row for row in Provenance.objects.all()}
    assert named == {n: f"line {n + 1}" for n in range(17)}


def test_a_worker_that_lost_its_lease_writes_nothing(source: Source, tmp_path: Path) -> None:
    run = imports.start(source, "oig", origin=jsonl(tmp_path / "a.jsonl", ["a"]))
    imports.plan(run)
    slow = chunks.take_next(run)
    assert slow is not None
    ImportChunk.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert imports.work_on_next(run)
    before = counts(run)
    chunks.work(slow)
    assert (counts(run), before, Instruction.objects.count()) == ((1, 1, 0, 0), (1, 1, 0, 0), 1)


def test_a_text_that_was_taken_down_does_not_come_in_again(source: Source, tmp_path: Path) -> None:
    removal = TakeDown.objects.create(by=TakeDown.By.REFUSAL, criterion="list", reason="asked for")
    Tombstone.objects.create(digest=digest([{"role": "human", "text": "b"}]), take_down=removal)
    Tombstone.objects.create(kind=Tombstone.Kind.TEXT, digest=text_digest("said  by the bot"), take_down=removal)
    path = jsonl(tmp_path / "a.jsonl", ["a", " b ", "<human>: c\n<bot>: said by the bot", "d"])
    run = imported(source, path)
    assert counts(run) == (4, 2, 0, 2)
    assert run.report.reasons == {"taken down": 2}
    assert {first["row"] for first in run.report.first_offenders} == {"line 2", "line 3"}


def test_a_list_of_refused_texts_is_asked_although_the_same_bytes_came_before(source: Source, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a", "b"])
    imported(source, path)
    removal = TakeDown.objects.create(by=TakeDown.By.REFUSAL, criterion="list", reason="asked for")
    Tombstone.objects.create(digest=digest([{"role": "human", "text": "b"}]), take_down=removal)
    assert counts(imported(source, path)) == (2, 0, 1, 1)


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
    """Two files that hold the same rows in opposite order; then each has rows of its own. With votes."""
    paths = []
    shared = range(2000)
    for name, order in (("a", [*shared, *range(5000, 5200)]), ("b", [*reversed(shared), *range(6000, 6200)])):
        path = tmp_path / f"{name}.jsonl"
        found = [{"context": f"said {n}", "response": "yes", "safety_annotations": ["casual"]} for n in order]
        path.write_text("\n".join(json.dumps(row) for row in found))
        paths.append(path)
    return paths


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sources", [("one", "two"), ("one", "one")])
def test_it_imports_overlapping_files_at_once(dialogues: list[Path], sources: tuple[str, str], settings: Any) -> None:
    settings.IMPORT_CHUNK_BYTES = 20_000
    ledger_entries = {name: Source.objects.create(name=name, license="MIT") for name in set(sources)}
    runs = [
        imports.start(ledger_entries[name], "prosocial-dialog", origin=path)
        for name, path in zip(sources, dialogues, strict=True)
    ]
    together(*[lambda run=run: imports.work(run) for run in runs])
    runs = list(ImportRun.objects.all())
    for run in runs:
        assert (run.state, run.report.read, run.error) == (JobState.FINISHED, 2200, "")
    assert Instruction.objects.count() == sum(run.report.added for run in runs) == 2400
    wanted = 2400 if len(set(sources)) == 1 else 4400
    assert Provenance.objects.count() == wanted
    assert Annotation.objects.count() == sum(run.report.votes_added for run in runs) == wanted


@pytest.mark.django_db(transaction=True)
def test_chunks_of_one_import_that_bring_the_same_texts_do_not_lock_each_other_out(
    tmp_path: Path, settings: Any
) -> None:
    settings.IMPORT_CHUNK_BYTES = 4_000
    source = Source.objects.create(name="one", license="MIT")
    path = jsonl(tmp_path / "a.jsonl", [f"text {(n * 7919) % 500}" for n in range(3000)])
    run = imports.start(source, "oig", origin=path)
    imports.plan(run)

    def work() -> None:
        mine = ImportRun.objects.get(pk=run.pk)
        while imports.work_on_next(mine):
            pass

    together(*[work] * 4)
    run.refresh_from_db()
    assert (run.state, counts(run)) == (JobState.FINISHED, (3000, 500, 2500, 0))
    named = {str(row.instruction): row.row for row in Provenance.objects.select_related("instruction")}
    first: dict[str, str] = {}
    for n in range(3000):
        first.setdefault(f"text {(n * 7919) % 500}", f"line {n + 1}")
    assert named == first
