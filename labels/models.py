"""The label sets as rows: what annotations, campaigns and snapshots point to.

The content comes from reviewed TOML files (``taxonomy``, ``loading``) and is never edited by hand. A frozen label set
cannot change any more: triggers in migration 0001 refuse it whoever asks, because every annotation of that revision
means exactly what its rows say.
"""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from labels import taxonomy


class LabelSet(models.Model):
    """One revision of a label set: vote options, tags, and the rule that makes published labels of the votes."""

    name = models.SlugField(max_length=taxonomy.MAX_CODE)
    revision = models.PositiveIntegerField()
    title = models.CharField(max_length=taxonomy.MAX_TITLE)
    question = models.TextField()
    ordinal = models.BooleanField()
    rule = models.CharField(max_length=20, choices=[(rule, rule) for rule in taxonomy.RULES])
    published = models.JSONField(default=list, help_text="Published labels, mild to severe.")
    digest = models.CharField(max_length=64, editable=False, help_text="SHA-256 of the content.")
    frozen_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "-revision"]
        constraints = [
            UniqueConstraint(fields=["name", "revision"], name="label_set_name_and_revision_once"),
            CheckConstraint(condition=Q(revision__gte=1), name="label_set_revision_from_1"),
            CheckConstraint(condition=Q(rule__in=list(taxonomy.RULES)), name="label_set_rule_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} revision {self.revision}"

    @property
    def spec(self) -> taxonomy.LabelSetSpec:
        """What ``taxonomy.read`` gave when the set was loaded. One query; none if labels are prefetched."""
        labels = list(self.labels.all())
        return taxonomy.LabelSetSpec(
            name=self.name,
            revision=self.revision,
            title=self.title,
            question=self.question,
            ordinal=self.ordinal,
            rule=self.rule,
            published=tuple(self.published),
            options=tuple(label.spec for label in labels if label.kind == Label.Kind.OPTION),
            tags=tuple(label.spec for label in labels if label.kind == Label.Kind.TAG),
        )


class Label(models.Model):
    """One vote option or one additional tag of a label set, with the help that an annotator sees."""

    class Kind(models.TextChoices):
        OPTION = "option"
        TAG = "tag"

    label_set = models.ForeignKey(LabelSet, on_delete=models.CASCADE, related_name="labels")
    kind = models.CharField(max_length=6, choices=Kind)
    code = models.SlugField(max_length=taxonomy.MAX_CODE)
    name = models.CharField(max_length=taxonomy.MAX_NAME)
    position = models.PositiveSmallIntegerField(help_text="Options first, mild to severe, from 0; then the tags.")
    key = models.CharField(max_length=1, help_text="A digit for an option, a letter for a tag.")
    colour_light = models.CharField(max_length=7)
    colour_dark = models.CharField(max_length=7)
    definition = models.TextField()
    guideline = models.TextField()
    yes_examples = models.JSONField(default=list)
    no_examples = models.JSONField(default=list)

    class Meta:
        ordering = ["position"]
        constraints = [
            UniqueConstraint(fields=["label_set", "code"], name="label_code_once_per_set"),
            UniqueConstraint(fields=["label_set", "name"], name="label_name_once_per_set"),
            UniqueConstraint(fields=["label_set", "key"], name="label_key_once_per_set"),
            UniqueConstraint(fields=["label_set", "position"], name="label_position_once_per_set"),
            CheckConstraint(
                condition=Q(kind="option", key__regex=taxonomy.OPTION_KEY) | Q(kind="tag", key__regex=taxonomy.TAG_KEY),
                name="label_key_fits_kind",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def spec(self) -> taxonomy.LabelSpec:
        """This label as the pure value that ``taxonomy.read`` gives."""
        return taxonomy.LabelSpec(
            code=self.code,
            name=self.name,
            key=self.key,
            colour_light=self.colour_light,
            colour_dark=self.colour_dark,
            definition=self.definition,
            guideline=self.guideline,
            yes_examples=tuple(self.yes_examples),
            no_examples=tuple(self.no_examples),
        )
