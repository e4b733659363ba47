"""What curators see of imports that wait, run and ended."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from sources import imports
from sources.admin import BoundedPaginator
from sources.jobs import JobState
from sources.models import ImportRun, Instruction, Source
from tests.processes import Web, Worker
from tests.sources.import_pages.forms import ADD, HOSTILE, form_of, upload
from tests.sources.worlds import FEW_BYTES, imported, jsonl


def test_it_shows_progress_reasons_and_offenders_and_stops_asking_when_done(
    admin: Client, source: Source, tmp_path: Path, settings: Any, valkey: Any
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": HOSTILE}) + '\n{"text": "b"}\n{"text": \n')
    run = imports.start(source, "oig", origin=path)
    page = admin.get(run.get_absolute_url()).content.decode()
    assert "Waiting for a worker" in page
    assert "No worker is running: jobs wait." in page
    assert f'hx-get="{run.get_absolute_url()}?seen=queued" hx-trigger="every 1s"' in page
    assert "/cancel/" in page
    part = admin.get(run.get_absolute_url() + "?seen=queued", headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith('<div id="progress"')
    assert "/cancel/" not in part  # a button that is replaced while it is pressed does nothing
    imports.work(run)
    part = admin.get(run.get_absolute_url() + "?seen=running", headers={"HX-Request": "true"}).content.decode()
    assert "Ended 20" in part
    assert 'hx-swap-oob="true"' in part
    assert "/again/" in part
    page = admin.get(run.get_absolute_url()).content.decode()
    assert "read 3 = added 2 + known 0 + rejected 1" in page
    assert "<td>line 3</td><td>broken JSON</td>" in page
    assert ImportRun.objects.get().shards[0]["sha256"] in page
    assert "<script>alert" not in page
    for gone in ("hx-get", "htmx", 'name="_save"', "/cancel/"):
        assert gone not in page


def test_it_cancels_resumes_and_imports_again(
    admin: Client, source: Source, tmp_path: Path, settings: Any, valkey: Any
) -> None:
    settings.IMPORT_CHUNK_BYTES = FEW_BYTES
    run = imports.start(source, "oig", origin=jsonl(tmp_path / "a.jsonl", [f"text {n}" for n in range(40)]))
    imports.plan(run)
    imports.work_on_next(run)

    def press(verb: str) -> str:
        page = admin.post(f"/admin/sources/importrun/{run.pk}/{verb}/", follow=True).content.decode()
        run.refresh_from_db()
        return page

    assert "is Running: only a failed or cancelled one is resumed" in press("resume")
    page = press("cancel")
    assert (run.state, run.report.chunks_finished) == (JobState.CANCELLED, 1)
    assert "Resume it to go on with what is left" in page
    assert "/resume/" in page
    assert "had ended already" in press("cancel")
    press("resume")
    assert run.state == JobState.RUNNING
    while imports.work_on_next(run):
        pass
    assert (run.state, run.report.read) == (JobState.FINISHED, 40)
    press("again")
    again = ImportRun.objects.latest("pk")
    assert (again.state, again.origin, again.pk != run.pk) == (JobState.QUEUED, run.origin, True)
    (tmp_path / "a.jsonl").unlink()
    assert "there is no such file or folder" in press("again")
    chosen = {"action": "import_again", "_selected_action": [run.pk]}
    assert (
        "there is no such file or folder"
        in admin.post("/admin/sources/importrun/", chosen, follow=True).content.decode()
    )


def test_it_says_what_to_do_about_a_failure_in_the_words_of_the_upload(
    admin: Client, source: Source, settings: Any
) -> None:
    admin.post(ADD, form_of(source, format="oig", options="", upload=upload(b'{"text": "a"}\n' * 3, "mine.jsonl")))
    run = ImportRun.objects.get()
    ImportRun.objects.update(state=JobState.FAILED, error=f"{run.upload.path}: is cut off", finished_at=timezone.now())
    page = admin.get(run.get_absolute_url()).content.decode()
    assert "mine.jsonl: is cut off" in page
    assert "What was written stays." in page
    assert str(settings.MEDIA_ROOT) not in page


def test_it_keeps_the_import_where_the_queue_does_not_answer(
    admin: Client, source: Source, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, settings: Any
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin.post(ADD, form_of(source))
    run = ImportRun.objects.get()
    assert (answer.status_code, run.state) == (302, JobState.QUEUED)
    assert "does not answer: jobs wait, and go on by themselves" in admin.get(run.get_absolute_url()).content.decode()


def test_it_lists_imports_with_their_counts_in_few_queries(
    admin: Client, source: Source, tmp_path: Path, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for n in range(12):
        imported(source, jsonl(tmp_path / f"{n}.jsonl", [f"text {m}" for m in range(n + 1)]))
    with django_assert_max_num_queries(10):
        page = admin.get("/admin/sources/importrun/?o=-6").content.decode()
    assert page.index('<td class="field-read">12</td>') < page.index('<td class="field-read">1</td>')
    assert '<td class="field-added">1</td>' in page
    assert admin.get("/admin/sources/importrun/?state__exact=finished&augments__isempty=1").status_code == 200
    assert "0 import runs" in admin.get("/admin/sources/importrun/?state__exact=failed").content.decode()
    for column in range(1, 12):
        assert admin.get(f"/admin/sources/importrun/?o={column}").status_code == 200


def test_it_counts_no_further_than_anybody_looks(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sources.admin.base.MOST_COUNTED", 3)
    Instruction.objects.bulk_create(Instruction(digest=bytes([n] * 16), turns=[]) for n in range(5))
    assert BoundedPaginator(Instruction.objects.all(), 2).count == 3


def test_it_shows_the_workers_when_they_were_asked(admin: Client, valkey: Any) -> None:
    page = admin.get("/admin/sources/importrun/workers/").content.decode()
    assert 'hx-trigger="load"' in page
    assert "No worker is running" not in page
    for page in (
        admin.get("/admin/sources/importrun/workers/?ask").content.decode(),
        admin.get("/admin/sources/importrun/workers/", headers={"HX-Request": "true"}).content.decode(),
        admin.get("/admin/sources/importrun/workers/?line", headers={"HX-Request": "true"}).content.decode(),
    ):
        assert "No worker is running: jobs wait. Start one with: celery -A config worker." in page
    assert "/admin/sources/importrun/workers/?line" in admin.get("/admin/").content.decode()


@pytest.mark.slow
def test_it_shows_an_import_advance_in_the_browser(
    page: Page, web: Web, worker: Worker, admin: Client, source: Source, shared_data: Path
) -> None:
    session = admin.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": web.url}])
    page.goto(ADD)
    page.locator("#id_source").select_option(label="invented")
    page.locator("#id_format").select_option("convabuse")
    expect(page.locator("#about")).to_contain_text("ConvAbuse")
    page.locator("#id_upload").set_input_files(shared_data / "convabuse" / "ConvAbuseEMNLPfull.csv")
    page.get_by_role("button", name="Start").click()
    status = page.locator("#progress")
    # The page is never loaded again: what changes comes by htmx.
    page.evaluate("window.loadedOnce = true")
    expect(status).to_contain_text("read 12,768 = added 4,185 + known 8,583 + rejected 0", timeout=60_000)
    expect(status).to_contain_text("repeats by the same annotator 357")
    expect(status).to_contain_text("Annotator7 voted again on this unit")
    expect(status).to_contain_text("Ended 20")
    expect(page.get_by_role("button", name="Import again")).to_be_visible()
    expect(status).not_to_have_attribute("hx-get", "")
    assert page.evaluate("window.loadedOnce")
