"""Letters and what was made of them, for tests of taking texts down, hiding them and setting them aside."""

from __future__ import annotations

from typing import Any

from django.db import connection

from sources import criteria, texts
from sources.models import (
    ImportRun,
    Instruction,
    InstructionState,
    PersonalFinding,
    Provenance,
    Source,
)
from sources.rows import Turn

AVAILABLE, SET_ASIDE, QUARANTINED, REMOVED = InstructionState
WHY = "its author asked for it"


def source(name: str = "letters", **facts: Any) -> Source:
    return Source.objects.create(name=name, revision=facts.pop("revision", "1"), license="MIT", **facts)


def said(text: str, *origins: Source, parent: Instruction | None = None) -> Instruction:
    """An instruction that ``origins`` gave, with everything that is known of one."""
    turns: list[Turn] = [{"role": "human", "text": text}]
    root = parent and (parent.root or parent)
    made = Instruction.objects.create(
        digest=texts.digest(turns), turns=turns, language="en", characters=len(text), parent=parent, root=root
    )
    PersonalFinding.objects.create(instruction=made, turn=0, start=0, end=1, kind="email")
    for origin in origins:
        run, _ = ImportRun.objects.get_or_create(
            source=origin, format="jsonl", augments=origin.augments, defaults={"state": "finished"}
        )
        labels = {"label": text}
        Provenance.objects.create(
            instruction=made, source=origin, run=run, row=text[:20], source_labels=labels, suggested=labels
        )
    return made


def state_of(instruction: Instruction) -> InstructionState:
    instruction.refresh_from_db()
    return InstructionState(instruction.state)


def states(*instructions: Instruction) -> list[InstructionState]:
    return [state_of(instruction) for instruction in instructions]


def by_id(*instructions: Instruction) -> criteria.Criterion:
    return criteria.by_ids([instruction.public_id for instruction in instructions])


def everything_stored() -> str:
    """Every row of this app's tables, as text."""
    with connection.cursor() as cursor:
        tables = [name for name in connection.introspection.table_names(cursor) if name.startswith("sources_")]
        rows = [cursor.execute(f'SELECT "{name}"::text FROM "{name}"').fetchall() for name in tables]
    return str(rows)
