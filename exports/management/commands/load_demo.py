from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from annotate import campaigns, known, simulation
from annotate.errors import AnnotateError
from annotate.models import Annotator, Campaign, KnownAnswer
from exports import snapshots
from exports.errors import ExportError
from labels import loading
from labels.errors import LabelsError
from labels.models import LabelSet
from sources import imports, ledger, screening
from sources.errors import SourceError
from sources.jobs import JobState
from sources.models import Provenance, Source

SAMPLE = Path("sources/sample/instructions.jsonl")
OPTIONS = {"turns": "turns", "language_column": "language", "id": "id", "labels": "truth"}
FACTS = {
    "title": "Sample of OIG Safety",
    "license": "Apache-2.0",
    "attribution": "Written for this project; its contributors.",
}
RELEASE = "0.1"
GOLD = 3  # of every so many texts the answer is known


class Command(BaseCommand):
    help = "Load the project's sample: instructions, simulated votes, an open campaign, a release and two accounts."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--password", help="of accounts that are new (default: a random one, which is printed)")
        parser.add_argument("--yes", action="store_true", help="load it into the database that DATABASE_URL names")

    def handle(self, *, password: str | None, yes: bool, **_: Any) -> None:
        # An admin and votes that nobody gave do not belong into a database that is more than a trial.
        if os.environ.get("DATABASE_URL", "").strip() and not yes:
            raise CommandError("DATABASE_URL names a database of your own: give --yes to load accounts and votes there")
        try:
            campaign = self._load()
        except (LabelsError, SourceError, AnnotateError, ExportError) as error:
            raise CommandError(str(error)) from None
        self._say_sign_ins(password or secrets.token_urlsafe(9))
        self.stdout.write(f"Label: {campaign.get_absolute_url()}   Admin: {reverse('admin:index')}")

    def _say_sign_ins(self, password: str) -> None:
        """Make the accounts; one that is there may have another password, which nobody can tell."""
        accounts = (_account("volunteer", password), _account("admin", password, is_admin=True))
        fitting = [account.username for account in accounts if account.check_password(password)]
        others = [account.username for account in accounts if account.username not in fitting]
        for names, words in ((fitting, f"the password  {password}"), (others, "the password it had before")):
            if names:
                self.stdout.write(f"Sign in as  {'  or as  '.join(names)}  with {words}")

    def _load(self) -> Campaign:
        loading.load_shipped()
        source = self._import_sample()
        campaign = self._open_campaign(source)
        given = Provenance.objects.filter(source=source).values_list("instruction", "source_labels")
        expected = {pk: labels["truth"] for pk, labels in given.order_by("instruction")}
        votes = simulation.vote(campaign, expected)
        if votes:
            self.stderr.write(f"{votes:,} votes of {len(simulation.SKILLS)} simulated annotators, marked as simulated")
        self._add_gold(campaign, {pk: expected[pk]["base"] for pk in list(expected)[::GOLD]})
        self._publish(campaign)
        return campaign

    def _import_sample(self) -> Source:
        """The sample's source, imported once; what its owner made of it in admin stays."""
        name, revision = "oig-safety-sample", "1"
        there = Source.objects.filter(name=name, revision=revision).first()
        source = there or ledger.entry(name, revision, None, **FACTS)
        if not source.pk or not source.runs.filter(state=JobState.FINISHED).exists():
            run = imports.start(source, "columns", origin=settings.BASE_DIR / SAMPLE, options=OPTIONS)
            imports.work(run)
            if run.state != JobState.FINISHED:
                raise CommandError(f"{SAMPLE} was not imported: {run.error}")
            self.stderr.write(f"{run.report.added:,} instructions of the sample")
        return source

    def _open_campaign(self, source: Source) -> Campaign:
        defaults = {
            "title": "Sample: how careful should an assistant be?",
            "description": "Short texts and dialogues written for this project. A good place to try the keys.",
            "label_set": LabelSet.objects.filter(name="oig-safety").first(),
        }
        campaign, created = Campaign.objects.get_or_create(slug="sample", defaults=defaults)
        if created:
            campaign.sources.add(source)
        if campaign.state == Campaign.State.DRAFT:
            campaigns.request_opening(campaign)
        campaigns.open_requested(campaign.pk)
        campaign.refresh_from_db()
        return campaign

    def _add_gold(self, campaign: Campaign, answers: Mapping[int, str]) -> None:
        """What the sample's author expects of some texts, as answers that are known before anybody is asked."""
        units = campaign.units.filter(instruction__in=answers, known_answer=None).values_list("pk", "instruction")
        lines = [known.Line(0, str(unit), answers[pk], "What the author of the sample expects.") for unit, pk in units]
        known.add(campaign, lines, KnownAnswer.Phase.GOLD, None)

    def _publish(self, campaign: Campaign) -> None:
        """The first release; one that was interrupted is completed."""
        # No worker runs yet where the demo begins.
        screening.work_waiting()
        snapshot = snapshots.prepare(RELEASE, [campaign], allow_lower=True)
        snapshots.work(snapshot)
        if snapshot.error:
            raise CommandError(f"Release {RELEASE} was not published: {snapshot.error}")


def _account(username: str, password: str, *, is_admin: bool = False) -> Annotator:
    """An account to sign in with; one that is there keeps what its owner made of it."""
    there = Annotator.objects.filter(username=username).first()
    create = Annotator.objects.create_superuser if is_admin else Annotator.objects.create_user
    return there or create(username, password=password)
