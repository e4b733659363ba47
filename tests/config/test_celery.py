import os
import subprocess
import sys
from typing import Any

from config.celery import app
from sources import tasks
from tests import ROOT


def test_a_connection_is_closed_although_broker_and_unfinished_messages_are_lost(valkey: object) -> None:
    tasks.dispatch_jobs.delay()
    connection = app.connection_for_read()
    channel: Any = connection.channel()
    message = next(found for _ in range(50) if (found := channel.basic_get("soon")))
    assert not message.acknowledged
    connection.transport.client = None  # as Celery leaves it when it has lost the broker
    channel.close()
    assert channel.closed


def test_a_message_of_a_lost_connection_is_not_acknowledged_and_ends_nobody(valkey: object) -> None:
    tasks.dispatch_jobs.delay()
    channel: Any = app.connection_for_read().channel()
    message = next(found for _ in range(50) if (found := channel.basic_get("soon")))
    channel.connection = None  # as Celery leaves it when it has connected anew before a task ended
    message.ack_log_error(None, (OSError,))
    assert message.acknowledged


def test_a_worker_can_be_checked_before_a_database_is_there() -> None:
    # Celery checks the models of a worker before anything joins, or starts, the embedded servers.
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | nowhere, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
