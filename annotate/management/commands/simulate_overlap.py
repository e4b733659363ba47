"""Tell what a policy of dynamic overlap would have cost and gained on a campaign's own votes."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, override

from django.core.management.base import BaseCommand, CommandError

from annotate import stopping
from annotate.management.files import write_json
from annotate.models import Campaign
from labels.stopping import Replay, StoppingError, StoppingTable


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
        try:
            found = stopping.simulate(chosen, minimum, cap, target, _overlaps(fixed))
        except StoppingError as error:
            raise CommandError(str(error)) from None
        for line in (*_lines(found.replays), "", *_labels(stopping.published_names(chosen), found.replays), ""):
            self.stdout.write(line)
        for line in (found.read.about, _verdict(found.table), found.warning):
            if line:
                self.stdout.write(line)
        if json:
            written = {
                "table": found.table.as_dict(),
                "policies": stopping.replay_rows(found.replays),
                "usual": found.usual,
                "warnings": [found.warning] if found.warning else [],
                "read": found.read.about,
            }
            write_json(json, written)


def _overlaps(written: str) -> tuple[int, ...]:
    try:
        overlaps = tuple(int(each) for each in written.split(",") if each.strip())
    except ValueError:
        overlaps = ()
    if not overlaps or min(overlaps) < 1:
        raise CommandError(f"--fixed {written!r}: write whole numbers from 1, as 2,3,5.")
    return overlaps


def _verdict(table: StoppingTable) -> str:
    low, _ = table.accuracy_ci95
    sure = f"Stopping where the answer is {table.threshold:.0%} sure"
    if not table.is_reached:
        return f"{sure} does not reach {table.target:.0%} on {table.n_gold} known answers that were held out."
    doubt = "" if table.is_sure else f", but it may be as low as {low:.1%}: more gold tells more"
    return f"{sure} reaches {table.target:.0%} on {table.n_gold} known answers that were held out{doubt}."


def _lines(replays: list[Replay]) -> list[str]:
    head = (
        f"{'policy':10}  {'texts':>9}  {'votes':>19}  {'per text':>8}  {'right on held-out gold':>26}"
        f"  {'published as by all votes':>25}  {'too few votes':>13}"
    )
    return [head, *map(_line, replays)]


def _line(replay: Replay) -> str:
    accuracy = "no known answers"
    if replay.accuracy is not None and replay.accuracy_ci95 is not None:
        low, high = replay.accuracy_ci95
        accuracy = f"{replay.accuracy:.3f} ({low:.3f} to {high:.3f})"
    per_unit = f"{replay.votes_per_unit:.2f}" if replay.votes_per_unit is not None else "-"
    same = f"{replay.same_published_as_all:.3f}" if replay.same_published_as_all is not None else "-"
    votes = f"{'at least ' if replay.n_short else ''}{replay.n_votes:,}"
    counted = f"{replay.policy:10}  {replay.n_units:>9,}  {votes:>19}  {per_unit:>8}"
    return f"{counted}  {accuracy:>26}  {same:>25}  {replay.n_short:>13,}"


def _labels(names: list[str], replays: list[Replay]) -> list[str]:
    """The share of texts with each published label under each policy."""
    width = max(map(len, names))
    head = f"{'published':{width}}" + "".join(f"  {replay.policy:>9}" for replay in replays)
    rows = [
        f"{name:{width}}"
        + "".join(f"  {dict(each.published).get(name, 0) / max(each.n_units, 1):>9.1%}" for each in replays)
        for name in names
    ]
    return [head, *rows]
