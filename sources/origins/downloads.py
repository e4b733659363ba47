"""One address becomes one file, however often the connection is cut.

What has come lies beside the file's place in ``.part``, and ``.state`` says which version of the file it belongs to. A
cut download goes on from there if the server still has the same version (If-Range with its strong ETag), and begins
anew in every other case. The server's words never choose a path: the place is a digest of the address.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import unquote

import httpx2
import orjson

from sources.origins.errors import OriginRefused, TemporaryFailure
from sources.origins.fetched import Fetched, Meter
from sources.origins.guard import shown

# Seconds before each try; what still fails then is left to a later call, which goes on from what has come.
PAUSES = (0, 1, 2, 4, 8)
BLOCK = 1_048_576
NAME_LENGTH = 150
RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
REMEDIES = {
    401: "it is for signed-in people: accept its conditions on the hub and set OIG_HF_TOKEN",
    403: "it is not for everybody: accept its conditions on the hub and set OIG_HF_TOKEN",
    404: "check the address",
    410: "look for another address of the dataset",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to download; ``bytes`` and ``sha256`` are what it must have, None where nobody has said."""

    address: str
    name: str
    revision: str = ""
    bytes: int | None = None
    sha256: str | None = None

    @property
    def shown(self) -> str:
        return shown(httpx2.URL(self.address))


def download(client: httpx2.Client, wanted: Wanted, folder: Path, meter: Meter) -> Fetched:
    """Fetch the file into ``folder``, or find it there complete.

    Raises OriginRefused, or TemporaryFailure after several tries: what has come then stays for the next call.
    """
    place = folder / hashlib.sha256(wanted.address.encode()).hexdigest()[:16]
    try:
        place.mkdir(parents=True, exist_ok=True)
        return _try_often(client, wanted, place, meter)
    except OriginRefused as error:
        raise error.seen_from(wanted.shown) from error
    except OSError as error:
        raise _unwritable(wanted, error) from error


def safe_name(path: str) -> str:
    """A file name made of the last part of an address or a path: plain letters, no leading dot, not too long."""
    last = unquote(path.rstrip("/").rpartition("/")[2])
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", last)[-NAME_LENGTH:]
    # Names with a leading dot are this module's own; suffixes stay, since readers go by them.
    return plain if plain[:1].isalnum() else f"file{plain}"


def _try_often(client: httpx2.Client, wanted: Wanted, place: Path, meter: Meter) -> Fetched:
    if (there := _complete(place, wanted)) is not None:
        meter.finish(there.bytes)
        return there
    for pause in PAUSES:
        meter.wait(pause)
        try:
            return _fetch(client, wanted, place, meter)
        except TemporaryFailure as error:
            failure = error
    raise failure


def _complete(place: Path, wanted: Wanted) -> Fetched | None:
    state, path = _State.read(place), place / safe_name(wanted.name)
    if state.sha256 and path.is_file() and path.stat().st_size == state.bytes:
        return Fetched(path, wanted.name, wanted.address, state.sha256, state.bytes, wanted.revision)
    return None


def _fetch(client: httpx2.Client, wanted: Wanted, place: Path, meter: Meter) -> Fetched:
    with _Part(place, meter) as part:
        headers = part.resume() if part.state.etag else part.begin()
        try:
            with client.stream("GET", wanted.address, headers=headers) as response:
                _accept(response, wanted, part)
                for block in response.iter_raw():
                    part.append(block)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            problem = f"the answer cannot be followed ({error})"
            raise OriginRefused(origin=wanted.shown, problem=problem, remedy="check the address") from error
        return part.finish(wanted)


def _accept(response: httpx2.Response, wanted: Wanted, part: _Part) -> None:
    """Settle from the head of an answer where its body goes; raise if it is not the file."""
    match response.status_code:
        case 200:
            part.begin()
            part.state.bytes = _length(response)
        case 206:
            part.expect(response, wanted)
        case 416:
            part.begin()
            problem = "the file has become shorter than what had come"
            raise TemporaryFailure(origin=wanted.shown, problem=problem, remedy="it is begun anew")
        case status:
            problem = f"the server answers {status} {response.reason_phrase}".rstrip()
            remedy = REMEDIES.get(status, "check the address")
            raise OriginRefused(origin=shown(response.url), problem=problem, remedy=remedy)
    whole = part.state.bytes
    if wanted.bytes is not None and whole not in (None, wanted.bytes):
        problem = f"the server sends {whole:,} bytes and the hub says {wanted.bytes:,}"
        raise OriginRefused(origin=wanted.shown, problem=problem, remedy="tell the dataset's owner")
    part.meter.expect(part.place, part.size, whole)
    part.state.etag = _strong_etag(response)
    part.state.write(part.place)


def _length(response: httpx2.Response) -> int | None:
    """The bytes of the body; None for one in chunks, whose end is marked."""
    length = response.headers.get("content-length")
    if length is not None:
        return int(length)
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        return None
    problem = "the server does not say how long the file is, so that a cut could not be told from its end"
    raise OriginRefused(origin=shown(response.url), problem=problem, remedy="download it by hand and give the path")


def _strong_etag(response: httpx2.Response) -> str:
    """The ETag if equal ones mean equal bytes, else empty."""
    etag = str(response.headers.get("etag", ""))
    return etag if etag.startswith('"') else ""


def _unwritable(wanted: Wanted, error: OSError) -> Exception:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "free some space and start again: what has come is kept" if full else "check the folder and the disk"
    return OriginRefused(origin=wanted.shown, problem=f"cannot be written ({error.strerror})", remedy=remedy)


@dataclass(slots=True)
class _State:
    """What is known of the file in a place; ``sha256`` is empty until it is complete."""

    etag: str = ""
    bytes: int | None = None
    sha256: str = ""

    @classmethod
    def read(cls, place: Path) -> Self:
        try:
            return cls(**orjson.loads((place / ".state").read_bytes()))
        except (FileNotFoundError, orjson.JSONDecodeError, TypeError):
            # A kill may leave anything; then the download begins anew.
            return cls()

    def write(self, place: Path) -> None:
        values = {"etag": self.etag, "bytes": self.bytes, "sha256": self.sha256}
        new = place / ".state.new"
        new.write_bytes(orjson.dumps(values))
        new.replace(place / ".state")


class _Part(AbstractContextManager["_Part"]):
    """The bytes that have come, locked against another worker that believes the download to be its own."""

    def __init__(self, place: Path, meter: Meter) -> None:
        self.place, self.meter, self.state, self.size = place, meter, _State.read(place), 0
        self._digest = hashlib.sha256()
        self._file: IO[bytes] = (place / ".part").open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            problem = "another process is downloading it into the same folder"
            raise TemporaryFailure(origin=place, problem=problem, remedy="wait for it") from None

    def __exit__(self, *args: Any) -> None:
        self._file.close()

    def resume(self) -> dict[str, str]:
        """Read what has come; return the headers that ask for the rest of the same version."""
        self._file.seek(0)
        self._digest = hashlib.sha256()
        self.size = 0
        while block := self._file.read(BLOCK):
            self._digest.update(block)
            self.size += len(block)
            self.meter.reach(self.size)
        return {"range": f"bytes={self.size}-", "if-range": self.state.etag} if self.size else {}

    def begin(self) -> dict[str, str]:
        """Forget what has come."""
        self._file.truncate(0)
        self._digest, self.size, self.state = hashlib.sha256(), 0, _State()
        self.state.write(self.place)
        return {}

    def expect(self, response: httpx2.Response, wanted: Wanted) -> None:
        """Raise, and begin anew next time, unless the answer is the rest of what has come."""
        said = RANGE.fullmatch(response.headers.get("content-range", ""))
        start, whole = (int(said[1]), int(said[2])) if said else (None, None)
        same = _strong_etag(response) in ("", self.state.etag) and self.state.bytes in (None, whole)
        if start != self.size or not same:
            self.begin()
            problem = "the server sent other bytes than those asked for"
            raise TemporaryFailure(origin=wanted.shown, problem=problem, remedy="it is begun anew")
        self.state.bytes = whole

    def append(self, block: bytes) -> None:
        if self.state.bytes is None:
            self.meter.expect(self.place, self.size, None)
        self._file.write(block)
        self._digest.update(block)
        self.size += len(block)
        self.meter.reach(self.size)

    def finish(self, wanted: Wanted) -> Fetched:
        """Put the file in its place; raise if it is not what was promised."""
        whole = self.state.bytes if self.state.bytes is not None else wanted.bytes
        if whole is not None and self.size < whole:
            problem = f"{self.size:,} of {whole:,} bytes came"
            raise TemporaryFailure(origin=wanted.shown, problem=problem, remedy="try again later")
        found = self._digest.hexdigest()
        if (whole is not None and self.size != whole) or wanted.sha256 not in (None, found):
            self.begin()
            problem = "what came differs in size or sha256 from what was announced"
            raise OriginRefused(origin=wanted.shown, problem=problem, remedy="start again; then tell its owner")
        self._file.flush()
        os.fsync(self._file.fileno())
        path = self.place / safe_name(wanted.name)
        self.state = _State("", self.size, found)
        self.state.write(self.place)
        (self.place / ".part").replace(path)
        self.meter.finish(self.size)
        return Fetched(path, wanted.name, wanted.address, found, self.size, wanted.revision)
