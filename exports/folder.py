"""A folder as a place of releases: each in a folder of its own, as ``v0.3``, that appears when it is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from exports import writers
from exports.errors import PushRefused


class Folder:
    """``v<version>`` in ``parent``; until it is whole it is hidden, as ``.v<version>.partial``."""

    def __init__(self, parent: Path, version: str) -> None:
        self._final = parent / f"v{version}"
        self._partial = parent / f".v{version}.partial"

    def address(self) -> str:
        return str(self._final)

    def sealed(self, names: list[str]) -> Mapping[str, str] | None:
        return self._digests(self._final, names) if self._final.exists() else None

    def held(self, names: list[str]) -> Mapping[str, str]:
        return self._digests(self._partial, names)

    def put(self, files: Mapping[str, Path], among: list[str]) -> None:
        with self._understood():
            self._partial.mkdir(parents=True, exist_ok=True)
            for left in self._partial.iterdir():
                if left.name not in among:
                    left.unlink()
            for name, file in files.items():
                writers.copy(file, self._partial / name)
            writers.sync_directory(self._partial)

    def seal(self) -> None:
        with self._understood():
            self._partial.rename(self._final)
            writers.sync_directory(self._final.parent)

    def _digests(self, folder: Path, names: list[str]) -> dict[str, str]:
        with self._understood():
            there = [name for name in names if (folder / name).is_file()]
            return {name: writers.fingerprint(folder / name)["sha256"] for name in there}

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """What the disk says, with what to do about it."""
        try:
            yield
        except OSError as error:
            where = error.filename or self._partial
            raise PushRefused(
                f"{where}: {error.strerror}; make room or make it writable, then push again: what has come is kept"
            ) from None
