"""Publishing: votes up to an exact cut become files that never change.

A snapshot is prepared (a row), then written by ``work`` - in a Celery worker or in the command itself - into a
temporary folder that is renamed to its own name in one step. The same version asked for again is derived again from the
stored cut and must give the same bytes; otherwise it is refused, and the message says what differs.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.crypto import salted_hmac

from annotate import known
from annotate.annotations import take_cut
from annotate.models import Annotation, Annotator, Campaign, CampaignQuerySet, Unit
from exports import comparing, derivation, modelled, records, release_files, single_votes, writers
from exports.derivation import Progress, silent
from exports.errors import ExportError, LowerVersion, SnapshotExists, SnapshotRefused
from exports.formats import PLAIN, Options
from exports.groups import Group
from exports.models import Snapshot, Standing
from exports.records import Selection
from exports.versions import numbers, validate_version
from labels.errors import LabelsError
from sources import jobs, ledger, workers
from sources.jobs import Heartbeat, JobState, LostLease
from sources.models import Screening

if TYPE_CHECKING:
    from labels.aggregation import Rule

# A worker that is lost this often is killed by what it does (it takes all memory, say).
FRUITLESS_ATTEMPTS = 5

# What a full disk, a quota and a limit on the size of files say.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# A version that is not published and that no worker has may be begun again.
ENDED = (JobState.FAILED, JobState.CANCELLED)
NO_CUT: dict[str, Any] = {"cut": None, "cut_at": None, "settled": {}}


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
    _check_screened(chosen, personal=mask_personal or options.filters.without_personal)
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
    """Raise SnapshotRefused unless all have one way of adding votes up, and it can be gone by."""
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
            release_files.sweep(snapshot)
    snapshot.refresh_from_db()
    return bool(cancelled)


def work(snapshot: Snapshot, on_progress: Progress = silent) -> None:
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
    filters = Options.read(snapshot.options).filters
    _check_screened(campaigns, personal=snapshot.mask_personal or filters.without_personal)
    if snapshot.cut is None:
        snapshot.cut, snapshot.cut_at = take_cut()
        snapshot.settled = settle(snapshot.version, campaigns)
        lines = Unit.objects.filter(campaign__in=campaigns).values("instruction").distinct().count()
        snapshot.renew(cut=snapshot.cut, cut_at=snapshot.cut_at, settled=snapshot.settled, lines_total=lines)
    if single_votes.FORM in Options.read(snapshot.options).forms:
        # Also of a version that is gone on with: who took it back in between is not published any more.
        snapshot.settled |= single_votes.settle(snapshot.settled)
        snapshot.renew(settled=snapshot.settled)
    target, manifest_file = snapshot.path, release_files.manifest_name(snapshot.version)
    with release_files.workshop(snapshot) as folder:
        manifest, statistics = derivation.write(snapshot, folder, renew)
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
            release_files.move(folder, target, manifest_file)
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


def _check_screened(campaigns: Sequence[Campaign], *, personal: bool) -> None:
    """Raise SnapshotRefused while texts of these campaigns are screened: their lines could not be derived again.

    A search that ended without a result says nothing any more, but what it did not find can neither be masked nor left
    out. ``personal`` asks for that.
    """
    texts = Unit.objects.filter(
        campaign__in=campaigns, instruction__gte=OuterRef("lowest"), instruction__lte=OuterRef("highest")
    )
    waiting = Screening.objects.filter(Exists(texts), state__in=[JobState.QUEUED, JobState.RUNNING]).first()
    if waiting is not None:
        raise SnapshotRefused(
            f"The {waiting} is {waiting.state}: publish when it is finished; if no worker runs, start one with "
            f"{workers.START}"
        )
    later = Screening.objects.filter(
        pk__gt=OuterRef(OuterRef("pk")),
        state=JobState.FINISHED,
        lowest__lte=OuterRef("instruction"),
        highest__gte=OuterRef("instruction"),
    )
    unsearched = Screening.objects.filter(Exists(texts.filter(~Exists(later)))).exclude(state=JobState.FINISHED).first()
    if personal and unsearched is not None:
        raise SnapshotRefused(
            f"The {unsearched} was {unsearched.state}, so that nobody knows what is personal in them: have everything "
            "screened again in the admin, then publish"
        )
