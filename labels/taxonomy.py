"""What can be said: label sets as reviewable TOML files, read into frozen values and checked to the last field.

A label set declares two things: the **vote options** (exactly one per vote, mild to severe) and the **published labels
with their rule**, beside **additional tags** that are each answered yes, no, or not at all. Pure: no Django here, so
aggregation, tests and commands share these values.
"""

import hashlib
import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from labels.errors import LabelsError

SHIPPED = Path(__file__).parent / "label_sets"
RULES = ("fresh-readers", "median")
MAX_CODE, MAX_NAME, MAX_TITLE = 60, 60, 200
OPTION_KEY, TAG_KEY = r"^[1-9]$", r"^[a-z]$"
# Keys that the labelling page uses itself: u is undo.
RESERVED_KEYS = frozenset("u")
# The page's surfaces, on which a label's name stands in its colour.
LIGHT_SURFACES = ("#ffffff", "#f7f6f3")
DARK_SURFACES = ("#15171c", "#1d2027")
MIN_CONTRAST = 4.5
EXAMPLES = 2

_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_COLOUR = re.compile(r"#[0-9a-f]{6}")


class TaxonomyError(LabelsError):
    """A label set's TOML file is wrong; the message names file, field and remedy."""


@dataclass(frozen=True)
class LabelSpec:
    """One vote option or tag: ``code`` is the slug, ``name`` the published spelling, ``key`` that of the keyboard."""

    code: str
    name: str
    key: str
    colour_light: str
    colour_dark: str
    definition: str
    guideline: str
    yes_examples: tuple[str, ...]
    no_examples: tuple[str, ...]


@dataclass(frozen=True)
class LabelSetSpec:
    """One revision of a label set. Options and published labels run from mild to severe."""

    name: str
    revision: int
    title: str
    question: str
    ordinal: bool
    rule: str
    published: tuple[str, ...]
    options: tuple[LabelSpec, ...]
    tags: tuple[LabelSpec, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of the content as canonical JSON: the same however the file was typed."""
        canonical = json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def __hash__(self) -> int:
        # Aggregation caches by spec, once per instruction: hashing every guideline each time would cost more than it.
        return hash(self.digest)

    @property
    def option_names(self) -> tuple[str, ...]:
        """The vote options' published spellings, mild to severe."""
        return tuple(option.name for option in self.options)

    @property
    def tag_names(self) -> tuple[str, ...]:
        """The tags' published spellings, in the order of the file."""
        return tuple(tag.name for tag in self.tags)


_LABEL_FIELDS = tuple(field.name for field in fields(LabelSpec))
_SET_FIELDS = tuple(field.name for field in fields(LabelSetSpec))


def read(path: Path | str) -> LabelSetSpec:
    """The label set that the TOML file at ``path`` declares. Raises TaxonomyError for the first mistake in it."""
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TaxonomyError(f"{path}: cannot be read ({error.strerror}); give the path of a TOML file.") from error
    except UnicodeDecodeError as error:
        raise TaxonomyError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise TaxonomyError(f"{path}: is not TOML: {error}; correct that line.") from error
    return _Reader(path, "").label_set(content)


def shipped() -> list[Path]:
    """The TOML files of the label sets that the project ships, by name."""
    return sorted(SHIPPED.glob("*.toml"), key=lambda path: path.stem)


def contrast(foreground: str, background: str) -> float:
    """The contrast ratio, 1 to 21, of two ``#rrggbb`` colours: (L1 + 0.05) / (L2 + 0.05), as WCAG 2.2 defines it."""
    darker, lighter = sorted((_luminance(foreground), _luminance(background)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance 0 to 1 of an sRGB colour, as WCAG 2.2 defines it."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@dataclass(frozen=True)
class _Reader:
    """Reads one table of the file; ``where`` is its place in it, for the messages."""

    path: Path
    where: str

    def error(self, field: str, problem: str, remedy: str) -> TaxonomyError:
        return TaxonomyError(f"{self.path}: field {self.where}{field}: {problem}; {remedy}.")

    def label_set(self, content: Mapping[str, Any]) -> LabelSetSpec:
        self.check_fields(content, _SET_FIELDS, optional=("tags",))
        spec = LabelSetSpec(
            name=self.code(content, "name"),
            revision=self.revision(content),
            title=self.text(content, "title", MAX_TITLE),
            question=self.text(content, "question"),
            ordinal=self.flag(content, "ordinal"),
            rule=self.text(content, "rule"),
            published=self.texts(content, "published"),
            options=self.labels(content, "options", OPTION_KEY, "one digit from 1 to 9"),
            tags=self.labels(content, "tags", TAG_KEY, "one lower-case letter"),
        )
        self.check_unique(spec)
        self.check_rule(spec)
        return spec

    def labels(self, content: Mapping[str, Any], field: str, key: str, key_words: str) -> tuple[LabelSpec, ...]:
        tables = content.get(field, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self.error(field, "is not a list of tables", f"begin each one with a line [[{field}]]")
        return tuple(
            _Reader(self.path, f"{field}[{number}].").label(table, key, key_words)
            for number, table in enumerate(tables, start=1)
        )

    def label(self, content: Mapping[str, Any], key: str, key_words: str) -> LabelSpec:
        self.check_fields(content, _LABEL_FIELDS)
        return LabelSpec(
            code=self.code(content, "code"),
            name=self.text(content, "name", MAX_NAME),
            key=self.key(content, key, key_words),
            colour_light=self.colour(content, "colour_light", LIGHT_SURFACES),
            colour_dark=self.colour(content, "colour_dark", DARK_SURFACES),
            definition=self.text(content, "definition"),
            guideline=self.text(content, "guideline"),
            yes_examples=self.examples(content, "yes_examples"),
            no_examples=self.examples(content, "no_examples"),
        )

    def check_fields(self, content: Mapping[str, Any], known: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
        for field in content:
            if field not in known:
                raise self.error(field, "is not known", f"remove it or use one of {', '.join(known)}")
        for field in known:
            if field not in content and field not in optional:
                raise self.error(field, "is missing", "add it")

    def text(self, content: Mapping[str, Any], field: str, longest: int | None = None) -> str:
        return self.clean(field, content[field], longest)

    def texts(self, content: Mapping[str, Any], field: str) -> tuple[str, ...]:
        if not isinstance(content[field], list):
            raise self.error(field, "is not a list of texts", 'write ["...", "..."]')
        return tuple(self.clean(f"{field}[{number}]", text) for number, text in enumerate(content[field], start=1))

    def clean(self, field: str, text: object, longest: int | None = None) -> str:
        """``text`` with every run of white space as one blank: wrapping a paragraph does not change the digest."""
        if not isinstance(text, str):
            raise self.error(field, f"is {type(text).__name__}, not text", 'write it in quotes, as "..."')
        text = " ".join(text.split())
        if not text:
            raise self.error(field, "is empty", "write it")
        if any(unicodedata.category(character) == "Cc" for character in text):
            raise self.error(field, "has a control character", "remove it")
        if longest and len(text) > longest:
            raise self.error(field, f"has {len(text)} characters", f"use at most {longest}")
        return text

    def code(self, content: Mapping[str, Any], field: str) -> str:
        code = self.text(content, field, MAX_CODE)
        if not _CODE.fullmatch(code):
            raise self.error(field, f"{code!r} is not a slug", "use lower-case letters, digits and single hyphens")
        return code

    def revision(self, content: Mapping[str, Any]) -> int:
        revision = content["revision"]
        if type(revision) is not int or not 1 <= revision < 2**31:
            raise self.error("revision", f"{revision!r} is not a whole number from 1", "count revisions 1, 2, 3 ...")
        return revision

    def flag(self, content: Mapping[str, Any], field: str) -> bool:
        flag = content[field]
        if not isinstance(flag, bool):
            raise self.error(field, f"{flag!r} is not a truth value", "write true or false")
        return flag

    def key(self, content: Mapping[str, Any], allowed: str, words: str) -> str:
        key = self.text(content, "key")
        if not re.fullmatch(allowed, key):
            raise self.error("key", f"{key!r} does not fit", f"use {words}")
        if key in RESERVED_KEYS:
            raise self.error("key", f"{key!r} is reserved for the page's own commands", "use another letter")
        return key

    def colour(self, content: Mapping[str, Any], field: str, surfaces: tuple[str, ...]) -> str:
        colour = self.text(content, field).lower()
        if not _COLOUR.fullmatch(colour):
            raise self.error(field, f"{colour!r} is not a colour", "write it as #rrggbb")
        for surface in surfaces:
            if (ratio := contrast(colour, surface)) < MIN_CONTRAST:
                problem = f"{colour} on the page's {surface} has a contrast of {ratio:.2f}"
                raise self.error(field, problem, f"choose a colour that reaches {MIN_CONTRAST}")
        return colour

    def examples(self, content: Mapping[str, Any], field: str) -> tuple[str, ...]:
        texts = self.texts(content, field)
        if len(texts) != EXAMPLES:
            raise self.error(field, f"has {len(texts)} examples", f"give exactly {EXAMPLES}")
        return texts

    def check_unique(self, spec: LabelSetSpec) -> None:
        """Votes and tags stand in one list of a published line, and keys on one keyboard: no two may be the same."""
        seen: dict[tuple[str, str], str] = {}
        for kind, labels in (("options", spec.options), ("tags", spec.tags)):
            for number, label in enumerate(labels, start=1):
                for field in ("code", "name", "key"):
                    value = getattr(label, field)
                    first = seen.setdefault((field, value), f"{kind}[{number}]")
                    if first != f"{kind}[{number}]":
                        raise self.error(
                            f"{kind}[{number}].{field}", f"{value!r} is also that of {first}", "use another"
                        )
        for number, name in enumerate(spec.published, start=1):
            if name in spec.published[: number - 1]:
                raise self.error(f"published[{number}]", f"{name!r} is there twice", "remove one")
            if name in spec.tag_names:
                raise self.error(f"published[{number}]", f"{name!r} is also a tag", "rename the tag")

    def check_rule(self, spec: LabelSetSpec) -> None:
        if spec.rule not in RULES:
            raise self.error("rule", f"{spec.rule!r} is not known", f"use one of {', '.join(RULES)}")
        if len(spec.options) < 2:
            raise self.error("options", f"has {len(spec.options)}", "declare at least two")
        if not spec.ordinal:
            raise self.error("ordinal", f"is false, but rule {spec.rule!r} needs an order", "write true")
        if spec.rule == "median" and spec.published != spec.option_names:
            raise self.error("published", "differs from the options' names", "rule 'median' publishes these, in order")
        if spec.rule == "fresh-readers":
            self.check_fresh_readers(spec)

    def check_fresh_readers(self, spec: LabelSetSpec) -> None:
        if len(spec.options) != 3:
            remedy = "rule 'fresh-readers' counts three: mild, caution, severe"
            raise self.error("options", f"has {len(spec.options)}", remedy)
        if len(spec.published) != 5 or (spec.published[0], *spec.published[3:]) != spec.option_names:
            remedy = "rule 'fresh-readers' publishes five: the mild option, possibly, probably, the other two options"
            raise self.error("published", "does not fit the options", remedy)
