from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from exports import verification
from exports.management import failing
from exports.models import Snapshot
from exports.verification import Report


class Command(BaseCommand):
    help = "Compare a published snapshot with its manifest and with what its votes give now; nothing is written."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("snapshot", help="of a published snapshot, such as 0.3")

    def handle(self, *, snapshot: str, **_: Any) -> None:
        with failing.in_one_line():
            found = Snapshot.objects.published().filter(version=snapshot).first()
            if found is None:
                raise CommandError(f"{snapshot} was not published; published are: {_published()}")
            report = self._verify(found)
        for number, why in report.lost.items():
            self.stdout.write(f"line {number}: {why}")
        if not report.is_same:
            raise CommandError(f"{found} cannot be derived again as it is: {_sentence(report)}")
        if found.is_registered:
            self.stdout.write(f"{found}: the files are as registered; its lines cannot be derived here")
            return
        self.stdout.write(f"{found}: the files are as published, and {report.lines:,} lines were derived again")

    def _verify(self, snapshot: Snapshot) -> Report:
        console = Console(stderr=True)
        with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
            bar = progress.add_task(f"verifying {snapshot}", total=snapshot.lines_total)
            return verification.verify(snapshot, lambda lines: progress.update(bar, completed=lines))


def _published() -> str:
    return ", ".join(Snapshot.objects.published().values_list("version", flat=True)) or "none yet"


def _sentence(report: Report) -> str:
    """The first difference, then how many there are of each kind."""
    kinds = {
        "lines are lost for the reasons given": len(report.lost),
        "other lines differ": len(report.changed),
        "lines would be new": report.added,
    }
    counted = "; ".join(f"{number:,} {kind}" for kind, number in kinds.items() if number)
    if report.single_votes and not (report.first or report.statistics):
        return f"every line is the same, but in the single votes {report.single_votes}"
    if not report.first:
        return f"every line is the same, but in the statistics {report.statistics}"
    return f"first, {report.first}; of {report.lines:,} lines {counted}"
