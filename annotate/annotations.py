"""What annotators say, append-only: submit, revise, withdraw, and the cut up to which a snapshot counts."""

from __future__ import annotations

import enum
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext

from annotate import assignments
from annotate.assignments import Lease
from annotate.errors import AnswerRefused, NotTheirs
from annotate.models import Annotation, Annotator, Assignment, Campaign
from annotate.statements import one, rows
from labels import loading

# How long the cut may make submits wait at a time, how often it tries, and the seconds of peace in between.
CUT_WAIT, CUT_TRIES, CUT_PAUSE = "1s", 30, 0.5


class Outcome(enum.Enum):
    """What became of a submit; each is good news to its author."""

    SAVED = "saved"
    CHANGED = "changed"  # an earlier answer was superseded
    SURPLUS = "surplus"  # came after the lease had ended and others had filled the slot: kept, not counted
    WITHDRAWN = "withdrawn"  # the text was withdrawn meanwhile: kept, not counted
    ALREADY_SAVED = "already saved"
    ALREADY_ANSWERED = "already answered"  # in another tab: what was said first, or changed there since, stands
    PAUSED = "paused"  # the campaign is paused for them: what is new is kept and not counted, what was counted stands
    STANDS = "stands"  # the campaign is closed, so an earlier answer cannot be changed any more


@dataclass(frozen=True, slots=True)
class Answer:
    """A base vote and the tags that were answered, by label code.

    ``label_set`` is the id of the revision whose wording the person was shown, by default the campaign's; ``revises``
    the id of their earlier annotation that this one is to replace.
    """

    choice: str
    tags: Mapping[str, bool]
    label_set: int | None = None
    revises: int | None = None
    note: str = ""
    focused_ms: int | None = None


class Saved(NamedTuple):
    """What became of an answer, and how its author goes on in a campaign."""

    outcome: Outcome | None
    votes: int  # what they are told that they have labelled there
    label_set: int | None  # the revision that the campaign goes by now; None if there is no such campaign
    held: list[Lease]


SUBMIT = """
    SELECT outcome, votes FROM annotate_submit(
        %(annotator)s, %(assignment)s, %(choice)s, %(tags)s::jsonb, %(key)s, %(revises)s, %(note)s, %(focused_ms)s)
"""
# The same, and what the person holds then, after claiming what nobody has locked; the claim depends on the outcome, so
# that it comes second.
SUBMIT_AND_CLAIM = f"""
    SELECT said.outcome, said.votes, place.label_set_id, lease.* FROM ({SUBMIT}) said
    LEFT JOIN annotate_campaign place ON place.slug = %(campaign)s AND place.kind = 'volunteer'
    LEFT JOIN LATERAL annotate_claim(
        %(annotator)s, place.id,
        CASE WHEN said.outcome IS NULL THEN 0 ELSE %(leases)s END, false) lease ON true
"""  # noqa: S608 - made of constants
WITHDRAW = "SELECT annotate_withdraw(%(annotator)s, %(assignment)s, %(reason)s)"


def submit(annotator: Annotator, assignment_id: int, answer: Answer, key: uuid.UUID) -> Outcome:
    """Store what the annotator answers under one of their assignments; count it if its slot is theirs or free again.

    The same ``key`` twice is one annotation. Raises NotTheirs for an assignment of somebody else, AnswerRefused if the
    answer does not fit the label set.
    """
    label_set = answer.label_set or _label_set_of(assignment_id)
    return _outcome(one(SUBMIT, _said(annotator, assignment_id, answer, key, label_set))[0])


def submit_and_claim(
    annotator: Annotator, slug: str, assignment_id: int, answer: Answer, key: uuid.UUID, leases: int
) -> Saved:
    """``submit``, and what the person holds in a campaign then, as ``assignments.claim`` does, in one round trip."""
    label_set = answer.label_set or _label_set_of(assignment_id)
    values = _said(annotator, assignment_id, answer, key, label_set) | {"campaign": slug, "leases": leases}
    found = rows(SUBMIT_AND_CLAIM, values)
    outcome, votes, wording = _outcome(found[0][0]), found[0][1], found[0][2]
    held = [Lease.read(lease[3:]) for lease in found if lease[3] is not None]
    if len(held) < leases and (campaign := Campaign.objects.filter(slug=slug).first()):
        held = assignments.claim(annotator, campaign, leases, held)
    return Saved(outcome, votes, wording, held)


def withdraw(annotator: Annotator, assignment_id: int, reason: Assignment.Reason) -> bool:
    """Take an answer back for good and free its slot; False if there is none that could be, as in a closed campaign.

    The unit is not served to this person again, since ``reason`` is one of those for declining. Raises NotTheirs.
    """
    values = {"annotator": annotator.pk, "assignment": assignment_id, "reason": reason.value}
    done = one(WITHDRAW, values)[0]
    if done is None:
        raise NotTheirs(assignment_id)
    return bool(done)


def last_answers(annotator: Annotator, campaign: Campaign, most: int = 10) -> list[Annotation]:
    """The annotator's newest answers in a campaign that they may still change, the newest first."""
    mine = Assignment.objects.filter(annotator=annotator, unit__campaign=campaign, unit__is_withdrawn=False)
    answered = mine.answered()
    newest = list(answered.order_by("-ended_at", "-id").values_list("pk", flat=True)[:most])
    tips = Annotation.objects.filter(assignment__in=newest, superseded_by=None, choice__isnull=False)
    found = {tip.assignment_id: tip for tip in tips.select_related("choice", "assignment", "unit__instruction")}
    return [found[pk] for pk in newest if pk in found]


class Cut(NamedTuple):
    """Up to where a snapshot counts."""

    last: int  # the id of the last annotation
    at: datetime  # flags and decisions count as they stood then


def take_cut() -> Cut:
    """Return the last annotation and the moment, such that nothing from before them can still be committed.

    Sequence numbers commit out of order. The SHARE lock waits for every open transaction that has inserted an
    annotation, changed a flag or decided, and keeps new ones out for the length of one query. It never waits long at a
    time: whoever submits meanwhile waits behind it. Call it outside a transaction. Raises OperationalError if the
    tables are never free.
    """
    for _ in range(CUT_TRIES - 1):
        with suppress(OperationalError):
            return _cut()
        time.sleep(CUT_PAUSE)
    return _cut()


def _cut() -> Cut:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [CUT_WAIT])
        cursor.execute("LOCK TABLE annotate_annotation, annotate_flag, annotate_decision IN SHARE MODE")
        cursor.execute("SELECT coalesce(max(id), 0), clock_timestamp() FROM annotate_annotation")
        return Cut._make(cursor.fetchone())


def _label_set_of(assignment_id: int) -> int:
    """The label set of an assignment's campaign."""
    found = Assignment.objects.filter(pk=assignment_id).values_list("unit__campaign__label_set", flat=True).first()
    if found is None:
        raise NotTheirs(assignment_id)
    return found


def _said(annotator: Annotator, assignment_id: int, answer: Answer, key: uuid.UUID, label_set: int) -> dict[str, Any]:
    """An answer as the database takes it; raises AnswerRefused for labels that the set does not have."""
    labels = loading.labels_of(label_set)
    for code in answer.tags:
        if ("tag", code) not in labels:
            words = gettext("There is no tag “%(code)s” here; reload the page and answer again")
            raise AnswerRefused(words % {"code": code})
    if ("option", answer.choice) not in labels:
        raise AnswerRefused(gettext("Choose one of the answers before you submit."))
    return {
        "annotator": annotator.pk,
        "assignment": assignment_id,
        "choice": labels["option", answer.choice].pk,
        "tags": orjson.dumps(dict(answer.tags)).decode(),
        "key": key,
        "revises": answer.revises,
        "note": answer.note,
        "focused_ms": answer.focused_ms,
    }


def _outcome(word: str) -> Outcome:
    if word == "not theirs":
        raise NotTheirs
    if word == "refused":
        raise AnswerRefused(gettext("The guidelines have changed since; reload the page and answer again"))
    return Outcome(word)
