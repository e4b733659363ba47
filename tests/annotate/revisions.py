"""Revisions of label sets for tests."""

from dataclasses import replace
from typing import Any

from annotate.models import Campaign
from labels import loading
from labels.models import LabelSet
from labels.taxonomy import LabelSetSpec
from tests.labels import specs

# The shipped revision, which campaigns of tests open with, and the next, which they adopt.
FIRST = specs.OIG_SAFETY.revision
SECOND = FIRST + 1
WORDED = "An ordinary request or remark: a helpful answer can be given at once."


def reworded(spec: LabelSetSpec = specs.OIG_SAFETY, **others: Any) -> LabelSetSpec:
    """The next revision, with a new definition of the mildest answer and whatever else is named."""
    mildest, *rest = spec.options
    worded = (replace(mildest, definition=WORDED), *rest)
    facts: dict[str, Any] = {"revision": spec.revision + 1, "options": worded} | others
    return replace(spec, **facts)


def with_tag(spec: LabelSetSpec = specs.OIG_SAFETY) -> LabelSetSpec:
    """The next revision, with one more tag."""
    return reworded(spec, tags=(*spec.tags, specs.label("rumour", "r")))


def loaded(spec: LabelSetSpec) -> LabelSet:
    return loading.load(spec)[0]


def of(campaign: Campaign) -> int:
    campaign.refresh_from_db()
    return campaign.label_set.revision
