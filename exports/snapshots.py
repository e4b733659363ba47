"""Publishing: votes up to an exact cut become files that never change.

A snapshot is prepared (a row), then written by ``work`` - in a Celery worker or in the command itself - into a
temporary folder that is renamed to its own name in one step. The same version asked for again is derived again from the
stored cut and must give the same bytes; otherwise it is refused, and the message says what differs.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from annotate import annotations
from annotate.models import Annotation, Annotator, Campaign, CampaignQuerySet, Unit
from exports import card, records, writers
from exports.errors import ExportError, NotReproducible, SnapshotRefused
from exports.models import Snapshot
from exports.records import Line, Selection
from exports.statistics import Tally
from exports.versions import code_revision, validate_version
from sources.jobs import JobState, LostLease

# Lines between two renewals of the job's lease.
BATCH = 5_000

MANIFEST_FORMAT = 1

type Progress = Callable[[int], None]  # called with the number of lines written so far


def _silent(_: int) -> None:
    """Progress that nobody watches."""


def file_names(version: str) -> dict[str, str]:
    """The files of a version besides its manifest, by what they are."""
    return {
        "records": f"OIG_safety_v{version}.jsonl",
        "statistics": f"OIG_safety_v{version}.stats.json",
        "card": "README.md",
    }


def manifest_name(version: str) -> str:
    return f"OIG_safety_v{version}.manifest.json"


def prepare(version: str, campaigns: Sequence[Campaign] = (), *, started_by: Annotator | None = None) -> Snapshot:
    """Return the snapshot of this version, new or from before; raise SnapshotRefused if it cannot be made."""
    try:
        validate_version(version)
    except ValidationError as error:
        raise SnapshotRefused(error.message) from None
    existing = Snapshot.objects.filter(version=version).first()
    if existing is not None:
        return _again(existing, campaigns)
    chosen = list(campaigns or opened_campaigns())
    check_campaigns(chosen)
    with transaction.atomic():
        snapshot = Snapshot.objects.create(version=version, started_by=started_by)
        snapshot.campaigns.set(chosen)
    return snapshot


def check_campaigns(campaigns: Sequence[Campaign]) -> None:
    """Raise SnapshotRefused unless these campaigns can be published together."""
    if not campaigns:
        raise SnapshotRefused("There is no campaign to publish: open one, or name one with --campaign SLUG")
    if len({(campaign.label_set_id, campaign.target) for campaign in campaigns}) > 1:
        listed = ", ".join(f"{c.slug} ({c.label_set}, {c.target})" for c in campaigns)
        raise SnapshotRefused(
            f"These campaigns differ in label set or target; name those that belong together: {listed}"
        )
    if not Annotation.objects.counted().filter(unit__campaign__in=campaigns).exists():
        listed = ", ".join(campaign.slug for campaign in campaigns)
        raise SnapshotRefused(f"Nobody has voted in {listed} yet: there is nothing to publish")


def opened_campaigns() -> CampaignQuerySet:
    """What is published where no campaign is named."""
    opened = (Campaign.State.OPEN, Campaign.State.CLOSED)
    return Campaign.objects.filter(kind=Campaign.Kind.VOLUNTEER, state__in=opened).select_related("label_set")


def _again(snapshot: Snapshot, campaigns: Sequence[Campaign]) -> Snapshot:
    before = set(snapshot.campaigns.values_list("slug", flat=True))
    if campaigns and {campaign.slug for campaign in campaigns} != before:
        raise SnapshotRefused(
            f"{snapshot} exists, made of {', '.join(sorted(before))}: choose another version for other campaigns"
        )
    return retry(snapshot)


def retry(snapshot: Snapshot) -> Snapshot:
    """Queue a snapshot that failed once more, with the votes of now; any other is left as it is."""
    failed = Snapshot.objects.filter(pk=snapshot.pk, state=JobState.FAILED)
    failed.update(state=JobState.QUEUED, error="", cut=None)
    snapshot.refresh_from_db()
    return snapshot


def work(snapshot: Snapshot, on_progress: Progress = _silent) -> None:
    """Publish a prepared snapshot; afterwards its ``state`` and ``error`` tell what became of it.

    Returns quietly where another worker has it or took it over.
    """
    if not snapshot.take():
        return
    try:
        _publish(snapshot, on_progress)
    except LostLease:
        return
    except (ExportError, OSError) as error:
        snapshot.fail(str(error))


def _publish(snapshot: Snapshot, on_progress: Progress) -> None:
    def renew(lines_done: int) -> None:
        snapshot.renew(lines_done=lines_done)
        on_progress(lines_done)

    campaigns = list(snapshot.campaigns.select_related("label_set"))
    check_campaigns(campaigns)
    if snapshot.cut is None:
        snapshot.cut = annotations.take_cut()
        units = Unit.objects.filter(campaign__in=campaigns)
        snapshot.renew(cut=snapshot.cut, lines_total=units.values("instruction").distinct().count())
    target = Path(settings.SNAPSHOT_ROOT) / snapshot.version
    target.parent.mkdir(parents=True, exist_ok=True)
    with _workshop(target.parent) as folder:
        manifest, statistics = _write(snapshot, selection(snapshot), folder, renew)
        writers.write_json(folder / manifest_name(snapshot.version), manifest)
        writers.sync_directory(folder)
        # The row and the folder become final together: the rename comes last, inside the transaction that renews the
        # lease, so neither a lost lease nor a failed rename leaves one without the other.
        with transaction.atomic():
            lines = manifest["instructions"]
            snapshot.finish(directory=str(target), manifest=manifest, statistics=statistics, lines_done=lines)
            _move(folder, target, manifest_name(snapshot.version))
    writers.sync_directory(target.parent)


@contextmanager
def _workshop(parent: Path) -> Iterator[Path]:
    """A temporary folder on the file system of the final one; gone at the end unless it was renamed."""
    folder = Path(tempfile.mkdtemp(prefix=".partial-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(folder: Path, target: Path, manifest: str) -> None:
    """Give the finished folder its name; what stands there already is kept if it is the same, and never replaced.

    A worker that died between its rename and its commit leaves exactly that: the same files, unpublished.
    """
    if not target.exists():
        folder.chmod(0o755)
        folder.rename(target)
    elif not (target / manifest).exists() or (target / manifest).read_bytes() != (folder / manifest).read_bytes():
        raise SnapshotRefused(f"{target}: there is another snapshot that this database does not know; move it away")


def selection(snapshot: Snapshot) -> Selection:
    """Which votes the snapshot is made of."""
    campaigns = list(snapshot.campaigns.select_related("label_set").order_by("pk"))
    if snapshot.cut is None:
        raise RuntimeError(f"{snapshot} has no cut yet")
    return Selection(
        tuple(campaign.pk for campaign in campaigns), campaigns[0].label_set, campaigns[0].target, snapshot.cut
    )


def _write(
    snapshot: Snapshot, chosen: Selection, folder: Path, on_progress: Progress
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the three data files; return the manifest and the statistics."""
    names = file_names(snapshot.version)
    tally = Tally(chosen.label_set.spec)
    progress = _counting(records.lines(chosen), tally, on_progress)
    writers.write_lines(folder / names["records"], (line.record for line in progress))
    if not tally.instructions:
        raise SnapshotRefused(
            "No instruction with votes has a source with a known licence: set it in admin, then publish"
        )
    statistics = {"version": snapshot.version, **tally.summary(records.annotators(chosen))}
    writers.write_json(folder / names["statistics"], statistics)
    left_out = {"source without a known licence": records.left_out_for_licence(chosen)}
    manifest = _manifest(snapshot, chosen, statistics, left_out)
    writers.write_text(folder / names["card"], card.render(snapshot, manifest, statistics, chosen.label_set.spec))
    manifest["files"] = {name: writers.fingerprint(folder / name) for name in names.values()}
    return manifest, statistics


def _counting(lines: Iterator[Line], tally: Tally, on_progress: Progress) -> Iterator[Line]:
    for number, line in enumerate(lines, start=1):
        tally.add(line)
        yield line
        if number % BATCH == 0:
            on_progress(number)


def _manifest(
    snapshot: Snapshot, chosen: Selection, statistics: dict[str, Any], left_out: dict[str, int]
) -> dict[str, Any]:
    spec = chosen.label_set.spec
    return {
        "format": MANIFEST_FORMAT,
        "version": snapshot.version,
        "code_revision": code_revision(),
        "label_set": {"name": spec.name, "revision": spec.revision, "digest": spec.digest, "rule": spec.rule},
        "campaigns": sorted(snapshot.campaigns.values_list("slug", flat=True)),
        "target": chosen.target,
        "cut": chosen.cut,
        "instructions": statistics["instructions"],
        "votes": statistics["votes"],
        "simulated_votes": statistics["simulated_votes"],
        "left_out": left_out,
        "files": {},
    }


def rederive(snapshot: Snapshot) -> None:
    """Derive a published snapshot again; raise NotReproducible, naming what differs, unless every byte is the same."""
    with _workshop(Path(settings.SNAPSHOT_ROOT)) as folder:
        found, _ = _write(snapshot, selection(snapshot), folder, _silent)
    differing = [name for name, print_ in snapshot.manifest["files"].items() if found["files"].get(name) != print_]
    if differing:
        raise NotReproducible(
            f"{snapshot} is published, and {', '.join(differing)} would not be the same now "
            f"(published by code {snapshot.manifest['code_revision']}, this is {code_revision()}): "
            f"it stays as it is in {snapshot.directory}; choose a new version"
        )


def deliver(snapshot: Snapshot, folder: Path) -> list[Path]:
    """Copy the files of a published snapshot into ``folder``, never over a file with other content."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = snapshot.manifest["files"]
    for name in (*expected, manifest_name(snapshot.version)):
        original, copy = snapshot.path / name, folder / name
        if name in expected and (not original.exists() or writers.fingerprint(original) != expected[name]):
            raise NotReproducible(f"{original}: not the file that was published; restore it from a backup")
        if not copy.exists():
            writers.copy(original, copy)
        elif writers.fingerprint(copy) != writers.fingerprint(original):
            raise SnapshotRefused(f"{copy}: exists with other content; choose another --output or move it away")
    return [folder / name for name in (*expected, manifest_name(snapshot.version))]
