"""How two people of one campaign answered the same texts: a table of their answers, and how far they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet
from numpy.typing import NDArray

from annotate import slices
from annotate.dashboard import TITLES
from annotate.figures import Estimate, Figure, Value
from annotate.models import Annotator, Campaign, Slice, VoterCount
from annotate.models.tallies import BASE
from annotate.statements import rows
from annotate.tallies import option_codes
from labels import agreement
from labels.taxonomy import LabelSetSpec
from labels.votes import VoterTable

TEXTS_ALONE = "over texts alone: it tells of these two people and of nobody else"
SHOWN = (
    "percent_agreement",
    "conger_kappa",
    "krippendorff_alpha_ordinal",
    "krippendorff_alpha_nominal",
    "gwet_ac1",
    "percent_agreement_within_1",
)
ORDERED = ("krippendorff_alpha_ordinal", "percent_agreement_within_1")
# Texts on which both have a counted vote, by what each said.
BOTH = """
    SELECT array_position(%(codes)s::varchar[], its.code) - 1, array_position(%(codes)s::varchar[], theirs.code) - 1,
           count(*)
    FROM annotate_counted one JOIN annotate_counted other ON other.unit_id = one.unit_id
    JOIN labels_label its ON its.id = one.choice_id AND its.code = ANY(%(codes)s::varchar[])
    JOIN labels_label theirs ON theirs.id = other.choice_id AND theirs.code = ANY(%(codes)s::varchar[])
    WHERE one.campaign_id = %(campaign)s AND one.annotator_id = %(one)s AND other.annotator_id = %(other)s
    GROUP BY 1, 2
"""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two people, and ``met`` (K, K): on how many texts the one gave the answer of the row, the other of the column."""

    spec: LabelSetSpec
    one: Annotator
    other: Annotator
    met: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Texts that both answered."""
        return int(self.met.sum())

    def measured(self) -> dict[str, dict[str, Any]]:
        """The coefficients by name; null with a reason where they have no text in common."""
        size = len(self.met)
        said = np.repeat(np.arange(size * size), self.met.ravel())
        table = VoterTable.from_votes(
            option_codes(self.spec),
            np.tile(np.arange(self.n), 2),
            np.repeat(np.arange(2), self.n),
            np.concatenate(np.divmod(said, size)),
            (str(self.one.pk), str(self.other.pk)),
        )
        kappa = agreement.conger_kappa(table)
        found = slices.over_texts(self.spec, table, TEXTS_ALONE) | slices.by_name([kappa])
        return {name: found[name] for name in SHOWN if self.spec.ordinal or name not in ORDERED}

    def figures(self) -> list[Figure]:
        """How far they agree, and what the other said where the one gave each answer."""
        return [self._agreement(), self._confusion()]

    def _agreement(self) -> Figure:
        coefficients: list[tuple[Value, ...]] = [
            ("Cohen's kappa" if name == "conger_kappa" else TITLES[name], Estimate.of(found), self.n)
            for name, found in self.measured().items()
        ]
        head = ("Coefficient", "Value (95 % interval)", "Texts of both")
        return Figure("pair-agreement", "How far they agree", head, coefficients)

    def _confusion(self) -> Figure:
        names = self.spec.option_names
        totals = self.met.sum(axis=1).tolist()
        shares: list[tuple[Value, ...]] = [
            (name, *(each / total if total else None for each in row), total)
            for name, row, total in zip(names, self.met.tolist(), totals, strict=True)
        ]
        head = (f"{self.one} says", *(f"{self.other}: {name}" for name in names), "Texts of both")
        about = "Where the first gave the answer of the row, how often the second gave that of the column."
        return Figure("pair-confusion", "Confusion", head, shares, about, "heat")

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "one": str(self.one),
            "other": str(self.other),
            "n": self.n,
            "options": list(option_codes(self.spec)),
            "met": self.met.tolist(),
            "agreement": self.measured(),
        }


def voters(campaign: Campaign) -> QuerySet[Annotator]:
    """Who has a counted vote in a campaign, by the tables that follow the votes."""
    whole = Slice.objects.filter(campaign=campaign, week=None)
    said = VoterCount.objects.filter(slice__in=whole, kind=BASE, annotator=OuterRef("pk"))
    return Annotator.objects.filter(Exists(said))


def read(campaign: Campaign, one: Annotator, other: Annotator) -> Pair:
    """What two different people said on the same texts, as it is now."""
    spec = campaign.label_set.spec
    codes = list(option_codes(spec))
    met = np.zeros((len(codes), len(codes)), dtype=np.int64)
    for row, column, n in rows(BOTH, {"codes": codes, "campaign": campaign.pk, "one": one.pk, "other": other.pk}):
        met[row, column] = n
    return Pair(spec, one, other, met)
