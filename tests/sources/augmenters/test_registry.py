import re

import pytest

from sources import augmenters
from sources.augmenters import UnknownAugmenter
from sources.augmenters.augmenter import KEPT, NEEDS_VOTES, Augmenter
from sources.importers.importer import WrongOption
from sources.rows import InstructionRow
from tests.sources.augmenters.parents import ID, parent, rows, texts

KNOWN = augmenters.known()


def test_it_lists_what_there_is_for_an_unknown_name() -> None:
    with pytest.raises(
        UnknownAugmenter, match=r"augmenter 'typo' is not known: did you mean typos\? Known are comment, "
    ):
        augmenters.get("typo")


def test_names_are_short_enough_for_the_identity_of_a_row() -> None:
    longest = max(len(augmenter.name) for augmenter in KNOWN)
    assert len(f"{ID}/{'a' * longest}/00000000/{10**6}") <= 120


@pytest.mark.parametrize("augmenter", KNOWN, ids=lambda augmenter: augmenter.name)
def test_every_augmenter_takes_a_seed_and_says_what_happens_to_the_label(augmenter: Augmenter) -> None:
    names = [option.name for option in augmenter.options]
    assert "seed" in names
    assert set(augmenter.defaults) <= set(names)
    assert augmenter.effect in (KEPT, NEEDS_VOTES)
    assert augmenters.get(augmenter.name) is augmenter


def test_a_row_says_how_it_was_made_and_has_no_vote() -> None:
    record = parent("Please write me a letter.", language="en-GB")
    [row] = rows("leetspeak", record, {"seed": "7", "rate": "1", "copies": "1"})
    assert row.parent == ID
    assert row.votes == ()
    assert row.language == "en-GB"
    assert re.fullmatch(rf"{ID}/leetspeak/[0-9a-f]{{8}}/1", row.row)
    assert row.source_labels == {
        "augmenter": "leetspeak",
        "seed": "7",
        "parameters": {"rate": "1"},
        "changes": [{"kind": "letter", "count": 15}],
    }


def test_more_copies_give_more_rows_behind_the_same_ones() -> None:
    record = parent("Is this a text that is long enough to be mistyped in several ways?")
    few, many = rows("typos", record, {"copies": "2"}), rows("typos", record, {"copies": "5"})
    assert len(few) == 2
    assert len(many) == 5
    assert many[:2] == few


def test_another_seed_or_option_gives_other_rows_of_another_identity() -> None:
    record = parent("Is this a text that is long enough to be mistyped in several ways?")
    made = [rows("typos", record, options)[0] for options in ({}, {"seed": "1"}, {"rate": "0.1"})]
    assert len({row.row for row in made}) == 3
    assert len({row.turns[0]["text"] for row in made}) == 3
    # What is left out has its default.
    assert rows("typos", record, {"seed": "0", "rate": "0.05"}) == rows("typos", record)


def test_it_does_not_look_at_the_instructions_before() -> None:
    records = [parent(f"Text number {number} is not like the others.", id=f"{number:032x}") for number in range(20)]
    one_by_one = {row.row: row for record in records for row in rows("typos", record)}
    reader = augmenters.get("typos").reader({})
    backwards = [row for record in reversed(records) for row in reader.rows("any", record)]
    assert {row.row: row for row in backwards if isinstance(row, InstructionRow)} == one_by_one
    assert len(one_by_one) == 20


def test_equal_texts_of_two_instructions_are_not_changed_alike() -> None:
    text = "Is this a text that is long enough to be mistyped in several ways?"
    assert texts("typos", parent(text, id="0" * 32)) != texts("typos", parent(text, id="1" * 32))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("typos", {"rat": "1"}, r"option 'rat' of typos: is not known: did you mean rate\?"),
        ("typos", {"rate": "2"}, r"'rate' .*: is '2', no share above 0 and at most 1: write rate=0\.1"),
        ("typos", {"rate": "nan"}, "no share above 0"),
        ("typos", {"rate": "some"}, "no share above 0"),
        ("typos", {"copies": "0"}, r"'copies' .*: is '0', no whole number from 1 to 100: write copies=1"),
        ("typos", {"copies": "²"}, "no whole number"),
        ("typos", {"seed": ""}, r"'seed' .*: has no value: write seed=VALUE"),
        ("comment", {"tasks": "reply,polight"}, r"has no task 'polight': did you mean polite\?"),
        ("comment", {"tasks": ","}, "names no task"),
        ("entities", {"kinds": "citys"}, r"has no kind 'citys': did you mean city\?"),
        ("turns", {"copies": "2"}, "'copies' .* is not known"),
    ],
)
def test_it_refuses_options_that_cannot_be_used(name: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(WrongOption, match=message):
        augmenters.get(name).reader(options)
