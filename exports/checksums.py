"""SHA256SUMS: the files of a release as ``sha256sum -c`` reads them."""

from __future__ import annotations

from exports import writers
from exports.models import Snapshot
from exports.release_files import in_order, manifest_name

NAME = "SHA256SUMS"


def digest(snapshot: Snapshot, name: str) -> str:
    """The sha256 of a file of a published version; the manifest cannot hold its own. Raises OSError if that is gone."""
    if name == manifest_name(snapshot.version):
        return str(writers.fingerprint(snapshot.path / name)["sha256"])
    return str(snapshot.manifest["files"][name]["sha256"])


def digests(snapshot: Snapshot) -> dict[str, str]:
    """The sha256 of every file of a published version by its name, in reading order."""
    return {name: digest(snapshot, name) for name in [*in_order(snapshot), manifest_name(snapshot.version)]}


def listing(digests: dict[str, str]) -> str:
    """The lines of SHA256SUMS."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items())
