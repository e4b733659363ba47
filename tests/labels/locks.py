"""Two connections in a fixed order: one holds a lock, and the other is seen to wait for it."""

import time

import pytest
from django.db import connection


def wait_until_blocked() -> None:
    """Another connection waits for this one; asked of pg_locks, as pg_stat_activity is frozen within a transaction."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
            if cursor.fetchone():
                return
        time.sleep(0.01)
    pytest.fail("no other connection waited for this one")
