"""Label sets come into the database from TOML files, and are frozen there when they come into use."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from labels import taxonomy
from labels.errors import LabelsError
from labels.models import Label, LabelSet
from labels.taxonomy import LabelSetSpec


class FrozenLabelSet(LabelsError):
    """A frozen label set was to be changed; the message tells the next revision to load it as."""


@transaction.atomic
def load(spec: LabelSetSpec) -> tuple[LabelSet, bool]:
    """The label set of ``spec`` in the database, and whether this call created it.

    Loading the same content again changes nothing. Other content under the same name and revision replaces a set that
    is not frozen, and raises FrozenLabelSet for one that is.
    """
    label_set, created = LabelSet.objects.get_or_create(name=spec.name, revision=spec.revision, defaults=_columns(spec))
    label_set = LabelSet.objects.select_for_update().get(pk=label_set.pk)
    if created:
        _write_labels(label_set, spec)
    elif label_set.digest != spec.digest:
        _replace(label_set, spec)
    return label_set, created


@transaction.atomic
def load_files(paths: Iterable[Path]) -> list[tuple[LabelSet, bool]]:
    """Load the label sets of all TOML files or, if there is a mistake in any, none; what ``load`` returns, for each."""
    return [load(taxonomy.read(path)) for path in paths]


def load_shipped() -> list[tuple[LabelSet, bool]]:
    """Load every label set that the project ships, by file name; what ``load`` returns, for each."""
    return load_files(taxonomy.shipped())


def load_shipped_set(name: str) -> LabelSet:
    """Load the label set of that name that the project ships, and return it."""
    return load(taxonomy.read(taxonomy.SHIPPED / f"{name}.toml"))[0]


def labels_of(label_set_id: int) -> dict[tuple[str, str], Label]:
    """The labels of a set by kind and code; those of a frozen one, which cannot change, are kept in memory."""
    try:
        return _frozen_labels_of(label_set_id)
    except LabelSet.DoesNotExist:
        return _labels_of(label_set_id)


@lru_cache(maxsize=64)
def _frozen_labels_of(label_set_id: int) -> dict[tuple[str, str], Label]:
    LabelSet.objects.only("pk").get(pk=label_set_id, frozen_at__isnull=False)
    return _labels_of(label_set_id)


def _labels_of(label_set_id: int) -> dict[tuple[str, str], Label]:
    return {(label.kind, label.code): label for label in Label.objects.filter(label_set=label_set_id)}


def freeze(label_set: LabelSet) -> None:
    """Make ``label_set`` unchangeable from now on; a frozen one keeps the time at which it was frozen."""
    LabelSet.objects.filter(pk=label_set.pk, frozen_at=None).update(frozen_at=timezone.now())
    label_set.refresh_from_db(fields=["frozen_at"])


def _replace(label_set: LabelSet, spec: LabelSetSpec) -> None:
    if label_set.frozen_at is not None:
        remedy = f"write revision = {label_set.revision + 1} in its TOML file to load it as the next revision"
        raise FrozenLabelSet(f"{label_set} is frozen and its content differs; {remedy}.")
    for column, value in _columns(spec).items():
        setattr(label_set, column, value)
    label_set.save()
    label_set.labels.all().delete()
    _write_labels(label_set, spec)


def _columns(spec: LabelSetSpec) -> dict[str, object]:
    return {
        "title": spec.title,
        "question": spec.question,
        "ordinal": spec.ordinal,
        "rule": spec.rule,
        "published": list(spec.published),
        "digest": spec.digest,
    }


def _write_labels(label_set: LabelSet, spec: LabelSetSpec) -> None:
    kinds = [(Label.Kind.OPTION, label) for label in spec.options] + [(Label.Kind.TAG, label) for label in spec.tags]
    Label.objects.bulk_create(
        Label(label_set=label_set, kind=kind, position=position, **vars(label))
        for position, (kind, label) in enumerate(kinds)
    )
