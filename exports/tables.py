"""The statistics of a snapshot as tables of text: one definition for the page, the dataset card and the charts.

Everything is put in order here: the database returns the keys of stored JSON in an order of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from labels.aggregation import Status

# What each coefficient tells, in words for people who did not come for the statistics.
COEFFICIENTS = {
    "krippendorff_alpha_ordinal": (
        "Krippendorff's alpha, ordinal",
        "Agreement beyond chance; being one step apart counts less than being far apart. 1 is perfect, 0 is chance.",
    ),
    "gwet_ac1": ("Gwet's AC1", "Agreement beyond chance that stays meaningful when one answer is much more common."),
    "percent_agreement": ("Percent agreement", "How often two readers of the same text give the same answer."),
    "krippendorff_alpha_nominal": ("Krippendorff's alpha, nominal", "As above, every difference counting the same."),
    "krippendorff_alpha_interval": ("Krippendorff's alpha, interval", "As above, steps taken as equal distances."),
}


@dataclass(frozen=True, slots=True)
class Table:
    """One table: ``rows`` are cells of text. ``chart`` is the name under which its ``bars`` are drawn, if they are."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    chart: str = ""
    bars: tuple[tuple[str, int], ...] = ()


def headline(statistics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The coefficients of the base vote: ``name``, ``value`` (text or None), ``reason`` if None, and ``help``;
    ``n_pairable`` and ``n_votes`` (texts) say from how much it was computed.
    """
    values = statistics["base"]
    return [
        {
            "name": title,
            "value": number(values[name]["value"]),
            "reason": values[name]["reason"],
            "n_pairable": f"{values[name]['n_pairable']:,}",
            "n_votes": f"{values[name]['n_votes']:,}",
            "help": explanation,
        }
        for name, (title, explanation) in COEFFICIENTS.items()
    ]


def tables(statistics: Mapping[str, Any]) -> list[Table]:
    """Every table of a snapshot's statistics that has rows, in reading order."""
    label_set, total = statistics["label_set"], statistics["instructions"]
    labels = _in_order(statistics["labels"], [*label_set["published"], *label_set["tags"]])
    statuses = _in_order(statistics["agreement_status"], get_args(Status))
    votes = sorted(statistics["votes_per_instruction"].items(), key=lambda pair: int(pair[0]))
    found = [
        _counted("Published labels", "Label", labels, total, chart="labels"),
        _counted("Agreement", "Status", statuses, total, chart="agreement-status"),
        _counted("Why disputed", "Reason", _by_count(statistics["disputed_because"]), total),
        _counted("Votes per instruction", "Votes", votes, total, chart="votes-per-instruction"),
        _tags(statistics),
        _sources(statistics),
        _counted("Languages", "Language", _by_count(statistics["languages"]), total),
    ]
    return [table for table in found if table.rows]


def number(value: float | None) -> str | None:
    """A coefficient with three decimals, or None."""
    return None if value is None else f"{value:.3f}"


def _in_order[T](counts: Mapping[str, T], names: Iterable[str]) -> list[tuple[str, T]]:
    return [(name, counts[name]) for name in names]


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _counted(title: str, what: str, counts: list[tuple[str, int]], total: int, *, chart: str = "") -> Table:
    rows: list[tuple[str, ...]] = [(name, f"{n:,}", f"{n / total:.1%}") for name, n in counts]
    return Table(title, (what, "Instructions", "Share"), rows, chart, tuple(counts))


def _tags(statistics: Mapping[str, Any]) -> Table:
    head = ("Tag", "Answers", "Said yes", "Percent agreement", "Alpha", "AC1")
    shown = ("percent_agreement", "krippendorff_alpha_nominal", "gwet_ac1")
    rows = []
    for tag, found in _in_order(statistics["tags"], statistics["label_set"]["tags"]):
        rows.append(
            (tag, f"{found['answers']:,}", _share(found["prevalence"]), *(_cell(found[name]) for name in shown))
        )
    return Table("Additional tags", head, rows)


def _sources(statistics: Mapping[str, Any]) -> Table:
    head = ("Source", "Licence", "Instructions", "Votes", "Alpha, ordinal", "AC1", "Percent agreement")
    shown = ("krippendorff_alpha_ordinal", "gwet_ac1", "percent_agreement")
    rows = []
    for source, found in sorted(statistics["by_source"].items()):
        counted = (f"{found['instructions']:,}", f"{found['votes']:,}")
        rows.append((source, found["license"], *counted, *(_cell(found["base"][name]) for name in shown)))
    return Table("Sources", head, rows)


def _cell(coefficient: Mapping[str, Any]) -> str:
    return number(coefficient["value"]) or f"undefined: {coefficient['reason']}"


def _share(found: Mapping[str, Any]) -> str:
    return f"undefined: {found['reason']}" if found["value"] is None else f"{found['value']:.1%}"
