"""The files of a release, derived from the votes up to its cut: when it is made, and whenever somebody asks again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models.expressions import RawSQL

from annotate.models import Annotation, Campaign
from exports import card, comparing, differences, formats, plots, records, release_files, single_votes, writers
from exports.errors import NothingToPublish, NotReproducible
from exports.filters import EVERYTHING
from exports.formats import Lines, Options
from exports.models import Snapshot
from exports.records import Reader, Selection
from exports.single_votes import SingleVotes
from exports.statistics import Tally
from exports.versions import code_revision
from labels.models import LabelSet

# Lines, and seconds, that lie at least between two commits of the progress.
BATCH = 1_000
PAUSE = 1.0

MANIFEST_FORMAT = 2

type Progress = Callable[[int], None]  # called with the number of lines written so far


def silent(_: int) -> None:
    """Progress that nobody watches."""


def selection(snapshot: Snapshot) -> Selection:
    """Which votes the snapshot is made of."""
    campaigns = list(snapshot.campaigns.select_related("label_set").order_by("pk"))
    if snapshot.cut is None:
        raise RuntimeError(f"{snapshot} has no cut yet")
    return Selection(
        tuple(campaign.pk for campaign in campaigns),
        _label_set(snapshot, campaigns[0]),
        campaigns[0].target,
        snapshot.cut,
        snapshot.cut_at,
        snapshot.mask_personal,
        Options.read(snapshot.options).filters,
        snapshot.settled.get("gold", {}),
        **snapshot.settled.get("aggregation", {}),
        given_until=datetime.fromisoformat(moment) if (moment := snapshot.settled.get("given_until")) else None,
    )


def tally(snapshot: Snapshot, chosen: Selection) -> Tally:
    """What counts the lines of a snapshot."""
    slugs = dict(Campaign.objects.filter(pk__in=chosen.campaigns).values_list("pk", "slug"))
    key = snapshot.settled.get("annotators", "")
    return Tally(chosen.label_set.spec, tuple(slugs[pk] for pk in chosen.campaigns), key)


def notes(snapshot: Snapshot, chosen: Selection, write: Callable[[bytes], object]) -> SingleVotes:
    """What notes the single votes of a snapshot."""
    settled = snapshot.settled
    return SingleVotes(
        chosen.label_set.spec, settled.get("annotators", ""), frozenset(settled.get("sharing", [])), write
    )


@contextmanager
def _single_votes(snapshot: Snapshot, chosen: Selection, path: Path) -> Iterator[SingleVotes | None]:
    """What notes them in ``path``, if they are asked for; the file is there afterwards."""
    if single_votes.FORM not in Options.read(snapshot.options).forms:
        yield None
        return
    with writers.complete_file(path) as file:
        yield notes(snapshot, chosen, file.write)


def _label_set(snapshot: Snapshot, campaign: Campaign) -> LabelSet:
    """The revision that the campaigns have now; of a published snapshot the one that they had then."""
    if not snapshot.is_published:
        return campaign.label_set
    published = snapshot.manifest["label_set"]
    return LabelSet.objects.get(name=published["name"], revision=published["revision"])


def write(snapshot: Snapshot, folder: Path, on_progress: Progress) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the three data files and what other forms are asked for; return the manifest and the statistics."""
    names, chosen = release_files.file_names(snapshot.version), selection(snapshot)
    spec = chosen.label_set.spec
    counted = tally(snapshot, chosen)
    options = Options.read(snapshot.options)
    made = Lines(folder / names["records"], spec, options, bool(chosen.model))
    singles_file = made.named(f"{single_votes.FORM}.jsonl")
    with (
        _single_votes(snapshot, chosen, singles_file) as singles,
        records.reading(chosen) as reader,
        closing(reader.lines(counted.add, counted.voters, singles)) as lines,
    ):
        writers.write_lines(folder / names["records"], _reported(lines, on_progress))
        if not counted.instructions:
            if reader.filtered:
                raise NothingToPublish(f"The filters leave nothing: {', '.join(sorted(reader.filtered))}")
            raise NothingToPublish(
                "No available instruction with votes has a source with a known licence: "
                "set it in admin, then publish again"
            )
        people, sources, aggregation = reader.annotators(counted.voters), reader.sources(), reader.aggregation
        take_downs = reader.take_downs()
        # While this one measures, another takes the checksum of the lines, and the database counts what is left out.
        with ThreadPoolExecutor(2) as beside:
            taken = beside.submit(writers.fingerprint, folder / names["records"])
            missing = beside.submit(reader.left_out)
            summary = counted.summary(people, sources)
            left_out: dict[str, Any] = {**missing.result()}
    on_progress(counted.instructions)
    statistics = {"version": snapshot.version, "aggregation": aggregation, **summary}
    writers.write_json(folder / names["statistics"], statistics)
    of_singles = singles.facts(people) if singles else None
    if of_singles and of_singles["reason"]:
        singles_file.unlink()
    rows = {
        names["records"]: counted.instructions,
        **formats.write(
            replace(made, single_votes=of_singles["votes"] if of_singles else 0),
            on_file=lambda: on_progress(counted.instructions),
        ),
    }
    changed = comparing.since(snapshot, folder / names["records"], statistics)
    left_out["filters"] = {name: dict(reader.filtered[name]) for name in sorted(reader.filtered)}
    manifest = _manifest(snapshot, chosen, statistics, left_out, take_downs, rows)
    if of_singles:
        manifest["single_votes"] = of_singles
    told = _write_changes(snapshot, folder, manifest, changed) if changed else []
    since = changed[1] if changed else None
    drawn = plots.write(folder, str(snapshot), statistics)
    writers.write_text(folder / names["card"], card.render(str(snapshot), manifest, statistics, spec, since))
    for name in dict.fromkeys([*names.values(), *told, *drawn, *rows]):
        print_ = taken.result() if name == names["records"] else writers.fingerprint(folder / name)
        manifest["files"][name] = print_ | _rows(rows.get(name))
    return manifest, statistics


def _write_changes(
    snapshot: Snapshot, folder: Path, manifest: dict[str, Any], changed: tuple[Snapshot, dict[str, Any]]
) -> list[str]:
    """Write what changed since the version before, name that in the manifest, and return the files' names."""
    before, summary = changed
    lines = comparing.lines_file(before).name
    manifest["since"] = {"version": before.version, lines: before.manifest["files"][lines]["sha256"]}
    writers.write_text(folder / release_files.CHANGELOG, card.changelog(str(snapshot), summary))
    writers.write_json(folder / comparing.summary_name(snapshot), summary)
    return [release_files.CHANGELOG, comparing.summary_name(snapshot)]


def _reported(lines: Iterator[bytes], on_progress: Progress) -> Iterator[bytes]:
    told = time.monotonic()
    for number, line in enumerate(lines, start=1):
        yield line
        # Progress is a commit: for each batch they would take longer than the lines.
        if number % BATCH == 0 and time.monotonic() - told >= PAUSE:
            on_progress(number)
            told = time.monotonic()


def _manifest(
    snapshot: Snapshot,
    chosen: Selection,
    statistics: dict[str, Any],
    left_out: dict[str, Any],
    take_downs: list[dict[str, int]],
    rows: dict[str, int | None],
) -> dict[str, Any]:
    spec = chosen.label_set.spec
    return {
        "format": MANIFEST_FORMAT,
        "version": snapshot.version,
        "code_revision": code_revision(),
        "label_set": {"name": spec.name, "revision": spec.revision, "digest": spec.digest, "rule": spec.rule},
        # The seed decided the order in which a campaign was served; nothing in publishing is left to chance.
        "campaigns": list(snapshot.campaigns.order_by("slug").values("slug", "kind", "overlap", "seed")),
        "aggregation": statistics["aggregation"],
        "target": chosen.target,
        "cut": chosen.cut,
        "instructions": statistics["instructions"],
        "votes": statistics["votes"],
        "simulated_votes": statistics["simulated_votes"],
        "left_out": left_out,
        "take_downs": take_downs,
        "contact": snapshot.settled.get("contact", ""),
        "personal_information": "masked where it was found" if chosen.mask_personal else "as it is",
        "filters": chosen.filters.stored(),
        "forms": snapshot.options.get("forms", {}),
        "files": {name: _rows(count) for name, count in rows.items()},
    }


def _rows(count: int | None) -> dict[str, int]:
    """What the manifest says of the records of a file: of a schema, say, which has none, nothing."""
    return {} if count is None else {"rows": count}


def rederive(snapshot: Snapshot) -> None:
    """Derive a published snapshot again; raise NotReproducible, naming what differs, unless every byte is the same."""
    parent = snapshot.path.parent
    parent.mkdir(parents=True, exist_ok=True)
    with release_files.held_folder(parent, ".again-") as folder:
        try:
            found = write(snapshot, folder, silent)[0]["files"]
        except NothingToPublish:
            _check_withdrawn(snapshot, folder)
            raise
        published = snapshot.manifest["files"]
        # A plot of what is not defined any more is not drawn.
        again = {name: print_["sha256"] for name, print_ in found.items()}
        if differing := [name for name in sorted(published) if again.get(name) != published[name]["sha256"]]:
            _check_withdrawn(snapshot, folder)
            raise _not_reproducible(
                snapshot,
                f"{', '.join(differing)} would not be the same now "
                f"(published by code {snapshot.manifest['code_revision']}, this is {code_revision()})",
            )


def _check_withdrawn(snapshot: Snapshot, again: Path) -> None:
    """Raise NotReproducible if lines are not derived again since their texts were withdrawn, and name them."""
    release_files.check_files(snapshot)
    records_file = release_files.file_names(snapshot.version)["records"]
    difference = differences.compare(snapshot.path / records_file, again / records_file)
    if problem := differences.sentence(difference):
        raise _not_reproducible(snapshot, problem)


def _not_reproducible(snapshot: Snapshot, problem: str) -> NotReproducible:
    return NotReproducible(
        f"{snapshot} is published, and {problem}: it stays as it is in {snapshot.path}; choose a new version"
    )


def lines_of(snapshot: Snapshot, instructions: Sequence[int]) -> int:
    """How many lines of a published version are of these instructions, which have votes in it.

    Where it took only some lines, these are derived again: a filter asks for all votes on a text.
    """
    if Options.read(snapshot.options).filters == EVERYTHING or not instructions:
        return len(instructions)
    # On the caller's connection: what it sees is asked about.
    connection.ensure_connection()
    among = replace(selection(snapshot), among=tuple(instructions), model="", mask_personal=False)
    return sum(1 for _ in Reader(among, (connection.connection,)).lines())


def concerned(instructions: RawSQL) -> dict[str, int]:
    """How many lines of each published version are of instructions whose ids ``instructions`` selects."""
    found = {}
    for snapshot in Snapshot.objects.published():
        votes = Annotation.objects.counted(snapshot.cut).filter(unit__campaign__in=snapshot.campaigns.all())
        voted = votes.filter(unit__instruction__in=instructions).values("unit__instruction").distinct()
        filtered = Options.read(snapshot.options).filters != EVERYTHING
        lines = (
            lines_of(snapshot, list(voted.values_list("unit__instruction", flat=True))) if filtered else voted.count()
        )
        if lines:
            found[f"lines of {snapshot}, which stays as it was published"] = lines
    return found
