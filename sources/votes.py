"""The votes in a file of one of the import formats, read without a database."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from labels.votes_files import Vote
from sources import readers, texts
from sources.importers.importer import Importer
from sources.rows import RejectedRow

PIECE_BYTES = 2**24


def read(path: Path, importer: Importer, limits: readers.Limits) -> Iterator[Vote]:
    """Yield every vote; the unit is the public id of its instruction. Raises WrongFile.

    Rows that are refused are no votes: an import tells about them.
    """
    rows = importer.reader({}).rows
    with tempfile.TemporaryDirectory() as folder:
        shard = readers.stage(path, Path(folder), limits, _tick)
        for piece in readers.pieces(shard, PIECE_BYTES, _tick):
            for where, record in readers.records(shard, piece, limits):
                for row in () if isinstance(record, RejectedRow) else rows(where, record):
                    if isinstance(row, RejectedRow):
                        continue
                    unit = texts.digest(texts.normalise(row.turns), row.conversation).hex()
                    for vote in row.votes:
                        yield Vote(where, unit, vote.annotator or "", vote.choice)


def _tick() -> None:
    """Nobody can cancel this."""
