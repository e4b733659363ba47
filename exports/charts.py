"""Charts of a snapshot's statistics as SVG, drawn from the same tables that stand beside them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree

from pygal import HorizontalBar, PluginImportFixer
from pygal.style import Style

# Importing the library adds a finder of map plugins to every import of the process, of a kind that Python dropped in
# 3.12: without find_spec it breaks whoever asks the finders directly, pytest among them. Nobody here draws maps.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PluginImportFixer)]

THEMES: Final = {
    "light": {"ink": "#2b2a27", "faint": "#8a867d", "bar": "#2f6f6a"},
    "dark": {"ink": "#e8e6e1", "faint": "#8f8c85", "bar": "#6fb7ae"},
}
WIDTH, ROW, MARGIN, FONT, ROOM_FOR_NUMBERS = 640, 34, 16, 15, 64  # pixels
# The library centres the number on the end of its bar, where it cannot be read.
NUMBERS_BEHIND_BARS = "inline:.text-overlay text { text-anchor: start; transform: translateX(6px) }"
SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"


def svg(bars: Sequence[tuple[str, int]], theme: str) -> str:
    """A horizontal bar with name and number for each of ``bars``, on a transparent ground, without scripts.

    The same text every time.
    """
    chart = HorizontalBar(
        style=_style(theme),
        css=("file://style.css", "file://graph.css", NUMBERS_BEHIND_BARS),
        width=WIDTH,
        height=ROW * len(bars) + MARGIN,
        explicit_size=True,
        margin=MARGIN // 2,
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
        no_prefix=True,  # one drawing a file: nothing to keep apart, and no random names
        js=(),
    )
    # The library draws from the bottom up.
    chart.x_labels = [name for name, _ in reversed(bars)]
    chart.add("", [count for _, count in reversed(bars)])
    return ElementTree.tostring(_without_scripts(chart.render_tree()), encoding="unicode")


def _without_scripts(drawing: ElementTree.Element) -> ElementTree.Element:
    """The drawing without the library's script, and without its comments, which name the day."""
    for element in list(drawing.iter()):
        for child in [child for child in element if child.tag == "script" or callable(child.tag)]:
            element.remove(child)
    return drawing


def _style(theme: str) -> Style:
    colours = THEMES[theme]
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground=colours["ink"],
        foreground_strong=colours["ink"],
        foreground_subtle=colours["faint"],
        colors=(colours["bar"],),
        opacity="1",
        font_family=SANS,
        label_font_size=FONT,
        value_font_size=FONT,
        value_colors=(colours["ink"],),
        major_label_font_size=FONT,
    )
