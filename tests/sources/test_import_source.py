import gzip
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from sources import criteria, removals, screening
from sources.jobs import JobState
from sources.models import ImportRun, Instruction, NearDuplicate, Screening, Source
from tests import ROOT, servers
from tests.sources.worlds import FEW_BYTES, imported, jsonl

NEW = ("--name", "invented", "--license", "MIT")
LONG = "This is a letter about gardens, rivers and the long way home through the hills of Denmark"


def run_command(name: str, *arguments: str | Path) -> str:
    output = io.StringIO()
    call_command(name, *map(str, arguments), stdout=output)
    return output.getvalue()


def imported_by(*arguments: str | Path) -> str:
    return run_command("import_source", *arguments)


def shell(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=servers.environment(), capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.django_db
def test_it_closes_with_what_was_read_and_may_be_run_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "a"}\n{"text": "b"}\n{"text": "c"}\n'))
    facts = ("--revision", "1.0", "--title", "Invented", "--attribution", "By nobody.")
    assert imported_by("oig", path, *NEW, *facts) == "read 3 = added 3 + known 0 + rejected 0\n"
    assert imported_by("oig", path, "--name", "invented", "--revision", "1.0").startswith("read 3 = added 0 + known 3")
    source = Source.objects.get()
    assert (source.license, source.title, source.attribution) == ("MIT", "Invented", "By nobody.")


@pytest.mark.django_db(transaction=True)  # its heartbeat is another connection, which must see the job
def test_it_counts_the_votes_and_names_who_voted_again(shared_data: Path) -> None:
    path = shared_data / "convabuse" / "ConvAbuseEMNLPfull.csv"
    *repeats, counts = imported_by("convabuse", path, "--name", "invented").splitlines()
    assert any("Annotator7 voted again on this unit; the first vote counts" in repeat for repeat in repeats)
    assert counts == (
        "read 12,768 = added 4,185 + known 8,583 + rejected 0; votes: added 12,411 + known 0 + "
        "repeats by the same annotator 357 + without a mapping 0"
    )


@pytest.mark.django_db
def test_it_names_the_first_rejected_row_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b"}\n{"text": "broken\n{"text": "d"}\n')
    with pytest.raises(CommandError) as refusal:
        imported_by("oig", path, *NEW)
    message = str(refusal.value)
    assert message.startswith(f"{path}: line 3: broken JSON: ")
    assert "(1 rows rejected: broken JSON 1; the others are kept; --max-rejected allows this)" in message
    assert Instruction.objects.count() == 3
    assert imported_by("oig", path, *NEW, "--max-rejected", "1") == "read 4 = added 0 + known 3 + rejected 1\n"


@pytest.mark.django_db
def test_it_does_not_fail_for_what_was_taken_down(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a", "b"])
    imported_by("oig", path, *NEW)
    removals.take_down(criteria.by_pattern("^a$"), "asked for")
    gone, said = imported_by("oig", path, *NEW).splitlines()
    assert gone == "rejected because they were taken down or refused: 1"
    assert said == "read 2 = added 0 + known 1 + rejected 1"
    path.write_text(path.read_text() + '{"text": "broken\n')
    with pytest.raises(CommandError, match=r"line 3: broken JSON: .*\(2 rows rejected: broken JSON 1, taken down 1;"):
        imported_by("oig", path, *NEW)


@pytest.mark.django_db
def test_it_leaves_the_import_to_the_workers(tmp_path: Path, valkey: Any) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a"])
    said = imported_by("oig", path, *NEW, "--queue")
    assert "is queued; the workers will take it. No worker is running: jobs wait. Start one with:" in said
    run = ImportRun.objects.get()
    assert (run.state, run.origin, Instruction.objects.count()) == (JobState.QUEUED, str(path), 0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("oig", "absent.jsonl", *NEW), "there is no such file or folder: check the path"),
        (("oig", "b.jsonl", *NEW), "is binary"),
        (("oig", "a.jsonl", "--name", "invented"), "source invented is new and has no licence"),
        (("oig", "a.jsonl", *NEW, "--option", "txt=a"), "option 'txt' of oig: is not known"),
        (("oig", "a.jsonl", *NEW, "--option", "text"), "'text' is not NAME=VALUE, such as text=prompt"),
        (("oig", "a.jsonl", *NEW, "--max-rejected", "-1"), "is not a whole number from 0"),
        (("convabus", "a.jsonl", *NEW), "format 'convabus' is not known: did you mean convabuse"),
        (("columns", "a.jsonl", *NEW, "--mapping", "absent.toml"), "cannot be read"),
        (
            ("columns", "a.jsonl", *NEW, "--option", "mapping=a.toml"),
            "is the text of a file: use --mapping FILE",
        ),
        ((), "no format: give FORMAT, ORIGIN and --name, or --resume ID"),
        (("oig",), "no origin: give FORMAT"),
        (("oig", "a.jsonl"), "no name: give FORMAT"),
        (("--resume", "7"), "import 7: there is none"),
        (("oig", "--resume", "7"), "--resume goes on with an import as it was begun: give nothing else"),
    ],
)
def test_it_refuses_bad_input_in_one_line_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    jsonl(tmp_path / "a.jsonl", ["a"])
    (tmp_path / "b.jsonl").write_bytes(b"\x7fELF\x00\x01")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError) as refusal:
        imported_by(*arguments)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert [model.objects.count() for model in (Source, ImportRun, Instruction)] == [0, 0, 0]


@pytest.mark.django_db
def test_it_refuses_another_licence_for_a_known_source(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a"])
    imported_by("oig", path, *NEW)
    with pytest.raises(CommandError, match="its license is 'MIT', not 'CC0': leave that out"):
        imported_by("oig", path, "--name", "invented", "--license", "CC0")


@pytest.mark.django_db(transaction=True)
def test_it_speaks_through_streams_and_exit_codes(tmp_path: Path, valkey: Any) -> None:
    done = shell("import_source", "oig", jsonl(tmp_path / "a.jsonl", ["a", "b"]), *NEW)
    assert (done.returncode, done.stdout) == (0, "read 2 = added 2 + known 0 + rejected 0\n")
    assert done.stderr == (
        "Screening for personal information and languages is still to be done. "
        "No worker is running: jobs wait. Start one with: celery -A config worker.\n"
    )
    wrong = shell("import_source", "oig", tmp_path / "b.jsonl", *NEW)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("CommandError: ")
    assert wrong.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_shows_its_progress_and_goes_on_after_ctrl_c(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": f"text {n}"}) + "\n" for n in range(20_000)))
    ours, theirs = pty.openpty()
    environment = {**servers.environment(), "TERM": "xterm", "COLUMNS": "120", "OIG_IMPORT_CHUNK_BYTES": "5000"}
    command = [sys.executable, "manage.py", "import_source", "oig", str(path), *NEW]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=theirs) as running:
        deadline = time.monotonic() + 60
        while not (Instruction.objects.count() or time.monotonic() > deadline):
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        ended = running.wait(60)
    os.close(theirs)
    shown = os.read(ours, 1_000_000).decode()
    os.close(ours)
    assert ended == 130, shown
    run = ImportRun.objects.get()
    assert "Importing" in shown
    assert f"go on with: manage.py import_source --resume {run.pk}" in " ".join(shown.split())
    assert "Traceback" not in shown
    assert (run.state, 0 < run.report.read < 20_000) == (JobState.CANCELLED, True)
    done = shell("import_source", "--resume", str(run.pk))
    assert done.stdout == "read 20,000 = added 20,000 + known 0 + rejected 0\n", done.stderr


@pytest.mark.django_db
def test_it_resumes_for_the_workers_or_here(tmp_path: Path, settings: Any) -> None:
    from sources import imports

    settings.IMPORT_CHUNK_BYTES = FEW_BYTES
    path = jsonl(tmp_path / "a.jsonl", [f"text {n}" for n in range(40)])
    run = imports.start(Source.objects.create(name="invented"), "oig", origin=path)
    imports.plan(run)
    imports.work_on_next(run)
    imports.cancel(run)
    assert "is queued" in imported_by("--resume", str(run.pk), "--queue")
    run.refresh_from_db()
    assert (run.state, run.lease_token) == (JobState.RUNNING, None)
    imports.cancel(run)
    assert imported_by("--resume", str(run.pk)) == "read 40 = added 40 + known 0 + rejected 0\n"
    with pytest.raises(CommandError, match="only a failed or cancelled one is resumed"):
        imported_by("--resume", str(run.pk))


@pytest.mark.django_db
def test_it_augments_a_source(tmp_path: Path) -> None:
    source = Source.objects.create(name="invented", license="MIT")
    imported(source, jsonl(tmp_path / "a.jsonl", [LONG, LONG + " again"]))
    said = run_command("augment_source", "invented", "typos", "--option", "seed=7", "--name", "mine")
    assert said.startswith("made ")
    assert Source.objects.get(name="mine").augments == source
    assert "is queued" in run_command("augment_source", "invented", "typos", "--queue")
    for arguments, message in {
        ("nowhere", "typos"): "nowhere: no such source: name one of invented",
        ("invented", "tpyos"): "augmenter 'tpyos' is not known: did you mean typos",
        ("invented", "typos", "--option", "sede=1"): "did you mean seed",
        ("mine", "typos", "--name", "invented"): "was not made of mine: choose another name",
    }.items():
        with pytest.raises(CommandError, match=message):
            run_command("augment_source", *arguments)


@pytest.mark.django_db
def test_it_says_that_what_it_augments_is_not_screened_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Source.objects.create(name="invented", license="MIT")
    imported(source, jsonl(tmp_path / "a.jsonl", [LONG, "My address is ada@kind.example, write to me"]))
    missing = "2 instructions of invented are not screened yet: personal information and languages in them"
    with pytest.raises(CommandError, match=missing):
        run_command("augment_source", "invented", "personal")
    assert not Source.objects.filter(name="invented-personal").exists()
    run_command("augment_source", "invented", "typos")
    assert missing in capsys.readouterr().err
    for job in Screening.objects.all():
        screening.work(job)
    assert run_command("augment_source", "invented", "personal").startswith("made 1 = added 1")
    run_command("augment_source", "invented", "typos", "--option", "seed=8")
    assert missing not in capsys.readouterr().err


@pytest.mark.django_db
def test_it_finds_duplicates_and_sums_them_up_without_a_text(tmp_path: Path) -> None:
    source = Source.objects.create(name="invented", license="MIT")
    imported(
        source, jsonl(tmp_path / "a.jsonl", [LONG, LONG + "!", LONG + "?", "Something else entirely, about cooking."])
    )
    *largest, closing = run_command("find_duplicates", "--threshold", "0.7").splitlines()
    found = NearDuplicate.objects.count()
    assert closing == f"read 4 texts: {found} near-duplicates in 1 clusters"
    assert largest == [f"{found + 1} texts are nearly {NearDuplicate.objects.all()[0].representative.public_id}"]
    assert found > 0
    with pytest.raises(CommandError, match="is not from"):
        run_command("find_duplicates", "--threshold", "7")
