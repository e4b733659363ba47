import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources import texts
from sources.rows import Turn

LIMITS = {"max_characters": 1000, "max_turns": 10}
plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
turns = st.lists(st.builds(Turn, role=st.sampled_from([texts.HUMAN, texts.BOT]), text=plain), min_size=1, max_size=5)


def human(text: str) -> list[Turn]:
    return [Turn(role=texts.HUMAN, text=text)]


def bot(text: str) -> list[Turn]:
    return [Turn(role=texts.BOT, text=text)]


def test_it_gives_one_digest_to_texts_that_differ_in_white_space_and_composition() -> None:
    first, second = human("Café  au\r\nlait "), human("Cafe\u0301 au lait")
    assert texts.digest(first) == texts.digest(second)
    assert len(texts.digest(first)) == texts.DIGEST_BYTES


def test_it_tells_apart_who_speaks_where_turns_end_and_in_which_conversation() -> None:
    said = [
        texts.digest(human("a b")),
        texts.digest(bot("a b")),
        texts.digest(human("a") + human("b")),
        texts.digest(human('a"], ["human", "b')),
        texts.digest(human("a b"), "7"),
        texts.digest(human("a b"), "8"),
        texts.digest(human("A b")),
    ]
    assert len(set(said)) == len(said)


def test_it_keeps_the_digest_of_published_lines() -> None:
    # Published identities hang on this value: another one would break every line ever released.
    assert texts.digest(human("Hello") + bot("Hi")).hex() == "b3ea74a490597d4fadf064ff8e9a0ec6"


def test_it_normalises_line_ends_outer_space_and_drops_empty_turns() -> None:
    assert texts.normalise(human(" a\r\nb\rc \n") + bot(" \n")) == human("a\nb\nc")


@given(turns)
def test_it_normalises_once_and_for_all(said: list[Turn]) -> None:
    once = texts.normalise(said)
    assert texts.normalise(once) == once
    assert texts.digest(once) == texts.digest(texts.normalise(once))


@given(
    st.lists(
        st.tuples(st.sampled_from([texts.HUMAN, texts.BOT]), st.from_regex(r"[a-z][a-z \n]*[a-z]", fullmatch=True))
    )
)
def test_it_reads_back_what_it_writes(said: list[tuple[str, str]]) -> None:
    written = [Turn(role=role, text=text) for role, text in said]
    assert texts.parse_oig(texts.oig_text(written)) == written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<human>: Hello\n<bot>: Hi\n<human>: Bye", human("Hello") + bot("Hi") + human("Bye")),
        ("User: Hello\nAssistant: Hi", human("Hello") + bot("Hi")),
        ("Hello", human("Hello")),
        # A mark inside a line, and marks of the other family, are words that somebody wrote.
        ("<human>: What does User: mean?\nUser: this?", human("What does User: mean?\nUser: this?")),
        ("Ask the\nUser: who?", human("Ask the\nUser: who?")),
        ("Background passage.\n<human>: Who?\n<bot>: She.", human("Background passage.") + human("Who?") + bot("She.")),
        ("<human>: Hello\n<bot>:", human("Hello")),
        ("<human>: a\r\n<bot>: b\r\n", human("a") + bot("b")),
    ],
)
def test_it_parses_the_marks_of_oig(text: str, expected: list[Turn]) -> None:
    assert texts.parse_oig(text) == expected


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([], "empty"),
        (human("\u200b\u200e \n"), "empty"),
        (human("a\0b"), "NUL character"),
        (human("a") + bot("\ud800"), "lone surrogate"),
        (human("a" * 1001), "too long"),
        (human("a" * 501) + bot("b" * 500), "too long"),
        (human("a") * 11, "too many turns"),
    ],
)
def test_it_refuses_what_cannot_be_stored_or_read(said: list[Turn], reason: str) -> None:
    found = texts.refusal(said, **LIMITS)
    assert found is not None
    assert found[0] == reason
    assert ": " in found[1]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "{{ settings.SECRET_KEY }}{% load static %}",
        "'; DROP TABLE sources_instruction; --",
        "\u202eevil\u202c \u2066isolate\u2069",
        "\x1b[31mred",
        "👩‍👩‍👧",
        "?",
    ],
)
def test_it_takes_hostile_texts_as_they_are(text: str) -> None:
    assert texts.refusal(texts.normalise(human(text)), **LIMITS) is None
    assert texts.normalise(human(text)) == human(text)
