"""Running the few statements that every answer of every annotator needs, prepared once per connection.

Django's own cursor has PostgreSQL plan a statement anew each time; planning the claim takes longer than running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection

type Row = tuple[Any, ...]


def rows(statement: str, values: Mapping[str, Any]) -> list[Row]:
    """Run a statement on Django's connection, in its transaction, and return all rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def row(statement: str, values: Mapping[str, Any]) -> Row | None:
    """The same, and return the first row, or None."""
    found = rows(statement, values)
    return found[0] if found else None


def one(statement: str, values: Mapping[str, Any]) -> Row:
    """The same, where there is always a row."""
    return rows(statement, values)[0]
