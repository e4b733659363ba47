"""The public files beside the repository, the format of each, and the counts that come of it, by whichever way."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from sources.models import ImportRun


class RealFile(NamedTuple):
    """``counts`` are read, added, known, rejected; ``votes`` are added, known, repeated, without a mapping."""

    path: str
    format: str
    counts: tuple[int, int, int, int]
    votes: tuple[int, int, int, int] = (0, 0, 0, 0)


FILES = [
    RealFile("prosocial_dialog/prosocial_17_rows.jsonl", "prosocial-dialog", (17, 17, 0, 0), (51, 0, 0, 0)),
    RealFile("prosocial_dialog/original_examples.json", "prosocial-dialog", (5, 5, 0, 0), (15, 0, 0, 0)),
    RealFile("anthropic_red_team/red_team_attempts.sample.json", "red-team-attempts", (10, 10, 0, 0)),
    RealFile("hh_rlhf_harmless/test.jsonl.gz", "hh-rlhf", (2312, 2310, 2, 0)),
    RealFile("oasst/en_100_tree.jsonl", "oasst", (480, 480, 0, 0)),
    RealFile("oasst/en_100_message.jsonl", "oasst", (480, 480, 0, 0)),
    RealFile("oasst/en_100_text.jsonl", "oasst", (100, 100, 0, 0)),
    RealFile("openai_moderation/samples.S3_is_0.jsonl.gz", "openai-moderation", (909, 897, 12, 0)),
    RealFile("convabuse/ConvAbuseEMNLPfull.csv", "convabuse", (12768, 4185, 8583, 0), (12411, 0, 357, 0)),
    RealFile("hatecheck/all_annotations.csv", "hatecheck", (3901, 3901, 0, 0), (19505, 0, 0, 0)),
    RealFile("xstest/xstest_prompts.csv", "xstest", (450, 450, 0, 0)),
    RealFile("simple_safety_tests/SimpleSafetyTests - test cases.csv", "simple-safety-tests", (100, 100, 0, 0)),
    RealFile("ailuminate/airr_official_1.0_demo_en_us.NO_CSE.csv", "ailuminate", (1100, 1100, 0, 0)),
    RealFile("diasafety/val.json", "diasafety", (1097, 1096, 1, 0)),
    RealFile("diasafety/test.json", "diasafety", (1095, 1095, 0, 0)),
    RealFile("red_instruct/dangerousqa.json", "red-instruct", (200, 200, 0, 0)),
    RealFile("red_instruct/harmfulqa.json", "red-instruct", (1960, 1938, 22, 0)),
]

each_real_file = pytest.mark.parametrize("real", FILES, ids=lambda real: Path(real.path).name)


def check(run: ImportRun, real: RealFile) -> None:
    """Fail unless the run ended with the counts of the file."""
    run = ImportRun.objects.get(pk=run.pk)
    assert (run.state, run.error) == ("finished", "")
    report = run.report
    assert (report.read, report.added, report.known, report.rejected) == real.counts
    assert (report.votes_added, report.votes_known, report.votes_repeated, report.votes_rejected) == real.votes
