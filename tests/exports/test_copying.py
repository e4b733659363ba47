"""What a COPY read row by row does with a statement that is long, and when nobody reads it to its end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from annotate.models import Campaign
from exports import copying, derivation, lines, snapshots, statements
from exports.filters import Filters
from exports.formats import Options
from exports.models import Snapshot
from sources.models import Source
from tests.exports import worlds

pytestmark = pytest.mark.django_db(transaction=True)

# More than the buffers between two processes hold.
MANY = 100_000


@pytest.fixture
def filtered(kindness: Campaign, letters: Source) -> Snapshot:
    """A release of texts with two votes, of which there are twenty; it asks the votes of each text again."""
    for number in range(19):
        worlds.agreeing(kindness, letters, f"text {number}")
    snapshot = snapshots.prepare("0.3", [kindness], options=Options(filters=Filters(min_votes=2)))
    snapshots.work(snapshot)
    snapshot.refresh_from_db()
    assert snapshot.is_published, snapshot.error
    return snapshot


def numbers(rows: int) -> sql.Composed:
    return sql.SQL(statements.COPY).format(sql.SQL("SELECT repeat('x', 1000) FROM generate_series(1, {})").format(rows))


def answers() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 7")
        return int(cursor.fetchone()[0])


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail where something would be waited for much longer, for ever perhaps."""

    def late(*_: object) -> None:
        raise TimeoutError(f"nothing came within {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_it_sends_a_statement_of_any_length(filtered: Snapshot, kindness: Campaign) -> None:
    placed = list(kindness.units.values_list("instruction", flat=True))
    with at_most(60):
        assert derivation.lines_of(filtered, [*placed, *range(10**15, 10**15 + MANY)]) == 20
    assert answers() == 7


@pytest.mark.parametrize("rows", [10, 100_000])
def test_what_is_broken_off_leaves_the_connection_as_it_was(rows: int) -> None:
    connection.ensure_connection()
    way = connection.connection
    # Not begun to be read, in the midst, and at the end.
    for read in (0, 3, rows):
        found = copying.fields(way, numbers(rows), {})
        assert len([next(found) for _ in range(read)]) == read
        copying.break_off(way)
        assert answers() == 7


def test_what_fails_in_the_server_leaves_the_connection_as_it_was() -> None:
    connection.ensure_connection()
    way = connection.connection
    wrong = sql.SQL(statements.COPY).format(sql.SQL("SELECT 1 / (1000 - n) FROM generate_series(1, 2000) n"))
    with pytest.raises(psycopg.errors.DivisionByZero):
        list(copying.fields(way, wrong, {}))
    copying.break_off(way)
    assert answers() == 7


def test_a_line_that_fails_leaves_the_callers_connection_as_it_was(
    filtered: Snapshot, kindness: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError

    placed = list(kindness.units.values_list("instruction", flat=True))
    monkeypatch.setattr(lines, "common_of", fail)
    with pytest.raises(LookupError):
        derivation.lines_of(filtered, placed)
    assert answers() == 7
    monkeypatch.undo()
    assert derivation.lines_of(filtered, placed) == 20
