"""How fast an import is, beside a bare binary COPY of the same rows into tables without an index, in one run.

`python -m bench.import_rows [--rows 1000000]` starts an embedded database of its own. Each line: the figure, its limit
or baseline, and their ratio; exit code 1 if a limit is missed. Texts have 200 characters.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

LENGTH = 200
SMALL_SHARE = 10  # the small run has a tenth of the rows
COPY_SHARE, PROPORTION, RERUN, MEMORY_MB, TWO = 0.3, 11.0, 3.0, 300, 1.5


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="oig-bench-") as folder:
        os.environ |= {"OIG_LOCAL_DIR": f"{folder}/local", "OIG_MEDIA_ROOT": f"{folder}/media"}
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        with database():
            return report(measure(rows, Path(folder)))


@contextmanager
def database() -> Iterator[None]:
    """An embedded database with all tables, up while the block runs."""
    import django

    from config import local

    with local.running():
        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        yield


def measure(rows: int, folder: Path) -> list[tuple[str, float, float, bool]]:
    """Figure, limit, and whether more is better, of everything that is promised."""
    small, large = written(folder / "small.jsonl", rows // SMALL_SHARE, 1), written(folder / "large.jsonl", rows, 2)
    again = shuffled(large, folder / "shuffled.jsonl")
    copied = rows / bare_copy(large)
    one_small, _ = imported("small", small, 1)
    one, memory = imported("one", large, 1)
    rerun, _ = imported("one", large, 1)
    other_order, _ = imported("one", again, 1)
    two, _ = imported("two", written(folder / "two.jsonl", rows, 3), 2)
    speeds = {
        "bare COPY": copied,
        "one worker": rows / one,
        "two workers": rows / two,
        "known rows in another order": rows / other_order,
        "the same file again": rows / rerun,
    }
    print("rows/s: " + "; ".join(f"{name} {speed:,.0f} ({speed / copied:.2f})" for name, speed in speeds.items()))
    return [
        ("an import on two cores, share of a bare COPY", rows / two / copied, COPY_SHARE, True),
        ("time for ten times the rows", one / one_small, PROPORTION, False),
        ("the same file again, times as fast", one / rerun, RERUN, True),
        ("peak memory of a worker, MB", memory, MEMORY_MB, False),
        ("two workers, times as fast as one", one / two, TWO, True),
    ]


def report(figures: list[tuple[str, float, float, bool]]) -> int:
    """Print each figure with its limit and their ratio."""
    missed = 0
    for name, figure, limit, more in figures:
        held = figure >= limit if more else figure <= limit
        missed += not held
        bound = f"{'at least' if more else 'at most'} {limit:g}"
        print(f"{name:45} {figure:10.2f}  {bound:14} ratio {figure / limit:.2f}{'' if held else '  MISSED'}")
    return 1 if missed else 0


def texts(rows: int, seed: int) -> Iterator[str]:
    """Texts of words, all of one length and all different."""
    chosen = random.Random(seed)
    words = ["".join(chosen.choices("abcdefghijklmnopqrstuvwxyz", k=chosen.randint(2, 9))) for _ in range(5000)]
    for number in range(rows):
        yield f"{seed}-{number} {' '.join(chosen.choices(words, k=40))}"[:LENGTH].ljust(LENGTH, ".")


def written(path: Path, rows: int, seed: int) -> Path:
    """A file in the form of OIG with so many rows."""
    with path.open("w") as file:
        for text in texts(rows, seed):
            file.write(json.dumps({"text": f"<human>: {text}", "metadata": {"source": "bench"}}) + "\n")
    return path


def shuffled(path: Path, other: Path) -> Path:
    """The same lines in another order."""
    lines = path.read_text().splitlines(keepends=True)
    random.Random(4).shuffle(lines)
    other.write_text("".join(lines))
    return other


def bare_copy(path: Path) -> float:
    """Seconds of a binary COPY of the rows of instruction and provenance, parsed before; no index, one commit."""
    import psycopg
    from psycopg.types.json import Jsonb

    from config import local
    from sources import texts as shapes

    instructions, provenances = [], []
    for number, line in enumerate(path.open(), start=1):
        record = json.loads(line)
        turns = shapes.parse_oig(record["text"])
        instructions.append((number, shapes.digest(turns), Jsonb(turns), "", LENGTH, 0))
        provenances.append((1, number, 1, f"line {number}", number, Jsonb({"metadata": record["metadata"]})))
    with psycopg.connect(local.database_url()) as connection:
        connection.execute(
            "CREATE TABLE bare_i (id int8, digest bytea, turns jsonb, language text, characters int4, state int2);"
            "CREATE TABLE bare_p (s int8, i int8, r int8, row text, position int8, labels jsonb)"
        )
        connection.commit()
        began = time.perf_counter()
        copy(connection, "bare_i", ["int8", "bytea", "jsonb", "text", "int4", "int2"], instructions)
        copy(connection, "bare_p", ["int8", "int8", "int8", "text", "int8", "jsonb"], provenances)
        connection.commit()
        seconds = time.perf_counter() - began
        connection.execute("DROP TABLE bare_i, bare_p")
    return seconds


def copy(connection: Any, table: str, types: list[str], rows: list[tuple[Any, ...]]) -> None:
    """One binary COPY."""
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as into:
        into.set_types(types)
        for row in rows:
            into.write_row(row)


def imported(name: str, path: Path, workers: int) -> tuple[float, float]:
    """Seconds of an import, planning included, by so many processes, and the most memory that one of them took, MB."""
    from sources import imports, ledger

    source = ledger.entry(name, license="CC0-1.0")
    run = imports.start(source, "oig", origin=path)
    # Processes of their own, started before the clock: a worker of Celery is there already too.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=ready) as pool:
        list(pool.map(nothing, range(workers * 4)))
        began = time.perf_counter()
        pool.submit(planned, run.pk).result()
        memory = max(pool.map(work_all, [run.pk] * workers))
        seconds = time.perf_counter() - began
    run.refresh_from_db()
    if run.state != "finished" or run.report.rejected:
        sys.exit(f"{run} is {run.state}: {run.error}")
    return seconds, memory


def ready() -> None:
    """Make the process a worker."""
    import django

    django.setup()


def nothing(_: int) -> None:
    """Wait for a process to be there."""
    time.sleep(0.2)


def planned(run: int) -> None:
    """Cut the file."""
    from sources import imports
    from sources.models import ImportRun

    imports.plan(ImportRun.objects.get(pk=run))


def work_all(run: int) -> float:
    """Chunk after chunk; the most memory so far, MB."""
    from sources import imports
    from sources.models import ImportRun

    while imports.work_on_next(ImportRun.objects.get(pk=run)):
        pass
    # Not getrusage, whose maximum a process inherits from the one that started it.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
