import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    own = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **environment}
    return subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)


def test_it_says_a_wrong_setting_in_one_line(tmp_path: Path) -> None:
    done = manage("migrate", OIG_JOB_SWEEP_SECONDS="soon", OIG_LOCAL_DIR=str(tmp_path / "local"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'OIG_JOB_SWEEP_SECONDS must be a whole number from 1 to 600, not "soon"\n'


def test_https_binds_no_other_names_unless_told_to() -> None:
    code = "from django.conf import settings as s; print(s.SECURE_HSTS_INCLUDE_SUBDOMAINS, s.SECURE_HSTS_PRELOAD)"
    for switches, said in [({}, "False False"), ({"OIG_HSTS_SUBDOMAINS": "1"}, "True False")]:
        assert manage("shell", "--no-imports", "-c", code, OIG_HTTPS="1", **switches).stdout == said + "\n"


@pytest.mark.parametrize(
    "arguments", [("--help",), ("migrate", "--help"), ("help",), ("help", "migrate"), ("--version",)]
)
def test_it_starts_no_server_where_none_is_needed(arguments: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "local"
    assert (
        manage(*arguments, OIG_LOCAL_DIR=str(folder), OIG_SECRET_KEY="not made, not kept, and not a secret").returncode
        == 0
    )
    assert not folder.exists()


def test_it_runs_commands_on_embedded_servers_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "local"
    query = "from django.db import connection; print(connection.cursor().execute('SELECT 41 + 1').fetchone())"
    done = manage("shell", "--no-imports", "-c", query, OIG_LOCAL_DIR=str(folder), DATABASE_URL="", REDIS_URL="")
    assert (done.stdout, done.stderr, done.returncode) == ("(42,)\n", "", 0)
    assert (folder / "postgres" / "PG_VERSION").read_text() == "18\n"
    assert not (folder / "postgres" / "postmaster.pid").exists()
