"""The published line: one object per instruction, in a stable order, from the votes up to a cut.

The shape of a record is described field by field in docs/record.md; every key is always there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from django.db import connection
from psycopg import IsolationLevel, sql

from annotate.models import Annotator
from labels.aggregation import Aggregate, aggregate
from labels.models import LabelSet
from labels.taxonomy import LabelSetSpec
from sources.models import UNKNOWN_LICENSE
from sources.texts import oig_text

# Rows fetched at a time from the server-side cursor.
FETCH = 2_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which votes a snapshot is made of. All campaigns use revisions of one label set and judge the same target."""

    campaigns: tuple[int, ...]
    label_set: LabelSet
    target: str
    cut: int


class Line(NamedTuple):
    """One instruction with its counted votes; ``record`` is what is published."""

    counts: tuple[int, ...]
    tag_counts: tuple[tuple[int, int], ...]
    simulated: int
    aggregate: Aggregate
    record: dict[str, Any]


# The counted annotations at the cut. Where one person voted on one instruction in two of the campaigns, the later vote
# is the one that counts: the same person twice is not two readers.
COUNTED = """
    SELECT DISTINCT ON (unit.instruction_id, coalesce(vote.annotator_id, -vote.id))
           unit.instruction_id, vote.annotator_id, option.code AS choice, vote.tags
    FROM annotate_annotation vote
    JOIN annotate_unit unit ON unit.id = vote.unit_id
    JOIN labels_label option ON option.id = vote.choice_id
    WHERE unit.campaign_id = ANY(%(campaigns)s) AND vote.id <= %(cut)s AND NOT vote.surplus
      AND NOT EXISTS (SELECT 1 FROM annotate_annotation later
                      WHERE later.supersedes_id = vote.id AND later.id <= %(cut)s)
    ORDER BY unit.instruction_id, coalesce(vote.annotator_id, -vote.id), vote.id DESC
"""

LINES = """
    WITH counted AS ({counted}),
    tallied AS (
        SELECT counted.instruction_id, count(*) FILTER (WHERE voter.kind = 'simulated') AS simulated, {tallies}
        FROM counted LEFT JOIN annotate_annotator voter ON voter.id = counted.annotator_id
        GROUP BY counted.instruction_id
    )
    SELECT instruction.digest, instruction.turns, instruction.language, parent.digest,
           source.name, source.revision, source.license, origin.row, {names}, tallied.simulated
    FROM tallied
    JOIN sources_instruction instruction ON instruction.id = tallied.instruction_id
    LEFT JOIN sources_instruction parent ON parent.id = instruction.parent_id
    JOIN LATERAL (
        SELECT given.source_id, given.row FROM sources_provenance given
        JOIN sources_source licensed ON licensed.id = given.source_id AND licensed.license <> %(unknown)s
        WHERE given.instruction_id = instruction.id ORDER BY given.id LIMIT 1
    ) origin ON true
    JOIN sources_source source ON source.id = origin.source_id
    ORDER BY instruction.digest
"""


def lines(selection: Selection) -> Iterator[Line]:
    """Yield a line per instruction that has a counted vote and a source with a known licence, in order of ``id``.

    Constant memory: a server-side cursor, on a connection of its own so that the caller's progress can be committed
    while it is open. One REPEATABLE READ transaction: every line is of the same moment.
    """
    spec = selection.label_set.spec
    query, arguments = _query(spec, selection)
    with closing(connection.copy()) as reader:
        reader.ensure_connection()
        raw = reader.connection
        raw.set_autocommit(False)
        raw.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        with raw.cursor(name="snapshot_lines") as cursor:
            cursor.itersize = FETCH
            cursor.execute(query, arguments)
            for row in cursor:
                yield _line(spec, selection.target, row)


def _query(spec: LabelSetSpec, selection: Selection) -> tuple[sql.Composed, dict[str, Any]]:
    """The statement with one column of counts per option and two (yes, no) per tag, and its arguments."""
    tallies: list[sql.Composable] = []
    names: list[sql.Composable] = []
    for number, option in enumerate(spec.options):
        names.append(sql.Identifier("tallied", f"o{number}"))
        tally = sql.SQL("count(*) FILTER (WHERE choice = {}) AS {}")
        tallies.append(tally.format(sql.Literal(option.code), sql.Identifier(f"o{number}")))
    for number, tag in enumerate(spec.tags):
        for said in ("true", "false"):
            column = f"t{number}_{said}"
            names.append(sql.Identifier("tallied", column))
            tally = sql.SQL("count(*) FILTER (WHERE tags -> {} = {}::jsonb) AS {}")
            tallies.append(tally.format(sql.Literal(tag.code), sql.Literal(said), sql.Identifier(column)))
    query = sql.SQL(LINES).format(
        counted=sql.SQL(COUNTED), tallies=sql.SQL(", ").join(tallies), names=sql.SQL(", ").join(names)
    )
    return query, {"campaigns": list(selection.campaigns), "cut": selection.cut, "unknown": UNKNOWN_LICENSE}


def _line(spec: LabelSetSpec, target: str, row: Sequence[Any]) -> Line:
    digest, turns, language, parent, source, revision, license_, source_row, *tallies, simulated = row
    options = len(spec.options)
    counts = tuple(tallies[:options])
    tag_counts = tuple(zip(tallies[options::2], tallies[options + 1 :: 2], strict=True))
    result = aggregate(spec, counts, tag_counts)
    record = {
        "text": oig_text(orjson.loads(turns)),
        "metadata": {
            "id": bytes(digest).hex(),
            "labels": [*([result.label] if result.label else []), *result.tags],
            "source": source,
            "license": license_,
            "language": language or None,
            "target": target,
            "n_votes": result.n_votes,
            "n_simulated_votes": simulated,
            "votes": dict(zip((option.name for option in spec.options), counts, strict=True)),
            "tag_votes": {
                tag.name: {"yes": yes, "no": no} for tag, (yes, no) in zip(spec.tags, tag_counts, strict=True)
            },
            "distribution": _named(spec, result.distribution),
            "distribution_smoothed": _named(spec, result.distribution_smoothed),
            "agreement": result.status,
            "no_label_because": result.reason,
            "disputed_because": list(result.dispute_reasons),
            "tied_tags": list(result.tied_tags),
            "lineage": {
                "source": source,
                "revision": revision or None,
                "row": source_row,
                "parent": bytes(parent).hex() if parent else None,
            },
        },
    }
    return Line(counts, tag_counts, simulated, result, record)


def _named(spec: LabelSetSpec, shares: Sequence[float]) -> dict[str, float]:
    """Shares by option name, to six decimals: enough for any use, and the same text on every machine."""
    return {option.name: round(share, 6) for option, share in zip(spec.options, shares, strict=True)}


VOTERS = f"""
    SELECT voter.kind, count(DISTINCT counted.annotator_id), count(*)
    FROM ({COUNTED}) counted LEFT JOIN annotate_annotator voter ON voter.id = counted.annotator_id
    GROUP BY voter.kind
"""  # noqa: S608 - made of constants


def annotators(selection: Selection) -> dict[str, int]:
    """How many annotators of each kind gave the counted votes; ``unidentified_votes`` came without one."""
    with connection.cursor() as cursor:
        cursor.execute(VOTERS, {"campaigns": list(selection.campaigns), "cut": selection.cut})
        found = {kind: (people, votes) for kind, people, votes in cursor.fetchall()}
    kinds = {kind.value: found.get(kind.value, (0, 0))[0] for kind in Annotator.Kind}
    return {**kinds, "unidentified_votes": found.get(None, (0, 0))[1]}


UNLICENSED = f"""
    SELECT count(DISTINCT counted.instruction_id) FROM ({COUNTED}) counted
    WHERE NOT EXISTS (
        SELECT 1 FROM sources_provenance given JOIN sources_source source ON source.id = given.source_id
        WHERE given.instruction_id = counted.instruction_id AND source.license <> %(unknown)s)
"""  # noqa: S608 - made of constants


def left_out_for_licence(selection: Selection) -> int:
    """How many instructions with votes are not published because none of their sources has a known licence."""
    with connection.cursor() as cursor:
        arguments = {"campaigns": list(selection.campaigns), "cut": selection.cut, "unknown": UNKNOWN_LICENSE}
        cursor.execute(UNLICENSED, arguments)
        return int(cursor.fetchone()[0])
