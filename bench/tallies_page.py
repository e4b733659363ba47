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
SECONDS_LIMIT, RATIO_LIMIT = 2.0, 3.0

# One row for each text, as a fold would find it: who voted, what they said beside each other, and their sets of tags.
UNITS = """
    CREATE TEMPORARY TABLE one AS
    SELECT n, %(source)s + n %% 4 AS source, (ARRAY['en', 'ja', 'pt', ''])[1 + n / 4 %% 4] AS language,
           n / 16 %% 5 = 0 AS is_augmented, date '2026-01-05' + 7 * (n %% %(weeks)s) AS week, n / 80 %% 5 = 0 AS is_tagged,
           ARRAY(SELECT %(person)s + (n * 7 + nth * 13 + n / 1000 * nth) %% %(annotators)s
                 FROM generate_series(1, 3) nth) AS voters,
           ARRAY[floor(3 * power(random(), 1.5 + n %% 3)), floor(3 * power(random(), 1.5 + n %% 3)),
                 floor(3 * power(random(), 1.5 + n %% 3))]::int[] AS choices,
           ARRAY[(random() < .2)::int + 2 * (random() < .1)::int + 4 * (random() < .1)::int + 8 * (random() < .3)::int,
                 (random() < .2)::int + 2 * (random() < .1)::int + 4 * (random() < .1)::int + 8 * (random() < .3)::int,
                 (random() < .2)::int + 2 * (random() < .1)::int + 4 * (random() < .1)::int + 8 * (random() < .3)::int
           ] AS sets
    FROM generate_series(1, %(units)s) n;
    CREATE TEMPORARY TABLE said AS
    SELECT one.*, 'base' AS kind, choices AS answers FROM one
    UNION ALL SELECT one.*, 'tags', sets FROM one WHERE is_tagged
    UNION ALL
    SELECT one.*, 'tag:' || tag.code, ARRAY[sets[1] >> tag.bit & 1, sets[2] >> tag.bit & 1, sets[3] >> tag.bit & 1]
    FROM one CROSS JOIN (
        SELECT code, (row_number() OVER (ORDER BY position) - 1)::int AS bit
        FROM labels_label WHERE label_set_id = %(label_set)s AND kind = 'tag'
    ) tag WHERE is_tagged;
    INSERT INTO annotate_slice (campaign_id, tags, source_id, language, is_augmented, week, units)
    SELECT %(campaign)s, %(tags)s, source, language, is_augmented, week, count(*)
    FROM one GROUP BY source, language, is_augmented, ROLLUP (week);
    INSERT INTO annotate_patterncount (slice_id, kind, pattern, units)
    SELECT slice.id, kind, ARRAY(SELECT unnest(answers) ORDER BY 1) AS pattern, count(*)
    FROM said JOIN annotate_slice slice USING (language, is_augmented, week)
    WHERE slice.campaign_id = %(campaign)s AND slice.source_id = said.source GROUP BY 1, 2, 3;
    INSERT INTO annotate_votercount (slice_id, kind, annotator_id, pattern, option, votes)
    SELECT slice.id, kind, voter, ARRAY(SELECT unnest(answers) ORDER BY 1) AS pattern, option, count(*)
    FROM said JOIN annotate_slice slice USING (language, is_augmented), unnest(said.voters, said.answers) AS vote(voter, option)
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
        (small, small_statements), (large, statements) = (_page(votes) for votes in (SMALL, asked.votes))
    ratio = large / small
    print(f"seconds: limit {SECONDS_LIMIT:.1f}; ratio {ratio:.2f}, limit {RATIO_LIMIT:.1f}; statements are as many")
    is_missed = large > SECONDS_LIMIT or ratio > RATIO_LIMIT or statements != small_statements
    return int(is_missed)


def _page(votes: int) -> tuple[float, int]:
    """Seconds and statements of the page over a campaign of so many votes, which is made first."""
    from django.test import Client

    from annotate.models import Annotator, PatternCount, Slice, VoterCount

    campaign = _campaign(votes // PER_UNIT)
    client = Client(headers={"host": "localhost"})
    client.force_login(Annotator.objects.get(username="curator"))
    address = f"/admin/annotate/campaign/{campaign.pk}/measures/"
    with _counted() as statements:
        page = client.get(address)
    assert page.status_code == 200, page.status_code
    corpus = client.get(f"{address[:-1]}.json").json()["corpus"]
    took = min(seconds(lambda: client.get(address)) for _ in range(ROUNDS))
    here = {"slice__campaign": campaign}
    rows = Slice.objects.filter(campaign=campaign).count()
    patterns, voters = PatternCount.objects.filter(**here).count(), VoterCount.objects.filter(**here).count()
    print(f"{votes:>12,} votes: {took:6.3f} s, {len(statements):,} statements; {rows:,} slices, {patterns:,} patterns, ", end="")
    print(f"{voters:,} voters; agreement on {corpus['votes']:,} votes of {corpus['annotators']:,} people", flush=True)
    return took, len(statements)


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
        "person": Annotator.objects.filter(username__startswith="person-").order_by("pk").values_list("pk", flat=True)[0],
        "annotators": ANNOTATORS,
        "weeks": WEEKS,
    }
    took = seconds(lambda: [run(part, **values) for part in UNITS.split(";\n")])
    run("VACUUM ANALYZE")
    print(f"{'filling the tables, seconds':27} {took:9,.1f}", flush=True)
    return campaign


if __name__ == "__main__":
    sys.exit(main())
