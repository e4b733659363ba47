"""The project's own sample is as its README says. Reads two files; needs no database and no Django."""

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SAMPLE = Path(__file__).parents[2] / "sources" / "sample"
LINES = (SAMPLE / "instructions.jsonl").read_text(encoding="utf-8").splitlines()
INSTRUCTIONS: list[dict[str, Any]] = [json.loads(line) for line in LINES]

BASE_LABELS = ("casual", "needs caution", "needs intervention")
TAGS = ("abuse related", "hate", "personal information related", "sexual content")
MARKUP = re.compile(r"</?\w+[^>]*>|\{\{|\{%|DROP TABLE|\bSELECT\b|```|\*\*|\\textbf|&\w+;")
# Characters that only steer or join others; those named here are wanted in the sample, any other is an accident.
WANTED_CONTROLS = set("\n\t\u200b\u200c\u200d\u202c\u202e")


def texts(instruction: dict[str, Any]) -> list[str]:
    return [turn["text"] for turn in instruction["turns"]]


def whole(instruction: dict[str, Any]) -> str:
    return "\n".join(texts(instruction))


def reads_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(character) in {"R", "AL"} for character in text)


ALL_TEXT = "\n".join(whole(instruction) for instruction in INSTRUCTIONS)


def test_it_has_the_promised_size_and_running_ids() -> None:
    assert 220 <= len(INSTRUCTIONS) <= 240
    assert [row["id"] for row in INSTRUCTIONS] == [f"sample-{n:03d}" for n in range(1, len(INSTRUCTIONS) + 1)]


@pytest.mark.parametrize("row", INSTRUCTIONS, ids=lambda row: row["id"])
def test_it_has_complete_lines(row: dict[str, Any]) -> None:
    assert {"id", "turns", "language", "truth"} <= row.keys() <= {"id", "turns", "language", "truth", "note"}
    roles = [turn["role"] for turn in row["turns"]]
    assert 1 <= len(roles) <= 8
    # Turns alternate and a person speaks first, so there is always an utterance to judge.
    assert roles == ["human", "bot"] * (len(roles) // 2) + ["human"] * (len(roles) % 2)
    assert all(text and text == text.strip() for text in texts(row))
    assert re.fullmatch(r"[a-z]{2,3}", row["language"])
    assert row["truth"].keys() == {"base", "tags", "clarity"}
    assert row["truth"]["base"] in BASE_LABELS
    assert set(row["truth"]["tags"]) <= set(TAGS)
    assert len(row["truth"]["tags"]) == len(set(row["truth"]["tags"]))
    assert 0.4 <= row["truth"]["clarity"] <= 1.0


def test_it_repeats_no_text() -> None:
    seen = Counter(" ".join(unicodedata.normalize("NFC", whole(row)).split()) for row in INSTRUCTIONS)
    assert [text for text, times in seen.items() if times > 1] == []


@pytest.mark.parametrize(("base", "share"), [("casual", 0.45), ("needs caution", 0.35), ("needs intervention", 0.20)])
def test_it_spreads_over_the_base_labels(base: str, share: float) -> None:
    found = sum(row["truth"]["base"] == base for row in INSTRUCTIONS) / len(INSTRUCTIONS)
    assert found == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("tag", TAGS)
def test_it_has_every_tag_with_every_base_label(tag: str) -> None:
    bases = Counter(row["truth"]["base"] for row in INSTRUCTIONS if tag in row["truth"]["tags"])
    assert bases.total() >= 15
    assert all(bases[base] >= 5 for base in BASE_LABELS)


@pytest.mark.parametrize(
    ("least", "found"),
    [
        pytest.param(8, len({row["language"] for row in INSTRUCTIONS}), id="languages"),
        pytest.param(30, sum(len(row["turns"]) > 1 for row in INSTRUCTIONS), id="dialogues"),
        pytest.param(3, sum(row["turns"][-1]["role"] == "bot" for row in INSTRUCTIONS), id="bot has the last word"),
        pytest.param(6, sum(3000 <= len(whole(row)) <= 12000 for row in INSTRUCTIONS), id="very long"),
        pytest.param(10, sum(bool(MARKUP.search(whole(row))) for row in INSTRUCTIONS), id="markup as text"),
        pytest.param(8, sum(reads_right_to_left(whole(row)) for row in INSTRUCTIONS), id="right to left"),
        pytest.param(4, sum(whole(row)[0] in "=+-@" for row in INSTRUCTIONS), id="spreadsheet formulas"),
        pytest.param(3, sum(len(whole(row)) <= 8 for row in INSTRUCTIONS), id="very short"),
        pytest.param(5, sum("\n" in text for row in INSTRUCTIONS for text in texts(row)), id="several lines"),
        pytest.param(2, sum("\t" in whole(row) for row in INSTRUCTIONS), id="tabs"),
        pytest.param(5, sum(character >= "\U0001f300" for character in ALL_TEXT), id="emoji"),
        pytest.param(5, sum(unicodedata.combining(character) > 0 for character in ALL_TEXT), id="combining characters"),
        pytest.param(1, ALL_TEXT.count("\u202e"), id="bidirectional controls"),
        pytest.param(5, sum(row["truth"]["clarity"] <= 0.5 for row in INSTRUCTIONS), id="readers will differ"),
    ],
)
def test_it_has_at_least(least: int, found: int) -> None:
    assert found >= least


def test_it_is_mostly_english() -> None:
    share = sum(row["language"] == "en" for row in INSTRUCTIONS) / len(INSTRUCTIONS)
    assert share == pytest.approx(0.60, abs=0.05)


def test_it_holds_no_control_character_by_accident() -> None:
    controls = {character for character in ALL_TEXT if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co"}}
    assert controls <= WANTED_CONTROLS


def test_it_names_only_invented_addresses_and_numbers() -> None:
    hosts = re.findall(r"(?:https?://|[\w.]@)([\w.-]+\w)", ALL_TEXT)
    numbers = re.findall(r"(?<![\d-])\d{3}[- ]\d{4}(?!\d)", ALL_TEXT)
    assert hosts
    assert [host for host in hosts if not host.endswith("example.org")] == []
    assert numbers
    assert [number for number in numbers if not number.startswith("555-01")] == []


def test_it_is_counted_rightly_in_its_readme() -> None:
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    stated = {
        (kind, name): int(n)
        for kind, name, n in re.findall(r"^\| (\w+) \| `([^`]+)` \| (\d+) \|$", readme, re.MULTILINE)
    }
    counted = Counter(("base", row["truth"]["base"]) for row in INSTRUCTIONS)
    counted.update(("tag", tag) for row in INSTRUCTIONS for tag in row["truth"]["tags"])
    counted.update(("language", row["language"]) for row in INSTRUCTIONS)
    assert stated == counted
