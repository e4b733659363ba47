"""OIG-small-chip2: a JSON list of [prompt, response], with its odd entries (a record is one entry of the list)."""

from __future__ import annotations

import re
from typing import Any

from sources.importers.importer import Importer, Options, Reader, Rows
from sources.importers.oig import LANGUAGE
from sources.mapping import LabelMap
from sources.rows import InstructionRow, RejectedRow, Turn
from sources.texts import ANGLE_MARKS, BOT, HUMAN, WORD_MARKS, parse_oig

END = "<|endoftext|>"
# A name is one lower-case word with a digit, dash, dot or underscore in it, such as "chip2": nobody asks that. A plain
# word ("hello") is a name only where a dialogue with marks follows it.
_NAME = re.compile(r"(?=[a-z]*[0-9_.-])[a-z0-9_.-]{1,40}")
_WORD = re.compile(r"[a-z]{1,40}")
_MARKS = tuple(f"{mark}:" for mark in (*ANGLE_MARKS, *WORD_MARKS))


def reader(options: Options) -> Reader:
    """One row for each entry."""
    language = options.get("language", "")

    def rows(where: str, record: Any) -> Rows:
        parts = [record] if isinstance(record, str) else record
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            return (RejectedRow(where, "wrong type", "is no [prompt, response] of two texts: write one"),)
        source, texts = _without_name([_without_end(part) for part in parts])
        if not texts or len(texts) > 2:
            detail = f"has {len(texts)} texts, not a prompt and a response: write [prompt, response]"
            return (RejectedRow(where, "wrong number of fields", detail),)
        labels = {"source": source} if source else {}
        return (InstructionRow(where, _turns(texts), language, source_labels=labels),)

    return Reader(rows, LabelMap.parse({"source": {}}))


def _without_end(text: str) -> str:
    return text.strip().removesuffix(END).strip()


def _without_name(parts: list[str]) -> tuple[str, list[str]]:
    """The name of a source that may stand in the place of the prompt, and the texts."""
    if parts and _NAME.fullmatch(parts[0]):
        return parts[0], parts[1:]
    if len(parts) > 1 and _WORD.fullmatch(parts[0]) and (len(parts) == 3 or _is_marked(parts[1])):
        return parts[0], parts[1:]
    return "", parts


def _is_marked(text: str) -> bool:
    return text.startswith(_MARKS)


def _turns(texts: list[str]) -> list[Turn]:
    if len(texts) == 1:
        return parse_oig(texts[0])
    return [turn for role, text in zip((HUMAN, BOT), texts, strict=True) for turn in _said(role, text)]


def _said(role: str, text: str) -> list[Turn]:
    return parse_oig(text) if _is_marked(text) else [Turn(role=role, text=text)]


IMPORTER = Importer(
    name="oig-chip2",
    title="OIG-small-chip2",
    summary="A JSON list of [prompt, response]; single texts, names of sources and <|endoftext|> are known.",
    reader=reader,
    options=(LANGUAGE,),
    unverified="No published file was at hand: the layout and its odd entries follow their description.",
)
