"""Whether a release is to be used: said with a reason, of a published one, whose bytes stay what they are."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from exports.errors import StandingRefused
from exports.models import Snapshot, Standing

# From the third nothing leads away: whoever was told that a release is gone can rely on it.
FOLLOWING: dict[Standing, tuple[Standing, ...]] = {
    Standing.DRAFT: (),
    Standing.PUBLISHED: (Standing.DEPRECATED, Standing.WITHDRAWN),
    Standing.DEPRECATED: (Standing.PUBLISHED, Standing.WITHDRAWN),
    Standing.WITHDRAWN: (),
}


@transaction.atomic
def change(snapshot: Snapshot, standing: Standing, reason: str) -> None:
    """Deprecate a release, withdraw it for good, or publish a deprecated one again. Raises StandingRefused."""
    locked = Snapshot.objects.select_for_update(no_key=True).get(pk=snapshot.pk)
    if standing not in FOLLOWING[Standing(locked.standing)]:
        raise StandingRefused(f"{snapshot} is {locked.standing}: it cannot become {standing}")
    if not reason.strip():
        raise StandingRefused(f"Say why {snapshot} becomes {standing}: everybody who uses it reads the reason")
    facts = {"standing": standing, "standing_reason": reason.strip(), "standing_since": timezone.now()}
    Snapshot.objects.filter(pk=snapshot.pk).update(**facts)
    snapshot.refresh_from_db()
