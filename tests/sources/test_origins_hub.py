"""Datasets of a hub-shaped server on loopback, asked through huggingface_hub."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from pytest_django import Settings

from sources import origins
from sources.origins import OriginRefused, TemporaryFailure, downloads
from sources.origins import hub as asking
from tests.sources.hub import COMMIT, Answer, File, Hub, Site, trust

LARGE = os.urandom(5_000)
FILES = {
    "README.md": b"# A set",
    "train.jsonl": b'{"text": "a"}\n',
    "data/a-0.parquet": LARGE,
    "data/a-1.parquet": b"PAR1 small",
    "data/b-0.parquet": b"PAR1 other",
    "data/deep/a-2.parquet": b"PAR1 deep",
    "data/notes.txt": b"words",
    "test/a-0.parquet": b"PAR1 test",
}


@pytest.fixture
def cdn() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture
def hub(cdn: Site, settings: Settings, tmp_path: Path) -> Iterator[Hub]:
    with Hub(cdn, dict(FILES)) as running:
        trust(settings, tmp_path, running, cdn)
        settings.HF_ENDPOINT = running.address("")
        yield running


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (downloads, asking):
        monkeypatch.setattr(module, "PAUSES", (0, 0))


def fetch(origin: str, folder: Path) -> dict[str, bytes]:
    found = origins.fetch(f"hf://datasets/org/name@{origin}", folder / "staging", lambda: None)
    assert {each.revision for each in found} == {COMMIT}
    assert all(each.sha256 == hashlib.sha256(each.path.read_bytes()).hexdigest() for each in found)
    return {each.name: each.path.read_bytes() for each in found}


def refusal(origin: str, folder: Path) -> str:
    with pytest.raises(OriginRefused) as caught:
        fetch(origin, folder)
    assert not isinstance(caught.value, TemporaryFailure)
    return str(caught.value)


@pytest.mark.parametrize("revision", ["main", COMMIT])
@pytest.mark.parametrize("name", ["train.jsonl", "data/a-0.parquet", "README.md"])
def test_it_fetches_a_file_of_a_revision_and_says_which_commit_that_is(
    revision: str, name: str, hub: Hub, tmp_path: Path
) -> None:
    assert fetch(f"{revision}/{name}", tmp_path) == {name: FILES[name]}
    assert f"/resolve/{COMMIT}/{name}" in hub.asked[-1].path


def test_a_large_file_comes_from_the_other_host_and_goes_on_there(hub: Hub, cdn: Site, tmp_path: Path) -> None:
    [path] = [path for path in cdn.pages if path.endswith(hashlib.sha256(LARGE).hexdigest())]
    cdn.pages[path] = File(LARGE, cuts=[2_000])
    assert fetch("main/data/a-0.parquet", tmp_path) == {"data/a-0.parquet": LARGE}
    assert cdn.ranges() == [None, "bytes=2000-"]


@pytest.mark.parametrize(
    ("inside", "names"),
    [
        ("", ["train.jsonl"]),
        ("data/", ["data/a-0.parquet", "data/a-1.parquet", "data/b-0.parquet"]),
        ("data/a-*.parquet", ["data/a-0.parquet", "data/a-1.parquet"]),
        ("*/a-0.parquet", ["data/a-0.parquet", "test/a-0.parquet"]),
        ("data/*/*", ["data/deep/a-2.parquet"]),
        ("*", ["README.md", "train.jsonl"]),
    ],
)
def test_it_fetches_folders_and_patterns(inside: str, names: list[str], hub: Hub, tmp_path: Path) -> None:
    assert fetch(f"main/{inside}", tmp_path) == {name: FILES[name] for name in names}


def test_it_reports_the_bytes_of_all_files(hub: Hub, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    origins.fetch("hf://datasets/org/name@main/data/", tmp_path, lambda: None, lambda *now: told.append(now))
    assert told[-1] == (5_020, 5_020)


def test_a_second_call_downloads_nothing(hub: Hub, cdn: Site, tmp_path: Path) -> None:
    first = fetch("main/data/", tmp_path)
    hub.asked.clear()
    assert fetch("main/data/", tmp_path) == first
    assert not [each for each in hub.asked if "/resolve/" in each.path]
    assert len(cdn.asked) == 1


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("v9/train.jsonl", "there is no revision v9"),
        ("main/absent.jsonl", "there is no such file"),
        ("main/absent/", "there is no absent/"),
        ("main/*.csv", "there are no data files"),
    ],
)
def test_it_says_what_is_not_there(origin: str, words: str, hub: Hub, tmp_path: Path) -> None:
    assert words in refusal(origin, tmp_path)


def test_it_says_that_a_dataset_is_not_there(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(OriginRefused, match="there is no such dataset, or it is private"):
        origins.fetch("hf://datasets/org/other@main/a.jsonl", tmp_path, lambda: None)


def test_it_says_how_to_get_at_a_gated_dataset(hub: Hub, tmp_path: Path) -> None:
    hub.gate = True
    assert "is gated: accept its conditions on the hub and set OIG_HF_TOKEN" in refusal("main/train.jsonl", tmp_path)


def test_a_file_that_is_not_what_the_hub_says_is_refused(hub: Hub, cdn: Site, tmp_path: Path) -> None:
    for path in cdn.pages:
        cdn.pages[path] = File(os.urandom(len(LARGE)))
    assert "differs in size or sha256" in refusal("main/data/a-0.parquet", tmp_path)


def test_a_file_of_another_size_than_the_hub_says_is_refused(hub: Hub, cdn: Site, tmp_path: Path) -> None:
    for path in cdn.pages:
        cdn.pages[path] = File(LARGE + b"more")
    assert "the server sends 5,004 bytes and the hub says 5,000" in refusal("main/data/a-0.parquet", tmp_path)


def test_all_files_together_stay_within_the_limit(hub: Hub, tmp_path: Path, settings: Settings) -> None:
    settings.DOWNLOAD_MAX_BYTES = 5_019
    assert "has more than 5,019 bytes" in refusal("main/data/", tmp_path)
    assert not [each for each in hub.asked if "/resolve/" in each.path]


def test_a_name_that_leads_out_of_the_dataset_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.files["data/../../../secret.parquet"] = b"x"
    assert "the hub lists a file named" in refusal("main/data/*/*/*/*", tmp_path)


def test_it_tries_again_when_the_hub_is_ill(hub: Hub, tmp_path: Path) -> None:
    ill, well = [503], hub.otherwise
    hub.otherwise = lambda answer: answer.say(ill.pop()) if ill else well(answer)
    assert fetch("main/train.jsonl", tmp_path) == {"train.jsonl": FILES["train.jsonl"]}


def test_a_hub_that_stays_ill_is_a_passing_failure(hub: Hub, tmp_path: Path) -> None:
    hub.otherwise = lambda answer: answer.say(429, {"Retry-After": "3600"})
    with pytest.raises(TemporaryFailure, match="429"):
        fetch("main/train.jsonl", tmp_path)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", json.dumps({"id": "org/name"}).encode()])
def test_an_answer_of_no_hub_is_refused(body: bytes, hub: Hub, tmp_path: Path) -> None:
    hub.otherwise = lambda answer: answer.say(200, {}, body)
    assert "OIG_HF_ENDPOINT" in refusal("main/train.jsonl", tmp_path)


def test_an_endless_list_is_refused(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "WHOLE_BYTES", 20_000)
    hub.otherwise = lambda answer: answer.say(200, {}, b" " * 100_000)
    assert "longer than any list of files" in refusal("main/train.jsonl", tmp_path)


def test_a_list_of_endless_pages_is_refused(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "WHOLE_BYTES", 100_000)
    well = hub.otherwise

    def endless(answer: Answer) -> None:
        if "/tree/" in answer.path:
            answer.say_json([], {"Link": f'<{hub.address(answer.path)}>; rel="next"'})
        else:
            well(answer)

    hub.otherwise = endless
    assert "longer than any list of files" in refusal("main/*.jsonl", tmp_path)


def test_the_hub_itself_has_to_be_allowed(hub: Hub, cdn: Site, tmp_path: Path, settings: Settings) -> None:
    settings.DOWNLOAD_EXCEPTIONS = [cdn.host]
    assert "host 127.0.0.1 is not allowed" in refusal("main/train.jsonl", tmp_path)
    assert hub.asked == []


def test_the_host_of_large_files_has_to_be_allowed(hub: Hub, cdn: Site, tmp_path: Path, settings: Settings) -> None:
    settings.DOWNLOAD_EXCEPTIONS = [hub.host]
    message = refusal("main/data/a-0.parquet", tmp_path)
    assert "host 127.0.0.1 is not allowed" in message
    assert "secret" not in message
    assert cdn.asked == []


def test_no_token_of_the_environment_is_sent(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    fetch("main/train.jsonl", tmp_path)
    assert {each.headers["Authorization"] for each in hub.asked} == {None}


def test_huggingface_hub_gets_back_the_client_it_had(hub: Hub, tmp_path: Path) -> None:
    import httpx2

    mine = httpx2.Client()
    huggingface_hub.set_client_factory(lambda: mine)
    try:
        fetch("main/train.jsonl", tmp_path)
        assert huggingface_hub.get_session() is mine
    finally:
        huggingface_hub.set_client_factory(huggingface_hub.utils._http.default_client_factory)
