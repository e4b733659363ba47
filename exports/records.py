"""The published line: one object per instruction, in a stable order, from the votes up to a cut.

The shape of a record is described field by field in docs/record.md. Every key is always there and always of one type,
with an empty text where there is nothing to say: loaders that infer the type of a column from the first megabytes
(the Hugging Face ``datasets`` library does) fail on a field that is null for ten thousand lines and then a text.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import psycopg
from django.db import connection
from psycopg import sql

from annotate.models import Annotator
from labels.aggregation import Aggregate, aggregate, tag_outcome
from labels.models import LabelSet
from labels.taxonomy import LabelSetSpec
from sources import personal
from sources.models import UNKNOWN_LICENSE
from sources.texts import oig_text

# Rows fetched at a time from the server-side cursor.
FETCH = 2_000

# Below this many counted votes nothing is published as a label.
FEWEST_VOTES = 2

# BCP 47 for "undetermined".
UNDETERMINED = "und"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which votes a snapshot is made of. All campaigns use one label set and judge the same target."""

    campaigns: tuple[int, ...]
    label_set: LabelSet
    target: str
    cut: int
    cut_at: datetime | None = None
    mask_personal: bool = False


class Line(NamedTuple):
    """One instruction with its counted votes; ``record`` is what is published."""

    counts: tuple[int, ...]
    tag_counts: tuple[tuple[int, int], ...]
    simulated: int
    aggregate: Aggregate
    record: dict[str, Any]


# Every answer up to the cut, with what became of it: "surplus", "replaced" (by a later answer of its author, or
# withdrawn), "repeated" (the same person answered later on the same instruction in another of the campaigns: they are
# one reader, and the later answer counts) or "counted". Votes without an annotator are each a reader of their own.
ANSWERS = """
    SELECT answer.*, CASE
        WHEN fate <> 'counted' THEN fate
        WHEN row_number() OVER (PARTITION BY instruction_id, voter, fate ORDER BY id DESC) > 1 THEN 'repeated'
        ELSE 'counted' END AS outcome
    FROM (
        SELECT vote.id, unit.instruction_id, vote.annotator_id, vote.choice_id, vote.tags,
               coalesce(vote.annotator_id, -vote.id) AS voter,
               CASE WHEN vote.surplus THEN 'surplus'
                    WHEN later.id IS NOT NULL THEN 'replaced' ELSE 'counted' END AS fate
        FROM annotate_annotation vote
        JOIN annotate_unit unit ON unit.id = vote.unit_id
        LEFT JOIN annotate_annotation later ON later.supersedes_id = vote.id AND later.id <= %(cut)s
        WHERE unit.campaign_id = ANY(%(campaigns)s) AND vote.id <= %(cut)s AND vote.choice_id IS NOT NULL
    ) answer
"""

# The sources with an unknown licence, and whatever was made of them: their own licence is a copy of when it was known.
# An array, so that PostgreSQL finds them once and not for every instruction.
WITHHELD = """
    ARRAY(
        WITH RECURSIVE withheld AS (
            SELECT id FROM sources_source WHERE license = %(unknown)s
            UNION
            SELECT made.id FROM sources_source made JOIN withheld ON made.augments_id = withheld.id
        )
        SELECT id FROM withheld
    )
"""

# Of the sources with a known licence that gave an instruction, the one that comes first in the ledger's declared order;
# an instruction without one is not published.
ORIGIN = f"""
    SELECT given.source_id, given.row, given.run_id FROM sources_source licensed
    JOIN sources_provenance given ON given.source_id = licensed.id AND given.instruction_id = answer.instruction_id
    WHERE licensed.id <> ALL({WITHHELD}) ORDER BY licensed.precedence, licensed.id LIMIT 1
"""  # noqa: S608 - made of constants

# Neither set aside nor quarantined nor taken down.
AVAILABLE = """
    EXISTS (SELECT 1 FROM sources_instruction said WHERE said.id = answer.instruction_id AND said.state = 0)
"""

# Where personal information was found in an instruction.
PERSONAL = """
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
        'turn', found.turn, 'start', found.start, 'end', found."end", 'kind', found.kind) ORDER BY turn, start), '[]')
     FROM sources_personalfinding found WHERE found.instruction_id = instruction.id)
"""

# What somebody had flagged at the moment of the cut, in one of the campaigns, and no curator had closed. A snapshot of
# before moments were kept has none.
FLAGGED = """
    instruction.id IN (
        SELECT unit.instruction_id FROM annotate_flag flag JOIN annotate_unit unit ON unit.id = flag.unit_id
        WHERE unit.campaign_id = ANY(%(campaigns)s) AND flag.created_at <= %(cut_at)s::timestamptz
          AND (flag.closed_at IS NULL OR flag.closed_at > %(cut_at)s::timestamptz))
"""

LINES = f"""
    WITH answer AS (
        SELECT answer.instruction_id, count(*) FILTER (WHERE voter.kind = 'simulated') AS simulated, {{tallies}}
        FROM ({ANSWERS}) answer
        JOIN labels_label option ON option.id = answer.choice_id
        LEFT JOIN annotate_annotator voter ON voter.id = answer.annotator_id
        WHERE answer.outcome = 'counted'
        GROUP BY answer.instruction_id
    )
    SELECT instruction.digest, instruction.turns, instruction.language, {{personal}}, parent.digest, root.digest,
           source.name, source.revision, source.license, origin.row, augmentation.format, {{names}}, answer.simulated,
           {FLAGGED}
    FROM answer
    JOIN sources_instruction instruction ON instruction.id = answer.instruction_id AND instruction.state = 0
    LEFT JOIN sources_instruction parent ON parent.id = instruction.parent_id
    LEFT JOIN sources_instruction root ON root.id = instruction.root_id
    JOIN LATERAL ({ORIGIN}) origin ON true
    JOIN sources_source source ON source.id = origin.source_id
    LEFT JOIN sources_importrun augmentation
      ON augmentation.id = origin.run_id AND augmentation.augments_id IS NOT NULL
    ORDER BY instruction.digest
"""  # noqa: S608 - made of constants

VOTERS = f"""
    SELECT voter.kind, count(DISTINCT answer.annotator_id), count(*)
    FROM ({ANSWERS}) answer LEFT JOIN annotate_annotator voter ON voter.id = answer.annotator_id
    WHERE answer.outcome = 'counted' AND {AVAILABLE} AND EXISTS ({ORIGIN})
    GROUP BY voter.kind
"""  # noqa: S608 - made of constants

FATES = f"""
    SELECT CASE WHEN outcome <> 'counted' THEN outcome
                WHEN NOT EXISTS ({ORIGIN}) THEN 'unlicensed'
                WHEN {AVAILABLE} THEN outcome ELSE 'withdrawn' END AS why,
           count(*), count(DISTINCT instruction_id)
    FROM ({ANSWERS}) answer GROUP BY why
"""  # noqa: S608 - made of constants

# Of the instructions that were placed in the campaigns, how many each take-down removed.
TAKE_DOWNS = """
    SELECT stone.take_down_id, count(*) FROM sources_instruction gone
    JOIN sources_tombstone stone ON stone.digest = gone.digest
    WHERE gone.state = 3 AND EXISTS (
        SELECT 1 FROM annotate_unit unit WHERE unit.instruction_id = gone.id AND unit.campaign_id = ANY(%(campaigns)s))
    GROUP BY stone.take_down_id ORDER BY stone.take_down_id
"""

SOURCES = f"""
    SELECT name, revision, license, address, attribution FROM sources_source WHERE id <> ALL({WITHHELD})
"""  # noqa: S608 - made of constants


@contextmanager
def reading(selection: Selection) -> Iterator[Reader]:
    """A reader of what ``selection`` holds, all of one moment: one REPEATABLE READ transaction.

    On a connection of its own, so that the caller's progress can be committed while lines are read.
    """
    with closing(connection.copy()) as own:
        own.ensure_connection()
        with own.connection.transaction():
            own.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # Every line is fetched: a plan that gives the first ones soon is the wrong one.
            own.connection.execute("SET LOCAL cursor_tuple_fraction = 1")
            yield Reader(selection, own.connection)


@dataclass(frozen=True)
class Reader:
    """Reads one selection; see ``reading``."""

    selection: Selection
    connection: psycopg.Connection[Any]

    def lines(self) -> Generator[Line]:
        """Yield a line per available instruction that has a counted vote and a source with a known licence.

        In order of ``id``; constant memory: a server-side cursor.
        """
        spec = self.selection.label_set.spec
        with self.connection.cursor(name="snapshot_lines") as cursor:
            cursor.itersize = FETCH
            cursor.execute(_query(spec, mask_personal=self.selection.mask_personal), self._arguments)
            for row in cursor:
                yield _line(spec, self.selection.target, row)

    def annotators(self) -> dict[str, int]:
        """How many annotators of each kind gave the published votes; ``unidentified_votes`` came without one."""
        found = {kind: (people, votes) for kind, people, votes in self._rows(VOTERS)}
        kinds = {kind.value: found.get(kind.value, (0, 0))[0] for kind in Annotator.Kind}
        return {**kinds, "unidentified_votes": found.get(None, (0, 0))[1]}

    def left_out(self) -> dict[str, dict[str, int]]:
        """How many answers up to the cut are not published, and how many instructions, by reason."""
        found = {why: (votes, instructions) for why, votes, instructions in self._rows(FATES)}
        unlicensed_votes, unlicensed_instructions = found.get("unlicensed", (0, 0))
        withdrawn_votes, withdrawn_instructions = found.get("withdrawn", (0, 0))
        return {
            "votes": {
                "withdrawn or replaced by their author": found.get("replaced", (0, 0))[0],
                "surplus (the places had been filled)": found.get("surplus", (0, 0))[0],
                "the same person again, in another campaign": found.get("repeated", (0, 0))[0],
                "set aside, quarantined or taken down": withdrawn_votes,
                "no source with a known licence": unlicensed_votes,
            },
            "instructions": {
                "set aside, quarantined or taken down": withdrawn_instructions,
                "no source with a known licence": unlicensed_instructions,
            },
        }

    def take_downs(self) -> list[dict[str, int]]:
        """The take-downs that removed instructions of these campaigns: ``id`` of each, and how many it removed."""
        return [{"id": pk, "instructions": removed} for pk, removed in self._rows(TAKE_DOWNS)]

    def sources(self) -> dict[str, dict[str, str]]:
        """``name``, ``revision``, ``license``, ``address`` and ``attribution`` of every publishable source, by key."""
        names = ("name", "revision", "license", "address", "attribution")
        return {source_key(row[0], row[1]): dict(zip(names, row, strict=True)) for row in self._rows(SOURCES)}

    @property
    def _arguments(self) -> dict[str, Any]:
        chosen = self.selection
        return {
            "campaigns": list(chosen.campaigns),
            "cut": chosen.cut,
            "cut_at": chosen.cut_at,
            "unknown": UNKNOWN_LICENSE,
        }

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, self._arguments).fetchall()


def source_key(name: str, revision: str) -> str:
    """A source as ``name@revision``: two revisions of one dataset may differ in licence."""
    return f"{name}@{revision}" if revision else name


def _query(spec: LabelSetSpec, *, mask_personal: bool) -> sql.Composed:
    """The statement of the lines, with one column of counts per option and two (yes, no) per tag."""
    tallies: list[sql.Composable] = []
    names: list[sql.Composable] = []
    for number, option in enumerate(spec.options):
        names.append(sql.Identifier("answer", f"o{number}"))
        tally = sql.SQL("count(*) FILTER (WHERE option.code = {}) AS {}")
        tallies.append(tally.format(sql.Literal(option.code), sql.Identifier(f"o{number}")))
    for number, tag in enumerate(spec.tags):
        for said in ("true", "false"):
            column = f"t{number}_{said}"
            names.append(sql.Identifier("answer", column))
            tally = sql.SQL("count(*) FILTER (WHERE answer.tags -> {} = {}::jsonb) AS {}")
            tallies.append(tally.format(sql.Literal(tag.code), sql.Literal(said), sql.Identifier(column)))
    found = sql.SQL(PERSONAL if mask_personal else "'[]'::jsonb")
    return sql.SQL(LINES).format(tallies=sql.SQL(", ").join(tallies), names=sql.SQL(", ").join(names), personal=found)


def _line(spec: LabelSetSpec, target: str, row: Sequence[Any]) -> Line:
    digest, turns, language, found_personal, parent, root, *origin = row[:11]
    source, revision, license_, source_row, augmenter = origin
    *tallies, simulated, is_flagged = row[11:]
    options = len(spec.options)
    counts = tuple(tallies[:options])
    tag_counts = tuple(zip(tallies[options::2], tallies[options + 1 :: 2], strict=True))
    said = orjson.loads(turns)
    if spans := orjson.loads(found_personal):
        said = personal.mask(said, spans)
    found = aggregate(spec, counts, tag_counts, is_flagged=is_flagged)
    record = {
        "text": oig_text(said),
        "metadata": {
            "id": bytes(digest).hex(),
            "turns": [{"role": turn["role"], "text": turn["text"]} for turn in said],
            "label": found.label or "",
            "labels": _labels(found),
            "source": source,
            "license": license_,
            "language": language or UNDETERMINED,
            "target": target,
            "n_votes": found.n_votes,
            "n_simulated_votes": simulated,
            "votes": dict(zip(spec.option_names, counts, strict=True)),
            "tag_votes": {
                name: {"yes": yes, "no": no, "outcome": tag_outcome(yes, no) or "not answered"}
                for name, (yes, no) in zip(spec.tag_names, tag_counts, strict=True)
            },
            "distribution": _named(spec, found.distribution),
            "distribution_smoothed": _named(spec, found.distribution_smoothed),
            "agreement": found.status,
            "no_label_because": found.reason or "",
            "disputed_because": "; ".join(found.dispute_reasons),
            "lineage": {
                "source": source_key(source, revision),
                "row": source_row,
                "parent": bytes(parent).hex() if parent else "",
                "augmenter": augmenter or "",
                "family": bytes(root or digest).hex(),
            },
        },
    }
    return Line(counts, tag_counts, simulated, found, record)


def _labels(found: Aggregate) -> list[str]:
    """The base label, if there is one, then the tags; no single reader decides on a tag either."""
    if found.n_votes < FEWEST_VOTES:
        return []
    return [*([found.label] if found.label else []), *found.tags]


def _named(spec: LabelSetSpec, shares: Sequence[float]) -> dict[str, float]:
    """Shares by option name, to six decimals: enough for any use, and the same text on every machine."""
    return {name: round(share, 6) for name, share in zip(spec.option_names, shares, strict=True)}
