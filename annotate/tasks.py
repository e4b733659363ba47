from __future__ import annotations

from celery import shared_task
from django.db import OperationalError
from django.utils import timezone

from annotate import assignments, campaigns, measures, order, standing, stopping, tallies
from annotate.models import Campaign, StoppingRule


@shared_task(autoretry_for=(OperationalError,), max_retries=3, soft_time_limit=50, time_limit=55)
def release_expired() -> None:
    assignments.release_expired(timezone.now())
    assignments.release_withdrawn()
    standing.withdraw_all()


@shared_task(autoretry_for=(OperationalError,), max_retries=3, soft_time_limit=1700, time_limit=1800)
def withdraw_excluded() -> None:
    standing.withdraw_all()


@shared_task(soft_time_limit=50, time_limit=55)
def fold_votes() -> None:
    """For a moment: after an import of millions of votes the next ones go on, and others have the worker between."""
    tallies.fold(seconds=3)


@shared_task(soft_time_limit=1700, time_limit=1800)
def measure_large_campaigns() -> None:
    measures.refresh()


@shared_task(autoretry_for=(OperationalError,), max_retries=3, soft_time_limit=1700, time_limit=1800)
def open_campaign(campaign_id: int) -> None:
    campaigns.open_requested(campaign_id)


@shared_task(autoretry_for=(OperationalError,), max_retries=3, soft_time_limit=1700, time_limit=1800)
def change_overlap(campaign_id: int, overlap: int) -> None:
    campaigns.change_overlap(Campaign.objects.get(pk=campaign_id), overlap)


@shared_task(autoretry_for=(OperationalError,), max_retries=3, soft_time_limit=1700, time_limit=1800)
def use_stopping(campaign_id: int, rule_id: int) -> None:
    stopping.use(Campaign.objects.get(pk=campaign_id), StoppingRule.objects.get(pk=rule_id))


@shared_task(autoretry_for=(OperationalError,), max_retries=3, soft_time_limit=1700, time_limit=1800)
def settle(campaign_id: int) -> None:
    stopping.settle_all(Campaign.objects.get(pk=campaign_id))


@shared_task(autoretry_for=(OperationalError,), max_retries=3, soft_time_limit=1700, time_limit=1800)
def drop_stopping(campaign_id: int, overlap: int) -> None:
    stopping.drop(Campaign.objects.get(pk=campaign_id), overlap)


@shared_task(autoretry_for=(OperationalError,), max_retries=3, soft_time_limit=1700, time_limit=1800)
def apply_order(campaign_id: int) -> None:
    order.apply_rules(Campaign.objects.get(pk=campaign_id))


@shared_task(soft_time_limit=50, time_limit=55)
def open_requested_campaigns() -> None:
    """Nobody has to ask twice for a campaign whose worker was lost while it placed units."""
    for pk in Campaign.objects.filter(state=Campaign.State.OPENING).values_list("pk", flat=True):
        open_campaign.delay(pk)
