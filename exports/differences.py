"""What a published file has that the same votes do not give any more, line by line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from sources.models import UNKNOWN_LICENSE, Instruction, InstructionState, Source, Tombstone

# Why a line is gone for which nothing else is found.
ERASED = "all of its votes were erased"

# Numbers of lines that are named for each reason; the others are counted.
NAMED = 20


@dataclass(slots=True)
class Difference:
    """How two files of records, each in the order of ``metadata.id``, differ."""

    lines: int = 0  # of the first
    gone: list[tuple[int, str]] = field(default_factory=list)  # number in the first, from 1, and id
    others: int = 0  # lines that only the second has, or that say something else


def compare(published: Path, again: Path) -> Difference:
    """Read both files once, side by side; a line is only parsed where they part."""
    found = Difference()
    with published.open("rb") as first, again.open("rb") as second:
        other = next(second, None)
        for number, line in enumerate(first, start=1):
            found.lines = number
            while other is not None and line != other and _id(other) < _id(line):
                found.others += 1
                other = next(second, None)
            if other is None or (line != other and _id(other) != _id(line)):
                found.gone.append((number, _id(line)))
                continue
            found.others += line != other
            other = next(second, None)
        found.others += (other is not None) + sum(1 for _ in second)
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
            yield number, "its text is not in this database"
        elif public_id not in sourced:
            yield number, "no source of it has a known licence any more"
        else:
            yield number, ERASED


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


def _id(line: bytes) -> str:
    found: str = orjson.loads(line)["metadata"]["id"]
    return found


def _lines(numbers: list[int]) -> str:
    named = ", ".join(map(str, numbers[:NAMED]))
    more = f" and {len(numbers) - NAMED:,} more" if len(numbers) > NAMED else ""
    return f"{'line' if len(numbers) == 1 else 'lines'} {named}{more}"
