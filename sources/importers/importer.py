"""What a format declares: an importer makes instruction rows of one record at a time (pure, no Django).

Files are cut into pieces that several workers read at once (``sources.readers``), so an importer knows nothing but the
record before it. The same record gives the same rows in every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from sources.errors import SourceError
from sources.mapping import LabelMap
from sources.rows import InstructionRow, RejectedRow

type Options = Mapping[str, str]
type Rows = Iterable[InstructionRow | RejectedRow]

MAX_ROW = 120  # characters of a row's identity


class WrongOption(SourceError):
    """option {name!r} of {format}: {problem}: {remedy}"""


@dataclass(frozen=True, slots=True)
class Option:
    """One named value that a format takes."""

    name: str
    help: str


@dataclass(frozen=True, slots=True)
class Reader:
    """An importer with its options.

    ``rows`` gets where a record stands ("line 7", "record 3", "row 12") and the record: a value of JSON, or a dict of
    columns. ``label_map`` says what the source's labels suggest; None where nothing is declared.
    """

    rows: Callable[[str, Any], Rows]
    label_map: LabelMap | None = None


@dataclass(frozen=True, slots=True)
class Importer:
    """One format. ``label_set`` names the set whose option codes its votes are mapped to; None where it has no votes.

    ``license``, ``address`` and ``attribution`` are what is known of the dataset; they fill in what an admin leaves
    out. ``unverified`` says which of its shapes were never tried on the real file, and why; empty if all were.
    """

    name: str
    title: str
    summary: str
    reader: Callable[[Options], Reader]
    options: tuple[Option, ...] = ()
    label_set: str | None = None
    license: str = ""
    address: str = ""
    attribution: str = ""
    unverified: str = ""

    def check_options(self, options: Mapping[str, object]) -> None:
        """Raise WrongOption for one that this format does not have, or that is empty."""
        known = [option.name for option in self.options]
        for name, text in options.items():
            if name not in known:
                raise WrongOption(format=self.name, name=name, problem="is not known", remedy=did_you_mean(name, known))
            if not isinstance(text, str) or not text.strip():
                raise WrongOption(format=self.name, name=name, problem="has no value", remedy=f"write {name}=VALUE")


def did_you_mean(name: str, known: list[str]) -> str:
    """The remedy for a name that is not one of ``known``."""
    if not known:
        return "leave it out, there are none"
    close = get_close_matches(name, known, n=1)
    return (f"did you mean {close[0]}? " if close else "") + f"Known are {', '.join(known)}"


def part_of(where: str, *names: object) -> str:
    """The identity of a part of a record, such as ``record 1, chemistry, 3``; unique, at most MAX_ROW characters."""
    whole = ", ".join([where, *map(str, names)])
    if len(whole) <= MAX_ROW:
        return whole
    # Two long names may begin alike: the digest tells them apart.
    digest = hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{whole[: MAX_ROW - len(digest) - 2]}, {digest}"


def not_an_object(where: str, expected: str) -> tuple[RejectedRow]:
    """What a record gives that is a number, a text or a list where ``expected`` is."""
    return (RejectedRow(where, "not an object", f"is JSON but no object: write {expected}"),)


def one_of(options: Options, format_name: str, name: str, choices: tuple[str, ...]) -> str:
    """The value of an option that has few of them, the first if it is not given. Raises WrongOption for another."""
    chosen = options.get(name, choices[0])
    if chosen not in choices:
        problem, remedy = f"cannot be {chosen!r}", f"use {' or '.join(choices)}"
        raise WrongOption(format=format_name, name=name, problem=problem, remedy=remedy)
    return chosen
