"""Instructions as augmenters get them, and what comes out in one line a row."""

from collections.abc import Mapping, Sequence

from sources import augmenters
from sources.rows import InstructionRow, Parent, Span, Turn
from sources.texts import BOT, HUMAN

ID = "5eed" * 8


def parent(*said: str, language: str = "en", personal: Sequence[Span] = (), id: str = ID) -> Parent:  # noqa: A002
    """An instruction whose turns are said by the person and the assistant in turn, the person first."""
    turns = [Turn(role=(HUMAN, BOT)[number % 2], text=text) for number, text in enumerate(said)]
    return Parent(id=id, turns=turns, language=language, source_labels={}, personal=personal)


def span(record: Parent, text: str, kind: str) -> Span:
    """Where ``text`` stands first."""
    for number, turn in enumerate(record["turns"]):
        if text in turn["text"]:
            start = turn["text"].index(text)
            return Span(turn=number, start=start, end=start + len(text), kind=kind)
    raise ValueError(text)


def marked(*said: str, language: str = "en", **found: str) -> Parent:
    """An instruction with personal information, by its kind: ``email="a@b.example"``."""
    record = parent(*said, language=language)
    record["personal"] = [span(record, text, kind) for kind, text in found.items()]
    return record


def rows(name: str, record: Parent, options: Mapping[str, str] | None = None) -> list[InstructionRow]:
    """What the augmenter called ``name`` makes of an instruction."""
    made = list(augmenters.get(name).reader(options or {}).rows("instruction 1", record))
    assert all(isinstance(row, InstructionRow) for row in made)
    return [row for row in made if isinstance(row, InstructionRow)]


def texts(name: str, record: Parent, options: Mapping[str, str] | None = None) -> list[str]:
    """The turns of each row, with a stroke between them."""
    return [" / ".join(turn["text"] for turn in row.turns) for row in rows(name, record, options)]
