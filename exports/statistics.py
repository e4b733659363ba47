"""The statistics of a snapshot, gathered while its lines go by: everything comes from the published lines themselves,
which come in groups that are alike.

Only count patterns are kept (labels.votes): a few dozen rows for any number of instructions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from exports.records import Group
from labels import agreement
from labels.aggregation import Status
from labels.agreement import Coefficient
from labels.taxonomy import LabelSetSpec
from labels.votes import PatternTable

type Patterns = Counter[tuple[int, ...]]

# Of the base label.
BASE = {
    "krippendorff_alpha_nominal",
    "krippendorff_alpha_ordinal",
    "krippendorff_alpha_interval",
    "gwet_ac1",
    "percent_agreement",
}


@dataclass
class Tally:
    """What is counted of the lines; ``summary`` turns it into the published statistics."""

    spec: LabelSetSpec
    base: Patterns = field(default_factory=Counter)
    tags: list[Patterns] = field(init=False)
    by_source: dict[str, Patterns] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    dispute_reasons: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    simulated: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.tags = [Counter() for _ in self.spec.tags]

    def add(self, group: Group, lines: int) -> None:
        """Count so many more lines of a group."""
        self.base[group.counts] += lines
        self.by_source.setdefault(group.source, Counter())[group.counts] += lines
        self.simulated[group.source] += group.simulated * lines
        for patterns, pair in zip(self.tags, group.tag_counts, strict=True):
            patterns[pair] += lines
        for label in group.labels:
            self.labels[label] += lines
        self.statuses[group.aggregate.status] += lines
        for reason in group.aggregate.dispute_reasons:
            self.dispute_reasons[reason] += lines
        self.languages[group.language] += lines

    @property
    def instructions(self) -> int:
        return self.base.total()

    def summary(self, annotators: Mapping[str, int], sources: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
        """The published statistics, ready for JSON; undefined values are null with a reason.

        ``sources`` has the facts of each source of a line by its key, ``name@revision``.
        """
        spec, table = self.spec, self._table(self.base)
        return {
            "label_set": {
                "name": spec.name,
                "revision": spec.revision,
                "options": list(spec.option_names),
                "published": list(spec.published),
                "tags": list(spec.tag_names),
            },
            "instructions": self.instructions,
            "votes": table.n_votes,
            "simulated_votes": self.simulated.total(),
            "annotators": dict(annotators),
            "votes_per_instruction": _votes_per_instruction(table),
            "labels": {label: self.labels[label] for label in (*spec.published, *spec.tag_names)},
            "without_base_label": self.instructions - sum(self.labels[label] for label in spec.published),
            "agreement_status": {status: self.statuses[status] for status in get_args(Status)},
            "disputed_because": _sorted(self.dispute_reasons),
            "base": _base(table, spec),
            "tags": {name: _tag(patterns) for name, patterns in zip(spec.tag_names, self.tags, strict=True)},
            "by_source": {key: {**sources[key], **self._source(key)} for key in sorted(self.by_source)},
            "languages": _sorted(self.languages),
            "patterns": _patterns(table),
        }

    def _table(self, patterns: Patterns) -> PatternTable:
        return PatternTable.from_counts(self.spec.option_names, patterns.keys(), patterns.values())

    def _source(self, key: str) -> dict[str, Any]:
        table = self._table(self.by_source[key])
        return {
            "instructions": table.n_units,
            "votes": table.n_votes,
            "simulated_votes": self.simulated[key],
            "base": _base(table, self.spec),
        }


def _base(table: PatternTable, spec: LabelSetSpec) -> dict[str, Any]:
    return _by_name(found for found in agreement.measure(table, spec.ordinal) if found.name in BASE)


def _tag(patterns: Patterns) -> dict[str, Any]:
    """Prevalence and agreement together: on rare tags alpha falls to 0 while AC1 stays near 1."""
    table = PatternTable.from_counts(("yes", "no"), patterns.keys(), patterns.values())
    yes = int(table.multiplicity @ table.counts[:, 0])
    measured = {coefficient.name: coefficient for coefficient in agreement.measure_tag(table)}
    return {
        "answers": table.n_votes,
        "prevalence": {
            "value": yes / table.n_votes if table.n_votes else None,
            "reason": None if table.n_votes else "nobody answered this tag",
        },
        **_by_name(measured[name] for name in ("percent_agreement", "krippendorff_alpha_nominal", "gwet_ac1")),
    }


def _votes_per_instruction(table: PatternTable) -> dict[str, int]:
    histogram: Counter[int] = Counter()
    for votes, multiplicity in zip(table.per_unit.tolist(), table.multiplicity.tolist(), strict=True):
        histogram[votes] += multiplicity
    return {str(votes): histogram[votes] for votes in sorted(histogram)}


def _patterns(table: PatternTable) -> list[dict[str, Any]]:
    """The pattern table itself: every coefficient of the base vote can be recomputed from it."""
    rows = zip(table.counts.tolist(), table.multiplicity.tolist(), strict=True)
    return [{"votes": counts, "instructions": multiplicity} for counts, multiplicity in rows]


def _by_name(coefficients: Iterable[Coefficient]) -> dict[str, Any]:
    return {
        found.name: {
            "value": _rounded(found.value),
            "reason": found.reason,
            "n_pairable": found.n_pairable,
            "n_votes": found.n_votes,
        }
        for found in coefficients
    }


def _rounded(value: float | None) -> float | None:
    """Ten decimals: the order in which a machine adds shows only behind them."""
    return None if value is None else round(value, 10)


def _sorted(counter: Counter[str]) -> dict[str, int]:
    """Most frequent first, then by name: the same order in every run."""
    return dict(sorted(counter.items(), key=lambda pair: (-pair[1], pair[0])))
