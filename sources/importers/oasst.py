"""Open Assistant: message trees, nested messages, the hub's flat rows, and bare texts.

A tree and a nested message hold whole conversations that branch; each branch is the dialogue from the root to one
message. A flat row knows only the id of the message before it, so its message stands alone. Labels are means over
``count`` raters and therefore stay labels of the source: no vote can be had from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sources.importers.importer import (
    MAX_ROW,
    Importer,
    Option,
    Options,
    Reader,
    Rows,
    not_an_object,
    one_of,
    part_of,
)
from sources.mapping import LabelMap
from sources.rows import InstructionRow, RejectedRow, Turn
from sources.texts import BOT, HUMAN

ROLES = {"prompter": HUMAN, "assistant": BOT}
TAKEN = {"prompts": HUMAN, "replies": BOT}
# Nulls are left out: trees omit what nested messages write as null, and both are to give the same.
KEPT = (
    "message_tree_id",
    "parent_id",
    "tree_state",
    "review_count",
    "review_result",
    "deleted",
    "rank",
    "synthetic",
    "model_name",
    "detoxify",
)
COUNTS = ("labels", "emojis")
SHARES = {
    "hate_speech": ["hate"],
    "sexual_content": ["sexual-content"],
    "pii": ["personal-information-related"],
}
OTHERS = (
    "spam",
    "lang_mismatch",
    "not_appropriate",
    "political_content",
    "moral_judgement",
    "fails_task",
    "quality",
    "toxicity",
    "humor",
    "helpfulness",
    "creativity",
    "violence",
)
LABELS: dict[str, Any] = {
    **{name: {} for name in (*KEPT, "emojis")},
    **{f"labels.{name}": {} for name in OTHERS},
    **{f"labels.{name}.value": {"share": tags} for name, tags in SHARES.items()},
    **{f"labels.{name}.count": {} for name in SHARES},
}


def reader(options: Options) -> Reader:
    """One row for each message of the chosen side, with the dialogue before it."""
    role = TAKEN[one_of(options, IMPORTER.name, "take", tuple(TAKEN))]

    def rows(where: str, record: Any) -> Rows:
        match record:
            case str():
                # Published lists of texts hold what people said.
                return (InstructionRow(where, [Turn(role=HUMAN, text=record)]),) if role == HUMAN else ()
            case {"prompt": dict(root)}:
                tree = {"message_tree_id": record.get("message_tree_id"), "tree_state": record.get("tree_state")}
                return _below(where, root, role, tree)
            case dict():
                return _below(where, record, role, {})
            case _:
                return not_an_object(where, '{"message_id": ..., "text": ..., "role": ...}')

    return Reader(rows, LabelMap.parse(LABELS))


def _below(where: str, root: dict[str, Any], role: str, tree: dict[str, Any]) -> Iterator[InstructionRow | RejectedRow]:
    """The messages of a branching conversation, each before its replies, in the order of the file."""
    waiting: list[tuple[str, Any, list[Turn]]] = [("", root, [])]
    while waiting:
        path, message, before = waiting.pop()
        place = part_of(where, f"message {path}") if path else where
        turn = _turn(place, message)
        if isinstance(turn, RejectedRow):
            yield turn
            continue
        dialogue = [*before, turn]
        if turn["role"] == role:
            yield _row(place, message, dialogue, tree)
        replies = message.get("replies")
        for number, reply in reversed(list(enumerate(replies if isinstance(replies, list) else (), start=1))):
            waiting.append((f"{path}.{number}" if path else str(number), reply, dialogue))


def _turn(place: str, message: Any) -> Turn | RejectedRow:
    """What a message says. Nothing below one that cannot be read is taken: its dialogue would have a gap."""
    if not isinstance(message, dict):
        return RejectedRow(place, "not an object", 'is no message: write {"text": ..., "role": ...}')
    text, role = message.get("text"), message.get("role")
    if not isinstance(text, str):
        return RejectedRow(
            place, "missing column", "has no text in column 'text', and neither it nor what follows is taken: add it"
        )
    if not isinstance(role, str) or role not in ROLES:
        return RejectedRow(place, "unknown role", f"has role {str(role)[:40]!r}: use one of {', '.join(ROLES)}")
    return Turn(role=ROLES[role], text=text)


def _row(place: str, message: dict[str, Any], dialogue: list[Turn], tree: dict[str, Any]) -> InstructionRow:
    """The row of a message, known by its own id, which is the same in every layout."""
    known = {**tree, **message}
    labels = {name: known[name] for name in KEPT if known.get(name) is not None}
    labels |= {name: _by_name(known[name]) for name in COUNTS if known.get(name)}
    identity, language = message.get("message_id"), message.get("lang")
    return InstructionRow(
        row=identity if isinstance(identity, str) and 0 < len(identity) <= MAX_ROW else place,
        turns=dialogue,
        language=language if isinstance(language, str) else "",
        source_labels=labels,
    )


def _by_name(written: Any) -> Any:
    """The hub's lists of names, values and counts as trees have them: {"spam": {"value": 0.0, "count": 3}}."""
    match written:
        case {"name": list(names), **columns} if all(isinstance(name, str) for name in names):
            others = {key: values for key, values in columns.items() if isinstance(values, list)}
            if any(len(values) != len(names) for values in others.values()) or len(others) != len(columns):
                return written
            if list(others) == ["count"]:
                return dict(zip(names, others["count"], strict=True))
            return {name: {key: values[n] for key, values in others.items()} for n, name in enumerate(names)}
        case _:
            return written


IMPORTER = Importer(
    name="oasst",
    title="Open Assistant",
    summary="Trees, nested messages, flat rows of the hub, bare texts; what people say with the dialogue before it.",
    reader=reader,
    options=(Option("take", "prompts: what people say; or replies: what the assistant answers"),),
    license="Apache-2.0",
    address="https://huggingface.co/datasets/OpenAssistant/oasst1",
    attribution="OpenAssistant Conversations (Köpf et al. 2023), Apache License 2.0.",
    unverified="Flat rows of the hub, and labels: no message at hand has any.",
)
