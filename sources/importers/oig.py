"""OIG's own files, unified_*.jsonl: {"text": "<human>: ...\\n<bot>: ...", "metadata": {...}}."""

from __future__ import annotations

from typing import Any

from sources.importers.importer import Importer, Option, Options, Reader, Rows, not_an_object
from sources.mapping import LabelMap
from sources.readers.json import BrokenJSON, parse
from sources.rows import InstructionRow, RejectedRow
from sources.texts import parse_oig

LANGUAGE = Option("language", "language of all rows, for example en")


def reader(options: Options) -> Reader:
    """One row for each record; ``metadata`` is kept as it is."""
    language = options.get("language", "")

    def rows(where: str, record: Any) -> Rows:
        if not isinstance(record, dict):
            return not_an_object(where, '{"text": ...}')
        text = record.get("text")
        if not isinstance(text, str):
            return (RejectedRow(where, "missing column", "has no text in column 'text': add it"),)
        metadata = record.get("metadata")
        labels = {"metadata": as_object(metadata)} if metadata else {}
        return (InstructionRow(where, parse_oig(text), language, "", labels),)

    return Reader(rows, LabelMap.parse({"metadata": {}}))


def as_object(written: Any) -> Any:
    """Some builders of OIG write the object as a JSON string; what is none is kept as it stands."""
    if not isinstance(written, str) or not written.lstrip().startswith("{"):
        return written
    try:
        return parse(written)
    except BrokenJSON:
        return written


IMPORTER = Importer(
    name="oig",
    title="OIG unified_*.jsonl",
    summary="Turns in one text, marked <human>: and <bot>: (or User: and Assistant:); metadata are kept.",
    reader=reader,
    options=(LANGUAGE,),
    address="https://huggingface.co/datasets/laion/OIG",
    unverified="No published file was at hand: the layout is the one that OIG's README describes.",
)
