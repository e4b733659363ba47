"""Load label sets from TOML files; without a path, those that the project ships."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labels import loading, taxonomy
from labels.errors import LabelsError


class Command(BaseCommand):
    help = "Load label sets from TOML files; without a path, those that the project ships. May be run twice."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="a label set's TOML file")

    def handle(self, *, paths: list[Path], **options: Any) -> None:
        try:
            # All are read before the first is loaded: a mistake in the last file changes nothing.
            specs = [taxonomy.read(path) for path in paths or loading.shipped()]
            loaded = [loading.load(spec) for spec in specs]
        except LabelsError as error:
            raise CommandError(str(error)) from error
        for spec, (label_set, created) in zip(specs, loaded, strict=True):
            state = "created" if created else "frozen" if label_set.frozen_at else "up to date"
            counts = f"{len(spec.options)} options, {len(spec.tags)} tags"
            self.stdout.write(f"{label_set}: {state}, {counts}")
