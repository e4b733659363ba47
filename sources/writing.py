"""The one writer of instructions: what importers and augmenters accept goes through here, a chunk at a time.

A chunk's rows are copied into a temporary table, and a few statements over all of it write what is new. Each inserts in
one order (of digests, then of ids), so that chunks that bring the same texts wait for each other in one direction and
never for each other in a ring. Rows that are known cost a look into one index.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from django.db import connection
from django.db.backends.utils import CursorWrapper

from sources import texts
from sources.acceptance import Accepted
from sources.models import ImportChunk, Tombstone
from sources.rows import RejectedRow

# Why a row is rejected whose text was removed or is refused.
TAKEN_DOWN = "taken down"
# Rows of a chunk are told apart by their low bits; a chunk has fewer rows than this.
POSITIONS_OF_CHUNK = 1 << 32

_COLUMNS = "digest, turns, language, characters, place, position, labels, suggested, parent, spoken"
_TYPES = ["bytea", "text", "text", "int4", "text", "int8", "text", "text", "bytea", "bytea[]"]

_STAGE = """
    CREATE TEMPORARY TABLE IF NOT EXISTS staged (
        id bigint DEFAULT nextval(pg_get_serial_sequence('sources_instruction', 'id')), digest bytea, turns text,
        language text, characters integer, place text, position bigint, labels text, suggested text, parent bytea,
        spoken bytea[]
    ) ON COMMIT DELETE ROWS
"""
_REFUSE = """
    DELETE FROM staged USING sources_tombstone AS stone WHERE stone.digest = staged.digest RETURNING staged.place
"""
_REFUSE_TEXTS = """
    DELETE FROM staged WHERE EXISTS (
        SELECT 1 FROM unnest(staged.spoken) AS text JOIN sources_tombstone AS stone ON stone.digest = text
    ) RETURNING place
"""
_REFUSE_ORPHANS = """
    DELETE FROM staged WHERE NOT EXISTS (
        SELECT 1 FROM sources_instruction AS parent WHERE parent.digest = staged.parent AND parent.state = 0
    ) RETURNING place
"""
_INSERT_ORIGINALS = """
    INSERT INTO sources_instruction (id, digest, turns, language, characters, state, created_at)
    SELECT id, digest, turns::jsonb, language, characters, 0, now() FROM staged ORDER BY digest, position
    ON CONFLICT (digest) DO NOTHING
"""
_INSERT_CHILDREN = """
    INSERT INTO sources_instruction
        (id, digest, turns, language, characters, state, created_at, parent_id, root_id)
    SELECT staged.id, staged.digest, staged.turns::jsonb, staged.language, staged.characters, 0, now(),
        parent.id, coalesce(parent.root_id, parent.id)
    FROM staged JOIN sources_instruction AS parent ON parent.digest = staged.parent
    ORDER BY staged.digest, staged.position
    ON CONFLICT (digest) DO NOTHING
"""
# Rows whose text was there, here or in the database, get the id it has.
_FIND_IDS = """
    UPDATE staged SET id = known.id FROM sources_instruction AS known
    WHERE known.digest = staged.digest AND known.id <> staged.id
"""
# The moment is that of the insertion, not of the chunk: see sources.ledger.given_until.
_INSERT_PROVENANCE = """
    INSERT INTO sources_provenance
        (source_id, instruction_id, run_id, "row", position, source_labels, suggested, created_at)
    SELECT %s, id, %s, place, position, labels::jsonb, suggested::jsonb, clock_timestamp()
    FROM staged ORDER BY id, position
    ON CONFLICT (source_id, instruction_id) DO NOTHING
"""
# A later import of the same row says anew what its labels are, as when the mapping was corrected.
_SAY_LABELS_ANEW = """
    WITH said AS (
        SELECT kept.instruction_id AS id, staged.labels::jsonb AS labels, staged.suggested::jsonb AS suggested
        FROM sources_provenance AS kept JOIN staged ON staged.id = kept.instruction_id AND staged.place = kept."row"
        WHERE kept.source_id = %(source)s AND kept.run_id <> %(run)s
          AND (kept.source_labels, kept.suggested) IS DISTINCT FROM (staged.labels::jsonb, staged.suggested::jsonb)
        ORDER BY kept.instruction_id FOR NO KEY UPDATE OF kept
    )
    UPDATE sources_provenance AS kept SET source_labels = said.labels, suggested = said.suggested
    FROM said WHERE kept.source_id = %(source)s AND kept.instruction_id = said.id
"""
# Chunks end in any order; of equal rows the first in the file is the one named. What no other source gave was made by
# this run, and gets that row's text (repeats may differ in white space), language and parent too.
_FIRST_ROW_WINS = """
    WITH earlier AS (
        SELECT kept.instruction_id FROM sources_provenance AS kept
        JOIN staged ON staged.id = kept.instruction_id AND staged.position < kept.position
        JOIN sources_instruction AS made ON made.id = kept.instruction_id
        WHERE kept.source_id = %(source)s AND kept.run_id = %(run)s
        ORDER BY kept.instruction_id FOR NO KEY UPDATE OF kept, made
    ), first AS (
        SELECT DISTINCT ON (staged.id) staged.*, staged.turns::jsonb AS said, parent.id AS parent_id,
            coalesce(parent.root_id, parent.id) AS root_id
        FROM staged JOIN earlier ON earlier.instruction_id = staged.id
        LEFT JOIN sources_instruction AS parent ON parent.digest = staged.parent
        ORDER BY staged.id, staged.position
    ), named AS (
        UPDATE sources_provenance AS kept
        SET "row" = first.place, position = first.position, source_labels = first.labels::jsonb,
            suggested = first.suggested::jsonb
        FROM first WHERE kept.source_id = %(source)s AND kept.instruction_id = first.id
    ), changed AS (
        UPDATE sources_instruction AS made
        SET turns = first.said, characters = first.characters, language = first.language,
            parent_id = first.parent_id, root_id = first.root_id
        FROM first WHERE made.id = first.id AND NOT EXISTS (
            SELECT 1 FROM sources_provenance AS other
            WHERE other.instruction_id = made.id AND other.source_id <> %(source)s
        ) AND (made.turns, made.language, made.parent_id) IS DISTINCT FROM (first.said, first.language, first.parent_id)
        RETURNING made.id
    ) SELECT min(id), max(id) FROM changed
"""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a chunk's accepted rows: ``added`` texts are new, ``refused`` rows may not come in again."""

    accepted: int
    added: int
    refused: list[RejectedRow]
    lowest: int | None  # ids of the instructions that are to be screened
    highest: int | None


def write(chunk: ImportChunk, rows: Iterable[Accepted]) -> Written:
    """Store ``rows`` with their provenance, in the caller's transaction. Memory does not grow with their number."""
    with connection.cursor() as cursor:
        # If the server crashes, the chunk's rows are lost together with the word that they were written.
        cursor.execute("SET LOCAL synchronous_commit = off")
        # A chunk is sorted in memory.
        cursor.execute("SET LOCAL work_mem = '64MB'")
        cursor.execute(_STAGE)
        cursor.execute("TRUNCATE staged")
        with connection.wrap_database_errors:
            staged = _stage(cursor, chunk, rows)
        refused = _refused(cursor, chunk) if Tombstone.objects.exists() or chunk.run.is_augmentation else []
        cursor.execute(_INSERT_CHILDREN if chunk.run.is_augmentation else _INSERT_ORIGINALS)
        added, accepted = cursor.rowcount, staged - len(refused)
        screened = _new_ids(cursor) if added else []
        if added < accepted:
            cursor.execute(_FIND_IDS)
        cursor.execute(_INSERT_PROVENANCE, [chunk.run.source_id, chunk.run_id])
        if cursor.rowcount < accepted:
            cursor.execute(_SAY_LABELS_ANEW, {"source": chunk.run.source_id, "run": chunk.run_id})
            screened += _name_first_rows(cursor, chunk)
    return Written(accepted, added, refused, min(screened, default=None), max(screened, default=None))


def ids(digests: list[bytes]) -> dict[bytes, int]:
    """The ids of instructions by their digests."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT digest, id FROM sources_instruction WHERE digest = ANY(%s::bytea[])", [digests])
        return {bytes(digest): pk for digest, pk in cursor.fetchall()}


def _stage(cursor: CursorWrapper, chunk: ImportChunk, rows: Iterable[Accepted]) -> int:
    position = chunk.number * POSITIONS_OF_CHUNK
    first = position
    # Lists of texts from elsewhere are compared turn by turn; the digests are made only where there is such a list.
    by_text = Tombstone.objects.filter(kind=Tombstone.Kind.TEXT).exists()
    # Django's wrapper hands on what it does not know, psycopg's copy among it.
    with cast("Any", cursor).copy(f"COPY staged ({_COLUMNS}) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(_TYPES)
        for row in rows:
            copy.write_row(
                (
                    row.digest,
                    row.turns,
                    row.language,
                    row.characters,
                    row.row,
                    position,
                    row.labels,
                    row.suggested,
                    row.parent,
                    [texts.text_digest(text) for text in row.spoken()] if by_text else None,
                )
            )
            position += 1
    return position - first


def _refused(cursor: CursorWrapper, chunk: ImportChunk) -> list[RejectedRow]:
    """Take out of the table what must not come in."""
    gone = "has a text that was taken down or is on a list of refused ones: leave it out"
    refused = [
        RejectedRow(place, TAKEN_DOWN, gone) for place in [*_places(cursor, _REFUSE), *_places(cursor, _REFUSE_TEXTS)]
    ]
    if chunk.run.is_augmentation:
        orphan = "is made of a text that was removed meanwhile: nothing to do"
        refused += [RejectedRow(place, "no parent", orphan) for place in _places(cursor, _REFUSE_ORPHANS)]
    return refused


def _places(cursor: CursorWrapper, statement: str) -> list[str]:
    cursor.execute(statement)
    return [place for (place,) in cursor.fetchall()]


def _new_ids(cursor: CursorWrapper) -> list[int]:
    """The range that the new ids lie in; other chunks' may lie between them."""
    cursor.execute("SELECT min(id), max(id) FROM staged")
    return list(cursor.fetchone() or [])


def _name_first_rows(cursor: CursorWrapper, chunk: ImportChunk) -> list[int]:
    """The range of those whose text or language is another now, so that they are to be screened again."""
    cursor.execute(_FIRST_ROW_WINS, {"source": chunk.run.source_id, "run": chunk.run_id})
    return [pk for pk in cursor.fetchone() or [] if pk is not None]
