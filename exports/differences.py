"""Files of records side by side, and why a line that one has is missing in the other.

``verification`` and ``snapshots`` compare a release with what its votes give now, ``changes`` one release with another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from annotate.models import Annotation
from sources.models import UNKNOWN_LICENSE, Instruction, InstructionState, Source, Tombstone

if TYPE_CHECKING:
    from exports.models import Snapshot

# Numbers of lines that are named for each reason; the others are counted.
NAMED = 20

# Stands before the id in a line of ours; inside a text its quotation marks would be escaped.
BEFORE_ID = b',"metadata":{"id":"'
ID_DIGITS = 32

NOT_HERE = "its text is not in this database"
ERASED = "all of its votes were erased"
UNLICENSED = "no source of it has a known licence any more"
# Of a line that another release has.
FILTERED = "a filter of the later release leaves it out"
TAKEN_BACK = "its votes were taken back"
ELSEWHERE = "its campaigns are not in the later release"
NOT_VOTED_ON = "nobody voted on it here"
UNKNOWN = "unknown"

# A number, from 1: of the line in the first file, or of the one that the second file's would stand before. Then the
# lines, None where a file has none with this id.
type Pair = tuple[int, bytes | None, bytes | None]


@dataclass(slots=True)
class Difference:
    """How two files of records, each in the order of ``metadata.id``, differ."""

    lines: int = 0  # of the first
    gone: list[tuple[int, str]] = field(default_factory=list)  # number in the first, from 1, and id
    others: int = 0  # lines that only the second has, or that say something else


def side_by_side(first: Iterable[bytes], second: Iterable[bytes]) -> Iterator[Pair]:
    """Every line of both, those of one id together; both are in the order of ``metadata.id``, and read once.

    Lines that are the same are not looked into.
    """
    others = iter(second)
    other, number, theirs = next(others, None), 0, ""
    for number, line in enumerate(first, start=1):
        if line == other:
            yield number, line, other
            other = next(others, None)
            continue
        public_id = id_of(line)
        while other is not None and (theirs := id_of(other)) < public_id:
            yield number, None, other
            other = next(others, None)
        if other is not None and theirs == public_id:
            yield number, line, other
            other = next(others, None)
        else:
            yield number, line, None
    while other is not None:
        yield number + 1, None, other
        other = next(others, None)


def compare(published: Path, again: Path) -> Difference:
    """Which lines of the first the second does not have, and how many others differ."""
    found = Difference()
    with published.open("rb") as first, again.open("rb") as second:
        for number, line, other in side_by_side(first, second):
            found.lines += line is not None
            if line is not None and other is None:
                found.gone.append((number, id_of(line)))
            else:
                found.others += line != other
    return found


def sentence(found: Difference) -> str:
    """Which lines cannot be derived any more since their texts were withdrawn, and whether that is all; else empty."""
    by_reason = defaultdict[str, list[int]](list)
    for number, reason in _withdrawn(found.gone):
        by_reason[reason].append(number)
    withdrawn = sum(map(len, by_reason.values()))
    if not withdrawn:
        return ""
    listed = "; ".join(f"{reason}: {_lines(numbers)}" for reason, numbers in by_reason.items())
    more = found.others + len(found.gone) - withdrawn
    rest = f"{more:,} other lines would not be the same either" if more else "every other line is the same"
    return f"{withdrawn:,} of its {found.lines:,} lines cannot be derived again ({listed}), and {rest}"


def reasons(gone: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Why each of the lines that are gone cannot be derived any more, by its number in the file."""
    withdrawn = dict(_withdrawn(gone))
    known = Instruction.objects.filter(digest__in=[bytes.fromhex(public_id) for _, public_id in gone])
    licensed = known.filter(provenances__source__in=Source.objects.exclude(license=UNKNOWN_LICENSE))
    found = {bytes(digest).hex() for digest in known.values_list("digest", flat=True)}
    sourced = {bytes(digest).hex() for digest in licensed.values_list("digest", flat=True)}
    for number, public_id in gone:
        if number in withdrawn:
            yield number, withdrawn[number]
        elif public_id not in found:
            yield number, NOT_HERE
        elif public_id not in sourced:
            yield number, UNLICENSED
        else:
            yield number, ERASED


def reasons_between(gone: Sequence[str], before: Snapshot, after: Snapshot) -> dict[str, str]:
    """Why lines of one release are not in a later one, by id, as far as this database can tell now."""
    if after.is_registered:
        return dict.fromkeys(gone, UNKNOWN)
    found = {gone[at]: why for at, why in reasons(list(enumerate(gone)))}
    # Their texts could be published: the votes decide.
    open_ = [bytes.fromhex(public_id) for public_id, why in found.items() if why == ERASED]
    votes = Annotation.objects.filter(unit__instruction__digest__in=open_)
    chosen = after.campaigns.all()
    counted = votes.counted(after.cut).filter(unit__campaign__in=chosen)
    for answer, whose in (
        (NOT_VOTED_ON if before.is_registered else ERASED, None),
        (ELSEWHERE, votes),
        (TAKEN_BACK, votes.filter(unit__campaign__in=chosen)),
        (FILTERED if after.options.get("filters") else UNKNOWN, counted),
    ):
        digests = open_ if whose is None else whose.values_list("unit__instruction__digest", flat=True).distinct()
        found |= {bytes(digest).hex(): answer for digest in digests}
    return found


def _withdrawn(gone: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    digests = [bytes.fromhex(public_id) for _, public_id in gone]
    withdrawn = Instruction.objects.filter(digest__in=digests).exclude(state=InstructionState.AVAILABLE)
    states = {bytes(digest): state for digest, state in withdrawn.values_list("digest", "state")}
    stones = Tombstone.objects.filter(digest__in=digests).values_list("digest", "take_down")
    take_downs = {bytes(digest): take_down for digest, take_down in stones}
    for (number, _), digest in zip(gone, digests, strict=True):
        if digest not in states:
            continue
        state = InstructionState(states[digest])
        removed = state == InstructionState.REMOVED and digest in take_downs
        yield number, f"{state.label} (take-down {take_downs[digest]})" if removed else str(state.label)


def id_of(line: bytes) -> str:
    """The ``metadata.id`` of a line."""
    at = line.find(BEFORE_ID)
    if at >= 0:
        return line[at + len(BEFORE_ID) : at + len(BEFORE_ID) + ID_DIGITS].decode()
    found: str = orjson.loads(line)["metadata"]["id"]
    return found


def _lines(numbers: list[int]) -> str:
    named = ", ".join(map(str, numbers[:NAMED]))
    more = f" and {len(numbers) - NAMED:,} more" if len(numbers) > NAMED else ""
    return f"{'line' if len(numbers) == 1 else 'lines'} {named}{more}"
