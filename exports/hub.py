"""The Hugging Face hub as a place of releases: a dataset whose tag ``v0.3`` is version 0.3, by huggingface_hub.

A release is one commit. Where a higher version is tagged already, the commit goes to a branch of its own, so that main
stays what most people load. The files of other releases leave the commit, and stay at their own tags.

The library is used with what the person who pushes gave it: the token of HF_TOKEN or ``hf auth login``, and the hub of
HF_ENDPOINT. The settings OIG_HF_TOKEN and OIG_HF_ENDPOINT are for reading, which an operator grants to others.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import batched
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    get_token,
    hf_hub_url,
    set_client_factory,
)
from huggingface_hub._commit_api import CommitOperation
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import _http
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._validators import validate_repo_id

from exports.errors import ExportError, PushInterrupted, PushRefused
from exports.versions import VERSION, numbers

KIND: Final = "dataset"
MAIN = "main"
# The hub answers questions about at most 1,000 paths at once.
PATHS = 500
# Seconds; the library itself would wait for ever.
TIMEOUT = httpx2.Timeout(300, connect=20)
# The hub is busy or ill, or somebody else's commit came first.
TEMPORARY = (408, 412, 425, 429, 500, 502, 503, 504)
OURS = re.compile(r"OIG_safety_v[0-9][^/]*")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
TOKEN = "set HF_TOKEN or run `hf auth login`"  # noqa: S105 - how to get one

PROBLEMS = {
    401: f"the hub does not accept the token; {TOKEN} with one that may write",
    402: "the hub wants to be paid for this: look at the account's storage and plan",
    403: "the token may not write there: use one with write access to it, or choose another --hub",
    404: "there is no such thing on the hub, or the token may not see it; check the name",
    409: "the hub says that it conflicts with what is there; look at its page",
    413: "the hub takes no files of this size; publish with --form shards",
}


class Hub:
    """Version ``version`` in the dataset ``repo``, which is made if it is not there, private unless ``is_public``."""

    def __init__(self, repo: str, version: str, *, is_public: bool = False) -> None:
        self._repo, self._version, self._is_public = repo, version, is_public
        self._tag = f"v{version}"
        self._commit = ""
        self._endpoint = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or "https://huggingface.co"
        self._check()

    def _check(self) -> None:
        address = urlsplit(self._endpoint)
        # The token goes there.
        if address.scheme != "https" and address.hostname not in LOOPBACK:
            raise PushRefused(f"HF_ENDPOINT is {self._endpoint}: the token is only sent by https")
        try:
            validate_repo_id(self._repo)
        except ValueError:
            raise PushRefused(f"{self._repo!r} is not the name of a dataset: write ORG/NAME") from None
        if self._repo.count("/") != 1:
            raise PushRefused(f"{self._repo!r} is not the name of a dataset: write ORG/NAME")

    @cached_property
    def _api(self) -> HfApi:
        token = get_token()
        if not token:
            raise PushRefused(f"There is no token of the hub: {TOKEN}")
        return HfApi(endpoint=self._endpoint, token=token)

    def address(self) -> str:
        return f"{self._endpoint}/datasets/{self._repo}/tree/{self._tag}"

    def sealed(self, names: list[str]) -> Mapping[str, str] | None:
        with self._understood():
            self._ensure()
            return self._digests(self._tag, names) if self._tag in self._tags() else None

    def held(self, names: list[str]) -> Mapping[str, str]:
        with self._understood():
            if not self._commit:
                self._commit = self._head()
            return self._digests(self._commit, names)

    def put(self, files: Mapping[str, Path], among: list[str]) -> None:
        with self._understood():
            there = self._api.list_repo_files(self._repo, repo_type=KIND, revision=self._commit)
            others = [name for name in there if OURS.fullmatch(name) and name not in among]
            operations: list[CommitOperation] = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
            operations += [CommitOperationDelete(name) for name in others]
            if operations:
                made = self._api.create_commit(
                    self._repo,
                    operations,
                    repo_type=KIND,
                    revision=self._branch(),
                    commit_message=f"OIG Safety {self._version}",
                    parent_commit=self._commit,
                )
                self._commit = made.oid

    def seal(self) -> None:
        with self._understood():
            self._api.create_tag(self._repo, tag=self._tag, revision=self._commit, repo_type=KIND)

    def _ensure(self) -> None:
        """Make the dataset unless it is there; whether one that is there is private is its owner's business."""
        self._commit = ""
        try:
            self._api.dataset_info(self._repo)
        except RepositoryNotFoundError as error:
            if error.response.status_code != 404:
                raise
            for kind in ("model", "space"):
                if self._api.repo_exists(self._repo, repo_type=kind):
                    raise PushRefused(f"{self._repo} is a {kind} on the hub: choose another name") from None
            self._api.create_repo(self._repo, repo_type=KIND, private=not self._is_public, exist_ok=True)

    def _tags(self) -> list[str]:
        return [tag.name for tag in self._api.list_repo_refs(self._repo, repo_type=KIND).tags]

    def _branch(self) -> str:
        """main, unless a higher version is tagged."""
        versions = [tag[1:] for tag in self._tags() if tag[:1] == "v" and VERSION.fullmatch(tag[1:])]
        is_highest = all(numbers(self._version) > numbers(version) for version in versions)
        return MAIN if is_highest else f"release-{self._version}"

    def _head(self) -> str:
        branch = self._branch()
        if branch != MAIN:
            self._api.create_branch(self._repo, branch=branch, repo_type=KIND, exist_ok=True)
        commit = self._api.dataset_info(self._repo, revision=branch).sha
        if not commit:
            raise PushRefused(f"{self._endpoint}: names no commit of {self._repo}; check HF_ENDPOINT")
        return commit

    def _digests(self, revision: str, names: Sequence[str]) -> dict[str, str]:
        """Of large files the hub keeps the digest itself; small ones are fetched."""
        found: dict[str, str] = {}
        for some in batched(names, PATHS):
            entries = self._api.get_paths_info(self._repo, list(some), revision=revision, repo_type=KIND)
            for file in entries:
                if isinstance(file, RepoFile):
                    found[file.path] = file.lfs.sha256 if file.lfs else self._fetched(revision, file.path)
        return found

    def _fetched(self, revision: str, name: str) -> str:
        url = hf_hub_url(self._repo, name, repo_type=KIND, revision=revision, endpoint=self._endpoint)
        digest = hashlib.sha256()
        with _http.get_session().stream("GET", url, headers=build_hf_headers(token=self._api.token)) as response:
            _http.hf_raise_for_status(response)
            for block in response.iter_bytes():
                digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """A client that does not wait for ever, and what the hub says, with what to do about it."""
        before = _http._GLOBAL_CLIENT_FACTORY  # noqa: SLF001 - there is no other way to give back what was there
        set_client_factory(_client)
        try:
            yield
        except ExportError:
            raise
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RuntimeError, OSError) as error:
            raise self._failure(error) from error
        finally:
            set_client_factory(before)

    def _failure(self, error: Exception) -> ExportError:
        where = f"{self._endpoint}/datasets/{self._repo}"
        # The library wraps what stopped the upload of a file.
        if type(error) is RuntimeError and isinstance(error.__cause__, Exception):
            return self._failure(error.__cause__)
        match error:
            case LocalTokenNotFoundError():
                return PushRefused(f"There is no token of the hub: {TOKEN}")
            case HfHubHTTPError() | httpx2.HTTPStatusError():
                status = error.response.status_code
                if status in TEMPORARY:
                    return PushInterrupted(f"{where}: the hub answers {status}; push again later, it goes on from here")
                problem = PROBLEMS.get(status, f"the hub answers {status}: {_line(error)}")
                return PushRefused(f"{where}: {problem}")
            case httpx2.HTTPError() | httpx2.InvalidURL():
                return PushInterrupted(f"{self._endpoint}: cannot be reached ({_line(error)}); push again later")
            case OSError() if error.strerror:
                return PushRefused(f"{error.filename or where}: {error.strerror}; make room, then push again")
            case _:
                return PushRefused(f"{where}: {_line(error)}")


def _client() -> httpx2.Client:
    """As the library makes its own, but one that gives up."""
    hooks = {"request": [_http.hf_request_event_hook]}
    return httpx2.Client(event_hooks=hooks, follow_redirects=True, timeout=TIMEOUT)


def _line(error: Exception) -> str:
    """What an error says, on one line and without the addresses of file hosts, which are signed."""
    said = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r"\?\S*", "", said)[:300]
