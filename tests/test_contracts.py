import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

APPS = ("annotate", "config", "exports", "labels", "sources")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_imports_keep_the_contracts() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("labels/votes.py", "import sources.models"),
        ("sources/models.py", "import annotate.models"),
        ("annotate/models.py", "import exports.models"),
        ("annotate/views.py", "from config import env"),
        ("labels/agreement/formulas.py", "from django.db import models"),
        ("annotate/assignments.py", "from annotate import views"),
        ("sources/models.py", "from sources import imports"),
        ("exports/tasks.py", "from exports import admin"),
        ("sources/imports.py", "from sources import api"),
    ],
)
def test_a_broken_contract_is_noticed(module: str, line: str, tmp_path: Path) -> None:
    for name in ("pyproject.toml", *APPS):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    with (tmp_path / module).open("a") as file:
        file.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout
