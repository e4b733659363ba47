"""Publishing: votes up to an exact cut become files that never change.

A snapshot is prepared (a row), then written by ``work`` - in a Celery worker or in the command itself - into a
temporary folder that is renamed to its own name in one step. The same version asked for again is derived again from the
stored cut and must give the same bytes; otherwise it is refused, and the message says what differs.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models.expressions import RawSQL
from django.utils.crypto import salted_hmac

from annotate import known
from annotate.annotations import take_cut
from annotate.models import Annotation, Annotator, Campaign, CampaignQuerySet, Unit
from exports import card, differences, formats, modelled, plots, records, writers
from exports.errors import ExportError, NothingToPublish, NotReproducible, SnapshotRefused
from exports.filters import EVERYTHING
from exports.formats import Lines, Options
from exports.groups import Group
from exports.models import Snapshot
from exports.records import Reader, Selection
from exports.statistics import Tally
from exports.versions import code_revision, validate_version
from labels.errors import LabelsError
from labels.models import LabelSet
from sources import jobs
from sources.jobs import Heartbeat, JobState, LostLease
from sources.models import Screening

if TYPE_CHECKING:
    from labels.aggregation import Rule

# Lines, and seconds, that lie at least between two commits of the progress.
BATCH = 1_000
PAUSE = 1.0

# A worker that is lost this often is killed by what it does (it takes all memory, say).
FRUITLESS_ATTEMPTS = 5

MANIFEST_FORMAT = 2

PLAIN = Options()

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


def in_order(snapshot: Snapshot) -> list[str]:
    """The files of a published version besides its manifest: records, statistics and card, then other forms."""
    return list(dict.fromkeys([*file_names(snapshot.version).values(), *sorted(snapshot.manifest["files"])]))


def manifest_name(version: str) -> str:
    return f"OIG_safety_v{version}.manifest.json"


def prepare(
    version: str,
    campaigns: Sequence[Campaign] = (),
    *,
    mask_personal: bool = False,
    options: Options = PLAIN,
    started_by: Annotator | None = None,
) -> Snapshot:
    """Return the snapshot of this version, new or from before; raise SnapshotRefused if it cannot be made."""
    try:
        validate_version(version)
    except ValidationError as error:
        raise SnapshotRefused(error.message) from None
    options.check()
    existing = Snapshot.objects.filter(version=version).first()
    if existing is not None:
        return _again(existing, campaigns, mask_personal, options)
    chosen = list(campaigns or opened_campaigns())
    check_campaigns(chosen)
    facts = {"started_by": started_by, "mask_personal": mask_personal, "options": options.stored()}
    with transaction.atomic():
        snapshot, created = Snapshot.objects.get_or_create(version=version, defaults=facts)
        if created:
            snapshot.campaigns.set(chosen)
    return snapshot if created else _again(snapshot, campaigns, mask_personal, options)


def preview(campaigns: Sequence[Campaign], options: Options) -> dict[str, int]:
    """What would be published now: lines and votes, and how many lines each filter leaves out, in their order."""
    options.check()
    chosen = list(campaigns or opened_campaigns())
    check_campaigns(chosen)
    cut, places = take_cut(), tuple(campaign.pk for campaign in chosen)
    first = chosen[0]
    counted: Counter[str] = Counter()

    def count(group: Group, lines: int) -> None:
        counted.update(instructions=lines, votes=lines * group.aggregate.n_votes)

    rule = cast("Rule", first.aggregation)
    asked = Selection(places, first.label_set, first.target, cut.last, cut.at, filters=options.filters, rule=rule)
    with records.reading(asked) as reader, closing(reader.lines(count)) as lines:
        for _ in lines:
            pass
        left_out = {name: reader.filtered[name]["instructions"] for name in sorted(reader.filtered)}
    return {**left_out, "instructions": counted["instructions"], "votes": counted["votes"]}


def check_campaigns(campaigns: Sequence[Campaign]) -> None:
    """Raise SnapshotRefused unless these campaigns can be published together."""
    if not campaigns:
        raise SnapshotRefused("There is no campaign to publish: open one, or name one with --campaign SLUG")
    if len({(campaign.label_set_id, campaign.target) for campaign in campaigns}) > 1:
        listed = ", ".join(f"{c.slug} ({c.label_set}, {c.target})" for c in campaigns)
        raise SnapshotRefused(
            f"These campaigns differ in label set or target; name those that belong together: {listed}"
        )
    check_aggregation(campaigns)
    if not Annotation.objects.counted().filter(unit__campaign__in=campaigns).exists():
        listed = ", ".join(campaign.slug for campaign in campaigns)
        raise SnapshotRefused(f"Nobody has voted in {listed} yet: there is nothing to publish")


def check_aggregation(campaigns: Sequence[Campaign]) -> None:
    """Raise SnapshotRefused unless all have one way of adding votes up, and it can be gone."""
    first = campaigns[0]
    if len({(campaign.aggregation, campaign.model) for campaign in campaigns}) > 1:
        listed = ", ".join(f"{c.slug} ({c.aggregation}, {c.model or 'no model'})" for c in campaigns)
        raise SnapshotRefused(
            f"These campaigns add votes up in different ways; name those that belong together: {listed}"
        )
    try:
        first.clean()
    except ValidationError as error:
        raise SnapshotRefused(f"{first.slug}: {' '.join(error.messages)}") from None
    if first.model == modelled.SHARED and not _gold(campaigns):
        raise SnapshotRefused(modelled.NO_ANSWERS)


def opened_campaigns() -> CampaignQuerySet:
    """What is published where no campaign is named."""
    opened = (Campaign.State.OPEN, Campaign.State.CLOSED)
    return Campaign.objects.filter(kind=Campaign.Kind.VOLUNTEER, state__in=opened).select_related("label_set")


def _again(
    snapshot: Snapshot, campaigns: Sequence[Campaign], mask_personal: bool, options: Options = PLAIN
) -> Snapshot:
    """A snapshot of before: published, being published, or failed, which may be tried with other campaigns."""
    if options not in (PLAIN, Options.read(snapshot.options)):
        raise SnapshotRefused(f"{snapshot} exists with other filters or forms: choose another version")
    if mask_personal and not snapshot.mask_personal:
        raise SnapshotRefused(f"{snapshot} exists, and nothing is masked in it: choose another version")
    if snapshot.state == JobState.FAILED and _retry_with(snapshot, campaigns):
        return snapshot
    before = list(snapshot.campaigns.all())
    if campaigns and set(campaigns) != set(before):
        listed = ", ".join(campaign.slug for campaign in before)
        raise SnapshotRefused(f"{snapshot} exists, made of {listed}: choose another version for other campaigns")
    return snapshot


def _retry_with(snapshot: Snapshot, campaigns: Sequence[Campaign]) -> bool:
    """Queue a snapshot that failed, made of ``campaigns`` if any are named; False if somebody else was first."""
    chosen = list(campaigns or snapshot.campaigns.select_related("label_set"))
    check_campaigns(chosen)
    with transaction.atomic():
        # First the row: no worker sees it queued with the campaigns of before, and of two only one chooses.
        queued = retry(snapshot)
        if queued:
            snapshot.campaigns.set(chosen)
    return queued


def retry(snapshot: Snapshot) -> bool:
    """Queue a snapshot that failed once more, with the votes of now; False, and nothing changed, if it had not."""
    failed = Snapshot.objects.filter(pk=snapshot.pk, state=JobState.FAILED)
    queued = failed.update(state=JobState.QUEUED, error="", cut=None, cut_at=None, settled={}, attempts=0, lines_done=0)
    snapshot.refresh_from_db()
    return bool(queued)


def work(snapshot: Snapshot, on_progress: Progress = _silent) -> None:
    """Publish a prepared snapshot; afterwards its ``state`` and ``error`` tell what became of it.

    Returns quietly where another worker has it or took it over. An outage of the database propagates.
    """
    if not snapshot.take():
        return
    with suppress(LostLease):
        try:
            with jobs.heartbeat(snapshot) as beat:
                _publish(snapshot, beat, on_progress)
        except (ExportError, LabelsError) as error:
            snapshot.fail(str(error))
        except OSError as error:
            snapshot.fail(f"{error.filename or snapshot.path}: {error.strerror}; make it writable, then publish again")


def _publish(snapshot: Snapshot, beat: Heartbeat, on_progress: Progress) -> None:
    def renew(lines_done: int) -> None:
        beat.check()
        snapshot.renew(lines_done=lines_done)
        on_progress(lines_done)

    if snapshot.attempts > FRUITLESS_ATTEMPTS:
        raise SnapshotRefused(f"The worker was lost {snapshot.attempts - 1} times: see its log, then publish again")
    campaigns = list(snapshot.campaigns.select_related("label_set"))
    check_campaigns(campaigns)
    if snapshot.mask_personal or Options.read(snapshot.options).filters.without_personal:
        _check_screened()
    if snapshot.cut is None:
        snapshot.cut, snapshot.cut_at = take_cut()
        snapshot.settled = settle(snapshot.version, campaigns)
        lines = Unit.objects.filter(campaign__in=campaigns).values("instruction").distinct().count()
        snapshot.renew(cut=snapshot.cut, cut_at=snapshot.cut_at, settled=snapshot.settled, lines_total=lines)
    target, manifest_file = snapshot.path, manifest_name(snapshot.version)
    with _workshop(snapshot) as folder:
        manifest, statistics = _write(snapshot, folder, renew)
        writers.write_json(folder / manifest_file, manifest)
        writers.sync_directory(folder)
        beat.check()
        # The row and the folder become final together: the rename comes last, inside the transaction that renews the
        # lease, so neither a lost lease nor a failed rename leaves one without the other.
        with transaction.atomic():
            lines = manifest["instructions"]
            snapshot.finish(manifest=manifest, statistics=statistics, lines_done=lines, lines_total=lines)
            _move(folder, target, manifest_file)
    writers.sync_directory(target.parent)


def settle(version: str, campaigns: Sequence[Campaign]) -> dict[str, Any]:
    """What must not change with the installation once the cut is taken: gold, and how annotators are numbered."""
    key = salted_hmac("exports.annotators", version, algorithm="sha256").hexdigest()
    first = campaigns[0]
    chosen = {"rule": first.aggregation, "model": first.model}
    return {
        "gold": _gold(campaigns),
        "annotators": key,
        "aggregation": chosen,
        "contact": settings.CONTACT_EMAIL,
    }


def _gold(campaigns: Sequence[Campaign]) -> dict[str, str]:
    """The known answers as options' codes by the ids of lines; where campaigns differ on a text, none is known."""
    answers: dict[str, set[str]] = {}
    for campaign in campaigns:
        found, codes = known.gold(campaign), [option.code for option in campaign.label_set.spec.options]
        digests = dict(Unit.objects.filter(pk__in=found.unit.tolist()).values_list("pk", "instruction__digest"))
        for unit, option in zip(found.unit.tolist(), found.option.tolist(), strict=True):
            answers.setdefault(bytes(digests[unit]).hex(), set()).add(codes[option])
    return {digest: code for digest, (code, *others) in sorted(answers.items()) if not others}


def _check_screened() -> None:
    """Raise SnapshotRefused while personal information is searched for: it could be neither masked nor left out."""
    waiting = Screening.objects.exclude(state__in=[JobState.FINISHED, JobState.CANCELLED]).first()
    if waiting is not None:
        raise SnapshotRefused(f"The {waiting} is {waiting.state}: publish a masked snapshot when it is finished")


@contextmanager
def _workshop(snapshot: Snapshot) -> Iterator[Path]:
    """A temporary folder on the file system of the final one; gone at the end unless it was renamed.

    Whoever calls this holds the snapshot's lease: what an earlier worker left when it was killed is swept away.
    """
    parent, prefix = snapshot.path.parent, f".partial-{snapshot.version}-"
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
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
        tuple(campaign.pk for campaign in campaigns),
        _label_set(snapshot, campaigns[0]),
        campaigns[0].target,
        snapshot.cut,
        snapshot.cut_at,
        snapshot.mask_personal,
        Options.read(snapshot.options).filters,
        snapshot.settled.get("gold", {}),
        **snapshot.settled.get("aggregation", {}),
    )


def tally(snapshot: Snapshot, chosen: Selection) -> Tally:
    """What counts the lines of a snapshot."""
    slugs = dict(Campaign.objects.filter(pk__in=chosen.campaigns).values_list("pk", "slug"))
    key = snapshot.settled.get("annotators", "")
    return Tally(chosen.label_set.spec, tuple(slugs[pk] for pk in chosen.campaigns), key)


def _label_set(snapshot: Snapshot, campaign: Campaign) -> LabelSet:
    """The revision that the campaigns have now; of a published snapshot the one that they had then."""
    if not snapshot.is_published:
        return campaign.label_set
    published = snapshot.manifest["label_set"]
    return LabelSet.objects.get(name=published["name"], revision=published["revision"])


def _write(snapshot: Snapshot, folder: Path, on_progress: Progress) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the three data files and what other forms are asked for; return the manifest and the statistics."""
    names, chosen = file_names(snapshot.version), selection(snapshot)
    spec = chosen.label_set.spec
    counted = tally(snapshot, chosen)
    with records.reading(chosen) as reader, closing(reader.lines(counted.add, counted.voters)) as lines:
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
    statistics = {"version": snapshot.version, "aggregation": aggregation, **summary}
    writers.write_json(folder / names["statistics"], statistics)
    options = Options.read(snapshot.options)
    rows = {
        names["records"]: counted.instructions,
        **formats.write(Lines(folder / names["records"], spec, options, bool(chosen.model))),
    }
    left_out["filters"] = {name: dict(reader.filtered[name]) for name in sorted(reader.filtered)}
    manifest = _manifest(snapshot, chosen, statistics, left_out, take_downs, rows)
    drawn = plots.write(folder, str(snapshot), statistics)
    writers.write_text(folder / names["card"], card.render(str(snapshot), manifest, statistics, spec))
    for name in dict.fromkeys([*names.values(), *drawn, *rows]):
        print_ = taken.result() if name == names["records"] else writers.fingerprint(folder / name)
        manifest["files"][name] = print_ | ({"rows": rows[name]} if name in rows else {})
    return manifest, statistics


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
    rows: dict[str, int],
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
        "files": {name: {"rows": count} for name, count in rows.items()},
    }


def rederive(snapshot: Snapshot) -> None:
    """Derive a published snapshot again; raise NotReproducible, naming what differs, unless every byte is the same."""
    parent = snapshot.path.parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".again-", dir=parent) as folder:
        try:
            found = _write(snapshot, Path(folder), _silent)[0]["files"]
        except NothingToPublish:
            _check_withdrawn(snapshot, Path(folder))
            raise
        published = snapshot.manifest["files"]
        # A plot of what is not defined any more is not drawn.
        again = {name: print_["sha256"] for name, print_ in found.items()}
        if differing := [name for name in sorted(published) if again.get(name) != published[name]["sha256"]]:
            _check_withdrawn(snapshot, Path(folder))
            raise _not_reproducible(
                snapshot,
                f"{', '.join(differing)} would not be the same now "
                f"(published by code {snapshot.manifest['code_revision']}, this is {code_revision()})",
            )


def _check_withdrawn(snapshot: Snapshot, again: Path) -> None:
    """Raise NotReproducible if lines are not derived again since their texts were withdrawn, and name them."""
    check_files(snapshot)
    records_file = file_names(snapshot.version)["records"]
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
    return sum(1 for _ in Reader(among, connection.connection).lines())


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


def deliver(snapshot: Snapshot, folder: Path) -> list[Path]:
    """Copy the files of a published snapshot into ``folder``, all or none, never over a file with other content."""
    names = [*in_order(snapshot), manifest_name(snapshot.version)]
    check_files(snapshot)
    for name in names:
        if (folder / name).exists() and writers.fingerprint(folder / name) != writers.fingerprint(snapshot.path / name):
            raise SnapshotRefused(
                f"{folder / name}: exists with other content; choose another --output or move it away"
            )
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if not (folder / name).exists():
            writers.copy(snapshot.path / name, folder / name)
    return [folder / name for name in names]


def _is(published: dict[str, Any], file: Path) -> bool:
    """Whether a file is what the manifest says of it, which may say more than bytes do."""
    return writers.fingerprint(file).items() <= published.items()


def check_files(snapshot: Snapshot) -> None:
    """Raise NotReproducible, naming the first, unless the files are those that were published."""
    manifest = snapshot.path / manifest_name(snapshot.version)
    intact = {snapshot.path / name: print_ for name, print_ in snapshot.manifest["files"].items()}
    wrong = [file for file, print_ in intact.items() if not file.is_file() or not _is(print_, file)]
    if not manifest.is_file() or not writers.holds_json(manifest, snapshot.manifest):
        wrong.append(manifest)
    if wrong:
        raise NotReproducible(f"{min(wrong)}: not the file that was published; restore it from a backup")
