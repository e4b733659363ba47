from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from sources import texts
from sources.models import Instruction, TakeDown, Tombstone
from tests.annotate import worlds

pytestmark = pytest.mark.django_db


def take_down(*arguments: str, reason: str = "asked for") -> str:
    out = StringIO()
    call_command("take_down", *arguments, "--reason", reason, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_it_counts_and_changes_nothing_until_it_is_told_to() -> None:
    kindness = worlds.campaign(units=3)
    worlds.claimed(worlds.person("ada"), kindness)
    before = list(Instruction.objects.values())
    preview = take_down("--source", "kindness-letters")
    assert preview.splitlines() == [
        "would take down 3 texts",
        "units: 3",
        "live leases: 1",
        "Nothing was changed: --yes does it.",
    ]
    assert list(Instruction.objects.values()) == before
    assert not TakeDown.objects.exists()


def test_it_takes_down_and_says_so_and_may_be_run_again() -> None:
    worlds.campaign(units=3)
    first = Instruction.objects.earliest("pk")
    done = take_down("--id", first.public_id, "--yes").splitlines()
    assert done == ["took down 1 texts", "units: 1", f"Recorded as take-down {TakeDown.objects.get().pk}."]
    assert take_down("--id", first.public_id, "--yes").splitlines()[-1] == "There was nothing to take down."
    assert take_down("--pattern", "LETTER", "--yes").splitlines()[0].startswith("took down 2 texts")
    assert not Instruction.objects.available().exists()


def test_it_reads_lists_of_digests(tmp_path: Path) -> None:
    worlds.campaign(units=2)
    listed = tmp_path / "list.txt"
    listed.write_text(
        f"\ufeff{texts.text_digest('Letter 1 to kindness').hex()} # known elsewhere\r\n\r\n{'ab' * 16}\r\n"
    )
    assert take_down("--digests", str(listed)).startswith("would take down 1 texts")
    assert take_down("--refuse", str(listed)).startswith("would refuse 2 digests\nNothing was changed")
    assert take_down("--refuse", str(listed), "--yes") == "refused from now on: 2 digests that were not before\n"
    assert take_down("--refuse", str(listed), "--yes") == "refused from now on: 0 digests that were not before\n"
    assert Instruction.objects.available().count() == 2
    assert take_down("--digests", str(listed), "--yes").startswith("took down 1 texts")
    assert Tombstone.objects.count() == 3


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--id", "12"], "12: no instruction has this public id"),
        (["--source", "novels"], "novels: no such source: nothing was imported yet"),
        (["--pattern", "("], r"\(: invalid regular expression: parentheses \(\) not balanced: write a"),
        (["--digests", "/no/such/list"], "/no/such/list: No such file or directory: name a text file"),
        (["--digests", "/dev/null"], "/dev/null: has no digest: write one digest a line"),
        (["--id", "12", "--source", "x"], "not allowed with argument"),
        ([], "one of the arguments .* is required"),
    ],
)
def test_it_fails_in_one_line_that_names_the_remedy(arguments: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem) as refused:
        take_down(*arguments)
    assert "\n" not in str(refused.value)


def test_it_needs_a_reason() -> None:
    with pytest.raises(CommandError, match="--reason is empty"):
        take_down("--pattern", "x", reason=" ")
    with pytest.raises(CommandError, match="--reason"):
        call_command("take_down", "--pattern", "x")


def test_it_names_every_bad_line(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("first\n" + "0" * 32 + "\nthird\n")
    with pytest.raises(CommandError, match="line 1 is 'first', line 3 is 'third': write one digest a line"):
        take_down("--refuse", str(listed), "--yes")
    assert not Tombstone.objects.exists()
    listed.write_bytes(b"\xff\xfe")
    with pytest.raises(CommandError, match="is not UTF-8"):
        take_down("--digests", str(listed))
