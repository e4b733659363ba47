from __future__ import annotations

import sys
from xml.etree import ElementTree as ET

import pytest

from annotate import charts

BARS = (("casual", 55), ("personal information related", 1_234), ("<b>&", 0))
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("theme", charts.THEMES)
def test_it_draws_a_bar_with_name_and_number_for_each_row(theme: str) -> None:
    drawing = ET.fromstring(charts.svg(BARS, theme))
    words = [text.text for text in drawing.iter(f"{SVG}text")]
    assert {"<b>&", "personal information related", "casual", "0", "1,234", "55"} <= set(words)
    lengths = [float(bar.get("width", 0)) for bar in drawing.iter(f"{SVG}rect") if "rect" in bar.get("class", "")]
    assert lengths[2] == pytest.approx(lengths[1] * 55 / 1234, abs=0.1)
    assert lengths[0] == 0


def test_it_draws_the_same_bytes_every_time_and_others_in_the_dark() -> None:
    assert charts.svg(BARS, "light") == charts.svg(BARS, "light") != charts.svg(BARS, "dark")


def test_it_loads_nothing_and_runs_nothing() -> None:
    drawing = charts.svg(BARS, "light")
    assert not list(ET.fromstring(drawing).iter(f"{SVG}script"))
    assert "href" not in drawing
    assert "<!--" not in drawing


def test_it_leaves_the_imports_of_the_process_alone() -> None:
    assert all(hasattr(finder, "find_spec") for finder in sys.meta_path)


def test_it_draws_nothing_but_zeros() -> None:
    assert ">no votes<" in charts.svg((("no votes", 0),), "light")


def test_it_draws_points_with_whiskers_for_each_series_and_leaves_gaps() -> None:
    series: dict[str, list[charts.Point | None]] = {
        "alpha": [charts.Point(0.5, 0.4, 0.6), None, charts.Point(-0.2, -0.3, -0.1)],
        "AC1": [charts.Point(0.7), charts.Point(0.8), charts.Point(0.9)],
    }
    drawing = ET.fromstring(charts.points_svg(["W1", "W2", "W3"], series, "light"))
    words = {text.text for text in drawing.iter(f"{SVG}text")}
    assert {"W1", "W2", "W3", "alpha", "AC1"} <= words
    signs = [each.get("class", "").split() for each in drawing.iter()]
    assert sum("dot" in sign for sign in signs) == 5
    assert sum("ci" in sign for sign in signs) == 2
