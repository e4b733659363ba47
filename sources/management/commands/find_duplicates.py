"""Search for near-duplicates here and now, and sum up what was found, without a text."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from django.db.models import Count

from sources import duplicates
from sources.errors import SourceError
from sources.jobs import JobState
from sources.management.runs import INTERRUPTED, progress
from sources.models import DuplicateSearch, NearDuplicate

LARGEST = 5


class Command(BaseCommand):
    help = "Search all available instructions for texts that are nearly the same."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--threshold", type=float, default=0.8, help="From what similarity, up to 1, two texts are nearly the same."
        )

    def handle(self, *args: Any, threshold: float, **options: Any) -> None:
        try:
            # Taken in the transaction that makes it, so that no worker takes it first.
            with transaction.atomic():
                search = duplicates.search(threshold)
                search.take()
        except SourceError as error:
            raise CommandError(str(error)) from None
        try:
            _work(search)
        except KeyboardInterrupt:
            # It may have been in the middle of a statement, and then takes no other.
            connection.close()
            search.fail("was stopped by hand")
            raise CommandError(f"{search} was stopped: run it again", returncode=INTERRUPTED) from None
        search.refresh_from_db()
        if search.state != JobState.FINISHED:
            raise CommandError(search.error or f"{search} was taken over by a worker: see the admin")
        self._sum_up(search)

    def _sum_up(self, search: DuplicateSearch) -> None:
        found = NearDuplicate.objects.filter(search=search)
        clusters = found.order_by().values_list("representative__digest").annotate(n=Count("pk"))
        for digest, members in clusters.order_by("-n", "representative")[:LARGEST]:
            self.stdout.write(f"{members + 1:,} texts are nearly {bytes(digest).hex()}")
        self.stdout.write(
            f"read {search.total:,} texts: {search.duplicates:,} near-duplicates in {search.clusters:,} clusters"
        )


def _work(search: DuplicateSearch) -> None:
    with progress("texts") as bar:
        if bar is None:
            duplicates.proceed(search)
            return
        task, begun = bar.add_task("Searching", total=None, rows=0, rate=0), time.monotonic()

        def tell(now: DuplicateSearch) -> None:
            rate = now.read / max(time.monotonic() - begun, 1e-9)
            bar.update(task, total=now.total, completed=now.read, rows=now.read, rate=rate)

        duplicates.proceed(search, tell)
