"""The formats that can be imported: a module each, or a TOML file where the layout is plain columns."""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache
from pathlib import Path

from sources.errors import SourceError
from sources.importers import (
    civil_comments,
    columns,
    convabuse,
    hatecheck,
    hh_rlhf,
    oasst,
    oig,
    oig_chip2,
    oig_moderation,
    prosocial_dialog,
    red_instruct,
    red_team_attempts,
)
from sources.importers.importer import Importer, Options, Reader, did_you_mean
from sources.mapping import LabelMap

FOLDER = Path(__file__).parent
# What decides, beside the importers themselves, which rows a file gives.
_DECIDING = ("acceptance.py", "mapping.py", "rows.py", "texts.py", "readers")

_MODULES = (
    columns,
    oig,
    oig_chip2,
    oig_moderation,
    prosocial_dialog,
    red_team_attempts,
    hh_rlhf,
    oasst,
    civil_comments,
    hatecheck,
    convabuse,
    red_instruct,
)


class UnknownFormat(SourceError):
    """format {name!r} is not known: {remedy}"""


class WrongDeclaration(SourceError):
    """{path}: {problem}: {remedy}"""


def known() -> list[Importer]:
    """Every format."""
    return list(_by_name().values())


def get(name: str) -> Importer:
    """The format called ``name``. Raises UnknownFormat, which lists those there are."""
    if name not in _by_name():
        raise UnknownFormat(name=name, remedy=did_you_mean(name, list(_by_name())))
    return _by_name()[name]


def declared(path: Path) -> Importer:
    """The format that a TOML file declares. Raises WrongDeclaration, WrongOption or WrongMapping."""
    content = tomllib.loads(path.read_text("utf-8"))
    named, labels = content.pop("columns", {}), content.pop("labels", {})
    texts = ("name", "title", "summary", "license", "address", "attribution", "unverified")
    for key, value in content.items():
        if key not in texts or not isinstance(value, str):
            problem = f"key {key!r} is none of {', '.join(texts)}, or no text"
            raise WrongDeclaration(path=path, problem=problem, remedy="correct it")
    of_file = columns.Columns.of(_checked(named, path), path.stem)
    reader = Reader(of_file.row, LabelMap.parse(labels))

    def with_options(options: Options) -> Reader:
        return reader

    return Importer(reader=with_options, **content)


@cache
def fingerprint() -> str:
    """32 hex digits (BLAKE2b-128) of all files that decide what an import gives: other code, other digits."""
    digest = hashlib.blake2b(digest_size=16)
    app = FOLDER.parent
    found = [FOLDER, *(app / name for name in _DECIDING)]
    files = [path for place in found for path in (place.rglob("*") if place.is_dir() else [place])]
    for path in sorted(path for path in files if path.suffix in (".py", ".toml")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(app).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@cache
def _by_name() -> dict[str, Importer]:
    formats = [module.IMPORTER for module in _MODULES] + [declared(path) for path in sorted(FOLDER.glob("*.toml"))]
    return {importer.name: importer for importer in formats}


def _checked(named: Options, path: Path) -> Options:
    columns.IMPORTER.check_options(named)
    if "mapping" in named:
        raise WrongDeclaration(path=path, problem="has an option 'mapping'", remedy="write the table [labels] instead")
    return named
