from pathlib import Path

import pytest
from django.utils import timezone

from sources import jobs, removals, screening
from sources.models import Instruction, PersonalFinding, Screening, Source
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
    english = next(each for each in Instruction.objects.all() if each.turns[0]["text"] == ENGLISH)
    removals.report(english, by=None, reason="illegal")
    screen()
    assert not PersonalFinding.objects.exists()
    assert Screening.objects.get().screened == 1


def test_it_gives_up_what_kills_its_workers(letters: Source) -> None:
    Screening.objects.update(attempts=jobs.FRUITLESS_ATTEMPTS)
    screen()
    failed = Screening.objects.get()
    assert (failed.state, failed.error) == ("failed", "the worker was lost 5 times in a row: see its log")
    assert list(jobs.waiting(timezone.now())) == []
