"""The statistics of a snapshot, gathered while its lines go by: everything comes from the published lines themselves,
which come in groups that are alike.

Only tables of patterns are kept (labels.votes): a few thousand rows for any number of instructions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, get_args

from exports.groups import Group
from exports.voters import Cells, Slice, Voters
from labels import agreement, quality
from labels.aggregation import Status
from labels.agreement import Coefficient
from labels.quality import VoterQuality
from labels.taxonomy import LabelSetSpec
from labels.votes import PatternTable, VoterTable

# Of texts that were made of others the answers follow those on the originals: agreement is computed without them,
# and on them alone in a slice of their own and in the sources that are made of them.
COMPUTED_ON = "original instructions"

# Of fewer annotators each would be known to the others by elimination.
FEWEST_ANNOTATORS = 5
TOO_FEW = f"fewer than {FEWEST_ANNOTATORS} annotators: each would be known to the others"

MEASURES = ("loo_agreement", "loo_mean_abs_deviation", "loo_signed_bias", "alpha_gain_if_left_out", "gold_accuracy")


@dataclass
class Tally:
    """What is counted of the lines; ``summary`` turns it into the published statistics."""

    spec: LabelSetSpec
    campaigns: tuple[str, ...] = ("",)  # their slugs, in the order of the selection
    key: str = ""  # see ``Voters``
    base: Counter[tuple[int, ...]] = field(default_factory=Counter)
    by_source: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    dispute_reasons: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    simulated: Counter[str] = field(default_factory=Counter)
    voters: Voters = field(init=False)

    def __post_init__(self) -> None:
        self.voters = Voters(self.spec, len(self.campaigns), self.key)

    def add(self, group: Group, lines: int) -> None:
        """Count so many more lines of a group."""
        self.base[group.counts] += lines
        self.voters.count(group, lines)
        self.by_source[group.source] += lines
        self.simulated[group.source] += group.simulated * lines
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
        spec, voters = self.spec, self.voters
        every = PatternTable.from_counts(spec.option_names, self.base.keys(), self.base.values())
        originals = self._base(_is_original)
        return {
            "label_set": {
                "name": spec.name,
                "revision": spec.revision,
                "options": list(spec.option_names),
                "published": list(spec.published),
                "tags": list(spec.tag_names),
                "ordinal": spec.ordinal,
            },
            "instructions": self.instructions,
            "votes": every.n_votes,
            "simulated_votes": self.simulated.total(),
            "annotators": dict(annotators),
            "votes_per_instruction": _votes_per_instruction(every),
            "labels": {label: self.labels[label] for label in (*spec.published, *spec.tag_names)},
            "without_base_label": self.instructions - sum(self.labels[label] for label in spec.published),
            "agreement_status": {status: self.statuses[status] for status in get_args(Status)},
            "disputed_because": _sorted(self.dispute_reasons),
            "agreement_computed_on": COMPUTED_ON,
            "base": _by_name(agreement.measure(originals, spec.ordinal)),
            "options": _options(originals),
            "tags": {name: self._tag(cells) for name, cells in zip(spec.tag_names, voters.tags, strict=True)},
            "tag_sets": self._tag_sets(),
            "by_source": {key: {**sources[key], **self._source(key)} for key in sorted(self.by_source)},
            "slices": self._slices(),
            "annotator_measures": self._annotators(originals),
            "languages": _sorted(self.languages),
            "patterns": _patterns(originals.patterns),
        }

    def _base(self, wanted: Callable[[Slice], bool]) -> VoterTable:
        return self.voters.table(self.voters.base, self.spec.option_names, wanted)

    def _tag(self, cells: Cells) -> dict[str, Any]:
        """Prevalence and agreement together: on rare tags alpha falls to 0 while AC1 stays near 1."""
        table = self.voters.table(cells, ("yes", "no"))
        return {"answers": table.patterns.n_votes, **_by_name(agreement.measure_tag(table))}

    def _tag_sets(self) -> dict[str, Any]:
        table = self.voters.tag_set_table()
        return _by_name(agreement.measure_tag_sets(table)) if table else {}

    def _source(self, key: str) -> dict[str, Any]:
        found = self._slice(self._base(lambda part: part[0] == key))  # type: ignore[index]
        return {**found, "simulated_votes": self.simulated[key]}

    def _slices(self) -> dict[str, dict[str, Any]]:
        """Agreement by language, by whether texts are original, and by campaign."""
        languages = sorted({language for (_, language, is_augmented), _ in self._units() if not is_augmented})
        by_campaign = {}
        for at, slug in enumerate(self.campaigns):
            cells = self.voters.by_campaign
            table = (
                self.voters.table(cells, self.spec.option_names, partial(_is, at))
                if len(self.campaigns) > 1
                else self._base(_is_original)
            )
            by_campaign[slug] = self._slice(table)
        return {
            "language": {language: self._slice(self._base(partial(_is_in, language))) for language in languages},
            "origin": {
                "original": self._slice(self._base(_is_original)),
                "augmented": self._slice(self._base(lambda part: not _is_original(part))),
            },
            "campaign": dict(sorted(by_campaign.items())),
        }

    def _units(self) -> Iterable[tuple[Any, int]]:
        return ((part, times) for (part, _), times in self.voters.base.units.items())

    def _slice(self, table: VoterTable) -> dict[str, Any]:
        return {
            "instructions": table.patterns.n_units,
            "votes": table.patterns.n_votes,
            "base": _by_name(agreement.measure(table, self.spec.ordinal)),
        }

    def _annotators(self, table: VoterTable) -> dict[str, Any]:
        """Each annotator beside the others, under a number that the release alone has for them."""
        measured = quality.measure(table, "ordinal" if self.spec.ordinal else "nominal")
        voted = [(at, one) for at, one in zip(self.voters.order().tolist(), measured, strict=True) if one.n]
        if len(voted) < FEWEST_ANNOTATORS:
            return {"reason": TOO_FEW, "annotators": []}
        return {"reason": None, "annotators": [self._annotator(self.voters.ids[at], one) for at, one in voted]}

    def _annotator(self, who: int, one: VoterQuality) -> dict[str, Any]:
        gold = quality.gold_accuracy(self.voters.equal_to_gold[who], self.voters.on_gold[who])
        found = {name: getattr(one, name) for name in MEASURES[:-1]} | {"gold_accuracy": gold}
        measures = {name: {key: _rounded(value) for key, value in asdict(found[name]).items()} for name in MEASURES}
        return {"number": int(one.annotator), "n": one.n, "n_compared": one.n_compared, **measures}


def _is_original(part: Any) -> bool:
    return not part[2]


def _is_in(language: str, part: Any) -> bool:
    return bool(part[1] == language and not part[2])


def _is(one: Slice, other: Slice) -> bool:
    return one == other


def _options(table: VoterTable) -> dict[str, Any]:
    """How common each vote option is, and how often another reader chose it beside somebody who did."""
    cast = (table.patterns.multiplicity @ table.patterns.counts).tolist()
    found = {}
    for at, name in enumerate(table.patterns.options):
        wanted = [agreement.prevalence("prevalence", at), agreement.specific_agreement("specific_agreement", at)]
        found[name] = {"votes": cast[at], **_by_name(agreement.measure_all(table, wanted))}
    return found


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
    rows: list[dict[str, Any]] = [found.as_dict() for found in coefficients]
    return {str(row.pop("name")): {key: _rounded(value) for key, value in row.items()} for row in rows}


def _rounded(value: Any) -> Any:
    """Ten decimals: the order in which a machine adds shows only behind them. No zero has a sign."""
    if isinstance(value, float):
        return round(value, 10) + 0.0
    return [_rounded(one) for one in value] if isinstance(value, tuple) else value


def _sorted(counter: Counter[str]) -> dict[str, int]:
    """Most frequent first, then by name: the same order in every run."""
    return dict(sorted(counter.items(), key=lambda pair: (-pair[1], pair[0])))
