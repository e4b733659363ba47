from __future__ import annotations

from celery import shared_task

from exports import snapshots
from exports.models import Snapshot


@shared_task(soft_time_limit=3500, time_limit=3600)
def publish_snapshot(snapshot_id: int) -> None:
    snapshots.work(Snapshot.objects.get(pk=snapshot_id))
