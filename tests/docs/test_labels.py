import re

import pytest

from labels import taxonomy
from labels.aggregation import published_label
from tests import ROOT

PAGE = (ROOT / "docs/labels.md").read_text()
SHIPPED = [taxonomy.read(path) for path in taxonomy.shipped()]


def one_line(text: str) -> str:
    return " ".join(text.split())


def section(spec: taxonomy.LabelSetSpec) -> str:
    """What stands under the heading of a label set."""
    return PAGE.partition(f"\n## Label set: {spec.name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("spec", SHIPPED, ids=lambda spec: spec.name)
def test_it_has_every_label_with_its_key_and_definition_and_no_other(spec: taxonomy.LabelSetSpec) -> None:
    expected = {
        label.name: f"{kind}, key `{label.key}`. {one_line(label.definition)}"
        for kind, labels in (("Option", spec.options), ("Tag", spec.tags))
        for label in labels
    }
    described = re.findall(r"^### (.+)$\n\n((?:.+\n?)+)", section(spec), re.MULTILINE)
    assert {name: one_line(words) for name, words in described} == expected


@pytest.mark.parametrize("spec", SHIPPED, ids=lambda spec: spec.name)
def test_it_has_the_question_and_the_published_labels(spec: taxonomy.LabelSetSpec) -> None:
    words = one_line(section(spec))
    assert f"The question: *{one_line(spec.question)}*" in words
    assert f"Published, mild to severe: {', '.join(f'`{name}`' for name in spec.published)}." in words
    assert f"ule *{spec.rule.replace('-', ' ')}*" in words


def test_it_has_no_label_set_that_is_not_shipped() -> None:
    assert set(re.findall(r"^## Label set: (.+)$", PAGE, re.MULTILINE)) == {spec.name for spec in SHIPPED}


def by_the_table(votes: int, caution: int, intervention: int) -> str | None:
    """The published label that the page's table gives, read from the page itself."""
    rows = re.findall(r"^\| (.+?) \| (?:no label: )?`(.+?)` \|$", PAGE, re.MULTILINE)
    for condition, label in rows:
        code = re.sub(r"(\d)([ain])", r"\1*\2", condition.replace("≥", ">="))
        code = code.replace(", and nobody asked for intervention", " and i == 0").replace("otherwise", "True")
        if eval(code, {"n": votes, "a": caution, "i": intervention}):
            return None if label == "too few votes" else label
    raise AssertionError("no row of the table fits")


def test_its_table_is_the_rule_that_is_computed() -> None:
    spec = next(spec for spec in SHIPPED if spec.name == "oig-safety")
    for votes in range(11):
        for caution in range(votes + 1):
            for intervention in range(caution + 1):
                counts = (votes - caution, caution - intervention, intervention)
                assert by_the_table(votes, caution, intervention) == published_label(spec, counts)[0]
