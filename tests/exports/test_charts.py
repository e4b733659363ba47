from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from exports import charts

BARS = (("casual", 55), ("personal information related", 1_234), ("<b>&", 0))
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("theme", charts.THEMES)
def test_it_draws_a_bar_with_name_and_number_for_each_row(theme: str) -> None:
    drawing = ET.fromstring(charts.svg(BARS, theme))
    assert [text.text for text in drawing.iter(f"{SVG}text")] == [
        "casual", "55", "personal information related", "1,234", "<b>&", "0",
    ]  # fmt: skip
    lengths = [float(bar.attrib["width"]) for bar in drawing.iter(f"{SVG}rect")]
    assert lengths[0] == pytest.approx(lengths[1] * 55 / 1234, abs=0.1)
    assert lengths[2] == 0


def test_it_draws_the_same_bytes_every_time_and_others_in_the_dark() -> None:
    assert charts.svg(BARS, "light") == charts.svg(BARS, "light") != charts.svg(BARS, "dark")


def test_it_draws_every_chart_as_wide_as_the_others() -> None:
    assert len({ET.fromstring(charts.svg(bars, "light")).attrib["width"] for bars in (BARS, BARS[:1], BARS[2:])}) == 1


def test_it_draws_long_names_and_nothing_but_zeros() -> None:
    drawing = ET.fromstring(charts.svg((("n" * 60, 0),), "light"))
    assert float(drawing.attrib["width"]) > 640
