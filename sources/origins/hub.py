"""What a revision of a dataset on the Hugging Face hub is, and which files it has, asked through huggingface_hub.

The library shares one HTTP client in the whole process. It is lent the guarded one for as long as the questions take,
and gets back what it had. The files themselves come by ``downloads``: the library's own downloads would go round the
guard (its Xet client is a program of its own), know no limit and report nothing.
"""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import httpx2
from django.conf import settings
from huggingface_hub import HfApi, hf_hub_url, set_client_factory
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile, RepoFolder
from huggingface_hub.utils import _http

from sources.origins.downloads import PAUSES, Wanted
from sources.origins.errors import OriginRefused, TemporaryFailure
from sources.origins.fetched import Meter
from sources.origins.origin import Origin, is_data
from sources.origins.transport import WHOLE_BYTES, open_client

_LENT = threading.Lock()


def wanted(origin: Origin, meter: Meter) -> list[Wanted]:
    """The files that ``origin`` names, sorted by path, pinned to the commit that its revision is now.

    Raises OriginRefused if there are none or the hub refuses, TemporaryFailure if it could not be asked.
    """
    for pause in PAUSES:
        meter.wait(pause)
        try:
            with _lent_client(meter):
                return _ask(origin)
        except TemporaryFailure as error:
            failure = error.seen_from(origin.address)
        except (HfHubHTTPError, httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise _refusal(origin, error) from error
    raise failure


@contextmanager
def _lent_client(meter: Meter) -> Iterator[None]:
    with _LENT:
        before = _http._GLOBAL_CLIENT_FACTORY  # noqa: SLF001 - there is no other way to give back what was there
        set_client_factory(lambda: open_client(meter.pulse, WHOLE_BYTES))
        try:
            yield
        finally:
            set_client_factory(before)


def _ask(origin: Origin) -> list[Wanted]:
    # token=False: neither the environment's token nor one saved in a home folder; the transport adds the setting's.
    api = HfApi(endpoint=settings.HF_ENDPOINT, token=False)
    commit = api.dataset_info(origin.dataset, revision=origin.revision).sha
    if not commit:
        raise OriginRefused(origin=origin.address, problem="the hub names no commit", remedy="check OIG_HF_ENDPOINT")
    found = sorted(_files(api, origin, commit), key=lambda file: file.path)
    if not found:
        problem = "there is no such file" if origin.is_one_file else "there are no data files"
        raise OriginRefused(origin=origin.address, problem=problem, remedy="look at the dataset's list of files")
    return [_pinned(origin, commit, file) for file in found]


def _files(api: HfApi, origin: Origin, commit: str) -> Iterable[RepoFile]:
    if origin.is_one_file:
        entries: Iterable[RepoFile | RepoFolder] = api.get_paths_info(
            origin.dataset, origin.inside, revision=commit, repo_type="dataset"
        )
        return [entry for entry in entries if isinstance(entry, RepoFile)]
    pattern = origin.inside + "*" if origin.is_folder else origin.inside
    folder = _fixed_folder(pattern)
    entries = api.list_repo_tree(
        origin.dataset,
        folder or None,
        recursive="/" in pattern.removeprefix(f"{folder}/"),
        revision=commit,
        repo_type="dataset",
    )
    files = [entry for entry in entries if isinstance(entry, RepoFile) and _matches(entry.path, pattern)]
    return [file for file in files if is_data(file.path)] if origin.is_folder else files


def _fixed_folder(pattern: str) -> str:
    """The folders before the first one with a wildcard."""
    parts = PurePosixPath(pattern).parts[:-1]
    fixed = [i for i, part in enumerate(parts) if set(part) & set("*?[")]
    return "/".join(parts[: fixed[0] if fixed else len(parts)])


def _matches(path: str, pattern: str) -> bool:
    """Part by part, so that * does not cross folders."""
    given, wanted = path.split("/"), pattern.split("/")
    return len(given) == len(wanted) and all(map(fnmatch.fnmatchcase, given, wanted))


def _pinned(origin: Origin, commit: str, file: RepoFile) -> Wanted:
    if any(part in ("", ".", "..") for part in file.path.split("/")):
        problem = f"the hub lists a file named {file.path!r}"
        raise OriginRefused(origin=origin.address, problem=problem, remedy="name files one by one")
    address = hf_hub_url(origin.dataset, file.path, repo_type="dataset", revision=commit, endpoint=settings.HF_ENDPOINT)
    return Wanted(address, file.path, commit, file.size, file.lfs.sha256 if file.lfs else None)


def _refusal(origin: Origin, error: Exception) -> OriginRefused:
    remedy = "check the address"
    match error:
        case GatedRepoError():
            problem = "the dataset is gated"
            remedy = "accept its conditions on the hub and set OIG_HF_TOKEN"
        case RevisionNotFoundError():
            problem, remedy = f"there is no revision {origin.revision}", "look at the dataset's history"
        case RemoteEntryNotFoundError():
            problem, remedy = f"there is no {origin.inside}", "look at the dataset's list of files"
        case RepositoryNotFoundError():
            problem = "there is no such dataset, or it is private"
            remedy = "check its name; for a private one set OIG_HF_TOKEN"
        case HfHubHTTPError() if error.response is not None:
            problem = f"the hub answers {error.response.status_code} {error.response.reason_phrase}".rstrip()
        case _:
            problem, remedy = "the hub's answer makes no sense", "check OIG_HF_ENDPOINT"
    return OriginRefused(origin=origin.address, problem=problem, remedy=remedy)
