"""The folder of a release: its files' names, how it comes to be in one step, and whether it is what was published."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from exports import comparing, writers
from exports.errors import NotReproducible, SnapshotRefused
from exports.models import Snapshot

# What changed since the version before; the first has none.
CHANGELOG = "CHANGES.md"


def file_names(version: str) -> dict[str, str]:
    """The files of a version besides its manifest, by what they are."""
    return {
        "records": f"OIG_safety_v{version}.jsonl",
        "statistics": f"OIG_safety_v{version}.stats.json",
        "card": "README.md",
    }


def in_order(snapshot: Snapshot) -> list[str]:
    """The files of a published version besides its manifest: records, statistics, card, changes, then other forms."""
    files = snapshot.manifest["files"]
    first = [*file_names(snapshot.version).values(), CHANGELOG, comparing.summary_name(snapshot)]
    return [*(name for name in first if name in files), *sorted(files.keys() - set(first))]


def manifest_name(version: str) -> str:
    return f"OIG_safety_v{version}.manifest.json"


@contextmanager
def workshop(snapshot: Snapshot) -> Iterator[Path]:
    """A temporary folder on the file system of the final one; gone at the end unless it was renamed.

    Whoever calls this holds the snapshot's lease: what an earlier worker left when it was killed is swept away.
    """
    parent = snapshot.path.parent
    parent.mkdir(parents=True, exist_ok=True)
    sweep(snapshot)
    folder = Path(tempfile.mkdtemp(prefix=_partial(snapshot), dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _partial(snapshot: Snapshot) -> str:
    return f".partial-{snapshot.version}-"


def sweep(snapshot: Snapshot) -> None:
    """Delete the temporary folders of this version."""
    for left in snapshot.path.parent.glob(f"{_partial(snapshot)}*"):
        shutil.rmtree(left, ignore_errors=True)


def move(folder: Path, target: Path, manifest: str) -> None:
    """Give the finished folder its name; what stands there already is kept if it is the same, and never replaced.

    A worker that died between its rename and its commit leaves exactly that: the same files, unpublished.
    """
    if not target.exists():
        folder.chmod(0o755)
        folder.rename(target)
    elif not (target / manifest).exists() or (target / manifest).read_bytes() != (folder / manifest).read_bytes():
        raise SnapshotRefused(f"{target}: there is another snapshot that this database does not know; move it away")


@contextmanager
def held_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A temporary folder, gone at the end. Those of killed processes, whose locks the kernel freed, are swept away."""
    for left in parent.glob(f"{prefix}*"):
        with suppress(OSError), _lock(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        with _lock(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold a folder; raises BlockingIOError where another process does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def deliver(snapshot: Snapshot, folder: Path) -> list[Path]:
    """Copy the files of a published snapshot into ``folder``: none if one stands there with other content.

    A full disk leaves those that were copied, each of them whole; the next call adds the others.
    """
    names = [*in_order(snapshot), manifest_name(snapshot.version)]
    check_files(snapshot)
    for name in names:
        if (folder / name).exists() and writers.fingerprint(folder / name) != writers.fingerprint(snapshot.path / name):
            raise SnapshotRefused(
                f"{folder / name}: exists with other content; choose another --output or move it away"
            )
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if not (folder / name).exists():
            writers.copy(snapshot.path / name, folder / name)
    return [folder / name for name in names]


def _is(published: dict[str, Any], file: Path) -> bool:
    """Whether a file is what the manifest says of it, which may say more than bytes do."""
    return writers.fingerprint(file).items() <= published.items()


def check_files(snapshot: Snapshot) -> None:
    """Raise NotReproducible, naming the first, unless the files are those that were published."""
    manifest = snapshot.path / manifest_name(snapshot.version)
    intact = {snapshot.path / name: print_ for name, print_ in snapshot.manifest["files"].items()}
    wrong = [file for file, print_ in intact.items() if not file.is_file() or not _is(print_, file)]
    if not manifest.is_file() or not writers.holds_json(manifest, snapshot.manifest):
        wrong.append(manifest)
    if wrong:
        raise NotReproducible(f"{min(wrong)}: not the file that was published; restore it from a backup")
