"""Local files, plain or .gz, read line by line in constant memory however long a line is (pure, no Django).

``check`` finds what is wrong with a file as a whole before anything is written; what is wrong with one line is a
``BadLine``, after which reading goes on.
"""

from __future__ import annotations

import codecs
import gzip
import io
import math
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from sources.errors import SourceError

FIRST_BLOCK = 65_536
BLOCK = 1_048_576
GZIP_MAGIC = b"\x1f\x8b"
# How files begin that are often given by mistake.
MAGIC = {
    b"PK\x03\x04": "a ZIP archive (or a spreadsheet)",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


class WrongFile(SourceError):
    """{path}: {problem}: {remedy}"""


class BadLine(Exception):
    """One line cannot be read; the next ones can."""

    def __init__(self, number: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.number, self.reason, self.detail = number, reason, detail


class SourceFile:
    """An iterator over the lines of a file as text, each with its line end.

    ``number`` is the line read last, from 1; ``bytes_read`` counts what was taken from the disk, compressed or not.
    A line that is not UTF-8 or too long raises BadLine; the next call goes on with the line after it. After about
    ``max_bytes``, decompressed, it ends: the first look at a file must end even if one line has no end.
    """

    def __init__(self, path: Path, max_line_bytes: int, max_bytes: float = math.inf) -> None:
        self.path, self.max_line_bytes, self.number = path, max_line_bytes, 0
        self._left = max_bytes
        try:
            self._raw = path.open("rb", buffering=0)
        except OSError as error:
            raise _unreadable(path, error) from None
        whole = gzip.GzipFile(fileobj=self._raw) if _is_named_gzip(path) else self._raw
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._stream = io.BufferedReader(whole, FIRST_BLOCK)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._raw.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._read_line()
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > self.max_line_bytes:
            self._skip_rest_of(line)
            detail = f"is longer than {self.max_line_bytes:,} bytes: split it or raise OIG_IMPORT_MAX_LINE_BYTES"
            raise BadLine(self.number, "line too long", detail)
        try:
            return line.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            detail = f"byte {error.start + 1} of the line is not UTF-8: save the file as UTF-8"
            raise BadLine(self.number, "not UTF-8", detail) from None

    @property
    def bytes_read(self) -> int:
        return self._raw.tell()

    def first_character(self) -> str:
        """The first character that is not white space, without reading on; empty where there is none near."""
        ahead = self._stream.peek(FIRST_BLOCK).removeprefix(codecs.BOM_UTF8).lstrip()
        return chr(ahead[0]) if ahead else ""

    def read_text(self, size: int) -> str:
        """About ``size`` more bytes as text, whatever its lines; empty at the end of the file."""
        try:
            block = self._stream.read(size) if self._left > 0 else b""
            self._left -= len(block)
            return self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            problem = f"is not UTF-8 ({error.reason})"
            raise WrongFile(path=self.path, problem=problem, remedy="save it as UTF-8") from None
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(self.path, error) from None

    def _read_line(self) -> bytes:
        try:
            line = self._stream.readline(self.max_line_bytes + 1) if self._left > 0 else b""
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(self.path, error) from None
        self._left -= len(line)
        return line

    def _skip_rest_of(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self._read_line()


def lines(file: SourceFile) -> Iterator[tuple[int, str | BadLine]]:
    """Line number and text, or why the line cannot be read; blank lines are left out."""
    while True:
        try:
            text = next(file)
        except StopIteration:
            return
        except BadLine as problem:
            yield problem.number, problem
        else:
            if not text.isspace():
                yield file.number, text


def check(path: Path) -> None:
    """Raise WrongFile unless ``path`` is a regular file that can be read and begins with text in UTF-8."""
    try:
        _check_kind(path)
        with path.open("rb") as raw:
            _check_name(path, raw.read(8))
        with _open(path) as stream:
            _check_text(path, stream.read(FIRST_BLOCK))
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from None


def prove_whole(path: Path, tick: Callable[[], None] = lambda: None) -> None:
    """Decompress a .gz once to its end, calling ``tick`` at every block. Raises WrongFile if it is not whole."""
    if not _is_named_gzip(path):
        return
    try:
        with _open(path) as stream:
            while stream.read(BLOCK):
                tick()
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from None


def _open(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if _is_named_gzip(path) else path.open("rb")


def _is_named_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _check_kind(path: Path) -> None:
    if not path.exists():
        raise WrongFile(path=path, problem="there is no such file", remedy="check the path")
    if path.is_dir():
        raise WrongFile(path=path, problem="is a folder", remedy="name one file in it")
    if not path.is_file():
        raise WrongFile(path=path, problem="is not a regular file", remedy="save its content to a file first")


def _check_name(path: Path, magic: bytes) -> None:
    if not magic:
        raise WrongFile(path=path, problem="is empty", remedy="download it again")
    is_gzip = magic.startswith(GZIP_MAGIC)
    if _is_named_gzip(path) and not is_gzip:
        raise WrongFile(path=path, problem="is named .gz but is not gzip", remedy="rename it or compress it with gzip")
    if is_gzip and not _is_named_gzip(path):
        raise WrongFile(path=path, problem="is gzip but not named .gz", remedy=f"rename it to {path.name}.gz")
    for beginning, kind in MAGIC.items():
        if magic.startswith(beginning):
            raise WrongFile(path=path, problem=f"is {kind}", remedy="give a text file in UTF-8, plain or .gz")


def _check_text(path: Path, block: bytes) -> None:
    if not block.strip():
        raise WrongFile(path=path, problem="has no text", remedy="download it again")
    if b"\0" in block:
        raise WrongFile(path=path, problem="is binary", remedy="give a text file in UTF-8, plain or .gz")
    try:
        # Incremental: the block may end within a character.
        codecs.getincrementaldecoder("utf-8")().decode(block)
    except UnicodeDecodeError as error:
        line = block.count(b"\n", 0, error.start) + 1
        raise WrongFile(path=path, problem=f"line {line} is not UTF-8", remedy="save the file as UTF-8") from None


def _unreadable(path: Path, error: Exception) -> WrongFile:
    if isinstance(error, PermissionError):
        return WrongFile(path=path, problem="may not be read", remedy="give this user permission to read it")
    if isinstance(error, EOFError):
        return WrongFile(path=path, problem="is cut off: its .gz data end too early", remedy="download it again")
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return WrongFile(path=path, problem=f"its .gz data are damaged ({error})", remedy="download it again")
    reason = getattr(error, "strerror", None) or error
    return WrongFile(path=path, problem=f"cannot be read ({reason})", remedy="check the path and the disk")
