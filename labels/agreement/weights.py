"""How many units have each pattern, in many variants at once: weights (B, P) without writing them all down.

A coefficient is a function of sums over units, ``weights @ features`` (P, M) -> (B, M). Leaving out one unit or one
annotator changes few of the terms, so these variants take the sums of all and subtract: exact, and no (B, P) array.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labels.votes import VoterTable, distinct_rows

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class WithoutOneUnit:
    """All units but one, for each pattern that such a unit may have: P variants; ``multiplicity`` (P,)."""

    multiplicity: Floats

    def __matmul__(self, features: Floats) -> Floats:
        sums: Floats = self.multiplicity @ features - features
        return sums


@dataclass(frozen=True, eq=False)
class WithoutOneAnnotator:
    """All votes but those of one annotator, for each of A annotators: A variants over ``counts`` (P', K).

    The vote of row r takes ``count`` units from pattern ``before`` to the pattern ``after`` that lacks it.
    """

    counts: Floats
    multiplicity: Floats
    annotator: Ints
    before: Ints
    after: Ints
    count: Floats
    n_annotators: int

    @classmethod
    def of(cls, table: VoterTable) -> "WithoutOneAnnotator":
        """The variants without each annotator that voted; ``counts`` are the table's patterns and those less a vote."""
        patterns, n_patterns = table.patterns, len(table.patterns.counts)
        reduced = patterns.counts[table.pattern]
        reduced[np.arange(len(reduced)), table.option] -= 1
        counts, place = distinct_rows(np.concatenate([patterns.counts, reduced]))
        multiplicity = np.zeros(len(counts))
        multiplicity[place[:n_patterns]] = patterns.multiplicity
        voters, annotator = np.unique(table.annotator, return_inverse=True)
        return cls(
            counts=counts.astype(float),
            multiplicity=multiplicity,
            annotator=annotator,
            before=place[table.pattern],
            after=place[n_patterns:],
            count=table.count.astype(float),
            n_annotators=len(voters),
        )

    def __matmul__(self, features: Floats) -> Floats:
        sums = np.tile(self.multiplicity @ features, (self.n_annotators, 1))
        for column in range(features.shape[1]):
            feature = features[:, column]
            change = self.count * (feature[self.after] - feature[self.before])
            sums[:, column] += np.bincount(self.annotator, change, self.n_annotators)
        return sums


type Weights = Floats | WithoutOneUnit | WithoutOneAnnotator
