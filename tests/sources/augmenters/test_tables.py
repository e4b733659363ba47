"""The word lists and templates are whole: what people may get wrong when they add to them."""

from collections import Counter

from sources.augmenters import comments, contrasts, noise, personal, swaps, tables
from sources.personal import KINDS


def test_every_language_has_every_task_and_names_the_comment_once() -> None:
    tasks = set(comments.TEMPLATES["en"])
    for templates in comments.TEMPLATES.values():
        assert set(templates) == tasks
        assert all(text.count("{comment}") == 1 for text in templates.values())
        assert len(set(templates.values())) == len(tasks)


def test_every_contrast_has_two_sides_and_no_form_is_in_two() -> None:
    forms = Counter(form for contrast in contrasts.CONTRASTS for form in contrast["forms"])
    assert [form for form, count in forms.items() if count > 1] == []
    assert all(form == form.lower() for form in forms)
    questions = Counter(
        question["text"]
        for contrast in contrasts.CONTRASTS
        for side in ("safe", "unsafe")
        for question in contrast[side]
    )
    assert set(questions.values()) == {1}
    assert all(len(contrast["safe"]) >= 2 and len(contrast["unsafe"]) >= 2 for contrast in contrasts.CONTRASTS)


def test_entities_have_a_word_for_every_column_and_no_word_is_of_two() -> None:
    for kind in swaps.KINDS:
        assert all(len(row) == len(kind["columns"]) for row in kind["rows"])
    owners = Counter(name.lower() for entity in swaps.ENTITIES for name in set(entity.names))
    assert [name for name, count in owners.items() if count > 1] == []


def test_what_is_swapped_is_a_word_of_the_list_itself() -> None:
    assert set(swaps.SWAPS.values()) <= {*swaps.SWAPS, "his", "her"}


def test_keys_lie_beside_each_other() -> None:
    assert set(noise.NEIGHBOURS["g"]) == set("fhtyvb")
    assert set(noise.NEIGHBOURS["ф"]) == set("ыйця")
    assert all(letter not in near for letter, near in noise.NEIGHBOURS.items())


def test_a_double_is_of_another_script_and_no_leet_sign_a_letter() -> None:
    assert all(ord(letter) != ord(double) for letter, double in noise.HOMOGLYPHS.items())
    assert all((ord(letter) < 128) != (ord(double) < 128) for letter, double in noise.HOMOGLYPHS.items())
    assert not any(sign.isalpha() for signs in noise.LEETSPEAK.values() for sign in signs)


def test_every_kind_of_personal_information_has_an_invention_and_its_mask_is_known() -> None:
    assert set(KINDS) <= set(personal.INVENTIONS)
    assert {kind: personal.PLACEHOLDERS.get(mask) for kind, mask in KINDS.items()} == {kind: kind for kind in KINDS}
    assert set(personal.PLACEHOLDERS.values()) <= set(personal.INVENTIONS)


def test_a_table_is_toml_of_the_package() -> None:
    assert tables.load("noise")["keyboards"][0]["name"] == "Latin, QWERTY"
