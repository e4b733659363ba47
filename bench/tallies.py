"""What the pattern tables cost and save: folding votes into them, and reading from them instead of from the votes.

`python -m bench.tallies [--units 1000000]` starts an embedded database of its own and writes so many units with three
votes each, by 1,000 annotators, from 4 sources, in 4 languages, over 52 weeks; one vote in five answers all tags. Each
line: seconds, and how many times the bare GROUP BY of units and patterns that is. Exit code 1 if reading everything
from the votes takes more than 2 times that, or all that is measured for a dashboard takes more than a second.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from config import local
from tests import ROOT

RAW_LIMIT, DASHBOARD_SECONDS = 2.0, 1.0
ANNOTATORS, WEEKS = 1_000, 52
ANSWERS, ROUNDS = 5_000, 3  # answers that are inserted one by one, with and without the trigger of the queue

WORLD = """
    INSERT INTO sources_instruction (digest, turns, language, characters, parent_id, created_at)
    SELECT decode(md5(n::text), 'hex'), '[]', (ARRAY['en', 'ja', 'pt-BR', ''])[1 + n %% 4], 0,
           CASE WHEN n %% 5 = 0 THEN 1 END, now()
    FROM generate_series(1, %(units)s) n;
    INSERT INTO sources_provenance (source_id, instruction_id, run_id, "row", source_labels, created_at)
    SELECT (SELECT min(id) FROM sources_source) + id %% 4, id, %(run)s, id::text, '{}', now() FROM sources_instruction;
    INSERT INTO annotate_unit (campaign_id, instruction_id, position, overlap, taken, language)
    SELECT %(campaign)s, id, id, 6, 3, split_part(language, '-', 1) FROM sources_instruction;
    INSERT INTO annotate_annotation (unit_id, annotator_id, choice_id, tags, surplus, key, created_at)
    SELECT unit.id, person.first + (unit.id * 7 + nth * 13) %% %(annotators)s,
           (%(choices)s::bigint[])[1 + floor(3 * power(random(), 1.5 + unit.id %% 3))::int],
           CASE WHEN (unit.id + nth) %% 5 = 0 THEN jsonb_build_object('abuse-related', random() < 0.2,
               'personal-information-related', random() < 0.1, 'sexual-content', random() < 0.1, 'hate', random() < 0.3)
           ELSE '{}' END,
           false, gen_random_uuid(), now() - make_interval(weeks => ((%(weeks)s * unit.id) / %(units)s)::int)
    FROM annotate_unit unit CROSS JOIN generate_series(1, 3) nth
    CROSS JOIN (SELECT min(id) AS first FROM annotate_annotator) person;
"""
# What measures agreement without tables and without voters: the least that has to be done to all votes.
BARE = """
    SELECT a, b, c, count(*) FROM (
        SELECT said.unit_id, count(*) FILTER (WHERE label.position = 0) AS a,
               count(*) FILTER (WHERE label.position = 1) AS b, count(*) FILTER (WHERE label.position = 2) AS c
        FROM annotate_annotation said JOIN labels_label label ON label.id = said.choice_id
        JOIN annotate_unit unit ON unit.id = said.unit_id AND unit.campaign_id = %(campaign)s
        WHERE NOT said.surplus
          AND NOT EXISTS (SELECT 1 FROM annotate_annotation later WHERE later.supersedes_id = said.id)
        GROUP BY said.unit_id
    ) pattern GROUP BY a, b, c
"""
# One by one, as people answer: each is a statement of its own.
INSERTS = """
    DO $$ BEGIN
        FOR one IN 1..{answers} LOOP
            INSERT INTO annotate_annotation (unit_id, annotator_id, choice_id, tags, surplus, key, created_at)
            VALUES ({unit} + one, {person}, {choice}, '{{}}', false, gen_random_uuid(), now());
        END LOOP;
    END $$
"""


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=1_000_000)
    asked = parser.parse_args()
    with database():
        return measured(asked.units)


@contextmanager
def database() -> Iterator[None]:
    """An embedded database that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for variable in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(variable, None)
        places = {"OIG_LOCAL_DIR": str(folder / "local"), "OIG_STATIC_ROOT": str(folder / "static")}
        os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings"} | places
        with local.running():
            import django

            django.setup()
            subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True)
            yield


def measured(units: int) -> int:
    """Write the world, measure, print; 1 if a limit is missed."""
    from annotate import counted, measures, tallies
    from annotate.models import PatternCount, Slice, VoterCount
    from annotate.tallies import Scope

    campaign = world(units)
    scope = Scope((campaign.pk,))
    bare = min(seconds(lambda: run(BARE, campaign=campaign.pk)) for _ in range(ROUNDS))
    line(f"bare GROUP BY of {units:,} units, 3 votes each", bare, bare)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    raw = min(seconds(lambda: counted.voters(scope)) for _ in range(ROUNDS))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    line("patterns and voters from the votes (at most 2)", raw, bare)
    print(f"{'memory that it took, MB':52} {grown:>9,.0f}")
    tallies.rebuild(campaign)
    folding = seconds(lambda: tallies.fold(seconds=3600))
    line("folding all of it for the first time", folding, bare)
    print(f"{'units folded a second':52} {units / folding:>9,.0f}")
    rows = (kind.objects.count() for kind in (Slice, PatternCount, VoterCount))
    print(f"{'rows of slices, patterns, voters':52}", *rows)
    run("ANALYZE")
    reads: list[tuple[str, Callable[[], object]]] = [
        ("base patterns", lambda: tallies.patterns(scope)),
        *(
            (f"base patterns by {by}", lambda by=by: tallies.patterns(scope, by))
            for by in ("source", "language", "week")
        ),
        ("voters", lambda: tallies.voters(scope)),
        ("voters by source", lambda: tallies.voters(scope, "source")),
        ("voters of base, tags and tag sets", lambda: tallies.read(scope)),
        ("the most disputed", lambda: tallies.most_disputed(campaign)),
    ]
    times = [min(seconds(read) for _ in range(ROUNDS)) for _, read in reads]
    for (what, _), took in zip(reads, times, strict=True):
        line(what, took, bare)
    dashboard = min(seconds(lambda: measures.of_scope(scope)) for _ in range(ROUNDS))
    line(f"all that a dashboard shows (at most {DASHBOARD_SECONDS:.0f} s)", dashboard, bare)
    answers(campaign, bare)
    return int(raw / bare > RAW_LIMIT or dashboard > DASHBOARD_SECONDS)


def world(units: int):  # type: ignore[no-untyped-def]
    """The campaign."""
    from annotate.models import Annotator, Campaign
    from labels import loading
    from sources.models import ImportRun, Source

    first = Source.objects.bulk_create(Source(name=f"source-{number}", license="CC0-1.0") for number in range(4))[0]
    run_ = ImportRun.objects.create(source=first, format="columns", origin="load", state="finished")
    Annotator.objects.bulk_create(Annotator(username=f"person-{number}", password="!") for number in range(ANNOTATORS))
    label_set = loading.load_shipped_set("oig-safety")
    campaign = Campaign.objects.create(slug="tallies", title="Tallies", label_set=label_set, state="open")
    choices = list(label_set.labels.filter(kind="option").values_list("pk", flat=True))
    told = seconds(
        lambda: [
            run(
                part,
                units=units,
                run=run_.pk,
                campaign=campaign.pk,
                choices=choices,
                annotators=ANNOTATORS,
                weeks=WEEKS,
            )
            for part in (
                "ALTER TABLE annotate_annotation DISABLE TRIGGER USER",
                *WORLD.split(";\n"),
                "ALTER TABLE annotate_annotation ENABLE TRIGGER USER",
            )
            if part.strip()
        ]
    )
    run("VACUUM ANALYZE")
    print(f"{'writing it':52} {told:>9,.1f}")
    return campaign


def answers(campaign, bare: float) -> None:  # type: ignore[no-untyped-def]
    """What the trigger of the queue adds to an answer, and how long folding some answers takes among so many."""
    from annotate import tallies
    from annotate.models import Annotator, Unit

    person = Annotator.objects.create(username="late", password="!")
    unit = Unit.objects.order_by("pk").values_list("pk", flat=True)[0]
    choice = campaign.label_set.labels.filter(kind="option").values_list("pk", flat=True)[0]
    took = {"DISABLE": list[float](), "ENABLE": list[float]()}
    for number in range(2 * ROUNDS):
        way = ("DISABLE", "ENABLE")[number % 2]
        run(f"ALTER TABLE annotate_annotation {way} TRIGGER annotate_queue_inserted")
        statement = INSERTS.format(answers=ANSWERS, unit=unit + number * ANSWERS, person=person.pk, choice=choice)
        took[way].append(seconds(partial(run, statement)) / ANSWERS)
    without, with_ = min(took["DISABLE"]), min(took["ENABLE"])
    print(f"{'inserting an annotation, microseconds':52} {without * 1e6:>9,.1f}")
    print(f"{'the same with the queue, microseconds':52} {with_ * 1e6:>9,.1f}   {with_ / without:6.2f} times")
    waiting = tallies.waiting()
    line(f"folding {waiting:,} answers", seconds(lambda: tallies.fold(seconds=600)), bare)


def run(statement: str, **values: object) -> None:
    """Run a statement and fetch what it returns."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        if cursor.description:
            cursor.fetchall()


def seconds(act: Callable[[], object]) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def line(what: str, took: float, bare: float) -> None:
    """Print one."""
    print(f"{what:52} {took:>9,.3f}   {took / bare:6.3f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
