"""Votes of a bounded part of a campaign's texts, for what reads every vote in its order: all with gold, others drawn.

Which texts are drawn is decided by a hash of their ids: the same today and tomorrow, and not the oldest ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from django.db import connection
from django.db.models import Sum
from numpy.typing import NDArray

from annotate import known, tallies
from annotate.models import Campaign
from annotate.models.tallies import UnitChange
from annotate.tallies import Scope
from labels import prefixes
from labels.votes import distinct_rows

type Ints = NDArray[np.int64]

# What a page waits for: about half a second.
MOST_VOTES = 200_000
HASHES = 1 << 32
# The counted votes in the order in which they were given; those who are not known are -1. As text whose numbers are
# apart by white space, which numpy reads as they come.
VOTES = """
    COPY (
        SELECT said.unit_id, coalesce(said.annotator_id, -1), array_position(%(options)s::varchar[], option.code) - 1,
               (drawn.place < %(below)s)::integer
        FROM annotate_counted said
        CROSS JOIN LATERAL (SELECT hashint8(said.unit_id)::bigint + 2147483648 AS place) drawn
        JOIN labels_label option ON option.id = said.choice_id
        WHERE said.campaign_id = %(campaign)s AND option.code = ANY(%(options)s::varchar[])
          AND (drawn.place < %(below)s OR EXISTS (
            SELECT 1 FROM annotate_knownanswer known WHERE known.unit_id = said.unit_id AND known.phase = 'gold'))
        ORDER BY said.id
    ) TO STDOUT (DELIMITER ' ')
"""


@dataclass(frozen=True, eq=False)
class Sample:
    """V votes of N texts, (V,) each: the text's number, ids of annotators (-1 is unknown), positions of options.

    Of each text (N,): ``gold`` is the known answer's position, or -1; ``is_drawn`` whether the hash chose it, so that
    it stands for the ``of_texts`` of the campaign. The others are there for their gold alone.
    """

    options: tuple[str, ...]
    unit: Ints
    annotator: Ints
    option: Ints
    gold: Ints
    is_drawn: NDArray[np.bool_]
    of_texts: int

    @cached_property
    def rows(self) -> Ints:
        """The votes of each text in their order, padded with -1 behind: (N, most votes)."""
        return prefixes.in_order(self.unit, self.option, len(self.gold))

    @cached_property
    def counts(self) -> Ints:
        """Votes per text and option, (N, K)."""
        size = len(self.options)
        found = np.bincount(self.unit * size + self.option, minlength=len(self.gold) * size)
        return found.reshape(-1, size)

    @cached_property
    def drawn_patterns(self) -> tuple[Ints, Ints]:
        """The distinct counts (P, K) of the texts that were drawn, and how many have each (P,); of all if none was."""
        counts = self.counts[self.is_drawn] if self.is_drawn.any() else self.counts
        patterns, row = distinct_rows(counts)
        return patterns, np.bincount(row, minlength=len(patterns))

    @property
    def about(self) -> str:
        """What was read, in words for a page; empty where it was everything."""
        if self.is_drawn.all():
            return ""
        only = int((~self.is_drawn).sum())
        drawn = f"{int(self.is_drawn.sum()):,} texts with votes, drawn of the campaign's {self.of_texts:,} texts"
        return f"Read were {drawn}, and {only:,} more with gold." if only else f"Read were {drawn}."


def read(campaign: Campaign) -> Sample:
    """The counted votes of all texts with gold, and of so many others that these have about ``MOST_VOTES``."""
    options = tallies.option_codes(campaign.label_set.spec)
    votes, texts = _size(campaign)
    below = HASHES if votes <= MOST_VOTES else int(HASHES * MOST_VOTES / votes)
    values = {"campaign": campaign.pk, "options": list(options), "below": below}
    with connection.cursor() as cursor, cursor.copy(VOTES, values) as copy:
        written = b"".join(map(bytes, copy)).decode()
    found = (np.fromstring(written, dtype=np.int64, sep=" ") if written else np.empty(0, np.int64)).reshape(-1, 4)
    units, first, unit = np.unique(found[:, 0], return_index=True, return_inverse=True)
    return Sample(
        options=options,
        unit=unit,
        annotator=found[:, 1],
        option=found[:, 2],
        gold=known.gold(campaign).beside(units),
        is_drawn=found[first, 3] > 0,
        of_texts=texts,
    )


def _size(campaign: Campaign) -> tuple[int, int]:
    """About how many votes a campaign has, and how many texts; from what is kept beside, and cheap at any size.

    Slots tell of volunteers' votes as of now; votes of a public dataset take none, but are in the pattern tables.
    """
    kept = UnitChange.objects.filter(campaign=campaign).aggregate(texts=Sum("units"), taken=Sum("given"))
    folded = tallies.patterns(Scope((campaign.pk,))).get(None)
    return max(kept["taken"] or 0, folded.n_votes if folded else 0), kept["texts"] or 0
