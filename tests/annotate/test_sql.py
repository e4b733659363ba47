from __future__ import annotations

import pytest
from django.db import connection

from annotate.sql import ADJUDICATION, ADJUDICATION_FUNCTIONS, COUNTED, DESK, FUNCTIONS, TALLIES, TALLY_FUNCTIONS

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("text", "functions"),
    [(DESK, FUNCTIONS), (TALLIES, TALLY_FUNCTIONS), (ADJUDICATION, ADJUDICATION_FUNCTIONS)],
    ids=["desk", "tallies", "adjudication"],
)
def test_the_database_has_the_functions_of_the_file_as_they_are_now(text: str, functions: list[str]) -> None:
    """Whoever changes the file adds a migration that loads it anew."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT proname, prosrc FROM pg_proc WHERE proname = ANY(%s)", [functions])
        loaded = dict(cursor.fetchall())
    assert sorted(loaded) == sorted(functions)
    assert [name for name, body in loaded.items() if body not in text] == []


def test_the_database_has_the_view_of_the_file_as_it_is_now() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_viewdef('annotate_counted'::regclass)")
        loaded = cursor.fetchone()
        cursor.execute("DROP VIEW annotate_counted")
        cursor.execute(COUNTED)
        cursor.execute("SELECT pg_get_viewdef('annotate_counted'::regclass)")
        assert cursor.fetchone() == loaded
