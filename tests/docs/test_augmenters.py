"""docs/augmenters.md describes every augmenter: its options, their defaults, what becomes of the label, its limits."""

import re

import pytest

from sources import augmenters
from sources.augmenters.augmenter import Augmenter
from sources.augmenters.comments import TEMPLATES
from sources.augmenters.swaps import KINDS
from tests import ROOT

PAGE = (ROOT / "docs/augmenters.md").read_text()
KNOWN = augmenters.known()
COPIES = {"1": "one copy unless given", "2": "two copies unless given"}


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_it_lists_them_in_their_order() -> None:
    table = re.findall(r"^\| \[([\w-]+)\]\(#([\w-]+)\) \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert table == [(augmenter.name, augmenter.name, augmenter.effect) for augmenter in KNOWN]


@pytest.mark.parametrize("augmenter", KNOWN, ids=lambda augmenter: augmenter.name)
def test_it_describes_every_option_and_no_other(augmenter: Augmenter) -> None:
    text = section(augmenter.name)
    described = {
        name
        for names in re.findall(r"^- ((?:`\w+`(?:, )?)+):", text, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    assert described == {option.name for option in augmenter.options}
    for name, default in augmenter.defaults.items():
        [entry] = re.findall(rf"^- [^:\n]*`{name}`.*(?:\n  .*)*", text, re.MULTILINE)
        if name != "seed":  # its default is said once, above
            assert COPIES[default] in entry if name == "copies" else f"`{default}` unless given" in entry


@pytest.mark.parametrize("augmenter", KNOWN, ids=lambda augmenter: augmenter.name)
def test_it_has_an_example_and_limits_and_says_what_becomes_of_the_label(augmenter: Augmenter) -> None:
    text = section(augmenter.name)
    assert "\n> " in text
    assert "→" in text
    assert "\nLimits: " in text
    about = section("Models") if "model" in [option.name for option in augmenter.options] else text
    assert re.search(r"The label (is )?" + augmenter.effect.removeprefix("is "), about)


def test_it_names_every_task_and_kind() -> None:
    assert [task for task in TEMPLATES["en"] if f"`{task}`" not in section("comment")] == []
    assert [kind["name"] for kind in KINDS if f"`{kind['name']}`" not in section("entities")] == []
