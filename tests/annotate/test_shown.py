import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.shown import FEW, FOLD, ShownTurn, fold, shown
from sources.rows import Turn

DIALOGUE: list[Turn] = [{"role": role, "text": str(number)} for number, role in enumerate(["human", "bot"] * 3)]


def texts(turns: list[ShownTurn]) -> str:
    return "".join(turn.text for turn in turns)


@pytest.mark.parametrize(
    ("target", "parts"),
    [("prompt", ("012", "34", "5")), ("reply", ("0123", "45", "")), ("dialogue", ("", "012345", ""))],
)
def test_it_shows_what_is_judged_and_the_turn_before(target: str, parts: tuple[str, str, str]) -> None:
    text = shown(DIALOGUE, target)
    assert (texts(text.earlier), texts(text.near), texts(text.later)) == parts
    assert text.is_dialogue


def test_it_shows_a_single_turn_alone() -> None:
    text = shown(DIALOGUE[:1], "prompt")
    assert (text.near, text.is_dialogue) == ([ShownTurn("human", True, "0", "")], False)


def test_it_shows_everything_where_nothing_can_be_judged() -> None:
    assert texts(shown(DIALOGUE[:1], "reply").near) == "0"


@given(st.text(max_size=50), st.integers(0, 400))
def test_it_folds_without_losing_a_character(piece: str, times: int) -> None:
    text = piece * times
    head, rest = fold(text)
    assert head + rest == text
    assert bool(rest) == (len(text) > FOLD + FEW)


def test_it_folds_at_a_space() -> None:
    head, rest = fold("word " * 400)
    assert head.endswith("word ")
    assert rest.startswith("word ")


@pytest.mark.parametrize("cluster", ["👩🏽\u200d🚒", "e\u0301\u0323", "🏳️\u200d🌈", "🇯🇵"])
def test_it_folds_no_character_in_two(cluster: str) -> None:
    for shift in range(len(cluster)):
        head, _ = fold("x" * shift + cluster * 900)
        assert shift == 0 or head[shift:] == cluster * ((len(head) - shift) // len(cluster))
