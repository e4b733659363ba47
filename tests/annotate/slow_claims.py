"""Claims that pause between picking a unit and taking its slot, as on a slow machine.

It gives other claims the time to get in between, so that a missing lock shows at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from annotate.sql import DESK

PAUSE = 0.02  # seconds
# How a claim takes the unit it picked: at once, or after waiting for it.
TAKEN = (
    "IF FOUND THEN RETURN; END IF;",
    "IF annotate_has_slot(unit_id) AND annotate_is_bearable(unit_id, worst) THEN RETURN; END IF;",
)
LOCKS = ("\n            FOR NO KEY UPDATE SKIP LOCKED;", " AND NOT is_withdrawn FOR NO KEY UPDATE;")


@contextmanager
def slowed(*, locking: bool = True) -> Iterator[None]:
    """The database's claims are slow while the block runs; without ``locking`` also careless, as a control."""
    slow = DESK
    for taken in TAKEN:
        assert slow.count(taken) == 1
        slow = slow.replace(taken, taken.replace("RETURN;", f"PERFORM pg_sleep({PAUSE}); RETURN;"))
    for lock in LOCKS if not locking else ():
        assert slow.count(lock) == 1
        slow = slow.replace(lock, lock.partition("FOR NO KEY UPDATE")[0].rstrip() + ";")
    with connection.cursor() as cursor:
        cursor.execute(slow)
        try:
            yield
        finally:
            cursor.execute(DESK)
