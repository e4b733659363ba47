"""Civil Comments: comments of news sites, each label the share of raters who gave it, 0 to 1."""

from __future__ import annotations

import math
from typing import Any

from sources.importers.importer import Importer, Options, Reader, Rows, not_an_object, part_of
from sources.mapping import LabelMap
from sources.rows import InstructionRow, RejectedRow, Turn
from sources.texts import HUMAN

# The competition's CSV calls them so; the hub's rows have ``text`` and no id.
TEXTS = ("comment_text", "text")
SHARES = (
    "toxicity",
    "target",  # toxicity, in some of the competition's files
    "severe_toxicity",
    "obscene",
    "identity_attack",
    "insult",
    "threat",
    "sexual_explicit",
)
LABELS: dict[str, Any] = {
    "toxicity": {},
    "target": {},
    "severe_toxicity": {},
    "obscene": {},
    "identity_attack": {"share": ["hate"]},
    "insult": {"share": ["abuse-related"]},
    "threat": {"share": ["abuse-related"]},
    "sexual_explicit": {"share": ["sexual-content"]},
}


def reader(options: Options) -> Reader:
    """One row for each comment."""
    return Reader(_rows, LabelMap.parse(LABELS))


def _rows(where: str, record: Any) -> Rows:
    if not isinstance(record, dict):
        return not_an_object(where, '{"comment_text": ..., "toxicity": ...}')
    text = next((record[name] for name in TEXTS if name in record), None)
    if not isinstance(text, str):
        return (RejectedRow(where, "missing column", "has no text in column 'comment_text': add it"),)
    identity = record.get("id")
    return (
        InstructionRow(
            row=part_of(str(identity)) if isinstance(identity, str | int) and identity != "" else where,
            turns=[Turn(role=HUMAN, text=text)],
            language="en",
            source_labels={name: _number(record[name]) for name in SHARES if record.get(name) not in (None, "")},
        ),
    )


def _number(written: Any) -> Any:
    """A share of a CSV file as a number; what is none stays as it is written."""
    try:
        share = float(written) if isinstance(written, str) else written
    except ValueError:
        return written
    return share if not isinstance(share, float) or math.isfinite(share) else written


IMPORTER = Importer(
    name="civil-comments",
    title="Civil Comments",
    summary="Comments of news sites; what shares of the raters gave each label stays a share.",
    reader=reader,
    license="CC0-1.0",
    address="https://huggingface.co/datasets/google/civil_comments",
    attribution="Civil Comments (Borkan et al. 2019), CC0 1.0.",
    unverified="No published file was at hand: names of columns follow their description.",
)
