import gzip
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from sources.jobs import JobState
from sources.models import ImportRun, Instruction, Source
from tests import ROOT, servers

NEW = ("--name", "invented", "--license", "MIT")
THREE = '{"text": "a"}\n{"text": "b"}\n{"text": "c"}\n'


def run_command(*arguments: str | Path) -> str:
    output = io.StringIO()
    call_command("import_source", *map(str, arguments), stdout=output)
    return output.getvalue()


def shell(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "import_source", *map(str, arguments)],
        cwd=ROOT,
        env=servers.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.django_db
def test_it_closes_with_what_was_read_and_may_be_run_twice(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl.gz", gzip.compress(THREE.encode()))
    facts = ("--revision", "1.0", "--title", "Invented", "--attribution", "By nobody.")
    assert run_command("oig", path, *NEW, *facts) == "read 3 = added 3 + known 0 + rejected 0\n"
    assert run_command("oig", path, "--name", "invented", "--revision", "1.0").startswith("read 3 = added 0 + known 3")
    source = Source.objects.get()
    assert (source.license, source.title, source.attribution) == ("MIT", "Invented", "By nobody.")


@pytest.mark.django_db
def test_it_counts_the_votes_and_names_who_voted_again(shared_data: Path) -> None:
    path = shared_data / "convabuse" / "ConvAbuseEMNLPfull.csv"
    *repeats, counts = run_command("convabuse", path, *NEW).splitlines()
    assert repeats[0] == "line 72: Annotator7 voted again on this unit; the first vote counts"
    assert counts == (
        "read 12,768 = added 4,185 + known 8,583 + rejected 0; votes: added 12,411 + known 0 + "
        "repeats by the same annotator 357 + without a mapping 0"
    )


@pytest.mark.django_db
def test_it_names_the_first_rejected_row_and_keeps_the_others(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"text": "a"}\n{"text": "b"}\n{"text": "broken\n{"text": "d"}\n')
    with pytest.raises(CommandError) as refusal:
        run_command("oig", path, *NEW)
    message = str(refusal.value)
    assert message.startswith(f"{path}: line 3: broken JSON: is not JSON (")
    assert "(1 rows rejected: broken JSON 1; the others are kept; --max-rejected allows this)" in message
    assert Instruction.objects.count() == 3
    assert run_command("oig", path, *NEW, "--max-rejected", "1") == "read 4 = added 0 + known 3 + rejected 1\n"


@pytest.mark.django_db
def test_it_leaves_the_import_to_the_workers(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", THREE)
    assert "is queued; the workers will take it" in run_command("oig", path, *NEW, "--queue")
    run = ImportRun.objects.get()
    assert (run.state, run.path, Instruction.objects.count()) == (JobState.QUEUED, str(path), 0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "content", "more", "message"),
    [
        ("absent.jsonl", None, NEW, "there is no such file: check the path"),
        ("a.gz", gzip.compress(os.urandom(200_000).hex().encode())[:-9], NEW, "is cut off: its .gz data end too early"),
        ("a.jsonl", b"\x7fELF\x00\x01", NEW, "is binary: give a text file in UTF-8, plain or .gz"),
        ("a.jsonl", '{"prompt": "a"}', NEW, "line 1: column 'text' is missing: name one of 'prompt'"),
        ("a.jsonl", THREE, ("--name", "invented"), "source invented is new and has no licence"),
        ("a.jsonl", THREE, (*NEW, "--option", "txt=a"), "option 'txt' of format oig: is not known"),
        ("a.jsonl", THREE, (*NEW, "--option", "text"), "'text' is not NAME=VALUE, such as text=prompt"),
        ("a.jsonl", THREE, (*NEW, "--max-rejected", "-1"), "is not a whole number from 0"),
    ],
)
def test_it_refuses_bad_input_in_one_line_and_writes_nothing(
    tmp_path: Path, name: str, content: str | bytes | None, more: tuple[str, ...], message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        written(path, content)
    with pytest.raises(CommandError) as refusal:
        run_command("oig", path, *more)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not (Source.objects.exists())
    assert not (ImportRun.objects.exists())
    assert not (Instruction.objects.exists())


@pytest.mark.django_db
def test_it_lists_the_formats_there_are(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="format 'convabus' is not known: did you mean convabuse"):
        run_command("convabus", written(tmp_path / "a", THREE), *NEW)


@pytest.mark.django_db
def test_it_refuses_another_licence_for_a_known_source(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", THREE)
    run_command("oig", path, *NEW)
    with pytest.raises(
        CommandError, match="its license is 'MIT', not 'CC0': leave that out, or change it in the admin"
    ):
        run_command("oig", path, "--name", "invented", "--license", "CC0")


@pytest.mark.django_db(transaction=True)
def test_it_speaks_through_streams_and_exit_codes(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", THREE)
    done = shell("oig", path, *NEW)
    assert (done.returncode, done.stdout, done.stderr) == (0, "read 3 = added 3 + known 0 + rejected 0\n", "")
    rejected = shell("oig", written(tmp_path / "b.jsonl", THREE + "broken"), *NEW)
    assert rejected.returncode == 1
    assert rejected.stdout == "read 4 = added 0 + known 3 + rejected 1\n"
    assert rejected.stderr.startswith(f"CommandError: {tmp_path / 'b.jsonl'}: line 4: broken JSON: ")
    wrong = shell("jsonl", path, *NEW, "--option", "text=prompt")
    assert wrong.returncode == 1
    assert wrong.stderr == (
        f"CommandError: {path}: line 1: column 'prompt' is missing: name one of 'text', or another format\n"
    )


@pytest.mark.django_db(transaction=True)
def test_it_shows_its_progress_on_a_terminal(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", "".join(json.dumps({"text": f"text {n}"}) + "\n" for n in range(5000)))
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "manage.py", "import_source", "oig", str(path), *NEW],
        cwd=ROOT,
        env={**servers.environment(), "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        check=True,
        timeout=120,
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.stdout == "read 5,000 = added 5,000 + known 0 + rejected 0\n"
    assert "Importing" in shown
    assert "5,000 rows" in shown
