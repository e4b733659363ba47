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
WIDTH, ROW, MARGIN, FONT = 640, 34, 16, 15  # pixels
SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"


def svg(bars: Sequence[tuple[str, int]], theme: str) -> str:
    """A horizontal bar with name and number for each of ``bars``, on a transparent ground, without scripts.

    The same text every time.
    """
    chart = HorizontalBar(
        style=_style(theme),
        width=WIDTH,
        height=ROW * len(bars) + MARGIN,
        explicit_size=True,
        margin=MARGIN // 2,
        spacing=4,
        rounded_bars=2,
        show_legend=False,
        show_x_labels=False,
        show_x_guides=False,
        show_y_guides=False,
        no_prefix=True,  # one drawing a file: nothing to keep apart, and no random names
        js=(),
    )
    # The library draws from the bottom up.
    chart.x_labels = [f"{name}  {count:,}" for name, count in reversed(bars)]
    chart.add("", [count for _, count in reversed(bars)])
    drawing = chart.render_tree()
    for definitions in drawing.iter("defs"):
        for script in definitions.findall("script"):
            definitions.remove(script)
    return ElementTree.tostring(drawing, encoding="unicode")


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
        major_label_font_size=FONT,
    )
