import re

import pytest

from sources import importers, mapping
from sources.importers.importer import Importer
from tests import ROOT

PAGE = (ROOT / "docs/formats.md").read_text()
GENERAL = {"Not verified", "Label mapping"}


def section(heading: str) -> str:
    """What stands under a heading of the second level."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("importer", importers.known(), ids=lambda importer: importer.name)
def test_it_describes_every_option_of_a_format_and_no_other(importer: Importer) -> None:
    assert re.findall(r"^- `(\w+)`", section(importer.name), re.MULTILINE) == [o.name for o in importer.options]
    assert ("No options." in section(importer.name)) == (not importer.options)


@pytest.mark.parametrize("importer", importers.known(), ids=lambda importer: importer.name)
def test_it_has_an_example_of_every_format(importer: Importer) -> None:
    assert re.search(r"^    \S", section(importer.name), re.MULTILINE)


def test_it_describes_no_format_that_is_not_there() -> None:
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert set(headings) == {importer.name for importer in importers.known()} | GENERAL


def test_it_names_the_licence_and_the_label_set_of_every_format() -> None:
    rows = dict(re.findall(r"^\| \[([\w-]+)\]\(#\1\) \| (\S+) ", PAGE, re.MULTILINE))
    licenses = {importer.name: importer.license for importer in importers.known() if importer.license}
    assert {name: written for name, written in rows.items() if name in licenses} == licenses
    assert set(rows) == {importer.name for importer in importers.known()}
    for importer in importers.known():
        if importer.label_set:
            assert f"label set `{importer.label_set}`" in " ".join(section(importer.name).split())


def test_it_lists_every_format_that_was_not_tried_on_the_published_file() -> None:
    listed = re.findall(r"^- \*\*([\w-]+)\*\*", section("Not verified"), re.MULTILINE)
    assert listed == [importer.name for importer in importers.known() if importer.unverified]


def test_its_example_of_a_mapping_is_one() -> None:
    example = re.search(r"```toml\n(.+?)```", section("Label mapping"), re.DOTALL)
    assert example
    _, label_map = mapping.read(example[1])
    assert label_map.suggest({"safety_label": "unsafe", "identity_attack": 0.5, "new": 1}) == (
        {"label": "needs-caution", "tags": {"abuse-related": 1.0, "hate": 0.5}},
        ["new"],
    )
