"""What annotators say, append-only: submit, revise, withdraw, and the cut up to which a snapshot counts."""

from __future__ import annotations

import enum
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import orjson
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext

from annotate import assignments, order
from annotate.errors import AnswerRefused, NotTheirs
from annotate.models import Annotation, Annotator, Assignment, Campaign, OrderRule
from annotate.statements import one, row
from labels import loading
from labels.models import Label

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


# An assignment of a person as it is now, or the one that they hold on the same unit since, with the last that they said
# of the unit. Locks the assignment.
ANSWERED = """
    SELECT mine.id, mine.state, mine.unit_id, unit.campaign_id, unit.is_withdrawn OR instruction.state <> 0,
           campaign.state, campaign.label_set_id, tip.id, tip.key, tip.choice_id, tip.tags, tip.note
    FROM annotate_assignment named
    JOIN annotate_assignment mine ON mine.unit_id = named.unit_id AND mine.annotator_id = named.annotator_id
    JOIN annotate_unit unit ON unit.id = mine.unit_id
    JOIN annotate_campaign campaign ON campaign.id = unit.campaign_id
    JOIN sources_instruction instruction ON instruction.id = unit.instruction_id
    LEFT JOIN LATERAL (
        SELECT * FROM annotate_annotation said
        WHERE said.unit_id = mine.unit_id AND said.annotator_id = mine.annotator_id ORDER BY said.id DESC LIMIT 1
    ) tip ON true
    WHERE named.id = %(assignment)s AND named.annotator_id = %(annotator)s
    ORDER BY mine.state IN ('live', 'submitted') DESC, mine.id = named.id DESC LIMIT 1
    FOR NO KEY UPDATE OF mine
"""

# The end of an assignment and what was said, in one statement; the triggers count the slot and check the chain.
SAID = """
    WITH ended AS (
        UPDATE annotate_assignment SET state = %(state)s, reason = %(reason)s, look_again = false,
               ended_at = CASE WHEN state = %(state)s THEN ended_at ELSE %(now)s END
        WHERE id = %(assignment)s
    )
    INSERT INTO annotate_annotation
        (unit_id, annotator_id, assignment_id, supersedes_id, choice_id, tags, surplus, key, note, focused_ms,
         created_at)
    VALUES (%(unit)s, %(annotator)s, %(assignment)s, %(supersedes)s, %(choice)s, %(tags)s::jsonb, %(surplus)s, %(key)s,
            %(note)s, %(focused_ms)s, %(now)s)
    RETURNING id
"""

REPEATED = (
    "SELECT 1 FROM annotate_annotation WHERE unit_id = %(unit)s AND annotator_id = %(annotator)s AND key = %(key)s"
)


class _Now(NamedTuple):
    """One row of ANSWERED."""

    assignment: int
    state: str
    unit: int
    campaign: int
    withdrawn: bool
    campaign_state: str
    label_set: int
    tip: int | None
    tip_key: uuid.UUID | None
    tip_choice: int | None
    tip_tags: str
    tip_note: str | None


@transaction.atomic
def submit(annotator: Annotator, assignment_id: int, answer: Answer, key: uuid.UUID) -> Outcome:
    """Store what the annotator answers under one of their assignments; count it if its slot is theirs or free again.

    The same ``key`` twice is one annotation. Raises NotTheirs for an assignment of somebody else, AnswerRefused if the
    answer does not fit the label set.
    """
    assignments.lock(annotator.pk)
    now = _now(annotator, assignment_id)
    choice = _resolve(now.label_set, answer)
    if (before := _outcome_of(key, annotator, now, choice, answer)) is not None:
        return before
    if now.state in (Assignment.State.SUBMITTED, Assignment.State.SURPLUS):
        return _revise(annotator, now, choice, answer, key)
    counts = not now.withdrawn and (now.state == Assignment.State.LIVE or assignments.has_open_slot(now.unit))
    _say(annotator, now, answer, choice=choice, counts=counts, key=key)
    if now.withdrawn:
        return Outcome.WITHDRAWN
    return Outcome.SAVED if counts else Outcome.SURPLUS


@transaction.atomic
def withdraw(annotator: Annotator, assignment_id: int, reason: Assignment.Reason) -> bool:
    """Take an answer back for good and free its slot; False if there is none that could be, as in a closed campaign.

    The unit is not served to this person again, since ``reason`` is one of those for declining. Raises NotTheirs.
    """
    assignments.lock(annotator.pk)
    now = _now(annotator, assignment_id)
    answered = now.state in (Assignment.State.SUBMITTED, Assignment.State.SURPLUS)
    if not answered or now.tip is None or now.campaign_state != Campaign.State.OPEN:
        return False
    _append(annotator, now, state=Assignment.State.DECLINED, reason=reason, key=uuid.uuid4())
    _reorder(now)
    return True


def last_answers(annotator: Annotator, campaign: Campaign, most: int = 10) -> list[Annotation]:
    """The annotator's newest answers in a campaign that they may still change, the newest first."""
    answered = Assignment.objects.filter(
        annotator=annotator,
        unit__campaign=campaign,
        unit__is_withdrawn=False,
        state__in=[Assignment.State.SUBMITTED, Assignment.State.SURPLUS],
    )
    newest = list(answered.order_by("-ended_at", "-id").values_list("pk", flat=True)[:most])
    tips = Annotation.objects.filter(assignment__in=newest, superseded_by=None, choice__isnull=False)
    found = {tip.assignment_id: tip for tip in tips.select_related("choice", "assignment", "unit__instruction")}
    return [found[pk] for pk in newest if pk in found]


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


def _now(annotator: Annotator, assignment_id: int) -> _Now:
    found = row(ANSWERED, {"assignment": assignment_id, "annotator": annotator.pk})
    if found is None:
        raise NotTheirs(assignment_id)
    return _Now._make(found)


def _outcome_of(key: uuid.UUID, annotator: Annotator, now: _Now, choice: Label, answer: Answer) -> Outcome | None:
    """What to say of a submit that came before under the same key; None if it did not."""
    if now.tip is None:
        return None
    if now.tip_key == key:
        same = (now.tip_choice, orjson.loads(now.tip_tags)) == (choice.pk, dict(answer.tags))
        return Outcome.ALREADY_SAVED if same else Outcome.ALREADY_ANSWERED
    repeated = row(REPEATED, {"unit": now.unit, "annotator": annotator.pk, "key": key})
    return Outcome.ALREADY_ANSWERED if repeated else None


def _revise(annotator: Annotator, now: _Now, choice: Label, answer: Answer, key: uuid.UUID) -> Outcome:
    """Supersede the answer that the person means, if it is still their last; the slot stays theirs all the while."""
    if answer.revises is None or answer.revises != now.tip:
        return Outcome.ALREADY_ANSWERED
    if now.campaign_state != Campaign.State.OPEN:
        return Outcome.STANDS
    counted = now.state == Assignment.State.SUBMITTED
    counts = counted or (not now.withdrawn and assignments.has_open_slot(now.unit))
    _say(annotator, now, answer, choice=choice, counts=counts, key=key)
    return Outcome.CHANGED if counts else Outcome.SURPLUS


def _say(annotator: Annotator, now: _Now, answer: Answer, *, choice: Label, counts: bool, key: uuid.UUID) -> None:
    state = Assignment.State.SUBMITTED if counts else Assignment.State.SURPLUS
    _append(annotator, now, state=state, reason="", key=key, choice=choice.pk, answer=answer)
    if counts:
        _reorder(now)


def _append(
    annotator: Annotator,
    now: _Now,
    *,
    state: Assignment.State,
    reason: str,
    key: uuid.UUID,
    choice: int | None = None,
    answer: Answer = Answer("", {}),
) -> None:
    values = {
        "assignment": now.assignment,
        "annotator": annotator.pk,
        "unit": now.unit,
        "state": state.value,
        "reason": str(reason),
        "now": timezone.now(),
        "supersedes": now.tip,
        "choice": choice,
        "tags": orjson.dumps(dict(answer.tags)).decode(),
        "surplus": state == Assignment.State.SURPLUS,
        "key": key,
        "note": answer.note,
        "focused_ms": answer.focused_ms,
    }
    one(SAID, values)


def _reorder(now: _Now) -> None:
    """Where votes decide the order of service, the unit goes to where it belongs now."""
    if OrderRule.objects.filter(campaign=now.campaign, votes_differ=True).exists():
        order.follow(now.campaign, now.unit)


def _resolve(label_set: int, answer: Answer) -> Label:
    """The label of the base vote; raises AnswerRefused for labels that the set does not have."""
    shown = answer.label_set or label_set
    if not loading.is_revision_of(shown, label_set):
        raise AnswerRefused(gettext("The guidelines have changed since; reload the page and answer again"))
    labels = loading.labels_of(shown)
    for code in answer.tags:
        if ("tag", code) not in labels:
            words = gettext("There is no tag “%(code)s” here; reload the page and answer again")
            raise AnswerRefused(words % {"code": code})
    if ("option", answer.choice) not in labels:
        raise AnswerRefused(gettext("Choose one of the answers before you submit."))
    return labels["option", answer.choice]
