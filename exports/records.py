"""The published line: one object per instruction, in a stable order, from the votes up to a cut.

The shape of a record is described field by field in docs/record.md. Every key is always there and always of one type,
with an empty text where there is nothing to say: loaders that infer the type of a column from the first megabytes
(the Hugging Face ``datasets`` library does) fail on a field that is null for ten thousand lines and then a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Buffer, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, LiteralString, NamedTuple

import numpy as np
import orjson
import psycopg
from django.db import connection
from psycopg import sql

from annotate.models import Annotator
from exports import modelled
from exports.errors import SnapshotRefused
from exports.filters import EVERYTHING, Filters
from exports.modelled import Model
from exports.voters import Voters
from labels.aggregation import Aggregate, Rule, aggregate, tag_outcome
from labels.models import LabelSet
from labels.taxonomy import LabelSetSpec
from sources import personal
from sources.models import UNKNOWN_LICENSE
from sources.rows import Turn
from sources.texts import oig_text

# Groups of which the JSON is kept ready: about a kilobyte each. A label set with many tags has more of them.
GROUPS = 50_000

# A vote travels as one number: two bits for each tag, four for the option, one for a simulated annotator, and before
# them the place of its campaign. Its annotator travels beside it, eight bytes each, as hexadecimal digits.
NO, YES = 1, 2
OPTION_BITS = 4
MOST_TAGS = 20
DIGITS = 16

# Lines whose annotators are counted at a time.
BATCH = 20_000

# Why an instruction with votes has no line.
UNLICENSED = "no source with a known licence"
WITHDRAWN = "set aside, quarantined or taken down"

# Text formats of COPY double the backslashes of JSON, but for this one, whose marks are in no JSON.
COPY = "COPY ({}) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
SEPARATOR = b"\x02"
TURN = b'{"role": "'
ONE_TURN = b'[{"role": "human", "text": "'
NOTHING_FOUND = (b"", b"[]")
# Stands for what a model says of one line alone; in JSON it would be escaped.
OF_MODEL = b"\x03"

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

NO_SOURCE = dict.fromkeys(("name", "revision", "license", "address", "attribution"), "")


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
    gold: Mapping[str, str] = field(default_factory=dict)  # known answers: the option's code by the line's id
    among: tuple[int, ...] | None = None  # only these instructions
    rule: Rule = "rule"  # what makes labels of votes
    model: str = ""  # what says something of each line beside it: see ``modelled``
    # Who gave a text afterwards does not count; a snapshot of before moments were kept has none.
    given_until: datetime | None = None


class Ballot(NamedTuple):
    """What one vote says: the option's position, the campaign's, and the answer on each tag, None without one."""

    option: int
    campaign: int
    tags: tuple[bool | None, ...]
    is_simulated: bool


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
    ballots: tuple[Ballot, ...]  # in rising order of the numbers as which they travel


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

AMONG = "AND unit.instruction_id = ANY(%(among)s)"

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

# Options by the ids of their labels, of which the first is subtracted; what is voted for otherwise has no place.
OPTION = "(%(options)s::int8[])[vote.choice_id - %(first)s::int8]"
SIMULATED = (
    "CASE WHEN vote.annotator_id IN (SELECT id FROM annotate_annotator WHERE kind = 'simulated') THEN {} ELSE 0 END"
)
CAMPAIGN = "array_position(%(campaigns)s::int8[], unit.campaign_id) - 1"
TAG = "CASE vote.tags ->> {code} WHEN 'true' THEN {yes} WHEN 'false' THEN {no} ELSE 0 END"

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

# One row for each line, in its order. What the line has in common with many others is one column, the key: the votes in
# rising order, then the facts. It and the turns are JSON or numbers, so that no separator can be in them; the turns are
# those of jsonb, which the database escapes as a line does. Of several sources the first in order counts. An
# instruction with votes that has no line is there without turns, to be counted.
LINES = f"""
    SELECT CASE WHEN instruction.state = 0 AND source_id IS NOT NULL THEN instruction.turns END, {{personal}},
           encode(instruction.digest, 'hex'), encode(people, 'hex'),
           concat_ws(',', encode(ballots, 'hex'), is_flagged::int, (instruction.parent_id IS NOT NULL)::int,
                     ({{has_personal}})::int, (instruction.state = 0)::int, coalesce(source_id, 0), to_json(format),
                     to_json(language)),
           to_json("row"), {{parent}}, {{root}}, {{number}}
    FROM (
        SELECT DISTINCT ON (instruction.digest) instruction.id, instruction.digest, instruction.turns,
               instruction.state, instruction.language, instruction.parent_id, instruction.root_id,
               ballots, people, given.source_id, given.row,
               coalesce(augmentation.format, '') AS format, {FLAGGED} AS is_flagged
        FROM (
            SELECT instruction_id, string_agg(int8send(ballot), '' ORDER BY ballot) AS ballots,
                   string_agg(int8send(annotator), '' ORDER BY ballot) AS people
            FROM (
                SELECT unit.instruction_id, {{ballot}} AS ballot, coalesce(vote.annotator_id, 0) AS annotator
                FROM {STANDING} {{among}} {{unrepeated}} AND {OPTION} IS NOT NULL
                OFFSET 0
            ) vote
            GROUP BY instruction_id
        ) answer
        JOIN sources_instruction instruction ON instruction.id = answer.instruction_id
        LEFT JOIN (sources_provenance given
                   JOIN sources_source source ON source.id = given.source_id AND source.id = ANY({LICENSED}))
          ON given.instruction_id = instruction.id {{given}}
        LEFT JOIN sources_importrun augmentation
          ON augmentation.id = given.run_id AND augmentation.augments_id IS NOT NULL
        ORDER BY instruction.digest, source.precedence, source.id
        OFFSET 0
    ) instruction
"""  # noqa: S608 - made of constants

GIVEN = "AND given.created_at <= %(given_until)s::timestamptz"

# The counted votes as numbers, three for each, in stretches of instructions.
VOTES = f"""
    SELECT string_agg(int8send(unit.instruction_id) || int8send(coalesce(vote.annotator_id, 0))
                      || int8send({OPTION} >> %(shift)s), '')
    FROM {STANDING} {{among}} {{unrepeated}} AND {OPTION} IS NOT NULL {{of_gold}}
    GROUP BY unit.instruction_id >> 12
"""  # noqa: S608 - made of constants

N_VOTES = f"SELECT count(*) FROM {STANDING} {{among}}"  # noqa: S608 - made of constants

GOLD = "SELECT id, encode(digest, 'hex') FROM sources_instruction WHERE digest = ANY(%(gold)s)"

OF_GOLD = "AND unit.instruction_id IN (SELECT id FROM sources_instruction WHERE digest = ANY(%(gold)s))"

# Looked up for the few that have one: a join would read all instructions for it.
RELATIVE = """
    CASE WHEN instruction.{key} IS NOT NULL
         THEN (SELECT encode(digest, 'hex') FROM sources_instruction relative WHERE relative.id = instruction.{key}) END
"""

KINDS = "SELECT kind, count(*) FROM annotate_annotator WHERE id = ANY(%(people)s) GROUP BY kind"

# Labels by the codes of the options, in any revision and set.
OPTIONS = "SELECT id, code FROM labels_label WHERE code = ANY(%(codes)s) ORDER BY id"

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
    # Of what was read: how many lines each filter left out, with their votes, and what had no line, by why.
    filtered: dict[str, Counter[str]] = field(default_factory=dict)
    unpublished: dict[str, Counter[str]] = field(default_factory=dict)

    @cached_property
    def spec(self) -> LabelSetSpec:
        return self.selection.label_set.spec

    def lines(self, count: Count = _uncounted, voters: Voters | None = None) -> Generator[bytes]:
        """Yield a line per available instruction that has a counted vote and a source with a known licence.

        In order of ``id``, each with its line end, as canonical JSON; constant memory. ``count`` is told of the lines
        that were read, by group, now and then and at the end; ``voters`` of their annotators.
        """
        # Asked before: a connection that is being copied from answers no other question.
        lines, _ = _Lines(self, count, voters, self.model), self.sources_by_id
        statement = sql.SQL(COPY).format(self._query(LINES))
        with self.connection.cursor() as cursor, cursor.copy(statement, self._arguments) as rows:
            yield from lines.of(rows)
        lines.tell()

    def annotators(self, voters: Voters) -> dict[str, int]:
        """How many annotators of each kind gave these votes; ``unidentified_votes`` came without one."""
        found = dict(self._rows(sql.SQL(KINDS), people=voters.ids))
        return {
            **{kind.value: found.get(kind.value, 0) for kind in Annotator.Kind},
            "unidentified_votes": voters.unknown,
        }

    def left_out(self) -> dict[str, dict[str, int]]:
        """How many answers up to the cut are not published, and how many instructions, by reason.

        The lines must have been read.
        """
        uncounted = dict(self._rows(sql.SQL(UNCOUNTED)))
        missing = {why: self.unpublished.get(why, Counter()) for why in (WITHDRAWN, UNLICENSED)}
        return {
            "votes": {
                "withdrawn or replaced by their author": uncounted["replaced"],
                "surplus (the places had been filled)": uncounted["surplus"],
                "the same person again, in another campaign": uncounted["repeated"],
                **{why: counted["votes"] for why, counted in missing.items()},
            },
            "instructions": {why: counted["instructions"] for why, counted in missing.items()},
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
    def model(self) -> Model | None:
        """What the selection's model learnt, if it has one."""
        name = self.selection.model
        if not name:
            return None
        ((votes,),) = self._rows(self._query(N_VOTES)) if name == modelled.POOLED else [(0,)]
        if votes > modelled.MOST_VOTES:
            raise SnapshotRefused(
                f"{votes:,} votes are more than the {modelled.MOST_VOTES:,} that {name} can learn from: publish fewer "
                f"campaigns together, or let them choose {modelled.SHARED}"
            )
        parts = self._rows(self._query(VOTES))
        numbers = np.frombuffer(b"".join(part for (part,) in parts), dtype=">i8").astype(np.int64).reshape(-1, 3)
        position = {option.code: at for at, option in enumerate(self.spec.options)}
        gold = {pk: position[self.selection.gold[public]] for pk, public in self._rows(sql.SQL(GOLD))}
        return modelled.learn(
            name, self.spec, modelled.Votes(numbers[:, 0], numbers[:, 1], numbers[:, 2], gold), FEWEST_VOTES
        )

    @property
    def aggregation(self) -> dict[str, Any]:
        """What made the labels, ready for JSON: the rule, and the model with its parameters."""
        chosen = self.selection
        model = {"name": chosen.model, **self.model.facts} if self.model else None
        return {"rule": chosen.rule, "model": model, "gold": modelled.gold_facts(chosen.gold)}

    @cached_property
    def _options(self) -> tuple[int, list[int | None]]:
        """The lowest id of a label of an option, and from there on, by id, the bits of the option."""
        codes = [option.code for option in self.spec.options]
        shift = 2 * len(self.spec.tags)
        found = {pk: codes.index(code) << shift for pk, code in self._rows(sql.SQL(OPTIONS), codes=codes)}
        first = min(found) - 1
        return first, [found.get(pk) for pk in range(first + 1, max(found) + 1)]

    @cached_property
    def _arguments(self) -> dict[str, Any]:
        chosen, (first, options) = self.selection, self._options
        return {
            "campaigns": list(chosen.campaigns),
            "cut": chosen.cut,
            "cut_at": chosen.cut_at,
            "given_until": chosen.given_until,
            "unknown": UNKNOWN_LICENSE,
            "first": first,
            "options": options,
            "among": list(chosen.among or ()),
            "shift": 2 * len(self.spec.tags),
            "gold": [bytes.fromhex(public) for public in chosen.gold],
        }

    def _rows(self, query: sql.SQL | sql.Composed, **values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values or self._arguments).fetchall()

    def _query(self, text: LiteralString) -> sql.Composed:
        """A statement with what depends on the selection."""
        tags = self.spec.tags
        if len(tags) > MOST_TAGS:
            raise SnapshotRefused(f"{self.spec.name} has {len(tags)} tags; at most {MOST_TAGS} can be published")
        simulated = 1 << (2 * len(tags) + OPTION_BITS)
        ballot: list[sql.Composable] = [sql.SQL(OPTION), sql.SQL(SIMULATED).format(sql.Literal(simulated))]
        for at, tag in enumerate(tags):
            yes, no = sql.Literal(YES << 2 * at), sql.Literal(NO << 2 * at)
            ballot.append(sql.SQL(TAG).format(code=sql.Literal(tag.code), yes=yes, no=no))
        several = len(self.selection.campaigns) > 1
        if several:
            ballot.append(sql.SQL("({}) * {}").format(sql.SQL(CAMPAIGN), sql.Literal(2 * simulated)))
        return sql.SQL(text).format(
            ballot=sql.SQL(" + ").join(ballot),
            has_personal=sql.SQL(HAS_PERSONAL if self.selection.filters.without_personal else "false"),
            personal=sql.SQL(PERSONAL if self.selection.mask_personal else "NULL"),
            parent=sql.SQL(RELATIVE).format(key=sql.SQL("parent_id")),
            root=sql.SQL(RELATIVE).format(key=sql.SQL("root_id")),
            of_gold=sql.SQL(OF_GOLD if self.selection.model == modelled.SHARED else ""),
            number=sql.SQL("instruction.id" if self.selection.model == modelled.POOLED else "NULL"),
            given=sql.SQL("" if self.selection.given_until is None else GIVEN),
            among=sql.SQL("" if self.selection.among is None else AMONG),
            unrepeated=sql.SQL(UNREPEATED if several else ""),
        )


@dataclass
class _Lines:
    """Makes lines of the rows of ``LINES``: what many of them have in common is made once, and counted."""

    reader: Reader
    count: Count
    voters: Voters | None
    model: Model | None
    known: dict[bytes, _Common] = field(default_factory=dict)
    cast: dict[bytes, _Cast] = field(default_factory=dict)
    # Of lines whose annotators were not counted yet: the places of their votes, and who gave these.
    places: list[int] = field(default_factory=list)
    people: list[bytes] = field(default_factory=list)

    def of(self, rows: Iterable[Buffer]) -> Iterator[bytes]:
        # All in one place: a call for each of a million lines would cost as much as the line.
        known, places, people, voters = self.known, self.places, self.people, self.voters
        gold = self._gold() if voters else {}
        of_line = self.model.of_line if self.model else None
        for row in rows:
            turns, spans, digest, who, key, place, parent, root, number = bytes(row)[:-1].split(SEPARATOR)
            common = known.get(key) or self._common(key)
            common.lines += 1
            if common.left_out_by:
                continue
            if voters:
                places.append(common.place)
                people.append(who)
                if len(places) >= BATCH:
                    self._tell_voters(voters)
                if digest in gold:
                    voters.add_gold(common.group, who, gold[digest])
            if spans not in NOTHING_FOUND:
                said, turns = _masked(turns, spans)
            elif turns.startswith(ONE_TURN) and turns.find(TURN, 2) < 0:
                # A quote within a text has a backslash before it: no text holds TURN. What stands between the quotes
                # stays as it is, for the database escapes as orjson does.
                text = turns[len(ONE_TURN) : -3]
                said, turns = b"<human>: " + text, b'[{"role":"human","text":"' + text + b'"}]'
            else:
                said, turns = _written(orjson.loads(turns))
            of_votes = common.of_votes
            if number and of_line:
                of_votes = of_votes.replace(OF_MODEL, of_line(int(number), common.group.aggregate.n_votes))
            yield b"".join((
                b'{"text":"', said, b'","metadata":{"id":"', digest, b'","turns":', turns, of_votes, place,
                b',"parent":"', parent, common.of_augmenter, root or digest, b'"}}}\n',
            ))  # fmt: skip

    def tell(self) -> None:
        """Tell ``count`` and ``voters`` of the lines since the last time."""
        if self.voters and self.places:
            self._tell_voters(self.voters)
        for common in self.known.values():
            if not common.left_out_by:
                self.count(common.group, common.lines)
                continue
            is_line = common.left_out_by not in (UNLICENSED, WITHDRAWN)
            left_out = self.reader.filtered if is_line else self.reader.unpublished
            votes = common.lines * common.group.aggregate.n_votes
            left_out.setdefault(common.left_out_by, Counter()).update(instructions=common.lines, votes=votes)
        # Not other dicts: lines are being made with these.
        self.known.clear()
        self.cast.clear()
        if self.voters:
            self.voters.forget_places()

    def _tell_voters(self, voters: Voters) -> None:
        voters.add(self.places, self.people)
        self.places.clear()
        self.people.clear()

    def _gold(self) -> dict[bytes, int]:
        position = {option.code: at for at, option in enumerate(self.reader.spec.options)}
        return {public.encode(): position[code] for public, code in self.reader.selection.gold.items()}

    def _common(self, key: bytes) -> _Common:
        if len(self.known) >= GROUPS:
            self.tell()
        ballots, is_flagged, rest = key.split(b",", 2)
        cast_key = key[: len(ballots) + 2]
        cast = self.cast.get(cast_key)
        if cast is None:
            self.cast[cast_key] = cast = _cast(self.reader, self.model, ballots, is_flagged == b"1")
        self.known[key] = common = _common(self.reader, cast, rest)
        if self.voters and not common.left_out_by:
            common.place = self.voters.place(common.group)
        return common


@dataclass(frozen=True, slots=True)
class _Cast:
    """What lines with the same votes have in common, with the JSON before and after what their source has to say."""

    counts: tuple[int, ...]
    tag_counts: tuple[tuple[int, int], ...]
    ballots: tuple[Ballot, ...]
    simulated: int
    aggregate: Aggregate
    labels: tuple[str, ...]
    before: bytes
    after: bytes


@dataclass(slots=True)
class _Common:
    """What a group of lines has in common, as JSON, and how many of them there were."""

    group: Group
    of_votes: bytes
    of_augmenter: bytes
    left_out_by: str
    lines: int = 0
    place: int = 0


def _cast(reader: Reader, model: Model | None, written: bytes, is_flagged: bool) -> _Cast:
    spec = reader.spec
    numbers = [int(written[at : at + DIGITS], 16) for at in range(0, len(written), DIGITS)]
    ballots = tuple(_ballot(number, len(spec.tags)) for number in numbers)
    options = Counter(ballot.option for ballot in ballots)
    counts = tuple(options[at] for at in range(len(spec.options)))
    answers = [[ballot.tags[at] for ballot in ballots] for at in range(len(spec.tags))]
    tag_counts = tuple((said.count(True), said.count(False)) for said in answers)
    simulated = sum(ballot.is_simulated for ballot in ballots)
    found = aggregate(spec, counts, tag_counts, is_flagged=is_flagged, rule=reader.selection.rule)
    labels = _labels(found)
    before = {"label": found.label or "", "labels": labels}
    after = {
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
    }
    beside = b"," + (model.of_votes(counts) or OF_MODEL) if model else b""
    return _Cast(counts, tag_counts, ballots, simulated, found, labels, _members(before), _members(after) + beside)


def _ballot(number: int, n_tags: int) -> Ballot:
    answers = {0: None, NO: False, YES: True}
    tags = tuple(answers[number >> 2 * at & 3] for at in range(n_tags))
    rest = number >> 2 * n_tags
    campaign, is_simulated = divmod(rest >> OPTION_BITS, 2)
    return Ballot(rest & (1 << OPTION_BITS) - 1, campaign, tags, bool(is_simulated))


def _common(reader: Reader, cast: _Cast, written: bytes) -> _Common:
    *numbers, rest = written.split(b",", 4)
    is_augmented, has_personal, is_available, source = map(int, numbers)
    augmenter, language = orjson.loads(b"[%b]" % rest)
    facts = reader.sources_by_id.get(source, NO_SOURCE)
    named = source_key(facts["name"], facts["revision"])
    group = Group(
        cast.counts,
        cast.tag_counts,
        cast.simulated,
        cast.aggregate,
        cast.labels,
        named,
        facts["license"],
        language or UNDETERMINED,
        bool(is_augmented),
        bool(has_personal),
        cast.ballots,
    )
    told = {
        "source": facts["name"],
        "license": facts["license"],
        "language": group.language,
        "target": reader.selection.target,
    }
    # Cut where the row stands, which is the line's own.
    lineage = orjson.dumps({"lineage": {"source": named, "row": ""}})[1:].removesuffix(b'""}}')
    of_votes = b",".join((b"", cast.before, _members(told), cast.after, lineage))
    of_augmenter = orjson.dumps({"augmenter": augmenter, "family": ""})[1:].removesuffix(b'"}')
    if source not in reader.sources_by_id:
        left_out_by = UNLICENSED
    elif not is_available:
        left_out_by = WITHDRAWN
    else:
        left_out_by = reader.selection.filters.left_out_by(group)
    return _Common(group, of_votes, b'",' + of_augmenter, left_out_by)


def _members(found: dict[str, Any]) -> bytes:
    """The members of an object as JSON, without its braces."""
    return orjson.dumps(found)[1:-1]


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
