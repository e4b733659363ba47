"""Rows of the database become lines, in one pass: what many lines have in common is made once, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from exports.groups import OF_MODEL, UNLICENSED, WITHDRAWN, Cast, Common, Count, Origin, cast_of, common_of, origin_of
from exports.modelled import Model
from exports.voters import Voters
from sources import personal
from sources.rows import Turn
from sources.texts import oig_text

if TYPE_CHECKING:
    from exports.records import Reader

# Groups of which the JSON is kept ready: about a kilobyte each. A label set with many tags has more of them.
GROUPS = 50_000

# Lines whose annotators are counted at a time.
BATCH = 20_000

TURN = b'{"role": "'
ONE_TURN = b'[{"role": "human", "text": "'
NOTHING_FOUND = (b"", b"[]")


@dataclass
class Maker:
    """Makes lines of the rows of ``LINES``: what many of them have in common is made once, and counted."""

    reader: Reader
    count: Count
    voters: Voters | None
    model: Model | None
    known: dict[bytes, Common] = field(default_factory=dict)
    cast: dict[bytes, Cast] = field(default_factory=dict)
    origins: dict[bytes, Origin] = field(default_factory=dict)
    # Of lines whose annotators were not counted yet: the places of their votes, and who gave these.
    places: list[int] = field(default_factory=list)
    people: list[bytes] = field(default_factory=list)

    def of(self, rows: Iterable[list[bytes]]) -> Iterator[bytes]:
        # All in one place: a call for each of a million lines would cost as much as the line.
        known, places, people, voters = self.known, self.places, self.people, self.voters
        gold = self._gold() if voters else {}
        of_line = self.model.of_line if self.model else None
        for turns, spans, digest, who, key, place, parent, root, number in rows:
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
                said, written = _masked(turns, spans)
            elif turns.startswith(ONE_TURN) and turns.find(TURN, 2) < 0:
                # A quote within a text has a backslash before it: no text holds TURN. What stands between the quotes
                # stays as it is, for the database escapes as orjson does.
                text = turns[len(ONE_TURN) : -3]
                said, written = b"<human>: " + text, b'[{"role":"human","text":"' + text + b'"}]'
            else:
                said, written = _written(orjson.loads(turns))
            of_votes = common.of_votes
            if number and of_line:
                of_votes = of_votes.replace(OF_MODEL, of_line(int(number), common.group.aggregate.n_votes))
            yield b"".join((
                b'{"text":"', said, b'","metadata":{"id":"', digest, b'","turns":', written, of_votes, place,
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
        self.origins.clear()
        if self.voters:
            self.voters.forget_places()

    def _tell_voters(self, voters: Voters) -> None:
        voters.add(self.places, self.people)
        self.places.clear()
        self.people.clear()

    def _gold(self) -> dict[bytes, int]:
        position = {option.code: at for at, option in enumerate(self.reader.spec.options)}
        return {public.encode(): position[code] for public, code in self.reader.selection.gold.items()}

    def _common(self, key: bytes) -> Common:
        if len(self.known) >= GROUPS:
            self.tell()
        ballots, is_flagged, decided, rest = key.split(b",", 3)
        cast_key = key[: -len(rest) - 1]
        cast = self.cast.get(cast_key)
        if cast is None:
            self.cast[cast_key] = cast = cast_of(self.reader, self.model, ballots, is_flagged == b"1", decided)
        if (origin := self.origins.get(rest)) is None:
            self.origins[rest] = origin = origin_of(self.reader, rest)
        self.known[key] = common = common_of(self.reader, cast, origin)
        if self.voters and not common.left_out_by:
            common.place = self.voters.place(common.group)
        return common


def _masked(turns: bytes, spans: bytes) -> tuple[bytes, bytes]:
    return _written(personal.mask(orjson.loads(turns), orjson.loads(spans)))


def _written(said: Sequence[Turn]) -> tuple[bytes, bytes]:
    kept = [{"role": turn["role"], "text": turn["text"]} for turn in said]
    return orjson.dumps(oig_text(said))[1:-1], orjson.dumps(kept)
