"""The shipped gunicorn configuration, with every claim pausing between picking a unit and taking its slot.

A slow machine in small: it gives other claims the time to get in between, so that a missing lock shows at once.
"""

import time

from config.gunicorn import *  # noqa: F403

PAUSE = 0.02  # seconds


def post_worker_init(worker: object) -> None:
    """Slow the claims of this web process down."""
    from annotate import assignments

    pick = assignments._pick

    def pick_slowly(*arguments: object) -> object:
        picked = pick(*arguments)  # type: ignore[arg-type]
        time.sleep(PAUSE)
        return picked

    assignments._pick = pick_slowly  # type: ignore[assignment]
