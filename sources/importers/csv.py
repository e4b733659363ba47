"""CSV with a header and named columns."""

from __future__ import annotations

from sources.files import SourceFile
from sources.importers.columns import OPTIONS, Columns
from sources.importers.importer import Importer, Options, Rows, require
from sources.importers.records import csv_records
from sources.rows import RejectedRow


def read(file: SourceFile, options: Options) -> Rows:
    """One row for each record after the header."""
    columns = Columns.of(options, IMPORTER.name)
    header, found = csv_records(file)
    require(columns.names, dict.fromkeys(header), file, "line 1")
    for where, record in found:
        yield record if isinstance(record, RejectedRow) else columns.row(where, record)


IMPORTER = Importer(
    name="csv",
    title="CSV with named columns",
    summary="Comma-separated, UTF-8, the first line names the columns; options say which hold what.",
    options=OPTIONS,
    suffixes=(".csv", ".csv.gz"),
    read=read,
)
