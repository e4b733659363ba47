"""What people said about a text goes with the text: at a take-down the words of it are blanked, for good.

Flags, questions, notes and the reasons of decisions may quote the text. That they were written, by whom and when,
stays: releases are derived from it. What is said in the record of an escalation stays too.
"""

from __future__ import annotations

from django.db import connection
from django.db.models.expressions import RawSQL

# In the place of an answer, which must not be empty; nobody reads it, since its question is about the text as well.
TAKEN_DOWN = "(taken down with the text)"

# A vote that is in its rows already ends first, and is blanked with the others; a later one waits for this lock in the
# trigger annotate_late_note, and finds the text gone.
_WAIT = "SELECT 1 FROM annotate_unit WHERE instruction_id IN ({instructions}) ORDER BY id FOR UPDATE"
_BLANK = (
    "UPDATE annotate_flag SET words = '', outcome = '' WHERE unit_id IN ({units}) AND words || outcome <> ''",
    f"""
    UPDATE annotate_question SET words = '', answer = '{TAKEN_DOWN}', answered_at = coalesce(answered_at, now())
    WHERE unit_id IN ({{units}}) AND words <> ''
    """,  # noqa: S608 - made of constants
    "UPDATE annotate_decision SET words = '' WHERE unit_id IN ({units}) AND words <> ''",
    "UPDATE annotate_decidedexample SET words = '' WHERE unit_id IN ({units}) AND words <> ''",
    "UPDATE annotate_knownanswer SET explanation = '' WHERE unit_id IN ({units}) AND explanation <> ''",
    "UPDATE annotate_annotation SET note = '' WHERE unit_id IN ({units}) AND note <> ''",
)


def forget(instructions: RawSQL) -> None:
    """Blank the words about instructions that are taken down, whose ids ``instructions`` selects."""
    units = f"SELECT id FROM annotate_unit WHERE instruction_id IN ({instructions.sql})"  # noqa: S608 - of constants
    with connection.cursor() as cursor:
        for statement in (_WAIT, *_BLANK):
            cursor.execute(statement.format(instructions=instructions.sql, units=units), instructions.params)
