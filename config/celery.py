"""The Celery application: `celery -A config worker`, `celery -A config beat`."""

import os
from contextlib import suppress
from typing import Any

from celery import Celery
from celery.signals import after_task_publish, beat_init, celeryd_init, heartbeat_sent, import_modules, worker_shutdown
from kombu.transport.redis import Channel, Transport

from config import local

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class ForgetfulChannel(Channel):
    """A worker that lost the broker neither gives back nor acknowledges the messages it was at: it would end over that.

    It has no connection for it any more, and nobody needs them: beat sends every job that waits.
    """

    do_restore = False

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Nothing, once the connection that brought the message is gone."""
        if self.connection is not None:
            super().basic_ack(delivery_tag, multiple=multiple)


Transport.Channel = ForgetfulChannel

app = Celery("oig")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


# Not at import: the web processes and every command import this module too.
@import_modules.connect
def make_local_folder(**_: Any) -> None:
    """Beat keeps the times of its last dispatches there, and opens that file before it says that it begins."""
    with suppress(OSError):
        local.directory().mkdir(parents=True, exist_ok=True)


@celeryd_init.connect
@beat_init.connect
def join_local_servers(**_: Any) -> None:
    """A worker or beat runs on the embedded servers where the environment names no others."""
    local.join()


@heartbeat_sent.connect
def note_heartbeat(sender: Any, **_: Any) -> None:
    """So that the admin can say which workers live."""
    from sources import workers

    workers.note_heartbeat(sender.eventer.hostname)


@worker_shutdown.connect
def forget_heartbeat(sender: Any, **_: Any) -> None:
    """One that ended in order is not missed."""
    from sources import workers

    workers.forget(sender.hostname)


@beat_init.connect
def note_sweeps(**_: Any) -> None:
    """So that the admin can say whether beat looks for what waits; only beat's own messages count."""
    from sources import workers

    def note(**_: Any) -> None:
        workers.note_sweep()

    after_task_publish.connect(note, sender="sources.tasks.dispatch_jobs", weak=False)
