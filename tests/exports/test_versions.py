from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from pytest_django import Settings

from exports.versions import code_revision, validate_version

WRONG = [
    "",
    "1",
    "v0.3",
    "0.03",
    "00.3",
    "1.0.0.0",
    "0.3 ",
    "0.3\n",
    " 0.3",
    "../x",
    "0/3",
    "0.3.",
    ".3",
    "-1.0",
    "٠.٣",
    "0.12345",
    "0,3",
]


@pytest.fixture(autouse=True)
def fresh_code_revision() -> Iterator[None]:
    code_revision.cache_clear()
    yield
    code_revision.cache_clear()


@pytest.mark.parametrize("version", ["0.3", "1.0.2", "0.0", "10.20.30", "9999.9999.9999"])
def test_it_takes_two_or_three_whole_numbers(version: str) -> None:
    validate_version(version)


@pytest.mark.parametrize("version", WRONG)
def test_it_refuses_anything_else_on_one_line(version: str) -> None:
    with pytest.raises(ValidationError) as refused:
        validate_version(version)
    assert repr(version) in refused.value.message
    assert "\n" not in refused.value.message


def test_it_names_the_revision_that_an_image_sets(settings: Settings) -> None:
    settings.CODE_REVISION = "abc123"
    assert code_revision() == "abc123"


def test_it_asks_git_and_says_when_files_differ(settings: Settings, tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    settings.BASE_DIR = tmp_path
    git("init", "--quiet")
    (tmp_path / "a").write_text("a")
    git("add", "a")
    git("commit", "--quiet", "--message", "a")
    assert code_revision() == git("rev-parse", "--short=12", "HEAD")
    (tmp_path / "a").write_text("b")
    code_revision.cache_clear()
    assert code_revision().endswith("-dirty")


def test_it_does_not_need_git(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BASE_DIR = tmp_path
    assert code_revision() == "unknown"
    code_revision.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_revision() == "unknown"
