"""Which texts a take-down is about: by public id, by source, by a list of digests, by a pattern."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.db import DataError, connection, transaction
from django.db.models import BooleanField, Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from sources import texts
from sources.errors import SourceError
from sources.models import Instruction, InstructionState, Provenance, Source, TakeDown, Tombstone

# What lists are made of, by its number of hexadecimal digits.
_KINDS = {32: Tombstone.Kind.INSTRUCTION, 64: Tombstone.Kind.TEXT}
_DIGEST = re.compile(r"[0-9a-fA-F]{32}(?:[0-9a-fA-F]{32})?")
_SAYS = """
    EXISTS (SELECT 1 FROM jsonb_array_elements(sources_instruction.turns) AS turn WHERE turn ->> 'text' ~* %s)
"""
# Instructions read at a time from the server-side cursor.
_FETCH = 5_000


class UnknownId(SourceError):
    """{ids}: no instruction has this public id: copy the 32 digits from the field id of a published line"""


class UnknownSource(SourceError):
    """{name}: no such source: {remedy}"""


class WrongDigests(SourceError):
    """{problems}: write one digest a line, 32 hexadecimal digits (a public id) or 64 (SHA-256 of a turn)"""


class WrongPattern(SourceError):
    """{pattern}: {problem}: write a regular expression of PostgreSQL"""


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a take-down is about; ``words`` say it in its record."""

    by: TakeDown.By
    words: str
    found: Callable[[], QuerySet[Instruction]]  # that are not taken down yet, when it is asked
    source: Source | None = None  # whose texts stay where another one gives them
    digests: tuple[bytes, ...] = ()  # that must never come in

    @property
    def source_id(self) -> int | None:
        return self.source.pk if self.source else None


def by_ids(public_ids: Sequence[str]) -> Criterion:
    """The instructions with these public ids. Raises UnknownId unless there are all of them."""
    digests = {_bytes(given): given for given in public_ids}
    known = {
        bytes(digest) for digest in Instruction.objects.filter(digest__in=digests).values_list("digest", flat=True)
    }
    unknown = [texts.printable(given, 40) for digest, given in digests.items() if digest not in known]
    if unknown:
        raise UnknownId(ids=", ".join(unknown))
    return Criterion(TakeDown.By.ID, ", ".join(public_ids), lambda: _left().filter(digest__in=digests))


def by_source(named: str) -> Criterion:
    """What the source ``NAME@REVISION`` gave; NAME alone where it has one revision. Raises UnknownSource."""
    source = source_named(named)
    given = Provenance.objects.filter(instruction=OuterRef("pk"), source=source)
    return Criterion(TakeDown.By.SOURCE, str(source), lambda: _left().filter(Exists(given)), source=source)


def by_digests(name: str, lines: Iterable[str]) -> Criterion:
    """What the list called ``name`` names: instructions by public id, and those that have a turn of this SHA-256.

    Raises WrongDigests, which names every line that is none.
    """
    digests = read_digests(name, lines)
    of_texts = frozenset(digest for digest in digests if kind(digest) == Tombstone.Kind.TEXT)

    def found() -> QuerySet[Instruction]:
        by_text = _with_turns(of_texts) if of_texts else []
        return _left().filter(Q(digest__in=[*digests]) | Q(pk__in=by_text))

    return Criterion(TakeDown.By.DIGESTS, name, found, digests=digests)


def by_pattern(pattern: str) -> Criterion:
    """Instructions of which a turn matches a regular expression of PostgreSQL, in any case. Raises WrongPattern."""
    if not pattern.strip():
        raise WrongPattern(pattern="''", problem="matches every text")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT '' ~* %s", [pattern])
    except DataError as error:
        problem = str(error).partition("\n")[0]
        raise WrongPattern(pattern=texts.printable(pattern, 80), problem=problem) from None
    says = RawSQL(_SAYS, [pattern], output_field=BooleanField())  # noqa: S611 - a constant
    return Criterion(TakeDown.By.PATTERN, pattern, lambda: _left().filter(says))


def read_digests(name: str, lines: Iterable[str]) -> tuple[bytes, ...]:
    """The digests of a list, one a line; what follows a ``#`` is a comment. Raises WrongDigests."""
    found: dict[bytes, None] = {}
    problems = []
    for number, line in enumerate(lines, start=1):
        written = line.partition("#")[0].strip()
        if _DIGEST.fullmatch(written):
            found[bytes.fromhex(written)] = None
        elif written:
            problems.append(f"line {number} is {texts.printable(written, 40)!r}")
    if not problems and not found:
        problems.append("has no digest")
    if problems:
        raise WrongDigests(problems=f"{name}: {', '.join(problems)}")
    return tuple(found)


def kind(digest: bytes) -> Tombstone.Kind:
    """Of what a digest is, told by its length."""
    return _KINDS[2 * len(digest)]


def _left() -> QuerySet[Instruction]:
    return Instruction.objects.exclude(state=InstructionState.REMOVED)


def _bytes(public_id: str) -> bytes:
    if len(public_id) != 2 * texts.DIGEST_BYTES or not _DIGEST.fullmatch(public_id):
        raise UnknownId(ids=texts.printable(public_id, 40))
    return bytes.fromhex(public_id)


def source_named(named: str) -> Source:
    """The source ``NAME@REVISION``; NAME alone where it has one revision. Raises UnknownSource."""
    name, _, revision = named.partition("@")
    of_name = Source.objects.filter(name=name)
    found = list(of_name.filter(revision=revision) if revision else of_name)
    if len(found) == 1:
        return found[0]
    known = ", ".join(map(str, of_name or Source.objects.all()))
    remedy = f"name one of {known}" if known else "nothing was imported yet"
    raise UnknownSource(name=texts.printable(named, 80), remedy=remedy)


def _with_turns(digests: frozenset[bytes]) -> list[int]:
    """The ids of instructions that have a turn of one of these digests; reads all of them, as they were normalised."""
    rows = _left().order_by().values_list("pk", "turns").iterator(chunk_size=_FETCH)
    return [pk for pk, turns in rows if any(texts.text_digest(turn["text"]) in digests for turn in turns)]
