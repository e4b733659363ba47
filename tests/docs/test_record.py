"""docs/record.md has a section for every field of a published line, as it was checked by eye, and for no other."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests import ROOT

PAGE = (ROOT / "docs/record.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
GOLDEN = ROOT / "tests/exports/golden"
LINES = [json.loads(line) for line in (GOLDEN / "OIG_safety_v0.3.jsonl").read_text().split("\n") if line]
# Objects whose keys are the names of a label set, not fields.
BY_LABEL = {"metadata.votes", "metadata.tag_votes", "metadata.distribution", "metadata.distribution_smoothed"}
TYPES = {str: "text", int: "whole number", list: "list of ", dict: "object"}


def fields(record: dict[str, Any], within: str = "") -> Iterator[tuple[str, object]]:
    for key, value in record.items():
        path = f"{within}{key}"
        if isinstance(value, dict) and path not in BY_LABEL:
            yield from fields(value, f"{path}.")
        else:
            yield path, value


FIELDS = dict(fields(LINES[0]))


def test_it_has_a_section_for_every_field_in_the_order_of_the_line() -> None:
    described = [heading for heading in SECTIONS if not heading.startswith("The ")]
    assert described == list(FIELDS)


@pytest.mark.parametrize("path", FIELDS)
def test_it_says_of_each_field_its_type_and_when_it_is_empty(path: str) -> None:
    meaning, *facts = re.split(r"^- (?=Type: |Empty: )", SECTIONS[path], flags=re.MULTILINE)
    assert meaning.strip()
    assert [fact.split(":")[0] for fact in facts] == ["Type", "Empty"]
    assert facts[0].startswith(f"Type: {TYPES[type(FIELDS[path])]}")
    if facts[1].startswith("Empty: never"):
        assert all(dict(fields(line))[path] not in ("", [], {}, None) for line in LINES)


def test_it_describes_the_answers_on_a_tag() -> None:
    for answers in LINES[0]["metadata"]["tag_votes"].values():
        for key in answers:
            assert f"- `{key}`:" in SECTIONS["metadata.tag_votes"]


def test_it_describes_a_turn() -> None:
    for turn in LINES[0]["metadata"]["turns"]:
        assert list(turn) == ["role", "text"]
        assert f"`{turn['role']}`" in SECTIONS["metadata.turns"]


def test_it_names_every_value_that_a_field_can_have() -> None:
    for path in ("metadata.agreement", "metadata.target"):
        for line in LINES:
            assert f"`{dict(fields(line))[path]}`" in SECTIONS[path]
    for line in LINES:
        for answers in line["metadata"]["tag_votes"].values():
            assert f"`{answers['outcome']}`" in SECTIONS["metadata.tag_votes"]


def test_it_names_every_key_of_the_statistics() -> None:
    statistics = json.loads((GOLDEN / "OIG_safety_v0.3.stats.json").read_text())
    entries = "\n".join(re.findall(r"^- (.*?):", SECTIONS["The statistics file"], re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", entries)) == set(statistics)


@pytest.mark.django_db(transaction=True)
def test_it_names_every_key_of_the_manifest() -> None:
    from tests.exports import worlds

    campaign = worlds.campaign("kindness")
    worlds.agreeing(campaign, worlds.source("letters"))
    worlds.published("0.2", campaign)
    manifest = worlds.published("0.3", campaign).manifest
    entries = "\n".join(re.findall(r"^- (.*?):", SECTIONS["The manifest"], re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", entries)) == set(manifest)
