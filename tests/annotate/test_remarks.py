"""What annotators tell curators: flags, questions, reports of illegal material."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from annotate import assignments, remarks
from annotate.errors import NotTheirs
from annotate.models import Annotation, Annotator, Assignment, Campaign, Flag, Question
from sources import removals
from sources.models import Escalation, Instruction, InstructionState
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

QUEUE = {"Accept": "application/json"}
PART = {"HX-Request": "true"}


@pytest.fixture
def kindness() -> Campaign:
    return worlds.campaign(units=3)


@pytest.fixture
def ada(client: Client) -> Annotator:
    signed_in = worlds.person("ada")
    client.force_login(signed_in)
    return signed_in


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(worlds.person("root", is_staff=True))
    return client


def state_of(assignment: Assignment) -> tuple[str, str]:
    assignment.refresh_from_db()
    return assignment.state, assignment.reason


# --- Flags and questions ----------------------------------------------------------------------------------------------


def test_further_words_join_the_flag_that_is_open(kindness: Campaign, ada: Annotator) -> None:
    held = worlds.claimed(ada, kindness)
    for words in ("Two letters in one.", "And a name.", "And a name."):
        said = remarks.flag(ada, held.pk, words)
    assert said.words == "Two letters in one.\n\nAnd a name."
    assert remarks.close(said, "Cut in two.", worlds.person("root"))
    assert not remarks.close(said, "Again.", ada)
    assert (said.outcome, said.closed_by and said.closed_by.username) == ("Cut in two.", "root")
    assert remarks.flag(ada, held.pk, "Still odd.") != said
    assert [flag.words for flag in Flag.objects.open()] == ["Still odd."]


def test_two_people_flag_one_text_apart(kindness: Campaign, ada: Annotator) -> None:
    bob = worlds.person("bob")
    remarks.flag(ada, worlds.claimed(ada, kindness).pk, "Odd.")
    remarks.flag(bob, worlds.claimed(bob, kindness).pk, "Odd.")
    assert Flag.objects.open().count() == 2


def test_a_question_is_asked_once_and_answered_for_all(kindness: Campaign, ada: Annotator, client: Client) -> None:
    held = worlds.claimed(ada, kindness)
    asked = remarks.ask(ada, kindness, held.pk, "What of irony?")
    assert remarks.ask(ada, kindness, held.pk, "What of irony?") == asked
    assert (asked.unit, remarks.ask(ada, kindness, None, "And of sarcasm?").unit) == (held.unit, None)
    remarks.answer(asked, "Take it <b>as meant</b>.", worlds.person("root"))
    assert [question.words for question in Question.objects.waiting()] == ["And of sarcasm?"]
    page = client.get(reverse("guidelines", args=[kindness.slug])).content.decode()
    assert "What of irony?" in page
    assert "Take it &lt;b&gt;as meant&lt;/b&gt;." in page
    assert "sarcasm" not in page
    assert "ada" not in page.partition('id="questions"')[2]


@pytest.mark.parametrize(
    "tell",
    [
        lambda annotator, pk: remarks.flag(annotator, pk, "Odd."),
        lambda annotator, pk: remarks.ask(annotator, Campaign.objects.get(), pk, "Why?"),
        remarks.report_illegal,
    ],
)
def test_nobody_tells_of_what_is_not_theirs(
    tell: Callable[[Annotator, int], object], kindness: Campaign, ada: Annotator
) -> None:
    theirs = worlds.claimed(worlds.person("bob"), kindness)
    for number in (theirs.pk, 10**9):
        with pytest.raises(NotTheirs):
            tell(ada, number)
    assert not Flag.objects.exists()
    assert not Question.objects.exists()
    assert not Escalation.objects.exists()


def test_a_question_names_a_text_of_its_own_campaign_alone(kindness: Campaign, ada: Annotator) -> None:
    elsewhere = worlds.claimed(ada, worlds.campaign(slug="elsewhere"))
    with pytest.raises(NotTheirs):
        remarks.ask(ada, kindness, elsewhere.pk, "Why?")


# --- Reports ----------------------------------------------------------------------------------------------------------


def test_a_report_hides_the_text_from_everybody_at_once(kindness: Campaign, ada: Annotator) -> None:
    bob = worlds.person("bob")
    held, theirs = worlds.claimed(ada, kindness), worlds.claimed(bob, kindness)
    assert held.unit == theirs.unit
    assert remarks.report_illegal(ada, held.pk)
    instruction = Instruction.objects.get(pk=held.unit.instruction_id)
    escalation = Escalation.objects.get(instruction=instruction)
    assert (instruction.state, escalation.state, escalation.reported_by) == (InstructionState.QUARANTINED, "open", ada)
    assert state_of(held) == ("declined", "illegal")
    for person in (ada, bob):
        assert worlds.claimed(person, kindness).unit != held.unit
    assert worlds.problems(kindness) == []


def test_a_report_may_come_twice_and_after_the_lease(kindness: Campaign, ada: Annotator) -> None:
    held = worlds.claimed(ada, kindness)
    assignments.release(held, Assignment.Reason.EXPIRED)
    for _ in range(2):
        assert remarks.report_illegal(ada, held.pk)
    assert Escalation.objects.get().reported_by == ada
    assert state_of(held) == ("declined", "illegal")


def test_a_report_keeps_the_vote_that_was_given(kindness: Campaign, ada: Annotator) -> None:
    voted = worlds.vote(ada, kindness)
    assert remarks.report_illegal(ada, voted.pk)
    assert state_of(voted)[0] == "submitted"
    assert Annotation.objects.counted().count() == 1


def test_who_reported_is_not_served_it_again_when_it_was_released(kindness: Campaign, ada: Annotator) -> None:
    held = worlds.claimed(ada, kindness)
    remarks.report_illegal(ada, held.pk)
    removals.decide(Escalation.objects.get(), Escalation.State.RELEASED, outcome="Harmless.")
    served = [worlds.vote(ada, kindness).unit for _ in range(2)]
    assert held.unit not in served
    assert assignments.claim_next(ada, kindness) is None
    assert worlds.claimed(worlds.person("bob"), kindness).unit == held.unit


def test_who_reports_without_end_flags_instead(kindness: Campaign, ada: Annotator, settings: Settings) -> None:
    settings.ILLEGAL_REPORTS_PER_DAY = 1
    first, second = worlds.claimed(ada, kindness), None
    assert remarks.report_illegal(ada, first.pk)
    second = worlds.claimed(ada, kindness)
    assert not remarks.report_illegal(ada, second.pk)
    assert remarks.report_illegal(ada, first.pk)  # hides nothing more
    assert Flag.objects.get().unit == second.unit
    assert Instruction.objects.get(pk=second.unit.instruction_id).state == InstructionState.AVAILABLE
    assert state_of(second) == ("declined", "illegal")
    removals.decide(Escalation.objects.get(), Escalation.State.RELEASED, outcome="Harmless.")
    assert remarks.report_illegal(ada, second.pk)


def test_what_curators_found_harmless_is_hidden_again_by_curators_alone(kindness: Campaign, ada: Annotator) -> None:
    held = worlds.claimed(ada, kindness)
    assert remarks.report_illegal(ada, held.pk)
    removals.decide(Escalation.objects.get(), Escalation.State.RELEASED, outcome="Harmless.")
    bobs = worlds.claimed(worlds.person("bob"), kindness)
    assert bobs.unit == held.unit
    for person, assignment in ((ada, held), (bobs.annotator, bobs)):
        assert not remarks.report_illegal(person, assignment.pk)
    assert Instruction.objects.get(pk=held.unit.instruction_id).state == InstructionState.AVAILABLE
    assert Flag.objects.filter(unit=held.unit).count() == 2


# --- Pages ------------------------------------------------------------------------------------------------------------


def test_a_plain_form_leads_back_to_the_text_and_says_what_became_of_it(
    client: Client, kindness: Campaign, ada: Annotator
) -> None:
    held = worlds.claimed(ada, kindness)
    for name, said in (("flag", "will look at it"), ("ask", "on its way"), ("report", "until curators have decided")):
        form = {"assignment": held.pk, "words": "Odd."}
        answer = client.post(reverse(name, args=[kindness.slug]), form, follow=True)
        assert answer.redirect_chain == [(kindness.get_absolute_url(), 302)]
        assert said in answer.content.decode()
    assert str(held.unit.instruction) not in answer.content.decode()


def test_htmx_gets_the_desk_and_the_queue_gets_words(client: Client, kindness: Campaign, ada: Annotator) -> None:
    form = {"assignment": worlds.claimed(ada, kindness).pk, "words": "Odd."}
    part = client.post(reverse("flag", args=[kindness.slug]), form, headers=PART).content.decode()
    assert "<html" not in part
    assert "will look at it" in part
    for name in ("flag", "ask", "report"):
        answer = client.post(reverse(name, args=[kindness.slug]), form, headers=QUEUE).json()
        assert answer["words"]
        assert answer["good"]


def test_the_limit_is_said(client: Client, kindness: Campaign, ada: Annotator, settings: Settings) -> None:
    settings.ILLEGAL_REPORTS_PER_DAY = 0
    form = {"assignment": worlds.claimed(ada, kindness).pk}
    answer = client.post(reverse("report", args=[kindness.slug]), form, headers=QUEUE).json()
    assert "stays until a curator has looked at it" in answer["words"]
    assert not answer["good"]


def test_a_question_from_the_guidelines_leads_back_to_them(client: Client, kindness: Campaign, ada: Annotator) -> None:
    address = reverse("ask", args=[kindness.slug])
    answer = client.post(address, {"words": "What of irony?"})
    assert answer["Location"] == reverse("guidelines", args=[kindness.slug])
    assert Question.objects.get().unit is None
    page = client.post(address, {"words": " "}, follow=True).content.decode()
    assert "Say what it is about." in page
    assert Question.objects.count() == 1


def test_what_is_not_theirs_is_not_found(client: Client, kindness: Campaign, ada: Annotator) -> None:
    theirs = worlds.claimed(worlds.person("bob"), kindness)
    for name in ("flag", "ask", "report"):
        for number in (theirs.pk, "x"):
            form = {"assignment": number, "words": "Odd."}
            assert client.post(reverse(name, args=[kindness.slug]), form).status_code == 404
        form = {"assignment": theirs.pk, "words": "Odd."}
        heard = client.post(reverse(name, args=[kindness.slug]), form, headers=QUEUE)
        assert (heard.status_code, heard["Content-Type"]) == (404, "application/json")
    answer = client.post(reverse("flag", args=[kindness.slug]), {"assignment": theirs.pk}, headers=QUEUE)
    assert answer.status_code == 422


# --- Admin ------------------------------------------------------------------------------------------------------------


def test_curators_close_flags_the_open_ones_first(admin: Client, kindness: Campaign) -> None:
    bob = worlds.person("bob")
    first = remarks.flag(bob, worlds.vote(bob, kindness).pk, "First.")
    second = remarks.flag(bob, worlds.vote(bob, kindness).pk, "Second.")
    page = reverse("admin:annotate_flag_change", args=[second.pk])
    assert "This field is required" in admin.post(page, {"outcome": ""}).content.decode()
    assert admin.post(page, {"outcome": "Split."}).status_code == 302
    second.refresh_from_db()
    assert (second.outcome, second.closed_by and second.closed_by.username) == ("Split.", "root")
    listed = admin.get(reverse("admin:annotate_flag_changelist")).content.decode().partition('id="result_list"')[2]
    assert listed.index("First.") < listed.index("Second.")
    admin.post(page, {"outcome": "Otherwise."})
    second.refresh_from_db()
    assert second.outcome == "Split."
    assert list(Flag.objects.open()) == [first]


def test_curators_do_not_see_there_what_nobody_may_see(admin: Client, kindness: Campaign) -> None:
    bob = worlds.person("bob")
    held = worlds.claimed(bob, kindness)
    flag, question = remarks.flag(bob, held.pk, "Odd."), remarks.ask(bob, kindness, held.pk, "Why?")
    text = str(held.unit.instruction)
    pages = [
        reverse("admin:annotate_flag_changelist"),
        reverse("admin:annotate_flag_change", args=[flag.pk]),
        reverse("admin:annotate_question_changelist"),
        reverse("admin:annotate_question_change", args=[question.pk]),
    ]
    assert all(text in admin.get(page).content.decode() for page in pages)
    removals.report(held.unit.instruction, bob)
    assert all(text not in admin.get(page).content.decode() for page in pages)


def test_curators_answer_questions_and_may_answer_anew(admin: Client, kindness: Campaign) -> None:
    bob = worlds.person("bob")
    asked = remarks.ask(bob, kindness, None, "Why?")
    page = reverse("admin:annotate_question_change", args=[asked.pk])
    for words in ("So.", "Because."):
        assert admin.post(page, {"answer": words}).status_code == 302
    asked.refresh_from_db()
    assert (asked.answer, asked.answered_by and asked.answered_by.username) == ("Because.", "root")
    assert "This field is required" in admin.post(page, {"answer": ""}).content.decode()
