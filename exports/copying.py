"""Rows of a COPY, from several connections side by side: begun at once, read as they are there.

psycopg's own ``Cursor.copy`` waits for the first row before it returns, and takes three times as long for each.
"""

from __future__ import annotations

import select
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import ClientCursor, errors, sql
from psycopg.pq import ExecStatus

SEPARATOR = b"\x02"


def fields(
    connection: psycopg.Connection[Any], statement: sql.Composed, arguments: Mapping[str, Any]
) -> Iterator[list[bytes]]:
    """Begin ``statement``, a COPY TO STDOUT by ``statements.COPY``; the iterator gives the fields of each row.

    Until it has been read to its end, the connection is for nothing else. Raises psycopg.Error.
    """
    connection.pgconn.send_query(ClientCursor(connection).mogrify(statement, arguments).encode())
    return _read(connection.pgconn)


def _read(pgconn: psycopg.pq.abc.PGconn) -> Iterator[list[bytes]]:
    there = select.poll()
    there.register(pgconn.socket, select.POLLIN)
    while pgconn.is_busy():
        there.poll()
        pgconn.consume_input()
    _check(pgconn, ExecStatus.COPY_OUT)
    get = pgconn.get_copy_data
    while True:
        size, row = get(1)
        if size > 0:
            yield bytes(row)[:-1].split(SEPARATOR)
        elif size == 0:
            there.poll()
            pgconn.consume_input()
        else:
            break
    _check(pgconn, ExecStatus.COMMAND_OK)
    pgconn.get_result()


def _check(pgconn: psycopg.pq.abc.PGconn, wanted: ExecStatus) -> None:
    result = pgconn.get_result()
    if result is None or result.status != wanted:
        raise errors.error_from_result(result) if result else psycopg.OperationalError("the database gave no answer")
