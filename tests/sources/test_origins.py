"""Downloads from real servers on loopback: whole, cut, changed, too long, and resumed."""

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from sources import origins
from sources.origins import Fetched, OriginRefused, TemporaryFailure, downloads
from tests.sources.hub import Answer, File, Site, redirect, trust

BODY = os.urandom(300_000)


@pytest.fixture
def site(settings: Settings, tmp_path: Path) -> Iterator[Site]:
    with Site() as running:
        trust(settings, tmp_path, running)
        yield running


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PAUSES", (0, 0, 0))


def fetch(origin: str, folder: Path) -> Fetched:
    [found] = origins.fetch(origin, folder / "staging", lambda: None)
    return found


def refusal(origin: str, folder: Path) -> str:
    with pytest.raises(OriginRefused) as caught:
        fetch(origin, folder)
    assert not isinstance(caught.value, TemporaryFailure)
    return str(caught.value)


def passing(origin: str, folder: Path) -> str:
    with pytest.raises(TemporaryFailure) as caught:
        fetch(origin, folder)
    return str(caught.value)


def test_it_downloads_a_file_and_records_what_it_is(site: Site, tmp_path: Path) -> None:
    site.pages["/sets/shard-1.jsonl.gz"] = File(BODY)
    told: list[tuple[int, int | None]] = []
    [found] = origins.fetch(
        site.address("/sets/shard-1.jsonl.gz"), tmp_path, lambda: None, lambda *now: told.append(now)
    )
    assert found.path.read_bytes() == BODY
    assert found.path.is_relative_to(tmp_path)
    assert (found.name, found.bytes, found.revision) == ("shard-1.jsonl.gz", len(BODY), "")
    assert found.sha256 == hashlib.sha256(BODY).hexdigest()
    assert told[-1] == (len(BODY), len(BODY))


def test_it_asks_again_only_for_what_is_not_complete(site: Site, tmp_path: Path) -> None:
    site.pages["/a.jsonl"] = File(BODY)
    first = fetch(site.address("/a.jsonl"), tmp_path)
    assert fetch(site.address("/a.jsonl"), tmp_path) == first
    assert len(site.asked) == 1
    first.path.unlink()
    assert fetch(site.address("/a.jsonl"), tmp_path).path.read_bytes() == BODY


def test_it_goes_on_where_the_server_hung_up(site: Site, tmp_path: Path) -> None:
    site.pages["/a.jsonl"] = File(BODY, cuts=[100_000, 50_000])
    assert fetch(site.address("/a.jsonl"), tmp_path).path.read_bytes() == BODY
    assert site.ranges() == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_call_goes_on_where_the_first_gave_up(site: Site, tmp_path: Path) -> None:
    site.pages["/a.jsonl"] = File(BODY, cuts=[100_000, 1, 1])
    assert "the connection failed" in passing(site.address("/a.jsonl"), tmp_path)
    assert fetch(site.address("/a.jsonl"), tmp_path).sha256 == hashlib.sha256(BODY).hexdigest()
    assert site.ranges()[-1] == "bytes=100002-"


def test_it_begins_anew_when_the_file_has_changed(site: Site, tmp_path: Path) -> None:
    site.pages["/a.jsonl"] = File(BODY, cuts=[100_000, 1, 1])
    passing(site.address("/a.jsonl"), tmp_path)
    changed = os.urandom(200_000)
    site.pages["/a.jsonl"] = File(changed, '"v2"')
    assert fetch(site.address("/a.jsonl"), tmp_path).path.read_bytes() == changed
    assert site.asked[-1].headers["If-Range"] == '"v1"'


def test_it_begins_anew_when_the_server_sends_the_rest_of_another_version(site: Site, tmp_path: Path) -> None:
    changed, sent = os.urandom(len(BODY)), []

    def careless(answer: Answer) -> None:
        """Ignores If-Range."""
        sent.append(answer.headers["Range"])
        if len(sent) == 1:
            File(BODY, cuts=[100_000])(answer)
        else:
            del answer.headers["If-Range"]
            answer.headers["If-Range"] = '"v2"'
            File(changed, '"v2"')(answer)

    site.pages["/a.jsonl"] = careless
    assert fetch(site.address("/a.jsonl"), tmp_path).path.read_bytes() == changed
    assert sent == [None, "bytes=100000-", None]


@pytest.mark.parametrize("etag", ['W/"weak"', ""])
def test_it_begins_anew_where_equal_versions_cannot_be_told(etag: str, site: Site, tmp_path: Path) -> None:
    site.pages["/a.jsonl"] = File(BODY, etag, cuts=[100_000])
    assert fetch(site.address("/a.jsonl"), tmp_path).path.read_bytes() == BODY
    assert site.ranges() == [None, None]


def test_it_begins_anew_when_the_server_knows_no_ranges(site: Site, tmp_path: Path) -> None:
    site.pages["/a.jsonl"] = File(BODY, cuts=[100_000, 1, 1])
    passing(site.address("/a.jsonl"), tmp_path)
    site.pages["/a.jsonl"] = lambda answer: answer.say(200, {"ETag": '"v1"'}, BODY)
    assert fetch(site.address("/a.jsonl"), tmp_path).path.read_bytes() == BODY


def test_it_begins_anew_when_less_is_there_than_had_come(site: Site, tmp_path: Path) -> None:
    site.pages["/a.jsonl"] = File(BODY, cuts=[100_000, 1, 1])
    passing(site.address("/a.jsonl"), tmp_path)

    def shorter(answer: Answer) -> None:
        answer.say(416) if answer.headers["Range"] else answer.say(200, {}, b"short")

    site.pages["/a.jsonl"] = shorter
    assert fetch(site.address("/a.jsonl"), tmp_path).path.read_bytes() == b"short"


def test_a_worker_that_was_killed_anywhere_left_something_to_go_on_from(site: Site, tmp_path: Path) -> None:
    site.pages["/a.jsonl"] = File(BODY, cuts=[100_000, 1, 1])
    passing(site.address("/a.jsonl"), tmp_path)
    [state] = (tmp_path / "staging").glob("*/.state")
    state.write_bytes(state.read_bytes()[:5])
    assert fetch(site.address("/a.jsonl"), tmp_path).path.read_bytes() == BODY


def test_two_workers_do_not_write_one_file(site: Site, tmp_path: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def slow(answer: Answer) -> None:
        reached.set()
        go_on.wait(30)
        File(BODY)(answer)

    site.pages["/a.jsonl"] = slow
    found: list[Fetched] = []
    first = threading.Thread(target=lambda: found.append(fetch(site.address("/a.jsonl"), tmp_path)))
    first.start()
    assert reached.wait(30)
    assert "another process is downloading it" in passing(site.address("/a.jsonl"), tmp_path)
    go_on.set()
    first.join()
    assert found[0].path.read_bytes() == BODY


def test_a_body_that_is_always_too_short_is_a_passing_failure(site: Site, tmp_path: Path) -> None:
    def short(answer: Answer) -> None:
        answer.say(200, {"Content-Length": "500"}, b"x" * 400)
        answer.hang_up()

    site.pages["/a.jsonl"] = short
    assert "the connection failed" in passing(site.address("/a.jsonl"), tmp_path)


def test_it_takes_chunks_and_tells_their_end_from_a_cut(site: Site, tmp_path: Path) -> None:
    ends = [b"", b"0\r\n\r\n"]

    def chunked(answer: Answer) -> None:
        answer.send_response(200)
        answer.send_header("Transfer-Encoding", "chunked")
        answer.end_headers()
        answer.wfile.write(b"5\r\nhello\r\n" + ends.pop(0))
        answer.hang_up()

    site.pages["/a.jsonl"] = chunked
    assert fetch(site.address("/a.jsonl"), tmp_path).path.read_bytes() == b"hello"
    assert ends == []


def test_it_refuses_a_body_whose_end_could_be_a_cut(site: Site, tmp_path: Path) -> None:
    def endless(answer: Answer) -> None:
        answer.send_response(200)
        answer.send_header("Connection", "close")
        answer.end_headers()
        answer.wfile.write(b"some")
        answer.hang_up()

    site.pages["/a.jsonl"] = endless
    assert "does not say how long the file is" in refusal(site.address("/a.jsonl"), tmp_path)


def test_it_refuses_a_file_that_says_it_is_too_large(site: Site, tmp_path: Path, settings: Settings) -> None:
    settings.DOWNLOAD_MAX_BYTES = len(BODY) - 1
    site.pages["/a.jsonl"] = File(BODY)
    assert "OIG_DOWNLOAD_MAX_BYTES" in refusal(site.address("/a.jsonl"), tmp_path)


def test_it_ends_a_body_without_end(site: Site, tmp_path: Path, settings: Settings) -> None:
    settings.DOWNLOAD_MAX_BYTES = 1_000_000

    def endless(answer: Answer) -> None:
        answer.send_response(200)
        answer.send_header("Transfer-Encoding", "chunked")
        answer.end_headers()
        while not site.closing.is_set():
            answer.wfile.write(b"2710\r\n" + b"x" * 10_000 + b"\r\n")

    site.pages["/a.jsonl"] = endless
    assert "has more than 1,000,000 bytes" in refusal(site.address("/a.jsonl"), tmp_path)


def test_it_gives_up_a_server_that_falls_silent(site: Site, tmp_path: Path, settings: Settings) -> None:
    settings.DOWNLOAD_IDLE_SECONDS = 0.2

    def silent(answer: Answer) -> None:
        answer.say(200, {"Content-Length": "500"}, b"x")
        answer.wfile.flush()
        site.closing.wait(30)

    site.pages["/a.jsonl"] = silent
    assert "nothing came for 0.2 s" in passing(site.address("/a.jsonl"), tmp_path)


def test_a_slow_download_can_be_ended_at_any_time(site: Site, tmp_path: Path) -> None:
    class Cancelled(Exception):
        pass

    ticks: list[int] = []

    def tick() -> None:
        ticks.append(1)
        if len(ticks) > 2:
            raise Cancelled

    def slow(answer: Answer) -> None:
        answer.send_response(200)
        answer.send_header("Content-Length", "1000000")
        answer.end_headers()
        while not site.closing.wait(0.05):
            answer.wfile.write(b"x")

    site.pages["/a.jsonl"] = slow
    with pytest.raises(Cancelled):
        origins.fetch(site.address("/a.jsonl"), tmp_path, tick)


def test_it_refuses_to_fill_the_disk(site: Site, tmp_path: Path, settings: Settings) -> None:
    settings.DOWNLOAD_KEEP_FREE_BYTES = 10**18
    site.pages["/a.jsonl"] = File(BODY)
    assert "are free: free some space" in refusal(site.address("/a.jsonl"), tmp_path)


def test_a_full_disk_is_said_in_words(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pages["/a.jsonl"] = File(BODY)
    place = tmp_path / "staging" / hashlib.sha256(site.address("/a.jsonl").encode()).hexdigest()[:16]
    place.mkdir(parents=True)
    monkeypatch.setattr(downloads._Part, "begin", lambda _part: {})
    (place / ".part").symlink_to("/dev/full")
    assert "(No space left on device): free some space" in refusal(site.address("/a.jsonl"), tmp_path)


def test_a_folder_that_cannot_be_written_is_said_in_words(site: Site, tmp_path: Path) -> None:
    (tmp_path / "staging").write_bytes(b"no folder")
    assert "cannot be written (Not a directory)" in refusal(site.address("/a.jsonl"), tmp_path)


def test_a_file_that_cannot_be_read_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").symlink_to("/proc/self/mem")
    assert "cannot be read (Input/output error)" in refusal(str(tmp_path), tmp_path)


def test_compressed_answers_stay_as_they_are(site: Site, tmp_path: Path) -> None:
    site.pages["/a.jsonl.gz"] = lambda answer: answer.say(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b anything")
    assert fetch(site.address("/a.jsonl.gz"), tmp_path).path.read_bytes() == b"\x1f\x8b anything"
    assert site.asked[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_it_tries_again_when_the_server_is_ill(status: int, site: Site, tmp_path: Path) -> None:
    ill = [status]

    def page(answer: Answer) -> None:
        answer.say(ill.pop()) if ill else File(BODY)(answer)

    site.pages["/a.jsonl"] = page
    assert fetch(site.address("/a.jsonl"), tmp_path).bytes == len(BODY)


@pytest.mark.parametrize(
    ("status", "words"), [(404, "answers 404 Not Found: check"), (403, "set OIG_HF_TOKEN"), (418, "answers 418")]
)
def test_it_says_what_the_server_refuses(status: int, words: str, site: Site, tmp_path: Path) -> None:
    site.pages["/a.jsonl"] = lambda answer: answer.say(status)
    assert words in refusal(site.address("/a.jsonl?key=secret"), tmp_path)
    assert len(site.asked) == 1


def test_no_message_and_no_log_shows_what_may_be_a_key(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site.pages["/a.jsonl"] = redirect("/b.jsonl?signature=secret")
    message = refusal(site.address("/a.jsonl?key=secret"), tmp_path)
    assert "leads to" in message
    assert "secret" not in message
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "path", ["/..%2f..%2fetc%2fpasswd", "/.state", "/.part", "/%00", "/a/../../b.jsonl", "/" + "n" * 3000, "/ü.jsonl"]
)
def test_no_name_chooses_a_path(path: str, site: Site, tmp_path: Path) -> None:
    site.otherwise = lambda answer: answer.say(200, {"Content-Disposition": 'attachment; filename="../../evil"'}, b"x")
    found = fetch(site.address(path), tmp_path)
    assert found.path.resolve().parent.parent == tmp_path / "staging"
    assert not found.path.name.startswith(".")
