"""OIG's own files, unified_*.jsonl: {"text": "<human>: ...\\n<bot>: ...", "metadata": {...}}."""

from __future__ import annotations

from typing import Any

from sources.files import SourceFile
from sources.importers.importer import Importer, Option, Options, Rows, require
from sources.importers.records import BrokenJSON, Record, json_records, parse
from sources.rows import InstructionRow, RejectedRow
from sources.texts import parse_oig


def read(file: SourceFile, options: Options) -> Rows:
    """One row for each line; ``metadata`` is kept as it is."""
    language = options.get("language", "")
    is_first = True
    for where, record in json_records(file):
        if isinstance(record, RejectedRow):
            yield record
        elif not isinstance(record, dict):
            yield RejectedRow(where, "not an object", 'is JSON but no object: write {"text": ...}')
        else:
            if is_first:
                require(["text"], record, file, where)
                is_first = False
            yield _row(where, record, language)


def _row(where: str, record: Record, language: str) -> InstructionRow | RejectedRow:
    text = record.get("text")
    if not isinstance(text, str):
        return RejectedRow(where, "missing column", "has no text in column 'text': add it")
    labels = {"metadata": _metadata(record["metadata"])} if record.get("metadata") else {}
    return InstructionRow(row=where, turns=parse_oig(text), language=language, source_labels=labels)


def _metadata(written: Any) -> Any:
    """Some builders of OIG write the object as a JSON string; what is no JSON is kept as it stands."""
    if not isinstance(written, str):
        return written
    try:
        return parse(written)
    except BrokenJSON:
        return written


IMPORTER = Importer(
    name="oig",
    title="OIG unified_*.jsonl",
    summary="Turns in one text, marked <human>: and <bot>: (or User: and Assistant:); metadata are kept.",
    options=(Option("language", "language of all rows, for example en"),),
    suffixes=(".jsonl", ".jsonl.gz"),
    read=read,
)
