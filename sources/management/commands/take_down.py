"""Remove texts for good, or refuse them; counts only, unless it is told to do it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sources import criteria, removals, texts
from sources.criteria import Criterion
from sources.errors import SourceError
from sources.removals import Effect, Removal


class Command(BaseCommand):
    help = "Remove texts and what was made of them, leaving their digests; or refuse texts. Only counts without --yes."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--id", nargs="+", metavar="ID", help="Public ids of instructions.")
        which.add_argument("--source", metavar="NAME[@REVISION]", help="What only this source gave.")
        which.add_argument("--digests", type=Path, metavar="FILE", help="What a list names; refused from then on.")
        which.add_argument("--pattern", metavar="REGEX", help="Texts of which a turn matches, in any case.")
        which.add_argument("--refuse", type=Path, metavar="FILE", help="Only let in nothing that a list names.")
        parser.add_argument("--reason", required=True, help="Why; kept for ever. Never quote a text.")
        parser.add_argument("--yes", action="store_true", help="Do it.")

    def handle(self, *, reason: str, yes: bool, refuse: Path | None, **options: Any) -> None:
        if not reason.strip():
            raise CommandError("--reason is empty: say why the texts go")
        try:
            if refuse is not None:
                self._refuse(refuse, reason, yes)
            else:
                self._take_down(_criterion(options), reason, yes)
        except SourceError as error:
            raise CommandError(str(error)) from None

    def _refuse(self, path: Path, reason: str, yes: bool) -> None:
        lines = _lines(path)
        if yes:
            _, new = removals.refuse(str(path), lines, reason)
            self.stdout.write(f"refused from now on: {new:,} digests that were not before")
            return
        digests = criteria.read_digests(str(path), lines)
        self.stdout.write(f"would refuse {len(digests):,} digests\nNothing was changed: --yes does it.")

    def _take_down(self, criterion: Criterion, reason: str, yes: bool) -> None:
        if not yes:
            self._tell("would take down", removals.preview(criterion))
            self.stdout.write("Nothing was changed: --yes does it.")
            return
        removal = removals.take_down(criterion, reason)
        self._tell("took down", removal.effect)
        self._tell_files(removal)
        self.stdout.write(
            f"Recorded as take-down {removal.take_down.pk}." if removal.take_down else "There was nothing to take down."
        )

    def _tell(self, what: str, effect: Effect) -> None:
        made = f", {effect.augmented:,} of them made of the others" if effect.augmented else ""
        self.stdout.write(f"{what} {effect.texts:,} texts{made}")
        for words, count in {"kept because another source gives them": effect.kept, **effect.concerned}.items():
            if count:
                self.stdout.write(f"{words}: {count:,}")

    def _tell_files(self, removal: Removal) -> None:
        for file in removal.deleted:
            self.stdout.write(f"deleted {file}")
        for sentence in removal.left:
            self.stderr.write(sentence)


def _criterion(options: dict[str, Any]) -> Criterion:
    if options["digests"] is not None:
        return criteria.by_digests(str(options["digests"]), _lines(options["digests"]))
    choices: dict[str, Callable[[Any], Criterion]] = {
        "id": criteria.by_ids,
        "source": criteria.by_source,
        "pattern": criteria.by_pattern,
    }
    return next(choose(options[name]) for name, choose in choices.items() if options[name] is not None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problem = texts.printable(getattr(error, "strerror", None) or "is not UTF-8")
        raise CommandError(f"{path}: {problem}: name a text file with one digest a line") from None
