from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress

from annotate.models import Campaign
from exports import derivation, release_files, snapshots, writers
from exports.filters import Filters
from exports.formats import FORMS, Options
from exports.management import failing
from exports.models import Snapshot
from exports.versions import validate_version
from sources.jobs import JobState
from sources.texts import unstorable

# In the order of the fields of Filters.
REPEATED = {
    "source": "lines of this source, a name or name@revision",
    "license": "lines under this licence, such as CC-BY-4.0",
    "language": "lines in this language, such as en or pt-BR, or und",
    "agreement": "lines of this agreement, such as unanimous",
}


class Command(BaseCommand):
    help = "Publish a snapshot: OIG_safety_v<version>.jsonl with its statistics, dataset card and manifest."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Django's own --version (of Django) gives way to ours.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--version", required=True, help="two or three whole numbers, such as 0.3")
        parser.add_argument(
            "--campaign",
            action="append",
            default=[],
            metavar="SLUG",
            help="publish this campaign; may be repeated (default: all volunteer campaigns that were opened)",
        )
        parser.add_argument(
            "--mask-personal",
            action="store_true",
            help="publish [e-mail address] and the like instead of the personal information that was found",
        )
        parser.add_argument(
            "--form",
            action="append",
            default=[],
            choices=list(FORMS),
            help="also write the records in this form; may be repeated",
        )
        parser.add_argument("--seed", type=int, default=0, help="of the splits (default: 0)")
        parser.add_argument("--shard-bytes", type=int, default=500_000_000, help="the most that a shard has")
        for name, what in REPEATED.items():
            parser.add_argument(f"--{name}", action="append", default=[], help=f"only {what}; may be repeated")
        parser.add_argument("--min-votes", type=int, default=1, help="only lines with so many counted votes")
        parser.add_argument("--without-augmented", action="store_true", help="leave out what was made of other texts")
        parser.add_argument(
            "--without-personal", action="store_true", help="leave out texts in which personal information was found"
        )
        parser.add_argument(
            "--without-disputed", action="store_true", help="hold back what readers dispute and nobody has decided"
        )
        parser.add_argument(
            "--allow-lower",
            action="store_true",
            help="publish a version below the highest that is published, such as 0.2.1 beside 0.3",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be published, and publish nothing")
        parser.add_argument("--resume", action="store_true", help="go on with a version that was interrupted")
        parser.add_argument("--output", type=Path, metavar="DIR", help="also copy the files into this folder")

    def handle(
        self, *, version: str, campaign: list[str], mask_personal: bool, output: Path | None, **asked: Any
    ) -> None:
        options = _options(asked)
        with failing.in_one_line(output, disk=failing.WRITING, again="go on with --resume"):
            validate_version(version)
            if asked["dry_run"]:
                self._preview(snapshots.preview(_campaigns(campaign), options, mask_personal=mask_personal))
                return
            if asked["resume"]:
                _resume(version)
            if output:
                writers.check_folder(output)
            snapshot = snapshots.prepare(
                version,
                _campaigns(campaign),
                mask_personal=mask_personal,
                options=options,
                allow_lower=asked["allow_lower"],
            )
            if snapshot.is_published:
                derivation.rederive(snapshot)
                self.stderr.write(f"{snapshot} was published before; derived again, every byte is the same")
            else:
                self._publish(snapshot)
            files = release_files.deliver(snapshot, output or snapshot.path)
        for file in files:
            self.stdout.write(str(file))
        self.stdout.write(_closing_sentence(snapshot))

    def _preview(self, found: dict[str, int]) -> None:
        instructions, votes = found.pop("instructions"), found.pop("votes")
        for name, lines in found.items():
            self.stdout.write(f"left out by {name}: {lines:,} instructions")
        self.stdout.write(f"{instructions:,} instructions and {votes:,} votes would be published; nothing was written")

    def _publish(self, snapshot: Snapshot) -> None:
        console = Console(stderr=True)
        with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
            bar = progress.add_task(f"publishing {snapshot}", total=None)
            snapshots.work(snapshot, lambda lines: progress.update(bar, total=snapshot.lines_total, completed=lines))
        snapshot.refresh_from_db()
        if snapshot.error:
            raise CommandError(snapshot.error)
        if snapshot.state == JobState.CANCELLED:
            raise CommandError(f"{snapshot} was cancelled, and nothing of it is left; go on with --resume")
        if not snapshot.is_published:
            until = f"{snapshot.lease_until:%H:%M:%S} UTC" if snapshot.lease_until else "its lease lapses"
            raise CommandError(
                f"{snapshot} is being published by another process; if that was killed, try again after {until}"
            )


def _resume(version: str) -> None:
    begun = Snapshot.objects.filter(version=version).first()
    if begun is None:
        raise CommandError(f"{version} was never begun: leave out --resume")
    snapshots.resume(begun)


def _options(asked: dict[str, Any]) -> Options:
    sources, licenses, languages, statuses = (tuple(sorted(set(asked[name]))) for name in REPEATED)
    filters = Filters(
        sources,
        licenses,
        languages,
        statuses,
        min_votes=asked["min_votes"],
        without_augmented=asked["without_augmented"],
        without_personal=asked["without_personal"],
        without_disputed=asked["without_disputed"],
    )
    return Options(tuple(dict.fromkeys(asked["form"])), asked["seed"], asked["shard_bytes"], filters)


def _closing_sentence(snapshot: Snapshot) -> str:
    manifest = snapshot.manifest
    simulated = f" ({manifest['simulated_votes']:,} simulated)" if manifest["simulated_votes"] else ""
    return f"{snapshot}: {manifest['instructions']:,} instructions, {manifest['votes']:,} votes{simulated}"


def _campaigns(slugs: list[str]) -> list[Campaign]:
    askable = [slug for slug in slugs if not unstorable(slug)]
    found = {campaign.slug: campaign for campaign in Campaign.objects.filter(slug__in=askable)}
    missing = [slug for slug in slugs if slug not in found]
    if missing:
        known = ", ".join(Campaign.objects.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"There is no campaign {missing[0]!r}; the campaigns are: {known}")
    return [found[slug] for slug in slugs]
