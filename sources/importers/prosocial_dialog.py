"""ProsocialDialog, in the layouts it is published in.

The hub has one row for each utterance with its reply, as JSON lines or as an object of columns. The direct download is
a list of dialogues, each a list of utterances, with other names for the same two fields. All give the same
instructions and votes. ``dialogue_id`` starts again in every split, so a row is known by its place in the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sources.importers.importer import Importer, Options, Reader, Rows
from sources.mapping import LabelMap
from sources.rows import InstructionRow, RejectedRow, SourceVote, Turn
from sources.texts import BOT, HUMAN

type Record = dict[str, Any]

# The votes as the source spells them, and the codes of our label set.
VOTES = {
    "casual": "casual",
    "needs caution": "needs-caution",
    "needs intervention": "needs-intervention",
}
# The direct download's names for what the hub calls context and response.
DOWNLOAD_NAMES: dict[str, str] = {"text": "context", "labels": "response"}
KEPT = ("safety_label", "safety_annotations", "safety_annotation_reasons", "rots", "source", "etc")
LABELS: dict[str, Any] = {
    **{name: {} for name in KEPT},
    "safety_label": {
        "values": {
            "__casual__": {"label": "casual"},
            "__possibly_needs_caution__": {"label": "possibly-needs-caution"},
            "__probably_needs_caution__": {"label": "probably-needs-caution"},
            "__needs_caution__": {"label": "needs-caution"},
            "__needs_intervention__": {"label": "needs-intervention"},
        }
    },
}


def reader(options: Options) -> Reader:
    """One row for each utterance: what the person says and the reply, with the three votes on the former."""
    return Reader(_rows, LabelMap.parse(LABELS))


def _rows(where: str, record: Any) -> Rows:
    for place, utterance in _utterances(where, record):
        yield utterance if isinstance(utterance, RejectedRow) else _row(place, utterance)


def _utterances(where: str, record: Any) -> Iterator[tuple[str, Record | RejectedRow]]:
    """The utterances of a record: itself, those of a dialogue, or the rows of an object of columns."""
    match record:
        case list():
            for number, part in enumerate(record, start=1):
                place = f"{where}, utterance {number}"
                yield place, _hub_names(part) if isinstance(part, dict) else _no_utterance(place)
        case {"context": list()}:
            yield from _rows_of_columns(where, record)
        case dict():
            yield where, _hub_names(record)
        case _:
            yield where, _no_utterance(where)


def _no_utterance(where: str) -> RejectedRow:
    return RejectedRow(where, "not an object", "is JSON but no utterance: write {column: value, ...}")


def _hub_names(record: Record) -> Record:
    return {DOWNLOAD_NAMES.get(name, name): value for name, value in record.items()}


def _rows_of_columns(where: str, columns: Record) -> Iterator[tuple[str, Record | RejectedRow]]:
    length = len(columns["context"])
    for name, values in columns.items():
        if not isinstance(values, list) or len(values) != length:
            detail = f"column {name!r} has not the {length} values that 'context' has: complete it"
            yield where, RejectedRow(where, "wrong number of fields", detail)
            return
    for number in range(length):
        yield f"{where}, row {number + 1}", {name: values[number] for name, values in columns.items()}


def _row(where: str, record: Record) -> InstructionRow | RejectedRow:
    said, reply, votes = record.get("context"), record.get("response"), record.get("safety_annotations")
    if isinstance(reply, list):
        reply = reply[0] if reply else None
    if not isinstance(said, str):
        return RejectedRow(where, "missing column", "has no text in column 'context': add it")
    if not isinstance(reply, str | None):
        return RejectedRow(where, "wrong type", "column 'response' is not text: give a text or null")
    if not isinstance(votes, list) or not all(isinstance(vote, str) for vote in votes):
        return RejectedRow(where, "wrong type", "column 'safety_annotations' is not a list of texts: give one")
    return InstructionRow(
        row=where,
        turns=[Turn(role=HUMAN, text=said), *([Turn(role=BOT, text=reply)] if reply else [])],
        language="en",
        source_labels={name: record[name] for name in KEPT if record.get(name)},
        votes=_votes(votes, record.get("safety_annotation_reasons")),
    )


def _votes(votes: list[str], reasons: Any) -> list[SourceVote]:
    """The votes, each known by the words its annotator gave as reason: the same in every layout and split."""
    given = reasons if isinstance(reasons, list) and len(reasons) == len(votes) else [""] * len(votes)
    same = Counter[tuple[str, str]]()
    found = []
    for vote, reason in zip(votes, given, strict=True):
        words = (vote, str(reason))
        same[words] += 1
        found.append(SourceVote(annotator=None, choice=VOTES.get(vote, vote), row=f"{words} {same[words]}"))
    return found


IMPORTER = Importer(
    name="prosocial-dialog",
    title="ProsocialDialog",
    summary="Utterances with their replies and three votes each, of annotators the source does not name.",
    reader=reader,
    label_set="prosocial-dialog",
    license="CC-BY-4.0",
    address="https://huggingface.co/datasets/allenai/prosocial-dialog",
    attribution="ProsocialDialog (Kim et al. 2022), Allen Institute for AI, CC BY 4.0.",
    unverified="The hub's Parquet files and the direct download's list of dialogues were not at hand.",
)
