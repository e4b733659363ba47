"""The formats that can be imported: one module each."""

from __future__ import annotations

from sources.errors import SourceError
from sources.importers import convabuse, csv, jsonl, oig, prosocial_dialog
from sources.importers.importer import Importer, did_you_mean

_KNOWN: dict[str, Importer] = {
    module.IMPORTER.name: module.IMPORTER for module in (oig, prosocial_dialog, convabuse, jsonl, csv)
}


class UnknownFormat(SourceError):
    """format {name!r} is not known: {remedy}"""


def known() -> list[Importer]:
    """Every format."""
    return list(_KNOWN.values())


def get(name: str) -> Importer:
    """The format called ``name``. Raises UnknownFormat, which lists those there are."""
    if name not in _KNOWN:
        raise UnknownFormat(name=name, remedy=did_you_mean(name, list(_KNOWN)))
    return _KNOWN[name]
