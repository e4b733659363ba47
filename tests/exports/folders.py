"""What a snapshot wrote, read again."""

from __future__ import annotations

import json
from pathlib import Path

from django.conf import settings

from exports import release_files
from exports.models import Snapshot


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def votes_of(text: str, snapshot: Snapshot) -> dict[str, int]:
    lines = [json.loads(line) for line in (snapshot.path / file_of(snapshot)).read_text().split("\n") if line]
    votes: dict[str, int] = next(line["metadata"]["votes"] for line in lines if text in line["text"])
    return votes


def file_of(snapshot: Snapshot) -> str:
    return release_files.file_names(snapshot.version)["records"]


def left_behind() -> list[str]:
    """What stands in the snapshot folder besides published versions."""
    root = Path(settings.SNAPSHOT_ROOT)
    return sorted(path.name for path in root.iterdir() if path.name.startswith(".")) if root.exists() else []
