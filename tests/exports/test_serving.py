"""Files of a release over HTTP: whole, a range, and what goes on after a cut."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import tracemalloc
from pathlib import Path
from typing import cast

import pytest
from django.http import FileResponse
from django.test import Client, RequestFactory

from annotate.models import Campaign
from exports import serving
from exports.models import Snapshot
from tests.exports import worlds

BODY = random.Random(3).randbytes(1_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
ETAG = f'"{SHA256}"'


def asked(path: Path, method: str = "get", **headers: str) -> tuple[int, bytes, FileResponse]:
    request = getattr(
        RequestFactory(headers={name.replace("_", "-"): value for name, value in headers.items()}), method
    )
    answer = cast("FileResponse", serving.serve(request("/"), path, "a.jsonl", SHA256))
    body = b"".join(cast("list[bytes]", answer)) if answer.streaming else answer.content
    answer.close()
    return answer.status_code, body, answer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_bytes(BODY)
    return path


@pytest.mark.parametrize(
    ("range_", "first", "last"),
    [
        ("bytes=0-", 0, 999),
        ("bytes=0-0", 0, 0),
        ("bytes=400-499", 400, 499),
        ("bytes=999-", 999, 999),
        ("bytes=990-5000", 990, 999),
        ("bytes=-1", 999, 999),
        ("bytes=-5000", 0, 999),
    ],
)
def test_it_gives_a_range(file: Path, range_: str, first: int, last: int) -> None:
    status, body, answer = asked(file, range=range_)
    assert (status, body) == (206, BODY[first : last + 1])
    assert answer["Content-Range"] == f"bytes {first}-{last}/1000"
    assert answer["Content-Length"] == str(last - first + 1)
    assert (answer["ETag"], answer["Accept-Ranges"]) == (ETAG, "bytes")


@pytest.mark.parametrize("range_", ["bytes=1000-", "bytes=5000-6000", "bytes=-0", "bytes=999999999999999999-"])
def test_it_refuses_a_range_past_the_end_and_says_where_that_is(file: Path, range_: str) -> None:
    status, body, answer = asked(file, range=range_)
    assert (status, body, answer["Content-Range"]) == (416, b"", "bytes */1000")


@pytest.mark.parametrize(
    "range_",
    [
        "",
        "bytes=-",
        "bytes=5-4",
        "bytes=0-1,5-6",
        "lines=0-1",
        "bytes=a-b",
        "bytes=+1-2",
        "bytes=١-",
        "bytes=1-" + "9" * 40,
    ],
)
def test_it_gives_the_whole_file_to_a_range_that_it_does_not_know(file: Path, range_: str) -> None:
    status, body, answer = asked(file, range=range_)
    assert (status, body, answer["Content-Length"]) == (200, BODY, "1000")
    assert "Content-Range" not in answer


@pytest.mark.parametrize(
    ("if_range", "status"),
    [(ETAG, 206), ('"another"', 200), (f"W/{ETAG}", 200), ("Wed, 25 Nov 2026 12:00:00 GMT", 200)],
)
def test_a_range_is_of_the_very_file_that_was_begun(file: Path, if_range: str, status: int) -> None:
    found, body, _ = asked(file, range="bytes=500-", if_range=if_range)
    assert (found, body) == (status, BODY[500:] if status == 206 else BODY)


def test_it_does_not_send_again_what_somebody_has(file: Path) -> None:
    assert asked(file, if_none_match=ETAG)[:2] == (304, b"")
    assert asked(file, if_none_match=ETAG)[2]["ETag"] == ETAG
    assert asked(file, if_none_match='"another"')[:2] == (200, BODY)
    assert asked(file, if_match='"another"', range="bytes=0-1")[0] == 412


def test_head_has_the_headers_alone(file: Path) -> None:
    status, body, answer = asked(file, "head", range="bytes=0-1")
    assert (status, body, answer["Content-Length"], answer["ETag"]) == (200, b"", "1000", ETAG)


def test_an_empty_file_is_one(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert asked(tmp_path / "empty")[:2] == (200, b"")
    assert asked(tmp_path / "empty", range="bytes=0-")[0] == 416


def test_it_holds_no_more_than_a_block_of_a_large_file(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as hole:
        hole.truncate(1 << 28)
    answer = cast("FileResponse", serving.serve(RequestFactory().get("/"), large, "large", SHA256))
    tracemalloc.start()
    sent = sum(len(block) for block in cast("list[bytes]", answer))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    answer.close()
    assert sent == 1 << 28
    assert peak < 1 << 20


@pytest.fixture
def release(kindness: Campaign) -> Snapshot:
    return worlds.published("0.3", kindness)


@pytest.mark.django_db(transaction=True)
def test_every_file_has_its_sha256_as_etag(client: Client, release: Snapshot) -> None:
    for name in (*release.manifest["files"], "OIG_safety_v0.3.manifest.json"):
        answer = client.head(f"/releases/0.3/files/{name}")
        content = (release.path / name).read_bytes()
        assert answer["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'
        assert answer["Content-Length"] == str(len(content))
        assert answer["Accept-Ranges"] == "bytes"


@pytest.mark.django_db(transaction=True)
def test_a_withdrawn_release_gives_no_part_and_no_checksums(client: Client, release: Snapshot) -> None:
    Snapshot.objects.filter(pk=release.pk).update(standing="withdrawn", standing_reason="Why.")
    for name in ("OIG_safety_v0.3.jsonl", "SHA256SUMS"):
        assert client.get(f"/releases/0.3/files/{name}", headers={"range": "bytes=0-1"}).status_code == 410


@pytest.mark.django_db(transaction=True)
def test_sha256sum_finds_nothing_wrong(client: Client, release: Snapshot, tmp_path: Path) -> None:
    for file in client.get("/releases/0.3/").context["files"]:
        answer = client.get(file["url"])
        body = b"".join(cast("FileResponse", answer)) if answer.streaming else answer.content
        (tmp_path / file["name"]).write_bytes(body)
    check = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "README.md").write_text("another")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 1


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.django_db(transaction=True)
def test_curl_goes_on_where_it_was_cut(live_server: object, release: Snapshot, tmp_path: Path) -> None:
    name = "OIG_safety_v0.3.jsonl"
    whole = (release.path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 3])
    address = f"{live_server}/releases/0.3/files/{name}"
    fetch = ["curl", "--silent", "--fail", "--dump-header", "-", "-C", "-", "-O", address]
    for status in (b"206 Partial Content", b"416 "):
        done = subprocess.run(fetch, cwd=tmp_path, capture_output=True, check=False)
        assert status in done.stdout
        assert (tmp_path / name).read_bytes() == whole
