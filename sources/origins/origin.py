"""What the words after "from" mean: a path, an https address, or files of a dataset on the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from sources.origins.errors import OriginRefused
from sources.readers.shards import COMPRESSIONS, SUFFIXES

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/")
HUB = re.compile(r"hf://datasets/([^/@]+/[^/@]+)(?:@([^/]*))?(?:/(.*))?")
DATASET = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
HUB_FORM = "write hf://datasets/ORG/NAME@REVISION/FILE"
ENDINGS = tuple(form + packed for form in SUFFIXES for packed in ("", *COMPRESSIONS))


class Kind(StrEnum):
    """Where an origin is."""

    FILE = "file"
    FOLDER = "folder"
    HTTPS = "https"
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a dataset comes from; ``address`` is how it was given.

    A local one has a ``path``. One on the hub has a ``dataset`` (ORG/NAME), a ``revision``, and ``inside``: a file, a
    folder that ends in / (empty for the whole of it), or a pattern with * whose parts match folder by folder.
    """

    kind: Kind
    address: str
    path: Path | None = None
    dataset: str = ""
    revision: str = ""
    inside: str = ""

    @property
    def is_folder(self) -> bool:
        return self.kind is Kind.HUB and (not self.inside or self.inside.endswith("/"))

    @property
    def is_one_file(self) -> bool:
        return self.kind is Kind.HUB and not self.is_folder and not set(self.inside) & set("*?[")


def resolve(origin: str) -> Origin:
    """What ``origin`` names, without asking anybody for it. Raises OriginRefused for what is not to be had."""
    given = origin.strip()
    if not given or any(ord(character) < 32 for character in given):
        remedy = "give a path, an https address or hf://datasets/..."
        raise OriginRefused(origin=repr(given), problem="is not an address", remedy=remedy)
    scheme = SCHEME.match(given)
    match scheme and scheme[1].lower():
        case None:
            return _local(given)
        case "https":
            return _https(given)
        case "hf":
            return _hub(given)
        case "http":
            problem, remedy = "http addresses are not asked", "write https://"
        case other:
            problem, remedy = f"{other} addresses are not known", "give a path, an https address or hf://datasets/..."
    raise OriginRefused(origin=_without_secrets(given), problem=problem, remedy=remedy)


def is_address(origin: str) -> bool:
    """Whether ``origin`` begins with a scheme; all else is a path, whatever stands further on in it."""
    return SCHEME.match(origin.strip()) is not None


def path_of(given: str) -> Path:
    """The path from the root, with the home folder for ~. Raises OriginRefused where there is no such home."""
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError:
        problem, remedy = "~ stands for no home folder that is known", "write the path from the root, or ./~ for a name"
        raise OriginRefused(origin=given, problem=problem, remedy=remedy) from None


def is_data(path: str) -> bool:
    """Whether a file of a folder is taken for data, by its name."""
    name = PurePosixPath(path).name.lower()
    return not name.startswith(".") and not name.startswith("readme") and name.endswith(ENDINGS)


def data_files(folder: Path) -> list[Path]:
    """The data files directly in ``folder``, sorted by name. Raises OriginRefused if there are none."""
    found = sorted(path for path in folder.iterdir() if path.is_file() and is_data(path.name))
    if not found:
        problem = f"no file in it ends in {', '.join(SUFFIXES)} (or these with {' or '.join(COMPRESSIONS)})"
        raise OriginRefused(origin=folder, problem=problem, remedy="name the folder that holds the shards")
    return found


def _local(given: str) -> Origin:
    path = path_of(given)
    if path.is_dir():
        return Origin(Kind.FOLDER, given, path)
    if path.is_file():
        return Origin(Kind.FILE, given, path)
    problem = "is neither a file nor a folder" if path.exists() else "there is no such file or folder"
    raise OriginRefused(origin=given, problem=problem, remedy="check the path")


def _https(given: str) -> Origin:
    # Parsed by what will ask for it: two parsers could see two hosts in one text.
    import httpx2

    from sources.origins.guard import Guard

    try:
        url = httpx2.URL(given)
    except httpx2.InvalidURL as error:
        raise OriginRefused(origin=_without_secrets(given), problem=f"{error}", remedy="check the address") from None
    Guard.of_settings().check(url)
    return Origin(Kind.HTTPS, str(url.copy_with(fragment=None)))


def _hub(given: str) -> Origin:
    found = HUB.fullmatch(given)
    if not found or not DATASET.fullmatch(found[1]):
        raise OriginRefused(origin=given, problem="is not a dataset of the hub", remedy=HUB_FORM)
    dataset, revision, inside = found[1], unquote(found[2] or ""), found[3]
    if not revision:
        problem = "names no revision, so that nobody could tell later which files these were"
        raise OriginRefused(origin=given, problem=problem, remedy=f"{HUB_FORM}; @main is the newest")
    if inside is None:
        raise OriginRefused(origin=given, problem="names no file", remedy=f"{HUB_FORM}; a / at the end takes them all")
    parts = inside.removesuffix("/").split("/") if inside else []
    if any(part in ("", ".", "..") for part in [*parts, *revision.split("/")]):
        raise OriginRefused(origin=given, problem="holds an empty or dotted part", remedy=HUB_FORM)
    return Origin(Kind.HUB, given, dataset=dataset, revision=revision, inside=inside)


def _without_secrets(address: str) -> str:
    """The address without what may be a user name, a password or a key in its query."""
    scheme, _, rest = address.partition("://")
    host = rest.partition("?")[0].rpartition("@")[2]
    return f"{scheme}://{host}"
