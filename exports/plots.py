"""The plots of a dataset card, as SVG files beside it: the numbers of its tables, and the same bytes every time.

They are drawn on white: a card is shown on light and on dark pages, and an image does not know on which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from annotate import charts
from annotate.charts import Point
from exports import tables, writers

THEME, GROUND = "light", "#ffffff"
AGREEMENT, AGREEMENT_ON_TAGS = "agreement", "agreement-on-tags"


class Plot(NamedTuple):
    """One drawing: ``name`` tells it apart within a release, ``alt`` stands for it where it is not seen."""

    name: str
    title: str
    alt: str
    svg: str


def file_name(release: str, plot: str) -> str:
    return f"{release}.{plot}.svg"


def write(folder: Path, release: str, statistics: Mapping[str, Any]) -> list[str]:
    """Write all plots of a release into ``folder``; return the names of the files."""
    names = []
    for plot in plots(statistics):
        names.append(file_name(release, plot.name))
        writers.write_text(folder / names[-1], plot.svg)
    return names


def plots(statistics: Mapping[str, Any]) -> Iterator[Plot]:
    """The plots that these statistics give: of each table that is drawn, and of agreement with its intervals."""
    for table in tables.tables(statistics):
        if table.chart:
            alt = f"Bar chart: {table.title}. The table has the same numbers."
            yield Plot(table.chart, table.title, alt, charts.svg(table.bars, THEME, GROUND))
    yield from _points(AGREEMENT, "Agreement on the base label", _headline(statistics))
    yield from _points(AGREEMENT_ON_TAGS, "Agreement on each tag, Gwet's AC1", _tags(statistics))


def _points(name: str, title: str, found: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Plot]:
    known = [(label, _point(one)) for label, one in found if one["value"] is not None]
    if known:
        alt = f"Dots with 95 % intervals: {title}. The table has the same numbers."
        series = {title: [point for _, point in known]}
        yield Plot(name, title, alt, charts.points_svg([label for label, _ in known], series, THEME, GROUND))


def _point(found: Mapping[str, Any]) -> Point:
    low, high = found.get("ci95") or (None, None)
    return Point(found["value"], low, high)


def _headline(statistics: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(tables.COEFFICIENTS[name][0], statistics["base"][name]) for name in tables.headline_names(statistics)]


def _tags(statistics: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    found = statistics["tags"]
    return [(tag, found[tag]["gwet_ac1"]) for tag in statistics["label_set"]["tags"] if tag in found]
