"""What getting a dataset gives, and the counter of what has come (pure but for the clock and the disk's free space)."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from sources.origins.errors import OriginRefused

PULSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file that is on disk and complete.

    ``name`` is how its origin calls it (a path within a hub's dataset), ``address`` where it came from (a file:// one
    for what was here before), ``revision`` the commit of the hub's dataset, else empty.
    """

    path: Path
    name: str
    address: str
    sha256: str
    bytes: int
    revision: str = ""


class Meter:
    """Counts the bytes of all files of one origin against a limit, and reports about twice a second.

    ``tick`` may raise to end the work; ``progress`` gets the bytes there are and, where known, how many there will be.
    """

    def __init__(
        self,
        origin: str,
        tick: Callable[[], None],
        progress: Callable[[int, int | None], None],
        max_bytes: float = math.inf,
    ) -> None:
        self.origin = origin
        self.total: int | None = None
        self._tick, self._progress, self._max_bytes = tick, progress, max_bytes
        self._before, self._now, self._told = 0, 0, -math.inf

    def pulse(self) -> None:
        """Report, unless that was just done."""
        if time.monotonic() - self._told >= PULSE_SECONDS:
            self._tell()

    def announce(self, total: int) -> None:
        """All files together will have ``total`` bytes. Raises OriginRefused if that is beyond the limit."""
        self.total = total
        self._check(total)

    def reach(self, size: int) -> None:
        """The file at hand has ``size`` bytes by now."""
        self._now = size
        self._check(size)
        self.pulse()

    def finish(self, size: int) -> None:
        """The file at hand is complete."""
        self._before, self._now = self._before + size, 0
        self._tell()

    def expect(self, folder: Path, have: int, whole: int | None) -> None:
        """Raise OriginRefused unless limit and disk take a file of ``whole`` bytes, of which ``have`` have come."""
        self._check(whole or have)
        if self.total is None and whole is not None and not self._before:
            self.total = whole
        free = shutil.disk_usage(folder).free
        needed = (whole or have) - have + settings.DOWNLOAD_KEEP_FREE_BYTES
        if free < needed:
            problem = f"{needed:,} bytes are needed on the disk of {folder} and {free:,} are free"
            remedy = "free some space, or lower OIG_DOWNLOAD_KEEP_FREE_BYTES; what has come is kept"
            raise OriginRefused(origin=self.origin, problem=problem, remedy=remedy)

    def wait(self, seconds: float) -> None:
        """Sleep, reporting all the while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.pulse()
            time.sleep(min(left, PULSE_SECONDS))

    def _check(self, size: int) -> None:
        if self._before + size > self._max_bytes:
            problem = f"has more than {self._max_bytes:,} bytes"
            remedy = "name fewer files, or an operator may raise OIG_DOWNLOAD_MAX_BYTES"
            raise OriginRefused(origin=self.origin, problem=problem, remedy=remedy)

    def _tell(self) -> None:
        self._told = time.monotonic()
        self._tick()
        self._progress(self._before + self._now, self.total)
