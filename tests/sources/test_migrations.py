"""A database of before goes on after the migrations: what it held is there, and what was left to do can be done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

pytestmark = pytest.mark.django_db

BEFORE, AFTER = ("sources", "0003_modified_ns"), ("sources", "0004_chunks_and_removals")
RUN = """
    INSERT INTO sources_importrun (
        source_id, format, state, upload, path, options, attempts, error, created_at, reasons, first_offenders,
        bytes_total, bytes_read, read, added, known, rejected,
        votes_added, votes_repeated, votes_known, votes_rejected
    ) VALUES (%s, %s, %s, '', '/data/file', '{}', 0, '', now(), '{}', '[]', 90, 60, 3, 2, 1, 0, 0, 0, 0, 0)
"""
INSTRUCTIONS = """
    INSERT INTO sources_instruction (id, digest, turns, language, created_at)
    SELECT id, int8send(id), %s::jsonb, '', now() FROM unnest(ARRAY[1, 50000, 50001, 60000]) AS id
"""


@pytest.fixture
def scratch() -> Iterator[BaseDatabaseWrapper]:
    """An empty database of its own."""
    empty = connection.copy("scratch")
    name = f"{connection.settings_dict['NAME']}_scratch"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}"')
    empty.settings_dict["NAME"] = name
    connections["scratch"] = empty
    yield empty
    empty.close()
    del connections["scratch"]
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}"')


def rows(database: BaseDatabaseWrapper, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with database.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall()) if cursor.description else []


def test_imports_of_before_go_on_and_their_instructions_are_screened(scratch: BaseDatabaseWrapper) -> None:
    MigrationExecutor(scratch).migrate([BEFORE])
    [(source,)] = rows(
        scratch,
        """
        INSERT INTO sources_source (name, revision, title, license, address, attribution, created_at)
        VALUES ('letters', '1', '', 'MIT', '', '', now()) RETURNING id
        """,
    )
    for format_name, state in (
        ("oig", "finished"),
        ("jsonl", "failed"),
        ("csv", "running"),
        ("convabuse", "queued"),
        ("prosocial-dialog", "finished"),
    ):
        rows(scratch, RUN, source, format_name, state)
    rows(scratch, INSTRUCTIONS, json.dumps([{"role": "human", "text": "four"}, {"role": "bot", "text": "five5"}]))

    MigrationExecutor(scratch).migrate([AFTER])

    runs = "SELECT format, state, in_order, planned_at IS NOT NULL, origin FROM sources_importrun ORDER BY id"
    assert rows(scratch, runs) == [
        ("oig", "finished", False, True, "/data/file"),
        # Resuming it plans it: it has no shards yet that chunks could be pieces of.
        ("columns", "failed", False, False, "/data/file"),
        ("columns", "queued", False, False, "/data/file"),
        ("convabuse", "queued", True, False, "/data/file"),
        ("prosocial-dialog", "finished", True, True, "/data/file"),
    ]
    chunks = """
        SELECT run.format, chunk.state, chunk.read, chunk.added, chunk.known, chunk."end" - chunk.start
        FROM sources_importchunk AS chunk JOIN sources_importrun AS run ON run.id = chunk.run_id ORDER BY run.id
    """
    assert rows(scratch, chunks) == [("oig", "finished", 3, 2, 1, 90), ("prosocial-dialog", "finished", 3, 2, 1, 90)]
    screenings = "SELECT state, lowest, highest FROM sources_screening ORDER BY lowest"
    assert rows(scratch, screenings) == [("queued", 1, 50_000), ("queued", 50_001, 60_000)]
    assert rows(scratch, "SELECT DISTINCT characters FROM sources_instruction") == [(9,)]


def test_an_empty_database_has_nothing_to_screen(scratch: BaseDatabaseWrapper) -> None:
    MigrationExecutor(scratch).migrate([AFTER])
    assert rows(scratch, "SELECT * FROM sources_screening") == []
