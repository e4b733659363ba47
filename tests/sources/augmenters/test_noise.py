import pytest

from tests.sources.augmenters.parents import marked, parent, rows, texts

NOISES = ("typos", "leetspeak", "homoglyphs", "spacing", "case", "emoji")
KEPT = (
    "[NAME] [Phone_number] <EMAIL_1> {placeholder} {{name}} https://example.org/kill?a=b www.example.org "
    "rosa@example.org @rosa `rm -rf /`"
)


@pytest.mark.parametrize("name", NOISES)
def test_it_leaves_placeholders_addresses_and_code_alone(name: str) -> None:
    made = texts(name, parent(f"Look at this: {KEPT}"), {"rate": "1", "copies": "5"})
    assert made
    for part in KEPT.split():
        assert all(part in text for text in made)


@pytest.mark.parametrize("name", NOISES)
def test_it_leaves_personal_information_alone(name: str) -> None:
    record = marked(
        "Call Rosa Luz tonight at oh three oh ninety eighteen, she is at home", phone="oh three oh ninety eighteen"
    )
    made = texts(name, record, {"rate": "1", "copies": "5"})
    assert made
    assert all("oh three oh ninety eighteen" in text for text in made)


@pytest.mark.parametrize("name", NOISES)
def test_it_leaves_what_the_assistant_says_alone(name: str) -> None:
    for row in rows(name, parent("Tell me about it", "This is about it", "And then?"), {"rate": "1", "copies": "5"}):
        assert [turn["role"] for turn in row.turns] == ["human", "bot", "human"]
        assert row.turns[1]["text"] == "This is about it"


@pytest.mark.parametrize("name", NOISES)
def test_it_makes_nothing_of_what_only_consists_of_placeholders(name: str) -> None:
    record = parent("[NAME]") if name != "emoji" else parent("Who?", "[NAME]")
    assert len(texts(name, record)) == (name == "emoji")


@pytest.mark.parametrize(
    ("text", "broken"),
    [("क्षत्रिय पड़ोसी हैं", "\u094d\u093f\u0947\u093c"), ("e\u0301te\u0301 a\u0300 la\u0300", "\u0301\u0300")],
)
def test_typos_do_not_part_a_letter_from_its_marks(text: str, broken: str) -> None:
    pairs = {text[at - 1 : at + 1] for at, mark in enumerate(text) if mark in broken}
    for made in texts("typos", parent(text), {"rate": "1", "copies": "20"}):
        assert {made[at - 1 : at + 1] for at, mark in enumerate(made) if mark in broken} <= pairs


def test_the_rate_says_how_much_is_changed() -> None:
    text = "abcdefghij" * 20
    changed = {
        rate: sum(
            now != before
            for now, before in zip(texts("homoglyphs", parent(text), {"rate": rate})[0], text, strict=True)
        )
        for rate in ("0.1", "0.5", "1")
    }
    assert changed == {"0.1": 10, "0.5": 50, "1": 100}


def test_changes_are_counted_by_kind() -> None:
    [row] = rows("typos", parent("Is this a text that is long enough to be mistyped in several ways?"), {"rate": "0.2"})
    assert sum(change["count"] for change in row.source_labels["changes"]) == 10
    assert {change["kind"] for change in row.source_labels["changes"]} <= {"neighbour", "doubled", "dropped", "swapped"}


def test_a_typo_keeps_capitals() -> None:
    for text in texts("typos", parent("ABCDEFGHIJKLMNOP"), {"rate": "0.5", "copies": "20"}):
        assert text == text.upper()
