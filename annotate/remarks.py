"""What annotators tell curators: flags on texts, questions on the guidelines, reports of illegal material.

Open flags decide what a snapshot says of a unit. Whoever writes one waits therefore for a cut that is being taken, and
both ask the database's clock: what a cut did not see comes after its moment.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from annotate import assignments, forgetting
from annotate.errors import NotTheirs
from annotate.models import Annotator, Assignment, Campaign, Flag, Question, Unit
from annotate.statements import one
from sources import removals
from sources.models import Escalation, Instruction, InstructionState

# In the records of the curators, whose pages are English.
REPORTED = "Reported from the labelling page."
REPORTED_OFTEN = (
    "Reported as illegal. Not hidden: it was found harmless before, or they report more than is acted on unseen."
)


@transaction.atomic
def flag(annotator: Annotator, assignment_id: int, words: str) -> Flag:
    """Ask curators to look at a text; further words of the same person join what they said that is still open.

    Raises NotTheirs.
    """
    assignments.lock(annotator.pk)
    unit = _own(annotator, assignment_id).unit
    _wait_for_cut()
    said = Flag.objects.open().filter(unit=unit, annotator=annotator).select_for_update().first()
    words = "" if _is_gone(unit) else words
    if said is None:
        return Flag.objects.create(unit=unit, annotator=annotator, words=words)
    if words not in said.words.split("\n\n"):  # as when a lost answer is asked for again
        said.words = f"{said.words}\n\n{words}"
        said.save(update_fields=["words"])
    return said


@transaction.atomic
def close(flag: Flag, outcome: str, by: Annotator) -> bool:
    """A curator has looked; ``outcome`` says what was done. False if somebody had closed it before."""
    _wait_for_cut()
    still_open = Flag.objects.open().filter(pk=flag.pk)
    closed = still_open.update(outcome=outcome, closed_by=by, closed_at=Now())
    flag.refresh_from_db()
    return bool(closed)


@transaction.atomic
def ask(annotator: Annotator, campaign: Campaign, assignment_id: int | None, words: str) -> Question:
    """Ask about the guidelines; the same words again, while they wait for an answer, are the same question.

    The assignment, if there is one, says which text raised the question. Raises NotTheirs.
    """
    assignments.lock(annotator.pk)
    unit = None
    if assignment_id is not None:
        unit = _own(annotator, assignment_id).unit
        if unit.campaign_id != campaign.pk:
            raise NotTheirs(assignment_id)
    asked = {"annotator": annotator, "campaign": campaign, "unit": unit, "words": words}
    if unit is not None and _is_gone(unit):
        answered = {"answer": forgetting.TAKEN_DOWN, "answered_at": timezone.now()}
        return Question.objects.create(**asked | {"words": ""}, **answered)
    return Question.objects.waiting().filter(**asked).first() or Question.objects.create(**asked)


def answer(question: Question, words: str, by: Annotator) -> None:
    """Answer a question for everybody to read, or put another answer in the place of the first."""
    question.answer, question.answered_by, question.answered_at = words, by, timezone.now()
    question.save(update_fields=["answer", "answered_by", "answered_at"])


def report_illegal(annotator: Annotator, assignment_id: int) -> bool:
    """Hide a text from everybody at once, until curators decide; its reporter never gets it again.

    Who has OIG_ILLEGAL_REPORTS_PER_DAY undecided reports of the last day flags it instead, as does everybody where
    curators have found a text harmless before, and False is returned: one account must not be able to empty a
    campaign. Not in one transaction: the text is hidden before anything is waited
    for. Raises NotTheirs.
    """
    assignment = _own(annotator, assignment_id)
    instruction = assignment.unit.instruction
    if is_hidden := _hidden_at_once(annotator, instruction):
        removals.report(instruction, annotator, REPORTED)
    else:
        flag(annotator, assignment_id, REPORTED_OFTEN)
    assignments.release(assignment, Assignment.Reason.ILLEGAL)
    return is_hidden


@transaction.atomic
def _hidden_at_once(annotator: Annotator, instruction: Instruction) -> bool:
    """Hide the text if this person may; their reports are counted under a lock, so that several tabs are one person."""
    assignments.lock(annotator.pk)
    reported = Escalation.objects.filter(instruction=instruction).values_list("state", flat=True).first()
    if reported is None and _has_reports_left(annotator):
        removals.hide(instruction, annotator, REPORTED)
        return True
    # Hidden already, so that a report hides nothing more; or found harmless, so that only curators hide it again.
    return reported not in (None, Escalation.State.RELEASED)


def _own(annotator: Annotator, assignment_id: int) -> Assignment:
    mine = Assignment.objects.filter(annotator=annotator, pk=assignment_id)
    found = mine.select_related("annotator", "unit__instruction").first()
    if found is None:
        raise NotTheirs(assignment_id)
    return found


def _is_gone(unit: Unit) -> bool:
    """Whether the text was taken down, which from now on waits until the transaction ends, and then finds its words."""
    state = "SELECT state FROM sources_instruction WHERE id = %(instruction)s FOR SHARE"
    return bool(one(state, {"instruction": unit.instruction_id})[0] == InstructionState.REMOVED)


def _wait_for_cut() -> None:
    """Until the transaction ends no cut is taken, and what is written now has a later moment than the last one."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE annotate_flag IN ROW EXCLUSIVE MODE")


def _has_reports_left(annotator: Annotator) -> bool:
    since = timezone.now() - timedelta(days=1)
    undecided = Escalation.objects.filter(reported_by=annotator, state=Escalation.State.OPEN, reported_at__gte=since)
    return undecided.count() < settings.ILLEGAL_REPORTS_PER_DAY
