"""Votes in a file of their own: CSV with one row a vote, or with one column for each annotator (pure, no Django).

    unit,annotator,label            unit,anna,ben,chen
    17,anna,casual                  17,casual,casual,
    17,ben,casual                   18,,casual,needs caution

Every vote of the file is accounted for: read = taken + repeated + rejected, with the reasons.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labels.errors import LabelsError

COLUMNS = ("unit", "annotator", "label")
UNKNOWN = -1  # in the place of an annotator whom the votes do not name
MOST_OFFENDERS, SHOWN = 20, 40  # the latter are characters of one name
# So many different labels are answers; more are something else, such as texts.
MOST_OPTIONS = 100


class VotesFileError(LabelsError):
    """A file of votes that cannot be used; the message names file, line, field and remedy."""


class Vote(NamedTuple):
    """One vote as it was read. ``annotator`` is empty where the source does not say who voted."""

    where: str  # "line 7", for messages
    unit: str
    annotator: str
    label: str


@dataclass(frozen=True, eq=False)
class RawVotes:
    """V votes: ``unit``, ``annotator`` (or UNKNOWN) and ``option``, (V,) each, are numbers of what the tuples name."""

    options: tuple[str, ...]
    units: tuple[str, ...]
    annotators: tuple[str, ...]
    unit: NDArray[np.int64]
    annotator: NDArray[np.int64]
    option: NDArray[np.int64]
    read: int
    repeated: int
    rejected: Counter[str] = field(default_factory=Counter)
    offenders: tuple[str, ...] = ()

    @property
    def taken(self) -> int:
        return len(self.option)


def read(path: Path, columns: Sequence[str] = COLUMNS) -> Iterator[Vote]:
    """Yield the votes of a CSV with one row a vote; ``columns`` names those of unit, annotator and label.

    Where the name of the second is empty, nobody knows who voted. Raises VotesFileError.
    """
    unit, annotator, label = columns
    for where, row in _rows(path, needed=(unit, *filter(None, [annotator]), label)):
        yield Vote(where, row[unit], row[annotator] if annotator else "", row[label])


def read_wide(path: Path, unit: str = COLUMNS[0]) -> Iterator[Vote]:
    """Yield the votes of a CSV with a row for each unit and a column for each annotator; what is empty is no vote."""
    for where, row in _rows(path, needed=(unit,)):
        for annotator, label in row.items():
            if annotator != unit and label:
                yield Vote(f"{where}, column {annotator[:SHOWN]!r}", row[unit], annotator, label)


def collect(votes: Iterable[Vote], options: Sequence[str] = ()) -> RawVotes:
    """All of ``votes`` as arrays. Without ``options`` these are the labels that occur, in the order of the alphabet.

    Of several votes of one annotator on one unit the first counts. A label that is no option is rejected.
    """
    kept, seen = list[Vote](), set[tuple[str, str]]()
    rejected, offenders = Counter[str](), list[str]()
    read = repeated = 0
    for vote in votes:
        read += 1
        problem = _problem(vote, options)
        if problem:
            rejected[problem] += 1
            offenders.append(f"{vote.where}: {problem}")
        elif vote.annotator and (vote.unit, vote.annotator) in seen:
            repeated += 1
            who, what = vote.annotator[:SHOWN], vote.unit[:SHOWN]
            offenders.append(f"{vote.where}: {who!r} voted before on {what!r}; the first vote counts")
        else:
            seen.add((vote.unit, vote.annotator))
            kept.append(vote)
        del offenders[MOST_OFFENDERS:]
    names = tuple(options) or _found_options(kept)
    units, unit = _numbered([vote.unit for vote in kept])
    annotators, annotator = _numbered([vote.annotator for vote in kept if vote.annotator])
    everyone = np.full(len(kept), UNKNOWN)
    everyone[[bool(vote.annotator) for vote in kept]] = annotator
    places = {name: place for place, name in enumerate(names)}
    option = np.array([places[vote.label] for vote in kept], dtype=np.int64)
    return RawVotes(names, units, annotators, unit, everyone, option, read, repeated, rejected, tuple(offenders))


def _found_options(votes: Iterable[Vote]) -> tuple[str, ...]:
    found = sorted({vote.label for vote in votes})
    if len(found) > MOST_OPTIONS:
        raise VotesFileError(
            f"the votes are for {len(found):,} different labels; name those to measure with --options."
        )
    return tuple(found)


def _problem(vote: Vote, options: Sequence[str]) -> str:
    if not vote.unit:
        return "no unit is named"
    if not vote.label:
        return "no label is given"
    if options and vote.label not in options:
        return f"the label {vote.label[:SHOWN]!r} is none of {', '.join(options)}"
    return ""


def _numbered(names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The different ones in the order of their first appearance, and of each name its number among them."""
    numbers: dict[str, int] = {}
    found = np.fromiter((numbers.setdefault(name, len(numbers)) for name in names), np.int64, len(names))
    return tuple(numbers), found


def _rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            try:
                _check_header(path, reader.fieldnames or (), needed)
                for row in reader:
                    yield f"line {reader.line_num}", _checked(path, reader.line_num, row)
            except csv.Error as error:
                raise VotesFileError(f"{path}: line {reader.line_num + 1}: is not CSV ({error}); correct it.") from None
    except OSError as error:
        raise VotesFileError(f"{path}: cannot be read ({error.strerror}); give the path of a CSV file.") from None
    except UnicodeDecodeError as error:
        raise VotesFileError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8.") from None


def _check_header(path: Path, header: Sequence[str], needed: Sequence[str]) -> None:
    if not header:
        raise VotesFileError(f"{path}: is empty; its first line names the columns, such as {','.join(COLUMNS)}.")
    for column in needed:
        if column not in header:
            found = ", ".join(repr(name[:SHOWN]) for name in header[:20])
            remedy = "name yours with --columns, as unit,,label where nobody knows who voted"
            raise VotesFileError(f"{path}: line 1: no column {column!r} among {found}; {remedy}.")
    if repeated := [name for name, times in Counter(header).items() if times > 1]:
        raise VotesFileError(
            f"{path}: line 1: column {repeated[0][:SHOWN]!r} is there twice; give each a name of its own."
        )


def _checked(path: Path, line: int, row: dict[str, str]) -> dict[str, str]:
    """The fields without white space around them; a row has as many as the header."""
    if None in row or None in row.values():
        raise VotesFileError(f"{path}: line {line}: has not as many fields as line 1; add what is missing, or quotes.")
    return {name: value.strip() for name, value in row.items()}
