from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from exports import card, plots
from labels import taxonomy

SPEC = taxonomy.read(taxonomy.SHIPPED / "oig-safety.toml")
GOLDEN = Path(__file__).parent / "golden"
HOSTILE = "</table>\n\n---\n# Injected | <img src=x onerror=alert(1)> [click](javascript:alert(1)) `$x$` ${{y}}"
CELL_END, MARKUP = re.compile(r"(?<!\\)\|"), re.compile(r"(?<!\\)[<\[`$]")
LINK = re.compile(r"<[^<>\s|]+>(?= \|$)")
BOTH = ["human-annotation", "simulated-annotation"]
MANIFEST: dict[str, Any] = {
    "label_set": {"name": "oig-safety", "revision": 1, "rule": "fresh-readers"},
    "target": "prompt",
    "left_out": {"votes": {}, "instructions": {}},
    "personal_information": "as it is",
    "contact": "safety@example.org",
    "files": {},
}


def statistics() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / "OIG_safety_v0.3.stats.json").read_text())
    return found


def head(text: str) -> dict[str, Any]:
    """The YAML between the first two lines of dashes, as the hub reads it."""
    _, written, _ = text.split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(written)
    return found


def rendered(found: dict[str, Any]) -> str:
    return card.render("OIG_safety_v0.3", MANIFEST, found, SPEC)


def with_source(found: dict[str, Any], **facts: str) -> dict[str, Any]:
    by_source = found["by_source"]
    return {**found, "by_source": {**by_source, "letters@1": {**by_source["letters@1"], **facts}}}


def test_it_has_a_head_that_the_hub_reads() -> None:
    assert head(rendered(statistics())) == {
        "pretty_name": "OIG_safety_v0.3",
        "language": ["ar", "en"],
        "license": "cc-by-4.0",
        "task_categories": ["text-classification"],
        "tags": ["safety", "moderation", "content-moderation", *BOTH, "not-for-all-audiences"],
        "size_categories": ["n<1K"],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "train", "path": "OIG_safety_v0.3.jsonl"}]},
        ],
    }


@pytest.mark.parametrize(("simulated", "tags"), [(0, BOTH[:1]), (1, BOTH), (39, BOTH[1:])])
def test_it_says_in_its_tags_who_voted(simulated: int, tags: list[str]) -> None:
    found = head(rendered({**statistics(), "simulated_votes": simulated}))["tags"]
    assert [tag for tag in found if tag.endswith("-annotation")] == tags


@pytest.mark.parametrize(
    ("instructions", "category"),
    [(999, "n<1K"), (1_000, "1K<n<10K"), (66_200, "10K<n<100K"), (999_999, "100K<n<1M"), (1_000_000, "n>1M")],
)
def test_it_names_the_size(instructions: int, category: str) -> None:
    assert head(rendered({**statistics(), "instructions": instructions}))["size_categories"] == [category]


def test_it_names_languages_by_their_codes_alone() -> None:
    languages = {"pt-BR": 1, "pt": 2, "und": 3, "gsw": 1, "english": 1, "x": 1, "\x7f": 1, "": 1}
    assert head(rendered({**statistics(), "languages": languages}))["language"] == ["gsw", "pt"]


def test_it_says_other_of_a_licence_without_an_identifier() -> None:
    assert head(rendered(with_source(statistics(), license="ask the author\n# x")))["license"] == "other"


@pytest.mark.parametrize("field", ["name", "revision", "license", "attribution", "address"])
def test_it_takes_no_markup_from_the_facts_of_a_source(field: str) -> None:
    plain, text = rendered(statistics()), rendered(with_source(statistics(), **{field: HOSTILE}))
    assert set(head(text)) == set(head(plain))
    changed = [pair for pair in zip(plain.splitlines(), text.splitlines(), strict=True) if "Injected" in pair[1]]
    assert changed
    for before, after in changed:
        assert len(CELL_END.findall(after)) == len(CELL_END.findall(before))
        assert not MARKUP.search(LINK.sub("", after).replace("`letters@1`", ""))


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/a_b",
        "HTTP://evil.example",
        "www.evil.example",
        "a.b@evil.example",
        "mailto:a@evil.example",
    ],
)
@pytest.mark.parametrize("frame", ["{}", "see ({}), or", "`{}`", "``{}| x", "\\{}\\", "{0}`{0}"])
def test_it_makes_no_link_of_what_looks_like_an_address(link: str, frame: str) -> None:
    text = frame.format(link)
    plain, found = rendered(statistics()), rendered(with_source(statistics(), attribution=text))
    ((before, after),) = [
        pair for pair in zip(plain.splitlines(), found.splitlines(), strict=True) if "evil" in pair[1].lower()
    ]
    parsed = MarkdownIt("commonmark").parseInline(after)[0].children or []
    assert [token.content for token in parsed if token.type == "code_inline" and "evil" in token.content.lower()]
    assert not any("evil" in token.content.lower() for token in parsed if token.type == "text")
    assert len(CELL_END.findall(after)) == len(CELL_END.findall(before))
    assert text in "".join(token.content for token in parsed)


def test_it_says_of_how_much_agreement_was_computed() -> None:
    assert "| Gwet's AC1 | 0.748 | none | 14 | 37 | unknown | " in rendered(statistics())


def test_it_takes_no_markup_from_languages() -> None:
    text = rendered({**statistics(), "languages": {"<b>|x": 16}})
    assert r"| \<b\>\|x | 16 | 100.0% |" in text


def test_it_links_the_address_of_a_source() -> None:
    assert "| <https://example.org/a_b?c=%20d> |" in rendered(
        with_source(statistics(), address="https://example.org/a_b?c=%20d")
    )


def test_it_warns_of_simulated_and_of_anonymous_votes() -> None:
    plain = statistics() | {"simulated_votes": 0}
    plain["annotators"] = {**plain["annotators"], "unidentified_votes": 0}
    assert card.warnings(plain) == []
    assert "**Warning.**" not in rendered(plain)
    assert [warning[:16] for warning in card.warnings(statistics())] == ["Simulated: 1 of ", "Some votes came "]


def test_it_says_undefined_with_the_reason() -> None:
    found = statistics()
    found["base"]["gwet_ac1"] |= {"value": None, "reason": "no unit has two votes"}
    assert "| Gwet's AC1 | undefined: no unit has two votes |" in rendered(found)


def test_it_names_whom_to_ask_for_a_take_down() -> None:
    assert "write to <safety@example.org>" in rendered(statistics())
    assert "of those who publish this release" in card.render("v", {**MANIFEST, "contact": ""}, statistics(), SPEC)


def test_it_has_every_section_that_a_data_statement_asks_for() -> None:
    titles = [line[3:] for line in rendered(statistics()).splitlines() if line.startswith("## ")]
    assert titles == [
        "Use",
        "Composition",
        "Collection",
        "Annotators",
        "How to read a line",
        "Agreement",
        "Labels",
        "Guidelines",
        "Known limits",
        "Take-down",
        "Sources, licences and attribution",
    ]


def test_it_shows_every_plot() -> None:
    found = statistics()
    shown = re.findall(r"^!\[[^\]]+\]\((.+)\)$", rendered(found), re.MULTILINE)
    assert sorted(shown) == sorted(f"OIG_safety_v0.3.{plot.name}.svg" for plot in plots.plots(found))
