"""What readers are told and what they tell: limits, shards, pieces, and what is wrong with a file as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sources.errors import SourceError

# What a file may be called, and what is in it. "json" is JSON that was no lines (one array, or objects printed over
# many lines) until it was staged.
FORMS = ("jsonl", "json", "csv", "parquet")
SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


class WrongFile(SourceError):
    """{path}: {problem}: {remedy}"""


class WrongHeader(WrongFile):
    """{path}: line {line}: {problem}: {remedy}"""


class FileChanged(SourceError):
    """{path}: {problem} since the import was planned: start the import again"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one line (or element of an array) may be, and a whole file once it is decompressed; in bytes.

    There is no limit of the ratio: honest files that repeat themselves reach that of a bomb, and it is the bytes that
    do the harm.
    """

    line_bytes: int
    staged_bytes: int


@dataclass(frozen=True, slots=True)
class Shard:
    """One plain file, ready to be read in pieces.

    ``sha256`` and ``name`` are those of the file as it was given, ``bytes`` and ``modified_ns`` those of ``path``. A
    staged one is a copy that may be deleted when all is read. ``line_bytes`` is the limit it was planned with.
    """

    path: str
    form: str
    bytes: int
    sha256: str
    modified_ns: int
    is_staged: bool
    name: str
    line_bytes: int

    @property
    def delimiter(self) -> str:
        """What separates the fields of a form "csv"."""
        return delimiter_of(self.name)


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a shard: bytes ``start`` to ``end`` of a text, or rows from 0 of a Parquet file.

    ``first`` is the number of the first line, record or row in it, from 1.
    """

    start: int
    end: int
    first: int


def compression_of(name: str) -> str:
    """``.gz``, ``.zst`` or nothing, as the name says."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix in COMPRESSIONS else ""


def form_of(path: Path) -> str:
    """The form that a file's name promises. Raises WrongFile where it promises none."""
    try:
        return SUFFIXES[_plain_suffix(path.name)]
    except KeyError:
        problem, remedy = "its name does not say what it holds", f"end it in one of {', '.join(SUFFIXES)}"
        raise WrongFile(path=path, problem=problem, remedy=f"{remedy}, and in .gz or .zst if compressed") from None


def delimiter_of(name: str) -> str:
    """A tab for .tsv, else a comma."""
    return "\t" if _plain_suffix(name) == ".tsv" else ","


def _plain_suffix(name: str) -> str:
    plain = Path(name).stem if compression_of(name) else name
    return Path(plain).suffix.lower()


def check_unchanged(shard: Shard) -> None:
    """Raise FileChanged unless size and time of modification of the shard's file are those that were planned with."""
    try:
        stat = Path(shard.path).stat()
    except FileNotFoundError:
        raise FileChanged(path=shard.path, problem="was removed") from None
    except OSError as error:
        problem, remedy = f"cannot be read ({error.strerror})", "check the path and the disk"
        raise WrongFile(path=shard.path, problem=problem, remedy=remedy) from None
    if (stat.st_size, stat.st_mtime_ns) != (shard.bytes, shard.modified_ns):
        raise FileChanged(path=shard.path, problem="was changed")
