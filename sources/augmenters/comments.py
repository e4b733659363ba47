"""A comment becomes a request about it, as OIG made instructions of Civil Comments."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from sources.augmenters import tables
from sources.augmenters.augmenter import COPIES, ENGLISH, NEEDS_VOTES, SEED, Augmenter, Made, draw, primary
from sources.importers.importer import Option, Options, Reader, WrongOption, did_you_mean
from sources.rows import Parent, Turn
from sources.texts import HUMAN

TEMPLATES: dict[str, dict[str, str]] = tables.load("comments")
ALL = "all"


def _reader(options: Options) -> Reader:
    tasks = _tasks(COMMENT.settled(options)["tasks"])

    def make(record: Parent, random: Random) -> Iterator[Made]:
        templates = TEMPLATES.get(language_of(record))
        if templates is None or [turn["role"] for turn in record["turns"]] != [HUMAN]:
            return
        task = random.choice(tasks)
        # No str.format: comments have braces of their own.
        text = templates[task].replace("{comment}", record["turns"][0]["text"])
        yield Made([Turn(role=HUMAN, text=text)], {"changes": [{"task": task}]})

    return draw(COMMENT, options, make)


def _tasks(names: str) -> list[str]:
    there = list(TEMPLATES[ENGLISH])
    if names.strip() == ALL:
        return there
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    for name in chosen:
        if name not in there:
            problem, remedy = f"has no task {name[:40]!r}", did_you_mean(name, there)
            raise WrongOption(format=COMMENT.name, name="tasks", problem=problem, remedy=remedy)
    if not chosen:
        raise WrongOption(format=COMMENT.name, name="tasks", problem="names no task", remedy=did_you_mean("", there))
    return chosen


def language_of(record: Parent) -> str:
    """The language without its region; English where the record says nothing."""
    return primary(record["language"]) or ENGLISH


COMMENT = Augmenter(
    name="comment",
    title="Comment into instruction",
    summary="A request about a comment (reply, agree, continue, say it kindly ...) that holds the comment's words.",
    options=(SEED, COPIES, Option("tasks", "kinds of request, separated by commas, or all")),
    defaults={"seed": "0", "copies": "1", "tasks": ALL},
    effect=NEEDS_VOTES,
    reader=_reader,
)
AUGMENTERS = (COMMENT,)
