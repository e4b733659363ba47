"""manage.py agreement: of a file without a database, and of what the database holds."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotate import tallies
from annotate.models import Campaign
from tests import ROOT
from tests.annotate import worlds


def run(*arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command("agreement", *arguments, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "votes.csv"
    path.write_text("unit,annotator,label\n1,anna,low\n1,ben,low\n2,anna,low\n2,ben,high\n3,anna,high\n3,ben,high\n")
    return path


def test_it_measures_a_file_in_a_process_of_its_own_that_starts_no_server(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "local"
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "agreement", "--file", file, "--options", "low,high"],
        env={"PATH": "/usr/bin:/bin", "OIG_LOCAL_DIR": str(folder), "OIG_SECRET_KEY": "0123456789abcdef" * 3},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "read 6 = 6 taken + 0 repeated + 0 rejected" in done.stdout
    assert "percent_agreement" in done.stdout
    assert not list(folder.glob("**/postmaster.pid"))


def test_it_shows_alpha_ac1_and_percent_agreement_first(file: Path) -> None:
    names = [
        line.split()[0] for line in run("--file", str(file), "--options", "low,high").splitlines() if "  0." in line
    ]
    assert names[:3] == ["krippendorff_alpha_ordinal", "gwet_ac1", "percent_agreement"]


def test_it_writes_everything_as_json(file: Path, tmp_path: Path) -> None:
    run("--file", str(file), "--options", "low,high", "--json", str(tmp_path / "out.json"))
    found = json.loads((tmp_path / "out.json").read_bytes())
    assert found["base"]["percent_agreement"]["value"] == pytest.approx(2 / 3)
    # Cohen's, of two: by chance they would agree on 4/9.
    assert found["base"]["conger_kappa"]["value"] == pytest.approx((2 / 3 - 4 / 9) / (5 / 9))
    assert found["base"]["percent_agreement"]["ci95"] is None
    assert "there are two annotators" in found["base"]["percent_agreement"]["interval_reason"]
    assert found["base"]["krippendorff_alpha_nominal"]["value"] == pytest.approx(1 - 5 * 2 / 18)
    assert found["corpus"]["options"] == {"low": 3, "high": 3}
    assert found["confusion"] == [[2.0, 1.0], [1.0, 2.0]]


def test_options_of_a_file_have_no_order_unless_they_are_given(file: Path) -> None:
    assert "krippendorff_alpha_ordinal" in run("--file", str(file))
    assert "the options have no order" in run("--file", str(file))
    assert "the options have no order" in run("--file", str(file), "--options", "low,high", "--nominal")


def test_one_annotator_and_one_option_give_nulls_with_reasons(tmp_path: Path) -> None:
    path = tmp_path / "alone.csv"
    path.write_text("unit,annotator,label\n1,anna,low\n2,anna,low\n")
    assert "undefined: no unit has two votes" in run("--file", str(path))
    path.write_text("unit,annotator,label\n1,anna,low\n1,ben,low\n2,anna,low\n2,ben,low\n")
    assert "undefined: only one option was ever used" in run("--file", str(path), "--options", "low,high")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Say whose votes: --campaign SLUG, --source NAME or --file PATH."),
        (("--file", "nowhere.csv"), "nowhere.csv: cannot be read (No such file or directory)"),
        (("--file", "{file}", "--format", "wise"), "format 'wise' is not known"),
        (("--file", "{file}", "--format", "xstest"), "The format xstest has no votes; those that have are"),
        (("--file", "{file}", "--label-set", "mine"), "No label set 'mine' is shipped; there are"),
        (("--file", "{file}", "--columns", "a,b"), "--columns a,b names 2; write UNIT,ANNOTATOR,LABEL."),
        (("--file", "{file}", "--columns", "unit,,"), "--columns unit,, names no unit or no label;"),
        (("--file", "{file}", "--options", "up,down"), "has no vote that can be used; 6 were read."),
        (("--file", "{file}", "--json", "/nowhere/x.json"), "/nowhere/x.json: cannot be written"),
    ],
)
def test_it_says_what_is_wrong_and_what_to_do(file: Path, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError) as refused:
        run(*(each.replace("{file}", str(file)) for each in arguments))
    assert message in str(refused.value)


def test_it_measures_public_votes_as_their_papers_do(shared_data: Path) -> None:
    """HateCheck's paper (Röttger et al. 2021) reports a Fleiss' kappa of 0.93."""
    out = run("--file", str(shared_data / "hatecheck/all_annotations.csv"), "--format", "hatecheck")
    assert "3,901 units, 3,901 with two votes, 19,505 votes, 10 annotators" in out
    fleiss = next(line for line in out.splitlines() if line.startswith("fleiss_kappa_generalized"))
    assert float(fleiss.split()[1]) == pytest.approx(0.93, abs=0.005)


def test_it_reads_a_table_with_a_column_for_each_annotator(shared_data: Path) -> None:
    path = shared_data / "classic_agreement/krippendorff2011_C_4observers_12units.csv"
    out = run("--file", str(path), "--format", "wide", "--options", "1,2,3,4,5")
    alphas = {line.split()[0]: line.split()[1] for line in out.splitlines() if line.startswith("krippendorff")}
    assert alphas == {
        "krippendorff_alpha_ordinal": "0.8154",
        "krippendorff_alpha_nominal": "0.7434",
        "krippendorff_alpha_interval": "0.8491",
    }


def test_a_hostile_file_does_not_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hostile.csv"
    labels = ["\x1b[2Jred", "a\u202eb", *(f"label {n:02}" for n in range(40))]
    rows = [f"u\x1b{n},anna,{label}\nu\x1b{n},anna,{label}\n" for n, label in enumerate(labels)]
    path.write_text("unit,annotator,label\n" + "".join(rows))
    err = StringIO()
    out = StringIO()
    call_command("agreement", "--file", str(path), stdout=out, stderr=err)
    assert "'\\x1b[2Jred'" in out.getvalue()
    assert "and 22 more" in out.getvalue()
    for told in (out, err):
        assert all(line.isprintable() for line in told.getvalue().replace("\x1b[0m", "").splitlines())
    out = StringIO()
    call_command("agreement", "--file", str(path), "--options", "label 01,label 02", stdout=out, stderr=err)
    assert "for 20 other reasons" in out.getvalue()


def kindness() -> Campaign:
    campaign = worlds.campaign(units=2, overlap=2)
    for name, answers in (("ada", ["casual", "casual"]), ("bob", ["casual", "needs-caution"])):
        person = worlds.person(name)
        for answer in answers:
            worlds.vote(person, campaign, answer)
    return campaign


@pytest.mark.django_db
def test_it_measures_a_campaign_as_it_is_now(tmp_path: Path) -> None:
    campaign = kindness()
    assert tallies.waiting()
    out = run("--campaign", campaign.slug, "--json", str(tmp_path / "out.json"))
    assert "2 units, 2 with two votes, 4 votes, 2 annotators" in out
    found = json.loads((tmp_path / "out.json").read_bytes())
    assert found["base"]["percent_agreement"]["value"] == pytest.approx(0.5)
    assert found["slices"]["is_augmented"]["original"]["votes"] == found["corpus"]["votes"] == 4
    assert not tallies.waiting()


@pytest.mark.django_db
def test_it_measures_a_source_where_it_is_judged_by_the_same_answers_and_says_what_it_left_out() -> None:
    campaign = kindness()
    source = campaign.sources.get()
    worlds.campaign(units=5, slug="elsewhere")
    other = worlds.opened(source, slug="abuse", label_set="convabuse")
    worlds.opened(source, slug="again")
    out, err = StringIO(), StringIO()
    call_command("agreement", "--source", source.name, stdout=out, stderr=err)
    assert "2 units, 2 with two votes, 4 votes, 2 annotators" in out.getvalue()
    assert f"left out: campaign abuse, whose label set {other.label_set} has other answers" in err.getvalue()
    assert "elsewhere" not in err.getvalue()


@pytest.mark.django_db
def test_a_source_that_nobody_judges_is_told() -> None:
    worlds.source("unread")
    with pytest.raises(CommandError, match="No campaign judges instructions of unread@1; open one that does"):
        run("--source", "unread")


@pytest.mark.django_db
def test_it_names_the_campaigns_and_sources_that_there_are() -> None:
    with pytest.raises(CommandError, match="There is no campaign 'c'; the campaigns are: none yet"):
        run("--campaign", "c")
    with pytest.raises(CommandError, match="There is no source 's'; the sources are: none yet"):
        run("--source", "s")
