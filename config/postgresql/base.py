"""Django's PostgreSQL, with a health check of connections that asks nothing.

Django asks `SELECT 1` before the first statement of every request: one of three round trips of an answer at the desk.
"""

import select

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

# In a transaction that failed the connection takes no statement.
CALM = (TransactionStatus.IDLE, TransactionStatus.INTRANS)


class DatabaseWrapper(base.DatabaseWrapper):
    """What Django looks for in a module of this name."""

    def is_usable(self) -> bool:
        """Whether the connection works. An idle one has nothing to read, unless the server stopped or hung up."""
        if self.connection is None or self.connection.closed:
            return bool(super().is_usable())
        if self.connection.info.transaction_status not in CALM or self.errors_occurred or self._has_word():
            return bool(super().is_usable())
        return True

    def _has_word(self) -> bool:
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        return bool(poll.poll(0))
