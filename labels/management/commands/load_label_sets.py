"""Load label sets from TOML files; without a path, those that the project ships."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, override

from django.core.management.base import BaseCommand, CommandError

from labels import loading, taxonomy
from labels.errors import LabelsError
from labels.models import Label


class Command(BaseCommand):
    help = "Load label sets from TOML files; without a path, those that the project ships. May be run twice."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="a label set's TOML file")

    @override
    def handle(self, *, paths: list[Path], **options: Any) -> None:
        try:
            loaded = loading.load_files(paths or taxonomy.shipped())
        except LabelsError as error:
            raise CommandError(str(error)) from error
        for label_set, created in loaded:
            kinds = [label.kind for label in label_set.labels.all()]
            self.stdout.write(
                f"{label_set}: {'created' if created else 'in place'}, {kinds.count(Label.Kind.OPTION)} options, "
                f"{kinds.count(Label.Kind.TAG)} tags{', frozen' if label_set.frozen_at else ''}"
            )
