"""Work on another connection, and what waits for locks meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection, connections

# The tables that a cut holds.
CUT = ["annotate_annotation", "annotate_flag"]


class Elsewhere(threading.Thread):
    """Runs something on a database connection of its own and keeps its result; ``result()`` waits for it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again in result()
            self._error = error
        finally:
            connections.close_all()

    def result(self) -> Any:
        self.join(60)
        if self._error is not None:
            raise self._error
        return self._result


def waiting_for_locks() -> int:
    # Not from pg_stat_activity, which stands still inside of a transaction.
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid IN (
                SELECT pid FROM pg_locks JOIN pg_database ON oid = database WHERE datname = current_database())
        """)
        return int(cursor.fetchone()[0])


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = ANY(%s::regclass[])", [CUT])
        return bool(cursor.fetchone()[0])
