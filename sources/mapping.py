"""What the labels of a source suggest in the words of our label set, by a declared table (pure, no Django).

A map is the ``[labels]`` table of a TOML file, with one table for each column of the source's labels:

    [labels.label.values]                   # what each value suggests; lists are read value by value
    "unsafe" = { label = "needs-caution" }
    "safe" = { no = ["hate"] }              # the source says no to this tag
    "other" = {}                            # suggests nothing, on purpose

    [labels.tags]
    separator = "|"                         # "needs caution | hate" are two values
    values = { "needs caution" = { label = "needs-caution" }, "hate" = { tags = ["hate"] } }

    [labels.identity_attack]
    share = ["hate"]                        # the share of raters who say yes, 0 to 1

    [labels]
    note = {}                               # a column that suggests nothing, on purpose

What lies in an object is named with a dot: ``labels.spam.value``. A value that is missing or null is unknown and
suggests nothing: it is never read as no. What no table declares stays raw and is counted. Nothing is guessed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Self

from labels import taxonomy
from sources.errors import SourceError

LABEL_SET = "oig-safety"
MAX_TEXT = 80
# Objects inside objects further down than this are one value without a mapping.
MAX_DEPTH = 4


class WrongMapping(SourceError):
    """label mapping, table [{table}]: {key!r} {problem}: {remedy}"""


class Meaning(NamedTuple):
    """What one value suggests: how severe its label is, -1 for none, and a share of 0 or 1 for each tag."""

    severity: int = -1
    tags: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class _Rule:
    values: Mapping[str, Meaning]
    separator: str
    share: tuple[str, ...]
    is_ignored: bool


@dataclass(frozen=True, slots=True)
class LabelMap:
    """A declared map, compiled: ``suggest`` costs one look-up for each value."""

    rules: Mapping[str, _Rule]
    ignored: frozenset[str]

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Self:
        """The map that a ``[labels]`` table of TOML declares. Raises WrongMapping, which names table and key."""
        if not isinstance(table, Mapping):
            raise WrongMapping(table="labels", key="labels", problem="is no table", remedy="write [labels.COLUMN]")
        rules = {column: _rule(f"labels.{column}", declared) for column, declared in table.items()}
        return cls(rules, frozenset(column for column, rule in rules.items() if rule.is_ignored))

    @property
    def columns(self) -> list[str]:
        """Every column that a table may be meant for: ``[labels."a.b"]`` is for a.b, or for an object in a."""
        parts = [name.split(".") for name in self.rules]
        return list(dict.fromkeys(".".join(part[:end]) for part in parts for end in range(1, len(part) + 1)))

    def suggest(self, source_labels: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """What the source's labels suggest, and what of them has no mapping.

        The suggestion is ``{"label": code, "tags": {code: share}}``; each key is left out where nothing is suggested.
        Of several labels the most severe is taken, of several shares of one tag the largest, a lower bound of the
        share of those who say any of it. What has no mapping is ``column=value``, or ``column`` alone where no
        table is declared for it.
        """
        if source_labels.keys() <= self.ignored:
            return {}, []  # most rows of the largest sources
        found, unmapped = list[Meaning](), list[str]()
        self._collect("", source_labels, found, unmapped, MAX_DEPTH)
        if not found:
            return {}, unmapped
        severity = max(meaning.severity for meaning in found)
        suggestion: dict[str, Any] = {"label": _labels()[severity]} if severity >= 0 else {}
        shares = sorted(pair for meaning in found for pair in meaning.tags)
        if shares:
            suggestion["tags"] = dict(shares)  # of equal tags the last one, the largest share
        return suggestion, unmapped

    def _collect(
        self, prefix: str, labels: Mapping[str, Any], found: list[Meaning], unmapped: list[str], depth: int
    ) -> None:
        for name, value in labels.items():
            column = prefix + name if prefix else name
            rule = self.rules.get(column)
            if rule is None:
                if isinstance(value, dict) and value and depth:
                    self._collect(f"{column}.", value, found, unmapped, depth - 1)
                else:
                    unmapped.append(column[:MAX_TEXT])
            elif rule.is_ignored or value is None:
                continue
            elif rule.share:
                _share(rule, column, value, found, unmapped)
            elif isinstance(value, list):
                for part in value:
                    _look_up(rule, column, part, found, unmapped)
            else:
                _look_up(rule, column, value, found, unmapped)


def read(text: str) -> tuple[Mapping[str, Any], LabelMap]:
    """The table ``[columns]`` as it stands in the text of a TOML file, and the map of ``[labels]``.

    Raises WrongMapping, also for anything else in it: what a dataset is called and its licence are facts of a source.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem = f"is not TOML ({error})"
        raise WrongMapping(table="labels", key="mapping", problem=problem, remedy="correct it") from None
    columns, labels = content.pop("columns", {}), content.pop("labels", {})
    for key in content:
        remedy = "leave it out, only [columns] may; name, title and licence are given with the source"
        raise WrongMapping(table="labels", key=key, problem="stands beside it", remedy=remedy)
    if not isinstance(columns, Mapping):
        raise WrongMapping(table="columns", key="columns", problem="is no table", remedy='write text = "COLUMN" in it')
    if "mapping" in columns:
        problem, remedy = "cannot stand in a mapping", "write the table [labels] instead"
        raise WrongMapping(table="columns", key="mapping", problem=problem, remedy=remedy)
    return columns, LabelMap.parse(labels)


def _look_up(rule: _Rule, column: str, value: Any, found: list[Meaning], unmapped: list[str]) -> None:
    spelled = _spelled(value)
    for part in spelled.split(rule.separator) if rule.separator else (spelled,):
        word = part.strip()
        meaning = rule.values.get(word)
        if meaning is not None:
            found.append(meaning)
        elif word:
            unmapped.append(f"{column}={word}"[:MAX_TEXT])


def _share(rule: _Rule, column: str, value: Any, found: list[Meaning], unmapped: list[str]) -> None:
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return
    try:
        share = -1.0 if isinstance(value, bool) else float(value)
    except (ValueError, TypeError, OverflowError):
        share = -1.0
    if 0 <= share <= 1:
        found.append(Meaning(-1, tuple([(tag, share) for tag in rule.share])))
    else:
        unmapped.append(f"{column}={_spelled(value)}"[:MAX_TEXT])


def _spelled(value: Any) -> str:
    """A value as the keys of a table spell it: 1.0 as "1", a truth value as "true", null as nothing."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


@cache
def _labels() -> list[str]:
    """The codes of the label set's labels from mild to severe: the published ones, which include the options'."""
    return [re.sub(r"[^a-z0-9]+", "-", name.lower()) for name in _label_set().published]


@cache
def _label_set() -> taxonomy.LabelSetSpec:
    return taxonomy.read(taxonomy.SHIPPED / f"{LABEL_SET}.toml")


def _rule(name: str, declared: Any) -> _Rule:
    if not isinstance(declared, Mapping):
        remedy = "write {} where it suggests nothing, else a table with values or share"
        raise WrongMapping(table="labels", key=name.partition(".")[2], problem="is no table", remedy=remedy)
    _only(name, declared, "values", "separator", "share")
    values, separator, share = declared.get("values", {}), declared.get("separator", ""), declared.get("share", [])
    if not isinstance(values, Mapping):
        raise WrongMapping(table=name, key="values", problem="is no table", remedy="write VALUE = {...}")
    if not isinstance(separator, str):
        raise WrongMapping(table=name, key="separator", problem="is not text", remedy='write it as "|"')
    if share and (values or separator):
        raise WrongMapping(table=name, key="share", problem="and values exclude each other", remedy="leave one out")
    return _Rule(
        values={value: _meaning(f"{name}.values", value, meaning) for value, meaning in values.items()},
        separator=separator,
        share=_tags(name, "share", share),
        is_ignored=not declared,
    )


def _meaning(table: str, value: str, declared: Any) -> Meaning:
    if not isinstance(declared, Mapping):
        remedy = 'write { label = "..." }, { tags = [...] }, { no = [...] }, or {} for nothing'
        raise WrongMapping(table=table, key=value, problem="is no table", remedy=remedy)
    name = f"{table}.{value}"
    _only(name, declared, "label", "tags", "no")
    label = declared.get("label")
    if label is not None and label not in _labels():
        remedy = f"use one of {', '.join(_labels())}"
        raise WrongMapping(table=name, key="label", problem=f"is no label of {LABEL_SET}: {label!r}", remedy=remedy)
    yes, no = _tags(name, "tags", declared.get("tags", [])), _tags(name, "no", declared.get("no", []))
    tags = [(tag, 1.0) for tag in yes] + [(tag, 0.0) for tag in no]
    return Meaning(-1 if label is None else _labels().index(label), tuple(tags))


def _tags(table: str, key: str, declared: Any) -> tuple[str, ...]:
    known = [tag.code for tag in _label_set().tags]
    if not isinstance(declared, list):
        raise WrongMapping(table=table, key=key, problem="is no list", remedy=f'write ["{known[0]}"]')
    for tag in declared:
        if tag not in known:
            problem = f"names no tag of {LABEL_SET}: {tag!r}"
            raise WrongMapping(table=table, key=key, problem=problem, remedy=f"use {', '.join(known)}")
    return tuple(declared)


def _only(table: str, declared: Mapping[str, Any], *known: str) -> None:
    for key in declared:
        if key not in known:
            raise WrongMapping(table=table, key=key, problem="is not known", remedy=f"use {', '.join(known)}")
