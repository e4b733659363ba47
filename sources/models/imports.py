"""Imports: a run is planned once and cut into chunks; each chunk is a job of its own, for any worker."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self, override

from django.conf import settings
from django.db import models
from django.db.models import Count, F, Q, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from sources import texts
from sources.jobs import Job, JobQuerySet, JobState
from sources.models.ledger import Source

OFFENDERS_KEPT = 20
RECENT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did so far; read = added + known + rejected."""

    chunks: int = 0
    chunks_finished: int = 0
    size: int = 0  # of all chunks, in bytes (rows of Parquet files, instructions that are augmented)
    done: int = 0  # of the size
    read: int = 0
    added: int = 0
    known: int = 0
    rejected: int = 0
    votes_added: int = 0
    votes_known: int = 0
    votes_repeated: int = 0
    votes_rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)  # why rows or votes were not taken
    unmapped: dict[str, int] = field(default_factory=dict)  # labels of the source that no table maps
    first_offenders: list[dict[str, str]] = field(default_factory=list)


COUNTERS = (
    "read",
    "added",
    "known",
    "rejected",
    "votes_added",
    "votes_known",
    "votes_repeated",
    "votes_rejected",
)


# Of a chunk. No generated column: Django asks the database for its version to check a model that has one.
SIZE = F("end") - F("start")


class ImportRun(Job):
    """One import into one source. Its own lease covers the planning; afterwards its chunks are the jobs."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="runs")
    format = models.CharField(max_length=40, help_text="An importer, or an augmenter.")
    upload = models.FileField(upload_to="imports/%Y/%m/", blank=True)
    origin = models.CharField(
        max_length=1000,
        blank=True,
        help_text="A file or folder that the workers can read, or an https:// or hf:// address.",
    )
    augments = models.ForeignKey(
        Source, null=True, blank=True, on_delete=models.PROTECT, related_name="augmentations", editable=False
    )
    options = models.JSONField(default=dict, blank=True, help_text='For example {"text": "prompt", "language": "en"}.')
    shards = models.JSONField(default=list, editable=False, help_text="The files, with size and sha256.")
    fetched = models.JSONField(default=list, editable=False, help_text="Address and revision of files from elsewhere.")
    in_order = models.BooleanField(
        default=False, editable=False, help_text="Votes are counted in the order of the file: one chunk at a time."
    )
    doing = models.CharField(max_length=200, blank=True, editable=False, help_text="What the planning is at.")
    planned_at = models.DateTimeField(null=True, editable=False)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, editable=False
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{'augmentation' if self.augments_id else 'import'} {self.pk} of {self.source} ({self.format})"

    def get_absolute_url(self) -> str:
        return reverse("admin:sources_importrun_change", args=[self.pk])

    @property
    def is_augmentation(self) -> bool:
        return self.augments_id is not None

    @property
    def given_as(self) -> str:
        """What a person calls the file: the name of an upload, a path, an address."""
        return Path(str(self.upload.name)).name if self.upload else self.origin or str(self.augments)

    @property
    def staging(self) -> Path:
        """Where its files are downloaded and unpacked."""
        return settings.MEDIA_ROOT / "staged" / f"import-{self.pk}"

    def in_words(self, error: str) -> str:
        """An error with the upload's own name instead of the place where it lies."""
        return texts.printable(error.replace(self.upload.path, self.given_as) if self.upload else error, 2000)

    @override
    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        super().refresh_from_db(*args, **kwargs)
        self.__dict__.pop("report", None)

    @cached_property
    def report(self) -> Report:
        """The sums over its chunks, of the moment when it is first asked for; ``refresh_from_db`` forgets it."""
        return reports([self])[self.pk]

    @property
    def rows_per_second(self) -> float:
        """Rows of the chunks that ended in the last minute, for each second of it; 0 where none did."""
        if self.planned_at is None:
            return 0.0
        now = self.finished_at or timezone.now()
        since = max(self.planned_at, now - RECENT)
        rows: int = self.chunks.filter(finished_at__gte=since).aggregate(rows=Sum("read", default=0))["rows"]
        seconds = (now - since).total_seconds()
        return rows / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long it will take at the pace so far; None where nobody can tell."""
        if self.state != JobState.RUNNING or self.planned_at is None or not self.report.done:
            return None
        passed = (timezone.now() - self.planned_at).total_seconds()
        return passed * (self.report.size - self.report.done) / self.report.done

    @property
    def percent(self) -> int:
        """Progress in whole per cent."""
        if self.state == JobState.FINISHED:
            return 100
        return min(99, 100 * self.report.done // self.report.size) if self.report.size else 0


def reports(runs: Sequence[ImportRun]) -> dict[int, Report]:
    """The report of each run by its id, in two queries however many runs there are."""
    found = {sums.pop("run"): sums for sums in _sums(runs)}
    reasons, unmapped = defaultdict[int, Counter[str]](Counter), defaultdict[int, Counter[str]](Counter)
    offenders = defaultdict[int, list[dict[str, str]]](list)
    has_news = Q(rejected__gt=0) | Q(votes_rejected__gt=0) | Q(votes_repeated__gt=0) | ~Q(unmapped={})
    news = ImportChunk.objects.filter(has_news, run__in=runs)
    for chunk in news.only("run", "reasons", "unmapped", "first_offenders"):
        reasons[chunk.run_id].update(chunk.reasons)
        unmapped[chunk.run_id].update(chunk.unmapped)
        offenders[chunk.run_id] += chunk.first_offenders
    return {
        run.pk: Report(
            **{name.removeprefix("all_"): count for name, count in found.get(run.pk, {}).items()},
            reasons=dict(reasons[run.pk]),
            unmapped=dict(unmapped[run.pk]),
            first_offenders=_first(offenders[run.pk]),
        )
        for run in runs
    }


def gather_reports(runs: Sequence[ImportRun]) -> None:
    """Give each run its report now, so that none of them asks for its own."""
    found = reports(runs)
    for run in runs:
        run.__dict__["report"] = found[run.pk]


def _sums(runs: Sequence[ImportRun]) -> Any:
    finished = Q(state=JobState.FINISHED)
    return (
        ImportChunk.objects.filter(run__in=runs)
        .order_by()
        .values("run")
        .annotate(
            chunks=Count("pk"),
            chunks_finished=Count("pk", filter=finished),
            size=Sum(SIZE, default=0),
            done=Sum(SIZE, default=0, filter=finished),
            # Not under their own names, which later ones in the same call would take for these sums.
            **{f"all_{name}": Sum(name, default=0) for name in COUNTERS},
        )
    )


def _first(offenders: list[dict[str, str]]) -> list[dict[str, str]]:
    """The first rows and the first votes that were not taken; a vote's entry names no row."""
    rows = [entry for entry in offenders if entry["row"]]
    votes = [entry for entry in offenders if not entry["row"]]
    return rows[:OFFENDERS_KEPT] + votes[:OFFENDERS_KEPT]


class ImportChunkQuerySet(JobQuerySet):
    def waiting(self, now: datetime, *, holds_run: bool = False) -> Self:
        """Those that somebody should work on; of a run that goes in order, only the first that is not finished.

        While a command works on a run it holds the run's own lease, and nobody else takes its chunks: workers may run
        on machines that do not have the file.
        """
        before = ImportChunk.objects.filter(run=models.OuterRef("run"), number__lt=models.OuterRef("number"))
        unfinished = models.Exists(before.exclude(state=JobState.FINISHED))
        rows = super().waiting(now).filter(~Q(unfinished, run__in_order=True))
        return rows if holds_run else rows.exclude(run__lease_until__gt=now)


class ImportChunk(Job):
    """One piece of one shard of an import, written in one transaction; read = added + known + rejected."""

    run = models.ForeignKey(ImportRun, on_delete=models.PROTECT, related_name="chunks")
    number = models.PositiveIntegerField()
    shard = models.PositiveIntegerField(default=0)
    start = models.BigIntegerField()
    end = models.BigIntegerField()
    first = models.BigIntegerField(default=1, help_text="The number of its first line or record.")
    read = models.BigIntegerField(default=0)
    added = models.BigIntegerField(default=0)
    known = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    votes_added = models.BigIntegerField(default=0)
    votes_repeated = models.BigIntegerField(default=0)
    votes_known = models.BigIntegerField(default=0)
    votes_rejected = models.BigIntegerField(default=0)
    reasons = models.JSONField(default=dict, help_text="Why rows or votes were not taken.")
    unmapped = models.JSONField(default=dict, help_text="Labels of the source that no table maps.")
    first_offenders = models.JSONField(default=list, help_text="The first lines that were not taken.")
    content = models.BinaryField(
        max_length=16, null=True, help_text="Of the bytes and of all that decides what is made of them."
    )

    objects: ClassVar[Any] = ImportChunkQuerySet.as_manager()

    class Meta:
        ordering = ["run", "number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="import_chunk_number_unique"),
            models.CheckConstraint(
                condition=Q(read=F("added") + F("known") + F("rejected")), name="import_chunk_counts_add_up"
            ),
        ]
        indexes = [
            models.Index(fields=["content"], condition=Q(content__isnull=False), name="import_chunk_content"),
            models.Index(fields=["state"], condition=Q(state__in=["queued", "running"]), name="import_chunk_waiting"),
        ]

    def __str__(self) -> str:
        return f"chunk {self.number} of {self.run}"


class Screening(Job):
    """The search for personal information and languages in the instructions with ids from ``lowest`` to ``highest``."""

    lowest = models.BigIntegerField()
    highest = models.BigIntegerField()
    screened = models.BigIntegerField(default=0)
    findings = models.BigIntegerField(default=0)
    languages = models.BigIntegerField(default=0, help_text="Instructions whose language was found.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state"], condition=Q(state__in=["queued", "running"]), name="screening_waiting")
        ]

    def __str__(self) -> str:
        return f"screening of instructions {self.lowest} to {self.highest}"
