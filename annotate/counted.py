"""The counted votes themselves, read in one pass: for what must be exact as of now, such as a command prints.

The database sorts nothing and groups only by stretches of units, whose votes come as arrays in COPY's binary format:
numpy reads them as they are. That is cheaper than the bare GROUP BY of units and of patterns, and says who voted too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from annotate.tallies import Scope, option_codes, spec_of
from labels.votes import VoterTable
from sources.models import Source

type Ints = NDArray[np.int64]

# Units whose votes come in one row, as a power of two; votes that are tabled at a time, which bounds the memory.
STRETCH, PORTION = 12, 1_000_000

# The counted votes of a scope; those who are not known are -1.
VOTES = """
    WITH option AS (
        SELECT label.id, wanted.at - 1 AS position FROM labels_label label
        JOIN unnest(%(options)s::varchar[]) WITH ORDINALITY AS wanted(code, at) ON wanted.code = label.code
        WHERE label.kind = 'option'
    )
    SELECT said.unit_id, said.annotator_id, option.position, said.created_at
    FROM annotate_counted said JOIN option ON option.id = said.choice_id
    WHERE said.campaign_id = ANY(%(campaigns)s)
"""
OF_LANGUAGE = " AND said.language = %(language)s"
OF_KIND = " AND said.is_augmented = %(is_augmented)s"
OF_SOURCE = """
    AND EXISTS (SELECT 1 FROM sources_provenance given
                WHERE given.source_id = %(source)s AND given.instruction_id = said.instruction_id)
    AND NOT EXISTS (SELECT 1 FROM sources_provenance given
                    WHERE given.source_id = ANY(%(earlier)s::bigint[]) AND given.instruction_id = said.instruction_id)
"""
OF_WEEKS = """
    SELECT vote.* FROM ({votes}) vote JOIN (
        SELECT unit_id, date_trunc('week', max(created_at) AT TIME ZONE 'UTC')::date AS week
        FROM ({votes}) dated GROUP BY unit_id
    ) last USING (unit_id)
    WHERE week >= coalesce(%(since)s, week) AND week < coalesce(%(before)s, week + 1)
"""
# Who voted and for what in one number: there are at most nine options.
STRETCHES = """
    COPY (SELECT array_agg(unit_id::int8), array_agg(coalesce(annotator_id, -1)::int8 * 16 + position)
          FROM ({votes}) vote GROUP BY unit_id >> {stretch}) TO STDOUT (FORMAT BINARY)
"""
# Of COPY's binary format: what stands before the first row, before each, before each field, and before an array's
# numbers, each of which has its length before it.
HEADER, ROW, FIELD, ARRAY = 19, 2, 4, 20
NUMBER = np.dtype([("length", ">i4"), ("value", ">i8")])


class Votes(NamedTuple):
    """V counted votes, (V,) each: ids of units, ids of annotators (-1 is unknown), positions of options."""

    unit: Ints
    annotator: Ints
    option: Ints


def votes(scope: Scope) -> Iterator[Votes]:
    """The counted votes of a scope, a portion at a time; all votes of a unit are in one portion."""
    pieces, size = list[Votes](), 0
    for piece in _stretches(scope):
        pieces.append(piece)
        size += len(piece.unit)
        if size >= PORTION:
            yield _joined(pieces)
            pieces, size = [], 0
    if pieces:
        yield _joined(pieces)


def voters(scope: Scope) -> VoterTable:
    """Base patterns and who voted what beside them, from the votes as they are now; annotators named by their ids."""
    options = option_codes(spec_of(scope))
    nothing = np.empty(0, dtype=np.int64)
    whole = VoterTable.from_votes(options, nothing, nothing, nothing, ())
    for portion in votes(scope):
        people, annotator = np.unique(portion.annotator, return_inverse=True)
        unknown = int(people.size > 0 and people[0] < 0)
        names = tuple(map(str, people[unknown:].tolist()))
        whole += VoterTable.from_votes(options, portion.unit, annotator - unknown, portion.option, names)
    return whole


def _stretches(scope: Scope) -> Iterator[Votes]:
    statement, values = _statement(scope)
    with connection.cursor() as cursor, cursor.copy(statement, values) as copy:
        for number, row in enumerate(copy):
            fields = list(_fields(bytes(row)[HEADER if number == 0 else 0 :]))
            if fields:
                unit, said = fields
                yield Votes(unit, said >> 4, said & 15)


def _statement(scope: Scope) -> tuple[str, dict[str, Any]]:
    values = asdict(scope) | {"campaigns": list(scope.campaigns), "options": list(option_codes(spec_of(scope)))}
    chosen = VOTES
    if scope.language is not None:
        chosen += OF_LANGUAGE
    if scope.is_augmented is not None:
        chosen += OF_KIND
    if scope.source is not None:
        chosen += OF_SOURCE
        values["earlier"] = _before_in_the_ledger(scope.source)
    if scope.since is not None or scope.before is not None:
        chosen = OF_WEEKS.format(votes=chosen)
    return STRETCHES.format(votes=chosen, stretch=STRETCH), values


def _before_in_the_ledger(source: int) -> list[int]:
    """The sources that a snapshot would name rather than this one, where both gave a text."""
    ledger = list(Source.objects.all())
    withheld = {entry.pk for entry in ledger if not entry.is_publishable}
    order = sorted(ledger, key=lambda entry: (entry.pk in withheld, entry.precedence, entry.pk))
    ids = [entry.pk for entry in order]
    return ids[: ids.index(source)] if source in ids else ids


def _fields(row: bytes) -> Iterator[Ints]:
    """The arrays of one row; none of the last, which only says that it is the last."""
    at = ROW
    for _ in range(max(0, struct.unpack_from(">h", row)[0])):
        (length,) = struct.unpack_from(">i", row, at)
        numbers = np.frombuffer(row, NUMBER, (length - ARRAY) // NUMBER.itemsize, at + FIELD + ARRAY)
        yield numbers["value"].astype(np.int64)
        at += FIELD + length


def _joined(pieces: Sequence[Votes]) -> Votes:
    return Votes._make(np.concatenate(columns) for columns in zip(*pieces, strict=True))
