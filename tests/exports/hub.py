"""A server on loopback that speaks as the Hugging Face hub does to whoever fills and tags a dataset.

It keeps what git and LFS would: commits, branches, tags, and large files by their sha256, which it checks.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

WRITER, READER = "hf_writer", "hf_reader"
# As .gitattributes of a new dataset says.
LARGE = (".jsonl", ".parquet", ".zst")
ROOT = "0" * 40


@dataclass
class Repo:
    """A dataset: every commit has the sha256 of each of its files."""

    is_private: bool
    commits: dict[str, dict[str, str]] = field(default_factory=lambda: {ROOT: {}})
    branches: dict[str, str] = field(default_factory=lambda: {"main": ROOT})
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, revision: str) -> str | None:
        found = self.branches.get(revision) or self.tags.get(revision) or revision
        return found if found in self.commits else None

    def files(self, revision: str) -> dict[str, str]:
        return self.commits[self.commit(revision) or ""]


@dataclass
class Trouble:
    """The answer to the next requests whose line matches; ``is_late``: after they were done."""

    line: str
    status: int
    times: int = 1
    is_late: bool = False


class _Server(ThreadingHTTPServer):
    hub: Hub

    def handle_error(self, *args: Any) -> None:
        """A client that breaks off is what some tests are about."""


class Hub:
    """``repos`` by name; ``asked`` has the lines of the requests; of files in ``lies`` it reports a wrong digest."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.models: set[str] = set()
        self.store: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.troubles: list[Trouble] = []
        self.lies: set[str] = set()
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Request)
        self._server.hub = self

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def writes(self) -> list[str]:
        """What changed something, of what was asked."""
        changing = ("/commit/", "/tag/", "/branch/", "/repos/create", "/lfs/")
        return [line for line in self.asked if line[:4] in ("POST", "PUT ") and any(part in line for part in changing)]

    def contents(self, repo: str, revision: str) -> dict[str, bytes]:
        return {path: self.store[digest] for path, digest in self.repos[repo].files(revision).items()}

    def trouble(self, line: str) -> Trouble | None:
        with self.lock:
            found = next((each for each in self.troubles if re.search(each.line, line)), None)
            if found:
                found.times -= 1
                if not found.times:
                    self.troubles.remove(found)
            return found

    def keep(self, body: bytes) -> str:
        digest = hashlib.sha256(body).hexdigest()
        self.store[digest] = body
        return digest


class _Request(BaseHTTPRequestHandler):
    server: _Server
    body = b""
    lost = 0  # the status that hides what was done
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""

    def do_GET(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        line = f"{self.command} {self.path}"
        self.server.hub.asked.append(line)
        trouble = self.server.hub.trouble(line)
        if trouble and not trouble.is_late:
            self.say(trouble.status)
            return
        self.lost = trouble.status if trouble else 0
        self.route()

    do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815 - http.server's names

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        status, self.lost = self.lost or status, 0
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def say_json(self, values: object) -> None:
        self.say(200, json.dumps(values).encode(), Content_Type="application/json")

    def unknown(self, what: str) -> None:
        self.say(404, X_Error_Code=what)

    def route(self) -> None:
        path = urlsplit(self.path).path
        token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        if path.startswith("/lfs/"):
            self.upload(path.removeprefix("/lfs/"))
        elif token not in (WRITER, READER):
            self.say(401, X_Error_Message="Invalid credentials in Authorization header")
        elif token == READER and self.command == "POST" and "paths-info" not in path and "yaml" not in path:
            self.say(403, X_Error_Message="You don't have the rights to write")
        else:
            self.known(path)

    def known(self, path: str) -> None:
        hub = self.server.hub
        if path == "/api/validate-yaml":
            self.say_json({"warnings": [], "errors": []})
        elif path == "/api/repos/create":
            self.create()
        elif found := re.fullmatch(r"/api/(models|spaces)/([^/]+/[^/]+)", path):
            if found[1] == "models" and found[2] in hub.models:
                self.say_json({"id": found[2], "sha": ROOT, "private": False, "tags": [], "siblings": []})
            else:
                self.unknown("RepoNotFound")
        elif found := re.fullmatch(r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            self.batch()
        elif found := re.fullmatch(r"(?:/api)?/datasets/([^/]+/[^/]+)(?:/([a-z-]+)(?:/([^/]+)(?:/(.*))?)?)?", path):
            name, verb, revision, rest = (unquote(part or "") for part in found.groups())
            repo = hub.repos.get(name)
            if repo is None:
                self.unknown("RepoNotFound")
            elif revision and verb != "branch" and repo.commit(revision) is None:
                self.unknown("RevisionNotFound")
            else:
                self.VERBS[verb](self, name, repo, revision, rest)
        else:
            self.unknown("EntryNotFound")

    def create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.server.hub.repos:
            self.say(409)
            return
        self.server.hub.repos[name] = Repo(asked["visibility"] == "private")
        self.say_json({"url": f"{self.server.hub.endpoint}/datasets/{name}"})

    def info(self, name: str, repo: Repo, revision: str, _: str) -> None:
        files = [{"rfilename": path} for path in repo.files(revision or "main")]
        said = {"id": name, "sha": repo.commit(revision or "main"), "private": repo.is_private}
        self.say_json({**said, "tags": [], "siblings": files, "disabled": False, "gated": False})

    def refs(self, _name: str, repo: Repo, _revision: str, _rest: str) -> None:
        def listed(kind: str, found: dict[str, str]) -> list[dict[str, str]]:
            return [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": at} for name, at in found.items()]

        self.say_json({"branches": listed("heads", repo.branches), "tags": listed("tags", repo.tags), "converts": []})

    def entry(self, path: str, digest: str) -> dict[str, Any]:
        size = len(self.server.hub.store[digest])
        said: dict[str, Any] = {"type": "file", "path": path, "size": size, "oid": digest[:40]}
        if path.endswith(LARGE):
            told = "f" * 64 if path in self.server.hub.lies else digest
            said["lfs"] = {"oid": told, "size": size, "pointerSize": 130}
        return said

    def paths_info(self, _name: str, repo: Repo, revision: str, _rest: str) -> None:
        paths = parse_qs(self.body.decode()).get("paths") or json.loads(self.body)["paths"]
        self.say_json([self.entry(path, at) for path, at in repo.files(revision).items() if path in paths])

    def tree(self, _name: str, repo: Repo, revision: str, folder: str) -> None:
        if folder:
            self.unknown("EntryNotFound")
        else:
            self.say_json([self.entry(path, at) for path, at in repo.files(revision).items()])

    def preupload(self, *_: object) -> None:
        asked = json.loads(self.body)["files"]
        modes = [{"path": file["path"], "uploadMode": self.mode(file["path"]), "shouldIgnore": False} for file in asked]
        self.say_json({"files": modes})

    def mode(self, path: str) -> str:
        return "lfs" if path.endswith(LARGE) else "regular"

    def batch(self) -> None:
        hub, objects = self.server.hub, []
        for file in json.loads(self.body)["objects"]:
            upload = {"actions": {"upload": {"href": f"{hub.endpoint}/lfs/{file['oid']}"}}}
            objects.append({**file, **({} if file["oid"] in hub.store else upload)})
        self.say_json({"transfer": "basic", "objects": objects})

    def upload(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            self.say(400)
            return
        self.server.hub.keep(self.body)
        self.say(200)

    def commit(self, name: str, repo: Repo, branch: str, _rest: str) -> None:
        hub, lines = self.server.hub, [json.loads(line) for line in self.body.splitlines()]
        files = dict(repo.files(branch))
        for line in lines:
            value = line["value"]
            if line["key"] == "header" and value.get("parentCommit", repo.branches[branch]) != repo.branches[branch]:
                self.say(412)
                return
            if line["key"] == "file":
                files[value["path"]] = hub.keep(base64.b64decode(value["content"]))
            elif line["key"] == "lfsFile":
                assert value["oid"] in hub.store
                files[value["path"]] = value["oid"]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        oid = hashlib.sha1(repr((repo.branches[branch], files)).encode(), usedforsecurity=False).hexdigest()
        repo.commits[oid] = files
        repo.branches[branch] = oid
        self.say_json({"commitUrl": f"{hub.endpoint}/datasets/{name}/commit/{oid}", "commitOid": oid, "hookOutput": ""})

    def branch(self, _name: str, repo: Repo, branch: str, _rest: str) -> None:
        if branch in repo.branches:
            self.say(409)
            return
        repo.branches[branch] = repo.branches["main"]
        self.say_json({})

    def tag(self, _name: str, repo: Repo, revision: str, _rest: str) -> None:
        tag = json.loads(self.body)["tag"]
        if tag in repo.tags:
            self.say(409)
            return
        repo.tags[tag] = repo.commit(revision) or ""
        self.say_json({})

    def resolve(self, _name: str, repo: Repo, revision: str, path: str) -> None:
        digest = repo.files(revision).get(path)
        if digest is None:
            self.unknown("EntryNotFound")
            return
        commit = repo.commit(revision) or ""
        self.say(200, self.server.hub.store[digest], ETag=f'"{digest}"', X_Repo_Commit=commit)

    VERBS: dict[str, Callable[[_Request, str, Repo, str, str], None]] = {
        "": info,
        "revision": info,
        "refs": refs,
        "paths-info": paths_info,
        "tree": tree,
        "preupload": preupload,
        "commit": commit,
        "branch": branch,
        "tag": tag,
        "resolve": resolve,
    }
