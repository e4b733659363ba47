"""What tests of imports share: files, imports of them, and all that they wrote."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.db import connection

from sources import imports
from sources.models import DuplicateSearch, ImportRun, Instruction, NearDuplicate, Provenance, Source

# So small that a file of a few lines has several chunks.
FEW_BYTES = 300


def jsonl(path: Path, texts: Sequence[str]) -> Path:
    """A file in OIG's form, a line for each text."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def imported(source: Source, origin: Path, name: str = "oig", **options: str) -> ImportRun:
    """An import that was done here and now, however it ended."""
    run = imports.start(source, name, origin=origin, options=options)
    imports.work(run)
    return ImportRun.objects.get(pk=run.pk)


def counts(run: ImportRun) -> tuple[int, int, int, int]:
    """Read, added, known, rejected."""
    report = ImportRun.objects.get(pk=run.pk).report
    return report.read, report.added, report.known, report.rejected


def rows() -> list[tuple[Any, ...]]:
    """All that imports wrote, without the numbers and times that differ between two equal imports."""
    found = Provenance.objects.order_by("source__name", "instruction__digest")
    wanted = ("instruction__turns", "row", "position", "source_labels", "suggested")
    chosen = found.values_list("source__name", "instruction__digest", *wanted)
    return [(name, bytes(digest), *rest) for name, digest, *rest in chosen]


def forget_all() -> None:
    """Empty the tables of imports, which the database lets nobody do row by row."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE sources_instruction, sources_provenance, sources_importrun, sources_screening CASCADE")


def near(kept: Instruction, *others: Instruction, state: str = "finished") -> DuplicateSearch:
    """A search that found ``others`` nearly the same as ``kept``."""
    counted = {"clusters": 1, "duplicates": len(others), "total": 10, "read": 10}
    search = DuplicateSearch.objects.create(state=state, finished_at="2026-01-01T00:00Z", **counted)
    NearDuplicate.objects.bulk_create(
        NearDuplicate(search=search, representative=kept, instruction=other, similarity=0.9) for other in others
    )
    return search
