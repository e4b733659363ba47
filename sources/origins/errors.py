"""How getting a dataset may fail. Addresses are shown without their query, which may hold a signature or a key."""

from __future__ import annotations

from typing import Self

from sources.errors import SourceError


class OriginRefused(SourceError):
    """{origin}: {problem}: {remedy}"""

    def __init__(self, *, origin: object, problem: str, remedy: str) -> None:
        super().__init__(origin=origin, problem=problem, remedy=remedy)
        self.origin, self.problem, self.remedy = str(origin), problem, remedy

    def seen_from(self, address: str) -> Self:
        """The same failure told of ``address``, which led by a redirect to where it came about."""
        if f"{address}/".startswith(f"{self.origin}/"):
            return self
        return type(self)(origin=address, problem=f"leads to {self.origin}: {self.problem}", remedy=self.remedy)


class TemporaryFailure(OriginRefused):
    """{origin}: {problem}: {remedy}"""

    # Unlike other errors of sources: the same call may succeed later, and goes on from what has come so far.
