"""Which of the publishable lines a release takes. Filters see what lines have in common: they cost nothing a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, get_args

from exports.errors import SnapshotRefused
from labels.aggregation import Status
from sources.models import Source
from sources.texts import printable, unstorable

if TYPE_CHECKING:
    from exports.groups import Group

# Every JSON reader takes integers up to here as they are (RFC 8259); they are written into the manifest.
LARGEST = 2**53 - 1


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
    without_disputed: bool = False  # held back until somebody has decided

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
        """Raise SnapshotRefused for what no line can have, and for what no database and no file can hold."""
        if unknown := sorted(set(self.statuses) - set(get_args(Status))):
            raise SnapshotRefused(f"There is no agreement {unknown[0]!r}; there are: {', '.join(get_args(Status))}")
        for name in (*self.sources, *self.licenses, *self.languages):
            if problem := unstorable(name):
                raise SnapshotRefused(f"{printable(name)!r} has a {problem}: write it without")
        if not 1 <= self.min_votes <= LARGEST:
            raise SnapshotRefused(f"{self.min_votes} is no number of votes that a line can have: give 1 or more")
        if self.sources or self.licenses:
            self._check_ledger()

    def _check_ledger(self) -> None:
        """Of several sources one that is misspelt would not be missed in the release."""
        given = list(Source.objects.values_list("name", "revision", "license"))
        names = {name for name, _, _ in given} | {f"{name}@{revision}" for name, revision, _ in given}
        if unknown := sorted(set(self.sources) - names):
            raise SnapshotRefused(f"There is no source {unknown[0]!r}: give the name of one, or NAME@REVISION")
        if unknown := sorted(set(self.licenses) - {license_ for _, _, license_ in given}):
            raise SnapshotRefused(f"No source is under the licence {unknown[0]!r}: write it as the ledger does")

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
        yield "without_disputed", not (self.without_disputed and group.aggregate.status == "disputed")


EVERYTHING = Filters()
