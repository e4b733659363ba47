"""JSON lines (or one JSON array of objects) with named columns."""

from __future__ import annotations

from sources.files import SourceFile
from sources.importers.columns import OPTIONS, Columns
from sources.importers.importer import Importer, Options, Rows, require
from sources.importers.records import json_records
from sources.rows import RejectedRow


def read(file: SourceFile, options: Options) -> Rows:
    """One row for each object; the columns must be there in the first one."""
    columns = Columns.of(options, IMPORTER.name)
    is_first = True
    for where, record in json_records(file):
        if isinstance(record, RejectedRow):
            yield record
        elif not isinstance(record, dict):
            yield RejectedRow(where, "not an object", "is JSON but no object: write {column: value, ...}")
        else:
            if is_first:
                require(columns.names, record, file, where)
                is_first = False
            yield columns.row(where, record)


IMPORTER = Importer(
    name="jsonl",
    title="JSON lines with named columns",
    summary="One JSON object a line, or one array of objects; options name the columns.",
    options=OPTIONS,
    suffixes=(".jsonl", ".json", ".jsonl.gz", ".json.gz"),
    read=read,
)
