"""HTTPS servers on loopback for tests of downloads: a site of files, and a hub with another host for large ones."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

import trustme

COMMIT = "c0ffee" + "0" * 34
# Files of this size or more come from the hub's other host, as large ones do.
LARGE = 1_000


@cache
def authority() -> trustme.CA:
    """The certificate authority of all these servers."""
    return trustme.CA()


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost", "127.0.0.1", "mirror.test").configure_cert(context)
    return context


@dataclass(frozen=True)
class Asked:
    """One request that a site got."""

    method: str
    path: str
    headers: Message


class Answer(BaseHTTPRequestHandler):
    """The request at hand, and how to answer it."""

    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.site.answer(self)

    do_POST = do_GET  # noqa: N815 - http.server's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""

    def say(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def say_json(self, values: object, headers: dict[str, str] | None = None) -> None:
        self.say(200, {"Content-Type": "application/json"} | (headers or {}), json.dumps(values).encode())

    def hang_up(self) -> None:
        """End the connection in the middle of an answer."""
        self.wfile.flush()
        self.close_connection = True


type Page = Callable[[Answer], None]


class _Server(ThreadingHTTPServer):
    site: Site

    def handle_error(self, *args: Any) -> None:
        """A client that breaks off is what some tests are about."""


class Site:
    """An HTTPS server on 127.0.0.1 whose ``pages`` answer by path; ``asked`` has the requests in their order."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.otherwise: Page = lambda answer: answer.say(404)
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Answer)
        self._server.site = self
        # The handshake belongs to the thread of the request: a client that stalls must not stop the others.
        self._server.socket = _tls().wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def address(self, path: str) -> str:
        return f"https://{self.host}{path}"

    def answer(self, answer: Answer) -> None:
        self.asked.append(Asked(answer.command, answer.path, answer.headers))
        self.pages.get(urlsplit(answer.path).path, self.otherwise)(answer)

    def ranges(self) -> list[str | None]:
        """The Range header of each request."""
        return [each.headers["Range"] for each in self.asked]


@dataclass
class File:
    """A page with a file: it knows Range and If-Range, and hangs up after each of ``cuts`` bytes of its answers."""

    body: bytes
    etag: str = '"v1"'
    cuts: list[int] = field(default_factory=list)

    def __call__(self, answer: Answer) -> None:
        start = self._start(answer.headers)
        rest = self.body[start:]
        headers = {"ETag": self.etag, "Content-Length": str(len(rest))}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"
        if self.cuts:
            answer.say(206 if start else 200, headers, rest[: self.cuts.pop(0)])
            answer.hang_up()
        else:
            answer.say(206 if start else 200, headers, rest)

    def _start(self, headers: Message) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", headers["Range"] or "")
        return int(asked[1]) if asked and headers["If-Range"] == self.etag else 0


def redirect(address: str, status: int = 302, **headers: str) -> Page:
    """A page that leads elsewhere."""
    return lambda answer: answer.say(status, {"Location": address} | headers)


class Hub(Site):
    """A site that speaks as the Hugging Face hub does about one dataset, ``org/name`` with ``files``.

    Revision main is COMMIT. Large files come from ``cdn``, by a redirect. Lists have two entries to a page.
    """

    dataset = "org/name"

    def __init__(self, cdn: Site, files: dict[str, bytes]) -> None:
        super().__init__()
        self.cdn, self.files, self.gate = cdn, files, False
        self.otherwise = self._route
        for path, body in files.items():
            cdn.pages[f"/blobs/{_sha256(body)}"] = File(body, f'"{path}"')

    def _route(self, answer: Answer) -> None:
        path = urlsplit(answer.path).path
        api = f"/api/datasets/{self.dataset}"
        if self.gate:
            answer.say(403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
        elif path in (f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            answer.say_json({"id": self.dataset, "sha": COMMIT, "private": False, "tags": [], "siblings": []})
        elif path.startswith(f"{api}/revision/"):
            answer.say(404, {"X-Error-Code": "RevisionNotFound"})
        elif path.startswith(f"{api}/tree/{COMMIT}"):
            self._tree(answer, unquote(path.removeprefix(f"{api}/tree/{COMMIT}").lstrip("/")))
        elif path == f"{api}/paths-info/{COMMIT}":
            form = answer.rfile.read(int(answer.headers["Content-Length"])).decode()
            answer.say_json([self._entry(each) for each in parse_qs(form)["paths"] if each in self.files])
        elif path.startswith(f"/datasets/{self.dataset}/resolve/{COMMIT}/"):
            self._resolve(answer, unquote(path.partition(f"/{COMMIT}/")[2]))
        else:
            answer.say(404, {"X-Error-Code": "RepoNotFound"})

    def _tree(self, answer: Answer, folder: str) -> None:
        query = parse_qs(urlsplit(answer.path).query)
        within = f"{folder}/" if folder else ""
        deep = query["recursive"] == ["true"]
        found = [path for path in self.files if path.startswith(within) and (deep or "/" not in path[len(within) :])]
        if folder and not found:
            answer.say(404, {"X-Error-Code": "EntryNotFound"})
            return
        start = int(query.get("cursor", ["0"])[-1])
        entries: list[dict[str, object]] = [{"type": "directory", "path": f"{within}inner", "oid": "0" * 40}]
        entries += [self._entry(path) for path in found]
        following = f"{answer.path}&cursor={start + 2}"
        link = {"Link": f'<{self.address(following)}>; rel="next"'} if start + 2 < len(entries) else {}
        answer.say_json(entries[start : start + 2], link)

    def _entry(self, path: str) -> dict[str, object]:
        body = self.files[path]
        entry: dict[str, object] = {"type": "file", "path": path, "size": len(body), "oid": "1" * 40}
        if len(body) >= LARGE:
            entry["lfs"] = {"oid": _sha256(body), "size": len(body), "pointerSize": 130}
        return entry

    def _resolve(self, answer: Answer, path: str) -> None:
        body = self.files[path]
        headers = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(body))}
        if len(body) < LARGE:
            answer.say(200, headers | {"ETag": f'"{quote(path)}"'}, body)
        else:
            location = self.cdn.address(f"/blobs/{_sha256(body)}?signature=secret")
            answer.say(302, headers | {"Location": location, "X-Linked-Etag": f'"{_sha256(body)}"'})


def trust(settings: Any, folder: Path, *sites: Site) -> None:
    """Let downloads ask these sites, and believe their certificates."""
    file = folder / "authority.pem"
    authority().cert_pem.write_to_path(str(file))
    settings.DOWNLOAD_CA_FILE = str(file)
    settings.DOWNLOAD_EXCEPTIONS = [site.host for site in sites]
    settings.DOWNLOAD_KEEP_FREE_BYTES = 0


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
