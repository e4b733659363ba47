"""Claims that pause between picking a unit and taking its slot, as on a slow machine.

It gives other claims the time to get in between, so that a missing lock shows at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from annotate.sql import DESK

PAUSE = 0.02  # seconds
PICKED = "IF FOUND THEN RETURN; END IF;"


@contextmanager
def slowed(*, locking: bool = True) -> Iterator[None]:
    """The database's claims are slow while the block runs; without ``locking`` also careless, as a control."""
    slow = DESK.replace(PICKED, f"IF FOUND THEN PERFORM pg_sleep({PAUSE}); RETURN; END IF;")
    if not locking:
        slow = slow.replace("FOR NO KEY UPDATE SKIP LOCKED", "").replace(
            "NOT is_withdrawn\n            FOR NO KEY UPDATE", "NOT is_withdrawn"
        )
    assert slow.count("pg_sleep") == 1
    with connection.cursor() as cursor:
        cursor.execute(slow)
        try:
            yield
        finally:
            cursor.execute(DESK)
