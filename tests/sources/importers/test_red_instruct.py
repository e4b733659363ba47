from pathlib import Path

from sources.importers.importer import MAX_ROW
from tests.sources.importers.readers import outcomes, read, rows_of, taken, unique


def test_it_reads_questions_by_subject_and_topic_or_bare() -> None:
    nested = {"science": {"chemistry": ["One?", "Two?"]}}
    rows = taken(rows_of("red-instruct", nested, "Three?"))
    assert outcomes(list(rows)) == ["human: One?", "human: Two?", "human: Three?"]
    assert [row.row for row in rows] == ["line 1, science, chemistry, 1", "line 1, science, chemistry, 2", "line 2"]
    assert rows[0].source_labels == {"subject": "science", "topic": "chemistry"}


def test_it_rejects_what_is_no_question_and_goes_on() -> None:
    broken = {"a": ["One?"], "b": {"c": "Two?", "d": [3, "Four?"]}}
    assert outcomes(rows_of("red-instruct", broken, 5)) == [
        "line 1, a: wrong type",
        "line 1, b, c: wrong type",
        "line 1, b, d, 1: wrong type",
        "human: Four?",
        "line 2: wrong type",
    ]


def test_it_tells_long_names_apart() -> None:
    rows = taken(rows_of("red-instruct", {"x" * 200: {"a": ["One?"], "b": ["Two?"]}}))
    assert len({row.row for row in rows}) == 2
    assert {len(row.row) for row in rows} == {MAX_ROW}


def test_it_reads_the_published_questions(shared_data: Path) -> None:
    nested = taken(read("red-instruct", shared_data / "red_instruct" / "harmfulqa.json"))
    assert len(nested) == len({row.row for row in nested}) == 1_960
    assert unique(nested) == 1_938
    assert len({row.source_labels["subject"] for row in nested}) == 10
    bare = taken(read("red-instruct", shared_data / "red_instruct" / "dangerousqa.json"))
    assert len(bare) == unique(bare) == 200
