"""Connections are checked without a question, and one that the server has ended is still noticed."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_connection_that_works_is_usable_without_a_question() -> None:
    connection.ensure_connection()
    with CaptureQueriesContext(connection) as asked:
        backend = connection.connection.info.backend_pid
        assert connection.is_usable()
    assert not asked.captured_queries
    assert connection.connection.info.backend_pid == backend


def test_a_connection_that_the_server_has_ended_is_replaced_before_the_next_request() -> None:
    connection.ensure_connection()
    ended = connection.connection.info.backend_pid
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [ended])
    other.close()
    deadline = time.monotonic() + 10
    while connection.is_usable() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not connection.is_usable()
    checked: Any = connection
    checked.health_check_enabled, checked.health_check_done = True, False
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert connection.connection.info.backend_pid != ended
