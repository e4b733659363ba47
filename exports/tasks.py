from __future__ import annotations

from celery import shared_task

from exports import comparing, snapshots
from exports.models import Comparison, Snapshot


@shared_task(soft_time_limit=3500, time_limit=3600)
def publish_snapshot(snapshot_id: int) -> None:
    snapshots.work(Snapshot.objects.get(pk=snapshot_id))


@shared_task(soft_time_limit=3500, time_limit=3600)
def compare_snapshots(comparison_id: int) -> None:
    comparing.work(Comparison.objects.select_related("before", "after").get(pk=comparison_id))
