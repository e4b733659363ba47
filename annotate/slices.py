"""What is measured of each part of the votes: by source, language, origin and campaign, and week by week."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Any

from annotate.models import Campaign
from annotate.tallies import By, Read, VotersBy
from labels import agreement
from labels.aggregation import Rule, dispute_reasons
from labels.agreement import Coefficient
from labels.taxonomy import LabelSetSpec
from labels.votes import PatternTable, VoterTable
from sources.models import Source

WEEKS_REASON = "of texts alone, so too narrow: who voted what in which week is not kept"


def sliced(
    spec: LabelSetSpec, rule: Rule, found: Read, by: VotersBy, *, is_augmented: bool | None = None
) -> dict[str, dict[str, Any]]:
    """The base vote, each answer, each tag and the tag sets of each part, of all texts or of one origin.

    By ``rule`` the campaigns add votes up: what it leaves open is disputed.
    """
    tables = found.base.by(by, is_augmented=is_augmented)
    tags = {code: voted.by(by, is_augmented=is_augmented) for code, voted in found.tags.items()}
    tag_sets = found.tag_sets.by(by, is_augmented=is_augmented)
    return {
        name: {
            **_size(spec, rule, tables[key].patterns),
            **base(tables[key], spec.ordinal),
            "tags": measured_tags(spec, {code: parts[key] for code, parts in tags.items() if key in parts}),
            "tag_sets": by_name(agreement.measure_tag_sets(tag_sets[key])) if key in tag_sets else {},
        }
        for key, name in _in_order(by, tables)
    }


def weeks(spec: LabelSetSpec, rule: Rule, tables: Mapping[Any, PatternTable]) -> dict[str, dict[str, Any]]:
    """The base vote of each week. Without who voted there is no interval but ``ci95_items``, over texts alone."""
    return {
        name: {**_size(spec, rule, tables[key]), "base": over_texts(spec, tables[key], WEEKS_REASON)}
        for key, name in _in_order("week", tables)
    }


def over_texts(spec: LabelSetSpec, table: PatternTable | VoterTable, reason: str) -> dict[str, dict[str, Any]]:
    """The base vote with ``ci95_items``, and the reason why there is no other interval."""
    options = table.options if isinstance(table, PatternTable) else table.patterns.options
    wanted = agreement.base_measures(options, spec.ordinal)
    found = by_name(agreement.measure_all(table, wanted))
    for each in wanted:
        one = found[each.name]
        one["ci95_items"] = agreement.items_interval(table, each, one["value"], one["se_items"])
        if one["ci95_items"]:
            one["interval_reason"] = reason
    return found


def base(table: VoterTable, ordinal: bool) -> dict[str, Any]:
    """The base vote, how common each answer is, and how often another reader gives it too."""
    options = table.patterns.options
    wanted = agreement.base_measures(options, ordinal)
    common = [agreement.prevalence(name, at) for at, name in enumerate(options)]
    same = [agreement.specific_agreement(name, at) for at, name in enumerate(options)]
    found = iter(agreement.measure_all(table, [*wanted, *common, *same]))
    return {
        "base": by_name(islice(found, len(wanted))),
        "prevalence": by_name(islice(found, len(common))),
        "specific_agreement": by_name(found),
    }


def measured_tags(spec: LabelSetSpec, tables: Mapping[str, VoterTable]) -> dict[str, Any]:
    """Of each tag that was answered, by name; ``tables`` by code."""
    return {tag.name: by_name(agreement.measure_tag(tables[tag.code])) for tag in spec.tags if tag.code in tables}


def disputed(spec: LabelSetSpec, rule: Rule, table: PatternTable) -> int:
    """Units that the base votes alone make disputed; tied tags and flags come on top."""
    rows = zip(table.counts.tolist(), table.multiplicity.tolist(), strict=True)
    return sum(units for counts, units in rows if dispute_reasons(spec, counts, rule=rule))


def by_name(coefficients: Iterable[Coefficient]) -> dict[str, dict[str, Any]]:
    """Ready for JSON."""
    rows: list[dict[str, Any]] = [coefficient.as_dict() for coefficient in coefficients]
    return {str(row.pop("name")): row for row in rows}


def _size(spec: LabelSetSpec, rule: Rule, table: PatternTable) -> dict[str, int]:
    return {"units": table.n_units, "votes": table.n_votes, "disputed": disputed(spec, rule, table)}


def _in_order(by: By, keys: Collection[Any]) -> list[tuple[Any, str]]:
    return sorted(names(by, keys).items(), key=lambda pair: pair[1])


def names(by: By, keys: Collection[Any]) -> dict[Any, str]:
    """What each slice is called, no two the same."""
    match by:
        case "source":
            known = Source.objects.in_bulk([key for key in keys if key is not None])
            return {key: str(known[key]) if key in known else _unknown(key) for key in keys}
        case "campaign":
            return dict(Campaign.objects.filter(pk__in=keys).values_list("pk", "slug"))
        case "is_augmented":
            return {key: "augmented" if key else "original" for key in keys}
        case "week":
            return {key: key.isoformat() for key in keys}
        case "language":
            return {key: key or _unknown(None) for key in keys}


def _unknown(key: int | None) -> str:
    """A name that neither a source nor a language can have; ``key`` is of a source that is no longer in the ledger."""
    return "(unknown)" if key is None else f"(unknown {key})"
