"""Every public file beside the repository comes in by upload, by task and by command, with the same counts."""

import io
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from annotate.models import Annotator
from sources import imports, ledger, tasks
from sources.importers import get
from sources.jobs import JobState
from sources.models import ImportRun
from tests.sources.real_files import RealFile, check, each_real_file

# The heartbeat of an import that takes long is another connection, which must see the job.
pytestmark = pytest.mark.django_db(transaction=True)


def finish(run: ImportRun) -> ImportRun:
    """What Celery's workers run, called here one after another."""
    tasks.plan_import.run(run.pk)
    while ImportRun.objects.get(pk=run.pk).state == JobState.RUNNING:
        tasks.import_chunk.run(run.pk)
    return run


@each_real_file
def test_it_comes_in_by_upload(client: Client, shared_data: Path, valkey: object, real: RealFile) -> None:
    client.force_login(Annotator.objects.create_superuser("ada"))
    path = shared_data / real.path
    with path.open("rb") as file:
        content = SimpleUploadedFile(path.name, file.read())
    sent = {"new_name": "real", "format": real.format, "upload": content}
    answer = client.post("/admin/sources/importrun/add/", sent)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    check(finish(ImportRun.objects.get()), real)


@each_real_file
def test_it_comes_in_by_task_of_many_chunks(
    shared_data: Path, valkey: object, settings: object, real: RealFile
) -> None:
    settings.IMPORT_CHUNK_BYTES = 100_000  # type: ignore[attr-defined]
    source = ledger.entry("real", importer=get(real.format))
    check(finish(imports.start(source, real.format, origin=shared_data / real.path)), real)


@each_real_file
def test_it_comes_in_by_command(shared_data: Path, real: RealFile) -> None:
    output = io.StringIO()
    most = ["--max-rejected", str(real.counts[3])]
    call_command("import_source", real.format, str(shared_data / real.path), "--name", "real", *most, stdout=output)
    check(ImportRun.objects.get(), real)
    read, added, known, rejected = real.counts
    counts = f"read {read:,} = added {added:,} + known {known:,} + rejected {rejected:,}"
    assert output.getvalue().splitlines()[-1].startswith(counts)
