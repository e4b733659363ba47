"""Rows of a COPY, from several connections side by side: begun at once, read as they are there.

psycopg's own ``Cursor.copy`` waits for the first row before it returns, and takes three times as long for each.
"""

from __future__ import annotations

import select
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import ClientCursor, errors, sql
from psycopg.pq import ExecStatus, TransactionStatus

SEPARATOR = b"\x02"


def fields(
    connection: psycopg.Connection[Any], statement: sql.Composed, arguments: Mapping[str, Any]
) -> Iterator[list[bytes]]:
    """Begin ``statement``, a COPY TO STDOUT by ``statements.COPY``; the iterator gives the fields of each row.

    Until it has been read to its end, or ``break_off`` was called, the connection is for nothing else. Raises
    psycopg.Error.
    """
    connection.pgconn.send_query(ClientCursor(connection).mogrify(statement, arguments).encode())
    _flush(connection.pgconn)
    return _read(connection.pgconn)


def break_off(connection: psycopg.Connection[Any]) -> None:
    """Give up what was not read to its end, so that the connection can be asked again; without that, do nothing."""
    pgconn = connection.pgconn
    if pgconn.transaction_status != TransactionStatus.ACTIVE:
        return
    # Of a server that went away there is nothing to give up, and whatever broke off is more to the point.
    with suppress(psycopg.Error):
        connection.cancel_safe()
        while result := pgconn.get_result():
            while result.status == ExecStatus.COPY_OUT and pgconn.get_copy_data(0)[0] > 0:
                pass


def _flush(pgconn: psycopg.pq.abc.PGconn) -> None:
    """Wait until all of a statement is sent: a long one does not fit into the buffers of the way there."""
    either = select.poll()
    either.register(pgconn.socket, select.POLLIN | select.POLLOUT)
    while pgconn.flush():
        for _, events in either.poll():
            # The server may say something meanwhile, and would wait for its reader.
            if events & ~select.POLLOUT:
                pgconn.consume_input()


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
