from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress

from exports import registering
from exports.errors import ExportError
from exports.registering import Facts, Watch
from sources.importers.oig_moderation import IMPORTER
from sources.readers.shards import WrongFile
from sources.rows import RejectedRow
from sources.texts import printable

# Rejected rows that are named; the others are counted.
NAMED = 20


class Command(BaseCommand):
    help = "Register a published OIG-moderation file as a snapshot, to compare releases with; it is kept as it is."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Django's own --version (of Django) gives way to ours.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--version", required=True, help="under which it was published, such as 0.1")
        parser.add_argument("file", type=Path, help="the published JSON lines, plain, .gz or .zst")
        parser.add_argument("--license", default=IMPORTER.license, help="of the file (default: %(default)s)")
        parser.add_argument("--address", default=IMPORTER.address, help="where it was published (default: %(default)s)")
        parser.add_argument("--dry-run", action="store_true", help="read the file and say what is wrong, keep nothing")

    def handle(self, *, version: str, file: Path, dry_run: bool, **asked: Any) -> None:
        rejected = list[RejectedRow]()

        def note(row: RejectedRow) -> None:
            if len(rejected) < NAMED:
                rejected.append(row)

        console = Console(stderr=True)
        try:
            with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
                bar = progress.add_task(f"reading {printable(file.name)}", total=None)
                watch = Watch(note, lambda rows: progress.update(bar, completed=rows))
                registering.check(version)
                if dry_run:
                    counted = registering.examine(file, watch).stored()
                else:
                    facts = Facts(asked["license"], asked["address"])
                    counted = registering.register(version, file, facts, watch).manifest["registered"]
        except (ExportError, WrongFile) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}; choose another place or make room") from None
        finally:
            self._name(file, rejected)
        kept = "nothing was written" if dry_run else f"OIG_safety_v{version} is registered"
        self.stdout.write(f"{_sentence(counted)}; {kept}")

    def _name(self, file: Path, rejected: list[RejectedRow]) -> None:
        for row in rejected:
            self.stderr.write(f"{file}: {row.row}: {printable(row.detail)}")


def _sentence(counted: dict[str, Any]) -> str:
    """What became of every row."""
    rejected = counted["rejected"]
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in rejected.items())
    otherwise = counted["repeated_with_other_labels"]
    return (
        f"{counted['read']:,} rows read = {counted['taken']:,} taken"
        f" + {counted['repeated']:,} repeated{f' ({otherwise:,} with other labels)' if otherwise else ''}"
        f" + {sum(rejected.values()):,} rejected{f' ({reasons})' if reasons else ''}"
    )
