"""Running the few statements that every answer of every annotator needs, prepared once for each connection.

Django's own cursors have PostgreSQL plan a statement each time anew; planning a claim takes longer than running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection

type Row = tuple[Any, ...]


class PreparedCursor(psycopg.Cursor[Row]):
    """Sends the values beside the statement, which PostgreSQL keeps planned."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> PreparedCursor:
        """Run a statement; the parameters are those of psycopg's own."""
        return super().execute(query, params, **{"prepare": True, **options})


def rows(statement: str, values: Mapping[str, Any]) -> list[Row]:
    """Run a statement on Django's connection, in its transaction, and return all rows."""
    connection.ensure_connection()
    bare: Any = PreparedCursor(connection.connection)
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    with wrap(bare) as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def row(statement: str, values: Mapping[str, Any]) -> Row | None:
    """The same, and return the first row, or None."""
    found = rows(statement, values)
    return found[0] if found else None


def one(statement: str, values: Mapping[str, Any]) -> Row:
    """The same, where there is always a row."""
    return rows(statement, values)[0]
