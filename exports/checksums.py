"""SHA256SUMS: the files of a release as ``sha256sum -c`` reads them."""

from __future__ import annotations

from exports import writers
from exports.models import Snapshot
from exports.snapshots import in_order, manifest_name

NAME = "SHA256SUMS"


def digests(snapshot: Snapshot) -> dict[str, str]:
    """The sha256 of each file of a published version by its name, the manifest's too, which cannot hold its own."""
    manifest = manifest_name(snapshot.version)
    listed = {name: snapshot.manifest["files"][name]["sha256"] for name in in_order(snapshot)}
    return {**listed, manifest: writers.fingerprint(snapshot.path / manifest)["sha256"]}


def listing(digests: dict[str, str]) -> str:
    """The lines of SHA256SUMS."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items())
