from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exports import changes, comparing, writers
from exports.management import failing
from exports.models import Snapshot
from exports.tables import Table as Told
from exports.versions import numbers
from sources.texts import printable


class Command(BaseCommand):
    help = "Tell what changed from one published snapshot to a later one: lines, labels, agreement, tags."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("before", help="the earlier published snapshot, such as 0.2")
        parser.add_argument("after", help="the later one, such as 0.3")
        parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
        parser.add_argument(
            "--jsonl", type=Path, metavar="FILE", help="also write every line that differs: its id and how, no text"
        )

    def handle(self, *, before: str, after: str, json: bool, jsonl: Path | None, **_: Any) -> None:
        with failing.in_one_line(jsonl, disk=failing.WRITING if jsonl else failing.READING):
            first, second = _published(before), _published(after)
            if numbers(first.version) >= numbers(second.version):
                raise CommandError(f"{before} is not earlier than {after}: name the earlier one first")
            summary = _listed(first, second, jsonl) if jsonl else comparing.kept(first, second)
        if json:
            self.stdout.write(orjson.dumps(summary, option=writers.PAGE).decode().rstrip())
            return
        console = Console(highlight=False)
        with console.capture() as drawn:
            for table in changes.tables(summary):
                console.print(_drawn(table))
        self.stdout.write(drawn.get(), ending="")
        self.stdout.write(changes.sentence(summary))


def _published(version: str) -> Snapshot:
    found: Snapshot | None = Snapshot.objects.published().filter(version=version).first()
    if found is None:
        listed = ", ".join(Snapshot.objects.published().values_list("version", flat=True)) or "none yet"
        raise CommandError(f"{version} was not published; published are: {listed}")
    return found


def _listed(before: Snapshot, after: Snapshot, listing: Path) -> dict[str, Any]:
    with writers.complete_file(listing) as file:
        return comparing.compare(before, after, file)


def _drawn(table: Told) -> Table:
    # Names of sources and labels come from whoever imported them: no control characters, no markup.
    drawn = Table(title=table.title, title_justify="left")
    for at, head in enumerate(table.head):
        drawn.add_column(head, justify="left" if at < table.words else "right", overflow="fold", no_wrap=not at)
    for row in table.rows:
        drawn.add_row(*(Text(printable(cell)) for cell in row))
    return drawn
