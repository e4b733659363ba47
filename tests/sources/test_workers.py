import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from sources import imports, workers
from sources.models import Source
from tests.processes import Worker, wait_until
from tests.sources.worlds import jsonl


def wait(condition: Callable[[], bool]) -> None:
    wait_until(condition, lambda: str(workers.look()))


@pytest.mark.slow
def test_it_tells_a_worker_that_runs_from_one_that_was_killed(worker: Worker, settings: Any) -> None:
    wait(lambda: workers.look().problems == [])
    found = workers.look()
    assert [(each.answers, each.state) for each in found.workers] == [(True, "running")]
    assert (found.beat_runs, set(found.queues)) == (True, {"soon", "celery"})
    assert "It waits for a worker. One was last heard" in workers.why_it_waits()

    worker.kill_group()
    found = workers.look()
    (dead,) = found.workers
    assert (dead.answers, "does not answer" in dead.state) == (False, True)
    assert found.problems[0].startswith("No worker is running: jobs wait. Start one with: celery -A config worker.")
    assert "The last sign of one was" in found.problems[0]

    worker.restart()
    wait(lambda: workers.look().problems == [])


@pytest.mark.slow
def test_it_says_what_a_worker_is_at_and_does_not_miss_one_that_ended_in_order(worker: Worker, tmp_path: Any) -> None:
    path = jsonl(tmp_path / "big.jsonl", [f"text {n}" for n in range(100_000)])
    imports.start(Source.objects.create(name="invented", license="MIT"), "oig", origin=path)
    seen: set[str] = set()

    def is_at_it() -> bool:
        seen.update(task for each in workers.look().workers for task in each.running)
        return any(task.startswith(("sources.tasks.import_chunk (", "sources.tasks.plan_import (")) for task in seen)

    wait(is_at_it)
    worker.stop()
    assert workers.look().workers == []


@pytest.mark.django_db
def test_it_says_that_no_worker_was_ever_heard(valkey: redis.Redis) -> None:
    found = workers.look()
    assert (found.broker_answers, found.workers, found.swept) == (True, [], None)
    assert found.problems == [
        "No worker is running: jobs wait. Start one with: celery -A config worker.",
        "Beat is not running: what a lost worker left waits. Start it with: celery -A config beat",
    ]
    assert workers.why_it_waits() == found.problems[0]


@pytest.mark.django_db
def test_it_takes_no_old_sign_for_life(valkey: redis.Redis) -> None:
    valkey.hset(workers.HEARTBEATS, "celery@old", str(time.time() - 300))
    valkey.hset(workers.HEARTBEATS, "celery@older", str(time.time() - 2 * workers.FORGOTTEN_AFTER))
    valkey.set(workers.SWEEP, str(time.time() - 300))
    found = workers.look()
    assert [(each.name, each.state) for each in found.workers] == [("celery@old", "not running")]
    assert found.beat_runs is False
    assert workers.why_it_waits().endswith("The last sign of one was 5 minutes ago.")
    assert workers.why_none_works() == workers.why_it_waits()
    valkey.hset(workers.HEARTBEATS, "celery@new", str(time.time()))
    assert workers.why_none_works() == ""
    assert workers.why_it_waits().startswith("It waits for a worker.")


@pytest.mark.django_db
def test_it_counts_what_waits_in_the_queues_and_in_the_database(valkey: redis.Redis, tmp_path: Any) -> None:
    source = Source.objects.create(name="invented", license="MIT")
    run = imports.start(source, "oig", origin=jsonl(tmp_path / "a.jsonl", ["a"]))
    valkey.lpush("celery", "message", "message")
    found = workers.look()
    assert found.queues == {"soon": 0, "celery": 2}
    assert [(each.name, each.queued, each.running, each.lapsed) for each in found.jobs] == [("import runs", 1, 0, 0)]
    run.take()
    type(run).objects.update(lease_until="2000-01-01T00:00Z")
    assert [(each.queued, each.running, each.lapsed) for each in workers.look().jobs] == [(0, 1, 1)]


@pytest.mark.django_db
@pytest.mark.parametrize("accepts", [True, False])
def test_it_says_soon_that_the_broker_does_not_answer(settings: Any, accepts: bool) -> None:
    """One that takes the connection and says nothing, and one that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.REDIS_URL = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        if not accepts:
            listener.close()
        found = workers.look()
        assert found.broker_answers is False
        assert found.problems == [workers.why_it_waits()]
        assert "does not answer: jobs wait" in found.problems[0]
        workers.note_heartbeat("celery@here")  # raises nothing
        workers.note_sweep()
