"""What holds for every augmenter without a model, whatever people write."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import augmenters
from sources.augmenters.augmenter import Augmenter
from sources.rows import Parent, Span, Turn
from sources.texts import BOT, HUMAN, digest, normalise, unstorable
from tests import ROOT
from tests.sources.augmenters.parents import ID, parent, rows

WITHOUT_MODEL = [
    augmenter for augmenter in augmenters.known() if "model" not in [option.name for option in augmenter.options]
]
# Words that augmenters act on, between letters of many scripts and whatever else there is.
WORDS = st.sampled_from(
    [
        "kill",
        "blow up",
        "she",
        "his",
        "Kenya",
        "an Egyptian",
        "[EMAIL]",
        "<NAME_1>",
        "a@b.example",
        "{x}",
        "Straße",
        "İ",
        "ﬃ",
    ]
)
PIECES = st.one_of(
    WORDS,
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.text("aбγאبक你あ é😀\u0301", max_size=20),
)
TEXTS = st.lists(PIECES, max_size=8).map(" ".join)
TURNS = st.lists(st.builds(Turn, role=st.sampled_from([HUMAN, BOT]), text=TEXTS), max_size=4).map(normalise)


@st.composite
def instructions(draw: st.DrawFn) -> Parent:
    turns = draw(TURNS)
    found = []
    for number, turn in enumerate(turns):
        if draw(st.booleans()):
            start = draw(st.integers(0, len(turn["text"]) - 1))
            end = draw(st.integers(start + 1, len(turn["text"])))
            kind = draw(st.sampled_from(["email", "phone", "iban", "card", "ip", "id", "address", "another"]))
            found.append(Span(turn=number, start=start, end=end, kind=kind))
    language = draw(st.sampled_from(["", "en", "en-GB", "de", "ja", "zh_Hant", "ar", "xx", "-"]))
    return Parent(id=ID, turns=turns, language=language, source_labels={}, personal=found)


@pytest.mark.parametrize("augmenter", WITHOUT_MODEL, ids=lambda augmenter: augmenter.name)
@settings(deadline=None)  # the first text of a language loads its data
@given(record=instructions(), seed=st.text(min_size=1, max_size=5).filter(str.strip))
def test_it_makes_new_storable_rows_of_anything(augmenter: Augmenter, record: Parent, seed: str) -> None:
    takes = {option.name for option in augmenter.options}
    options = {"seed": seed, **({"copies": "3"} if "copies" in takes else {})}
    made = rows(augmenter.name, record, options)
    digests = [digest(row.turns) for row in made]
    assert digest(record["turns"]) not in digests
    assert len(set(digests)) == len(digests)
    assert len({row.row for row in made}) == len(made)
    for row in made:
        assert row.turns == normalise(row.turns)
        assert not any(unstorable(turn["text"]) for turn in row.turns)
        assert (row.parent, row.votes) == (ID, ())
        assert len(json.dumps(row.source_labels)) < 10_000
    assert rows(augmenter.name, record, options) == made


@settings(deadline=None)  # the first text of a language loads its data
@given(record=instructions())
def test_no_original_of_personal_information_is_left(record: Parent) -> None:
    originals = [
        record["turns"][span["turn"]]["text"][span["start"] : span["end"]].casefold() for span in record["personal"]
    ]
    for row in rows("personal", record, {"copies": "3"}):
        said = [turn["text"].casefold() for turn in row.turns]
        assert not [original for original in originals if any(original in text for text in said)]


SHARED = parent(
    "My neighbour David from Kenya told her to kill the process: mail him at [EMAIL].",
    "No.",
    "Почему же нет, 为什么不？",
)
PROGRAM = """
import json, sys
from sources import augmenters
record = json.load(sys.stdin)
for name in sys.argv[1:]:
    for row in augmenters.get(name).reader({"seed": "7"}).rows("any", record):
        print(json.dumps([row.row, row.turns, row.source_labels]))
"""


def test_every_process_makes_the_same_rows() -> None:
    names = [augmenter.name for augmenter in WITHOUT_MODEL]
    outputs = set()
    for hash_seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, *names],
            input=json.dumps(SHARED),
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        outputs.add(ran.stdout)
    here = [
        json.dumps([row.row, row.turns, row.source_labels])
        for name in names
        for row in rows(name, SHARED, {"seed": "7"})
    ]
    assert outputs == {"".join(f"{line}\n" for line in here)}
    assert {json.loads(line)[0].split("/")[1] for line in here} == set(names) - {"comment"}
