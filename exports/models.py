"""A snapshot: one release of the dataset, immutable once it is published; and two of them compared."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models
from django.urls import reverse

from annotate.models import Campaign
from exports.versions import numbers, validate_version
from sources.jobs import Job, JobQuerySet, JobState


class Standing(models.TextChoices):
    """Whether a release is to be used. The last two have a reason; whatever it is, no byte of a release changes."""

    DRAFT = "draft"  # not published yet, or never
    PUBLISHED = "published"
    DEPRECATED = "deprecated"  # there is a better one; it can still be fetched
    WITHDRAWN = "withdrawn"  # for good: nobody can fetch it any more


class SnapshotQuerySet(JobQuerySet):
    def published(self) -> SnapshotQuerySet:
        """Whatever was published, deprecated and withdrawn ones too. The highest version first: 0.10 before 0.9."""
        by_numbers = models.Func(models.F("version"), template="string_to_array(%(expressions)s, '.')::int[]")
        return self.filter(state=JobState.FINISHED).order_by(by_numbers.desc())

    def recommended(self) -> SnapshotQuerySet:
        """Of these, what is neither deprecated nor withdrawn."""
        return self.published().filter(standing=Standing.PUBLISHED)


class Snapshot(Job):
    """One version. What it holds is decided by ``campaigns`` and ``cut`` and described by its manifest."""

    version = models.CharField(max_length=20, unique=True, validators=[validate_version], help_text="For example 0.3.")
    campaigns = models.ManyToManyField(
        Campaign,
        related_name="snapshots",
        blank=True,
        help_text="None chosen: all volunteer campaigns that were opened.",
    )
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, editable=False
    )
    mask_personal = models.BooleanField(
        "mask personal information",
        default=False,
        db_default=False,
        help_text="Publish [e-mail address] and the like instead of the personal information that was found.",
    )
    options = models.JSONField(default=dict, db_default={}, editable=False, help_text="See formats.Options.")
    cut = models.BigIntegerField(null=True, editable=False, help_text="The last annotation that it contains.")
    cut_at = models.DateTimeField(
        null=True, editable=False, help_text="When the cut was taken: flags count as they stood then."
    )
    settled = models.JSONField(
        default=dict,
        db_default={},
        editable=False,
        help_text="What was decided when the cut was taken, and stays so; see snapshots.settle.",
    )
    standing = models.CharField(
        max_length=10, choices=Standing, default=Standing.DRAFT, db_default=Standing.DRAFT, editable=False
    )
    standing_reason = models.TextField(
        blank=True, db_default="", editable=False, help_text="Why it is deprecated, withdrawn or published again."
    )
    standing_since = models.DateTimeField(
        null=True, editable=False, help_text="When it was deprecated, withdrawn or published again."
    )
    is_registered = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Published elsewhere: its lines cannot be derived from the votes here.",
    )
    lines_total = models.BigIntegerField(default=0, editable=False)
    lines_done = models.BigIntegerField(default=0, editable=False)
    manifest = models.JSONField(default=dict, editable=False)
    statistics = models.JSONField(default=dict, editable=False)

    objects = SnapshotQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="finished") | models.Q(cut__isnull=False), name="snapshot_published_has_cut"
            ),
            # What was published never becomes a draft again: a trigger (exports_published_stays) keeps its state.
            models.CheckConstraint(
                condition=models.Q(state="finished", standing__in=["published", "deprecated", "withdrawn"])
                | (~models.Q(state="finished") & models.Q(standing="draft")),
                name="snapshot_draft_until_published",
            ),
            models.CheckConstraint(
                condition=~models.Q(standing__in=["deprecated", "withdrawn"]) | ~models.Q(standing_reason=""),
                name="snapshot_standing_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"OIG_safety_v{self.version}"

    def get_absolute_url(self) -> str:
        return reverse("release", args=[self.version])

    @property
    def is_published(self) -> bool:
        return self.state == JobState.FINISHED

    @property
    def is_withdrawn(self) -> bool:
        return self.standing == Standing.WITHDRAWN

    @property
    def is_deprecated(self) -> bool:
        return self.standing == Standing.DEPRECATED

    @property
    def newer(self) -> Snapshot | None:
        """The highest release that is recommended, if that is a higher one."""
        highest: Snapshot | None = Snapshot.objects.recommended().first()
        return highest if highest and numbers(highest.version) > numbers(self.version) else None

    @property
    def percent(self) -> int:
        if self.is_published:
            return 100
        return min(99, 100 * self.lines_done // self.lines_total) if self.lines_total else 0

    @property
    def path(self) -> Path:
        """The folder of its files, once it is published."""
        return Path(settings.SNAPSHOT_ROOT) / self.version


class Comparison(Job):
    """What changed from one published version to a later one; made once, since neither changes."""

    before = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="+")
    after = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="comparisons")
    summary = models.JSONField(default=dict, db_default={}, help_text="See changes.Changes.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["before", "after"], name="comparison_of_two")]

    def __str__(self) -> str:
        return f"{self.after} since {self.before.version}"

    def get_absolute_url(self) -> str:
        return reverse("changes", args=[self.after.version, self.before.version])

    @property
    def percent(self) -> int:
        return 100 * (self.state == JobState.FINISHED)
