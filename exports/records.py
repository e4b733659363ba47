"""The published line: one object per instruction, in a stable order, from the votes up to a cut.

The shape of a record is described field by field in docs/record.md. Every key is always there and always of one type,
with an empty text where there is nothing to say: loaders that infer the type of a column from the first megabytes
(the Hugging Face ``datasets`` library does) fail on a field that is null for ten thousand lines and then a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Buffer, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, LiteralString, NamedTuple

import orjson
import psycopg
from django.db import connection
from psycopg import sql

from annotate.models import Annotator
from exports.filters import EVERYTHING, Filters
from labels.aggregation import Aggregate, aggregate, tag_outcome
from labels.models import LabelSet
from labels.taxonomy import LabelSetSpec
from sources import personal
from sources.models import UNKNOWN_LICENSE
from sources.rows import Turn
from sources.texts import oig_text

# Groups of which the JSON is kept ready: about a kilobyte each. A label set with many tags has more of them.
GROUPS = 50_000

# The answers on one tag travel as one number: this much for a yes, 1 for a no.
TAG_YES = 1 << 20

# Text formats of COPY double the backslashes of JSON, but for this one, whose marks are in no JSON.
COPY = "COPY ({}) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
SEPARATOR = b"\x02"
TURN = b'{"role": "'
ONE_TURN = b'[{"role": "human", "text": "'
NOTHING_FOUND = (b"", b"[]")

# Every line is fetched, so a plan that gives the first ones soon is the wrong one. Without workers: PostgreSQL likes to
# let each of them count all votes. Without compilation: it cannot be made good in a query of seconds.
PLANNING = """
    SET LOCAL cursor_tuple_fraction = 1; SET LOCAL work_mem = '96MB';
    SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off
"""

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
    filters: Filters = EVERYTHING


class Group(NamedTuple):
    """What lines have in common: the same votes, source and language. There are few, whatever the number of lines."""

    counts: tuple[int, ...]
    tag_counts: tuple[tuple[int, int], ...]
    simulated: int
    aggregate: Aggregate
    labels: tuple[str, ...]
    source: str
    license: str
    language: str
    is_augmented: bool
    has_personal: bool  # known only where a filter asks for it


type Count = Callable[[Group, int], None]  # takes a group and how many more lines it has


def _uncounted(_: Group, __: int) -> None:
    """For who wants lines alone."""


# The answers up to the cut that are the last word of their author and came before the places had been filled.
STANDING = """
    annotate_annotation vote JOIN annotate_unit unit ON unit.id = vote.unit_id
    LEFT JOIN annotate_annotation later
      ON later.supersedes_id = vote.id AND later.supersedes_id IS NOT NULL AND later.id <= %(cut)s
    WHERE unit.campaign_id = ANY(%(campaigns)s) AND vote.id <= %(cut)s AND vote.choice_id IS NOT NULL
      AND NOT vote.surplus AND later.id IS NULL
"""

# Those of a person who answered later on the same instruction in another of the campaigns: they are one reader, and the
# later answer counts. Votes without an annotator are each a reader of their own.
REPEATED = f"""
    SELECT id FROM (
        SELECT vote.id, row_number() OVER (PARTITION BY unit.instruction_id, vote.annotator_id ORDER BY vote.id DESC)
        FROM {STANDING} AND vote.annotator_id IS NOT NULL AND unit.instruction_id IN (
            SELECT instruction_id FROM annotate_unit WHERE campaign_id = ANY(%(campaigns)s)
            GROUP BY instruction_id HAVING count(*) > 1)
    ) answer WHERE row_number > 1
"""  # noqa: S608 - made of constants

UNREPEATED = f"AND NOT EXISTS (SELECT 1 FROM ({REPEATED}) repeated WHERE repeated.id = vote.id)"  # noqa: S608 - constants

OPTION = "count(*) FILTER (WHERE choice_id IN (SELECT id FROM labels_label WHERE code = {code})) AS {name}"
TAG = "CASE vote.tags ->> {code} WHEN 'true' THEN {yes} WHEN 'false' THEN 1 ELSE 0 END AS {name}"

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

# All others.
LICENSED = f"ARRAY(SELECT id FROM sources_source WHERE id <> ALL({WITHHELD}))"  # noqa: S608 - made of constants

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

HAS_PERSONAL = "EXISTS (SELECT 1 FROM sources_personalfinding found WHERE found.instruction_id = instruction.id)"

# What somebody had flagged at the moment of the cut, in one of the campaigns, and no curator had closed. A snapshot of
# before moments were kept has none.
FLAGGED = """
    instruction.id IN (
        SELECT unit.instruction_id FROM annotate_flag flag JOIN annotate_unit unit ON unit.id = flag.unit_id
        WHERE unit.campaign_id = ANY(%(campaigns)s) AND flag.created_at <= %(cut_at)s::timestamptz
          AND (flag.closed_at IS NULL OR flag.closed_at > %(cut_at)s::timestamptz))
"""

# The instructions in the campaigns that are not published, and why. Without a licence is said first.
UNPUBLISHED = f"""
    SELECT instruction_id, bool_or(is_unlicensed) AS is_unlicensed FROM (
        SELECT unit.instruction_id, true AS is_unlicensed FROM annotate_unit unit
        WHERE unit.campaign_id = ANY(%(campaigns)s) AND NOT EXISTS (
            SELECT 1 FROM sources_provenance given
            WHERE given.instruction_id = unit.instruction_id AND given.source_id = ANY({LICENSED}))
        UNION ALL
        SELECT gone.id, false FROM sources_instruction gone
        WHERE gone.state <> 0 AND gone.id IN (
            SELECT instruction_id FROM annotate_unit WHERE campaign_id = ANY(%(campaigns)s))
    ) missing GROUP BY instruction_id
"""  # noqa: S608 - made of constants

# One row for each line, in its order. What the line has in common with many others is one column, the key: the counts,
# then source, augmentation and language. It and the turns are JSON or numbers, so that no separator can be in them; the
# turns are those of jsonb, which the database escapes as a line does. Of several sources the first in order counts.
# Tags are read before the votes are grouped, which then carry three numbers instead of an object.
LINES = f"""
    SELECT instruction.turns, {{personal}}, encode(instruction.digest, 'hex'),
           concat_ws(',', {{names}}, simulated, is_flagged::int, (instruction.parent_id IS NOT NULL)::int,
                     ({{has_personal}})::int, source_id, to_json(format), to_json(language)),
           to_json("row"), {{parent}}, {{root}}
    FROM (
        SELECT DISTINCT ON (instruction.digest) instruction.*, answer.*, given.source_id, given.row,
               coalesce(augmentation.format, '') AS format, {FLAGGED} AS is_flagged
        FROM (
            SELECT instruction_id, count(*) FILTER (WHERE is_simulated) AS simulated, {{tallies}}
            FROM (
                SELECT unit.instruction_id, {{answers}},
                       vote.annotator_id IN (SELECT id FROM annotate_annotator WHERE kind = 'simulated') AS is_simulated
                FROM {STANDING} {{unrepeated}}
                OFFSET 0
            ) vote
            GROUP BY instruction_id
        ) answer
        JOIN sources_instruction instruction ON instruction.id = answer.instruction_id AND instruction.state = 0
        JOIN sources_provenance given ON given.instruction_id = instruction.id
        JOIN sources_source source ON source.id = given.source_id AND source.id = ANY({LICENSED})
        LEFT JOIN sources_importrun augmentation
          ON augmentation.id = given.run_id AND augmentation.augments_id IS NOT NULL
        ORDER BY instruction.digest, source.precedence, source.id
        OFFSET 0
    ) instruction
"""  # noqa: S608 - made of constants

# Looked up for the few that have one: a join would read all instructions for it.
RELATIVE = """
    CASE WHEN instruction.{key} IS NOT NULL
         THEN (SELECT encode(digest, 'hex') FROM sources_instruction relative WHERE relative.id = instruction.{key}) END
"""

# Counted votes by the kind of their annotator, and together, for the lines and for the instructions that have none: how
# many people, votes, and, of those that have none, instructions.
VOTERS = f"""
    WITH unpublished AS ({UNPUBLISHED}),
    given AS MATERIALIZED (
        SELECT vote.annotator_id, unpublished.instruction_id, unpublished.is_unlicensed, count(*) AS votes
        FROM (SELECT vote.annotator_id, unit.instruction_id FROM {STANDING} {{unrepeated}}) vote
        LEFT JOIN unpublished ON unpublished.instruction_id = vote.instruction_id
        {{kept}}
        GROUP BY vote.annotator_id, unpublished.instruction_id, unpublished.is_unlicensed
    )
    SELECT is_unlicensed, grouping(kind) = 1, kind, count(DISTINCT annotator_id), sum(votes)::bigint,
           count(DISTINCT instruction_id)
    FROM given LEFT JOIN annotate_annotator voter ON voter.id = given.annotator_id
    GROUP BY GROUPING SETS ((is_unlicensed, kind), (is_unlicensed))
"""  # noqa: S608 - made of constants

# Of the lines, those that no filter left out: their digests of 16 bytes, one after the other.
KEPT = """
    WHERE unpublished.instruction_id IS NOT NULL OR vote.instruction_id IN (
        SELECT id FROM sources_instruction WHERE digest IN (
            SELECT substring(%(kept)s::bytea FROM 16 * at + 1 FOR 16)
            FROM generate_series(0, octet_length(%(kept)s::bytea) / 16 - 1) at))
"""

# The answers up to the cut that are not counted, by why.
UNCOUNTED = f"""
    SELECT 'surplus', count(*) FROM annotate_annotation vote JOIN annotate_unit unit ON unit.id = vote.unit_id
    WHERE unit.campaign_id = ANY(%(campaigns)s) AND vote.id <= %(cut)s AND vote.choice_id IS NOT NULL AND vote.surplus
    UNION ALL
    SELECT 'replaced', count(*) FROM annotate_annotation later
    JOIN annotate_annotation vote ON vote.id = later.supersedes_id JOIN annotate_unit unit ON unit.id = vote.unit_id
    WHERE later.supersedes_id IS NOT NULL AND later.id <= %(cut)s AND unit.campaign_id = ANY(%(campaigns)s)
      AND vote.choice_id IS NOT NULL AND NOT vote.surplus
    UNION ALL
    SELECT 'repeated', count(*) FROM ({REPEATED}) repeated
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
    SELECT id, name, revision, license, address, attribution FROM sources_source WHERE id = ANY({LICENSED})
"""  # noqa: S608 - made of constants


@contextmanager
def reading(selection: Selection) -> Iterator[Reader]:
    """A reader of what ``selection`` holds, all of one moment: one REPEATABLE READ transaction.

    On a connection of its own, so that the caller's progress can be committed while lines are read.
    """
    with closing(connection.copy()) as own:
        own.ensure_connection()
        # Ended by closing the connection: there is nothing to commit, and lines that nobody reads to their end would
        # be waited for.
        own.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        own.connection.execute(PLANNING)
        yield Reader(selection, own.connection)


@dataclass(frozen=True)
class Reader:
    """Reads one selection; see ``reading``."""

    selection: Selection
    connection: psycopg.Connection[Any]
    # Of the lines that were read: how many each filter left out, with their votes; and the digests of the others.
    filtered: dict[str, Counter[str]] = field(default_factory=dict)
    kept: bytearray = field(default_factory=bytearray)

    @cached_property
    def spec(self) -> LabelSetSpec:
        return self.selection.label_set.spec

    @property
    def is_filtered(self) -> bool:
        return self.selection.filters != EVERYTHING

    def lines(self, count: Count = _uncounted) -> Generator[bytes]:
        """Yield a line per available instruction that has a counted vote and a source with a known licence.

        In order of ``id``, each with its line end, as canonical JSON; constant memory. ``count`` is told of the lines
        that were read, by group, now and then and at the end.
        """
        # Asked before: a connection that is being copied from answers no other question.
        lines, _ = _Lines(self, count), self.sources_by_id
        statement = sql.SQL(COPY).format(self._query(LINES))
        with self.connection.cursor() as cursor, cursor.copy(statement, self._arguments) as rows:
            yield from lines.of(rows)
        lines.tell()

    def annotators(self) -> dict[str, int]:
        """How many annotators of each kind gave the published votes; ``unidentified_votes`` came without one.

        Where lines are filtered, they must have been read.
        """
        published = [row for row in self._voters if row[0] is None and not row[1]]
        found = {kind: (people, votes) for _, _, kind, people, votes, _ in published}
        kinds = {kind.value: found.get(kind.value, (0, 0))[0] for kind in Annotator.Kind}
        return {**kinds, "unidentified_votes": found.get(None, (0, 0))[1]}

    def left_out(self) -> dict[str, dict[str, int]]:
        """How many answers up to the cut are not published, and how many instructions, by reason."""
        uncounted = dict(self._rows(sql.SQL(UNCOUNTED)))
        missing = {why: (votes, instructions) for why, is_sum, _, _, votes, instructions in self._voters if is_sum}
        unlicensed_votes, unlicensed_instructions = missing.get(True, (0, 0))
        withdrawn_votes, withdrawn_instructions = missing.get(False, (0, 0))
        return {
            "votes": {
                "withdrawn or replaced by their author": uncounted["replaced"],
                "surplus (the places had been filled)": uncounted["surplus"],
                "the same person again, in another campaign": uncounted["repeated"],
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
        return [{"id": pk, "instructions": removed} for pk, removed in self._rows(sql.SQL(TAKE_DOWNS))]

    def sources(self) -> dict[str, dict[str, str]]:
        """``name``, ``revision``, ``license``, ``address`` and ``attribution`` of every publishable source, by key."""
        return {source_key(facts["name"], facts["revision"]): facts for facts in self.sources_by_id.values()}

    @cached_property
    def sources_by_id(self) -> dict[int, dict[str, str]]:
        names = ("name", "revision", "license", "address", "attribution")
        return {pk: dict(zip(names, facts, strict=True)) for pk, *facts in self._rows(sql.SQL(SOURCES))}

    @cached_property
    def _voters(self) -> list[tuple[Any, ...]]:
        return self._rows(self._query(VOTERS))

    @property
    def _arguments(self) -> dict[str, Any]:
        chosen = self.selection
        return {
            "campaigns": list(chosen.campaigns),
            "cut": chosen.cut,
            "cut_at": chosen.cut_at,
            "unknown": UNKNOWN_LICENSE,
            "kept": bytes(self.kept),
        }

    def _rows(self, query: sql.SQL | sql.Composed) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, self._arguments).fetchall()

    def _query(self, text: LiteralString) -> sql.Composed:
        """A statement with what depends on the selection.

        The counted votes have a column per option, the answers a column per tag: see ``TAG_YES``.
        """
        tallies: list[sql.Composable] = []
        answers: list[sql.Composable] = []
        names: list[sql.Composable] = []
        for number, option in enumerate(self.spec.options):
            names.append(sql.Identifier(f"o{number}"))
            tallies.append(sql.SQL(OPTION).format(code=sql.Literal(option.code), name=names[-1]))
        for number, tag in enumerate(self.spec.tags):
            names.append(sql.Identifier(f"t{number}"))
            answers.append(sql.SQL(TAG).format(code=sql.Literal(tag.code), yes=sql.Literal(TAG_YES), name=names[-1]))
            tallies.append(sql.SQL("sum({name}) AS {name}").format(name=names[-1]))
        several = len(self.selection.campaigns) > 1
        return sql.SQL(text).format(
            tallies=sql.SQL(", ").join(tallies),
            answers=sql.SQL(", ").join([sql.SQL("vote.choice_id"), *answers]),
            names=sql.SQL(", ").join(names),
            has_personal=sql.SQL(HAS_PERSONAL if self.selection.filters.without_personal else "false"),
            kept=sql.SQL(KEPT if self.is_filtered else ""),
            personal=sql.SQL(PERSONAL if self.selection.mask_personal else "NULL"),
            parent=sql.SQL(RELATIVE).format(key=sql.SQL("parent_id")),
            root=sql.SQL(RELATIVE).format(key=sql.SQL("root_id")),
            unrepeated=sql.SQL(UNREPEATED if several else ""),
        )


@dataclass
class _Lines:
    """Makes lines of the rows of ``LINES``: what many of them have in common is made once, and counted."""

    reader: Reader
    count: Count
    known: dict[bytes, _Common] = field(default_factory=dict)

    def of(self, rows: Iterable[Buffer]) -> Iterator[bytes]:
        # All in one place: a call for each of a million lines would cost as much as the line.
        known, is_filtered, keep = self.known, self.reader.is_filtered, self.reader.kept.extend
        for row in rows:
            turns, spans, digest, key, place, parent, root = bytes(row)[:-1].split(SEPARATOR)
            common = known.get(key) or self._common(key)
            common.lines += 1
            if is_filtered:
                if common.left_out_by:
                    continue
                keep(bytes.fromhex(digest.decode()))
            if spans not in NOTHING_FOUND:
                said, turns = _masked(turns, spans)
            elif turns.startswith(ONE_TURN) and turns.find(TURN, 2) < 0:
                # A quote within a text has a backslash before it: no text holds TURN. What stands between the quotes
                # stays as it is, for the database escapes as orjson does.
                text = turns[len(ONE_TURN) : -3]
                said, turns = b"<human>: " + text, b'[{"role":"human","text":"' + text + b'"}]'
            else:
                said, turns = _written(orjson.loads(turns))
            yield b"".join((
                b'{"text":"', said, b'","metadata":{"id":"', digest, b'","turns":', turns, common.of_votes, place,
                b',"parent":"', parent, common.of_augmenter, root or digest, b'"}}}\n',
            ))  # fmt: skip

    def tell(self) -> None:
        """Tell ``count`` of the lines since the last time."""
        for common in self.known.values():
            if common.left_out_by:
                votes = common.lines * common.group.aggregate.n_votes
                left_out = self.reader.filtered.setdefault(common.left_out_by, Counter())
                left_out.update(instructions=common.lines, votes=votes)
            else:
                self.count(common.group, common.lines)
        self.known.clear()  # not another dict: lines are being made with this one

    def _common(self, key: bytes) -> _Common:
        if len(self.known) >= GROUPS:
            self.tell()
        self.known[key] = common = _common(self.reader, key)
        return common


@dataclass(slots=True)
class _Common:
    """What a group of lines has in common, as JSON, and how many of them there were."""

    group: Group
    of_votes: bytes
    of_augmenter: bytes
    left_out_by: str
    lines: int = 0


def _common(reader: Reader, key: bytes) -> _Common:
    spec = reader.spec
    n_options, n_tags = len(spec.options), len(spec.tags)
    *numbers, rest = key.split(b",", n_options + n_tags + 5)
    *tallies, simulated, is_flagged, is_augmented, has_personal, source = map(int, numbers)
    augmenter, language = orjson.loads(b"[%b]" % rest)
    counts = tuple(tallies[:n_options])
    tag_counts = tuple(divmod(answers, TAG_YES) for answers in tallies[n_options:])
    found = aggregate(spec, counts, tag_counts, is_flagged=bool(is_flagged))
    facts = reader.sources_by_id[source]
    named = source_key(facts["name"], facts["revision"])
    group = Group(
        counts,
        tag_counts,
        simulated,
        found,
        _labels(found),
        named,
        facts["license"],
        language or UNDETERMINED,
        bool(is_augmented),
        bool(has_personal),
    )
    metadata = {
        "label": found.label or "",
        "labels": group.labels,
        "source": facts["name"],
        "license": facts["license"],
        "language": group.language,
        "target": reader.selection.target,
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
        "lineage": {"source": named, "row": ""},
    }
    # Cut where the row stands, which is the line's own.
    of_votes = orjson.dumps(metadata)[1:].removesuffix(b'""}}')
    of_augmenter = orjson.dumps({"augmenter": augmenter, "family": ""})[1:].removesuffix(b'"}')
    left_out_by = reader.selection.filters.left_out_by(group)
    return _Common(group, b"," + of_votes, b'",' + of_augmenter, left_out_by)


def _masked(turns: bytes, spans: bytes) -> tuple[bytes, bytes]:
    return _written(personal.mask(orjson.loads(turns), orjson.loads(spans)))


def _written(said: Sequence[Turn]) -> tuple[bytes, bytes]:
    kept = [{"role": turn["role"], "text": turn["text"]} for turn in said]
    return orjson.dumps(oig_text(said))[1:-1], orjson.dumps(kept)


def source_key(name: str, revision: str) -> str:
    """A source as ``name@revision``: two revisions of one dataset may differ in licence."""
    return f"{name}@{revision}" if revision else name


def _labels(found: Aggregate) -> tuple[str, ...]:
    """The base label, if there is one, then the tags; no single reader decides on a tag either."""
    if found.n_votes < FEWEST_VOTES:
        return ()
    return (*([found.label] if found.label else []), *found.tags)


def _named(spec: LabelSetSpec, shares: Sequence[float]) -> dict[str, float]:
    """Shares by option name, to six decimals: enough for any use, and the same text on every machine."""
    return {name: round(share, 6) for name, share in zip(spec.option_names, shares, strict=True)}
