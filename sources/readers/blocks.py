"""Files as blocks of bytes, decompressed on the way in constant memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

from sources.readers.shards import WrongFile, compression_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1_048_576
# Four bytes of zstd can make 128 KiB, and its library sets no limit to what one call gives back.
ZSTD_STEP = 1_024
ZSTD_BLOCK = 262_144

FAILURES = (OSError, EOFError, zlib.error, zstandard.ZstdError)


def plain(path: Path, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes from ``start`` up to ``end``. Raises WrongFile where it cannot be read."""
    with reading(path), path.open("rb", buffering=0) as file:
        file.seek(start)
        left = BLOCK if end is None else end - start
        while left > 0 and (block := file.read(min(BLOCK, left))):
            yield block
            left -= len(block) if end is not None else 0


def decompressed(path: Path, note: Callable[[memoryview], object] = len) -> Generator[bytes]:
    """The content of a file as its name says it is compressed; ``note`` is given the bytes as they lie on the disk.

    Raises WrongFile where they end too early or are damaged, which may show only at the end.
    """
    with reading(path), path.open("rb", buffering=0) as file:
        raw = io.BufferedReader(_Noted(file, note), BLOCK)
        match compression_of(path.name):
            case ".gz":
                with gzip.GzipFile(fileobj=raw, mode="rb") as whole:
                    yield from iter(lambda: whole.read(BLOCK), b"")
            case ".zst":
                yield from _zstd(raw)
            case _:
                yield from iter(lambda: raw.read(BLOCK), b"")


def _zstd(raw: io.BufferedIOBase) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor()
    frame = decompressor.decompressobj()
    held, left, is_inside = bytearray(), b"", True
    while data := left or raw.read(ZSTD_STEP):
        if not is_inside:
            frame, is_inside = decompressor.decompressobj(), True
        held += frame.decompress(data)
        left = b""
        if frame.eof:
            left, is_inside = frame.unused_data, False
        if len(held) >= ZSTD_BLOCK:
            yield from _cut(held)
            held.clear()
    if is_inside:
        raise EOFError
    yield from _cut(held)


def _cut(held: bytearray) -> Iterator[bytes]:
    return (bytes(held[at : at + BLOCK]) for at in range(0, len(held), BLOCK))


class _Noted(io.RawIOBase):
    """A file of which another is told every byte that is read."""

    def __init__(self, file: io.FileIO, note: Callable[[memoryview], object]) -> None:
        self._file, self._note = file, note

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        size = self._file.readinto(buffer) or 0
        self._note(memoryview(buffer)[:size])
        return size


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What goes wrong while a file is read becomes a WrongFile."""
    try:
        yield
    except FAILURES as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> WrongFile:
    suffix = compression_of(path.name)
    if isinstance(error, FileNotFoundError):
        return WrongFile(path=path, problem="there is no such file", remedy="check the path")
    if isinstance(error, PermissionError):
        return WrongFile(path=path, problem="may not be read", remedy="give this user permission to read it")
    if isinstance(error, EOFError):
        return WrongFile(path=path, problem=f"is cut off: its {suffix} data end too early", remedy="download it again")
    if isinstance(error, gzip.BadGzipFile | zlib.error | zstandard.ZstdError):
        return WrongFile(path=path, problem=f"its {suffix} data are damaged ({error})", remedy="download it again")
    reason = getattr(error, "strerror", None) or error
    return WrongFile(path=path, problem=f"cannot be read ({reason})", remedy="check the path and the disk")
