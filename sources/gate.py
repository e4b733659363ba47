"""Who brings texts in and who takes texts out take turns, so that neither misses what the other is about to commit.

A lock of the database that lasts as long as the caller's transaction: any number may bring texts in at once, one may
take texts out. Ask for it before anything else in the transaction.
"""

from __future__ import annotations

from django.db import connection

# Any number, as long as nobody else uses it.
_KEY = 0x05AFE


def bring_in() -> None:
    """Wait until nobody takes texts out; whoever wants to, waits for this transaction."""
    _lock("pg_advisory_xact_lock_shared")


def take_out() -> None:
    """Wait until all are through who bring texts in or take texts out; nobody else begins before this one ends."""
    _lock("pg_advisory_xact_lock")


def _lock(function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [_KEY])
