from typing import Any

from config.celery import app
from sources import tasks


def test_a_connection_is_closed_although_broker_and_unfinished_messages_are_lost(valkey: object) -> None:
    tasks.dispatch_jobs.delay()
    connection = app.connection_for_read()
    channel: Any = connection.channel()
    message = next(found for _ in range(50) if (found := channel.basic_get("soon")))
    assert not message.acknowledged
    connection.transport.client = None  # as Celery leaves it when it has lost the broker
    channel.close()
    assert channel.closed
