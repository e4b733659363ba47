"""Charts as SVG, drawn from the same tables that stand beside them; without scripts, the same bytes every time."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree

from pygal import HorizontalBar, Line, PluginImportFixer
from pygal.style import Style

# Importing the library adds a finder of map plugins to every import of the process, of a kind that Python dropped in
# 3.12: without find_spec it breaks whoever asks the finders directly, pytest among them. Nobody here draws maps.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PluginImportFixer)]

THEMES: Final = {
    "light": {"ink": "#2b2a27", "faint": "#8a867d", "bar": "#2f6f6a", "others": ("#a3541b", "#5b4a9e", "#2b6cb0")},
    "dark": {"ink": "#e8e6e1", "faint": "#8f8c85", "bar": "#6fb7ae", "others": ("#e0975f", "#b3a4ee", "#7fb2e6")},
}
WIDTH, ROW, PLOT, MARGIN, FONT, ROOM_FOR_NUMBERS = 640, 34, 340, 16, 15, 64  # pixels
SHORT_NAME = 10  # characters that need no slanting
# The library centres the number on the end of its bar, where it cannot be read.
NUMBERS_BEHIND_BARS = "inline:.text-overlay text { text-anchor: start; transform: translateX(6px) }"
SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"


class Point(NamedTuple):
    """A value, and the ends of its interval where it has one."""

    value: float
    low: float | None = None
    high: float | None = None


def svg(bars: Sequence[tuple[str, int]], theme: str, ground: str = "transparent") -> str:
    """A horizontal bar with name and number for each of ``bars``."""
    chart = HorizontalBar(
        **_common(theme, ground),
        height=height(len(bars)),
        margin_right=ROOM_FOR_NUMBERS,
        spacing=4,
        rounded_bars=2,
        print_values=True,
        print_values_position="top",
        value_formatter="{:,.0f}".format,
        show_legend=False,
        show_x_labels=False,
        show_x_guides=False,
        show_y_guides=False,
    )
    # The library draws from the bottom up.
    chart.x_labels = [name for name, _ in reversed(bars)]
    chart.add("", [count for _, count in reversed(bars)])
    return _drawn(chart)


def height(bars: int) -> int:
    """Of a drawing of so many bars, in pixels."""
    return ROW * bars + MARGIN


def points_svg(
    names: Sequence[str], series: Mapping[str, Sequence[Point | None]], theme: str, ground: str = "transparent"
) -> str:
    """A dot for each of ``names``, from left to right, with a whisker for its interval; joined where there are several
    series, each in a colour and with a sign of its own.
    """
    lows = [end for points in series.values() for point in points if point for end in (point.value, point.low) if end]
    chart = Line(
        **_common(theme, ground),
        height=PLOT,
        margin_right=ROOM_FOR_NUMBERS,
        x_label_rotation=25 if max(map(len, names), default=0) > SHORT_NAME else 0,
        range=(min([0.0, *lows]), 1.0),
        dots_size=5,
        stroke=len(names) > 1 and len(series) > 1,
        show_legend=len(series) > 1,
        legend_at_bottom=True,
        truncate_legend=-1,
        truncate_label=-1,
        value_formatter="{:.2f}".format,
        show_x_guides=False,
    )
    chart.x_labels = list(names)
    for title, points in series.items():
        chart.add(title, [_with_interval(point) for point in points])
    return _drawn(chart)


def _with_interval(point: Point | None) -> dict[str, Any] | None:
    if point is None:
        return None
    if point.low is None or point.high is None:
        return {"value": point.value}
    return {"value": point.value, "ci": {"low": point.low, "high": point.high}}


def _common(theme: str, ground: str) -> dict[str, Any]:
    return {
        "style": _style(theme, ground),
        "css": ("file://style.css", "file://graph.css", NUMBERS_BEHIND_BARS),
        "width": WIDTH,
        "explicit_size": True,
        "margin": MARGIN // 2,
        "no_prefix": True,  # one drawing a file: nothing to keep apart, and no random names
        "js": (),
    }


def _drawn(chart: Any) -> str:
    return ElementTree.tostring(_without_scripts(chart.render_tree()), encoding="unicode")


def _without_scripts(drawing: ElementTree.Element) -> ElementTree.Element:
    """The drawing without the library's script, and without its comments, which name the day."""
    for element in list(drawing.iter()):
        for child in [child for child in element if child.tag == "script" or callable(child.tag)]:
            element.remove(child)
    return drawing


def _style(theme: str, ground: str) -> Style:
    colours = THEMES[theme]
    return Style(
        background=ground,
        plot_background=ground,
        foreground=colours["ink"],
        foreground_strong=colours["ink"],
        foreground_subtle=colours["faint"],
        guide_stroke_color=colours["faint"],
        major_guide_stroke_color=colours["faint"],
        colors=(colours["bar"], *colours["others"]),
        opacity="1",
        font_family=SANS,
        label_font_size=FONT,
        value_font_size=FONT,
        value_colors=(colours["ink"],),
        major_label_font_size=FONT,
    )
