"""Label sets are read from TOML, and every mistake is told with file, field and remedy."""

from pathlib import Path

import pytest

from labels import taxonomy
from labels.taxonomy import DARK_SURFACES, LIGHT_SURFACES, LabelSetSpec, LabelSpec, TaxonomyError, contrast
from tests.labels.specs import SHIPPED

LABEL = """
[[{kind}]]
code = "{code}"
name = "{name}"
key = "{key}"
colour_light = "#1B6E3C"
colour_dark = "#6fd08c"
definition = "What it means."
guideline = '''
Help for the
boundary.
'''
yes_examples = ["yes 1", "yes 2"]
no_examples = ["no 1", "no 2"]
"""
VALID = (
    """
name = "small"
revision = 3
title = "Small"
question = "What is it?"
ordinal = true
rule = "median"
published = ["fine", "not fine"]
"""
    + LABEL.format(kind="options", code="fine", name="fine", key="1")
    + LABEL.format(kind="options", code="not-fine", name="not fine", key="2")
    + LABEL.format(kind="tags", code="rude", name="rude", key="r")
)
TAG = LABEL.format(kind="tags", code="rude", name="rude", key="r")


def written(folder: Path, text: str) -> Path:
    path = folder / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_it_reads_every_field(tmp_path: Path) -> None:
    spec = taxonomy.read(written(tmp_path, VALID))
    assert (spec.name, spec.revision, spec.title, spec.question) == ("small", 3, "Small", "What is it?")
    assert (spec.ordinal, spec.rule, spec.published) == (True, "median", ("fine", "not fine"))
    assert spec.option_names == ("fine", "not fine")
    assert spec.tags == (
        LabelSpec(
            code="rude",
            name="rude",
            key="r",
            colour_light="#1b6e3c",
            colour_dark="#6fd08c",
            definition="What it means.",
            guideline="Help for the boundary.",
            yes_examples=("yes 1", "yes 2"),
            no_examples=("no 1", "no 2"),
        ),
    )


def test_it_reads_a_set_without_tags(tmp_path: Path) -> None:
    assert taxonomy.read(written(tmp_path, VALID.replace(TAG, ""))).tags == ()


def test_it_gives_the_same_digest_however_the_file_was_typed(tmp_path: Path) -> None:
    first = taxonomy.read(written(tmp_path, VALID))
    retyped = VALID.replace("Help for the\nboundary.", "Help  for\nthe boundary.").replace("#1B6E3C", "#1b6e3c")
    assert taxonomy.read(written(tmp_path, retyped + "# a comment\n")).digest == first.digest
    assert len(first.digest) == 64


@pytest.mark.parametrize(
    ("old", "new"),
    [("revision = 3", "revision = 4"), ("Help for the", "Hints for the"), ('"yes 2"', '"yes 3"'), ('"r"', '"q"')],
)
def test_it_gives_another_digest_for_other_content(tmp_path: Path, old: str, new: str) -> None:
    first = taxonomy.read(written(tmp_path, VALID))
    assert taxonomy.read(written(tmp_path, VALID.replace(old, new))).digest != first.digest


MISTAKES = {
    "missing": ('title = "Small"\n', "", "field title: is missing; add it"),
    "missing in a label": ('name = "rude"\n', "", "field tags[1].name: is missing; add it"),
    "unknown": ("revision = 3", "revision = 3\ncolor = 1", "field color: is not known; remove it or use one of name,"),
    "unknown in a label": ('key = "r"', 'key = "r"\nhint = ""', "field tags[1].hint: is not known; remove it"),
    "code twice": ('code = "rude"', 'code = "fine"', "field tags[1].code: 'fine' is also that of options[1]; use"),
    "name twice": ('name = "rude"', 'name = "not fine"', "tags[1].name: 'not fine' is also that of options[2]"),
    "key twice": ('key = "2"', 'key = "1"', "field options[2].key: '1' is also that of options[1]; use another"),
    "key of an option": ('key = "2"', 'key = "b"', "options[2].key: 'b' does not fit; use one digit from 1 to 9"),
    "key of a tag": ('key = "r"', 'key = "7"', "tags[1].key: '7' does not fit; use one lower-case letter"),
    "long key": ('key = "r"', 'key = "rr"', "tags[1].key: 'rr' does not fit"),
    "reserved key": ('key = "r"', 'key = "u"', "tags[1].key: 'u' is reserved for the page's own commands; use another"),
    "rule": ('"median"', '"mean"', "field rule: 'mean' is not known; use one of fresh-readers, median"),
    "order": ("ordinal = true", "ordinal = false", "field ordinal: is false, but rule 'median' needs an order"),
    "truth": ("ordinal = true", "ordinal = 1", "field ordinal: 1 is not a truth value; write true or false"),
    "revision": ("revision = 3", "revision = 0", "revision: 0 is not a whole number from 1; count revisions"),
    "revision as text": ("revision = 3", 'revision = "3"', "field revision: '3' is not a whole number"),
    "revision as truth": ("revision = 3", "revision = true", "field revision: True is not a whole number"),
    "not a slug": ('name = "small"', 'name = "Small Set"', "field name: 'Small Set' is not a slug; use lower-case"),
    "code not a slug": ('code = "rude"', 'code = "-rude"', "field tags[1].code: '-rude' is not a slug"),
    "median publishes": ('["fine", "not fine"]', '["fine", "bad"]', "published: differs from the options' names"),
    "published twice": ('["fine", "not fine"]', '["fine", "fine"]', "published[2]: 'fine' is there twice; remove one"),
    "published tag": ('["fine", "not fine"]', '["fine", "rude"]', "published[2]: 'rude' is also a tag; rename the tag"),
    "published as text": ('["fine", "not fine"]', '"fine"', 'field published: is not a list of texts; write ["...'),
    "fresh readers": ('"median"', '"fresh-readers"', "options: has 2; rule 'fresh-readers' counts three"),
    "no colour": ('"#6fd08c"', '"green"', "options[1].colour_dark: 'green' is not a colour; write it as #rrggbb"),
    "pale": ('"#1B6E3C"', '"#6fd08c"', "colour_light: #6fd08c on the page's #ffffff has a contrast of 1.90; choose a"),
    "dull": ('"#6fd08c"', '"#1b6e3c"', "colour_dark: #1b6e3c on the page's #15171c has a contrast of 2.8"),
    "three examples": ('["yes 1", "yes 2"]', '["a", "b", "c"]', "yes_examples: has 3 examples; give exactly 2"),
    "one example": ('["no 1", "no 2"]', '["a"]', "no_examples: has 1 examples; give exactly 2"),
    "number example": ('["no 1", "no 2"]', '["a", 2]', "no_examples[2]: is int, not text; write it in quotes"),
    "empty": ('"What is it?"', '"  "', "field question: is empty; write it"),
    "control": ('"What is it?"', '"a\\u0000b"', "field question: has a control character; remove it"),
    "long": ('"Small"', f'"{"x" * 201}"', "field title: has 201 characters; use at most 200"),
    "one table": ("[[tags]]", "[tags]", "field tags: is not a list of tables; begin each one with a line [[tags]]"),
    "syntax": ("revision = 3", "revision =", "is not TOML: Invalid value (at line 3, column 11); correct that line"),
}


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES.values(), ids=MISTAKES)
def test_it_names_file_field_and_remedy(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in VALID
    path = written(tmp_path, VALID.replace(old, new, 1))
    with pytest.raises(TaxonomyError) as raised:
        taxonomy.read(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_it_asks_for_two_options(tmp_path: Path) -> None:
    second = LABEL.format(kind="options", code="not-fine", name="not fine", key="2")
    with pytest.raises(TaxonomyError, match=r"field options: has 1; declare at least two\."):
        taxonomy.read(written(tmp_path, VALID.replace(second, "")))


def test_it_asks_for_published_labels_that_fit_fresh_readers(tmp_path: Path) -> None:
    third = LABEL.format(kind="options", code="awful", name="awful", key="3")
    text = VALID.replace("median", "fresh-readers").replace(TAG, third)
    with pytest.raises(
        TaxonomyError, match=r"field published: does not fit the options; rule 'fresh-readers' publishes"
    ):
        taxonomy.read(written(tmp_path, text))
    five = '["fine", "possibly not fine", "probably not fine", "not fine", "awful"]'
    assert taxonomy.read(written(tmp_path, text.replace('["fine", "not fine"]', five))).published[4] == "awful"


def test_it_says_what_to_do_without_the_file(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match=r"none\.toml: cannot be read \(No such file or directory\); give the path"):
        taxonomy.read(tmp_path / "none.toml")
    with pytest.raises(TaxonomyError, match=r"cannot be read \(Is a directory\)"):
        taxonomy.read(tmp_path)


def test_it_refuses_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_bytes(b'name = "caf\xe9"')
    with pytest.raises(TaxonomyError, match=r"small\.toml: byte 11 is not UTF-8; save the file as UTF-8\."):
        taxonomy.read(path)


@pytest.mark.parametrize(
    ("foreground", "background", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_it_computes_contrast_as_wcag_does(foreground: str, background: str, ratio: float) -> None:
    assert contrast(foreground, background) == pytest.approx(ratio, abs=0.005)
    assert contrast(background, foreground) == contrast(foreground, background)


def test_it_ships_the_five_label_sets() -> None:
    assert {name: (len(spec.options), len(spec.tags), spec.rule) for name, spec in SHIPPED.items()} == {
        "convabuse": (5, 0, "median"),
        "hatecheck": (2, 0, "median"),
        "oig-safety": (3, 4, "fresh-readers"),
        "oig-safety-direct": (5, 4, "median"),
        "prosocial-dialog": (3, 0, "fresh-readers"),
    }


def test_it_publishes_oig_moderations_spellings() -> None:
    base = ("casual", "possibly needs caution", "probably needs caution", "needs caution", "needs intervention")
    tags = ("abuse related", "personal information related", "sexual content", "hate")
    for name in ("oig-safety", "oig-safety-direct"):
        assert (SHIPPED[name].published, SHIPPED[name].tag_names) == (base, tags)
    assert SHIPPED["oig-safety"].option_names == ("casual", "needs caution", "needs intervention")
    assert SHIPPED["oig-safety-direct"].tags == SHIPPED["oig-safety"].tags


@pytest.mark.parametrize("spec", SHIPPED.values(), ids=SHIPPED)
def test_it_ships_help_that_is_worth_reading(spec: LabelSetSpec) -> None:
    for label in (*spec.options, *spec.tags):
        assert len(label.definition) <= 140, label.name
        assert len(label.guideline) >= 150, label.name
        assert len({*label.yes_examples, *label.no_examples}) == 4, label.name


@pytest.mark.parametrize("spec", SHIPPED.values(), ids=SHIPPED)
def test_it_ships_colours_that_can_be_read_and_told_apart(spec: LabelSetSpec) -> None:
    labels = (*spec.options, *spec.tags)
    for label in labels:
        assert min(contrast(label.colour_light, surface) for surface in LIGHT_SURFACES) >= 4.5
        assert min(contrast(label.colour_dark, surface) for surface in DARK_SURFACES) >= 4.5
    assert len({label.colour_light for label in labels}) == len({label.colour_dark for label in labels}) == len(labels)


def test_it_ships_guidelines_that_name_the_report_for_what_is_illegal() -> None:
    for name in ("oig-safety", "oig-safety-direct"):
        told = {
            label.code: " ".join(label.guideline.split()) for label in (*SHIPPED[name].options, *SHIPPED[name].tags)
        }
        naming = {code for code, guideline in told.items() if '"Report as illegal", the key !,' in guideline}
        assert naming == {"needs-intervention", "sexual-content"}
        assert not [code for code, guideline in told.items() if "skip" in guideline.lower()]
