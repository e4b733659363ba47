from types import SimpleNamespace

import pytest

from annotate import keys
from annotate.errors import KeysRefused
from labels import taxonomy

LABELS = [
    SimpleNamespace(code="casual", name="casual", key="1"),
    SimpleNamespace(code="hate", name="hate", key="h"),
]


def test_it_gives_the_usual_keys_to_who_chose_none() -> None:
    ada = SimpleNamespace(keys={})
    assert keys.effective(ada, LABELS) == {"label:casual": "1", "label:hate": "h", **keys.ACTIONS}


def test_it_gives_people_their_own_keys() -> None:
    ada = SimpleNamespace(keys={"label:hate": "x", "undo": "z", "label:gone": "q", "skip": "not a key"})
    found = keys.effective(ada, LABELS)
    assert (found["label:hate"], found["undo"], found["skip"]) == ("x", "z", "Escape")
    assert "label:gone" not in found


def test_it_takes_no_key_from_somebody_for_a_label_that_came_later() -> None:
    ada = SimpleNamespace(keys={"undo": "h"})
    found = keys.effective(ada, LABELS)
    assert (found["undo"], found["label:hate"]) == ("h", "")


def test_it_gives_no_key_to_two_actions() -> None:
    ada = SimpleNamespace(keys={"undo": "h", "note": "h", "flag": "1"})
    given = [key for key in keys.effective(ada, LABELS).values() if key]
    assert len(given) == len(set(given))


def test_it_keeps_only_what_differs() -> None:
    assert keys.changed({"undo": "U", "skip": "escape", "label:hate": "X", "note": ""}, LABELS) == {"label:hate": "x"}
    assert keys.changed({"undo": "h", "label:hate": "u"}, LABELS) == {"undo": "h", "label:hate": "u"}


@pytest.mark.parametrize("chosen", [{"undo": "h"}, {"undo": "x", "note": "X"}, {"undo": "Tab"}, {"undo": "ab"}])
def test_it_refuses_keys_that_are_none_or_serve_two(chosen: dict[str, str]) -> None:
    with pytest.raises(KeysRefused):
        keys.changed(chosen, LABELS)


def test_it_names_both_actions_that_would_have_one_key() -> None:
    with pytest.raises(KeysRefused, match="“H” would do two things: “hate” and “A note”") as refused:
        keys.changed({"note": "h"}, LABELS)
    assert refused.value.actions == ("label:hate", "note")


def test_it_has_words_for_every_action_and_no_key_that_a_label_could_have() -> None:
    assert keys.WORDS.keys() == keys.ACTIONS.keys()
    usual = set(keys.ACTIONS.values()) - taxonomy.RESERVED_KEYS
    assert not any(len(key) == 1 and (key.isalpha() or key in "123456789") for key in usual)
