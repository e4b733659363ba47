"""Files that hold texts which were taken down or refused: uploads and staged files go, others are only named.

A provenance names the import that gave a text first; later ones of the same source may have read it too. So all files
of a source that gave a removed text are taken to hold it, and those of what was made of that source.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from shutil import rmtree

from django.db.models import Q, QuerySet

from sources import writing
from sources.jobs import JobState
from sources.models import ImportChunk, ImportRun, InstructionState, Provenance, Source


def delete(source: Source | None) -> tuple[list[str], list[str]]:
    """Delete the files of every import that may have read what is taken down by now, and those of ``source``.

    Those of earlier take-downs too, which an import may have needed then, or whose deletion was cut off. Returns the
    files that are deleted, and sentences about those that are left.
    """
    deleted, left = [], []
    for file, reader in _files(source).items():
        if reader is not None:
            left.append(f"{file}: {reader} still reads it: cancel it, then take down again")
            continue
        try:
            rmtree(file) if file.is_dir() else file.unlink()
        except OSError as error:
            left.append(f"{file}: {error.strerror}: delete it by hand")
        else:
            deleted.append(str(file))
    return deleted, left


def foreign(sources: Collection[int]) -> list[str]:
    """Sentences about files of these sources that were imported from where they stood: they are not ours to delete."""
    runs = ImportRun.objects.filter(_of(Source.objects.filter(pk__in=sources)))
    origins = runs.order_by("origin").values_list("origin", flat=True).distinct()
    here = (origin for origin in origins if origin and "://" not in origin and Path(origin).exists())
    return [f"{origin}: may hold the texts too, and was imported from there: delete it by hand" for origin in here]


def _files(source: Source | None) -> dict[Path, ImportRun | None]:
    """Files of ours that may hold what was taken down or refused, each with an unfinished import that reads it."""
    gave = Provenance.objects.filter(instruction__state=InstructionState.REMOVED).order_by().values("source")
    sources = Source.objects.filter(Q(pk__in=gave) | Q(pk=source.pk if source else 0))
    refused = ImportChunk.objects.filter(rejected__gt=0, reasons__has_key=writing.TAKEN_DOWN).order_by().values("run")
    unfinished = ImportRun.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING])
    found: dict[Path, ImportRun | None] = {}
    for run in ImportRun.objects.filter(_of(sources) | Q(pk__in=refused)).order_by("pk"):
        reader = unfinished.filter(Q(pk=run.pk) | Q(upload=run.upload.name) & ~Q(upload="")).first()
        files = [Path(run.upload.path)] if run.upload else []
        found |= {file: reader for file in [*files, run.staging] if file.exists()}
    return found


def _of(sources: QuerySet[Source]) -> Q:
    return Q(source__in=sources) | Q(source__augments__in=sources)
