"""What is measured of many votes, ready for JSON: of a campaign from its pattern tables, of a file from its votes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from annotate import counted, tallies
from annotate.models import StoppingRule
from annotate.tallies import By, Scope
from labels import agreement
from labels.aggregation import dispute_reasons
from labels.agreement import Coefficient
from labels.taxonomy import LabelSetSpec
from labels.votes import PatternTable, VoterTable
from labels.votes_files import RawVotes
from sources.models import Source

# Shown first; the others are one click away.
HEADLINE = ("krippendorff_alpha_ordinal", "gwet_ac1", "percent_agreement")
STOPPED_EARLY = (
    "Votes were asked for until they settled a text, so readers who agreed were heard less often than readers who did "
    "not: percent agreement and AC1 come out too high, alpha less so. Compare them with no other campaign's."
)
TAGS_BY_SOURCE = ("prevalence", "gwet_ac1")
# Options, and reasons why votes were rejected, that a terminal names.
MOST_NAMED = 20
ORIGINALS, ALL = "original texts", "all texts"


def of_votes(votes: RawVotes, *, ordinal: bool) -> dict[str, Any]:
    """What is measured of the votes of a file, with what became of each, and Conger's (of two: Cohen's) kappa."""
    table = VoterTable.from_votes(votes.options, votes.unit, votes.annotator, votes.option, votes.annotators)
    measured = _base(table, ordinal)
    measured["base"] |= _by_name([agreement.conger_kappa(table)])
    return {
        "votes": {
            "read": votes.read,
            "taken": votes.taken,
            "repeated": votes.repeated,
            "rejected": dict(votes.rejected.most_common()),
            "offenders": list(votes.offenders),
        },
        "ordinal": ordinal,
        **measured,
    }


def of_scope(scope: Scope, *, exact: bool = False) -> dict[str, Any]:
    """What is measured of the counted votes of campaigns, from the pattern tables. Raises NotComparable.

    Agreement is computed on original texts, if there are votes on such: what was made of a text is not independent of
    it. ``computed_on`` says so; labels, disputes and the slices by source and by origin are of all texts.

    With ``exact`` the base votes on which agreement is computed are read themselves, for what must be as of now.
    """
    spec = tallies.spec_of(scope)
    voted = tallies.read_voters(scope)
    by_origin = voted.by("is_augmented")
    everything = tallies.patterns(scope).get(None)
    if False in by_origin:
        computed_on, table, scope_of_agreement = ORIGINALS, by_origin[False], replace(scope, is_augmented=False)
    else:
        computed_on, table, scope_of_agreement = ALL, by_origin.get(True) or _nothing(spec), scope
    if exact:
        table = counted.voters(scope_of_agreement)
    tag_tables = tallies.tags(scope_of_agreement).get(None, {})
    tag_sets = tallies.tag_sets(scope_of_agreement).get(None)
    return {
        "label_set": {"name": spec.name, "revision": spec.revision},
        "ordinal": spec.ordinal,
        "computed_on": computed_on,
        **_base(table, spec.ordinal),
        "labels": tallies.distribution(scope)[None]._asdict() if everything else {},
        "disputed": _disputed(spec, everything) if everything else 0,
        "tags": {
            tag.name: _by_name(agreement.measure_tag(tag_tables[tag.code]))
            for tag in spec.tags
            if tag.code in tag_tables
        },
        "tags_by_source": _tags_by_source(spec, scope),
        "tag_sets": _by_name(agreement.measure_tag_sets(tag_sets)) if tag_sets else {},
        "slices": {
            "source": _sliced(spec, "source", voted.by("source")),
            "language": _sliced(spec, "language", voted.by("language", is_augmented=scope_of_agreement.is_augmented)),
            "is_augmented": _sliced(spec, "is_augmented", by_origin),
            # Who voted what in which week is not kept: values and standard errors over texts alone.
            "week": _sliced(spec, "week", tallies.patterns(scope_of_agreement, "week")),
        },
        "warnings": _warnings(scope),
    }


def _warnings(scope: Scope) -> list[str]:
    """What makes the measures mislead. A rule that was in use once has left its mark on the votes."""
    is_stopped = StoppingRule.objects.filter(campaign__in=scope.campaigns, overlap_before__isnull=False).exists()
    return [STOPPED_EARLY] if is_stopped else []


def _base(table: VoterTable, ordinal: bool) -> dict[str, Any]:
    options = table.patterns.options
    base = agreement.base_measures(options, ordinal)
    prevalence = [agreement.prevalence(name, at) for at, name in enumerate(options)]
    same = [agreement.specific_agreement(name, at) for at, name in enumerate(options)]
    found = iter(agreement.measure_all(table, [*base, *prevalence, *same]))
    return {
        "options": list(options),
        "base": _by_name(islice(found, len(base))),
        "prevalence": _by_name(islice(found, len(prevalence))),
        "specific_agreement": _by_name(found),
        "confusion": confusion(table.patterns),
        "corpus": agreement.describe_corpus(table),
    }


def confusion(table: PatternTable) -> list[list[float]]:
    """Krippendorff's (2011) coincidences (K, K): how often one vote for row c meets another for column k in a unit.

    Every vote of a pairable unit counts once, spread over the m - 1 others: rows add up to the votes for c.
    """
    pairable = table.per_unit >= 2
    counts = table.counts[pairable].astype(float)
    shares = counts * (table.multiplicity[pairable] / (table.per_unit[pairable] - 1))[:, None]
    found: list[list[float]] = (shares.T @ counts - np.diag(shares.sum(axis=0))).tolist()
    return found


def _sliced(spec: LabelSetSpec, by: By, tables: Mapping[Any, VoterTable | PatternTable]) -> dict[str, Any]:
    names = _names(by, tables)
    patterns = {key: table if isinstance(table, PatternTable) else table.patterns for key, table in tables.items()}
    return {
        names[key]: {
            "units": patterns[key].n_units,
            "votes": patterns[key].n_votes,
            "disputed": _disputed(spec, patterns[key]),
            "base": _by_name(agreement.measure(table, spec.ordinal)),
        }
        for key, table in sorted(tables.items(), key=lambda pair: names[pair[0]])
    }


def _tags_by_source(spec: LabelSetSpec, scope: Scope) -> dict[str, Any]:
    """Of each source and each tag that was answered there: how common a yes is, and AC1, which rare tags spare."""
    found = tallies.tags(scope, "source")
    names = _names("source", found)
    wanted = [each for each in agreement.tag_measures(("no", "yes")) if each.name in TAGS_BY_SOURCE]
    return {
        names[key]: {
            tag.name: _by_name(agreement.measure_all(tables[tag.code], wanted))
            for tag in spec.tags
            if tag.code in tables
        }
        for key, tables in sorted(found.items(), key=lambda pair: names[pair[0]])
    }


def _names(by: By, keys: Collection[Any]) -> dict[Any, str]:
    """What each slice is called, no two the same."""
    match by:
        case "source":
            known = Source.objects.in_bulk([key for key in keys if key is not None])
            return {key: str(known[key]) if key in known else _unknown(key) for key in keys}
        case "is_augmented":
            return {key: "augmented" if key else "original" for key in keys}
        case "week":
            return {key: key.isoformat() for key in keys}
        case _:
            return {key: key or _unknown(None) for key in keys}


def _unknown(key: int | None) -> str:
    """A name that neither a source nor a language can have; ``key`` is of a source that is no longer in the ledger."""
    return "(unknown)" if key is None else f"(unknown {key})"


def _disputed(spec: LabelSetSpec, table: PatternTable) -> int:
    """Units that the base votes alone make disputed; tied tags and flags come on top."""
    rows = zip(table.counts.tolist(), table.multiplicity.tolist(), strict=True)
    return sum(units for counts, units in rows if dispute_reasons(spec, counts))


def _nothing(spec: LabelSetSpec) -> VoterTable:
    none = np.zeros(0, dtype=np.int64)
    return VoterTable.from_votes(tallies.option_codes(spec), none, none, none, ())


def _by_name(coefficients: Iterable[Coefficient]) -> dict[str, dict[str, Any]]:
    rows: list[dict[str, Any]] = [coefficient.as_dict() for coefficient in coefficients]
    return {str(row.pop("name")): row for row in rows}


def headline(measured: Mapping[str, Any]) -> dict[str, Any]:
    """The coefficients to show first: alpha is the nominal one where the options have no order."""
    first = HEADLINE if measured["ordinal"] else ("krippendorff_alpha_nominal", *HEADLINE[1:])
    return {name: measured["base"][name] for name in first}


def as_text(measured: Mapping[str, Any]) -> Iterator[str]:
    """Lines for a terminal: what was counted, then a table of the coefficients, those to show first on top."""
    votes, corpus = measured.get("votes"), measured["corpus"]
    if votes:
        rejected, reasons = sum(votes["rejected"].values()), list(votes["rejected"].items())
        taken, repeated = votes["taken"], votes["repeated"]
        yield f"read {votes['read']:,} = {taken:,} taken + {repeated:,} repeated + {rejected:,} rejected"
        yield from (f"  rejected {times:,}: {_plain(reason)}" for reason, times in reasons[:MOST_NAMED])
        if more := sum(times for _, times in reasons[MOST_NAMED:]):
            yield f"  rejected {more:,}: for {len(reasons) - MOST_NAMED:,} other reasons"
    people = "annotators unknown" if corpus["annotators"] is None else f"{corpus['annotators']:,} annotators"
    yield f"{corpus['units']:,} units, {corpus['pairable']:,} with two votes, {corpus['votes']:,} votes, {people}"
    order = "from mild to severe" if measured["ordinal"] else "without an order"
    options = [f"{_plain(name)} {n:,}" for name, n in corpus["options"].items()]
    more_options = f" and {len(options) - MOST_NAMED:,} more" if len(options) > MOST_NAMED else ""
    yield f"options {order}: {', '.join(options[:MOST_NAMED])}{more_options}"
    yield ""
    first = headline(measured)
    named = {**first, **measured["base"]}
    width = max(map(len, named))
    yield f"{'':{width}}    value            95 % interval  se items  se annotators"
    for name, found in named.items():
        yield f"{name:{width}}  {_numbers(found)}"


def _plain(name: str) -> str:
    """A name of somebody's file, which must not steer the terminal."""
    return name if name.isprintable() else repr(name)


def _numbers(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return f"undefined: {found['reason']}"
    low, high = found["ci95"] or (None, None)
    interval = "none" if low is None else f"{low:.3f} to {high:.3f}"
    errors = [f"{each:.4f}" if each is not None else "-" for each in (found["se_items"], found["se_annotators"])]
    reason = f"  {found['interval_reason']}" if found["interval_reason"] else ""
    return f"{found['value']:7.4f}  {interval:>19}  {errors[0]:>8}  {errors[1]:>13}{reason}"
