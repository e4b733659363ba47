"""What is read from the pattern tables: the same as from the votes, and parts that add up."""

from dataclasses import replace

import pytest

from annotate import counted, guidelines, tallies
from annotate.errors import NotComparable
from annotate.models import (
    Annotator,
    Assignment,
    Campaign,
    Slice,
    Unit,
    UnitTally,
)
from annotate.tallies import Scope, VotersBy
from labels.votes import VoterTable
from sources import removals
from sources.models import Instruction, Source
from tests.annotate import revisions, worlds
from tests.annotate.tallied import differences
from tests.annotate.test_tallies import TAGS, World, changeable

pytestmark = pytest.mark.django_db


def told() -> tuple[Campaign, Campaign]:
    """Two campaigns over texts of two sources, in two languages, made and original, by five people; all folded."""
    world = World(seed=1)
    for number, text in enumerate(Instruction.objects.order_by("pk")):
        Instruction.objects.filter(pk=text.pk).update(language=("en-GB", "ja")[number % 2])
    for _ in range(40):
        world.answer()
    for act in (world.revise, world.withdraw, world.import_votes):
        act()
    with changeable() as cursor:  # half of them were answered a week ago
        cursor.execute(
            "UPDATE annotate_annotation SET created_at = created_at - interval '7 days' WHERE unit_id % 2 = 0"
        )
    assert differences() == []
    return world.campaigns[0], world.campaigns[1]


def as_lists(table: VoterTable) -> list[object]:
    """What a table of voters says, with the annotators' names."""
    rows = zip(table.annotator, table.pattern, table.option, table.count, strict=True)
    said = [(table.annotators[who], table.patterns.counts[at].tolist(), int(to), int(n)) for who, at, to, n in rows]
    return [table.patterns.options, table.patterns.counts.tolist(), table.patterns.multiplicity.tolist(), sorted(said)]


def test_tables_and_the_votes_themselves_say_the_same_of_every_scope() -> None:
    campaigns = told()
    whole = Scope(tuple(campaign.pk for campaign in campaigns))
    weeks = sorted({one.week for one in Slice.objects.filter(campaign__in=campaigns) if one.week})
    scopes = [
        whole,
        Scope((campaigns[0].pk,)),
        replace(whole, language="en"),
        replace(whole, language="fr"),
        replace(whole, is_augmented=True),
        *(replace(whole, source=source.pk) for source in Source.objects.all()),
    ]
    for scope in scopes:
        tables = tallies.voters(scope)
        raw = as_lists(counted.voters(scope))
        assert as_lists(tables[None]) == raw if tables else raw[1] == []
    for scope in (replace(whole, is_augmented=False, since=weeks[-1]), replace(whole, before=weeks[-1])):
        of_weeks = tallies.patterns(scope)[None]
        assert as_lists(counted.voters(scope))[:3] == [
            of_weeks.options,
            of_weeks.counts.tolist(),
            of_weeks.multiplicity.tolist(),
        ]
        with pytest.raises(ValueError, match="not kept by week"):
            tallies.voters(scope)
    external_ = Campaign.objects.get(kind="external")
    assert as_lists(counted.voters(Scope((external_.pk,)))) == as_lists(tallies.voters(Scope((external_.pk,)))[None])
    assert counted.voters(Scope((external_.pk,))).n_unknown > 0


def test_votes_come_in_portions_that_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    campaigns = told()
    scope = Scope(tuple(campaign.pk for campaign in campaigns))
    whole = as_lists(counted.voters(scope))
    monkeypatch.setattr(counted, "STRETCH", 0)
    monkeypatch.setattr(counted, "PORTION", 3)
    assert len(list(counted.votes(scope))) > 3
    assert as_lists(counted.voters(scope)) == whole


@pytest.mark.parametrize("by", ["campaign", "source", "language", "is_augmented"])
def test_parts_add_up_to_the_whole(by: VotersBy) -> None:
    scope = Scope(tuple(campaign.pk for campaign in told()))
    parts, voters = tallies.patterns(scope, by), tallies.voters(scope, by)
    assert len(parts) == 2
    first, second = voters.values()
    assert as_lists(first + second) == as_lists(tallies.voters(scope)[None])
    assert {key: table.n_units for key, table in parts.items()} == {
        key: table.patterns.n_units for key, table in voters.items()
    }


def test_weeks_add_up_to_the_whole() -> None:
    scope = Scope(tuple(campaign.pk for campaign in told()))
    first, second = tallies.patterns(scope, "week").values()
    whole, both = tallies.patterns(scope)[None], first + second
    assert (both.counts.tolist(), both.multiplicity.tolist()) == (whole.counts.tolist(), whole.multiplicity.tolist())


def test_tags_and_tag_sets_are_patterns_too() -> None:
    kindness = worlds.campaign(units=1, overlap=3)
    everything = dict.fromkeys(TAGS, False)
    for name, tags in {"ada": everything | {"hate": True}, "bob": everything, "cyd": {"hate": True}}.items():
        worlds.say(worlds.claimed(worlds.person(name), kindness), "casual", tags)
    tallies.fold()
    scope = Scope((kindness.pk,))
    found = {code: voted.by()[None] for code, voted in tallies.read(scope).tags.items()}
    assert sorted(found) == sorted(TAGS)
    assert (found["hate"].patterns.options, found["hate"].patterns.counts.tolist()) == (("no", "yes"), [[1, 2]])
    names = dict(Annotator.objects.values_list("pk", "username"))
    hate = found["hate"]
    said = {names[int(hate.annotators[who])]: to for who, to in zip(hate.annotator, hate.option, strict=True)}
    assert said == {"ada": 1, "bob": 0, "cyd": 1}
    assert found["hate"].n_unknown == 0
    assert found["sexual-content"].patterns.counts.tolist() == [[2, 0]]
    assert found["sexual-content"].n_annotators == 2
    sets = tallies.read(scope).tag_sets.by()[None]
    assert sets.patterns.options == ("0", str(2 ** tallies.tag_codes(kindness.label_set.spec).index("hate")))
    assert sets.patterns.counts.tolist() == [[1, 1]]
    assert (sets.n_annotators, sets.n_unknown, sorted(sets.option.tolist())) == (2, 0, [0, 1])
    guidelines.adopt(kindness, revisions.loaded(revisions.with_tag()))
    tallies.fold()
    assert tallies.read(scope).tag_sets.by() == {}  # nobody has answered every tag of this revision
    assert sorted(code for code, voted in tallies.read(scope).tags.items() if voted.by()) == sorted(TAGS)


def test_the_rule_of_the_label_set_makes_labels_of_patterns() -> None:
    kindness = worlds.campaign(units=2, overlap=2)
    for name, choices in {"ada": ("casual", "casual"), "bob": ("casual",)}.items():
        person = worlds.person(name)
        for choice in choices:
            worlds.vote(person, kindness, choice)
    tallies.fold()
    scope = Scope((kindness.pk,))
    spec, table = tallies.spec_of(scope), tallies.patterns(scope)[None]
    labels, without = tallies.distribution(spec, table, tallies.rule_of(scope))
    assert (labels["casual"], sum(labels.values()), without) == (1, 1, {"too few votes": 1})


def test_the_most_disputed_come_first_and_severe_ones_only_when_asked_for() -> None:
    kindness = worlds.campaign(units=4, overlap=2)
    votes = (("casual",) * 2, ("casual", "needs-caution"), ("casual", "needs-intervention"), ("needs-caution",) * 2)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    for person, which in ((ada, 0), (bob, 1)):
        for unit in Unit.objects.filter(campaign=kindness).order_by("position"):
            assert worlds.claimed(person, kindness).unit_id == unit.pk
            worlds.say(Assignment.objects.get(annotator=person, state="live"), votes[unit.position % 4][which])
    tallies.fold()
    mild, severe = (UnitTally.objects.get(base=base, campaign=kindness).unit for base in ([0, 1], [0, 2]))
    assert [tally.unit for tally in tallies.most_disputed(kindness)] == [mild]
    found = tallies.most_disputed(kindness, severe=True)
    assert [(tally.unit, tally.disagreement) for tally in found] == [(severe, 1.0), (mild, 0.25)]
    removals.set_aside(Instruction.objects.filter(pk=mild.instruction_id))
    assert tallies.most_disputed(kindness) == []


def test_campaigns_with_other_options_cannot_be_measured_together() -> None:
    kindness = worlds.campaign()
    other = worlds.opened(worlds.source("kindness-letters"), slug="other", label_set="convabuse")
    with pytest.raises(NotComparable, match="convabuse, oig-safety"):
        tallies.patterns(Scope((kindness.pk, other.pk)))


# --- At the same time ------------------------------------------------------------------------------------------------
