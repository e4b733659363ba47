"""The pattern tables, computed anew from the annotations in one statement that shares nothing with the fold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, timedelta
from typing import Any

from django.db import connection

from annotate import tallies
from annotate.models import Campaign, PatternCount, Slice, Unit, UnitTally, VoterCount

# Every counted vote on an available instruction, with all that decides its slice. The source is found as exports does.
COUNTED = """
    SELECT placed.id AS unit, placed.campaign_id, said.annotator_id, said.tags, said.created_at, label.code,
           label_set.id AS label_set, split_part(text.language, '-', 1) AS language,
           text.parent_id IS NOT NULL AS is_augmented, (
               SELECT source.id FROM sources_provenance given JOIN sources_source source ON source.id = given.source_id
               LEFT JOIN sources_source first ON first.id = source.augments_id
               WHERE given.instruction_id = text.id
               ORDER BY (source.license = 'unknown' OR coalesce(first.license, '') = 'unknown'), source.precedence,
                        source.id
               LIMIT 1) AS source
    FROM annotate_unit placed
    JOIN annotate_campaign campaign ON campaign.id = placed.campaign_id
    JOIN labels_labelset label_set ON label_set.id = campaign.label_set_id
    JOIN sources_instruction text ON text.id = placed.instruction_id
    JOIN annotate_annotation said ON said.unit_id = placed.id
    JOIN labels_label label ON label.id = said.choice_id
    WHERE text.state = 0 AND NOT said.surplus
      AND said.id NOT IN (SELECT supersedes_id FROM annotate_annotation WHERE supersedes_id IS NOT NULL)
"""
CODES = "SELECT code FROM labels_label WHERE label_set_id = %s AND kind = %s ORDER BY position"


class Recount:
    """What the tables should hold."""

    def __init__(self) -> None:
        self.patterns, self.voters = Counter[Any](), Counter[Any]()
        self.units: dict[int, Any] = {}
        with connection.cursor() as cursor:
            cursor.execute(COUNTED)
            names = [column.name for column in cursor.description or ()]
            found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            sets = {vote["label_set"] for vote in found}
            self.codes = {one: [self._codes(cursor, one, kind) for kind in ("option", "tag")] for one in sets}
        by_unit: dict[int, list[dict[str, Any]]] = {}
        for vote in found:
            by_unit.setdefault(vote["unit"], []).append(vote)
        for unit, votes in by_unit.items():
            self._add(unit, votes)

    @staticmethod
    def _codes(cursor: Any, label_set: int, kind: str) -> list[str]:
        cursor.execute(CODES, [label_set, kind])
        return [code for (code,) in cursor.fetchall()]

    def _add(self, unit: int, votes: list[dict[str, Any]]) -> None:
        options, tags = self.codes[votes[0]["label_set"]]
        votes = [vote for vote in votes if vote["code"] in options]
        if not votes:
            return
        last = max(vote["created_at"] for vote in votes).astimezone(UTC).date()
        one = votes[0]
        key = (
            one["campaign_id"],
            tuple(tags),
            one["source"],
            one["language"],
            one["is_augmented"],
            last - timedelta(days=last.weekday()),
        )
        base = tuple(sorted(options.index(vote["code"]) for vote in votes))
        who = [vote["annotator_id"] for vote in votes]
        self._count(key, "base", zip(who, (options.index(vote["code"]) for vote in votes), strict=True))
        said = [json.loads(vote["tags"]) if isinstance(vote["tags"], str) else vote["tags"] for vote in votes]
        answers = list(zip(who, said, strict=True))
        for tag in tags:
            self._count(key, f"tag:{tag}", [(by, int(answer[tag])) for by, answer in answers if tag in answer])
        full = [(by, answer) for by, answer in answers if tags and all(tag in answer for tag in tags)]
        self._count(key, "tags", [(by, sum(one[tag] << bit for bit, tag in enumerate(tags))) for by, one in full])
        self.units[unit] = (key, base, _disagreement(base, len(options), ordinal=_is_ordinal(one["label_set"])))

    def _count(self, key: Any, kind: str, votes: Iterable[tuple[int | None, int]]) -> None:
        """One unit of a kind, where somebody voted; voters are of all weeks."""
        votes = list(votes)
        if not votes:
            return
        pattern = tuple(sorted(option for _, option in votes))
        self.patterns[key, kind, pattern] += 1
        for who, option in votes:
            if who is not None:
                self.voters[(*key[:-1], None), kind, who, pattern, option] += 1


def _is_ordinal(label_set: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ordinal FROM labels_labelset WHERE id = %s", [label_set])
        return bool(cursor.fetchone()[0])


def _disagreement(base: tuple[int, ...], options: int, *, ordinal: bool) -> float | None:
    """The mean distance over all pairs, one by one."""
    pairs = [(x, y) for at, x in enumerate(base) for y in base[at + 1 :]]
    if not pairs:
        return None
    distances = [((x - y) / (options - 1)) ** 2 if ordinal else float(x != y) for x, y in pairs]
    return round(sum(distances) / len(pairs), 9)


def differences() -> list[str]:
    """What the tables hold otherwise than the votes say, once all is folded; empty if nothing."""
    while tallies.fold(seconds=10):
        pass
    told, found = Recount(), []
    slices = {
        one.pk: (one.campaign_id, tuple(one.tags), one.source_id, one.language, one.is_augmented, one.week)
        for one in Slice.objects.all()
    }
    if len(set(slices.values())) != len(slices):
        found.append("two slices are the same")
    stored: Counter[Any] = Counter()
    for count in PatternCount.objects.all():
        stored[slices[count.slice_id], count.kind, tuple(count.pattern)] += count.units
    voted: Counter[Any] = Counter()
    for one in VoterCount.objects.all():
        voted[slices[one.slice_id], one.kind, one.annotator_id, tuple(one.pattern), one.option] += one.votes
    units = {
        tally.pk: (
            slices[tally.slice_id],
            tuple(tally.base),
            None if tally.disagreement is None else round(tally.disagreement, 9),
        )
        for tally in UnitTally.objects.all()
    }
    in_slices = Counter(key for unit, _, _ in told.units.values() for key in (unit, (*unit[:-1], None)))
    for what, table, right in (
        ("patterns", stored, told.patterns),
        ("voters", voted, told.voters),
        ("units", units, told.units),
        ("units of slices", Counter({slices[one.pk]: one.units for one in Slice.objects.all()}), in_slices),
    ):
        if table != right:
            found.append(f"{what}: stored {dict(table)}, but the votes say {dict(right)}")
    return found + _progress_differences()


def _progress_differences() -> list[str]:
    """Campaigns whose numbers are not those of their units."""
    found = []
    for campaign in Campaign.objects.with_progress():
        served = Unit.objects.served().filter(campaign=campaign)
        right = (served.count(), *(sum(served.values_list(name, flat=True)) for name in ("overlap", "taken")))
        told = (campaign.units_count, campaign.wanted, campaign.given)  # type: ignore[attr-defined]
        if told != right:
            found.append(f"progress of {campaign}: stored {told}, but the units say {right}")
    return found
