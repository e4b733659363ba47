"""The statistics of a snapshot as tables of text: one definition for the page, the dataset card and the charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    """One table: ``rows`` are cells of text. ``chart`` is the name under which its first two columns can be drawn."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    chart: str | None = None


def headline(statistics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The coefficients of the base vote: ``name``, ``value`` (text or None), ``reason`` if None, and ``help``."""
    values = {coefficient["name"]: coefficient for coefficient in statistics["base"]}
    return [
        {"name": title, "value": number(values[name]["value"]), "reason": values[name]["reason"], "help": explanation}
        for name, (title, explanation) in COEFFICIENTS.items()
    ]


def tables(statistics: Mapping[str, Any]) -> list[Table]:
    """Every table of a snapshot's statistics, in reading order."""
    shares = _with_share(statistics["instructions"])
    return [
        Table("Published labels", ("Label", "Instructions", "Share"), shares(statistics["labels"]), "labels"),
        Table(
            "Agreement", ("Status", "Instructions", "Share"), shares(statistics["agreement_status"]), "agreement-status"
        ),
        Table("Why disputed", ("Reason", "Instructions", "Share"), shares(statistics["disputed_because"])),
        Table(
            "Votes per instruction",
            ("Votes", "Instructions", "Share"),
            shares(statistics["votes_per_instruction"]),
            "votes-per-instruction",
        ),
        _tags(statistics),
        _sources(statistics),
        Table("Languages", ("Language", "Instructions", "Share"), shares(statistics["languages"])),
    ]


def number(value: float | None) -> str | None:
    """A coefficient with three decimals, or None."""
    return None if value is None else f"{value:.3f}"


def _with_share(total: int) -> Any:
    def rows(counts: Mapping[str, int]) -> list[tuple[str, ...]]:
        return [(name, f"{n:,}", f"{n / total:.1%}" if total else "") for name, n in counts.items()]

    return rows


def _tags(statistics: Mapping[str, Any]) -> Table:
    head = ("Tag", "Answers", "Said yes", "Percent agreement", "Alpha", "AC1")
    rows = []
    for tag, found in statistics["tags"].items():
        prevalence = found["prevalence"]
        said_yes = "" if prevalence is None else f"{prevalence:.1%}"
        rows.append((tag, f"{found['answers']:,}", said_yes, *map(_cell, found["coefficients"])))
    return Table("Additional tags", head, rows)


def _sources(statistics: Mapping[str, Any]) -> Table:
    head = ("Source", "Licence", "Instructions", "Votes", "Alpha, ordinal", "AC1", "Percent agreement")
    shown = ("krippendorff_alpha_ordinal", "gwet_ac1", "percent_agreement")
    rows = []
    for source, found in statistics["by_source"].items():
        values = {coefficient["name"]: coefficient for coefficient in found["base"]}
        counted = (f"{found['instructions']:,}", f"{found['votes']:,}")
        rows.append((source, found["license"], *counted, *(_cell(values[name]) for name in shown)))
    return Table("Sources", head, rows)


def _cell(coefficient: Mapping[str, Any]) -> str:
    return number(coefficient["value"]) or f"undefined: {coefficient['reason']}"
