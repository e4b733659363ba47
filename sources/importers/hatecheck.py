"""HateCheck, all_annotations.csv: each case has the votes of five of its ten annotators; a blank was not shown."""

from __future__ import annotations

from typing import Any

from sources.importers.importer import Importer, Options, Reader, Rows, not_an_object
from sources.mapping import LabelMap
from sources.rows import InstructionRow, RejectedRow, SourceVote, Turn
from sources.texts import HUMAN

# Spelled as the codes of our label set.
CHOICES = ("non-hateful", "hateful")
ANNOTATORS = {f"label_{number}": f"annotator {number}" for number in range(1, 11)}
KEPT = ("functionality", "templ_id", "label_gold", "label_annot_maj")
LABELS: dict[str, Any] = {
    "functionality": {},
    "templ_id": {},
    "label_annot_maj": {},
    "label_gold": {
        "values": {"hateful": {"label": "needs-caution", "tags": ["hate"]}, "non-hateful": {"no": ["hate"]}}
    },
}


def reader(options: Options) -> Reader:
    """One row for each case, with its votes."""
    return Reader(_rows, LabelMap.parse(LABELS))


def _rows(where: str, record: Any) -> Rows:
    if not isinstance(record, dict):
        return not_an_object(where, "{column: value, ...}")
    text, case = record.get("test_case"), record.get("case_id")
    if not isinstance(text, str):
        return (RejectedRow(where, "missing column", "has no text in column 'test_case': add it"),)
    if not isinstance(case, str | int) or not str(case).strip() or len(str(case)) > 40:
        return (RejectedRow(where, "missing column", "has no number in column 'case_id': add it"),)
    row = f"case {str(case).strip()}"
    return (
        InstructionRow(
            row=row,
            turns=[Turn(role=HUMAN, text=text)],
            language="en",
            source_labels={name: record[name] for name in KEPT if record.get(name) not in (None, "")},
            votes=[
                SourceVote(annotator=annotator, choice=str(record[name]), row=row)
                for name, annotator in ANNOTATORS.items()
                if record.get(name) not in (None, "")
            ],
        ),
    )


IMPORTER = Importer(
    name="hatecheck",
    title="HateCheck, all annotations",
    summary="Cases that test for hate, each with the votes of five of ten annotators; the gold label is kept.",
    reader=reader,
    label_set="hatecheck",
    license="CC-BY-4.0",
    address="https://github.com/paul-rottger/hatecheck-data",
    attribution="HateCheck (Röttger et al. 2021), CC BY 4.0.",
)
