from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from huggingface_hub.utils.tqdm import disable_progress_bars

from exports import pushing
from exports.folder import Folder
from exports.hub import Hub
from exports.management import failing
from exports.models import Snapshot
from exports.pushing import Place


class Command(BaseCommand):
    help = "Put a published snapshot on the Hugging Face hub or into a folder, and compare every checksum there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("snapshot", help="of a published snapshot, such as 0.3")
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--hub", metavar="ORG/NAME", help="a dataset of the hub, which is made if it is not there")
        where.add_argument("--folder", type=Path, metavar="DIR", help="a folder, in which it becomes v<version>")
        parser.add_argument("--public", action="store_true", help="make a new dataset one that everybody sees")

    def handle(self, *, snapshot: str, hub: str | None, folder: Path | None, public: bool, **_: Any) -> None:
        # Its bars would fill the log of a job.
        if not sys.stderr.isatty():
            disable_progress_bars()
        with failing.in_one_line():
            found = _found(snapshot)
            place = _place(found, hub, folder, is_public=public)
            pushed = pushing.push(found, place)
        for name, digest in pushed.digests.items():
            self.stdout.write(f"{digest}  {name}")
        if pushed.was_sealed:
            said = "was there before, every byte the same; nothing was changed"
        else:
            said = f"{len(pushed.sent)} of {len(pushed.digests)} files sent, the checksums of all compared there"
        self.stdout.write(f"{place.address()}: {said}")


def _found(version: str) -> Snapshot:
    found: Snapshot | None = Snapshot.objects.filter(version=version).first()
    if found is None:
        published = ", ".join(Snapshot.objects.recommended().values_list("version", flat=True)) or "none yet"
        raise CommandError(f"There is no version {version}; published are: {published}")
    return found


def _place(snapshot: Snapshot, hub: str | None, folder: Path | None, *, is_public: bool) -> Place:
    if folder is not None:
        if is_public:
            raise CommandError("--public is for a dataset of the hub: leave it out")
        return Folder(folder, snapshot.version)
    return Hub(hub or "", snapshot.version, is_public=is_public)
