"""Import a public dataset: the verb of the Celery tasks, with a progress bar on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from sources import importers, imports, ledger, origins
from sources.management.runs import RunCommand, any_of
from sources.models import ImportRun


class Command(RunCommand):
    help = "Import a file of a public dataset. May be run again: rows that are known already are counted, not repeated."

    def add_arguments(self, parser: CommandParser) -> None:
        formats = ", ".join(importer.name for importer in importers.known())
        parser.add_argument("format", nargs="?", help=f"One of {formats}.")
        parser.add_argument(
            "origin",
            nargs="?",
            help="A file, a folder of them, an https:// address, or hf://datasets/ORG/NAME@REVISION/FILE; "
            "JSON, CSV or Parquet, plain, .gz or .zst.",
        )
        parser.add_argument("--name", help="Short name of the source, as in published records.")
        parser.add_argument(
            "--license",
            default="",
            help="SPDX identifier, or unknown. Needed for a new source whose format does not say it.",
        )
        parser.add_argument(
            "--revision",
            default="",
            help="Version, tag or commit of the dataset; of a file on the hub, the one in its address.",
        )
        parser.add_argument("--title", default="")
        parser.add_argument("--address", default="", help="Where the dataset can be found.")
        parser.add_argument("--attribution", default="", help="The sentence its licence asks for.")
        parser.add_argument(
            "--mapping", type=Path, help="A TOML file with [columns] and [labels], for the format columns."
        )
        parser.add_argument(
            "--resume", type=int, metavar="ID", help="Go on with this import, which failed or was cancelled."
        )
        self.add_run_arguments(parser, example="text=prompt")

    def handle(self, *args: Any, **options: Any) -> None:
        def start() -> ImportRun:
            return _resumed(options) if options["resume"] is not None else _started(options)

        self.run(start, queue=options["queue"], max_rejected=options["max_rejected"])


def _started(options: dict[str, Any]) -> ImportRun:
    wanted = "give FORMAT, ORIGIN and --name, or --resume ID"
    importer = importers.get(any_of(options["format"], f"no format: {wanted}"))
    origin = any_of(options["origin"], f"no origin: {wanted}")
    facts = {field: options[field] for field in ("license", "title", "address", "attribution")}
    name = any_of(options["name"], f"no name: {wanted}")
    # A file of the hub says its revision itself.
    revision = options["revision"] or origins.resolve(origin).revision
    source = ledger.entry(name, revision, importer, **facts)
    return imports.start(source, importer.name, origin=origin, options=_options(options))


def _resumed(options: dict[str, Any]) -> ImportRun:
    if options["format"] or options["origin"] or options["name"]:
        raise CommandError("--resume goes on with an import as it was begun: give nothing else")
    run: ImportRun | None = ImportRun.objects.filter(pk=options["resume"]).first()
    if run is None:
        raise CommandError(f"import {options['resume']}: there is none: its number stands in the list of the admin")
    imports.resume(run, here=not options["queue"])
    return run


def _options(options: dict[str, Any]) -> dict[str, str]:
    given = dict(options["options"])
    if "mapping" in given:
        raise CommandError("option 'mapping': is the text of a file: use --mapping FILE")
    if options["mapping"]:
        try:
            given["mapping"] = options["mapping"].read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['mapping']}: cannot be read ({error}): give a TOML file in UTF-8") from None
    return given
