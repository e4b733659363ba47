"""Tell what a policy of dynamic overlap would have cost and gained on a campaign's own votes."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, override

import orjson
from django.core.management.base import BaseCommand, CommandError

from annotate import stopping
from annotate.models import Campaign
from labels.stopping import Replay, StoppingError


class Command(BaseCommand):
    help = "Tell what asking for votes until they settle a text would have cost and gained on a campaign's own votes."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--campaign", required=True, metavar="SLUG", help="whose votes and known answers")
        parser.add_argument("--minimum", type=int, default=2, help="votes that every unit gets")
        parser.add_argument("--cap", type=int, default=7, help="votes that no unit gets more of")
        parser.add_argument("--target", type=float, default=0.9, help="accuracy wanted on known answers, 0 to 1")
        parser.add_argument(
            "--fixed", default="2,3,5", metavar="N,N,...", help="overlaps to compare with, the same for every unit"
        )
        parser.add_argument("--json", type=Path, metavar="PATH", help="also write it here, with the table")

    @override
    def handle(
        self, *, campaign: str, minimum: int, cap: int, target: float, fixed: str, json: Path | None, **_: Any
    ) -> None:
        chosen = Campaign.objects.filter(slug=campaign).first()
        if chosen is None:
            known = ", ".join(Campaign.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no campaign {campaign!r}; the campaigns are: {known}.")
        overlaps, votes = _overlaps(fixed), stopping.history(chosen)
        try:
            table = stopping.tune(votes, minimum, cap, target)
            replays = stopping.simulate(votes, table, overlaps)
        except StoppingError as error:
            raise CommandError(str(error)) from None
        for line in _lines(replays):
            self.stdout.write(line)
        reached = "reaches" if table.is_reached else "does not reach"
        sure = f"Stopping where the answer is {table.threshold:.0%} sure"
        self.stdout.write(f"{sure} {reached} {target:.0%} on {table.n_gold} known answers.")
        if json:
            found = {"table": table.as_dict(), "policies": stopping.replay_rows(replays)}
            json.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _overlaps(written: str) -> tuple[int, ...]:
    try:
        overlaps = tuple(int(each) for each in written.split(",") if each.strip())
    except ValueError:
        overlaps = ()
    if not overlaps or min(overlaps) < 1:
        raise CommandError(f"--fixed {written!r}: write whole numbers from 1, as 2,3,5.")
    return overlaps


def _lines(replays: list[Replay]) -> list[str]:
    head = f"{'policy':10}  {'units':>9}  {'votes':>10}  {'per unit':>8}  {'right on gold':>26}  {'too few votes':>13}"
    return [head, *map(_line, replays)]


def _line(replay: Replay) -> str:
    accuracy = "no known answers"
    if replay.accuracy is not None and replay.accuracy_ci95 is not None:
        low, high = replay.accuracy_ci95
        accuracy = f"{replay.accuracy:.3f} ({low:.3f} to {high:.3f})"
    per_unit = f"{replay.votes_per_unit:.2f}" if replay.votes_per_unit is not None else "-"
    counted = f"{replay.policy:10}  {replay.n_units:>9,}  {replay.n_votes:>10,}  {per_unit:>8}"
    return f"{counted}  {accuracy:>26}  {replay.n_short:>13,}"
