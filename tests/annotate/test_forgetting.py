"""Words about a text are shown to nobody once it is hidden, and are gone with it once it is taken down."""

import threading
import uuid
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
from django.db import DatabaseError, connections, transaction
from django.test import Client
from django.urls import reverse

from annotate import annotations, forgetting, remarks
from annotate.annotations import Answer, Outcome
from annotate.models import Annotation, Annotator, Assignment, Campaign, Flag, Question, Unit
from sources import criteria, removals
from sources.models import Escalation, Instruction, InstructionState
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

QUOTED = ("quoted in a flag", "quoted in its outcome", "quoted in a question", "quoted in a reply", "quoted in a note")


class Said(NamedTuple):
    """What ada said of one text, and what a curator made of it."""

    assignment: Assignment
    flag: Flag
    question: Question

    @property
    def unit(self) -> Unit:
        return self.assignment.unit


def noted(assignment: Assignment, note: str = QUOTED[4]) -> Outcome:
    return annotations.submit(assignment.annotator, assignment.pk, Answer("casual", {}, note=note), uuid.uuid4())


def said(ada: Annotator, kindness: Campaign) -> Said:
    held, root = worlds.claimed(ada, kindness), worlds.person(f"root-of-{uuid.uuid4()}")
    flag, question = remarks.flag(ada, held.pk, QUOTED[0]), remarks.ask(ada, kindness, held.pk, QUOTED[2])
    remarks.close(flag, QUOTED[1], root)
    remarks.answer(question, QUOTED[3], root)
    assert noted(held) == Outcome.SAVED
    return Said(held, flag, question)


def remove(instruction: Instruction) -> None:
    removals.take_down(criteria.by_ids([instruction.public_id]), "asked for")


@pytest.fixture
def kindness() -> Campaign:
    return worlds.campaign(units=3)


@pytest.fixture
def ada() -> Annotator:
    return worlds.person("ada")


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(worlds.person("root", is_staff=True))
    return client


def pages(about: Said) -> list[str]:
    annotation = Annotation.objects.get(unit=about.unit)
    return [
        reverse("admin:annotate_annotation_changelist"),
        reverse("admin:annotate_annotation_change", args=[annotation.pk]),
        reverse("admin:annotate_flag_changelist"),
        reverse("admin:annotate_flag_change", args=[about.flag.pk]),
        reverse("admin:annotate_question_changelist"),
        reverse("admin:annotate_question_change", args=[about.question.pk]),
        reverse("admin:sources_instruction_change", args=[about.unit.instruction_id]),
        reverse("guidelines", args=[about.unit.campaign.slug]),
        f"{about.unit.campaign.get_absolute_url()}?revise={about.assignment.pk}",
    ]


@pytest.mark.parametrize("hide", [lambda instruction: removals.report(instruction, None), remove])
def test_nobody_is_shown_words_about_a_text_that_is_hidden(
    hide: Callable[[Instruction], object], kindness: Campaign, ada: Annotator, admin: Client
) -> None:
    about, volunteer = said(ada, kindness), Client()
    volunteer.force_login(ada)
    addresses = pages(about)

    def shown() -> set[str]:
        texts = [client.get(page).content.decode() for client in (admin, volunteer) for page in addresses]
        return {words for words in QUOTED for text in texts if words in text}

    assert shown() == set(QUOTED)
    hide(about.unit.instruction)
    assert shown() == set()


def test_a_search_tells_nothing_of_hidden_words(kindness: Campaign, ada: Annotator, admin: Client) -> None:
    about = said(ada, kindness)
    for model, words in (("flag", QUOTED[1]), ("question", QUOTED[3])):
        assert f"1 {model}" in admin.get(reverse(f"admin:annotate_{model}_changelist"), {"q": words}).text
    removals.report(about.unit.instruction, None)
    for model, words in (("flag", QUOTED[1]), ("question", QUOTED[3])):
        assert f"0 {model}s" in admin.get(reverse(f"admin:annotate_{model}_changelist"), {"q": words}).text


def test_a_text_that_was_found_harmless_has_its_words_again(kindness: Campaign, ada: Annotator, admin: Client) -> None:
    about = said(ada, kindness)
    removals.report(about.unit.instruction, None)
    removals.decide(Escalation.objects.get(), Escalation.State.RELEASED, outcome="Harmless.")
    assert QUOTED[4] in admin.get(pages(about)[1]).text


def test_a_take_down_blanks_what_was_said_and_keeps_that_it_was_said(kindness: Campaign, ada: Annotator) -> None:
    about, other = said(ada, kindness), said(ada, kindness)
    before = list(Annotation.objects.values("pk", "choice", "tags", "key", "created_at"))
    remove(about.unit.instruction)
    for row in (about.flag, about.question, other.flag, other.question):
        row.refresh_from_db()
    assert (about.flag.words, about.flag.outcome, about.flag.closed_at is None) == ("", "", False)
    assert (about.question.words, about.question.answer) == ("", forgetting.TAKEN_DOWN)
    assert (other.flag.words, other.flag.outcome) == QUOTED[:2]
    assert (other.question.words, other.question.answer) == QUOTED[2:4]
    assert list(Annotation.objects.values_list("note", flat=True)) == ["", QUOTED[4]]
    assert list(Annotation.objects.values("pk", "choice", "tags", "key", "created_at")) == before
    remove(other.unit.instruction)
    remove(other.unit.instruction)
    assert not Annotation.objects.exclude(note="").exists()


def test_a_question_that_waits_on_a_text_taken_down_waits_no_longer(kindness: Campaign, ada: Annotator) -> None:
    held = worlds.claimed(ada, kindness)
    remarks.ask(ada, kindness, held.pk, QUOTED[2])
    elsewhere = remarks.ask(ada, kindness, None, "What of irony?")
    remove(held.unit.instruction)
    assert list(Question.objects.waiting()) == [elsewhere]
    assert not Question.objects.published().exists()


def test_what_comes_after_the_take_down_is_kept_without_its_words(kindness: Campaign, ada: Annotator) -> None:
    held = worlds.claimed(ada, kindness)
    remove(held.unit.instruction)
    assert noted(held) == Outcome.WITHDRAWN
    assert Annotation.objects.get().note == ""
    for _ in range(2):
        assert remarks.flag(ada, held.pk, QUOTED[0]).words == ""
    assert remarks.ask(ada, kindness, held.pk, QUOTED[2]).words == ""
    assert not Question.objects.waiting().exists()


def test_what_comes_while_it_is_only_hidden_keeps_its_words(kindness: Campaign, ada: Annotator) -> None:
    held = worlds.claimed(ada, kindness)
    removals.report(held.unit.instruction, None)
    assert noted(held) == Outcome.WITHDRAWN
    assert Annotation.objects.get().note == QUOTED[4]
    assert remarks.flag(ada, held.pk, QUOTED[0]).words == QUOTED[0]


# --- The exception to "append-only" -----------------------------------------------------------------------------------


def refused(**values: object) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Annotation.objects.update(**values)


@pytest.mark.parametrize("state", [state for state in InstructionState if state != InstructionState.REMOVED])
def test_the_database_lets_no_note_be_blanked_whose_text_is_there(
    state: InstructionState, kindness: Campaign, ada: Annotator
) -> None:
    noted(worlds.claimed(ada, kindness))
    Instruction.objects.update(state=state)
    refused(note="")
    refused(note="other words")


def test_the_database_lets_a_note_be_blanked_and_nothing_else_be_changed(kindness: Campaign, ada: Annotator) -> None:
    noted(worlds.claimed(ada, kindness))
    Instruction.objects.update(state=InstructionState.REMOVED)
    refused(note="other words")
    refused(note="", surplus=True)
    refused(note="", focused_ms=7)
    refused(note="", tags={"hate": True})
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Annotation.objects.all().delete()
    Annotation.objects.update(note="")
    assert Annotation.objects.get().note == ""


# --- At the same moment -----------------------------------------------------------------------------------------------


def beside(act: Callable[[], object]) -> threading.Thread:
    """Begin to do something over a connection of its own, which must wait for this transaction."""

    def run() -> None:
        act()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    return thread


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_hidden", [False, True])
def test_a_vote_and_a_take_down_at_once_leave_no_note(is_hidden: bool) -> None:
    kindness, ada, bob = worlds.campaign(units=1), worlds.person("ada"), worlds.person("bob")
    first, second = worlds.claimed(ada, kindness), worlds.claimed(bob, kindness)
    instruction = Instruction.objects.get()
    if is_hidden:
        removals.report(instruction, None)
    with transaction.atomic():
        noted(first)
        removal = beside(partial(remove, instruction))
    removal.join(10)
    Instruction.objects.update(state=InstructionState.QUARANTINED)
    with transaction.atomic():
        remove(instruction)
        vote = beside(partial(noted, second))
    vote.join(10)
    assert Instruction.objects.get().state == InstructionState.REMOVED
    assert list(Annotation.objects.values_list("note", flat=True)) == ["", ""]


@pytest.mark.django_db(transaction=True)
def test_a_flag_and_a_take_down_at_once_leave_no_words() -> None:
    kindness, ada, bob = worlds.campaign(units=1), worlds.person("ada"), worlds.person("bob")
    first, second = worlds.claimed(ada, kindness), worlds.claimed(bob, kindness)
    instruction = Instruction.objects.get()
    with transaction.atomic():
        remarks.flag(ada, first.pk, QUOTED[0])
        removal = beside(partial(remove, instruction))
    removal.join(10)
    Instruction.objects.update(state=InstructionState.QUARANTINED)
    with transaction.atomic():
        remove(instruction)
        flag = beside(partial(remarks.flag, bob, second.pk, QUOTED[0]))
    flag.join(10)
    assert list(Flag.objects.values_list("words", flat=True)) == ["", ""]
