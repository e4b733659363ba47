import json
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.languages import identify
from sources.rows import Turn
from tests import ROOT

SAMPLE = (ROOT / "sources/sample/instructions.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I keep basil fresh for a week?", "en"),
        ("Wie halte ich Basilikum eine Woche lang frisch?", "de"),
        ("¿Cómo mantengo fresca la albahaca?", "es"),
        ("Comment garder le basilic frais pendant une semaine ?", "fr"),
        ("איך שומרים על בזיליקום טרי?", "he"),
        ("كيف أحافظ على الريحان طازجا لمدة أسبوع؟", "ar"),
        ("如何让罗勒保持新鲜一个星期？", "zh"),
        ("如何讓羅勒保持新鮮一個星期？請告訴我應該怎樣做", "zh-Hant"),
        ("バジルを新鮮に保つにはどうすればいいですか", "ja"),
        ("바질을 신선하게 유지하려면 어떻게 해야 하나요?", "ko"),
        ("Как сохранить базилик свежим целую неделю?", "ru"),
    ],
)
def test_it_names_the_language_as_bcp_47(text: str, language: str) -> None:
    assert identify(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "?!",
        "12345 67890",
        "👩‍👩‍👧",
        "asdf qwer zxcv",
        "x = y + 1",
        "Oh, i have a bum.",  # not Danish
        "Oh, i like that.",  # not Scots
        "Budapest",
        # As much in one as in the other.
        "I would like to know how this is done. Ich möchte gerne wissen, wie man so etwas macht.",
    ],
)
def test_it_says_nothing_where_it_is_not_sure(text: str) -> None:
    assert identify(text) == ""


def test_it_judges_what_the_human_says() -> None:
    bot = Turn(role="bot", text="Certainly! Here is how you can keep your basil fresh for a whole week, step by step.")
    human = Turn(role="human", text="Wie halte ich Basilikum eine Woche lang frisch?")
    assert identify([human, bot, bot]) == "de"
    assert identify([bot]) == "en"
    assert identify([]) == ""


def test_it_is_never_wrong_on_the_sample_and_seldom_unsure() -> None:
    told = Counter[str]()
    for line in SAMPLE:
        row = json.loads(line)
        language = identify(row["turns"])
        told["right" if language.partition("-")[0] == row["language"] else "wrong" if language else "unsure"] += 1
    assert told["wrong"] == 0
    assert told["unsure"] <= 6


@given(st.text())
def test_it_takes_every_text(text: str) -> None:
    identify(text)


def test_it_takes_characters_that_are_not_for_interchange() -> None:
    strange = "".join(
        map(chr, [*range(0x20), *range(0x7F, 0xA0), 0xD800, 0xDFFF, 0xFDD0, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF])
    )
    assert identify(f"How do I keep {strange} basil fresh for a week?") == "en"


def test_it_takes_long_hostile_texts() -> None:
    rnd = random.Random(7)
    alphabet = " <>&;\"'aeé中אب\u0300\u200d\u202e🙂\x92"
    for _ in range(300):
        identify("".join(rnd.choices(alphabet, k=rnd.choice((3, 300, 5000)))))
    assert identify("<" * 200_000) == ""
