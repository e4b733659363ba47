"""What the commands that import, resume and augment share: work with a progress bar, Ctrl-C, and the closing words."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from sources import chunks, imports, parents, texts, workers
from sources.errors import SourceError
from sources.jobs import JobState
from sources.models import ImportRun, Report
from sources.writing import TAKEN_DOWN

VOTES_SHOWN = 3
# What a shell says of a program that was ended by Ctrl-C.
INTERRUPTED = 130


class RunCommand(BaseCommand):
    """A command that starts an import or an augmentation, and works on it unless it is for the workers."""

    def add_run_arguments(self, parser: CommandParser, example: str) -> None:
        """The arguments that all of them have; ``example`` is of an option."""
        parser.add_argument(
            "--option",
            action="append",
            default=[],
            type=named_value,
            dest="options",
            metavar="NAME=VALUE",
            help=f"For example {example}. May be given several times.",
        )
        parser.add_argument("--max-rejected", type=count, default=0, help="Rows that may be rejected; 0 by default.")
        parser.add_argument("--queue", action="store_true", help="Leave it to the workers, which need the file.")

    def run(self, start: Callable[[], ImportRun], *, queue: bool, max_rejected: int) -> None:
        """Start, then work on it here or say that the workers will. Raises CommandError for every failure."""
        try:
            # Taken in the transaction that makes it, so that no worker takes it first.
            with transaction.atomic():
                run = start()
                if not queue and run.state == JobState.QUEUED:
                    run.take()
        except SourceError as error:
            raise CommandError(texts.printable(str(error), 2000)) from None
        if queue:
            self.stdout.write(f"{run} is queued; the workers will take it. {workers.why_it_waits()}")
            return
        try:
            self._work(run)
        except KeyboardInterrupt:
            # It may have been in the middle of a statement, and then takes no other.
            connection.close()
            imports.cancel(run)
            words = (
                f"{run} was cancelled; what was written stays; go on with: manage.py import_source --resume {run.pk}"
            )
            raise CommandError(words, returncode=INTERRUPTED) from None
        self._report(run, max_rejected)

    def _work(self, run: ImportRun) -> None:
        with progress("rows") as bar:
            if bar is None:
                imports.proceed(run)
                return
            task = bar.add_task("Augmenting" if run.is_augmentation else "Importing", total=None, rows=0, rate=0)

            def tell(now: ImportRun) -> None:
                report, rate = now.report, now.rows_per_second
                bar.update(task, total=report.size, completed=report.done, rows=report.read, rate=rate)

            imports.proceed(run, tell)

    def _report(self, run: ImportRun, max_rejected: int) -> None:
        run.refresh_from_db()
        if run.state == JobState.FAILED:
            raise CommandError(run.error)
        if run.state != JobState.FINISHED:
            raise CommandError(f"{run}: was stopped or taken over by a worker; see {run.get_absolute_url()}")
        report = run.report
        for sentence in _votes(report):
            self.stdout.write(sentence)
        if report.unmapped:
            labels = ", ".join(f"{label} {number:,}" for label, number in sorted(report.unmapped.items()))
            self.stdout.write(f"labels without a mapping, kept as they are: {labels}")
        self._tell_counts(run)
        if (idle := workers.why_none_works()) and parents.not_screened(run.source):
            self.stderr.write(f"Screening for personal information and languages is still to be done. {idle}")
        # What was taken down is left out on purpose.
        if report.rejected - report.reasons.get(TAKEN_DOWN, 0) > max_rejected:
            raise CommandError(_rejection(run))

    def _tell_counts(self, run: ImportRun) -> None:
        report, verb = run.report, "made" if run.is_augmentation else "read"
        if gone := report.reasons.get(TAKEN_DOWN, 0):
            self.stdout.write(f"rejected because they were taken down or refused: {gone:,}")
        counts = f"added {report.added:,} + known {report.known:,} + rejected {report.rejected:,}"
        self.stdout.write(f"{verb} {report.read:,} = {counts}{_vote_counts(run)}")


def progress(unit: str) -> AbstractContextManager[Progress | None]:
    """A bar with how many, how many a second, and the time left; None where nobody looks."""
    if not sys.stderr.isatty():
        return nullcontext()
    rows = TextColumn("{task.fields[rows]:,} " + unit + ", {task.fields[rate]:,.0f}/s")
    left = TextColumn("left")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), rows, TimeRemainingColumn(), left)
    return Progress(*columns, console=Console(stderr=True))


def named_value(text: str) -> tuple[str, str]:
    """NAME=VALUE as two texts. Raises ArgumentTypeError."""
    name, sign, value = text.partition("=")
    if not (name.strip() and sign and value.strip()):
        raise ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as text=prompt")
    return name.strip(), value.strip()


def count(text: str) -> int:
    """A whole number from 0. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit()):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _votes(report: Report) -> list[str]:
    """The first votes that were not taken, each with who gave it."""
    return [entry["detail"] for entry in report.first_offenders if not entry["row"]][:VOTES_SHOWN]


def _vote_counts(run: ImportRun) -> str:
    if not chunks.format_of(run).label_set:
        return ""
    report = run.report
    return (
        f"; votes: added {report.votes_added:,} + known {report.votes_known:,} + "
        f"repeats by the same annotator {report.votes_repeated:,} + without a mapping {report.votes_rejected:,}"
    )


def _rejection(run: ImportRun) -> str:
    report = run.report
    rows = [entry for entry in report.first_offenders if entry["row"]]
    # Of those that are to be told there may be none among the first, where many were taken down.
    first = next((entry for entry in rows if entry["reason"] != TAKEN_DOWN), rows[0])
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in sorted(report.reasons.items()))
    return (
        f"{run.given_as}: {first['row']}: {first['reason']}: {first['detail']} "
        f"({report.rejected:,} rows rejected: {reasons}; the others are kept; --max-rejected allows this)"
    )


def any_of(value: Any, problem: str) -> Any:
    """``value`` unless it is empty. Raises CommandError with ``problem``."""
    if not value:
        raise CommandError(problem)
    return value
