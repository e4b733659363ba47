"""The fixed examples of golden.toml: the same instruction, options and seed give the same rows, for good."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from sources import augmenters
from tests.sources.augmenters.parents import marked, rows

EXAMPLES: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("golden.toml").read_text())["examples"]
# What a model makes is tested with a model of the test's own.
MODELS = {"paraphrase", "grammar", "back-translation"}


@pytest.mark.parametrize(
    "example",
    EXAMPLES,
    ids=[f"{example['augmenter']}-{example['language']}-{at}" for at, example in enumerate(EXAMPLES)],
)
def test_it_makes_of_an_instruction_what_is_written_down(example: dict[str, Any]) -> None:
    record = marked(*example["said"], language=example["language"], **example.get("personal", {}))
    made = rows(example["augmenter"], record, example.get("options"))
    assert [[turn["text"] for turn in row.turns] for row in made] == example["rows"]
    assert {row.language for row in made} <= {example["language"]}


def test_there_are_examples_in_several_languages_for_every_augmenter() -> None:
    languages = {augmenter.name: set[str]() for augmenter in augmenters.known()}
    for example in EXAMPLES:
        languages[example["augmenter"]].add(example["language"])
    # Parts of a dialogue do not look at its words.
    assert {name for name, found in languages.items() if len(found) < 2} == MODELS | {"first-turn", "turns"}
