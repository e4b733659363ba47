from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from annotate.models import Annotator
from sources import imports
from sources.admin import MOST_COUNTED, BoundedPaginator
from sources.jobs import JobState
from sources.models import ImportRun, Instruction, Source
from tests.processes import Web, Worker

HOSTILE = "<script>alert(1)</script>{{ 7|add:7 }}"
ADD = "/admin/sources/importrun/add/"


@pytest.fixture
def source(db: None) -> Source:
    return Source.objects.create(name="invented", license="MIT")


@pytest.fixture
def ada(db: None) -> Annotator:
    return Annotator.objects.create_superuser("ada", password="ada's password")


@pytest.fixture
def admin(client: Client, ada: Annotator) -> Client:
    client.force_login(ada)
    return client


def imported(source: Source, path: Path, *texts: str) -> ImportRun:
    path.write_text("text\n" + "".join('"{}"\n'.format(text.replace('"', '""')) for text in texts))
    run = imports.start(source, "csv", path=path, options={"text": "text"})
    imports.work(run)
    return run


def upload(content: bytes = b"prompt\nHello\n") -> SimpleUploadedFile:
    return SimpleUploadedFile("../a.csv", content)


def test_it_counts_instructions_and_imports_without_a_query_for_each_source(
    admin: Client, source: Source, tmp_path: Path, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    imported(source, tmp_path / "a.csv", "one", "two")
    for n in range(20):
        Source.objects.create(name=f"source-{n}")
    with django_assert_max_num_queries(8):
        page = admin.get("/admin/sources/source/?q=invented").content.decode()
    assert '<td class="field-instructions">2</td>' in page
    assert '<td class="field-imports">1</td>' in page
    assert admin.get("/admin/sources/source/?license=MIT&o=6").status_code == 200


def test_it_starts_an_import_of_an_uploaded_file(
    admin: Client,
    source: Source,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    valkey: Any,
) -> None:
    form = {"source": source.pk, "format": "csv", "upload": upload(), "options": "text=prompt\n\nlanguage=en\n"}
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        answer = admin.post(ADD, form)
    run = ImportRun.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, run.get_absolute_url())
    assert (run.options, run.started_by) == ({"text": "prompt", "language": "en"}, Annotator.objects.get())
    assert len(callbacks) == 1
    assert valkey.llen("celery") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"options": "text=nonsense"}, "column &#x27;nonsense&#x27; is missing: name one of &#x27;prompt&#x27;"),
        ({"options": "prompt"}, "Line 1, &#x27;prompt&#x27;: write NAME=VALUE, such as text=prompt"),
        ({"options": '{"text": '}, "Line 1, column 9 is not JSON"),
        ({"options": '{"text": 7}'}, "text is no text: write it in quotes"),
        ({"options": '{"a":' * 5_000}, "The JSON is nested too deep"),
        ({"options": '{"text": ' + "[" * 100_000}, "The JSON is nested too deep"),
        ({"options": '{"text": "a\\u0000"}'}, "text has a NUL character: remove it"),
        ({"options": '{"\\ud800": "a"}'}, "has a lone surrogate: remove it"),
        ({"options": '{"text": ' + "9" * 5_000 + "}"}, "has a number without end"),
        ({"options": "txt=prompt"}, "did you mean text?"),
        ({"upload": ""}, "Upload a file or name one, not both."),
        ({"path": "/etc/hostname"}, "Upload a file or name one, not both."),
        ({"upload": "", "path": "/nowhere"}, "there is no such file"),
        ({"format": "nonsense"}, "Select a valid choice"),
    ],
)
def test_it_says_in_the_form_why_an_import_cannot_begin(
    admin: Client, source: Source, change: dict[str, Any], message: str
) -> None:
    form = {"source": source.pk, "format": "csv", "upload": upload(), "options": '{"text": "prompt"}', **change}
    page = admin.post(ADD, form)
    assert page.status_code == 200
    assert message in page.content.decode()
    assert not ImportRun.objects.exists()


def test_it_refuses_an_upload_over_the_limit(admin: Client, source: Source, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 5
    page = admin.post(ADD, {"source": source.pk, "format": "csv", "upload": upload(), "options": "text=prompt"})
    assert "The file has 13 bytes, more than 5: use import_source" in page.content.decode()


def test_it_lets_only_superusers_name_a_path_and_nobody_else_in(client: Client, source: Source) -> None:
    staff = Annotator.objects.create_user("bob", is_staff=True)
    client.force_login(staff)
    for path in (ADD, "/admin/sources/importrun/", "/admin/sources/instruction/", "/admin/sources/source/"):
        assert client.get(path).status_code == 403
    from django.contrib.auth.models import Permission

    staff.user_permissions.add(Permission.objects.get(codename="add_importrun"))
    page = client.get(ADD).content.decode()
    assert 'name="upload"' in page
    assert 'name="path"' not in page
    answer = client.post(ADD, {"source": source.pk, "format": "csv", "path": "/etc/hostname", "options": "text=a"})
    assert "Upload a file or name one" in answer.content.decode()


def test_it_shows_progress_reasons_and_offenders_and_stops_asking_when_done(
    admin: Client, source: Source, tmp_path: Path
) -> None:
    run = imports.start(source, "csv", path=_csv(tmp_path, f'a\n{HOSTILE}\n"open\n'), options={"text": "text"})
    page = admin.get(run.get_absolute_url()).content.decode()
    assert "Queued" in page
    assert f'hx-get="{run.get_absolute_url()}" hx-trigger="every 1s"' in page
    part = admin.get(run.get_absolute_url(), headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith('<div id="progress"')
    imports.work(run)
    page = admin.get(run.get_absolute_url()).content.decode()
    assert "read 3 = added 2 + known 0 + rejected 1" in page
    assert "broken CSV" in page
    assert "hx-get" not in page
    assert "htmx" not in page
    assert 'name="_save"' not in page


def _csv(folder: Path, rows: str) -> Path:
    path = folder / "a.csv"
    path.write_text("text\n" + rows)
    return path


def test_it_imports_again(
    admin: Client, source: Source, tmp_path: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    run = imported(source, tmp_path / "a.csv", "one")
    chosen = {"action": "import_again", "_selected_action": [run.pk]}
    with django_capture_on_commit_callbacks() as callbacks:
        admin.post("/admin/sources/importrun/", chosen)
    again = ImportRun.objects.latest("pk")
    assert (len(callbacks), again.state, again.path, again.options) == (1, JobState.QUEUED, run.path, run.options)
    (tmp_path / "a.csv").unlink()
    page = admin.post("/admin/sources/importrun/", chosen, follow=True).content.decode()
    assert "there is no such file" in page
    assert ImportRun.objects.count() == 2


def test_it_shows_instructions_escaped_folded_and_read_only(admin: Client, source: Source, tmp_path: Path) -> None:
    imported(source, tmp_path / "a.csv", HOSTILE, "long " * 1000)
    found = admin.get("/admin/sources/instruction/?q=ALERT").content.decode()
    assert "1 instruction" in found
    assert "<script>alert" not in found
    hostile = Instruction.objects.get(turns__icontains="alert")
    long = Instruction.objects.exclude(pk=hostile.pk).get()
    url = reverse("admin:sources_instruction_change", args=[hostile.pk])
    page = admin.get(url).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7|add:7 }}" in page
    assert "<script>alert" not in page
    assert "invented, line 2" in page
    assert 'name="_save"' not in page
    assert admin.post(url, {"language": "de"}).status_code == 403
    assert "<details>" in admin.get(reverse("admin:sources_instruction_change", args=[long.pk])).content.decode()


def test_it_lists_instructions_by_source_and_language(
    admin: Client, source: Source, tmp_path: Path, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    imported(source, tmp_path / "a.csv", *[f"text {n}" for n in range(120)])
    with django_assert_max_num_queries(9):
        page = admin.get(f"/admin/sources/instruction/?provenances__source__id__exact={source.pk}&p=3").content.decode()
    assert "120 instructions" in page
    assert "0 instructions" in admin.get("/admin/sources/instruction/?language=de").content.decode()


def test_it_counts_no_further_than_anybody_looks(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sources.admin.MOST_COUNTED", 3)
    Instruction.objects.bulk_create(Instruction(digest=bytes([n] * 16), turns=[]) for n in range(5))
    assert BoundedPaginator(Instruction.objects.all(), 2).count == 3 < MOST_COUNTED


@pytest.mark.slow
def test_it_shows_an_import_advance_in_the_browser(
    page: Page, web: Web, worker: Worker, admin: Client, source: Source, shared_data: Path
) -> None:
    session = admin.cookies["sessionid"].value
    web.reload()
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": web.url}])
    page.goto(ADD)
    page.get_by_label("Source").select_option(label="invented")
    page.get_by_label("Format").select_option("convabuse")
    page.get_by_label("Upload").set_input_files(shared_data / "convabuse" / "ConvAbuseEMNLPfull.csv")
    page.get_by_role("button", name="Save").click()
    status = page.locator("#progress")
    # The page is never loaded again: what changes comes by htmx.
    page.evaluate("window.loadedOnce = true")
    expect(status).to_contain_text("read 12,768 = added 4,185 + known 8,583 + rejected 0", timeout=60_000)
    expect(status).to_contain_text("repeats by the same annotator 357")
    expect(status).to_contain_text("line 72: Annotator7 voted again on this unit")
    expect(status).not_to_have_attribute("hx-get", "")
    assert page.evaluate("window.loadedOnce")
