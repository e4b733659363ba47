"""Named columns: any file of records (JSON lines, a JSON array, CSV, Parquet) whose columns options name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from sources import mapping
from sources.importers.importer import Importer, Option, Options, Reader, WrongOption, not_an_object, part_of
from sources.readers.json import BrokenJSON, parse
from sources.rows import InstructionRow, RejectedRow, Turn
from sources.texts import BOT, HUMAN

# Spellings of a turn's fields and roles in public datasets. Other roles (system, tool) have no place in a dialogue of
# two and are not guessed.
ROLE_FIELDS = ("role", "from")
TEXT_FIELDS = ("text", "content", "value")
ROLES = {
    "human": HUMAN,
    "user": HUMAN,
    "prompter": HUMAN,
    "bot": BOT,
    "assistant": BOT,
    "gpt": BOT,
    "model": BOT,
}

_KINDS = {
    type(None): "null",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}

OPTIONS = (
    Option("text", "column with the whole text, one thing that a person says"),
    Option("turns", 'column with a list of turns, {"role": "human" or "bot", "text": ...}'),
    Option("prompt", "column with what the person says"),
    Option("reply", "column with what the assistant answers; only with prompt"),
    Option("language", "language of all rows, for example en or pt-BR"),
    Option("language_column", "column with the language of each row"),
    Option("id", "column with the identity of each row; without it, its line"),
    Option("labels", "columns, separated by commas, that are kept as the source's own labels"),
    Option("optional_labels", "the same for columns that a row may lack; a missing one is unknown"),
    Option(
        "mapping",
        "a TOML file: [columns] holds these options, [labels] what the source's labels suggest in ours",
    ),
)


class WrongValue(Exception):
    """A column of one row holds what cannot be used: ``reason`` is the short code, the message the sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what; an empty name is a column that is not given."""

    text: str
    turns: str
    prompt: str
    reply: str
    language: str
    language_column: str
    id: str
    labels: tuple[str, ...]
    optional_labels: tuple[str, ...]

    @classmethod
    def of(cls, options: Options, format_name: str) -> Self:
        """The columns that ``options`` name. Raises WrongOption unless one of text, turns and prompt is among them."""
        given = {option.name: options.get(option.name, "") for option in OPTIONS if option.name != "mapping"}
        labels, optional = _names(given.pop("labels")), _names(given.pop("optional_labels"))
        chosen = [name for name in ("text", "turns", "prompt") if given[name]]
        if len(chosen) != 1:
            problem = "is needed, or one of turns and prompt" if not chosen else f"and {chosen[1]} exclude each other"
            name, remedy = (chosen or ["text"])[0], "name one column that holds the text, as in text=prompt"
            raise WrongOption(format=format_name, name=name, problem=problem, remedy=remedy)
        if given["reply"] and not given["prompt"]:
            raise WrongOption(format=format_name, name="reply", problem="needs prompt", remedy="add prompt=COLUMN")
        if given["language"] and given["language_column"]:
            problem, remedy = "and language_column exclude each other", "leave one out"
            raise WrongOption(format=format_name, name="language", problem=problem, remedy=remedy)
        return cls(**given, labels=labels, optional_labels=optional)

    def keeping(self, names: Iterable[str]) -> Self:
        """These columns and ``names`` as labels that a row may lack, unless they are kept already or hold the text."""
        kept = {*self.labels, *self.optional_labels, self.text, self.turns, self.prompt, self.reply}
        return replace(self, optional_labels=(*self.optional_labels, *(name for name in names if name not in kept)))

    def row(self, where: str, record: Any) -> tuple[InstructionRow | RejectedRow]:
        """What one record says, or why it cannot be used."""
        try:
            return (
                InstructionRow(
                    self._identity(where, record) if self.id else where,
                    self._turns(record),
                    self._language(record) if self.language_column else self.language,
                    "",
                    self._labels(record),
                ),
            )
        except KeyError as missing:
            name = missing.args[0]
            return (RejectedRow(where, "missing column", f"has no column {name!r}: add it, or name another"),)
        except WrongValue as problem:
            return (RejectedRow(where, problem.reason, str(problem)),)
        except TypeError:
            if isinstance(record, dict):
                raise
            return not_an_object(where, "{column: value, ...}")

    def _turns(self, record: Mapping[str, Any]) -> list[Turn]:
        if self.turns:
            return turns_of(record[self.turns], self.turns)
        turns: list[Turn] = [{"role": HUMAN, "text": text_of(record, self.text or self.prompt)}]
        if self.reply and record[self.reply] is not None:
            turns.append({"role": BOT, "text": text_of(record, self.reply)})
        return turns

    def _identity(self, where: str, record: Mapping[str, Any]) -> str:
        identity = record[self.id]
        if not isinstance(identity, str | int) or identity == "":
            raise WrongValue("wrong type", f"column {self.id!r} is no identity: give a text or a number")
        return part_of(str(identity))

    def _language(self, record: Mapping[str, Any]) -> str:
        if record[self.language_column] is None:
            return ""
        return text_of(record, self.language_column).strip()

    def _labels(self, record: Mapping[str, Any]) -> dict[str, Any]:
        labels = {name: record[name] for name in self.labels}
        for name in self.optional_labels:
            if name in record:
                labels[name] = record[name]
        return labels


def reader(options: Options) -> Reader:
    """One row for each record, of the columns that the options name; where they and a mapping differ, the options."""
    if not options.get("mapping"):
        return Reader(Columns.of(options, IMPORTER.name).row)
    named, label_map = mapping.read(options["mapping"])
    IMPORTER.check_options(named)
    columns = Columns.of({**named, **options}, IMPORTER.name)
    # A table for a column that is not kept would suggest nothing, and nobody would be told.
    return Reader(columns.keeping(label_map.columns).row, label_map)


def _names(written: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in written.split(",") if name.strip())


def text_of(record: Mapping[str, Any], column: str) -> str:
    """The text in ``column``. Raises WrongValue where it is not a text."""
    text = record[column]
    if not isinstance(text, str):
        raise WrongValue("wrong type", f"column {column!r} is {_kind(text)}, not text: give a text")
    return text


def turns_of(value: Any, column: str) -> list[Turn]:
    """The turns in a list, or in its JSON (as in CSV). Raises WrongValue."""
    if isinstance(value, str):
        try:
            value = parse(value)
        except BrokenJSON as error:
            raise WrongValue("broken JSON", f"column {column!r} is not JSON ({error}): correct it") from None
    if not isinstance(value, list):
        raise WrongValue("wrong type", f"column {column!r} is {_kind(value)}, not a list of turns: give a list")
    return [_turn(turn, f"column {column!r}, turn {number}") for number, turn in enumerate(value, start=1)]


def _turn(turn: Any, place: str) -> Turn:
    if not isinstance(turn, dict):
        raise WrongValue("wrong type", f'{place} is {_kind(turn)}: write {{"role": ..., "text": ...}}')
    role = next((turn[name] for name in ROLE_FIELDS if name in turn), None)
    text = next((turn[name] for name in TEXT_FIELDS if name in turn), None)
    if not isinstance(text, str):
        raise WrongValue("wrong type", f"{place} has no text: give one of {', '.join(TEXT_FIELDS)}")
    if not isinstance(role, str) or role not in ROLES:
        raise WrongValue("unknown role", f"{place} has role {str(role)[:40]!r}: use one of {', '.join(ROLES)}")
    return Turn(role=ROLES[role], text=text)


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a text")


IMPORTER = Importer(
    name="columns",
    title="Any file with named columns",
    summary="JSON lines, one JSON array, CSV with a header or Parquet; options say which column holds what.",
    reader=reader,
    options=OPTIONS,
)
