"""How many answers a second the labelling page takes: submit and next in one request, over HTTP, all on one machine.

`python -m bench.label_load [--units 100000] [--people 32] [--seconds 20] [--history 0]` starts an embedded database of
its own, makes a campaign, serves it with gunicorn and labels as the page's queue does: each person holds one text and
has one fetched ahead. `--history` gives every person that many votes of their own before. Each line: the figure, its
limit, and their ratio; the first line is the baseline, the cheapest page of the same site under the same load. Exit
code 1 if a limit is missed, an answer failed, or a unit got more votes than it wanted.
"""

import argparse
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from config import local
from tests import ROOT

RATE, P99, CPU, ALONE = 200.0, 300.0, 6.0, 15.0
WARM_UP = 2.0  # seconds
TICK = os.sysconf("SC_CLK_TCK")

# A campaign of texts of 200 characters, three votes each.
TEXTS = """
    INSERT INTO sources_instruction (digest, turns, language, characters, created_at)
    SELECT decode(md5(n::text), 'hex'), jsonb_build_array(jsonb_build_object('role', 'human', 'text',
               rpad('Instruction ' || n || ' ', 200, md5(n::text) || ' '))), 'en', 200, now()
    FROM generate_series(1, %(units)s) n;
    INSERT INTO sources_provenance (source_id, instruction_id, run_id, "row", source_labels, created_at)
    SELECT %(source)s, id, %(run)s, id::text, '{}', now() FROM sources_instruction;
"""

# Votes of the past: each person has answered the first units of the campaign, which wanted as many more. The trigger of
# the slots would take an hour over them, so it is told off for the moment and its counts are set.
HISTORY = """
    ALTER TABLE annotate_assignment DISABLE TRIGGER annotate_slot;
    WITH done AS (SELECT id FROM annotate_unit ORDER BY position LIMIT %(votes)s), given AS (
        INSERT INTO annotate_assignment
            (unit_id, annotator_id, hand, state, reason, look_again, claimed_at, expires_at, ended_at)
        SELECT done.id, person.id, 1, 'submitted', '', false, now(), now(), now()
        FROM done, annotate_annotator person WHERE person.username LIKE 'person-%%' RETURNING id, unit_id, annotator_id
    )
    INSERT INTO annotate_annotation (unit_id, annotator_id, assignment_id, choice_id, tags, surplus, key, created_at)
    SELECT unit_id, annotator_id, given.id, %(choice)s, '{}', false, gen_random_uuid(), now() FROM given;
    UPDATE annotate_unit SET taken = taken + %(people)s, overlap = overlap + %(people)s
    WHERE id IN (SELECT id FROM annotate_unit ORDER BY position LIMIT %(votes)s);
    INSERT INTO annotate_participation (campaign_id, annotator_id, votes, cursors)
    SELECT %(campaign)s, person.id, %(votes)s, array_fill((
        SELECT max(position) FROM (SELECT position FROM annotate_unit ORDER BY position LIMIT %(votes)s) done
    ), ARRAY[10])
    FROM annotate_annotator person WHERE person.username LIKE 'person-%%';
    ALTER TABLE annotate_assignment ENABLE TRIGGER annotate_slot;
"""


@dataclass
class Load:
    """What came of one load."""

    seconds: float
    milliseconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    cpu: float = 0.0  # seconds of web and database together

    @property
    def rate(self) -> float:
        return len(self.milliseconds) / self.seconds

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.milliseconds, n=100)[98]

    @property
    def cpu_each(self) -> float:
        """Milliseconds of processor time of web and database for one request."""
        return self.cpu * 1000 / len(self.milliseconds)


class Person:
    """One tab of one person: a connection, the text on the desk and the one ahead."""

    def __init__(self, url: str, name: str) -> None:
        from django.test import Client

        from annotate import care
        from annotate.models import Annotator, Campaign

        client = Client()
        client.force_login(Annotator.objects.create_user(name, consented=care.CONSENT))
        self._host = urlsplit(url).netloc
        self._token = "t" * 32
        cookies = {name: morsel.value for name, morsel in client.cookies.items()} | {"csrftoken": self._token}
        self._cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self.label_set = str(Campaign.objects.get().label_set_id)
        self.held: list[tuple[str, str]] = []
        self.began = 0.0
        self._read = b""

    def connect(self) -> socket.socket:
        """A fresh connection: the server closes those that are idle."""
        host, port = self._host.split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.socket

    def ask(self, path: str, form: dict[str, str] | None = None) -> None:
        """Send a request; `answer` says when it was answered."""
        body = urlencode(form or {}).encode()
        head = (
            f"{'GET' if form is None else 'POST'} {path} HTTP/1.1\r\nHost: {self._host}\r\nCookie: {self._cookie}\r\n"
            f"Accept: application/json\r\nX-CSRFToken: {self._token}\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        self.began = time.perf_counter()
        self.socket.sendall(head.encode() + body)

    def label(self, path: str, number: int) -> None:
        """Answer the text on the desk, or fetch texts if there is none."""
        if not self.held:
            self.ask(f"{path}cards/", {"holding": ""})
            return
        (assignment, key), *ahead = self.held
        form = {"assignment": assignment, "key": key, "tag-hate": "no", "holding": " ".join(held for held, _ in ahead)}
        form["label_set"] = self.label_set
        form["choice"] = ("casual", "needs-caution", "needs-intervention")[number % 3]
        self.ask(f"{path}submit/", form)

    def answer(self) -> tuple[int, bytes] | None:
        """Status and body once all of it is there."""
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionError("the server has closed the connection")
        self._read += received
        head, found, body = self._read.partition(b"\r\n\r\n")
        if not found:
            return None
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return None
        self._read = b""
        return int(head.split(b" ", 2)[1]), body

    def learn(self, body: bytes) -> None:
        """Remember what is held now."""
        keys = dict(self.held)
        leases = json.loads(body)["leases"]
        self.held = [(str(one["assignment"]), one["key"] or keys[str(one["assignment"])]) for one in leases]


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--history", type=int, default=0)
    asked = parser.parse_args()
    with served() as (web, url):
        path = campaign(asked.units)
        people = [Person(url, f"person-{number}") for number in range(asked.people)]
        past(asked.history, asked.people)
        bare = loaded(people, "/healthz", asked.seconds / 4, web)
        crowd = loaded(people, path, asked.seconds, web)
        alone = loaded(people[:1], path, asked.seconds / 4, web)
        wrong = [*crowd.errors, *alone.errors, *over_assigned()]
    print(f"{asked.units:,} units, {asked.people} people, {asked.history:,} earlier votes of each")
    print(f"{'the cheapest page under that load, a second':48} {bare.rate:>10,.1f}   CPU {bare.cpu_each:.2f} ms each")
    for wrong_line in wrong[:5]:
        print(wrong_line)
    missed = report(
        ("submit and next, a second (at least)", RATE / crowd.rate, crowd.rate, RATE),
        ("ms, 99 of 100 of them (at most)", crowd.p99 / P99, crowd.p99, P99),
        ("ms of processor, web and database (at most)", crowd.cpu_each / CPU, crowd.cpu_each, CPU),
        ("ms, one person alone, median (at most)", (m := statistics.median(alone.milliseconds)) / ALONE, m, ALONE),
    )
    print(f"{len(crowd.milliseconds):,} answers; {len(wrong)} errors or units with too many votes (none allowed)")
    return int(missed or bool(wrong))


@contextmanager
def served() -> Iterator[tuple[int, str]]:
    """The web server's process and address, on an embedded database that is gone afterwards."""
    with embedded() as folder:
        from tests.processes import Web

        subprocess.run([sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"], cwd=ROOT, check=True)
        web = Web(folder, os.environ, processes=2, access_log=False)
        try:
            yield web.pid, web.url
        finally:
            web.stop()


@contextmanager
def embedded() -> Iterator[Path]:
    """A folder with an embedded database, migrated, that Django here is set up for."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for variable in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(variable, None)
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "OIG_LOCAL_DIR": str(folder / "local"),
            **{f"OIG_{what}_ROOT": str(folder / what.lower()) for what in ("STATIC", "MEDIA", "SNAPSHOT")},
        }
        with local.running():
            import django

            django.setup()
            subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True)
            yield folder


def campaign(units: int) -> str:
    """The address of the labelling page of a new campaign."""
    from django.db import connection

    from annotate import campaigns
    from annotate.models import Campaign
    from labels import loading
    from sources.models import ImportRun, Source

    source = Source.objects.create(name="load", license="CC0-1.0")
    run = ImportRun.objects.create(source=source, format="columns", origin="load", state="finished")
    with connection.cursor() as cursor:
        cursor.execute(TEXTS, {"units": units, "source": source.pk, "run": run.pk})
        label_set = loading.load_shipped_set("oig-safety")
        made = Campaign.objects.create(slug="load", title="Load", label_set=label_set)
        made.sources.add(source)
        campaigns.request_opening(made)
        campaigns.open_requested(made.pk)
        # What is filled: to PostgreSQL a table that was analysed empty stays empty until it is analysed again.
        cursor.execute("ANALYZE sources_instruction, sources_provenance, annotate_unit")
    return made.get_absolute_url()


def past(votes: int, people: int) -> None:
    """Give everybody so many votes before."""
    from django.db import connection

    from annotate.models import Campaign
    from labels.models import Label

    if votes:
        choice = Label.objects.get(code="casual").pk
        values = {"votes": votes, "people": people, "choice": choice, "campaign": Campaign.objects.get().pk}
        with connection.cursor() as cursor:
            # Each in a transaction of its own: a table cannot be altered while triggers on it are pending.
            for statement in HISTORY.split(";"):
                if statement.strip():
                    cursor.execute(statement, values)
            cursor.execute("VACUUM ANALYZE")


def loaded(people: list[Person], path: str, seconds: float, web: int) -> Load:
    """Everybody asks again as soon as they are answered, for so long."""
    load, ready = Load(seconds), selectors.DefaultSelector()
    for person in people:
        ready.register(person.connect(), selectors.EVENT_READ, person)
    number, waiting = 0, set(people)
    for person in people:
        _go_on(person, path, number)
    start = time.perf_counter() + WARM_UP
    cpu, end = None, start + seconds
    while waiting:
        ready_now = ready.select(timeout=30)
        if not ready_now:
            raise TimeoutError("nobody was answered for 30 seconds")
        for key, _ in ready_now:
            person: Person = key.data
            answered = person.answer()
            if answered is None:
                continue
            now = time.perf_counter()
            if now >= start and cpu is None:
                cpu = processor_seconds(web)
            _note(load, person, answered, now, counts=start <= now < end)
            waiting.discard(person)
            if now < end:
                number += 1
                waiting.add(person)
                _go_on(person, path, number)
            elif load.cpu == 0 and cpu is not None:
                load.cpu = processor_seconds(web) - cpu
    ready.close()
    return load


def _go_on(person: Person, path: str, number: int) -> None:
    if path == "/healthz":
        person.ask(path)
    else:
        person.label(path, number)


def _note(load: Load, person: Person, answered: tuple[int, bytes], now: float, *, counts: bool) -> None:
    status, body = answered
    if status != 200:
        load.errors.append(f"{status}: {body[:200]!r}")
        person.held = []
        return
    is_answer = True
    if body.startswith(b"{"):
        outcome = json.loads(body)["outcome"]
        is_answer = outcome == "saved"
        if outcome not in ("", "saved"):
            load.errors.append(f"answered {outcome!r}")
        person.learn(body)
    # Fetching the first texts is no answer.
    if counts and is_answer:
        load.milliseconds.append((now - person.began) * 1000)


def processor_seconds(web: int) -> float:
    """What the web processes and the database have used so far."""
    used = 0
    postmaster = int((local.directory() / "postgres" / "postmaster.pid").read_text().split()[0])
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.parent.name)] = (int(after[1]), sum(map(int, after[11:15])))
    for pid, (parent, ticks) in parents.items():
        # A process that has ended is counted with the parent that waited for it.
        if pid in (web, postmaster) or parent in (web, postmaster):
            used += ticks
    return used / TICK


def over_assigned() -> list[str]:
    """Units with more leases and counted annotations than they wanted, counted afresh."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT unit.id FROM annotate_unit unit JOIN annotate_assignment held ON held.unit_id = unit.id
            WHERE held.state IN ('live', 'submitted') GROUP BY unit.id HAVING count(*) > min(unit.overlap)
        """)
        return [f"unit {unit} has too many votes" for (unit,) in cursor.fetchall()]


def report(*figures: tuple[str, float, float, float]) -> bool:
    """Print each figure with its limit and their ratio, which is at most 1 where the limit holds."""
    for what, ratio, figure, limit in figures:
        print(f"{what:48} {figure:>10,.1f}   limit {limit:>6,.0f}   {ratio:5.2f}")
    return any(ratio > 1 for _, ratio, _, _ in figures)


if __name__ == "__main__":
    sys.exit(main())
