"""Make new instructions of those of a source: the verb of the Celery tasks, with a progress bar on a terminal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from sources import augmenters, criteria, imports, ledger, parents
from sources.management.runs import RunCommand
from sources.models import ImportRun


class Command(RunCommand):
    help = "Make new instructions of those of a source. May be run again: rows that are known already are only counted."

    def add_arguments(self, parser: CommandParser) -> None:
        names = ", ".join(augmenter.name for augmenter in augmenters.known())
        parser.add_argument("source", metavar="SOURCE", help="Its name; NAME@REVISION where it has several.")
        parser.add_argument("augmenter", help=f"One of {names}.")
        parser.add_argument("--name", default="", help="Of the new source; SOURCE-AUGMENTER if it is not given.")
        self.add_run_arguments(parser, example="seed=7")

    def handle(self, *args: Any, **options: Any) -> None:
        def start() -> ImportRun:
            given = dict(options["options"])
            augmenters.get(options["augmenter"]).reader(given)
            source = criteria.source_named(options["source"])
            into = ledger.derived(source, options["augmenter"], options["name"])
            run = imports.augment(source, options["augmenter"], into, options=given)
            if missing := parents.not_screened(source):
                self.stderr.write(str(missing))
            return run

        self.run(start, queue=options["queue"], max_rejected=options["max_rejected"])
