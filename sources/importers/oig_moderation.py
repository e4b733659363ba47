"""OIG-moderation v0.1 and v0.2, in every layout in which it may be written.

1. ``text`` with the labels inside: ``Input: ...`` and ``Output: needs caution | sexual content``;
2. ``text`` and ``metadata.labels``;
3. ``text`` and ``labels``;
4. the training text: ``Possible labels:``, a numbered list, then texts between blank lines, of layout 1 or bare.

Labels are kept as they are written: a text with ``|`` or a list.
"""

from __future__ import annotations

import re
from typing import Any

from sources.importers.importer import Importer, Options, Reader, Rows, not_an_object, part_of
from sources.importers.oig import LANGUAGE, as_object
from sources.mapping import LabelMap
from sources.rows import InstructionRow, RejectedRow
from sources.texts import parse_oig

TRAINING = "Possible labels:"
_INPUT = re.compile(r"\A\s*Input:[ \t]*")
_OUTPUT = re.compile(r"^Output:(?P<labels>[^\n]*)\s*\Z", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*\n\s*")
# Where texts are marked, a blank line inside one does not end it.
_NEXT_INPUT = re.compile(r"\n[ \t]*\n\s*(?=Input:)")
LABELS = {
    **{name: {"label": name.replace(" ", "-")} for name in ("casual", "needs caution", "needs intervention")},
    **{name: {"label": name.replace(" ", "-")} for name in ("possibly needs caution", "probably needs caution")},
    **{name: {"tags": [name.replace(" ", "-")]} for name in ("abuse related", "personal information related")},
    **{name: {"tags": [name.replace(" ", "-")]} for name in ("sexual content", "hate")},
}


def reader(options: Options) -> Reader:
    """One row for each record, or for each text of a training text."""
    language = options.get("language", "")

    def rows(where: str, record: Any) -> Rows:
        if isinstance(record, str):
            record = {"text": record}
        if not isinstance(record, dict):
            return not_an_object(where, '{"text": ..., "labels": [...]}')
        text, metadata = record.get("text"), as_object(record.get("metadata"))
        if not isinstance(text, str):
            return (RejectedRow(where, "missing column", "has no text in column 'text': add it"),)
        labels = record.get("labels")
        if not labels and isinstance(metadata, dict) and "labels" in metadata:
            metadata = dict(metadata)
            labels = metadata.pop("labels")
        kept = {"metadata": metadata} if metadata else {}
        if text.lstrip().startswith(TRAINING):
            return _training_text(where, text, language, kept)
        return (_row(where, text, labels, language, kept),)

    return Reader(rows, LabelMap.parse({"labels": {"separator": "|", "values": LABELS}, "metadata": {}}))


def _training_text(where: str, text: str, language: str, kept: dict[str, Any]) -> Rows:
    """The texts behind the list of labels, each with its own labels."""
    text = text.strip().replace("\r\n", "\n")
    _, *texts = (_NEXT_INPUT if _NEXT_INPUT.search(text) else _BLANK_LINE).split(text)
    if not texts:
        detail = f"begins {TRAINING!r} and has no text behind an empty line: add one"
        return [RejectedRow(where, "missing value", detail)]
    return [
        _row(part_of(where, f"text {number}"), part, None, language, kept) for number, part in enumerate(texts, start=1)
    ]


def _row(where: str, text: str, labels: Any, language: str, kept: dict[str, Any]) -> InstructionRow:
    found = _OUTPUT.search(text)
    if found:
        text, labels = text[: found.start()], labels or found["labels"].strip()
    text = _INPUT.sub("", text, count=1)
    return InstructionRow(
        where, parse_oig(text), language, source_labels={"labels": labels, **kept} if labels else kept
    )


IMPORTER = Importer(
    name="oig-moderation",
    title="OIG-moderation (OIG_safety_v0.1.jsonl, v0.2)",
    summary="Texts with the labels of OIG-moderation, in the text, in metadata or in a list; kept as source labels.",
    reader=reader,
    options=(LANGUAGE,),
    license="Apache-2.0",
    address="https://huggingface.co/datasets/ontocord/OIG-moderation",
    unverified="No published file was at hand: three layouts and the training text are taken, none was tried on it.",
)
