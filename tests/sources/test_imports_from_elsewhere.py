"""Imports of https addresses and of a hub-shaped server, on loopback."""

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from sources import imports, jobs
from sources.errors import SourceError
from sources.jobs import JobState
from sources.models import ImportRun, Source
from sources.origins import downloads
from tests.sources.hub import COMMIT, File, Hub, Site, trust
from tests.sources.worlds import counts

pytestmark = pytest.mark.django_db


def lines(*texts: str) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


@pytest.fixture
def source() -> Source:
    return Source.objects.create(name="invented", license="CC0-1.0")


@pytest.fixture
def site(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(downloads, "PAUSES", (0, 0))
    with Site() as running:
        trust(settings, tmp_path, running)
        yield running


def test_it_imports_a_compressed_file_from_an_address(source: Source, site: Site) -> None:
    site.pages["/a.jsonl.gz"] = File(gzip.compress(lines("a", "b", "a")))
    run = imports.start(source, "oig", origin=site.address("/a.jsonl.gz"))
    imports.work(run)
    assert (run.state, run.error, counts(run)) == (JobState.FINISHED, "", (3, 2, 1, 0))
    assert run.fetched == [{"address": site.address("/a.jsonl.gz"), "revision": ""}]
    assert not run.staging.exists()


def test_it_imports_a_folder_of_the_hub_and_notes_the_commit(
    source: Source, site: Site, settings: Settings, tmp_path: Path
) -> None:
    files = {"data/part-1.jsonl": lines("a", "b"), "data/part-2.jsonl": lines("c" * 2000), "README.md": b"# A set"}
    with Hub(site, files) as hub:
        trust(settings, tmp_path, hub, site)
        settings.HF_ENDPOINT = hub.address("")
        run = imports.start(source, "oig", origin="hf://datasets/org/name@main/data/")
        imports.work(run)
    assert (run.error, counts(run)) == ("", (3, 3, 0, 0))
    assert {each["revision"] for each in run.fetched} == {COMMIT}
    assert [shard["name"] for shard in run.shards] == ["part-1.jsonl", "part-2.jsonl"]


def test_an_address_that_is_not_allowed_is_refused_at_once(source: Source, site: Site) -> None:
    with pytest.raises(SourceError, match="OIG_DOWNLOAD_HOSTS"):
        imports.start(source, "oig", origin="https://example.org/a.jsonl")
    assert not ImportRun.objects.exists()


def test_a_file_that_is_not_what_it_is_called_is_refused_after_its_download(source: Source, site: Site) -> None:
    site.pages["/a.jsonl"] = File(b"<!doctype html><title>Sign in</title>")
    run = imports.start(source, "oig", origin=site.address("/a.jsonl"))
    imports.work(run)
    assert run.state == JobState.FAILED
    assert "a.jsonl" in run.error


def test_what_may_pass_is_tried_again_when_the_lease_has_lapsed(source: Source, site: Site) -> None:
    site.pages["/a.jsonl"] = lambda answer: answer.say(503)
    run = imports.start(source, "oig", origin=site.address("/a.jsonl"))
    assert not imports.plan(run)
    run.refresh_from_db()
    assert (run.state, run.doing.partition(":")[0]) == (JobState.RUNNING, "waiting to try again")
    site.pages["/a.jsonl"] = File(lines("a"))
    assert not imports.plan(run)
    ImportRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert imports.plan(run)
    assert imports.work_on_next(run)
    assert counts(run) == (1, 1, 0, 0)


def test_what_does_not_pass_is_given_up(source: Source, site: Site) -> None:
    site.pages["/a.jsonl"] = lambda answer: answer.say(503)
    run = imports.start(source, "oig", origin=site.address("/a.jsonl"))
    for _ in range(jobs.FRUITLESS_ATTEMPTS + 1):
        imports.plan(run)
        ImportRun.objects.filter(state=JobState.RUNNING).update(lease_until=timezone.now() - timedelta(seconds=1))
    run.refresh_from_db()
    assert run.state == JobState.FAILED


def test_a_person_who_waits_is_told_at_once(source: Source, site: Site) -> None:
    site.pages["/a.jsonl"] = lambda answer: answer.say(503)
    run = imports.start(source, "oig", origin=site.address("/a.jsonl"))
    imports.work(run)
    assert run.state == JobState.FAILED
    assert "503" in run.error
