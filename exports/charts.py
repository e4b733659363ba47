"""Charts of a snapshot's statistics as SVG, drawn from the same tables that stand beside them."""

from __future__ import annotations

import io
from typing import Final

from exports.tables import Table

THEMES: Final = {
    "light": {"ink": "#2b2a27", "faint": "#8a867d", "bar": "#2f6f6a"},
    "dark": {"ink": "#e8e6e1", "faint": "#8f8c85", "bar": "#6fb7ae"},
}
ROW_HEIGHT, MARGIN, WIDTH = 0.42, 0.5, 6.4  # inches


def svg(table: Table, theme: str) -> bytes:
    """A horizontal bar per row of ``table`` (its second column), on a transparent ground; the same bytes every time."""
    # Imported here: it costs half a second and 60 MB, and most processes never draw.
    import matplotlib
    from matplotlib.figure import Figure

    colours = THEMES[theme]
    names = [row[0] for row in table.rows]
    values = [int(row[1].replace(",", "")) for row in table.rows]
    # Text stays text, sized by the reader's fonts; the salt and the missing date make the bytes reproducible.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "oig", "font.family": "sans-serif"}):
        figure = Figure(figsize=(WIDTH, MARGIN + ROW_HEIGHT * max(1, len(names))), layout="constrained")
        axes = figure.subplots()
        bars = axes.barh(names, values, color=colours["bar"], height=0.62)
        axes.bar_label(bars, [f"{value:,}" for value in values], padding=4, color=colours["ink"], fontsize=10)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.tick_params(axis="y", length=0, colors=colours["ink"], labelsize=10)
        axes.xaxis.set_visible(False)
        axes.spines[:].set_visible(False)
        axes.axvline(0, color=colours["faint"], linewidth=1)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return drawn.getvalue()
