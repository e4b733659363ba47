"""Tables of numbers, and what is made of them: text for a page, CSV, JSON, and the chart that stands beside the table.

A figure is defined once by its values; nothing that is shown of it can differ from the rest.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from annotate import charts
from labels import cells, quality


class Estimate(NamedTuple):
    """A measured value with the ends of its 95 % interval, or None and the reason why there is none: as it is shown.

    ``interval_reason`` says why a value has no interval, or one of texts alone; ``n`` of how many votes it was made,
    where that is shown beside it.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    interval_reason: str = ""
    n: int | None = None

    @classmethod
    def of(cls, found: Mapping[str, Any] | quality.Estimate) -> Estimate:
        """A coefficient as ``labels.agreement`` gives it, by name, or a number about one annotator."""
        if isinstance(found, quality.Estimate):
            return cls(found.value, found.low, found.high, found.reason or "", n=found.n)
        low, high = found["ci95"] or found.get("ci95_items") or (None, None)
        interval_reason = "" if found["value"] is None else found["interval_reason"] or ""
        return cls(found["value"], low, high, found["reason"] or "", interval_reason)

    def as_dict(self) -> dict[str, Any]:
        """By name, ready for JSON; ``n`` only where it is known."""
        return {name: value for name, value in self._asdict().items() if name != "n" or value is not None}

    def __str__(self) -> str:
        if self.value is None:
            return f"undefined: {self.reason}" if self.reason else "undefined"
        interval = "" if self.low is None else f" ({self.low:.3f} to {self.high:.3f})"
        return f"{self.value:.3f}{interval}"


type Value = str | int | float | Estimate | None


class Cell(NamedTuple):
    """A value as a page shows it. ``shade`` is 0 to 9 where the table is a map of heat."""

    text: str
    is_number: bool
    shade: int | None = None


@dataclass(frozen=True)
class Figure:
    """``rows`` have a name, then values, as ``head`` says.

    ``chart`` draws the whole numbers of the second column as ``bars``, or the estimates of all columns as ``points``;
    a ``heat`` figure colours its shares, which are no whole numbers, by the largest of them.
    """

    slug: str
    title: str
    head: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    about: str = ""
    chart: Literal["", "bars", "points", "heat"] = ""

    @property
    def is_drawn(self) -> bool:
        """Whether there is a chart beside the table."""
        return (self.chart == "bars" and bool(self.rows)) or (self.chart == "points" and len(self.rows) > 1)

    @property
    def chart_size(self) -> tuple[int, int]:
        """Width and height of the chart, in pixels."""
        return charts.WIDTH, charts.height(len(self.rows)) if self.chart == "bars" else charts.PLOT

    @property
    def is_heat(self) -> bool:
        return self.chart == "heat"

    def cells(self) -> list[list[Cell]]:
        """The rows as a page shows them."""
        shares = [value for row in self.rows for value in row[1:] if isinstance(value, float)]
        most = max(shares, default=0) if self.chart == "heat" else 0
        return [[_cell(value, most) for value in row] for row in self.rows]

    @property
    def notes(self) -> list[str]:
        """Why intervals are missing or are of texts alone, each reason once."""
        reasons = (value.interval_reason for row in self.rows for value in row if isinstance(value, Estimate))
        return list(dict.fromkeys(filter(None, reasons)))

    def svg(self, theme: str) -> str:
        """The chart. The figure must have one."""
        if self.chart == "bars":
            return charts.svg([(str(row[0]), int(row[1])) for row in self.rows], theme)  # type: ignore[arg-type]
        names = [str(row[0]) for row in self.rows]
        columns = [at for at in range(1, len(self.head)) if any(isinstance(row[at], Estimate) for row in self.rows)]
        return charts.points_svg(
            names, {self.head[at]: [_point(row[at]) for row in self.rows] for at in columns}, theme
        )

    def csv(self) -> str:
        """The values in full, an estimate in four columns; no cell is taken for a formula by a spreadsheet."""
        estimates = {at for row in self.rows for at, value in enumerate(row) if isinstance(value, Estimate)}
        head = [name for at, title in enumerate(self.head) for name in _columns(title, at in estimates)]
        written = io.StringIO()
        writer = csv.writer(written)
        writer.writerow([cells.harmless(name) for name in head])
        for row in self.rows:
            writer.writerow(
                [cells.harmless(each) for at, value in enumerate(row) for each in _values(value, at in estimates)]
            )
        return written.getvalue()

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON: a dictionary for each row, by the names of the columns."""
        return {
            "title": self.title,
            "rows": [
                {
                    name: value.as_dict() if isinstance(value, Estimate) else value
                    for name, value in zip(self.head, row, strict=True)
                }
                for row in self.rows
            ],
        }


def by_slug(figures: Sequence[Figure], slug: str) -> Figure | None:
    """The figure of that name, or None."""
    return next((figure for figure in figures if figure.slug == slug), None)


def _cell(value: Value, most: float) -> Cell:
    shade = round(9 * value / most) if most and isinstance(value, float) else None
    is_undefined = isinstance(value, Estimate) and value.value is None
    return Cell(_text(value), not isinstance(value, str) and not is_undefined, shade)


def _text(value: Value) -> str:
    match value:
        case None:
            return "–"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.3f}"
        case _:
            return str(value)


def _point(value: Value) -> charts.Point | None:
    if not isinstance(value, Estimate) or value.value is None:
        return None
    return charts.Point(value.value, value.low, value.high)


def _columns(title: str, is_estimate: bool) -> tuple[str, ...]:
    return (title, *(f"{title}, {end}" for end in ("low", "high", "reason"))) if is_estimate else (title,)


def _values(value: Value, is_estimate: bool) -> Iterator[Any]:
    if isinstance(value, Estimate):
        yield from (value.value, value.low, value.high, value.reason or value.interval_reason)
    else:
        yield from (value, None, None, None) if is_estimate else (value,)
