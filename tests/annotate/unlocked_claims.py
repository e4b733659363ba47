"""Slow claims without their lock, as if somebody had thought it needless: the control of the race test."""

from tests.annotate import slow_claims
from tests.annotate.slow_claims import *  # noqa: F403


def post_worker_init(worker: object) -> None:  # type: ignore[no-redef]
    """Take the lock out of the claims of this web process, and slow them down."""
    from annotate import assignments

    assignments.LOCK = ""
    slow_claims.post_worker_init(worker)
