from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from sources import criteria, jobs, personal, removals, screening
from sources.models import Escalation, Instruction, InstructionState, PersonalFinding, Screening, Source
from sources.rows import Span, Turn
from tests.sources.worlds import imported, jsonl

pytestmark = pytest.mark.django_db

ENGLISH = "Please write to anna@example.org, she reads her letters every morning in the garden."
GERMAN = "Bitte schreib mir bald, ich lese jeden Morgen im Garten meine Briefe und freue mich."


@pytest.fixture
def letters(tmp_path: Path) -> Source:
    """Two letters, of which nobody has said the language."""
    source = Source.objects.create(name="letters", license="MIT")
    imported(source, jsonl(tmp_path / "a.jsonl", [ENGLISH, GERMAN]))
    return source


def screen() -> None:
    for pending in Screening.objects.filter(state="queued"):
        screening.work(pending)


def test_it_finds_languages_and_personal_information(letters: Source) -> None:
    screen()
    assert set(Instruction.objects.values_list("language", flat=True)) == {"en", "de"}
    (found,) = PersonalFinding.objects.all()
    text = found.instruction.turns[found.turn]["text"]
    assert (found.kind, text[found.start : found.end]) == ("email", "anna@example.org")
    done = Screening.objects.get()
    assert (done.state, done.screened, done.findings, done.languages) == ("finished", 2, 1, 2)


def test_it_leaves_the_language_that_the_source_says(tmp_path: Path) -> None:
    imported(Source.objects.create(name="a", license="MIT"), jsonl(tmp_path / "a.jsonl", [ENGLISH]), language="de-AT")
    screen()
    assert Instruction.objects.get().language == "de-AT"


def test_it_may_be_done_again(letters: Source) -> None:
    screen()
    before = list(PersonalFinding.objects.values_list("instruction", "turn", "start", "end", "kind"))
    assert screening.request_all() == 1
    screen()
    assert list(PersonalFinding.objects.values_list("instruction", "turn", "start", "end", "kind")) == before


def test_it_looks_at_nothing_that_was_taken_out(letters: Source) -> None:
    removals.report(english(), by=None, reason="illegal")
    screen()
    assert not PersonalFinding.objects.exists()
    assert Screening.objects.get().screened == 1


def english() -> Instruction:
    return next(each for each in Instruction.objects.all() if each.turns and each.turns[0]["text"] == ENGLISH)


def test_it_looks_at_what_was_hidden_when_it_is_released(letters: Source) -> None:
    escalation = removals.report(english(), by=None)
    screen()
    assert not PersonalFinding.objects.exists()
    removals.decide(escalation, Escalation.State.RELEASED)
    (queued,) = Screening.objects.filter(state="queued")
    assert (queued.lowest, queued.highest) == (english().pk, english().pk)
    screen()
    assert PersonalFinding.objects.get().instruction == english()


def test_it_keeps_what_was_found_in_a_text_that_is_hidden(letters: Source) -> None:
    screen()
    before = list(PersonalFinding.objects.values_list("pk", flat=True))
    removals.report(english(), by=None)
    screening.request_all()
    screen()
    assert list(PersonalFinding.objects.values_list("pk", flat=True)) == before


@pytest.mark.django_db(transaction=True)
def test_a_take_down_in_the_middle_of_it_leaves_nothing(letters: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, real = english(), personal.spans

    def spans(turns: list[Turn]) -> Iterable[Span]:
        if turns[0]["text"] == ENGLISH:
            with ThreadPoolExecutor(1) as other:
                other.submit(taken_down, gone).result()
        return real(turns)

    monkeypatch.setattr(personal, "spans", spans)
    screen()
    assert not PersonalFinding.objects.exists()
    gone.refresh_from_db()
    assert (gone.state, gone.language) == (InstructionState.REMOVED, "")
    assert Screening.objects.get().screened == 1


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_it_who_hides_what_it_has_seen(letters: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Instruction.objects.order_by("pk")
    real = personal.spans

    def spans(turns: list[Turn]) -> Iterable[Span]:
        if turns == second.turns:
            with ThreadPoolExecutor(1) as other:
                other.submit(taken_down, first).result()
        return real(turns)

    monkeypatch.setattr(personal, "spans", spans)
    monkeypatch.setattr(screening, "BATCH", 1)
    screen()
    assert not PersonalFinding.objects.filter(instruction=first).exists()
    done = Screening.objects.get()
    assert (done.state, done.screened, done.languages) == ("finished", 2, 2)


def taken_down(instruction: Instruction) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '5s'")
    removals.take_down(criteria.by_ids([instruction.public_id]), "it says who she is")
    connection.close()


def test_it_gives_up_what_kills_its_workers(letters: Source) -> None:
    Screening.objects.update(attempts=jobs.FRUITLESS_ATTEMPTS)
    screen()
    failed = Screening.objects.get()
    assert (failed.state, failed.error) == ("failed", "the worker was lost 5 times in a row: see its log")
    assert list(jobs.waiting(timezone.now())) == []
