from __future__ import annotations

import csv
import io
from xml.etree import ElementTree as ET

import pytest

from annotate.figures import Estimate, Figure, by_slug

UNDEFINED = Estimate(None, reason="no unit has two votes")
SOURCES = Figure(
    "by-source",
    "By source",
    ("Source", "Alpha", "Texts", "Share"),
    [("=cmd()", Estimate(0.5, 0.25, 0.75), 1234, 0.5), ("plain", UNDEFINED, 0, None)],
    chart="points",
)


def test_it_shows_every_value_as_text() -> None:
    assert [[cell.text for cell in row] for row in SOURCES.cells()] == [
        ["=cmd()", "0.500 (0.250 to 0.750)", "1,234", "0.500"],
        ["plain", "undefined: no unit has two votes", "0", "–"],
    ]
    assert [cell.is_number for cell in SOURCES.cells()[1]] == [False, False, True, True]


def test_it_writes_values_in_full_and_nothing_that_a_spreadsheet_computes() -> None:
    assert list(csv.reader(io.StringIO(SOURCES.csv()))) == [
        ["Source", "Alpha", "Alpha, low", "Alpha, high", "Alpha, reason", "Texts", "Share"],
        ["'=cmd()", "0.5", "0.25", "0.75", "", "1234", "0.5"],
        ["plain", "", "", "", "no unit has two votes", "0", ""],
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r", "\n=1", "  =1", "\u00a0=1", "\ufeff=1", "\u200b@x", "\x00=1"),
        *("\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\u3000\uff1d1"),
    ],
)
def test_no_text_begins_a_formula(text: str) -> None:
    written = Figure("x", "X", ("Name", "N"), [(text, 1)]).csv()
    assert list(csv.reader(io.StringIO(written, newline="")))[1] == [f"'{text}", "1"]


@pytest.mark.parametrize("text", ["plain", "a=b", "1-2", "e@mail", " plain", "\u00fcber", ""])
def test_other_texts_are_left_as_they_are(text: str) -> None:
    written = Figure("x", "X", ("Name", "N"), [(text, 1)]).csv()
    assert list(csv.reader(io.StringIO(written, newline="")))[1] == [text, "1"]


def test_numbers_below_zero_stay_numbers() -> None:
    written = Figure("x", "X", ("Name", "N"), [("a", Estimate(-0.5, -0.75, 0.25)), ("b", -1)]).csv()
    assert written.splitlines()[1:] == ["a,-0.5,-0.75,0.25,", "b,-1,,,"]


def test_why_intervals_are_missing_is_told_once() -> None:
    coefficient = {"value": 0.5, "reason": None, "ci95": None, "interval_reason": "there is only one annotator"}
    lone = Estimate.of(coefficient)
    assert Figure("x", "X", ("A", "B", "C"), [("a", lone, lone), ("b", UNDEFINED, lone)]).notes == [
        "there is only one annotator"
    ]
    undefined = Estimate.of({**coefficient, "value": None, "reason": "why", "interval_reason": "why"})
    assert Figure("x", "X", ("A", "B"), [("a", undefined)]).notes == []
    assert "there is only one annotator" in Figure("x", "X", ("A", "B"), [("a", lone)]).csv()


def test_it_gives_the_same_values_for_json() -> None:
    first, second = SOURCES.as_dict()["rows"]
    assert first["Alpha"] == {"value": 0.5, "low": 0.25, "high": 0.75, "reason": "", "interval_reason": ""}
    assert (second["Alpha"]["value"], second["Alpha"]["reason"]) == (None, "no unit has two votes")
    assert (first["Texts"], second["Share"]) == (1234, None)


def test_it_draws_what_the_table_says() -> None:
    bars = Figure("labels", "Labels", ("Label", "Texts"), [("casual", 3), ("needs caution", 1)], chart="bars")
    words = {text.text for text in ET.fromstring(bars.svg("light")).iter("{http://www.w3.org/2000/svg}text")}
    assert {"casual", "needs caution", "3", "1"} <= words
    points = {text.text for text in ET.fromstring(SOURCES.svg("dark")).iter("{http://www.w3.org/2000/svg}text")}
    assert {"=cmd()", "plain"} <= points


def test_a_single_point_is_not_drawn_and_an_empty_figure_neither() -> None:
    assert SOURCES.is_drawn
    assert not Figure("x", "X", SOURCES.head, SOURCES.rows[:1], chart="points").is_drawn
    assert not Figure("x", "X", ("Label", "Texts"), [], chart="bars").is_drawn


def test_heat_is_told_by_shares_of_the_largest() -> None:
    rows = [("a", 0.9, 0.1, 70), ("b", 0.45, None, 3)]
    heat = Figure("c", "C", ("One says", "a", "b", "Votes"), list(rows), chart="heat")
    assert [[cell.shade for cell in row[1:]] for row in heat.cells()] == [[9, 1, None], [4, None, None]]


def test_it_is_found_by_its_slug() -> None:
    assert by_slug([SOURCES], "by-source") is SOURCES
    assert by_slug([SOURCES], "other") is None
