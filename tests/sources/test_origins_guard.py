"""What a download may ask: hosts, ports, addresses behind names, redirects; on real servers on loopback."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme
from pytest_django import Settings

from sources import origins
from sources.origins import OriginRefused, TemporaryFailure, downloads
from sources.origins.guard import Guard, is_public
from tests.sources.hub import File, Hub, Site, redirect, trust

PATH = "/a.jsonl"
GUARD = Guard(frozenset({"example.org", "*.example.net"}), frozenset({("10.0.0.7", 8443), ("::1", 443)}))


@pytest.fixture
def site(settings: Settings, tmp_path: Path) -> Iterator[Site]:
    with Site() as running:
        running.pages[PATH] = File(b"text\n")
        trust(settings, tmp_path, running)
        yield running


@pytest.fixture
def other(settings: Settings) -> Iterator[Site]:
    """A server that no setting names."""
    with Site() as running:
        running.pages[PATH] = File(b"private\n")
        yield running


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PAUSES", (0, 0))


def fetch(origin: str, folder: Path) -> bytes:
    [found] = origins.fetch(origin, folder / "staging", lambda: None)
    return found.path.read_bytes()


def refusal(origin: str, folder: Path) -> str:
    with pytest.raises(OriginRefused) as caught:
        fetch(origin, folder)
    assert not isinstance(caught.value, TemporaryFailure)
    return str(caught.value)


class Names:
    """A resolver for the names of a test; ``asked`` has every look-up of one, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: str, port: int, *args: Any, **words: Any) -> Any:
        if host not in self.answers:
            return self._real(host, port, *args, **words)
        self.asked.append(host)
        several = self.answers[host]
        addresses = several.pop(0) if len(several) > 1 else several[0]
        return [answer for each in addresses for answer in self._real(each, port, *args, **words)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/a",
        "https://EXAMPLE.org:443/a",
        "https://a.example.net/",
        "https://a.b.example.net/",
        "https://10.0.0.7:8443/",
        "https://[::1]/",
    ],
)
def test_it_lets_pass_what_is_named(address: str) -> None:
    GUARD.check(httpx2.URL(address))


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/a",
        "https://example.org:8443/",
        "https://example.org:80/",
        "https://www.example.org/",
        "https://evilexample.org/",
        "https://example.org.evil.com/",
        "https://example.org./",
        "https://example.net/",
        "https://evilexample.net/",
        "https://a.example.net.evil.com/",
        "https://example.org%2eevil.com/",
        "https://example.org\\@evil.com/",
        "https://example.org@evil.com/",
        "https://me:secret@example.org/",
        "https://10.0.0.7/",
        "https://10.0.0.7:8444/",
        "http://10.0.0.7:8443/",
        "https://[::ffff:10.0.0.7]:8443/",
        "https://93.184.216.34/",
        "https:///a",
    ],
)
def test_it_stops_what_is_not_named(address: str) -> None:
    with pytest.raises(OriginRefused):
        GUARD.check(httpx2.URL(address))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
    ],
)
def test_these_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "140.82.121.4", "192.88.98.1", "2606:4700::1", "2a00:1450::1"])
def test_these_addresses_are_public(address: str) -> None:
    assert is_public(address)


def test_a_name_that_leads_to_this_machine_is_refused(settings: Settings, names: Names, tmp_path: Path) -> None:
    settings.DOWNLOAD_HOSTS = ["localhost"]
    names.answers["localhost"] = [["127.0.0.1"]]
    assert "localhost leads to 127.0.0.1" in refusal("https://localhost/a.jsonl", tmp_path)


@pytest.mark.parametrize("private", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1", "::ffff:10.0.0.1"])
def test_one_private_address_among_public_ones_is_enough(
    private: str, settings: Settings, names: Names, tmp_path: Path
) -> None:
    settings.DOWNLOAD_HOSTS = ["mixed.test"]
    names.answers["mixed.test"] = [["8.8.8.8", private]]
    assert "which is not a public address" in refusal("https://mixed.test/a.jsonl", tmp_path)


def test_a_name_is_looked_up_once_and_its_address_kept(
    site: Site, settings: Settings, names: Names, tmp_path: Path
) -> None:
    """The second answer of a name that changes between check and connection is never heard."""
    settings.DOWNLOAD_EXCEPTIONS = [f"mirror.test:{site.port}"]
    names.answers["mirror.test"] = [["127.0.0.1"], ["127.0.0.9"]]
    assert fetch(f"https://mirror.test:{site.port}{PATH}", tmp_path) == b"text\n"
    assert names.asked == ["mirror.test"]


def test_it_tries_the_next_address_of_a_name(site: Site, settings: Settings, names: Names, tmp_path: Path) -> None:
    settings.DOWNLOAD_EXCEPTIONS = [f"mirror.test:{site.port}"]
    names.answers["mirror.test"] = [["127.0.0.9", "127.0.0.1"]]
    assert fetch(f"https://mirror.test:{site.port}{PATH}", tmp_path) == b"text\n"


def test_a_name_that_nobody_knows_may_be_known_later(settings: Settings, tmp_path: Path) -> None:
    settings.DOWNLOAD_HOSTS = ["a" * 64 + ".test"]
    with pytest.raises(TemporaryFailure, match="cannot be resolved"):
        fetch(f"https://{'a' * 64}.test/a.jsonl", tmp_path)


def test_a_server_that_is_not_there_may_come_back(site: Site, settings: Settings, tmp_path: Path) -> None:
    with Site() as gone:
        settings.DOWNLOAD_EXCEPTIONS = [gone.host]
    with pytest.raises(TemporaryFailure, match="the connection failed"):
        fetch(gone.address(PATH), tmp_path)


def test_without_an_exception_nothing_on_loopback_is_asked(other: Site, tmp_path: Path) -> None:
    assert "host 127.0.0.1 is not allowed" in refusal(other.address(PATH), tmp_path)
    assert other.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_it_follows_a_chain_of_redirects(status: int, site: Site, tmp_path: Path) -> None:
    site.pages["/1"], site.pages["/2"] = redirect("/2", status), redirect(site.address(PATH), status)
    assert fetch(site.address("/1"), tmp_path) == b"text\n"


def test_it_does_not_follow_redirects_for_ever(site: Site, tmp_path: Path) -> None:
    site.pages["/1"], site.pages["/2"] = redirect("/2"), redirect("/1")
    assert "maximum allowed redirects" in refusal(site.address("/1"), tmp_path)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://169.254.169.254/latest/meta-data", "host 169.254.169.254 is not allowed"),
        ("http://huggingface.co/a.jsonl", "is not an https address"),
        ("file:///etc/passwd", "is not an https address"),
        ("https://me:secret@huggingface.co/", "holds a user name"),
        ("https://localhost/", "localhost leads to"),
        ("https://huggingface.co:port/", "cannot be followed"),
    ],
)
def test_a_redirect_to_elsewhere_is_refused(
    address: str, words: str, site: Site, settings: Settings, tmp_path: Path
) -> None:
    settings.DOWNLOAD_HOSTS = ["huggingface.co", "localhost"]
    site.pages["/1"] = redirect(address)
    message = refusal(site.address("/1"), tmp_path)
    assert words in message
    assert message.startswith(site.address("/1"))
    assert "secret" not in message


def test_a_redirect_to_another_server_on_loopback_is_refused(site: Site, other: Site, tmp_path: Path) -> None:
    site.pages["/1"] = redirect(other.address(PATH))
    assert f"leads to {other.address(PATH)}: host 127.0.0.1 is not allowed" in refusal(site.address("/1"), tmp_path)
    assert other.asked == []


def test_a_redirect_with_an_endless_body_is_refused(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.origins.transport.WHOLE_BYTES", 20_000)
    site.pages["/1"] = lambda answer: answer.say(302, {"Location": PATH}, b"x" * 100_000)
    assert "longer than any list of files" in refusal(site.address("/1"), tmp_path)


def test_a_certificate_for_another_name_is_refused(
    site: Site, settings: Settings, names: Names, tmp_path: Path
) -> None:
    settings.DOWNLOAD_EXCEPTIONS = [f"other.test:{site.port}"]
    names.answers["other.test"] = [["127.0.0.1"]]
    assert "its certificate is refused" in refusal(f"https://other.test:{site.port}{PATH}", tmp_path)
    assert site.asked == []


def test_a_certificate_of_an_unknown_authority_is_refused(
    site: Site, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", settings.DOWNLOAD_CA_FILE)
    settings.DOWNLOAD_CA_FILE = ""
    if ssl.get_default_verify_paths().cafile == str(tmp_path / "authority.pem"):
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    assert "OIG_DOWNLOAD_CA_FILE" in refusal(site.address(PATH), tmp_path)


def test_a_missing_file_of_certificates_is_named(site: Site, settings: Settings, tmp_path: Path) -> None:
    settings.DOWNLOAD_CA_FILE = str(tmp_path / "nothing.pem")
    assert "certificates of OIG_DOWNLOAD_CA_FILE cannot be read" in refusal(site.address(PATH), tmp_path)


def test_no_proxy_of_the_environment_is_asked(
    site: Site, other: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other.address(""))
    assert fetch(site.address(PATH), tmp_path) == b"text\n"
    assert other.asked == []


def test_the_token_goes_to_the_hub_and_to_no_other(site: Site, other: Site, settings: Settings, tmp_path: Path) -> None:
    with Hub(other, {"small.jsonl": b"small", "large.jsonl": b"l" * 2_000}) as hub:
        trust(settings, tmp_path, hub, site, other)
        settings.HF_ENDPOINT, settings.HF_TOKEN = hub.address(""), "hf_secret"
        origins.fetch("hf://datasets/org/name@main/*.jsonl", tmp_path, lambda: None)
        fetch(site.address(PATH), tmp_path)
        assert {each.headers["Authorization"] for each in hub.asked} == {"Bearer hf_secret"}
    assert len(other.asked) == len(site.asked) == 1
    assert {each.headers["Authorization"] for each in [*other.asked, *site.asked]} == {None}
