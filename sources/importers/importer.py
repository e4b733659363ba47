"""What a format declares, and what its reader may say of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from sources.errors import SourceError
from sources.files import SourceFile
from sources.rows import InstructionRow, RejectedRow

type Options = Mapping[str, str]
type Rows = Iterator[InstructionRow | RejectedRow]

MOST_COLUMNS_SHOWN = 40


class WrongOption(SourceError):
    """option {name!r} of format {format}: {problem}: {remedy}"""


class MissingColumn(SourceError):
    """{path}: {where}: column {column!r} is missing: name one of {columns}, or another format"""


@dataclass(frozen=True, slots=True)
class Option:
    """One named value that a format takes."""

    name: str
    help: str


@dataclass(frozen=True, slots=True)
class Importer:
    """One format: ``read`` yields one row for each row of the file, the same ones in every run, and writes nothing.

    ``label_set`` names the set whose option codes the votes of this format are mapped to; None where it has no votes.
    """

    name: str
    title: str
    summary: str
    read: Callable[[SourceFile, Options], Rows]
    options: tuple[Option, ...] = ()
    label_set: str | None = None
    suffixes: tuple[str, ...] = ()

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


def require(columns: list[str], present: Mapping[str, object], file: SourceFile, where: str) -> None:
    """Raise MissingColumn for the first of ``columns`` that is not ``present``."""
    for column in columns:
        if column not in present:
            shown = [repr(name) for name in list(present)[:MOST_COLUMNS_SHOWN]]
            raise MissingColumn(path=file.path, where=where, column=column, columns=", ".join(shown) or "none")
