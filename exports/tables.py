"""The statistics of a snapshot as tables of text: one definition for the page, the dataset card and the charts.

Everything is put in order here: the database returns the keys of stored JSON in an order of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from annotate.figures import Estimate
from labels.aggregation import Status

# What each coefficient tells, in words for people who did not come for the statistics; those shown first are first.
COEFFICIENTS = {
    "krippendorff_alpha_ordinal": (
        "Krippendorff's alpha, ordinal",
        "Agreement beyond chance; being one step apart counts less than being far apart. 1 is perfect, 0 is chance.",
    ),
    "gwet_ac1": ("Gwet's AC1", "Agreement beyond chance that stays meaningful when one answer is much more common."),
    "percent_agreement": ("Percent agreement", "How often two readers of the same text give the same answer."),
    "krippendorff_alpha_nominal": ("Krippendorff's alpha, nominal", "As ordinal, every difference counting the same."),
    "krippendorff_alpha_interval": ("Krippendorff's alpha, interval", "As ordinal, steps taken as equal distances."),
    "gwet_ac2_ordinal": ("Gwet's AC2, ordinal", "As AC1, being one step apart counting less than being far apart."),
    "brennan_prediger": ("Brennan-Prediger's kappa", "Agreement beyond what options drawn at random would give."),
    "fleiss_kappa_generalized": ("Fleiss' kappa, generalised", "As alpha, nominal, for readers without number."),
    "percent_agreement_within_1": ("Percent agreement within one step", "As percent agreement, a step apart agreeing."),
    "share_unanimous": ("Unanimous", "The share of texts on which all readers gave the same answer."),
    "mean_entropy_bits": ("Mean entropy, bits", "How mixed the answers on a text are: 0 where all are the same."),
}
SHOWN_FIRST = 3

TAG_SETS = {
    "alpha_masi": "Alpha by MASI distance",
    "alpha_jaccard": "Alpha by Jaccard distance",
    "exact_set_match": "The same set",
}


@dataclass(frozen=True, slots=True)
class Table:
    """One table: ``rows`` are cells of text. ``chart`` is the name under which its ``bars`` are drawn, if they are."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    chart: str = ""
    bars: tuple[tuple[str, int], ...] = ()
    is_more: bool = False  # one click away
    words: int = 1  # columns of words, before those of numbers


def headline(statistics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The coefficients to show first: alpha is the nominal one where the options have no order. See ``_described``."""
    return [_described(statistics, name) for name in headline_names(statistics)]


def headline_names(statistics: Mapping[str, Any]) -> list[str]:
    return _in_reading_order(statistics)[:SHOWN_FIRST]


def others(statistics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The coefficients that are one click away."""
    return [_described(statistics, name) for name in _in_reading_order(statistics)[SHOWN_FIRST:]]


def _in_reading_order(statistics: Mapping[str, Any]) -> list[str]:
    names = [name for name in COEFFICIENTS if name in statistics.get("base", {})]
    if not names:
        return []  # registered: nobody here knows the votes
    if not statistics["label_set"].get("ordinal", True):
        names.remove("krippendorff_alpha_nominal")
        names.insert(0, "krippendorff_alpha_nominal")
        names.append(names.pop(1))
    return names


def _described(statistics: Mapping[str, Any], name: str) -> dict[str, Any]:
    """``name``, ``value`` (text or None), ``interval`` (text, empty if there is none), the ``reason`` where one of both
    is missing, and ``help``; ``n_pairable``, ``n_votes`` and ``n_annotators`` (texts) say of how much it is.
    """
    (title, explanation), found = COEFFICIENTS[name], statistics["base"][name]
    people = found.get("n_annotators")
    return {
        "name": title,
        "value": number(found["value"]),
        "interval": interval(found),
        "reason": found["reason"] or found.get("interval_reason") or "",
        "n_pairable": f"{found['n_pairable']:,}",
        "n_votes": f"{found['n_votes']:,}",
        "n_annotators": "unknown" if people is None else f"{people:,}",
        "help": explanation,
    }


def interval(found: Mapping[str, Any]) -> str:
    """The 95 % interval of a coefficient, empty if there is none; releases of before intervals have none."""
    low, high = found.get("ci95") or (None, None)
    return "" if low is None else f"{low:.3f} to {high:.3f}"


def tables(statistics: Mapping[str, Any]) -> list[Table]:
    """Every table of a snapshot's statistics that has rows, in reading order."""
    label_set, total = statistics["label_set"], statistics["instructions"]
    labels = _in_order(statistics["labels"], [*label_set["published"], *label_set["tags"]])
    if "agreement_status" not in statistics:
        return [_counted("Published labels", "Label", labels, total, chart="labels")]
    statuses = _in_order(statistics["agreement_status"], get_args(Status))
    votes = sorted(statistics["votes_per_instruction"].items(), key=lambda pair: int(pair[0]))
    found = [
        _counted("Published labels", "Label", labels, total, chart="labels"),
        _counted("Agreement", "Status", statuses, total, chart="agreement-status"),
        _counted("Why disputed", "Reason", _by_count(statistics["disputed_because"]), total),
        _counted("Votes per instruction", "Votes", votes, total, chart="votes-per-instruction"),
        votes_per_annotator(statistics),
        _tags(statistics),
        _sources(statistics),
        _counted("Languages", "Language", _by_count(statistics["languages"]), total),
        _vote_options(statistics),
        _tag_sets(statistics),
        *(_sliced(statistics, by) for by in ("language", "origin", "campaign")),
        _annotators(statistics),
    ]
    return [table for table in found if table.rows]


def number(value: float | None) -> str | None:
    """A coefficient with three decimals, or None."""
    return None if value is None else f"{value:.3f}"


def _in_order[T](counts: Mapping[str, T], names: Iterable[str]) -> list[tuple[str, T]]:
    return [(name, counts[name]) for name in names if name in counts]


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _counted(
    title: str, what: str, counts: list[tuple[str, int]], total: int, *, chart: str = "", of: str = "Instructions"
) -> Table:
    rows: list[tuple[str, ...]] = [(name, f"{n:,}", f"{n / total:.1%}") for name, n in counts]
    return Table(title, (what, of, "Share"), rows, chart, tuple(counts))


def votes_per_annotator(statistics: Mapping[str, Any]) -> Table:
    """How many annotators gave how many votes, in steps of ten: of a release with few annotators nothing is known."""
    votes = [one["n"] for one in statistics.get("annotator_measures", {}).get("annotators", [])]
    digits = sorted({len(str(n)) for n in votes})
    steps = range(digits[0], digits[-1] + 1) if digits else range(0)
    counts = [(f"{10 ** (step - 1):,} to {10**step - 1:,}", sum(len(str(n)) == step for n in votes)) for step in steps]
    return _counted("Votes per annotator", "Votes", counts, len(votes), chart="votes-per-annotator", of="Annotators")


def _tags(statistics: Mapping[str, Any]) -> Table:
    shown = {
        "prevalence": "Said yes",
        "percent_agreement": "Percent agreement",
        "krippendorff_alpha_nominal": "Alpha",
        "gwet_ac1": "AC1",
        "positive_specific_agreement": "Agreement on yes",
        "negative_specific_agreement": "Agreement on no",
    }
    rows = []
    for tag, found in _in_order(statistics["tags"], statistics["label_set"]["tags"]):
        rows.append((tag, f"{found['answers']:,}", *(_cell(found.get(name)) for name in shown)))
    return Table("Additional tags", ("Tag", "Answers", *shown.values()), rows)


def _sources(statistics: Mapping[str, Any]) -> Table:
    rows = [(source, found["license"], *_measured(found)) for source, found in sorted(statistics["by_source"].items())]
    return Table("Sources", ("Source", "Licence", *MEASURED), rows)


MEASURED = ("Instructions", "Votes", "Alpha, ordinal", "AC1", "Percent agreement")


def _measured(found: Mapping[str, Any]) -> tuple[str, ...]:
    """What is measured of a part: see ``MEASURED``."""
    shown = ("krippendorff_alpha_ordinal", "gwet_ac1", "percent_agreement")
    counted = (f"{found['instructions']:,}", f"{found['votes']:,}")
    return (*counted, *(_cell(found["base"][name]) for name in shown))


def _sliced(statistics: Mapping[str, Any], by: str) -> Table:
    parts = statistics.get("slices", {}).get(by, {})
    rows = [(name, *_measured(found)) for name, found in sorted(parts.items()) if found["instructions"]]
    return Table(f"Agreement by {by}", (by.capitalize(), *MEASURED), rows, is_more=True)


def _vote_options(statistics: Mapping[str, Any]) -> Table:
    rows: list[tuple[str, ...]] = [
        (name, f"{found['votes']:,}", _cell(found["prevalence"]), _cell(found["specific_agreement"]))
        for name, found in _in_order(statistics.get("options", {}), statistics["label_set"]["options"])
    ]
    return Table("Votes by option", ("Option", "Votes", "Share", "Chosen beside itself"), rows, is_more=True)


def _tag_sets(statistics: Mapping[str, Any]) -> Table:
    found = statistics.get("tag_sets", {})
    rows: list[tuple[str, ...]] = [(title, _cell(found[name])) for name, title in TAG_SETS.items() if name in found]
    return Table("Agreement on sets of tags", ("Coefficient", "Value"), rows, is_more=True)


def _annotators(statistics: Mapping[str, Any]) -> Table:
    shown = {
        "loo_agreement": "Agreement with the others",
        "loo_mean_abs_deviation": "Distance from the others",
        "loo_signed_bias": "More severe than the others",
        "alpha_gain_if_left_out": "Alpha without, less alpha with",
        "gold_accuracy": "Right on known answers",
    }
    measured = statistics.get("annotator_measures", {}).get("annotators", [])
    rows = [(f"{one['number']}", f"{one['n']:,}", *(_cell(one[name]) for name in shown)) for one in measured]
    return Table(
        "Annotators, under numbers of this release alone", ("Number", "Votes", *shown.values()), rows, is_more=True
    )


def _cell(found: Mapping[str, Any] | None) -> str:
    """A coefficient with its interval, or why there is none; of what a release of before did not have, a dash."""
    if found is None:
        return "–"
    low, high = found.get("ci95") or (found.get("low"), found.get("high"))
    return str(Estimate(found["value"], low, high, found["reason"] or ""))
