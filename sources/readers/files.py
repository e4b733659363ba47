"""What is wrong with a file as a whole, found before anything is written."""

from __future__ import annotations

import codecs
from contextlib import closing
from pathlib import Path

from sources.readers import json, parquet
from sources.readers.blocks import decompressed, reading
from sources.readers.shards import COMPRESSIONS, WrongFile, compression_of, form_of

FIRST_BLOCK = 65_536
COMPRESSED = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
# How files begin that are often given by mistake.
MAGIC = {
    b"PK\x03\x04": "a ZIP archive (or a spreadsheet)",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"%PDF": "a PDF file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself",
}
GIVE = "give JSON, CSV or Parquet, plain, .gz or .zst"


def check(path: Path) -> None:
    """Raise WrongFile unless ``path`` is a regular file that begins as its name says; a Parquet file also at its end.

    A compressed file is looked at from inside. Damage further on shows when it is staged.
    """
    with reading(path):
        _check_kind(path)
    form = form_of(path)
    with reading(path), path.open("rb") as raw:
        _check_compression(path, raw.read(8))
    with closing(decompressed(path)) as blocks:
        block = next(blocks, b"")[:FIRST_BLOCK]
    _check_content(path, form, block)
    if form == "parquet" and not compression_of(path.name):
        parquet.check(path)


def _check_content(path: Path, form: str, block: bytes) -> None:
    """Raise WrongFile unless what a file holds, decompressed, begins as the form does."""
    _check_magic(path, block)
    is_parquet = block.startswith(parquet.MAGIC)
    if is_parquet and form != "parquet":
        raise WrongFile(path=path, problem="is a Parquet file", remedy="let its name end in .parquet")
    if form == "parquet" and not is_parquet:
        raise WrongFile(path=path, problem="is not Parquet", remedy="rename it to what it is, or download it again")
    if not is_parquet:
        _check_text(path, block)
        _check_words(path, form, block)


def _check_kind(path: Path) -> None:
    if not path.exists():
        raise WrongFile(path=path, problem="there is no such file", remedy="check the path")
    if path.is_dir():
        raise WrongFile(path=path, problem="is a folder", remedy="name one file in it")
    if not path.is_file():
        raise WrongFile(path=path, problem="is not a regular file", remedy="save its content to a file first")


def _check_compression(path: Path, beginning: bytes) -> None:
    if not beginning:
        raise WrongFile(path=path, problem="is empty", remedy="download it again")
    named = compression_of(path.name)
    found = next((suffix for magic, suffix in COMPRESSED.items() if beginning.startswith(magic)), "")
    # Frames that zstd skips may stand before the first one.
    if named == found or (named == ".zst" and beginning[1:4] == b"\x2a\x4d\x18"):
        return
    if found:
        problem, remedy = f"is {COMPRESSIONS[found]} but not named {found}", f"rename it to {path.name}{found}"
    else:
        kind = COMPRESSIONS[named]
        problem, remedy = f"is named {named} but is not {kind}", f"rename it or compress it with {kind}"
    raise WrongFile(path=path, problem=problem, remedy=remedy)


def _check_magic(path: Path, block: bytes) -> None:
    for beginning, kind in MAGIC.items():
        if block.startswith(beginning):
            raise WrongFile(path=path, problem=f"is {kind}", remedy=GIVE)
    for beginning, suffix in COMPRESSED.items():
        if block.startswith(beginning):
            raise WrongFile(path=path, problem=f"holds {suffix} data in {suffix} data", remedy="decompress it once")


def _check_text(path: Path, block: bytes) -> None:
    if not block.removeprefix(codecs.BOM_UTF8).strip():
        raise WrongFile(path=path, problem="has no text", remedy="download it again")
    if b"\0" in block:
        raise WrongFile(path=path, problem="is binary", remedy=GIVE)
    try:
        # Incremental: the block may end within a character.
        codecs.getincrementaldecoder("utf-8")().decode(block)
    except UnicodeDecodeError as error:
        line = block.count(b"\n", 0, error.start) + 1
        raise WrongFile(path=path, problem=f"line {line} is not UTF-8", remedy="save the file as UTF-8") from None


def _check_words(path: Path, form: str, block: bytes) -> None:
    beginning = block.removeprefix(codecs.BOM_UTF8).lstrip()
    if beginning[:14].lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
        problem, remedy = "is a web page or XML", "download the file itself, not the page about it"
        raise WrongFile(path=path, problem=problem, remedy=remedy)
    first = beginning.partition(b"\n")[0]
    if form == "csv" and first.startswith((b"{", b"[")) and _is_json(first):
        raise WrongFile(path=path, problem="is JSON, not CSV", remedy="let its name end in .jsonl")
    if form == "jsonl" and not any(line.lstrip().startswith((b"{", b"[", b'"')) for line in beginning.split(b"\n")):
        raise WrongFile(path=path, problem="is not JSON", remedy="rename it to what it is, for example .csv")


def _is_json(line: bytes) -> bool:
    try:
        json.parse(line)
    except (UnicodeDecodeError, json.BrokenJSON):
        return line in (b"{", b"[")
    return True
