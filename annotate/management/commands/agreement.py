"""Print how far annotators agree, of votes in the database or in a file."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, override

from django.core.management.base import BaseCommand, CommandError
from django.db import models

from annotate import measures, tallies
from annotate.errors import AnnotateError
from annotate.management.files import write_json
from annotate.models import Campaign, Unit
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
# Seconds that it waits for the pattern tables, and that one portion may take.
LONGEST_WAIT, PAUSE = 600, 1.0


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
            help="the names of these columns; UNIT,,LABEL where nobody knows who voted",
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
            write_json(json, measured)
        for line in measures.as_text(measured):
            self.stdout.write(line)
        for remark in measured.get("votes", {}).get("offenders", ()):
            self.stderr.write(remark)
        for remark in _left_out(measured.get("left_out", {})):
            self.stderr.write(remark)


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
        if not columns[0] or not columns[2]:
            raise CommandError(f"--columns {given['columns']} names no unit or no label; write UNIT,ANNOTATOR,LABEL.")
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
    scope, left_out = (_of_campaign(campaign), {}) if campaign else _of_source(str(source))
    _fold_all()
    measured = measures.of_scope(scope, exact=True)
    return {**measured, "left_out": left_out} if left_out else measured


def _fold_all() -> None:
    """Bring the pattern tables up to date, since a command prints what is, not what was a moment ago."""
    end = time.monotonic() + LONGEST_WAIT
    while waiting := tallies.waiting():
        if time.monotonic() >= end:
            raise CommandError(f"{waiting:,} changes of votes are not counted yet, and come faster; try again later.")
        if not tallies.fold(PAUSE):
            time.sleep(PAUSE)  # somebody else is at it


def _of_campaign(slug: str) -> Scope:
    found = Campaign.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Campaign.objects.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"There is no campaign {slug!r}; the campaigns are: {known}.")
    return Scope((found.pk,))


def _of_source(name: str) -> tuple[Scope, dict[str, str]]:
    """The votes on the instructions of a source, in the campaigns that judge them by the same answers; what others use.

    Where they differ these are the answers by which most of its instructions are judged.
    """
    found = Source.objects.filter(name=name.partition("@")[0])
    source = next((each for each in found if name in (each.name, str(each))), None)
    if source is None:
        known = ", ".join(str(each) for each in Source.objects.all()) or "none yet"
        raise CommandError(f"There is no source {name!r}; the sources are: {known}.")
    here = Unit.objects.filter(instruction__provenances__source=source).order_by()
    units = dict(here.values_list("campaign").annotate(models.Count("pk")))
    if not units:
        raise CommandError(f"No campaign judges instructions of {source}; open one that does.")
    campaigns = list(Campaign.objects.filter(pk__in=units).select_related("label_set").order_by("pk"))
    judged = Counter[tuple[str, ...]]()
    for each in campaigns:
        judged[tallies.option_codes(each.label_set.spec)] += units[each.pk]
    answers = judged.most_common(1)[0][0]
    chosen = [each.pk for each in campaigns if tallies.option_codes(each.label_set.spec) == answers]
    left_out = {each.slug: str(each.label_set) for each in campaigns if each.pk not in chosen}
    return Scope(tuple(chosen), source=source.pk), left_out


def _left_out(campaigns: Mapping[str, str]) -> Iterator[str]:
    for slug, label_set in campaigns.items():
        yield f"left out: campaign {slug}, whose label set {label_set} has other answers"


def _label_set(name: str) -> LabelSetSpec:
    found = {path.stem: path for path in taxonomy.shipped()}
    if name not in found:
        raise CommandError(f"No label set {name!r} is shipped; there are {', '.join(found)}.")
    return taxonomy.read(found[name])


def _reasons(votes: RawVotes) -> str:
    return "; ".join(f"{reason}: {times}" for reason, times in votes.rejected.most_common(measures.MOST_NAMED))
