from pathlib import Path

import pytest

from sources import duplicates, removals
from sources.errors import SourceError
from sources.models import Instruction, NearDuplicate, Source
from tests.sources.worlds import imported, jsonl

pytestmark = pytest.mark.django_db

LETTERS = [
    "How do I get red wine out of a white tablecloth that my grandmother embroidered?",
    "How do I get red wine out of a white tablecloth that my grandmother embroidered!!",
    "how do i get red wine out of a white table cloth that my grandmother embroidered?",
    "What is the capital of Mongolia, and how cold does it get there in the winter months?",
]


@pytest.fixture(autouse=True)
def letters(tmp_path: Path) -> None:
    imported(Source.objects.create(name="letters", license="MIT"), jsonl(tmp_path / "a.jsonl", LETTERS))


def named() -> dict[str, Instruction]:
    return {each.turns[0]["text"]: each for each in Instruction.objects.all()}


def test_it_stores_who_is_nearly_the_same_as_whom() -> None:
    search = duplicates.search(0.7)
    duplicates.work(search)
    assert (search.state, search.clusters, search.duplicates, search.total) == ("finished", 1, 2, 4)
    wine = {named()[text].pk for text in LETTERS[:3]}
    found = NearDuplicate.objects.all()
    assert {each.representative_id for each in found} == {min(wine)}
    assert {each.instruction_id for each in found} == wine - {min(wine)}
    assert all(0.7 <= each.similarity <= 1 for each in found)


def test_it_looks_at_nothing_that_was_taken_out() -> None:
    removals.report(named()[LETTERS[1]], by=None, reason="illegal")
    search = duplicates.search(0.7)
    duplicates.work(search)
    assert (search.total, search.duplicates) == (3, 1)


def test_it_may_be_done_again_and_leaves_the_other_search_alone() -> None:
    for _ in range(2):
        duplicates.work(duplicates.search(0.7))
    assert NearDuplicate.objects.count() == 4
    done = NearDuplicate.objects.first()
    assert done is not None
    duplicates.work(done.search)
    assert NearDuplicate.objects.count() == 4


@pytest.mark.parametrize("threshold", [0, 0.3, 1.2])
def test_it_refuses_a_similarity_that_it_cannot_find(threshold: float) -> None:
    with pytest.raises(SourceError, match=r"is not from 0\.6 to 1: choose another"):
        duplicates.search(threshold)
