"""Print how far annotators agree, of votes in the database or in a file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, override

import orjson
from django.core.management.base import BaseCommand, CommandError

from annotate import measures
from annotate.errors import AnnotateError
from annotate.models import Campaign
from annotate.tallies import Scope
from labels import taxonomy, votes_files
from labels.errors import LabelsError
from labels.taxonomy import LabelSetSpec
from labels.votes_files import RawVotes
from sources import chunks, importers
from sources import votes as source_votes
from sources.errors import SourceError
from sources.models import Source

WIDE, LONG = "wide", "long"


class Command(BaseCommand):
    help = "Print how far annotators agree: all coefficients with their intervals, of a campaign, a source or a file."
    # With --file there may be no database.
    requires_system_checks = []

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        votes = parser.add_mutually_exclusive_group()
        votes.add_argument("--campaign", metavar="SLUG", help="the counted votes of this campaign")
        votes.add_argument("--source", metavar="NAME", help="the votes on instructions of this source")
        votes.add_argument("--file", type=Path, metavar="PATH", help="the votes of a file; needs no database")
        parser.add_argument(
            "--format",
            default=LONG,
            help="of the file: long (CSV, a row for each vote; the default), wide (CSV, a row for each unit and a "
            "column for each annotator), or one of the import formats that have votes",
        )
        parser.add_argument(
            "--columns",
            default=",".join(votes_files.COLUMNS),
            metavar="UNIT,ANNOTATOR,LABEL",
            help="the names of these columns",
        )
        parser.add_argument(
            "--options", metavar="A,B,C", help="what could be voted, mild to severe; others are refused"
        )
        parser.add_argument("--label-set", metavar="NAME", help="take the options of this shipped label set")
        parser.add_argument("--nominal", action="store_true", help="the options have no order")
        parser.add_argument("--json", type=Path, metavar="PATH", help="also write everything here, as JSON")

    @override
    def handle(self, *, file: Path | None, json: Path | None, **options: Any) -> None:
        try:
            measured = _of_file(file, **options) if file else _of_database(**options)
        except (LabelsError, SourceError, AnnotateError) as error:
            raise CommandError(str(error)) from None
        if json:
            _write(json, measured)
        for line in measures.as_text(measured):
            self.stdout.write(line)
        for offender in measured["votes"].get("offenders", ()):
            self.stderr.write(offender)


def _of_file(path: Path, **options: Any) -> dict[str, Any]:
    votes, ordinal = _read(path, **options)
    if not votes.taken:
        raise CommandError(f"{path}: has no vote that can be used; {votes.read} were read. {_reasons(votes)}")
    return {"file": path.name, **measures.of_votes(votes, ordinal=ordinal)}


def _read(path: Path, **given: Any) -> tuple[RawVotes, bool]:
    """The votes of a file, and whether their options have an order."""
    chosen = _label_set(given["label_set"]) if given["label_set"] else None
    named = tuple(name.strip() for name in (given["options"] or "").split(",") if name.strip())
    if given["format"] in (LONG, WIDE):
        columns = given["columns"].split(",")
        if len(columns) != len(votes_files.COLUMNS):
            raise CommandError(f"--columns {given['columns']} names {len(columns)}; write UNIT,ANNOTATOR,LABEL.")
        read = votes_files.read_wide(path, columns[0]) if given["format"] == WIDE else votes_files.read(path, columns)
        options = named or (chosen.option_names if chosen else ())
        # What was found in the file is in the order of the alphabet, which says nothing.
        ordinal = chosen.ordinal if chosen else bool(named)
    else:
        importer = importers.get(given["format"])
        if not importer.label_set:
            with_votes = ", ".join(known.name for known in importers.known() if known.label_set)
            raise CommandError(f"The format {importer.name} has no votes; those that have are {with_votes}.")
        chosen = _label_set(importer.label_set)
        options, ordinal = tuple(option.code for option in chosen.options), chosen.ordinal
        read = source_votes.read(path, importer, chunks.limits())
    return votes_files.collect(read, options), ordinal and not given["nominal"]


def _of_database(campaign: str | None, source: str | None, **_: Any) -> dict[str, Any]:
    if campaign is None and source is None:
        raise CommandError("Say whose votes: --campaign SLUG, --source NAME or --file PATH.")
    return measures.of_scope(_of_campaign(campaign) if campaign else _of_source(str(source)))


def _of_campaign(slug: str) -> Scope:
    found = Campaign.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Campaign.objects.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"There is no campaign {slug!r}; the campaigns are: {known}.")
    return Scope((found.pk,))


def _of_source(name: str) -> Scope:
    """The votes on the instructions of a source, in all campaigns that judge them."""
    found = Source.objects.filter(name=name.partition("@")[0])
    source = next((each for each in found if name in (each.name, str(each))), None)
    if source is None:
        known = ", ".join(str(each) for each in Source.objects.all()) or "none yet"
        raise CommandError(f"There is no source {name!r}; the sources are: {known}.")
    return Scope(tuple(Campaign.objects.values_list("pk", flat=True)), source=source.pk)


def _label_set(name: str) -> LabelSetSpec:
    found = {path.stem: path for path in taxonomy.shipped()}
    if name not in found:
        raise CommandError(f"No label set {name!r} is shipped; there are {', '.join(found)}.")
    return taxonomy.read(found[name])


def _reasons(votes: RawVotes) -> str:
    return "; ".join(f"{reason}: {times}" for reason, times in votes.rejected.most_common())


def _write(path: Path, measured: dict[str, Any]) -> None:
    try:
        path.write_bytes(orjson.dumps(measured, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise CommandError(f"{path}: cannot be written ({error.strerror}); choose another place.") from None
