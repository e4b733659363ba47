from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from annotate.models import Campaign
from exports import snapshots
from exports.models import Snapshot
from sources.models import Source
from tests import ROOT, servers
from tests.exports import worlds

pytestmark = pytest.mark.django_db(transaction=True)

PLOTS = ("agreement-status", "agreement", "labels", "votes-per-instruction")
NAMES = [
    "OIG_safety_v0.3.jsonl",
    "OIG_safety_v0.3.stats.json",
    "README.md",
    *(f"OIG_safety_v0.3.{plot}.svg" for plot in PLOTS),
    "OIG_safety_v0.3.manifest.json",
]


def export(*arguments: str) -> tuple[str, str]:
    """What the command says on stdout and stderr."""
    out, err = StringIO(), StringIO()
    call_command("export_safety", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def refusal(*arguments: str) -> str:
    """The one line with which the command refuses."""
    with pytest.raises(CommandError) as refused:
        export(*arguments)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "export_safety", *arguments],
        cwd=ROOT,
        env=servers.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def nothing_was_published() -> bool:
    root = Path(settings.SNAPSHOT_ROOT)
    return not Snapshot.objects.published().exists() and not (root.exists() and list(root.iterdir()))


def test_it_publishes_and_copies_into_a_folder(kindness: Campaign, tmp_path: Path) -> None:
    out, err = export("--version", "0.3", "--output", str(tmp_path / "new" / "folder"))
    assert out.splitlines() == [
        *(str(tmp_path / "new" / "folder" / name) for name in NAMES),
        "OIG_safety_v0.3: 1 instructions, 2 votes",
    ]
    assert err == ""
    line = json.loads((tmp_path / "new" / "folder" / NAMES[0]).read_text())
    assert line["metadata"]["labels"] == ["casual"]


def test_it_takes_the_version_as_a_keyword_too(kindness: Campaign, tmp_path: Path) -> None:
    call_command("export_safety", version="0.3", output=tmp_path, stdout=StringIO(), stderr=StringIO())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


def test_it_says_so_when_the_version_was_published_before(kindness: Campaign) -> None:
    first, _ = export("--version", "0.3")
    again, err = export("--version", "0.3", "--campaign", "kindness")
    assert again == first
    assert err == "OIG_safety_v0.3 was published before; derived again, every byte is the same\n"


def test_it_names_simulated_votes(kindness: Campaign) -> None:
    from annotate.models import Annotator

    Annotator.objects.filter(username="ben").update(kind="simulated")
    assert export("--version", "0.3")[0].endswith("OIG_safety_v0.3: 1 instructions, 2 votes (1 simulated)\n")


@pytest.mark.parametrize(
    "version", ["v0.3", "../x", "", "0.03", "1", "1.0.0.0", "٠.٣", "0.3\n0.4", "0.3; rm -rf /", "-0.3"]
)
def test_it_refuses_a_wrong_version(kindness: Campaign, version: str) -> None:
    assert refusal(f"--version={version}").endswith("write two or three whole numbers, such as 0.3 or 1.0.2")
    assert not Snapshot.objects.exists()


def test_it_names_the_campaigns_there_are(kindness: Campaign) -> None:
    asked = ("--version", "0.3", "--campaign", "kindness", "--campaign", "cruelty")
    assert refusal(*asked) == "There is no campaign 'cruelty'; the campaigns are: kindness"
    assert not Snapshot.objects.exists()


def test_it_goes_below_the_highest_version_only_if_it_is_told_to(kindness: Campaign) -> None:
    export("--version", "0.3")
    message = "0.2.1 is lower than 0.3, the highest that is published: choose a higher version, or allow a lower one"
    assert refusal("--version", "0.2.1") == message + " (--allow-lower)"
    assert export("--version", "0.2.1", "--allow-lower")[0].endswith("OIG_safety_v0.2.1: 1 instructions, 2 votes\n")
    assert export("--version", "0.2.1")[1].startswith("OIG_safety_v0.2.1 was published before")


def test_it_says_that_a_version_was_cancelled(kindness: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_publish", lambda snapshot, *_: snapshots.cancel(snapshot))
    message = refusal("--version", "0.3")
    assert message == "OIG_safety_v0.3 was cancelled, and nothing of it is left; go on with --resume"


def test_it_refuses_an_empty_campaign(letters: Source) -> None:
    assert refusal("--version", "0.3").startswith("There is no campaign to publish: open one")
    worlds.campaign("empty")
    assert refusal("--version", "0.3", "--campaign", "empty").startswith("Nobody has voted in empty yet")
    assert nothing_was_published()


def test_it_publishes_nothing_where_the_copy_could_not_be_written(kindness: Campaign, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for output in (tmp_path / "file", tmp_path / "file" / "deeper"):
        message = refusal("--version", "0.3", "--output", str(output))
        assert message == f"{tmp_path / 'file'}: is not a folder; choose another place"
    long = tmp_path / ("n" * 300)
    assert refusal("--version", "0.3", "--output", str(long)).startswith(f"{long}: File name too long; choose")
    assert nothing_was_published()


def test_it_leaves_alone_what_has_another_content(kindness: Campaign, tmp_path: Path) -> None:
    (tmp_path / NAMES[-1]).write_text("mine")
    message = refusal("--version", "0.3", "--output", str(tmp_path))
    assert message == f"{tmp_path / NAMES[-1]}: exists with other content; choose another --output or move it away"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(NAMES[-1], "mine")]


def test_it_says_what_differs_after_a_change(kindness: Campaign) -> None:
    export("--version", "0.3")
    Source.objects.update(license="unknown")
    assert "No available instruction with votes has a source with a known licence" in refusal("--version", "0.3")
    Source.objects.update(license="MIT")
    assert "OIG_safety_v0.3.jsonl, OIG_safety_v0.3.stats.json, README.md would not be" in refusal("--version", "0.3")


def test_it_says_when_another_process_would_be_done_or_lost(kindness: Campaign) -> None:
    snapshot = snapshots.prepare("0.3", [kindness])
    assert snapshot.take()
    message = refusal("--version", "0.3")
    assert message.startswith("OIG_safety_v0.3 is being published by another process; if that was killed, try again")
    assert f"{snapshot.lease_until:%H:%M:%S} UTC" in message
    worlds.lose_worker(snapshot)
    assert export("--version", "0.3")[0].endswith("OIG_safety_v0.3: 1 instructions, 2 votes\n")


def test_it_works_from_the_shell(kindness: Campaign, tmp_path: Path) -> None:
    done = shell("--version", "0.3", "--output", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "OIG_safety_v0.3: 1 instructions, 2 votes"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version", "v0.3"], "'v0.3' is not a version"),
        (["--version", "0.3", "--campaign", "cruelty"], "There is no campaign 'cruelty'; the campaigns are: kindness"),
        (["--version", "0.3", "--output", "/dev/null/x"], "/dev/null: is not a folder; choose another place"),
    ],
)
def test_it_fails_in_the_shell_with_one_line(kindness: Campaign, arguments: list[str], said: str) -> None:
    done = shell(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"CommandError: {said}")
    assert done.stderr.count("\n") == 1
    assert nothing_was_published()


def test_it_asks_for_the_version(kindness: Campaign) -> None:
    with pytest.raises(CommandError, match="the following arguments are required: --version"):
        export()
