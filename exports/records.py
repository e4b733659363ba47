"""The published line: one object per instruction, in a stable order, from the votes up to a cut.

The shape of a record is described field by field in docs/record.md. Every key is always there and always of one type,
with an empty text where there is nothing to say: loaders that infer the type of a column from the first megabytes
(the Hugging Face ``datasets`` library does) fail on a field that is null for ten thousand lines and then a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain, pairwise
from typing import Any, LiteralString

import numpy as np
import psycopg
from django.db import connection
from psycopg import sql

from annotate.models import Annotator
from exports import copying, modelled, statements
from exports.errors import SnapshotRefused
from exports.filters import EVERYTHING, Filters
from exports.groups import (
    FEWEST_VOTES,
    MOST_TAGS,
    NO,
    OPTION_BITS,
    UNLICENSED,
    WITHDRAWN,
    YES,
    Count,
    Group,
    source_key,
)
from exports.lines import Maker
from exports.modelled import Model
from exports.single_votes import SingleVotes
from exports.voters import Voters
from labels.aggregation import Rule
from labels.models import LabelSet
from labels.taxonomy import LabelSetSpec
from sources.models import UNKNOWN_LICENSE

# So many processes of the database count votes and sort lines side by side; their lines are read one after the other.
CONNECTIONS = 2


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


def _uncounted(_: Group, __: int) -> None:
    """For who wants lines alone."""


@contextmanager
def reading(selection: Selection) -> Iterator[Reader]:
    """A reader of what ``selection`` holds, all of one moment: REPEATABLE READ transactions of one snapshot.

    On connections of their own, so that the caller's progress can be committed while lines are read.
    """
    with ExitStack() as until_read:
        first, *others = ways = tuple(until_read.enter_context(_transaction()) for _ in range(CONNECTIONS))
        ((moment,),) = first.execute("SELECT pg_export_snapshot()").fetchall()
        for other in others:
            other.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(moment)))
        for way in ways:
            way.execute(statements.PLANNING)
        yield Reader(selection, ways)


@contextmanager
def _transaction() -> Iterator[psycopg.Connection[Any]]:
    with closing(connection.copy()) as own:
        own.ensure_connection()
        # Ended by closing the connection: there is nothing to commit, and lines that nobody reads to their end would
        # be waited for.
        own.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield own.connection


@dataclass(frozen=True)
class Reader:
    """Reads one selection; see ``reading``."""

    selection: Selection
    connections: tuple[psycopg.Connection[Any], ...]  # all see the same; lines come by all of them
    # Of what was read: how many lines each filter left out, with their votes, and what had no line, by why.
    filtered: dict[str, Counter[str]] = field(default_factory=dict)
    unpublished: dict[str, Counter[str]] = field(default_factory=dict)

    @cached_property
    def spec(self) -> LabelSetSpec:
        return self.selection.label_set.spec

    def lines(
        self, count: Count = _uncounted, voters: Voters | None = None, singles: SingleVotes | None = None
    ) -> Generator[bytes]:
        """Yield a line per available instruction that has a counted vote and a source with a known licence.

        In order of ``id``, each with its line end, as canonical JSON; constant memory. ``count`` is told of the lines
        that were read, by group, now and then and at the end; ``voters`` of their annotators. ``singles`` notes their
        single votes.
        """
        # Asked before: a connection that is being copied from answers no other question.
        lines, _ = Maker(self, count, voters, self.model), self.sources_by_id
        try:
            rows = self._rows_in_order()
            yield from lines.of(singles.noted(rows, lines.known) if singles else rows)
        finally:
            # Nobody may read to the end, or a line may fail: the connections may be the caller's.
            for way in self.connections:
                copying.break_off(way)
        lines.tell()

    def _rows_in_order(self) -> Iterator[list[bytes]]:
        """The fields of the rows of ``LINES``. All parts are begun at once, each on a connection, and read in turn."""
        statement, ways = sql.SQL(statements.COPY).format(self._query(statements.LINES)), self.connections
        edges = (b"", *(bytes([256 * at // len(ways)]) for at in range(1, len(ways))), statements.BEHIND_ALL)
        parts = [
            copying.fields(way, statement, self._arguments | {"from_digest": first, "before": before})
            for way, (first, before) in zip(ways, pairwise(edges), strict=True)
        ]
        return chain.from_iterable(parts)

    def annotators(self, voters: Voters) -> dict[str, int]:
        """How many annotators of each kind gave these votes; ``unidentified_votes`` came without one."""
        found = dict(self._rows(sql.SQL(statements.KINDS), people=voters.ids))
        return {
            **{kind.value: found.get(kind.value, 0) for kind in Annotator.Kind},
            "unidentified_votes": voters.unknown,
        }

    def left_out(self) -> dict[str, dict[str, int]]:
        """How many answers up to the cut are not published, and how many instructions, by reason.

        The lines must have been read.
        """
        uncounted = dict(self._rows(self._query(statements.UNCOUNTED)))
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
        return [{"id": pk, "instructions": removed} for pk, removed in self._rows(sql.SQL(statements.TAKE_DOWNS))]

    def sources(self) -> dict[str, dict[str, str]]:
        """``name``, ``revision``, ``license``, ``address`` and ``attribution`` of every publishable source, by key."""
        return {source_key(facts["name"], facts["revision"]): facts for facts in self.sources_by_id.values()}

    @cached_property
    def sources_by_id(self) -> dict[int, dict[str, str]]:
        names = ("name", "revision", "license", "address", "attribution")
        return {pk: dict(zip(names, facts, strict=True)) for pk, *facts in self._rows(sql.SQL(statements.SOURCES))}

    @cached_property
    def model(self) -> Model | None:
        """What the selection's model learnt, if it has one."""
        name = self.selection.model
        if not name:
            return None
        ((votes,),) = self._rows(self._query(statements.N_VOTES)) if name == modelled.POOLED else [(0,)]
        if votes > modelled.MOST_VOTES:
            raise SnapshotRefused(
                f"{votes:,} votes are more than the {modelled.MOST_VOTES:,} that {name} can learn from: publish fewer "
                f"campaigns together, or let them choose {modelled.SHARED}"
            )
        parts = self._rows(self._query(statements.VOTES))
        numbers = np.frombuffer(b"".join(part for (part,) in parts), dtype=">i8").astype(np.int64).reshape(-1, 3)
        position = {option.code: at for at, option in enumerate(self.spec.options)}
        gold = {pk: position[self.selection.gold[public]] for pk, public in self._rows(sql.SQL(statements.GOLD))}
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
        found = {pk: codes.index(code) << shift for pk, code in self._rows(sql.SQL(statements.OPTIONS), codes=codes)}
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
        return self.connections[0].execute(query, values or self._arguments).fetchall()

    def _query(self, text: LiteralString) -> sql.Composed:
        """A statement with what depends on the selection."""
        tags = self.spec.tags
        if len(tags) > MOST_TAGS:
            raise SnapshotRefused(f"{self.spec.name} has {len(tags)} tags; at most {MOST_TAGS} can be published")
        simulated = 1 << (2 * len(tags) + OPTION_BITS)
        ballot: list[sql.Composable] = [
            sql.SQL(statements.OPTION),
            sql.SQL(statements.SIMULATED).format(sql.Literal(simulated)),
        ]
        for at, tag in enumerate(tags):
            yes, no = sql.Literal(YES << 2 * at), sql.Literal(NO << 2 * at)
            ballot.append(sql.SQL(statements.TAG).format(code=sql.Literal(tag.code), yes=yes, no=no))
        several = len(self.selection.campaigns) > 1
        if several:
            ballot.append(sql.SQL("({}) * {}").format(sql.SQL(statements.CAMPAIGN), sql.Literal(2 * simulated)))
        among = sql.SQL("" if self.selection.among is None else statements.AMONG)
        unrepeated, in_part = (statements.UNREPEATED, statements.UNREPEATED_IN_PART) if several else ("", "")
        return sql.SQL(text).format(
            ballot=sql.SQL(" + ").join(ballot),
            has_personal=sql.SQL(statements.HAS_PERSONAL if self.selection.filters.without_personal else "false"),
            personal=sql.SQL(statements.PERSONAL if self.selection.mask_personal else "NULL"),
            parent=sql.SQL(statements.RELATIVE).format(key=sql.SQL("parent_id")),
            root=sql.SQL(statements.RELATIVE).format(key=sql.SQL("root_id")),
            of_gold=sql.SQL(statements.OF_GOLD if self.selection.model == modelled.SHARED else ""),
            number=sql.SQL("instruction.id" if self.selection.model == modelled.POOLED else "NULL"),
            given=sql.SQL("" if self.selection.given_until is None else statements.GIVEN),
            among=among,
            repeated=sql.SQL(statements.REPEATED if several else statements.NONE),
            unrepeated=sql.SQL(unrepeated),
            unrepeated_in_part=sql.SQL(in_part).format(among=among),
        )
