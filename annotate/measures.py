"""What is measured of many votes, ready for JSON: of a campaign from its pattern tables, of a file from its votes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from django.core.cache import cache
from django.utils import timezone

from annotate import counted, slices, tallies
from annotate.models import Campaign, StoppingRule
from annotate.tallies import Scope
from labels import agreement
from labels.aggregation import Rule
from labels.taxonomy import LabelSetSpec
from labels.votes import PatternTable, VoterTable
from labels.votes_files import RawVotes

# Shown first; the others are one click away.
HEADLINE = ("krippendorff_alpha_ordinal", "gwet_ac1", "percent_agreement")
STOPPED_EARLY = (
    "Votes were asked for until they settled a text, so readers who agreed were heard less often than readers who did "
    "not: percent agreement and AC1 come out too high, alpha less so. Compare them with no other campaign's."
)
# Options, and reasons why votes were rejected, that a terminal names.
MOST_NAMED = 20
# Seconds: what takes longer is measured by a worker, and shown for so many times as long; and how long it is kept.
COSTLY, PATIENCE, KEPT_SECONDS = 1.0, 20, 7 * 86_400
ORIGINALS, ALL = "original texts", "all texts"


def of_votes(votes: RawVotes, *, ordinal: bool) -> dict[str, Any]:
    """What is measured of the votes of a file, with what became of each, and Conger's (of two: Cohen's) kappa."""
    table = VoterTable.from_votes(votes.options, votes.unit, votes.annotator, votes.option, votes.annotators)
    measured = _base(table, ordinal)
    measured["base"] |= slices.by_name([agreement.conger_kappa(table)])
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
    it. ``computed_on`` says so; labels, disputes and the slices by source and origin are of all texts.

    With ``exact`` the base votes on which agreement is computed are read themselves, for what must be as of now.
    """
    spec, rule = tallies.spec_of(scope), tallies.rule_of(scope)
    found = tallies.read(scope, spec)
    by_origin = found.base.by("is_augmented")
    everything = found.base.by().get(None)
    is_of_originals = False in by_origin
    is_augmented = False if is_of_originals else scope.is_augmented
    computed_on = replace(scope, is_augmented=is_augmented)
    if exact:
        table = counted.voters(computed_on)
    else:
        table = by_origin.get(not is_of_originals) or _nothing(spec)
    tag_tables = {code: voted.by(is_augmented=is_augmented).get(None) for code, voted in found.tags.items()}
    tag_sets = found.tag_sets.by(is_augmented=is_augmented).get(None)
    return {
        "label_set": {"name": spec.name, "revision": spec.revision},
        "ordinal": spec.ordinal,
        "computed_on": ORIGINALS if is_of_originals else ALL,
        **_base(table, spec.ordinal),
        "labels": _labels(spec, rule, everything),
        "disputed": slices.disputed(spec, rule, everything.patterns) if everything else 0,
        "tags": slices.measured_tags(spec, {code: table for code, table in tag_tables.items() if table}),
        "tag_sets": slices.by_name(agreement.measure_tag_sets(tag_sets)) if tag_sets else {},
        "slices": {
            "source": slices.sliced(spec, rule, found, "source"),
            "language": slices.sliced(spec, rule, found, "language", is_augmented=is_augmented),
            "is_augmented": slices.sliced(spec, rule, found, "is_augmented"),
            # Of a single campaign it is the whole again.
            "campaign": slices.sliced(spec, rule, found, "campaign", is_augmented=is_augmented)
            if len(scope.campaigns) > 1
            else {},
            "week": slices.weeks(spec, rule, tallies.patterns(computed_on, "week", spec)),
        },
        "warnings": _warnings(scope),
    }


class Kept(NamedTuple):
    """What was measured, of which version of the tables and of what else it depends on, when, and the seconds."""

    measured: dict[str, Any]
    version: tuple[Any, ...]
    at: datetime
    took: float

    @property
    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON: what was measured, ``measured_at``, and whether votes of since then may be missing."""
        return {"measured_at": self.at.isoformat(), "is_behind": self.is_behind, **self.measured}

    @property
    def is_behind(self) -> bool:
        """Whether it may be behind the tables: it is costly."""
        return self.took >= COSTLY

    def is_due(self, version: tuple[Any, ...], now: datetime) -> bool:
        """Whether a costly one is to be computed anew."""
        return self.version != version and (now - self.at).total_seconds() >= PATIENCE * self.took


def kept(campaign: Campaign) -> Kept:
    """The same as ``of_scope`` of one campaign, computed anew only if something has changed.

    What takes longer than ``COSTLY`` seconds is computed by a worker (``refresh``); whoever asks is shown the last one.
    """
    scope = Scope((campaign.pk,))
    found: Kept | None = cache.get(_key(campaign))
    version = _version(scope)
    if found is not None and (found.is_behind or found.version == version):
        return found
    return _measure(campaign, version)


def refresh() -> int:
    """Compute anew what is costly, was asked for once, and has changed; returns how many campaigns that were.

    Each after ``PATIENCE`` times as long as it takes: a large campaign that is being labelled costs a small part of one
    processor.
    """
    done = 0
    for campaign in Campaign.objects.all():
        found: Kept | None = cache.get(_key(campaign))
        if found is None or not found.is_behind:
            continue
        version = _version(Scope((campaign.pk,)))
        # Of several workers one measures; a lost one is waited for.
        if found.is_due(version, timezone.now()) and cache.add(f"{_key(campaign)}-busy", 1, PATIENCE * found.took):
            _measure(campaign, version)
            cache.delete(f"{_key(campaign)}-busy")
            done += 1
    return done


def _measure(campaign: Campaign, version: tuple[Any, ...]) -> Kept:
    now, begin = timezone.now(), time.monotonic()
    made = Kept(of_scope(Scope((campaign.pk,))), version, now, time.monotonic() - begin)
    cache.set(_key(campaign), made, KEPT_SECONDS)
    return made


def _key(campaign: Campaign) -> str:
    return f"measures-{campaign.pk}"


def _version(scope: Scope) -> tuple[Any, ...]:
    return (tallies.version(scope), *_ways(scope))


def _ways(scope: Scope) -> list[tuple[Any, ...]]:
    """What the measures depend on beside the tables: label sets, ways of adding up, stopping rules that left a mark."""
    return [
        *Campaign.objects.filter(pk__in=scope.campaigns).order_by("pk").values_list("label_set", "aggregation", "slug"),
        tuple(_warnings(scope)),
    ]


def _labels(spec: LabelSetSpec, rule: Rule, everything: VoterTable | None) -> dict[str, Any]:
    """What the votes add up to in the way of the campaigns."""
    if everything is None:
        return {}
    return tallies.distribution(spec, everything.patterns, rule)._asdict()


def _warnings(scope: Scope) -> list[str]:
    """What makes the measures mislead. A rule that was in use once has left its mark on the votes."""
    is_stopped = StoppingRule.objects.filter(campaign__in=scope.campaigns, overlap_before__isnull=False).exists()
    return [STOPPED_EARLY] if is_stopped else []


def _base(table: VoterTable, ordinal: bool) -> dict[str, Any]:
    return {
        "options": list(table.patterns.options),
        **slices.base(table, ordinal),
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


def _nothing(spec: LabelSetSpec) -> VoterTable:
    none = np.zeros(0, dtype=np.int64)
    return VoterTable.from_votes(tallies.option_codes(spec), none, none, none, ())


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
