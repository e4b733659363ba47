"""The README promises commands, files and figures: all of them are run, opened and compared here."""

import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command, get_commands, load_command_class

from sources import screening
from tests import ROOT

README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *(ROOT / f"{name}.md" for name in ("ARCHITECTURE", "CONTRIBUTING", "CHANGELOG"))]
DOCUMENTS += sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}$\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def shown_commands() -> list[list[str]]:
    """The words of every command in the README's shell blocks, lines that go on joined and comments left out."""
    lines = "".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def manage_commands() -> list[list[str]]:
    """What follows `manage.py` in the commands that run on this machine."""
    return [words[2:] for words in shown_commands() if words[:2] == [".venv/bin/python", "manage.py"]]


def is_part_of(shown: Any, whole: Any) -> bool:
    """Whether every field that is shown has the same value in the whole."""
    if isinstance(shown, Mapping) and isinstance(whole, Mapping):
        return all(name in whole and is_part_of(value, whole[name]) for name, value in shown.items())
    return bool(shown == whole)


def test_it_names_the_two_commands_before_anything_else() -> None:
    assert [words[:2] for words in shown_commands()[:2]] == [["make", "demo"], ["make", "test"]]
    assert "make demo" in README.partition("\n## ")[0]
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)


def test_it_has_a_picture_of_the_labelling_page_on_its_first_screen() -> None:
    assert "](docs/screenshots/label.png)" in README.partition("\n## ")[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    targets = [target for target in LINK.findall(document.read_text()) if "://" not in target]
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_is_named_exists(document: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", document.read_text()))
    assert named <= set(get_commands())


def test_every_screenshot_is_shown_light_to_load_and_of_its_size() -> None:
    pages = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    shown = set(re.findall(r"screenshots/([\w-]+\.png)", README + pages))
    there = {file.name: file for file in (ROOT / "docs/screenshots").iterdir()}
    assert shown == set(there)
    for name, file in there.items():
        head = file.read_bytes()[:24]
        width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert (width, height) == ((390, 844) if "phone" in name else (1280, 800))
        assert file.stat().st_size < 200_000


def test_the_script_that_takes_the_screenshots_takes_these() -> None:
    taken = re.findall(r'_take\(browser, address, "([\w-]+)"', (ROOT / "docs/take_screenshots.py").read_text())
    assert {f"{name}.png" for name in taken} == {file.name for file in (ROOT / "docs/screenshots").iterdir()}


@pytest.mark.parametrize("words", manage_commands(), ids=" ".join)
def test_every_command_takes_the_arguments_that_are_shown(words: list[str]) -> None:
    name, *arguments = words
    load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(arguments)


def test_the_services_and_variables_of_its_compose_commands_exist() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    services = yaml.safe_load(compose)["services"]
    run = [words for words in shown_commands() if words[:3] == ["docker", "compose", "run"]]
    assert [words[4] in services for words in run] == [True] * len(run)
    assert run
    required = set(re.findall(r"\$\{(\w+):\?", compose))
    given = next(words for words in shown_commands() if words[0] == "printf")[1]
    assert set(re.findall(r"(OIG_\w+)=%s", given)) == required
    assert all(f"{name}:" in compose for name in re.findall(r"`(OIG_\w+)(?:=1)?`", README))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the test, with the demo's data loaded; files that commands write end with it."""
    (tmp_path / "sources").symlink_to(ROOT / "sources")
    monkeypatch.chdir(tmp_path)
    call_command("load_demo", yes=True, stdout=StringIO(), stderr=StringIO())
    return tmp_path


def printed_by(commands: list[list[str]]) -> str:
    said = StringIO()
    for words in commands:
        call_command(*words, stdout=said, stderr=StringIO())
        screening.work_waiting()  # as the demo's worker does
    return said.getvalue()


def needs_only_the_repository(words: list[str]) -> bool:
    return (ROOT / words[2]).is_file() if words[0] == "import_source" else "--campaign" not in words


@pytest.mark.django_db(transaction=True)
def test_its_commands_print_what_it_shows_and_its_lines_load_the_file(folder: Path) -> None:
    printed = printed_by([words for words in manage_commands() if needs_only_the_repository(words)])
    assert "".join(blocks("text")) == printed
    (example,) = map(json.loads, blocks("json"))
    records = map(json.loads, (folder / "releases/OIG_safety_v0.3.jsonl").read_text().splitlines())
    assert is_part_of(example, next(found for found in records if found["metadata"]["id"] == example["metadata"]["id"]))
    for code in blocks("python"):
        assert run_python(f"{code}\nprint(len({code.splitlines()[-1].partition(' ')[0]}))", folder) == "221\n"


def run_python(code: str, folder: Path) -> str:
    """What it prints in a Python of its own that reaches no hub."""
    environment = {**os.environ, "HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_its_commands_read_the_files_as_they_are_published(folder: Path, shared_data: Path) -> None:
    shutil.copy(shared_data / "xstest/xstest_prompts.csv", folder)
    shutil.copy(shared_data / "convabuse/ConvAbuseEMNLPfull.csv", folder)
    shutil.copy(shared_data / "prosocial_dialog/original_examples.json", folder / "train.json")
    line = json.dumps({"text": "<human>: What is a fjord?\n<bot>: A deep arm of the sea.", "metadata": {}})
    (folder / "unified_chip2.jsonl.gz").write_bytes(gzip.compress(f"{line}\n".encode()))
    printed = printed_by(manage_commands())
    assert "read 450 = added 450 + known 0 + rejected 0\n" in printed
    assert "OIG_safety_v0.4: 4,185 instructions, 12,411 votes\n" in printed
