"""What the API tells of imports, and to whom."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.views import APIView

from annotate.models import Annotator
from sources import imports, ledger
from sources.jobs import JobState
from sources.models import ImportRun, Source
from tests.sources.worlds import FEW_BYTES, imported, jsonl

IMPORTS = "/api/v1/imports/"
HOSTILE = "<script>alert(1)</script>"
SENTENCE = "This is a long sentence about gardens and rivers."


@pytest.fixture
def source(db: None) -> Source:
    return Source.objects.create(name="invented", revision="2026-01", license="MIT")


@pytest.fixture
def bob(client: Client, db: None) -> Client:
    """A curator who may see imports, and nothing else."""
    client.force_login(person("bob", is_staff=True, may_see=True))
    return client


def person(name: str, *, may_see: bool = False, **account: bool) -> Annotator:
    made = Annotator.objects.create_user(name)
    Annotator.objects.filter(pk=made.pk).update(**account)
    if may_see:
        made.user_permissions.set([Permission.objects.get(codename="view_importrun")])
    return made


def told(client: Client, run: ImportRun) -> dict[str, Any]:
    """What the API tells of one import; the list tells the same."""
    answer = client.get(f"{IMPORTS}{run.pk}/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    one: dict[str, Any] = answer.json()
    listed = next(other for other in client.get(IMPORTS).json()["results"] if other["id"] == run.pk)
    moving = {"rows_per_second", "seconds_left"}
    assert {**one, **dict.fromkeys(moving)} == {**listed, **dict.fromkeys(moving)}
    return one


def counts(answer: dict[str, Any]) -> tuple[int, ...]:
    return tuple(answer[name] for name in ("read", "added", "known", "rejected"))


def test_it_tells_of_an_import_that_waits(bob: Client, source: Source, tmp_path: Path) -> None:
    run = imports.start(source, "oig", origin=jsonl(tmp_path / "a.jsonl", ["a"]))
    answer = told(bob, run)
    assert (answer["state"], answer["percent"], counts(answer), answer["reasons"]) == ("queued", 0, (0, 0, 0, 0), {})
    unknown = ("augments", "rows_per_second", "seconds_left", "started_at", "finished_at")
    assert [answer[name] for name in unknown] == [None] * len(unknown)


def test_it_tells_how_far_one_is_that_runs(bob: Client, source: Source, tmp_path: Path, settings: Any) -> None:
    settings.IMPORT_CHUNK_BYTES = FEW_BYTES
    run = imports.start(source, "oig", origin=jsonl(tmp_path / "a.jsonl", [f"text {n}" for n in range(40)]))
    imports.plan(run)
    imports.work_on_next(run)
    answer = told(bob, run)
    assert (answer["state"], answer["finished_at"], answer["error"]) == ("running", None, "")
    assert 0 < answer["percent"] < 100
    assert 0 < answer["read"] == answer["added"] < 40
    assert answer["rows_per_second"] > 0
    assert answer["seconds_left"] >= 0
    assert answer["created_at"] < answer["started_at"]


def test_it_tells_what_became_of_one_that_finished(bob: Client, source: Source, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ["a", HOSTILE, "a"])
    path.write_text(path.read_text() + '{"text": \n')
    answer = told(bob, imported(source, path))
    assert (answer["state"], answer["percent"], counts(answer)) == ("finished", 100, (4, 2, 1, 1))
    assert answer["reasons"] == {"broken JSON": 1}
    assert (answer["source"], answer["revision"], answer["format"]) == ("invented", "2026-01", "oig")
    assert (answer["rows_per_second"], answer["seconds_left"]) == (None, None)
    assert answer["created_at"] < answer["started_at"] < answer["finished_at"]
    assert counts(told(bob, imported(source, path))) == (4, 0, 3, 1)


def test_it_tells_why_one_failed_without_naming_where_uploads_lie(
    bob: Client, source: Source, tmp_path: Path, settings: Any
) -> None:
    (path := tmp_path / "mine.jsonl").write_text('{"text": "a"}\n')
    run = imports.start(source, "oig", origin=path)
    path.unlink()
    imports.work(run)
    answer = told(bob, run)
    assert (answer["state"], answer["finished_at"] is None) == ("failed", False)
    assert "mine.jsonl: there is no such file or folder" in answer["error"]
    run.upload.name = "imports/mine.jsonl"
    ImportRun.objects.filter(pk=run.pk).update(upload=run.upload.name, error=f"{run.upload.path}: is cut off")
    assert told(bob, run)["error"] == "mine.jsonl: is cut off"


def test_it_tells_of_augmentations_and_of_what_was_cancelled(bob: Client, source: Source, tmp_path: Path) -> None:
    imported(source, jsonl(tmp_path / "a.jsonl", [SENTENCE]))
    run = imports.augment(source, "typos", ledger.derived(source, "typos", ""))
    imports.cancel(run)
    answer = told(bob, run)
    assert (answer["state"], answer["format"], answer["augments"]) == ("cancelled", "typos", "invented")
    assert answer["source"] == "invented-typos"


def test_it_lists_the_newest_first_a_page_at_a_time_that_does_not_move(bob: Client, source: Source) -> None:
    for _ in range(60):
        ImportRun.objects.create(source=source, format="oig")
    newest = ImportRun.objects.latest("pk").pk
    first = bob.get(IMPORTS).json()
    assert [run["id"] for run in first["results"]] == list(range(newest, newest - 50, -1))
    assert first["previous"] is None
    ImportRun.objects.create(source=source, format="oig")
    second = bob.get(first["next"]).json()
    assert [run["id"] for run in second["results"]] == list(range(newest - 50, newest - 60, -1))
    assert second["next"] is None


def test_it_lists_many_in_as_many_queries_as_one(
    bob: Client, source: Source, tmp_path: Path, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        path = jsonl(tmp_path / f"{number}.jsonl", [f"text {number}"])
        path.write_text(path.read_text() + "broken\n")
        imported(source, path)
    bob.get(IMPORTS)
    with django_assert_num_queries(6):  # the account, two of its permissions; the runs, two of their chunks
        answer = bob.get(IMPORTS).json()
    assert [counts(run) for run in answer["results"]] == [(2, 1, 0, 1)] * 5


@pytest.mark.parametrize(
    ("account", "status"),
    [
        (None, 401),
        ({"is_staff": True, "may_see": True, "is_active": False}, 401),
        ({}, 403),
        ({"may_see": True}, 403),
        ({"is_staff": True}, 403),
        ({"is_staff": True, "may_see": True}, 200),
        ({"is_staff": True, "is_superuser": True}, 200),
    ],
    ids=["stranger", "left", "volunteer", "volunteer-may-see", "staff", "staff-may-see", "superuser"],
)
def test_it_answers_only_staff_who_may_see_imports(
    client: Client, source: Source, account: dict[str, bool] | None, status: int
) -> None:
    run = ImportRun.objects.create(source=source, format="oig")
    if account is not None:
        client.force_login(person("eve", **account))
    for address in (IMPORTS, f"{IMPORTS}{run.pk}/", f"{IMPORTS}{run.pk + 1}/"):
        answer = client.get(address, headers={"Accept": "text/html,*/*;q=0.8"})
        assert answer.status_code == (404 if status == 200 and address.endswith(f"{run.pk + 1}/") else status)
        assert answer["Content-Type"] == "application/json"
        assert ("detail" in answer.json()) == (answer.status_code != 200)
        assert "invented" not in answer.content.decode() or status == 200


@pytest.mark.parametrize("number", ["0", "9" * 40])
def test_an_odd_number_is_not_found(bob: Client, number: str) -> None:
    assert bob.get(f"{IMPORTS}{number}/").status_code == 404


def test_it_gives_json_only_and_changes_nothing(bob: Client, source: Source) -> None:
    run = ImportRun.objects.create(source=source, format="oig")
    for address in (IMPORTS, f"{IMPORTS}{run.pk}/"):
        assert bob.get(address, headers={"Accept": "text/html"}).status_code == 406
        assert bob.get(f"{address}?format=api")["Content-Type"] == "application/json"
        said = [getattr(bob, verb)(address).status_code for verb in ("post", "put", "patch", "delete", "options")]
        assert said == [405] * 5
    assert bob.get(f"{IMPORTS}?cursor=nonsense").status_code == 404
    assert ImportRun.objects.get().state == JobState.QUEUED


def test_a_view_that_names_no_permission_lets_nobody_in(rf: Any, db: None) -> None:
    class Forgotten(APIView):
        def get(self, request: Any) -> None:
            raise AssertionError("reached")

    request = rf.get("/")
    request.user = Annotator.objects.create_superuser("ada")
    assert Forgotten.as_view()(request).status_code == 403
