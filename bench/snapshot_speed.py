"""How fast a release is written and verified, beside a bare COPY of the same texts as JSON, in one run.

`python -m bench.snapshot_speed [--units 1000000] [--folder DIR]` starts an embedded database of its own; in DIR it is
kept, so that the next run need not fill it again. Texts have 200 characters; each has three votes, most with answers on
tags. Every measurement runs in a fresh process, whose greatest memory is told. Each line of the report: the figure, its
limit; exit code 1 if a limit is missed.

The limit on the records is a share of a bare COPY over one connection, read with psycopg's own ``Cursor.copy``. Records
are read in another way, by two connections and the raw loop of ``exports.copying``, which is faster: the share of the
same COPY over one connection, read by that loop, is told beside it.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

SMALL_SHARE = 10  # the small world has a tenth of the units
COPY_SHARE, PROPORTION, STATISTICS, VERIFY, MEMORY_MB = 0.3, 11.0, 1.3, 1.0, 300

# The form of DESIGN section 6: COPY's text format would double the backslashes of JSON.
BARE = """
    COPY (
        SELECT json_build_object('text', '<human>: ' || (turns -> 0 ->> 'text'),
                                 'metadata', json_build_object('id', encode(digest, 'hex')))
        FROM sources_instruction JOIN annotate_unit unit ON unit.instruction_id = sources_instruction.id
        WHERE unit.campaign_id = (SELECT id FROM annotate_campaign WHERE slug = '{slug}')
    ) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')
"""

# What foreign keys would look up row by row is right by the way in which it is made.
UNCHECKED = """
    DO $$ DECLARE rule record; BEGIN
        FOR rule IN SELECT conrelid::regclass AS held, conname FROM pg_constraint WHERE contype = 'f'
            AND conrelid IN ('annotate_annotation'::regclass, 'annotate_unit'::regclass) LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', rule.held, rule.conname);
        END LOOP;
    END $$
"""

WORLD = """
    CREATE TEMP TABLE made ON COMMIT DROP AS
        SELECT nextval(pg_get_serial_sequence('sources_instruction', 'id')) AS id, n
        FROM generate_series(1, %(units)s) n;
    INSERT INTO sources_instruction (id, digest, turns, language, characters, created_at)
        SELECT id, decode(md5(%(slug)s || n), 'hex'), jsonb_build_array(jsonb_build_object('role', 'human', 'text',
               rpad('Instruction ' || n || E' "quoted"\n', 200, md5(n::text) || ' '))),
               (ARRAY['en', 'en', 'de', 'pt-BR'])[1 + n %% 4], 200, now() FROM made;
    INSERT INTO sources_provenance (source_id, instruction_id, run_id, "row", source_labels, created_at)
        SELECT (%(sources)s::bigint[])[1 + n %% 5], id, (%(runs)s::bigint[])[1 + n %% 5], n::text, '{}', now()
        FROM made;
    INSERT INTO annotate_unit (campaign_id, instruction_id, position, overlap, taken, topics)
        SELECT %(campaign)s, id, n, 3, 3, '{}' FROM made;
    INSERT INTO annotate_annotation (unit_id, annotator_id, choice_id, tags, surplus, key, created_at)
        SELECT unit.id, (%(people)s::bigint[])[1 + (position * 3 + vote) %% 100],
               (%(choices)s::bigint[])[1 + (hashint8(position * 3 + vote) & 15)],
               (%(tags)s::jsonb[])[1 + (hashint8(-position * 3 - vote) & 31)], false, gen_random_uuid(), now()
        FROM annotate_unit unit, generate_series(0, 2) vote WHERE unit.campaign_id = %(campaign)s
        ORDER BY position / 1000, vote, position;
"""
# Which options and tags are answered, drawn by hash: most people find nothing, some skip the tags.
CHOICES = ["casual"] * 11 + ["needs-caution"] * 4 + ["needs-intervention"]
NO_TAGS = {"abuse-related": False, "personal-information-related": False, "sexual-content": False, "hate": False}
TAGS = [*[NO_TAGS] * 20, *[{}] * 6, *[{**NO_TAGS, tag: True} for tag in NO_TAGS], {"hate": True}, {"hate": False}]

type Figures = list[tuple[str, float, float, bool]]


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="oig-bench-") as name:
        folder = (asked.folder or Path(name)).absolute()
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        for variable in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(variable, None)
        os.environ |= {"OIG_LOCAL_DIR": str(folder / "local"), "OIG_SNAPSHOT_ROOT": f"{name}/snapshots"}
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        with database():
            return report(measure(asked.units, Path(name)))


@contextmanager
def database() -> Iterator[None]:
    """An embedded database with all tables, up while the block runs."""
    import django

    from config import local

    with local.running():
        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute(UNCHECKED)
            # A release stays: but for those of an earlier run with this folder, whose files are gone.
            cursor.execute("TRUNCATE exports_snapshot CASCADE")
        yield


def measure(units: int, folder: Path) -> Figures:
    """Figure, limit, and whether more is better, of everything that is promised."""
    small, large = f"units-{units // SMALL_SHARE}", f"units-{units}"
    fill(small, units // SMALL_SHARE)
    fill(large, units)
    bare, _ = alone(bare_copy, large, folder)
    raw, _ = alone(bare_rows, large, folder)
    records, _ = alone(write_records, large, folder)
    tenth, _ = alone(publish, small, folder)
    whole, memory = alone(publish, large, folder)
    verified, verifying = alone(verify, large, folder)
    speeds = {
        "bare COPY by psycopg": bare,
        "bare COPY by the raw loop": raw,
        "records": records,
        "publish": whole,
        "verify": verified,
    }
    print("lines/s: " + "; ".join(f"{name} {units / took:,.0f} ({took:.1f} s)" for name, took in speeds.items()))
    print(f"records with aggregation, share of a bare COPY by the raw loop: {raw / records:.2f} (no limit)")
    return [
        ("records with aggregation, share of psycopg's COPY", bare / records, COPY_SHARE, True),
        ("time for ten times the units", whole / tenth, PROPORTION, False),
        ("publish with statistics, times the records alone", whole / records, STATISTICS, False),
        ("verify, times publish", verified / whole, VERIFY, False),
        ("peak memory of a worker, MB", max(memory, verifying), MEMORY_MB, False),
    ]


def report(figures: Figures) -> int:
    """Print each figure beside its limit; return whether one is missed."""
    missed = False
    for name, figure, limit, more in figures:
        kept = figure >= limit if more else figure <= limit
        missed |= not kept
        print(f"{name:52} {figure:>8.2f}   {'at least' if more else 'at most'} {limit:g}{'' if kept else '   MISSED'}")
    return int(missed)


def fill(slug: str, units: int) -> None:
    """A campaign of so many units with three votes each, if it is not there."""
    from django.db import connection, transaction

    from annotate.models import Campaign

    if not Campaign.objects.filter(slug=slug).exists():
        with transaction.atomic():
            _fill(slug, units)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (FREEZE, ANALYZE)")


def _fill(slug: str, units: int) -> None:
    from django.db import connection
    from psycopg.types.json import Jsonb

    from annotate.models import Annotator, Campaign
    from labels import loading
    from labels.models import Label
    from sources.models import ImportRun, Source

    sources, runs = [], []
    for number in range(5):
        facts = {"license": "CC0-1.0", "attribution": "Nobody."}
        source, _ = Source.objects.get_or_create(name=f"source-{number}", revision="1", defaults=facts)
        run, _ = ImportRun.objects.get_or_create(source=source, format="columns", origin="bench", state="finished")
        sources.append(source.pk)
        runs.append(run.pk)
    people = [Annotator.objects.get_or_create(username=f"person-{number}")[0].pk for number in range(100)]
    label_set = loading.load_shipped_set("oig-safety")
    options = {label.code: label.pk for label in Label.objects.filter(label_set=label_set)}
    campaign = Campaign.objects.create(slug=slug, title=slug, label_set=label_set, state=Campaign.State.OPEN)
    values = {"units": units, "slug": slug, "campaign": campaign.pk, "sources": sources, "runs": runs, "people": people}
    values["choices"] = [options[code] for code in CHOICES]
    values["tags"] = [Jsonb(tags) for tags in TAGS]
    with connection.cursor() as cursor:
        cursor.execute(WORLD, values)


def alone(work: Callable[[str, Path], float], slug: str, folder: Path) -> tuple[float, float]:
    """The seconds that ``work`` took in a process of its own, and the most memory that it had, in MB."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, work, slug, folder).result()


def _measured(work: Callable[[str, Path], float], slug: str, folder: Path) -> tuple[float, float]:
    import django

    django.setup()
    seconds = work(slug, folder)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bare_copy(slug: str, folder: Path) -> float:
    """Seconds for the texts as JSON, streamed into a file: one connection, read with psycopg's own ``Cursor.copy``."""
    from django.db import connection

    connection.ensure_connection()
    began = time.perf_counter()
    with connection.connection.cursor() as cursor, (folder / "bare.jsonl").open("wb") as file:
        with cursor.copy(BARE.format(slug=slug)) as copy:
            for part in copy:
                file.write(part)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - began


def bare_rows(slug: str, folder: Path) -> float:
    """Seconds for the very same, read by the raw loop that reads the records; one connection too."""
    from django.db import connection
    from psycopg import sql

    from exports import copying

    connection.ensure_connection()
    statement = sql.Composed([sql.SQL(BARE.format(slug=slug))])
    began = time.perf_counter()
    with (folder / "rows.jsonl").open("wb") as file:
        for (line,) in copying.fields(connection.connection, statement, {}):
            file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    took = time.perf_counter() - began
    assert (folder / "rows.jsonl").stat().st_size == (folder / "bare.jsonl").stat().st_size
    return took


def write_records(slug: str, folder: Path) -> float:
    """Seconds for the records alone: votes counted and aggregated, every line written."""
    from contextlib import closing

    from exports import derivation, records, writers

    snapshot = prepared(f"0.{len(slug)}", slug)
    chosen = derivation.selection(snapshot)
    began = time.perf_counter()
    with records.reading(chosen) as reader, closing(reader.lines()) as lines:
        writers.write_lines(folder / "records.jsonl", lines)
    return time.perf_counter() - began


def publish(slug: str, folder: Path) -> float:
    """Seconds for the whole release: records, statistics, card, manifest."""
    from exports import snapshots

    snapshot = prepared(f"1.{len(slug)}", slug)
    began = time.perf_counter()
    snapshots.work(snapshot)
    took = time.perf_counter() - began
    snapshot.refresh_from_db()
    assert snapshot.is_published, snapshot.error
    return took


def verify(slug: str, folder: Path) -> float:
    """Seconds for deriving that release again and comparing it with its files."""
    from exports import verification
    from exports.models import Snapshot

    snapshot = Snapshot.objects.get(version=f"1.{len(slug)}")
    began = time.perf_counter()
    assert verification.verify(snapshot).is_same
    return time.perf_counter() - began


def prepared(version: str, slug: str) -> Any:
    """A snapshot of one campaign with its cut."""
    from annotate.annotations import take_cut
    from annotate.models import Campaign
    from exports import snapshots

    snapshot = snapshots.prepare(version, [Campaign.objects.get(slug=slug)])
    snapshot.cut, snapshot.cut_at = take_cut()
    snapshot.save()
    return snapshot


if __name__ == "__main__":
    sys.exit(main())
