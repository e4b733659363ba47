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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet

from annotate.errors import NotComparable
from annotate.models import Campaign, Unit, UnitTally
from annotate.models.tallies import BASE, TAG_SETS, tag_kind
from annotate.statements import one, rows
from labels.aggregation import Rule, published_label
from labels.models import LabelSet
from labels.taxonomy import LabelSetSpec
from labels.votes import PatternTable, VoterTable
from sources.models import InstructionState

# Numbers that one transaction takes from the queue: what an answer that changes a pattern may be behind another.
PORTION = 2_000
# Seconds that a page may spend on bringing the tables up to date.
PATIENCE = 0.5
# What is waiting is counted up to so many.
MANY = 100_000

By = Literal["campaign", "source", "language", "is_augmented", "week"]
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
PATTERNS = f"""
    SELECT {{key}}, counted.kind, counted.pattern, sum(counted.units)::bigint
    FROM annotate_slice slice JOIN annotate_patterncount counted ON counted.slice_id = slice.id
    WHERE counted.kind = ANY(%(kinds)s) AND {WITHIN} GROUP BY 1, 2, 3
"""  # noqa: S608 - made of constants
TAG_SET_PATTERNS = f"""
    SELECT {{key}}, counted.kind, counted.pattern, sum(counted.units)::bigint
    FROM annotate_slice slice JOIN annotate_patterncount counted ON counted.slice_id = slice.id
    WHERE counted.kind = ANY(%(kinds)s) AND slice.tags = %(tags)s::varchar[] AND {WITHIN} GROUP BY 1, 2, 3
"""  # noqa: S608 - made of constants
# Patterns and voters in one statement, so that both are of one moment.
VOTERS = f"""
    SELECT {{key}}, counted.pattern::text, -1, -1, sum(counted.units)::bigint
    FROM annotate_slice slice JOIN annotate_patterncount counted ON counted.slice_id = slice.id
    WHERE counted.kind = 'base' AND {WITHIN} GROUP BY 1, 2
    UNION ALL
    SELECT {{key}}, counted.pattern::text, counted.annotator_id, counted.option, sum(counted.votes)::bigint
    FROM annotate_slice slice JOIN annotate_votercount counted ON counted.slice_id = slice.id
    WHERE {WITHIN} GROUP BY 1, counted.pattern, 3, 4
"""  # noqa: S608 - made of constants
WAITING = "SELECT count(*) FROM (SELECT 1 FROM annotate_tallyqueue LIMIT %(most)s) behind"
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


def rebuild(campaign: Campaign) -> int:
    """Have every unit of a campaign counted anew by the next folds; returns how many were queued."""
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


def patterns(scope: Scope, by: By | None = None) -> dict[Any, PatternTable]:
    """The base patterns for each value of ``by``; with None, all of them under None."""
    found = _patterns(PATTERNS, scope, by, [BASE])
    options = option_codes(spec_of(scope))
    return {key: _table(options, kinds[BASE]) for key, kinds in found.items()}


def tags(scope: Scope, by: By | None = None) -> dict[Any, dict[str, PatternTable]]:
    """For each value of ``by`` and each tag that was answered, by code: the answers "no" and "yes" as patterns."""
    codes = tag_codes(spec_of(scope))
    found = _patterns(PATTERNS, scope, by, [tag_kind(code) for code in codes])
    return {
        key: {code: _table(("no", "yes"), kinds[tag_kind(code)]) for code in codes if tag_kind(code) in kinds}
        for key, kinds in found.items()
    }


def tag_sets(scope: Scope, by: By | None = None) -> dict[Any, PatternTable]:
    """For each value of ``by`` the tag sets of votes that answered every tag, as patterns.

    Each option is a number in digits: bit n says whether tag n of the label set was a yes. Those that nobody chose are
    not among the options.
    """
    spec = spec_of(scope)
    found = _patterns(TAG_SET_PATTERNS, scope, by, [TAG_SETS], tags=list(tag_codes(spec)))
    return {key: _numbered(kinds[TAG_SETS]) for key, kinds in found.items()}


def voters(scope: Scope, by: By | None = None) -> dict[Any, VoterTable]:
    """Who voted what beside which base pattern, for each value of ``by``; annotators are named by their ids."""
    options = option_codes(spec_of(scope))
    grouped = defaultdict[Any, list[tuple[str, int, int, int]]](list)
    for key, *row in rows(VOTERS.format(key=KEYS[by]), asdict(scope) | {"campaigns": list(scope.campaigns)}):
        grouped[key].append((row[0], row[1], row[2], row[3]))
    return {key: _voter_table(options, group) for key, group in grouped.items()}


class Distribution(NamedTuple):
    """How many units have each published label, mild to severe, and how many have none for which reason."""

    labels: dict[str, int]
    without: dict[str, int]


def distribution(scope: Scope, by: By | None = None) -> dict[Any, Distribution]:
    """What the campaigns' way of adding votes up makes of the base votes, for each value of ``by``."""
    spec, rule = spec_of(scope), rule_of(scope)
    return {key: _distribution(spec, table, rule) for key, table in patterns(scope, by).items()}


def distribution_of(scope: Scope, table: PatternTable) -> Distribution:
    """What the campaigns' way of adding votes up makes of these base votes of theirs."""
    return _distribution(spec_of(scope), table, rule_of(scope))


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

type Patterns = Sequence[tuple[Sequence[int], int]]  # sorted positions, and how many units


def _patterns(
    statement: str, scope: Scope, by: By | None, kinds: Sequence[str], **values: Any
) -> Mapping[Any, Mapping[str, Patterns]]:
    values |= asdict(scope) | {"campaigns": list(scope.campaigns), "kinds": list(kinds)}
    found = defaultdict[Any, dict[str, list[tuple[list[int], int]]]](lambda: defaultdict(list))
    for key, kind, pattern, units in rows(statement.format(key=KEYS[by]), values):
        found[key][kind].append((pattern, units))
    return found


def _table(options: Sequence[str], found: Patterns) -> PatternTable:
    counts = _counts([pattern for pattern, _ in found], len(options))
    return PatternTable.from_array(options, counts, np.array([units for _, units in found], dtype=np.int64))


def _numbered(found: Patterns) -> PatternTable:
    masks = sorted({mask for pattern, _ in found for mask in pattern})
    place = {mask: at for at, mask in enumerate(masks)}
    placed = [([place[mask] for mask in pattern], units) for pattern, units in found]
    return _table([str(mask) for mask in masks], placed)


def _counts(found: Sequence[Iterable[int]], options: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    counts = np.zeros((len(found), options), dtype=np.int64)
    for row, pattern in enumerate(found):
        for option in pattern:
            counts[row, option] += 1
    return counts


def _voter_table(options: Sequence[str], found: Sequence[tuple[str, int, int, int]]) -> VoterTable:
    """Of rows (pattern as text, annotator id, option, number), where annotator -1 is the pattern itself."""
    written = [(pattern, number) for pattern, annotator, _, number in found if annotator < 0]
    counts = _counts([map(int, pattern.strip("{}").split(",")) for pattern, _ in written], len(options))
    table = PatternTable.from_array(options, counts, np.array([number for _, number in written], dtype=np.int64))
    row_of = {tuple(pattern): row for row, pattern in enumerate(table.counts.tolist())}
    rank = {pattern: row_of[tuple(count)] for (pattern, _), count in zip(written, counts.tolist(), strict=True)}
    people = sorted({annotator for _, annotator, _, _ in found if annotator >= 0})
    index = {annotator: at for at, annotator in enumerate(people)}
    votes = sorted((index[who], rank[pattern], option, number) for pattern, who, option, number in found if who >= 0)
    columns = np.array(votes, dtype=np.int64).reshape(-1, 4).T
    return VoterTable(table, tuple(map(str, people)), *columns)


def _distribution(spec: LabelSetSpec, table: PatternTable, rule: Rule) -> Distribution:
    labels, without = Counter[str](dict.fromkeys(spec.published, 0)), Counter[str]()
    for counts, units in zip(table.counts.tolist(), table.multiplicity.tolist(), strict=True):
        label, reason = published_label(spec, counts, rule)
        if label is not None:
            labels[label] += units
        else:
            without[reason or ""] += units
    return Distribution(dict(labels), dict(without))
