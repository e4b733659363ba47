"""The statistics of a snapshot, gathered while its lines go by: everything comes from the published lines themselves.

Only count patterns are kept (labels.votes): a few dozen rows for any number of instructions.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from exports.records import Line
from labels import agreement
from labels.taxonomy import LabelSetSpec
from labels.votes import PatternTable

type Patterns = Counter[tuple[int, ...]]


@dataclass
class Tally:
    """What is counted of every line; ``summary`` turns it into the published statistics."""

    spec: LabelSetSpec
    base: Patterns = field(default_factory=Counter)
    tags: list[Patterns] = field(default_factory=list)
    by_source: dict[str, Patterns] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    dispute_reasons: Counter[str] = field(default_factory=Counter)
    licenses: dict[str, str] = field(default_factory=dict)
    languages: Counter[str] = field(default_factory=Counter)
    characters: int = 0
    simulated: int = 0

    def add(self, line: Line) -> None:
        metadata = line.record["metadata"]
        self.base[line.counts] += 1
        self.by_source.setdefault(metadata["source"], Counter())[line.counts] += 1
        self.tags = self.tags or [Counter() for _ in self.spec.tags]
        for patterns, pair in zip(self.tags, line.tag_counts, strict=True):
            patterns[pair] += 1
        self.labels.update(metadata["labels"])
        self.statuses[metadata["agreement"]] += 1
        self.dispute_reasons.update(metadata["disputed_because"])
        self.licenses[metadata["source"]] = metadata["license"]
        self.languages[metadata["language"] or "unknown"] += 1
        self.characters += len(line.record["text"])
        self.simulated += line.simulated

    @property
    def instructions(self) -> int:
        return self.base.total()

    def summary(self, annotators: dict[str, int]) -> dict[str, Any]:
        """The published statistics, ready for JSON; undefined values are null with a reason."""
        table = self._table(self.base)
        return {
            "instructions": self.instructions,
            "votes": table.n_votes,
            "simulated_votes": self.simulated,
            "annotators": annotators,
            "votes_per_instruction": self._votes_per_instruction(),
            "labels": {label: self.labels[label] for label in (*self.spec.published, *_names(self.spec.tags))},
            "without_base_label": self.instructions - sum(self.labels[label] for label in self.spec.published),
            "agreement_status": {s: self.statuses[s] for s in ("unanimous", "majority", "disputed", "too few votes")},
            "disputed_because": _sorted(self.dispute_reasons),
            "base": [coefficient.as_dict() for coefficient in agreement.measure(table, self.spec.ordinal)],
            "tags": {
                tag.name: self._tag(patterns)
                for tag, patterns in zip(self.spec.tags, self.tags or [Counter()] * len(self.spec.tags), strict=True)
            },
            "by_source": {source: self._source(source) for source in sorted(self.by_source)},
            "languages": _sorted(self.languages),
            "patterns": self._patterns(),
        }

    def _table(self, patterns: Patterns) -> PatternTable:
        return PatternTable.from_counts(_names(self.spec.options), patterns.keys(), patterns.values())

    def _votes_per_instruction(self) -> dict[str, int]:
        histogram: Counter[int] = Counter()
        for pattern, multiplicity in self.base.items():
            histogram[sum(pattern)] += multiplicity
        return {str(votes): histogram[votes] for votes in sorted(histogram)}

    def _tag(self, patterns: Patterns) -> dict[str, Any]:
        """Prevalence and agreement together: on rare tags alpha falls to 0 while AC1 stays near 1."""
        table = PatternTable.from_counts(("yes", "no"), patterns.keys(), patterns.values())
        yes = sum(pattern[0] * multiplicity for pattern, multiplicity in patterns.items())
        measured = (agreement.percent_agreement, agreement.krippendorff_alpha, agreement.gwet_ac1)
        return {
            "answers": table.n_votes,
            "prevalence": yes / table.n_votes if table.n_votes else None,
            "prevalence_reason": None if table.n_votes else "nobody answered this tag",
            "coefficients": [measure(table).as_dict() for measure in measured],
        }

    def _source(self, source: str) -> dict[str, Any]:
        table = self._table(self.by_source[source])
        return {
            "license": self.licenses[source],
            "instructions": self.by_source[source].total(),
            "votes": table.n_votes,
            "base": [coefficient.as_dict() for coefficient in agreement.measure(table, self.spec.ordinal)],
        }

    def _patterns(self) -> dict[str, Any]:
        """The pattern table itself: every coefficient above can be recomputed from it."""
        rows = [{"counts": list(counts), "instructions": self.base[counts]} for counts in sorted(self.base)]
        return {"options": list(_names(self.spec.options)), "rows": rows}


def _names(labels: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(label.name for label in labels)


def _sorted(counter: Counter[str]) -> dict[str, int]:
    """Most frequent first, then by name: the same order in every run."""
    return dict(sorted(counter.items(), key=lambda pair: (-pair[1], pair[0])))
