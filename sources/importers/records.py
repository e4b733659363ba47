"""Records of JSON and CSV files, each with where it stands. A record that cannot be read is a RejectedRow."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from sources.errors import SourceError
from sources.files import FIRST_BLOCK, BadLine, SourceFile, lines
from sources.rows import RejectedRow

type Record = dict[str, Any]
type Records[R] = Iterator[tuple[str, R | RejectedRow]]

_BETWEEN = re.compile(r"[\s,]*")


class BrokenJSON(ValueError):
    """A text is not JSON; the message says where in it."""


class WrongHeader(SourceError):
    """{path}: line {line}: {problem}: {remedy}"""


def parse(text: str) -> Any:
    """The value of a JSON text. Raises BrokenJSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    # Slower, but takes lone surrogates (which are then refused by their own name) and says where it broke.
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise BrokenJSON(f"{error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:
        raise BrokenJSON(str(error)) from None


def json_records(file: SourceFile) -> Records[Any]:
    """The values of JSON lines, or of one JSON array, or the one object that is printed over many lines."""
    match file.first_character():
        case "[":
            yield from _elements(file)
        case "{":
            yield from _objects(file)
        case _:
            yield from _lines(file)


def csv_records(file: SourceFile) -> tuple[list[str], Records[dict[str, str]]]:
    """The columns that the header names, and the rows. Raises WrongHeader where there is no usable one."""
    csv.field_size_limit(file.max_line_bytes)
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader, [])
    except (csv.Error, BadLine) as error:
        raise WrongHeader(path=file.path, line=1, problem=f"has no header ({error})", remedy="correct it") from None
    for column in header:
        if header.count(column) > 1:
            problem, remedy = f"column {column!r} is there twice", "rename one"
            raise WrongHeader(path=file.path, line=file.number, problem=problem, remedy=remedy)
    return header, _csv_rows(file, reader, header)


def _csv_rows(file: SourceFile, reader: Any, header: list[str]) -> Records[dict[str, str]]:
    while True:
        where = f"line {file.number + 1}"
        try:
            values = next(reader)
        except StopIteration:
            return
        except BadLine as problem:
            yield where, RejectedRow(where, problem.reason, problem.detail)
        except csv.Error as error:
            yield where, RejectedRow(where, "broken CSV", f"is not CSV ({error}): correct its quotes")
        else:
            if len(values) == len(header):
                yield where, dict(zip(header, values, strict=True))
            elif values:
                detail = f"has {len(values)} fields, the header has {len(header)}: correct its quotes and commas"
                yield where, RejectedRow(where, "wrong number of fields", detail)


def _objects(file: SourceFile) -> Records[Any]:
    first = next(lines(file))
    if not isinstance(first[1], BadLine) and first[1].strip() == "{":
        yield from _whole(file, first[1])
    else:
        yield _line(*first)
        yield from _lines(file)


def _lines(file: SourceFile) -> Records[Any]:
    for number, text in lines(file):
        yield _line(number, text)


def _line(number: int, text: str | BadLine) -> tuple[str, Any]:
    where = f"line {number}"
    if isinstance(text, BadLine):
        return where, RejectedRow(where, text.reason, text.detail)
    try:
        return where, parse(text)
    except BrokenJSON as error:
        return where, _broken(where, error)


def _whole(file: SourceFile, text: str) -> Records[Any]:
    """One object over many lines, of bounded size."""
    text += file.read_text(file.max_line_bytes)
    try:
        yield "record 1", parse(text)
    except BrokenJSON as error:
        yield "record 1", _broken("record 1", error)


def _elements(file: SourceFile) -> Records[Any]:
    """The elements of an array, of which at most one is held in memory. Nothing after a broken one can be read."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    text = file.read_text(FIRST_BLOCK)
    at, number, is_last = text.index("[") + 1, 1, False
    while True:
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        if text.startswith("]", at):
            return
        where = f"record {number}"
        try:
            element, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            if is_last or len(text) - at > file.max_line_bytes:
                broken = BrokenJSON(f"{error}")
                yield where, _broken(where, broken)
                return
            # Twice as much each time: the work stays linear in the size of an element.
            more = file.read_text(max(FIRST_BLOCK, len(text) - at))
            text, at, is_last = text[at:] + more, 0, not more
        else:
            yield where, element
            number += 1


def _broken(where: str, error: BrokenJSON) -> RejectedRow:
    return RejectedRow(where, "broken JSON", f"is not JSON ({error}): correct it")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
