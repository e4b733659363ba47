"""Putting a published release somewhere else, one way for every place.

A place seals a version under one name that then stands for good: a tag on the hub, a folder on a disk. What is not
sealed may be there in part, from a push that was interrupted; it is kept, and the rest is put beside it. Nothing is
sealed before the place itself has told the sha256 of every file, and what is sealed is never changed.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from exports import checksums, release_files, writers
from exports.errors import PushInterrupted, PushRefused
from exports.models import Snapshot

# Seconds before each try; what still fails then is left to a later call.
PAUSES = (0, 2, 8)


class Place(Protocol):
    """Where a version goes. Digests are sha256 in hexadecimal, by the names of files; what is not there has none."""

    def sealed(self, names: list[str]) -> Mapping[str, str] | None:
        """The digests of what stands under the version's name; None if nothing does."""

    def held(self, names: list[str]) -> Mapping[str, str]:
        """The digests of what a push left there, sealed or not, as the place itself tells them."""

    def put(self, files: Mapping[str, Path], among: list[str]) -> None:
        """Put these files there; afterwards, of this project's, there are no others than those ``among`` them."""

    def seal(self) -> None:
        """Give what is there the version's name."""

    def address(self) -> str:
        """Where a person finds it."""


@dataclass(frozen=True)
class Pushed:
    """What became of a push."""

    digests: dict[str, str]
    sent: list[str]  # the names of the files that were not there already
    was_sealed: bool  # it was there, whole, and nothing was changed


def push(snapshot: Snapshot, place: Place) -> Pushed:
    """Put a published version there, or find that it is; raise PushRefused or PushInterrupted, with nothing sealed."""
    if not snapshot.is_published:
        raise PushRefused(f"{snapshot} is not published: publish it, then push it")
    if snapshot.is_registered:
        raise PushRefused(f"{snapshot} is registered: it was published elsewhere, and has no dataset card of ours")
    if snapshot.is_withdrawn:
        raise PushRefused(f"{snapshot} was withdrawn: {snapshot.standing_reason}")
    release_files.check_files(snapshot)
    with tempfile.TemporaryDirectory(prefix="oig-push-") as folder:
        files, digests = _files(snapshot, Path(folder))
        failure, sent = None, dict[str, None]()
        for pause in PAUSES:
            time.sleep(pause)
            try:
                was_sealed = _push(place, files, digests, sent)
                return Pushed(digests, list(sent), was_sealed)
            except PushInterrupted as error:
                failure = error
        assert failure is not None  # noqa: S101 - for the type checker
        raise failure


def _files(snapshot: Snapshot, folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """What is put there, and its digests: the release, and SHA256SUMS."""
    digests = checksums.digests(snapshot)
    files = {name: snapshot.path / name for name in digests}
    listed = checksums.listing(digests)
    files[checksums.NAME] = folder / checksums.NAME
    writers.write_text(files[checksums.NAME], listed)
    return files, digests | {checksums.NAME: hashlib.sha256(listed.encode()).hexdigest()}


def _push(place: Place, files: dict[str, Path], digests: dict[str, str], sent: dict[str, None]) -> bool:
    """Whether it was there already; ``sent`` gets the names of what was not, also of a try that breaks off."""
    names = list(digests)
    sealed = place.sealed(names)
    if sealed is not None:
        if wrong := _differing(digests, sealed):
            raise PushRefused(f"{place.address()}: stands there with other content ({wrong}), and is never replaced")
        # The answer to a try of before may have got lost.
        return not sent
    held = place.held(names)
    missing = {name: files[name] for name in names if held.get(name) != digests[name]}
    sent.update(dict.fromkeys(missing))
    place.put(missing, names)
    if wrong := _differing(digests, place.held(names)):
        raise PushRefused(
            f"{place.address()}: does not hold what was sent ({wrong}); it was not given its name. "
            "Try again, and look into the place if it stays so"
        )
    place.seal()
    return False


def _differing(digests: Mapping[str, str], found: Mapping[str, str]) -> str:
    """The first file that is not as it was published, in words; empty if all are."""
    for name, digest in digests.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != digest:
            return f"{name} has sha256 {found[name]}, not {digest}"
    return ""
