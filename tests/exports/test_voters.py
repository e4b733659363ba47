"""Who voted what, counted while lines go by, against the votes themselves and against a count in other words."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from annotate import known
from annotate.models import Annotation, Campaign, KnownAnswer
from exports import derivation, lines, records, verification
from exports.groups import source_key
from exports.statistics import Tally
from labels.votes import VoterTable
from sources.models import Source
from tests.exports import worlds
from tests.exports.test_records import selection

pytestmark = pytest.mark.django_db(transaction=True)


def counted(campaigns: list[Campaign], key: str = "") -> Tally:
    chosen = selection(*campaigns)
    tally = Tally(chosen.label_set.spec, tuple(campaign.slug for campaign in campaigns), key)
    with records.reading(chosen) as reader:
        for _ in reader.lines(tally.add, tally.voters):
            pass
    return tally


def rows(table: VoterTable, names: list[int]) -> dict[tuple[Any, ...], int]:
    columns = zip(
        table.annotator.tolist(), table.pattern.tolist(), table.option.tolist(), table.count.tolist(), strict=True
    )
    return {
        (names[annotator], tuple(table.patterns.counts[pattern].tolist()), option): count
        for annotator, pattern, option, count in columns
    }


def direct(campaign: Campaign) -> VoterTable:
    """Of the counted votes on the campaign's texts."""
    votes = Annotation.objects.counted().filter(unit__campaign=campaign)
    codes = [option.code for option in campaign.label_set.spec.options]
    said = list(votes.values_list("unit", "annotator", "choice__code"))
    people = sorted({who for _, who, _ in said})
    unit = np.array([unit for unit, _, _ in said])
    annotator = np.array([people.index(who) for _, who, _ in said])
    option = np.array([codes.index(code) for _, _, code in said])
    return VoterTable.from_votes(codes, unit, annotator, option, [str(one) for one in people])


@pytest.mark.parametrize(("batch", "groups"), [(1, 1), (2, 50_000), (20_000, 2)])
def test_it_counts_who_voted_what_however_the_lines_come(
    kindness: Campaign, letters: Source, monkeypatch: pytest.MonkeyPatch, batch: int, groups: int
) -> None:
    monkeypatch.setattr(lines, "BATCH", batch)
    monkeypatch.setattr(lines, "GROUPS", groups)
    monkeypatch.setattr("exports.voters.WAITING", 3)
    options = (worlds.CASUAL, worlds.CAUTION, worlds.INTERVENTION)
    people = worlds.people("ada ben cleo dora eve")
    for number in range(12):
        placed = worlds.unit(kindness, worlds.instruction(f"text {number}", letters, language=("en", "de")[number % 2]))
        for at in range(1 + number % 4):
            worlds.vote(placed, people[(number + at) % 5], options[(number * at) % 3], hate=bool(number % 2))
    tally = counted([kindness])
    expected = direct(kindness)
    found = tally.voters.table(tally.voters.base, tally.spec.option_names)
    assert found.patterns.counts.tolist() == expected.patterns.counts.tolist()
    assert found.patterns.multiplicity.tolist() == expected.patterns.multiplicity.tolist()
    ids = [tally.voters.ids[at] for at in tally.voters.order().tolist()]
    assert rows(found, ids) == rows(expected, [int(name) for name in expected.annotators])
    # Every vote answered the one tag, so that its own options are those of the table.
    hate = tally.voters.table(tally.voters.tags[3], ("yes", "no"))
    assert hate.patterns.n_votes == int(hate.count.sum()) == found.patterns.n_votes - 2


def test_it_counts_votes_in_the_campaign_in_which_they_were_given() -> None:
    summary = counted(worlds.everything()).summary({}, _sources())
    found = {slug: (part["instructions"], part["votes"]) for slug, part in summary["slices"]["campaign"].items()}
    # Ada's vote in kindness is repeated in patience, where Ben voted too.
    assert found == {"kindness": (14, 35), "patience": (1, 2)}


def test_it_numbers_annotators_by_a_key_and_tells_of_none_below_five(kindness: Campaign) -> None:
    assert counted([kindness]).summary({}, _sources())["annotator_measures"] == {
        "reason": "fewer than 5 annotators: each would be known to the others",
        "annotators": [],
    }
    for name in ("cleo", "dora", "eve"):
        worlds.vote(kindness.units.get(), worlds.person(name), worlds.CAUTION)
    orders = set()
    for key in ("01", "02", "03", "04"):
        tally = counted([kindness], key)
        orders.add(tuple(tally.voters.ids[at] for at in tally.voters.order().tolist()))
        measured = tally.summary({}, _sources())["annotator_measures"]["annotators"]
        assert [one["number"] for one in measured] == [1, 2, 3, 4, 5]
        assert Counter(one["loo_agreement"]["value"] for one in measured) == {0.25: 2, 0.5: 3}
    assert len(orders) > 1


def test_gold_counts_as_it_stood_at_the_cut(kindness: Campaign, letters: Source) -> None:
    unit = kindness.units.get()
    for name in ("cleo", "dora", "eve"):
        worlds.vote(unit, worlds.person(name), worlds.CAUTION)
    known.add(kindness, [known.Line(1, str(unit.pk), "casual", "")], KnownAnswer.Phase.GOLD, None)
    snapshot = worlds.published("0.3", kindness)
    measured = snapshot.statistics["annotator_measures"]["annotators"]
    assert Counter(one["gold_accuracy"]["value"] for one in measured) == {1.0: 2, 0.0: 3}
    known.add(kindness, [known.Line(1, str(unit.pk), "needs-caution", "")], KnownAnswer.Phase.GOLD, None)
    derivation.rederive(snapshot)
    assert verification.verify(snapshot).is_same
    later = worlds.published("0.4", kindness).statistics["annotator_measures"]["annotators"]
    assert Counter(one["gold_accuracy"]["value"] for one in later) == {1.0: 3, 0.0: 2}


def _sources() -> dict[str, dict[str, str]]:
    return {source_key(one.name, one.revision): {"license": one.license} for one in Source.objects.all()}
