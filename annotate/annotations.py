"""What annotators say, append-only: submit, undo, and the cut up to which a snapshot counts."""

from __future__ import annotations

import enum
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from annotate import assignments
from annotate.errors import AnswerRefused, NothingToUndo
from annotate.models import Annotation, Annotator, Assignment, Campaign
from labels.models import Label, LabelSet

# How long the cut may make submits wait at a time, how often it tries, and the seconds of peace in between.
CUT_WAIT, CUT_TRIES, CUT_PAUSE = "1s", 30, 0.5


class Outcome(enum.Enum):
    """What became of a submit; each is good news to its author."""

    SAVED = "saved"
    SURPLUS = "saved; it came after the reservation had ended and others had filled the place, so it is not counted"
    WITHDRAWN = "saved; the text was withdrawn while you had it, so your answer, although in order, is not counted"
    ALREADY_SAVED = "already saved"
    TAKEN_BACK = "you have taken this answer back since; choose and submit again to answer anew"
    ALREADY_ANSWERED = (
        "you had answered this one before (in another tab?); your first answer stands, and Undo changes it"
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """A base vote and the tags that were answered, by label code."""

    choice: str
    tags: Mapping[str, bool]


@transaction.atomic
def submit(assignment: Assignment, answer: Answer, key: uuid.UUID) -> Outcome:
    """Store the answer of the assignment's annotator and count it if its slot is still theirs or free again.

    The same ``key`` twice is one annotation. Raises AnswerRefused if the answer does not fit the label set.
    """
    choice = _resolve(assignment.unit.campaign.label_set, answer)
    assignments.lock(assignment.annotator)
    if (before := _outcome_of(key, assignment, choice, answer)) is not None:
        return before
    held = _current(assignment)
    if held.state in (Assignment.State.SUBMITTED, Assignment.State.SURPLUS):
        return Outcome.ALREADY_ANSWERED
    withdrawn = held.unit.is_withdrawn
    counts = not withdrawn and (held.state == Assignment.State.LIVE or assignments.has_open_slot(held.unit))
    held.state = Assignment.State.SUBMITTED if counts else Assignment.State.SURPLUS
    held.reason, held.ended_at = "", timezone.now()
    held.save(update_fields=["state", "reason", "ended_at"])
    _append(held, choice=choice, tags=dict(answer.tags), surplus=not counts, key=key)
    if withdrawn:
        return Outcome.WITHDRAWN
    return Outcome.SAVED if counts else Outcome.SURPLUS


@transaction.atomic
def undo(annotator: Annotator, campaign: Campaign) -> Assignment:
    """Withdraw the annotator's last answer in an open campaign and give its unit back to them.

    Returns the assignment, live again in the slot it never left; ``taken_back`` tells what to fill its form with. What
    the person held meanwhile is returned and served again afterwards. Raises NothingToUndo.
    """
    assignments.lock(annotator)
    if not Campaign.objects.open_to(annotator).filter(pk=campaign.pk).exists():
        raise NothingToUndo("The campaign is closed, so your answers in it stand.")
    mine = Assignment.objects.filter(annotator=annotator, unit__campaign=campaign).select_related("unit", "annotator")
    answered = mine.filter(state__in=[Assignment.State.SUBMITTED, Assignment.State.SURPLUS])
    last = answered.select_for_update(of=("self",)).order_by("-ended_at", "-id").first()
    if last is None:
        raise NothingToUndo("There is nothing to undo.")
    if last.unit.is_withdrawn:
        raise NothingToUndo("The text of your last answer was withdrawn since, so there is nothing to change in it.")
    if last.state == Assignment.State.SURPLUS and not assignments.has_open_slot(last.unit):
        raise NothingToUndo("Your last answer came too late to count, so there is nothing to take back.")
    for held in mine.live():
        assignments.release(held, Assignment.Reason.UNDO)
    _append(last, choice=None, tags={}, surplus=False, key=uuid.uuid4())
    return _reopened(last, campaign)


def taken_back(assignment: Assignment) -> Annotation | None:
    """The answer that the person gave under this assignment and took back; None if there is none."""
    said = assignment.annotations.select_related("supersedes__choice").order_by("-id").first()
    return said.supersedes if said is not None and said.choice_id is None else None


def _reopened(assignment: Assignment, campaign: Campaign) -> Assignment:
    now = timezone.now()
    assignment.state, assignment.ended_at = Assignment.State.LIVE, None
    assignment.claimed_at, assignment.expires_at = now, now + campaign.lease
    assignment.save(update_fields=["state", "ended_at", "claimed_at", "expires_at"])
    return assignment


def take_cut() -> int:
    """Return the id of the last annotation, such that no annotation with a smaller id can still be committed.

    Sequence numbers commit out of order. The SHARE lock waits for every open transaction that has inserted an
    annotation and keeps new ones out for the length of one query. It never waits long at a time: whoever submits
    meanwhile waits behind it. Call it outside a transaction. Raises OperationalError if the table is never free.
    """
    for _ in range(CUT_TRIES - 1):
        with suppress(OperationalError):
            return _cut()
        time.sleep(CUT_PAUSE)
    return _cut()


def _cut() -> int:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [CUT_WAIT])
        cursor.execute("LOCK TABLE annotate_annotation IN SHARE MODE")
        cursor.execute("SELECT coalesce(max(id), 0) FROM annotate_annotation")
        return int(cursor.fetchone()[0])


def _outcome_of(key: uuid.UUID, assignment: Assignment, choice: Label, answer: Answer) -> Outcome | None:
    """What to say of a submit that came before under the same key; None if it did not."""
    tip = _tip(assignment)
    if tip is not None and tip.key == key:
        same = tip.choice_id == choice.pk and tip.tags == answer.tags
        return Outcome.ALREADY_SAVED if same else Outcome.ALREADY_ANSWERED
    mine = Annotation.objects.filter(unit=assignment.unit, annotator=assignment.annotator, key=key)
    return Outcome.TAKEN_BACK if mine.exists() else None


def _resolve(label_set: LabelSet, answer: Answer) -> Label:
    """The label of the base vote; raises AnswerRefused for labels that the set does not have."""
    labels = {(label.kind, label.code): label for label in label_set.labels.all()}
    for code in answer.tags:
        if ("tag", code) not in labels:
            raise AnswerRefused(f"{label_set} has no tag {code!r}; reload the page and answer again")
    if ("option", answer.choice) not in labels:
        raise AnswerRefused("Choose one of the answers before you submit")
    return labels["option", answer.choice]


def _current(assignment: Assignment) -> Assignment:
    """The assignment locked and as it is now; or the one that the person holds on the same unit since."""
    same = Assignment.objects.select_for_update(of=("self",)).select_related("unit", "annotator")
    rows = same.filter(unit=assignment.unit, annotator=assignment.annotator)
    holding = rows.filter(state__in=[Assignment.State.LIVE, Assignment.State.SUBMITTED]).first()
    return holding or rows.get(pk=assignment.pk)


def _tip(assignment: Assignment) -> Annotation | None:
    """The last annotation of the assignment's annotator on its unit, whatever it says."""
    chain = Annotation.objects.filter(unit=assignment.unit, annotator=assignment.annotator)
    return chain.order_by("-id").first()


def _append(
    assignment: Assignment, *, choice: Label | None, tags: dict[str, bool], surplus: bool, key: uuid.UUID
) -> Annotation:
    return Annotation.objects.create(
        unit=assignment.unit,
        annotator=assignment.annotator,
        assignment=assignment,
        supersedes=_tip(assignment),
        choice=choice,
        tags=tags,
        surplus=surplus,
        key=key,
    )
