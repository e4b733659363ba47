"""Publishing: votes up to an exact cut become files that never change.

A snapshot is prepared (a row), then written by ``work`` - in a Celery worker or in the command itself - into a
temporary folder that is renamed to its own name in one step. The same version asked for again is derived again from the
stored cut and must give the same bytes; otherwise it is refused, and the message says what differs.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.crypto import salted_hmac

from annotate import known
from annotate.annotations import take_cut
from annotate.models import Annotation, Annotator, Campaign, CampaignQuerySet, Unit
from exports import card, comparing, differences, formats, modelled, plots, records, writers
from exports.errors import ExportError, LowerVersion, NothingToPublish, NotReproducible, SnapshotExists, SnapshotRefused
from exports.filters import EVERYTHING
from exports.formats import PLAIN, Lines, Options
from exports.groups import Group
from exports.models import Snapshot, Standing
from exports.records import Reader, Selection
from exports.statistics import Tally
from exports.versions import code_revision, numbers, validate_version
from labels.errors import LabelsError
from labels.models import LabelSet
from sources import jobs, ledger
from sources.jobs import Heartbeat, JobState, LostLease
from sources.models import Screening

if TYPE_CHECKING:
    from labels.aggregation import Rule

# Lines, and seconds, that lie at least between two commits of the progress.
BATCH = 1_000
PAUSE = 1.0

# A worker that is lost this often is killed by what it does (it takes all memory, say).
FRUITLESS_ATTEMPTS = 5

# What a full disk, a quota and a limit on the size of files say.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

MANIFEST_FORMAT = 2

# A version that is not published and that no worker has may be begun again.
ENDED = (JobState.FAILED, JobState.CANCELLED)
NO_CUT: dict[str, Any] = {"cut": None, "cut_at": None, "settled": {}}
# What changed since the version before; the first has none.
CHANGELOG = "CHANGES.md"

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
    """The files of a published version besides its manifest: records, statistics, card, changes, then other forms."""
    files = snapshot.manifest["files"]
    first = [*file_names(snapshot.version).values(), CHANGELOG, comparing.summary_name(snapshot)]
    return [*(name for name in first if name in files), *sorted(files.keys() - set(first))]


def manifest_name(version: str) -> str:
    return f"OIG_safety_v{version}.manifest.json"


def prepare(
    version: str,
    campaigns: Sequence[Campaign] = (),
    *,
    mask_personal: bool = False,
    options: Options = PLAIN,
    started_by: Annotator | None = None,
    allow_lower: bool = False,
) -> Snapshot:
    """Return the snapshot of this version, new or from before; raise SnapshotRefused if it cannot be made.

    A new one that is lower than what is published, such as 0.2.1 beside 0.3, has to be allowed.
    """
    try:
        validate_version(version)
    except ValidationError as error:
        raise SnapshotRefused(error.message) from None
    options.check()
    existing = Snapshot.objects.filter(version=version).first()
    if existing is not None:
        return _again(existing, campaigns, mask_personal, options)
    if not allow_lower:
        check_highest(version)
    chosen = list(campaigns or opened_campaigns())
    check_campaigns(chosen)
    facts = {"started_by": started_by, "mask_personal": mask_personal, "options": options.stored()}
    with transaction.atomic():
        snapshot, created = Snapshot.objects.get_or_create(version=version, defaults=facts)
        if created:
            snapshot.campaigns.set(chosen)
    return snapshot if created else _again(snapshot, campaigns, mask_personal, options)


def begin(version: str, campaigns: Sequence[Campaign] = (), **asked: Any) -> Snapshot:
    """Prepare a version that nobody asked for before; raise SnapshotExists if somebody did."""
    check_free(version)
    return prepare(version, campaigns, **asked)


def check_free(version: str) -> None:
    """Raise SnapshotExists if there is such a version, published or not."""
    existing = Snapshot.objects.filter(version=version).first()
    if existing and existing.is_published:
        raise SnapshotExists(f"{existing} is {existing.standing}, and stays as it is: choose another version")
    if existing:
        raise SnapshotExists(
            f"{existing} was begun, and is {existing.state}: go on with that, or choose another version"
        )


def preview(campaigns: Sequence[Campaign], options: Options, *, mask_personal: bool = False) -> dict[str, int]:
    """What would be published now: lines and votes, and how many lines each filter leaves out, in their order."""
    options.check()
    chosen = list(campaigns or opened_campaigns())
    check_campaigns(chosen)
    if mask_personal or options.filters.without_personal:
        _check_screened()
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


def check_highest(version: str) -> None:
    """Raise LowerVersion if a higher one was published."""
    highest = Snapshot.objects.published().first()
    if highest and numbers(version) < numbers(highest.version):
        raise LowerVersion(
            f"{version} is lower than {highest.version}, the highest that is published: "
            "choose a higher version, or allow a lower one"
        )


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
    """A snapshot of before: published, being published, or ended without, which may be asked for anew."""
    if snapshot.is_registered:
        raise SnapshotRefused(f"{snapshot} is registered: it was published elsewhere; choose another version")
    if snapshot.state in ENDED and _retry_with(snapshot, campaigns, mask_personal, options):
        return snapshot
    if options not in (PLAIN, Options.read(snapshot.options)):
        raise SnapshotRefused(f"{snapshot} exists with other filters or forms: choose another version")
    if mask_personal and not snapshot.mask_personal:
        raise SnapshotRefused(f"{snapshot} exists, and nothing is masked in it: choose another version")
    before = list(snapshot.campaigns.all())
    if campaigns and set(campaigns) != set(before):
        listed = ", ".join(campaign.slug for campaign in before)
        raise SnapshotRefused(f"{snapshot} exists, made of {listed}: choose another version for other campaigns")
    return snapshot


def _retry_with(snapshot: Snapshot, campaigns: Sequence[Campaign], mask_personal: bool, options: Options) -> bool:
    """Queue what failed or was cancelled, with what is asked for beside it; False if somebody else was first."""
    chosen = list(campaigns or snapshot.campaigns.select_related("label_set"))
    check_campaigns(chosen)
    asked: dict[str, Any] = {} if options == PLAIN else {"options": options.stored()}
    if mask_personal:
        asked["mask_personal"] = True
    with transaction.atomic():
        # First the row: no worker sees it queued with the campaigns of before, and of two only one chooses.
        queued = _queue(snapshot, **NO_CUT, **asked)
        if queued:
            snapshot.campaigns.set(chosen)
    return queued


def retry(snapshot: Snapshot) -> bool:
    """Queue what failed or was cancelled once more, with the votes of now; False if it had not, and nothing changed."""
    return _queue(snapshot, **NO_CUT)


def resume(snapshot: Snapshot) -> bool:
    """Queue what failed or was cancelled once more, with the votes up to its own cut; False if it had not."""
    return _queue(snapshot)


def _queue(snapshot: Snapshot, **facts: Any) -> bool:
    ended = Snapshot.objects.filter(pk=snapshot.pk, state__in=ENDED)
    queued = ended.update(
        state=JobState.QUEUED, error="", attempts=0, lines_done=0, lease_token=None, finished_at=None, **facts
    )
    snapshot.refresh_from_db()
    return bool(queued)


def cancel(snapshot: Snapshot) -> bool:
    """Stop the publishing of a version, which can be resumed; False, and nothing changed, if it had ended.

    Its worker finds its lease gone before it writes any more. Nothing of what it wrote is left.
    """
    with transaction.atomic():
        live = Snapshot.objects.filter(pk=snapshot.pk, state__in=[JobState.QUEUED, JobState.RUNNING])
        cancelled = live.update(state=JobState.CANCELLED, lease_token=None, finished_at=timezone.now())
        if cancelled:
            # While the row is locked: nobody who resumes it has begun a folder of their own.
            _sweep(snapshot)
    snapshot.refresh_from_db()
    return bool(cancelled)


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
            snapshot.fail(_unwritable(error, snapshot.path))


def _unwritable(error: OSError, path: Path) -> str:
    if error.errno in NO_ROOM:
        return f"{path}: {error.strerror}; make room, then publish again with --resume"
    return f"{error.filename or path}: {error.strerror or error}; make it writable, then publish again"


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
    with workshop(snapshot) as folder:
        manifest, statistics = _write(snapshot, folder, renew)
        writers.write_json(folder / manifest_file, manifest)
        writers.sync_directory(folder)
        beat.check()
        # The row and the folder become final together: the rename comes last, inside the transaction that renews the
        # lease, so neither a lost lease nor a failed rename leaves one without the other.
        with transaction.atomic():
            lines = manifest["instructions"]
            snapshot.finish(
                standing=Standing.PUBLISHED,
                manifest=manifest,
                statistics=statistics,
                lines_done=lines,
                lines_total=lines,
            )
            _keep_changes(snapshot, folder)
            move(folder, target, manifest_file)
    writers.sync_directory(target.parent)


def _keep_changes(snapshot: Snapshot, folder: Path) -> None:
    """What was compared for the changelog need not be compared for the page."""
    if since := snapshot.manifest.get("since"):
        summary = orjson.loads((folder / comparing.summary_name(snapshot)).read_bytes())
        comparing.keep(Snapshot.objects.get(version=since["version"]), snapshot, summary)


def settle(version: str, campaigns: Sequence[Campaign]) -> dict[str, Any]:
    """What must not change with the installation once the cut is taken.

    Gold, how annotators are numbered, which sources gave the texts, and the version that this one is compared with.
    Taken after the cut: whoever brought votes up to it has given their texts by then.
    """
    key = salted_hmac("exports.annotators", version, algorithm="sha256").hexdigest()
    first = campaigns[0]
    chosen = {"rule": first.aggregation, "model": first.model}
    before = comparing.previous(version)
    return {
        "gold": _gold(campaigns),
        "annotators": key,
        "aggregation": chosen,
        "contact": settings.CONTACT_EMAIL,
        "since": before.version if before else "",
        "given_until": ledger.given_until().isoformat(),
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
def workshop(snapshot: Snapshot) -> Iterator[Path]:
    """A temporary folder on the file system of the final one; gone at the end unless it was renamed.

    Whoever calls this holds the snapshot's lease: what an earlier worker left when it was killed is swept away.
    """
    parent = snapshot.path.parent
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(snapshot)
    folder = Path(tempfile.mkdtemp(prefix=_partial(snapshot), dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _partial(snapshot: Snapshot) -> str:
    return f".partial-{snapshot.version}-"


def _sweep(snapshot: Snapshot) -> None:
    """Delete the temporary folders of this version."""
    for left in snapshot.path.parent.glob(f"{_partial(snapshot)}*"):
        shutil.rmtree(left, ignore_errors=True)


def move(folder: Path, target: Path, manifest: str) -> None:
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
        given_until=datetime.fromisoformat(moment) if (moment := snapshot.settled.get("given_until")) else None,
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
    on_progress(counted.instructions)
    statistics = {"version": snapshot.version, "aggregation": aggregation, **summary}
    writers.write_json(folder / names["statistics"], statistics)
    options = Options.read(snapshot.options)
    rows = {
        names["records"]: counted.instructions,
        **formats.write(
            Lines(folder / names["records"], spec, options, bool(chosen.model)),
            on_file=lambda: on_progress(counted.instructions),
        ),
    }
    changed = comparing.since(snapshot, folder / names["records"], statistics)
    left_out["filters"] = {name: dict(reader.filtered[name]) for name in sorted(reader.filtered)}
    manifest = _manifest(snapshot, chosen, statistics, left_out, take_downs, rows)
    told = _write_changes(snapshot, folder, manifest, changed) if changed else []
    since = changed[1] if changed else None
    drawn = plots.write(folder, str(snapshot), statistics)
    writers.write_text(folder / names["card"], card.render(str(snapshot), manifest, statistics, spec, since))
    for name in dict.fromkeys([*names.values(), *told, *drawn, *rows]):
        print_ = taken.result() if name == names["records"] else writers.fingerprint(folder / name)
        manifest["files"][name] = print_ | ({"rows": rows[name]} if name in rows else {})
    return manifest, statistics


def _write_changes(
    snapshot: Snapshot, folder: Path, manifest: dict[str, Any], changed: tuple[Snapshot, dict[str, Any]]
) -> list[str]:
    """Write what changed since the version before, name that in the manifest, and return the files' names."""
    before, summary = changed
    lines = comparing.lines_file(before).name
    manifest["since"] = {"version": before.version, lines: before.manifest["files"][lines]["sha256"]}
    writers.write_text(folder / CHANGELOG, card.changelog(str(snapshot), summary))
    writers.write_json(folder / comparing.summary_name(snapshot), summary)
    return [CHANGELOG, comparing.summary_name(snapshot)]


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
    with _held_folder(parent, ".again-") as folder:
        try:
            found = _write(snapshot, folder, _silent)[0]["files"]
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


@contextmanager
def _held_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A temporary folder, gone at the end. Those of killed processes, whose locks the kernel freed, are swept away."""
    for left in parent.glob(f"{prefix}*"):
        with suppress(OSError), _lock(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        with _lock(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold a folder; raises BlockingIOError where another process does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


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
