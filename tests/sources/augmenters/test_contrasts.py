from tests.sources.augmenters.parents import parent, rows


def test_each_side_is_said_with_its_kind_and_the_word() -> None:
    safe, unsafe = rows("contrast", parent("Was the bomb ever found?"))
    assert safe.source_labels["changes"][0]["side"] == "safe"
    assert unsafe.source_labels["changes"][0]["side"] == "unsafe"
    assert {row.source_labels["changes"][0]["word"] for row in (safe, unsafe)} == {"blow up"}


def test_the_word_must_be_said_by_the_person_and_stand_alone() -> None:
    assert rows("contrast", parent("What is a skill?", "To kill is none.")) == []
    assert rows("contrast", parent("What is a skill?", "To do well.", "And to kill?"))


def test_it_asks_no_question_that_is_the_instruction() -> None:
    question = "What kills mould on a bathroom ceiling?"
    assert question not in [row.turns[0]["text"] for row in rows("contrast", parent(question), {"copies": "50"})]
