"""From where datasets come: ``resolve`` says what an origin is, ``fetch`` brings its files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from sources.origins.errors import OriginRefused, TemporaryFailure
from sources.origins.fetched import Fetched, Meter
from sources.origins.origin import Kind, Origin, data_files, is_address, path_of, resolve

__all__ = [
    "Fetched",
    "Kind",
    "Origin",
    "OriginRefused",
    "TemporaryFailure",
    "data_files",
    "fetch",
    "is_address",
    "path_of",
    "resolve",
]

BLOCK = 1_048_576


def fetch(
    origin: str,
    folder: Path,
    tick: Callable[[], None],
    progress: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> list[Fetched]:
    """The files of ``origin``, sorted by name: local ones where they are, others downloaded into ``folder``.

    May be called again after any end, with the same folder: what is complete is not asked for again, what was cut goes
    on. ``tick`` is called about twice a second while bytes come and may raise to end the work; nothing is waited for
    longer than the larger of the two time-outs in the settings. ``progress`` gets bytes so far and, if known, in all.

    Raises OriginRefused, which trying again would not change, or TemporaryFailure, which may pass.
    """
    found = resolve(origin)
    if found.path is not None:
        return _listed(found, found.path, Meter(origin, tick, progress))
    return _downloaded(found, folder, Meter(found.address, tick, progress, settings.DOWNLOAD_MAX_BYTES))


def _listed(origin: Origin, path: Path, meter: Meter) -> list[Fetched]:
    try:
        paths = data_files(path) if origin.kind is Kind.FOLDER else [path]
        meter.announce(sum(each.stat().st_size for each in paths))
        return [_local(each, meter) for each in paths]
    except OSError as error:
        where, problem = error.filename or path, f"cannot be read ({error.strerror})"
        raise OriginRefused(origin=where, problem=problem, remedy="check the path and its permissions") from None


def _local(path: Path, meter: Meter) -> Fetched:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
            meter.reach(size)
    meter.finish(size)
    return Fetched(path, path.name, path.as_uri(), digest.hexdigest(), size)


def _downloaded(origin: Origin, folder: Path, meter: Meter) -> list[Fetched]:
    # Libraries of the network cost 15 MB and half a second, which most processes never need.
    from sources.origins import downloads, transport

    if origin.kind is Kind.HUB:
        from sources.origins import hub

        wanted = hub.wanted(origin, meter)
        meter.announce(sum(each.bytes or 0 for each in wanted))
    else:
        wanted = [downloads.Wanted(origin.address, downloads.safe_name(origin.address.partition("?")[0]))]
    with transport.open_client(meter.pulse) as client:
        return [downloads.download(client, each, folder, meter) for each in wanted]
