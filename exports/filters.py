"""Which of the publishable lines a release takes. Filters see what lines have in common: they cost nothing a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, get_args

from exports.errors import SnapshotRefused
from labels.aggregation import Status

if TYPE_CHECKING:
    from exports.groups import Group


@dataclass(frozen=True)
class Filters:
    """What is asked for; nothing where a tuple is empty. Sources are ``name`` or ``name@revision``."""

    sources: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    min_votes: int = 1
    without_augmented: bool = False
    without_personal: bool = False

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Filters:
        asked: dict[str, Any] = {**stored}
        for name, value in asked.items():
            asked[name] = tuple(value) if isinstance(value, list) else value
        return cls(**asked)

    def stored(self) -> dict[str, Any]:
        """Only what is asked for."""
        asked = {field.name: value for field in fields(self) if (value := asdict(self)[field.name]) != field.default}
        return {name: sorted(value) if isinstance(value, tuple) else value for name, value in asked.items()}

    def check(self) -> None:
        """Raise SnapshotRefused for a status that no line can have."""
        unknown = sorted(set(self.statuses) - set(get_args(Status)))
        if unknown:
            raise SnapshotRefused(f"There is no agreement {unknown[0]!r}; there are: {', '.join(get_args(Status))}")

    def left_out_by(self, group: Group) -> str:
        """The first filter, in the order of the fields, that leaves out the lines of a group; empty if none does."""
        if self == EVERYTHING:
            return ""
        return next((name for name, fits in self._answers(group) if not fits), "")

    def _answers(self, group: Group) -> Iterator[tuple[str, bool]]:
        named = {group.source, group.source.partition("@")[0]}
        yield "sources", not self.sources or not named.isdisjoint(self.sources)
        yield "licenses", not self.licenses or group.license in self.licenses
        yield "languages", not self.languages or group.language in self.languages
        yield "statuses", not self.statuses or group.aggregate.status in self.statuses
        yield "min_votes", group.aggregate.n_votes >= self.min_votes
        yield "without_augmented", not (self.without_augmented and group.is_augmented)
        yield "without_personal", not (self.without_personal and group.has_personal)


EVERYTHING = Filters()
