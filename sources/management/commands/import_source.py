"""Import a public dataset: the verb of the Celery task, with a progress bar on a terminal."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sources import importers, imports, ledger, texts
from sources.errors import SourceError
from sources.jobs import JobState
from sources.models import ImportRun, Report

VOTES_SHOWN = 3


class Command(BaseCommand):
    help = "Import a file of a public dataset. May be run again: rows that are known already are counted, not repeated."

    def add_arguments(self, parser: CommandParser) -> None:
        formats = ", ".join(importer.name for importer in importers.known())
        parser.add_argument("format", help=f"One of {formats}.")
        parser.add_argument(
            "origin",
            help="A file, a folder of them, an https:// address, or hf://datasets/ORG/NAME@REVISION/FILE; "
            "JSON, CSV or Parquet, plain, .gz or .zst.",
        )
        parser.add_argument("--name", required=True, help="Short name of the source, as in published records.")
        parser.add_argument("--license", default="", help="SPDX identifier, or unknown. Needed for a new source whose format does not say it.")
        parser.add_argument("--revision", default="", help="Version, tag or commit of the dataset.")
        parser.add_argument("--title", default="")
        parser.add_argument("--address", default="", help="Where the dataset can be found.")
        parser.add_argument("--attribution", default="", help="The sentence its licence asks for.")
        parser.add_argument(
            "--option",
            action="append",
            default=[],
            type=_named_value,
            dest="options",
            metavar="NAME=VALUE",
            help="Of the format, for example text=prompt. May be given several times.",
        )
        parser.add_argument("--mapping", type=Path, help="A TOML file that says what is in which column.")
        parser.add_argument("--max-rejected", type=_count, default=0, help="Rows that may be rejected; 0 by default.")
        parser.add_argument("--queue", action="store_true", help="Leave it to the workers, which need the file.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = self._start(options)
        except SourceError as error:
            raise CommandError(texts.printable(str(error), 2000)) from None
        if options["queue"]:
            self.stdout.write(f"{run} is queued; the workers will take it")
        else:
            self._work(run)
            self._report(run, options["max_rejected"])

    def _start(self, options: dict[str, Any]) -> ImportRun:
        importer = importers.get(options["format"])
        facts = {field: options[field] for field in ("license", "title", "address", "attribution")}
        source = ledger.entry(options["name"], options["revision"], importer, **facts)
        # Taken in the transaction that makes it, so that no worker takes it first.
        with transaction.atomic():
            run = imports.start(source, importer.name, origin=options["origin"], options=self._options(options))
            if not options["queue"]:
                run.take()
        return run

    def _options(self, options: dict[str, Any]) -> dict[str, str]:
        given = dict(options["options"])
        if options["mapping"]:
            try:
                given["mapping"] = options["mapping"].read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise CommandError(f"{options['mapping']}: cannot be read ({error}): give a TOML file in UTF-8") from None
        return given

    def _work(self, run: ImportRun) -> None:
        with self._progress() as bar:
            if bar is None:
                imports.proceed(run)
                return
            task = bar.add_task("Importing", total=None, rows=0, rate=0)
            imports.proceed(
                run,
                lambda now: bar.update(
                    task,
                    total=now.report.size,
                    completed=now.report.done,
                    rows=now.report.read,
                    rate=now.rows_per_second,
                ),
            )

    def _progress(self) -> AbstractContextManager[Progress | None]:
        if not sys.stderr.isatty():
            return nullcontext()
        rows = TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f}/s")
        columns = (TextColumn("{task.description}"), BarColumn(), rows, TimeRemainingColumn())
        return Progress(*columns, console=Console(stderr=True))

    def _report(self, run: ImportRun, max_rejected: int) -> None:
        run.refresh_from_db()
        if run.state == JobState.FAILED:
            raise CommandError(run.error)
        if run.state != JobState.FINISHED:
            raise CommandError(f"{run}: was stopped or taken over by a worker; see {run.get_absolute_url()}")
        report = run.report
        for sentence in self._votes(report):
            self.stdout.write(sentence)
        if report.unmapped:
            labels = ", ".join(f"{label} {count:,}" for label, count in sorted(report.unmapped.items()))
            self.stdout.write(f"labels without a mapping, kept as they are: {labels}")
        counts = f"read {report.read:,} = added {report.added:,} + known {report.known:,} + rejected {report.rejected:,}"
        self.stdout.write(counts + self._vote_counts(run))
        if report.rejected > max_rejected:
            raise CommandError(self._rejection(run))

    def _votes(self, report: Report) -> list[str]:
        """The first votes that were not taken, each with who gave it."""
        return [entry["detail"] for entry in report.first_offenders if not entry["row"]][:VOTES_SHOWN]

    def _vote_counts(self, run: ImportRun) -> str:
        if not importers.get(run.format).label_set:
            return ""
        report = run.report
        return (
            f"; votes: added {report.votes_added:,} + known {report.votes_known:,} + "
            f"repeats by the same annotator {report.votes_repeated:,} + without a mapping {report.votes_rejected:,}"
        )

    def _rejection(self, run: ImportRun) -> str:
        report = run.report
        first = next(entry for entry in report.first_offenders if entry["row"])
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(report.reasons.items()))
        return (
            f"{run.given_as}: {first['row']}: {first['reason']}: {first['detail']} "
            f"({report.rejected:,} rows rejected: {reasons}; the others are kept; --max-rejected allows this)"
        )


def _named_value(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name.strip() and sign and value.strip()):
        raise ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as text=prompt")
    return name.strip(), value.strip()


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)
