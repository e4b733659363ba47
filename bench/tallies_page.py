"""What the page of measures costs over ten million votes, beside the same page over a hundred thousand.

`python -m bench.tallies_page [--votes 10000000]` starts an embedded database of its own and fills the tables that the
page reads as that many votes would have left them: three on each text, by 1,000 annotators, from 4 sources, in 4
languages, originals and augmented, over 52 weeks; all three answer the tags on one text in five. The votes themselves
are not written: that folding votes gives these tables is what `tests/annotate/test_tallies.py` proves, and what it
costs is told by `bench.tallies`. Each page is asked for as a curator's browser does. Exit code 1 if it takes longer
than it may, either by itself or beside the small one, or if it needs other statements.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.tallies import ANNOTATORS, ROUNDS, WEEKS, database, run, seconds

SMALL, PER_UNIT = 100_000, 3
# Of the first page after a fold, which measures anew; of the next, which shows what is kept; both beside the small one.
SECONDS_LIMIT, KEPT_LIMIT, RATIO_LIMIT, STATEMENTS_LIMIT = 10.0, 0.5, 30.0, 25

# One row for each text, as a fold would find it: who voted, what they said beside each other, and their sets of tags.
UNITS = """
    CREATE TEMPORARY TABLE one AS
    SELECT source, language, is_augmented, week, is_tagged, voters, ARRAY[a, b, c] AS answers, ARRAY[t, u, v] AS sets
    FROM (
        SELECT n, %(source)s + n %% 4 AS source, (ARRAY['en', 'ja', 'pt', ''])[1 + n / 4 %% 4] AS language,
               n / 16 %% 5 = 0 AS is_augmented, date '2026-01-05' + 7 * (n %% %(weeks)s) AS week,
               n / 80 %% 5 = 0 AS is_tagged,
               -- Everybody reads one language.
               ARRAY[person, person + (13 + n %% 7) * 4, person + (31 + n %% 11) * 4] AS voters,
               floor(3 * power(random(), 1.5 + n %% 3))::int AS a, floor(3 * power(random(), 1.5 + n %% 3))::int AS b,
               floor(3 * power(random(), 1.5 + n %% 3))::int AS c,
               (random() < .2)::int + 2 * (random() < .1)::int + 4 * (random() < .1)::int
                   + 8 * (random() < .3)::int AS t,
               (random() < .2)::int + 2 * (random() < .1)::int + 4 * (random() < .1)::int
                   + 8 * (random() < .3)::int AS u,
               (random() < .2)::int + 2 * (random() < .1)::int + 4 * (random() < .1)::int
                   + 8 * (random() < .3)::int AS v
        FROM (SELECT n, n / 4 %% 4 + 4 * floor(random() * %(annotators)s / 4)::int AS person
              FROM generate_series(1, %(units)s) n) drawn
    ) made;
    CREATE TEMPORARY TABLE said AS
    SELECT source, language, is_augmented, week, voters, kind, given,
           ARRAY[least(given[1], given[2], given[3]),
                 given[1] + given[2] + given[3] - least(given[1], given[2], given[3])
                 - greatest(given[1], given[2], given[3]), greatest(given[1], given[2], given[3])] AS pattern
    FROM (
        SELECT one.*, 'base' AS kind, answers AS given FROM one
        UNION ALL SELECT one.*, 'tags', sets FROM one WHERE is_tagged
        UNION ALL
        SELECT one.*, 'tag:' || tag.code, ARRAY[sets[1] >> tag.bit & 1, sets[2] >> tag.bit & 1, sets[3] >> tag.bit & 1]
        FROM one CROSS JOIN (
            SELECT code, (row_number() OVER (ORDER BY position) - 1)::int AS bit
            FROM labels_label WHERE label_set_id = %(label_set)s AND kind = 'tag'
        ) tag WHERE is_tagged
    ) made;
    ANALYZE said;
    INSERT INTO annotate_slice (campaign_id, tags, source_id, language, is_augmented, week, units)
    SELECT %(campaign)s, %(tags)s, source, language, is_augmented, week, count(*)
    FROM one GROUP BY source, language, is_augmented, ROLLUP (week);
    ANALYZE annotate_slice;
    INSERT INTO annotate_patterncount (slice_id, kind, pattern, units)
    SELECT slice.id, kind, pattern, count(*)
    FROM said JOIN annotate_slice slice USING (language, is_augmented, week)
    WHERE slice.campaign_id = %(campaign)s AND slice.source_id = said.source GROUP BY 1, 2, 3;
    INSERT INTO annotate_votercount (slice_id, kind, annotator_id, pattern, option, votes)
    SELECT slice.id, kind, %(person)s + voter %% %(annotators)s, pattern, option, count(*)
    FROM said JOIN annotate_slice slice USING (language, is_augmented), unnest(voters, given) AS vote(voter, option)
    WHERE slice.campaign_id = %(campaign)s AND slice.source_id = said.source AND slice.week IS NULL
    GROUP BY 1, 2, 3, 4, 5;
    INSERT INTO annotate_unitchange (campaign_id, units, wanted, given)
    VALUES (%(campaign)s, %(units)s, 3 * %(units)s, 3 * %(units)s);
    DROP TABLE one, said
"""


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--votes", type=int, default=10_000_000)
    asked = parser.parse_args()
    with database():
        from django.core.management import call_command

        call_command("collectstatic", interactive=False, verbosity=0)
        small, large = (_page(votes) for votes in (SMALL, asked.votes))
    ratio = large[0] / small[0]
    print(f"measured anew: limit {SECONDS_LIMIT:.1f} s, {ratio:.1f} times the small one, limit {RATIO_LIMIT:.1f}")
    print(f"kept: limit {KEPT_LIMIT:.1f} s, {large[1] / small[1]:.1f} times; statements: limit {STATEMENTS_LIMIT}")
    is_slow = large[0] > SECONDS_LIMIT or large[1] > KEPT_LIMIT or ratio > RATIO_LIMIT
    return int(is_slow or large[2] > STATEMENTS_LIMIT)


def _page(votes: int) -> tuple[float, float, int]:
    """Seconds of the page measured anew and kept, and its statements, over a campaign of so many votes, made first."""
    from django.core.cache import cache
    from django.test import Client

    from annotate.models import Annotator, VoterCount

    campaign = _campaign(votes // PER_UNIT)
    client = Client(headers={"host": "localhost"})
    client.force_login(Annotator.objects.get(username="curator"))
    address = f"/admin/annotate/campaign/{campaign.pk}/measures/"

    def anew() -> float:
        cache.delete(f"measures-{campaign.pk}")
        return seconds(lambda: client.get(address))

    took = min(anew() for _ in range(ROUNDS))
    cache.delete(f"measures-{campaign.pk}")
    with _counted() as statements:
        assert client.get(address).status_code == 200
    shown = min(seconds(lambda: client.get(address)) for _ in range(ROUNDS))
    corpus = client.get(f"{address[:-1]}.json").json()["corpus"]
    voters = VoterCount.objects.filter(slice__campaign=campaign).count()
    print(f"{votes:>12,} votes: anew {took:.3f} s, kept {shown:.3f} s, {len(statements):,} statements,", end=" ")
    print(f"{voters:,} rows of voters, {corpus['votes']:,} votes of {corpus['annotators']:,} people", flush=True)
    return took, shown, len(statements)


@contextmanager
def _counted() -> Iterator[list[object]]:
    """Grows by one with each statement."""
    from django.db import connection

    found: list[object] = []

    def count(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        found.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        yield found


def _campaign(units: int):  # type: ignore[no-untyped-def]
    from annotate.models import Annotator, Campaign
    from annotate.tallies import tag_codes
    from labels import loading
    from sources.models import Source

    if not Annotator.objects.filter(username="curator").exists():
        Annotator.objects.create_superuser("curator")
        people = (Annotator(username=f"person-{number}", password="!") for number in range(ANNOTATORS))
        Annotator.objects.bulk_create(people)
        Source.objects.bulk_create(Source(name=f"source-{number}", license="CC0-1.0") for number in range(4))
    label_set = loading.load_shipped_set("oig-safety")
    slug = f"units-{units}"
    campaign = Campaign.objects.create(slug=slug, title=slug, label_set=label_set, state="open")
    values = {
        "units": units,
        "campaign": campaign.pk,
        "label_set": label_set.pk,
        "tags": list(tag_codes(label_set.spec)),
        "source": Source.objects.order_by("pk").values_list("pk", flat=True)[0],
        "person": Annotator.objects.filter(username__startswith="person-")
        .order_by("pk")
        .values_list("pk", flat=True)[0],
        "annotators": ANNOTATORS,
        "weeks": WEEKS,
    }
    took = seconds(lambda: [run(part, **values) for part in UNITS.split(";\n")])
    run("VACUUM ANALYZE")
    print(f"{'filling the tables, seconds':27} {took:9,.1f}", flush=True)
    return campaign


if __name__ == "__main__":
    sys.exit(main())
