"""Charts of a snapshot's statistics as SVG, drawn from the same tables that stand beside them.

Bars and words need no plotting library: these are ten lines of SVG, the same bytes every time, safe in threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

THEMES: Final = {
    "light": {"ink": "#2b2a27", "faint": "#8a867d", "bar": "#2f6f6a"},
    "dark": {"ink": "#e8e6e1", "faint": "#8f8c85", "bar": "#6fb7ae"},
}

# In units of the drawing, which the page scales as one. A letter of 15 units is on average below 8 wide.
ROW, BAR, FONT, LETTER, GAP = 32, 20, 15, 8, 10
# All drawings are as wide, so that words have one size where several stand on a page.
WIDTH, VALUE_WIDTH, SHORTEST = 640, 80, 160
SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"


def svg(bars: Sequence[tuple[str, int]], theme: str) -> bytes:
    """A horizontal bar with name and number for each of ``bars``, on a transparent ground."""
    colours = THEMES[theme]
    left = GAP + LETTER * max(len(name) for name, _ in bars)
    longest = max(SHORTEST, WIDTH - VALUE_WIDTH - left)
    width, height = left + longest + VALUE_WIDTH, ROW * len(bars) + GAP
    scale = longest / max(1, *(count for _, count in bars))
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    font = f'font-family="{SANS}" font-size="{FONT}" fill="{colours["ink"]}"'
    drawn = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>']
    for number, (name, count) in enumerate(bars):
        top = GAP // 2 + ROW * number
        middle, length = top + ROW // 2, round(count * scale, 1)
        bar = f'width="{length}" height="{BAR}" rx="2" fill="{colours["bar"]}"'
        drawn += [
            f'<text x="{left - GAP}" y="{middle}" dy=".35em" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{left}" y="{middle - BAR // 2}" {bar}/>',
            f'<text x="{left + length + GAP}" y="{middle}" dy=".35em">{count:,}</text>',
        ]
    drawn += [f'<path d="M{left} 0V{height}" stroke="{colours["faint"]}"/>', "</svg>"]
    return "\n".join(drawn).encode()
