"""Pattern tables that follow the votes: what pages measure agreement from, at the cost of a few thousand rows.

The tables are owned by one function of the database, ``annotate_fold`` (``sql/tallies.sql``). Triggers queue every unit
whose counted votes may have changed; beat and the pages fold what is queued. So the tables are equal to the votes as
soon as ``waiting()`` is 0, and a little behind until then, never wrong in any other way; ``counted`` reads the votes
themselves.

Positions are those of the campaign's label set, by code: its revisions have the same options. What was voted for with a
code that the set does not have is counted nowhere, as in a snapshot. A person who answered the same text in two
campaigns is two voters here; a snapshot counts the later answer alone.

The source of a unit is the one that the ledger put first when the unit was folded. After a change of the ledger
(precedence, licences, a further import of the same text) ``rebuild`` brings all units to the present order.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from numpy.typing import NDArray

from annotate.errors import NotComparable
from annotate.models import Campaign, Unit, UnitTally
from annotate.models.tallies import BASE, TAG_SETS, tag_kind
from annotate.statements import one, rows
from labels.aggregation import Rule, published_label
from labels.models import LabelSet
from labels.taxonomy import LabelSetSpec
from labels.votes import PatternTable, VoterTable, distinct_rows
from sources.models import InstructionState

type Ints = NDArray[np.int64]

# Numbers that one transaction takes from the queue: what an answer that changes a pattern may be behind another.
PORTION = 2_000
# Seconds that a page may spend on bringing the tables up to date.
PATIENCE = 0.5
# Of one statement that reads all voters.
WORK_MEMORY = "64MB"
# What is waiting is counted up to so many.
MANY = 100_000

VotersBy = Literal["campaign", "source", "language", "is_augmented"]
By = VotersBy | Literal["week"]
KEYS: dict[By | None, str] = {
    None: "NULL",
    "campaign": "slice.campaign_id",
    "source": "slice.source_id",
    "language": "slice.language",
    "is_augmented": "slice.is_augmented",
    "week": "slice.week",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Which units are measured: those of campaigns with the same options, and of these all that fit what is given.

    ``source`` is an id, ``language`` a code without a region ("" is unknown), ``since`` and ``before`` days between
    which the week of the last counted vote began.
    """

    campaigns: tuple[int, ...]
    source: int | None = None
    language: str | None = None
    is_augmented: bool | None = None
    since: date | None = None
    before: date | None = None


WITHIN = """
    slice.campaign_id = ANY(%(campaigns)s)
    AND (%(source)s::bigint IS NULL OR slice.source_id = %(source)s)
    AND (%(language)s::varchar IS NULL OR slice.language = %(language)s)
    AND (%(is_augmented)s::boolean IS NULL OR slice.is_augmented = %(is_augmented)s)
    AND (%(since)s::date IS NULL OR slice.week >= %(since)s)
    AND (%(before)s::date IS NULL OR slice.week < %(before)s)
"""
MEANT = "(counted.kind <> 'tags' OR slice.tags = %(tags)s::varchar[])"
PATTERNS = f"""
    SELECT {{key}}, counted.kind, counted.pattern, sum(counted.units)::bigint
    FROM annotate_slice slice JOIN annotate_patterncount counted ON counted.slice_id = slice.id
    WHERE counted.kind = ANY(%(kinds)s) AND {WITHIN} GROUP BY 1, 2, 3
"""  # noqa: S608 - made of constants
# Patterns and voters in one statement, so that both are of one moment. Patterns are in the slices of weeks, voters in
# those of all weeks. Bits of a tag set mean the tags by which it was folded, so those of other tags are left out.
# Nothing is summed here that numpy sums faster.
VOTERS = f"""
    SELECT slice.campaign_id, slice.source_id, slice.language, slice.is_augmented, counted.kind, counted.pattern,
           sum(counted.units)::bigint, '{{}}'::bigint[], '{{}}'::int[], '{{}}'::int[]
    FROM annotate_slice slice JOIN annotate_patterncount counted ON counted.slice_id = slice.id
    WHERE counted.kind = ANY(%(kinds)s) AND {WITHIN} AND {MEANT} GROUP BY 1, 2, 3, 4, 5, 6
    UNION ALL
    SELECT slice.campaign_id, slice.source_id, slice.language, slice.is_augmented, counted.kind, counted.pattern,
           0, array_agg(counted.annotator_id), array_agg(counted.option), array_agg(counted.votes)
    FROM annotate_slice slice JOIN annotate_votercount counted ON counted.slice_id = slice.id
    WHERE counted.kind = ANY(%(kinds)s) AND {WITHIN} AND {MEANT} GROUP BY slice.id, counted.kind, counted.pattern
"""  # noqa: S608 - made of constants
WAITING = "SELECT count(*) FROM (SELECT 1 FROM annotate_tallyqueue LIMIT %(most)s) behind"
# What changes whenever something of a scope's tables does: a fold writes the slices of all units that it moves anew. A
# row that is written twice in one transaction has another place or command each time.
VERSION = """
    SELECT md5(coalesce(string_agg(concat_ws('-', slice.id, slice.xmin, slice.cmin, slice.ctid, source.name,
                                             source.revision), ' ' ORDER BY slice.id), ''))
    FROM annotate_slice slice LEFT JOIN sources_source source ON source.id = slice.source_id
    WHERE slice.campaign_id = ANY(%(campaigns)s)
"""
REBUILD = """
    WITH queued AS (
        INSERT INTO annotate_tallyqueue (unit_id)
        SELECT id FROM annotate_unit WHERE campaign_id = %(campaign)s
        UNION SELECT unit_id FROM annotate_unittally WHERE campaign_id = %(campaign)s RETURNING 1
    )
    SELECT count(*) FROM queued
"""


# Keeping the tables.


def fold(seconds: float = 1.0) -> int:
    """Bring the tables up to date with what is queued, for about so long; returns how many numbers were taken out.

    Call it outside a transaction: each portion is committed by itself. Returns at once where somebody else is at it.
    """
    folded, end = 0, time.monotonic() + seconds
    rows("SELECT annotate_gather_changes()", {})
    while portion := int(one("SELECT annotate_fold(%(most)s)", {"most": PORTION})[0]):
        folded += portion
        if portion < PORTION or time.monotonic() >= end:
            break
    return folded


def waiting() -> int:
    """How many changes the tables do not know yet, counted up to 100,000."""
    return int(one(WAITING, {"most": MANY})[0])


def version(scope: Scope) -> str:
    """Differs, for certain, once anything that is read of the campaigns' tables does, or what a source is called."""
    return str(one(VERSION, {"campaigns": list(scope.campaigns)})[0])


def rebuild(campaign: Campaign) -> int:
    """Have every unit of a campaign counted anew by the next folds; returns how many were queued.

    Curators do it by an action on campaigns, after a change of the ledger.
    """
    return int(one(REBUILD, {"campaign": campaign.pk})[0])


# Reading them.


def spec_of(scope: Scope) -> LabelSetSpec:
    """The newest revision of the label set of the campaigns. Raises NotComparable where their options differ."""
    used = LabelSet.objects.filter(campaigns__in=scope.campaigns).distinct().prefetch_related("labels")
    specs = sorted((label_set.spec for label_set in used), key=lambda spec: spec.revision)
    if len({option_codes(spec) for spec in specs}) != 1:
        raise NotComparable(", ".join(sorted({spec.name for spec in specs})) or "no campaign")
    return specs[-1]


def rule_of(scope: Scope) -> Rule:
    """How the campaigns add votes up; where they differ, by the label set's rule."""
    chosen = set(Campaign.objects.filter(pk__in=scope.campaigns).values_list("aggregation", flat=True))
    return cast("Rule", chosen.pop()) if len(chosen) == 1 else "rule"


def option_codes(spec: LabelSetSpec) -> tuple[str, ...]:
    """What the columns of pattern tables are named here."""
    return tuple(option.code for option in spec.options)


def tag_codes(spec: LabelSetSpec) -> tuple[str, ...]:
    """The tags in the order of their bits in a tag set."""
    return tuple(tag.code for tag in spec.tags)


def patterns(scope: Scope, by: By | None = None, spec: LabelSetSpec | None = None) -> dict[Any, PatternTable]:
    """The base patterns for each value of ``by``; with None, all of them under None."""
    spec = spec or spec_of(scope)
    values = asdict(scope) | {"campaigns": list(scope.campaigns), "kinds": [BASE]}
    found = defaultdict[Any, list[tuple[list[int], int]]](list)
    for key, _, pattern, units in rows(PATTERNS.format(key=KEYS[by]), values):
        found[key].append((pattern, units))
    options = option_codes(spec)
    return {key: _table(options, group) for key, group in found.items()}


class _Row(NamedTuple):
    """A pattern of a kind in a slice: how many units have it, or who voted for which option beside it how often."""

    campaign: int
    source: int | None
    language: str
    is_augmented: bool
    kind: str
    pattern: Sequence[int]
    units: int
    annotators: Ints
    options: Ints
    votes: Ints


@dataclass(frozen=True, eq=False)
class Voted:
    """Who voted what beside which pattern, as it was read; ``options`` of the patterns."""

    options: tuple[str, ...]
    rows: Sequence[_Row]

    def by(self, by: VotersBy | None = None, *, is_augmented: bool | None = None) -> dict[Any, VoterTable]:
        """The tables for each value of ``by``, of all units or of one origin; annotators are named by their ids."""
        found = defaultdict[Any, list[_Row]](list)
        for row in self.rows:
            if is_augmented in (None, row.is_augmented):
                found[getattr(row, by) if by else None].append(row)
        return {key: _voter_table(self.options, rows) for key, rows in found.items()}


@dataclass(frozen=True, eq=False)
class Read:
    """The votes for the base options, for each tag by code, and of whole tag sets: of one moment.

    Of a tag the options are "no" and "yes". An option of a tag set is a number in digits: bit n says whether tag n of
    the label set was a yes; only votes that answered every tag are there, and only sets that somebody chose.
    """

    base: Voted
    tags: dict[str, Voted]
    tag_sets: Voted


def read(scope: Scope, spec: LabelSetSpec | None = None) -> Read:
    """Who voted what beside which pattern, in one statement, for tables by this and that.

    Not of weeks: who voted is kept of all weeks together (``counted`` has the rest).
    """
    spec = spec or spec_of(scope)
    kinds = {tag_kind(code): code for code in tag_codes(spec)}
    found = defaultdict[str, list[_Row]](list)
    for row in _read(scope, spec, [BASE, TAG_SETS, *kinds]):
        found[row.kind].append(row)
    return Read(
        Voted(option_codes(spec), found[BASE]),
        {code: Voted(("no", "yes"), found[kind]) for kind, code in kinds.items()},
        _of_tag_sets(found[TAG_SETS]),
    )


def voters(scope: Scope, by: VotersBy | None = None) -> dict[Any, VoterTable]:
    """Who voted what beside which base pattern, for each value of ``by``; annotators are named by their ids."""
    spec = spec_of(scope)
    return Voted(option_codes(spec), _read(scope, spec, [BASE])).by(by)


class Distribution(NamedTuple):
    """How many units have each published label, mild to severe, and how many have none for which reason."""

    labels: dict[str, int]
    without: dict[str, int]


def distribution(spec: LabelSetSpec, table: PatternTable, rule: Rule) -> Distribution:
    """What a way of adding votes up makes of the base votes."""
    labels, without = Counter[str](dict.fromkeys(spec.published, 0)), Counter[str]()
    for counts, units in zip(table.counts.tolist(), table.multiplicity.tolist(), strict=True):
        label, reason = published_label(spec, counts, rule)
        if label is not None:
            labels[label] += units
        else:
            without[reason or ""] += units
    return Distribution(dict(labels), dict(without))


def most_disputed(
    campaign: Campaign, *, severe: bool = False, hidden: QuerySet[Unit] | None = None, limit: int = 50
) -> list[UnitTally]:
    """The units whose votes differ most, those first; with ``severe`` also those with a vote for the last option.

    An index gives them in that order, whatever the campaign's size. Only what may be shown now, and none of ``hidden``.
    """
    differing = UnitTally.objects.filter(
        campaign=campaign, disagreement__gt=0, unit__instruction__state=InstructionState.AVAILABLE
    )
    if hidden is not None:
        differing = differing.exclude(Exists(hidden.filter(pk=OuterRef("unit"))))
    ordered = differing.select_related("unit__instruction").order_by("-disagreement", "unit_id")
    found = [tally for is_severe in {False, severe} for tally in ordered.filter(is_severe=is_severe)[:limit]]
    return sorted(found, key=lambda tally: (-(tally.disagreement or 0), tally.pk))[:limit]


# Rows as arrays.


def _read(scope: Scope, spec: LabelSetSpec, kinds: Sequence[str]) -> list[_Row]:
    if scope.since or scope.before:
        raise ValueError("who voted is not kept by week; ask patterns() of weeks, or counted.voters() of the votes.")
    values = asdict(scope) | {
        "campaigns": list(scope.campaigns),
        "kinds": list(kinds),
        "tags": list(tag_codes(spec)),
    }
    with transaction.atomic():
        # Groups of a million rows are made in memory, or they would be sorted on disk.
        one("SELECT set_config('work_mem', %(much)s, true)", {"much": WORK_MEMORY})
        found = rows(VOTERS, values)
    return [_Row(*row[:-3], *(np.array(column, dtype=np.int64) for column in row[-3:])) for row in found]


def _of_tag_sets(found: Sequence[_Row]) -> Voted:
    masks = sorted({mask for row in found for mask in row.pattern})
    place = {mask: at for at, mask in enumerate(masks)}
    rows = [
        row._replace(pattern=[place[mask] for mask in row.pattern], options=np.searchsorted(masks, row.options))
        for row in found
    ]
    return Voted(tuple(map(str, masks)), rows)


def _table(options: Sequence[str], found: Sequence[tuple[Sequence[int], int]]) -> PatternTable:
    counts = _counts([pattern for pattern, _ in found], len(options))
    return PatternTable.from_array(options, counts, np.array([units for _, units in found], dtype=np.int64))


def _counts(found: Sequence[Iterable[int]], options: int) -> Ints:
    counts = np.zeros((len(found), options), dtype=np.int64)
    for row, pattern in enumerate(found):
        for option in pattern:
            counts[row, option] += 1
    return counts


def _voter_table(options: Sequence[str], found: Sequence[_Row]) -> VoterTable:
    counts = _counts([one.pattern for one in found], len(options))
    table = PatternTable.from_array(options, counts, np.array([one.units for one in found], dtype=np.int64))
    row_of = {tuple(pattern): row for row, pattern in enumerate(table.counts.tolist())}
    row = [row_of[tuple(count)] for count in counts.tolist()]
    people, annotator = distinct_rows(_joined(one.annotators for one in found)[:, None])
    return VoterTable.from_counts(
        table,
        tuple(map(str, people[:, 0].tolist())),
        annotator=annotator,
        pattern=np.repeat(np.array(row, dtype=np.int64), [len(one.annotators) for one in found]),
        option=_joined(one.options for one in found),
        count=_joined(one.votes for one in found),
    )


def _joined(columns: Iterable[Ints]) -> Ints:
    return np.concatenate([np.empty(0, dtype=np.int64), *columns])
