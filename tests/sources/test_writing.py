import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from sources import chunks, imports, screening, tasks
from sources.jobs import JobState
from sources.models import ImportRun, Instruction, PersonalFinding, Provenance, Screening, Source
from tests.processes import wait_until
from tests.sources.worlds import FEW_BYTES, imported, jsonl

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> Source:
    return Source.objects.create(name="invented", license="CC0-1.0")


def backwards(run: ImportRun) -> None:
    """Write the chunks of the run, the last one first, as when the worker of the first was lost."""
    imports.plan(run)
    for chunk in reversed(list(iter(lambda: chunks.take_next(run), None))):
        chunks.work(chunk)


def screen() -> None:
    for pending in Screening.objects.exclude(state=JobState.FINISHED):
        screening.work(pending)


SPELLINGS = ("write to anna@example.org today", "write  to anna@example.org today", "write to  anna@example.org today")


@pytest.mark.parametrize("languages", [("de", "en", "fr"), ("", "en", "de")])
def test_of_equal_rows_the_first_gives_text_and_language_whichever_chunk_ends_first(
    source: Source, tmp_path: Path, settings: Any, languages: tuple[str, ...]
) -> None:
    settings.IMPORT_CHUNK_BYTES = FEW_BYTES
    records = [{"text": text, "language": said} for text, said in zip(SPELLINGS, languages, strict=True)]
    filler = [{"text": f"{'nothing to see here ' * 9}{number}", "language": "en"} for number in range(6)]
    path = tmp_path / "a.jsonl"
    lines = [json.dumps(record) for record in (records[0], *filler[:3], records[1], *filler[3:], records[2])]
    path.write_text("\n".join(lines))
    run = imports.start(source, "columns", origin=path, options={"text": "text", "language_column": "language"})
    imports.plan(run)
    taken = list(iter(lambda: chunks.take_next(run), None))
    assert len(taken) > 2
    for chunk in reversed(taken):
        chunks.work(chunk)
        screen()  # between the chunks, so that what it found of a later row is there
    kept = Provenance.objects.get(row="line 1").instruction
    assert kept.turns[0]["text"] == SPELLINGS[0]
    assert kept.characters == len(SPELLINGS[0])
    assert kept.language == (languages[0] or "en")
    assert [found.start for found in kept.personal.all()] == [SPELLINGS[0].index("anna")]


def test_a_text_that_another_source_gave_stays_as_it_is(source: Source, tmp_path: Path, settings: Any) -> None:
    settings.IMPORT_CHUNK_BYTES = FEW_BYTES
    imported(source, jsonl(tmp_path / "a.jsonl", ["said  before"]))
    other = Source.objects.create(name="other", license="MIT")
    texts = ["said before", *(f"{'something else ' * 12}{number}" for number in range(3)), "said   before"]
    backwards(imports.start(other, "oig", origin=jsonl(tmp_path / "b.jsonl", texts)))
    known = Provenance.objects.get(source=other, row="line 1").instruction
    assert known.turns[0]["text"] == "said  before"


def test_of_two_parents_of_one_text_the_first_is_kept_whichever_chunk_ends_first(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.parents.PARENTS_OF_CHUNK", 2)
    talks = [f"<human>: hello\n<bot>: yes?\n<human>: question {number}" for number in range(6)]
    imported(source, jsonl(tmp_path / "a.jsonl", talks))
    backwards(imports.augment(source, "first-turn", Source(name="made", license="MIT", augments=source)))
    made = Instruction.objects.get(parent__isnull=False)
    first = Instruction.objects.filter(parent=None).order_by("pk")[0]
    assert (made.parent, made.root) == (first, first)
    assert first.public_id in Provenance.objects.get(instruction=made).row


@pytest.mark.django_db(transaction=True)
def test_two_screenings_of_the_same_instructions_find_each_thing_once(source: Source, tmp_path: Path) -> None:
    imported(source, jsonl(tmp_path / "a.jsonl", [SPELLINGS[0]]))
    mine = Screening.objects.get()

    def work() -> None:
        screening.work(mine)
        connection.close()

    working = threading.Thread(target=work)
    with transaction.atomic():
        # What another screening has found and not yet committed.
        PersonalFinding.objects.create(instruction=Instruction.objects.get(), turn=0, start=9, end=25, kind="email")
        working.start()
        wait_until(_somebody_waits, lambda: "the screening waits for nobody")
    working.join()
    mine.refresh_from_db()
    assert (mine.state, PersonalFinding.objects.count()) == (JobState.FINISHED, 1)


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_what_a_killed_worker_left_of_a_finished_import_is_removed(
    source: Source, tmp_path: Path, valkey: object
) -> None:
    runs = {state: imports.start(source, "oig", origin=jsonl(tmp_path / "a.jsonl", ["a"])) for state in JobState}
    for state, run in runs.items():
        run.staging.mkdir(parents=True)
        ImportRun.objects.filter(pk=run.pk).update(state=state)
    tasks.dispatch_jobs()
    kept = {state for state, run in runs.items() if run.staging.exists()}
    assert kept == set(JobState) - {JobState.FINISHED}
