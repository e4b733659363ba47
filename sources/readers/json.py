"""JSON: one text, lines of it, and what is no lines made into lines.

An array, or objects that are printed over many lines, cannot be read in pieces. ``as_lines`` makes one line of each
element without looking into it: what is no JSON inside of an element costs that element only.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from sources.readers.lines import lines, not_utf8, too_long
from sources.rows import RejectedRow

type Records = Iterator[tuple[str, Any | RejectedRow]]

# A whole string, or one sign that opens, closes or separates. A quote alone is a string that goes on in the next block.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)
_REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_QUOTE, _COMMA, _BRACKET, _BLANK, _LINE_END = b'",[ \n'
_OPENING = frozenset(b"[{")
# A line end becomes a carriage return: white space between tokens for JSON, and refused inside of a string, as it was.
# NUL is kept for our own mark: such a line is no record but what is wrong with the file.
_ON_ONE_LINE = bytes.maketrans(b"\n\0", b"\r\1")
_MARK = b"\0"
_BREAK = "nothing can be read from here on: the file is cut off, or a bracket or quote before this is wrong: correct it"


class BrokenJSON(ValueError):
    """A text is not JSON; the message says where in it."""


def parse(text: str | bytes) -> Any:
    """The value of a JSON text. Raises BrokenJSON, and UnicodeDecodeError for bytes that are not UTF-8."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    # Slower, but takes lone surrogates (which are then refused by their own name) and says where it broke.
    text = text if isinstance(text, str) else text.decode()
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise BrokenJSON(f"{error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:
        raise BrokenJSON(str(error)) from None


def records(blocks: Iterable[bytes], line_bytes: int, first: int, word: str) -> Records:
    """The value of each line that is not blank; ``word`` is what a line is called, "line" or "record"."""
    for number, line in lines(blocks, line_bytes, first):
        where = f"{word} {number}"
        try:
            record = orjson.loads(line)  # type: ignore[arg-type]
        except orjson.JSONDecodeError:
            if isinstance(line, int):
                record = too_long(where, line, line_bytes)
            elif not line.removeprefix(codecs.BOM_UTF8).strip():
                continue
            else:
                record = _difficult(where, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, word)
        yield where, record


def _difficult(where: str, line: bytes, word: str) -> Any:
    """The value of a line that the fast parser refuses, or why it is not JSON."""
    if word == "record" and line.startswith(_MARK):
        return RejectedRow(where, "broken JSON", line[1:].decode())
    try:
        return parse(line)
    except UnicodeDecodeError as error:
        return not_utf8(where, error)
    except BrokenJSON as error:
        return RejectedRow(where, "broken JSON", f"is not JSON ({error}): correct it")


def is_lines(beginning: bytes) -> bool:
    """Whether a file that begins like this holds JSON lines, whatever it is called; else ``as_lines`` makes them."""
    line, line_end, rest = beginning.removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")
    if line.startswith(b"["):
        # One array on one line is the array of all records; one array on each line are records.
        return bool(rest.strip()) and _is_json(line)
    return not line.startswith(b"{") or not line_end or line.rstrip()[-1:] not in b"{[,:"


def _is_json(line: bytes) -> bool:
    try:
        parse(line)
    except (UnicodeDecodeError, BrokenJSON):
        return False
    return True


def as_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The elements of arrays, and objects that are printed over many lines, as one line each."""
    slicer, held = _Slicer(), b""
    for block in blocks:
        text = held + block
        # Of an escape that the end of the block cuts in two, the first half waits.
        held = b"\\" if (len(text) - len(text.rstrip(b"\\"))) % 2 else b""
        yield slicer.write(text[: len(text) - len(held)])
        if slicer.is_broken:
            break
    if slicer.depth or slicer.is_broken:
        yield held + b"\n" + _MARK + _BREAK.encode()


class _Slicer:
    """Counts brackets outside of strings; ``top`` is the bracket that opened the outermost value."""

    def __init__(self) -> None:
        self.depth, self.top, self.is_inside_string, self.is_broken = 0, 0, False, False

    def write(self, text: bytes) -> bytes:
        """The text with line ends exactly where an element ends."""
        written, ends = bytearray(text.translate(_ON_ONE_LINE)), list[int]()
        for token in _TOKEN.finditer(text, self._after_string(text)):
            place = token.start()
            sign = text[place]
            if sign == _QUOTE:
                self.is_inside_string = token.end() == place + 1
            elif sign == _COMMA:
                if self.depth == 1 and self.top == _BRACKET:
                    written[place] = _LINE_END
            elif self._is_end(sign):
                ends.append(place)
            elif self.depth == 1 and sign == self.top == _BRACKET:
                written[place] = _BLANK
            if self.is_inside_string or self.is_broken:
                break
        return bytes(self._ended(written, ends))

    def _after_string(self, text: bytes) -> int:
        """Where the string ends that an earlier block began."""
        if not self.is_inside_string:
            return 0
        rest = _REST_OF_STRING.match(text)
        self.is_inside_string = rest is None
        return rest.end() if rest else len(text)

    def _is_end(self, sign: int) -> bool:
        """Count a bracket; whether it closes the outermost value."""
        if sign in _OPENING:
            self.depth += 1
            if self.depth == 1:
                self.top = sign
            return False
        if not self.depth:
            return False
        self.depth -= 1
        # The codes of brackets and braces that belong together differ by two.
        self.is_broken = self.depth == 0 and sign != self.top + 2
        return self.depth == 0

    def _ended(self, written: bytearray, ends: list[int]) -> bytearray:
        if self.is_broken:
            del written[ends.pop() :]
        for place in reversed(ends):
            if written[place] == _BRACKET + 2:
                written[place] = _LINE_END
            else:
                written.insert(place + 1, _LINE_END)
        return written


def _finite(written: str) -> float:
    number = float(written)
    if math.isinf(number):
        raise ValueError(f"{written[:40]} is too large a number")
    return number


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
