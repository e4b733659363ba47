import pytest

from tests.sources.augmenters.parents import marked, parent, rows, texts


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("He hurt himself.", "She hurt herself."),
        ("Is it his? It is hers!", "Is it hers? It is his!"),
        ("her 2 cats and his [NAME]", "his 2 cats and her [NAME]"),
        ("I gave her a book and him his.", "I gave him a book and her hers."),
        ("HIS wife, HER husband", "HER husband, HIS wife"),
        ("The kingdom of man", "The kingdom of woman"),
    ],
)
def test_pronouns_are_swapped_in_their_grammatical_case(said: str, expected: str) -> None:
    assert texts("pronouns", parent(said)) == [expected]


def test_an_entity_is_the_same_other_one_throughout_a_dialogue() -> None:
    record = parent("Is Omar from Paris?", "OMAR is from Paris.", "And not from Oslo?")
    for row in rows("entities", record, {"copies": "10"}):
        first, second, third = (turn["text"].rstrip("?.").split() for turn in row.turns)
        assert first[1].upper() == second[0]
        assert first[3] == second[3] != third[3]


@pytest.mark.parametrize("said", ["a German", "An Italian"])
def test_the_article_follows_the_word(said: str) -> None:
    made = [text.split() for text in texts("entities", parent(said), {"copies": "100"})]
    assert {word.lower() for word, _ in made} == {"a", "an"}
    assert {word.istitle() for word, _ in made} == {said.istitle()}
    assert all((word.lower() == "an") == (name[0] in "AEIO") for word, name in made)


def test_a_word_of_several_meanings_becomes_one_that_has_them_too() -> None:
    # "Polish people" and "the Poles" differ, "Japanese" is both.
    made = texts("entities", parent("The Japanese eat fish."), {"copies": "100"})
    assert {text.split()[1] for text in made} == {"Chinese", "Portuguese", "Vietnamese"}


def test_swaps_leave_addresses_and_personal_information_alone() -> None:
    record = marked("Omar lives in Berlin, 5 Oslo Lane, see https://omar.example/Berlin", address="5 Oslo Lane")
    for text in texts("entities", record, {"copies": "10"}):
        assert "5 Oslo Lane, see https://omar.example/Berlin" in text
        assert not text.startswith("Omar lives in Berlin")


def test_only_the_chosen_kinds_are_swapped() -> None:
    [text] = texts("entities", parent("Emma is from Kenya."), {"kinds": "woman"})
    assert text.endswith(" is from Kenya.")
    assert not text.startswith("Emma")
