"""Pattern tables follow the votes, whatever happens to these."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import chain

import pytest
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F, QuerySet
from django.utils import timezone

from annotate import annotations, assignments, counted, external, guidelines, tallies
from annotate.annotations import Outcome
from annotate.errors import NotComparable
from annotate.models import (
    Annotation,
    Annotator,
    Assignment,
    Campaign,
    PatternCount,
    Slice,
    TallyQueue,
    Unit,
    UnitTally,
    VoterCount,
)
from annotate.sql import TALLIES
from annotate.tallies import Scope, VotersBy
from labels.models import Label
from labels.votes import VoterTable
from sources import removals
from sources.models import ImportRun, Instruction, Provenance, Source
from sources.rows import SourceVote
from tests.annotate import revisions, worlds
from tests.annotate.tallied import differences
from tests.annotate.test_locks import meanwhile, somebody_else
from tests.annotate.test_race import deadlocks
from tests.annotate.visitors import Meanwhile, together

pytestmark = pytest.mark.django_db

CHOICES = ("casual", "needs-caution", "needs-intervention")
TAGS = ("abuse-related", "personal-information-related", "sexual-content", "hate")


@contextmanager
def changeable() -> Iterator[CursorWrapper]:
    """Annotations may be changed and deleted in this block, as nobody can."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE annotate_annotation DISABLE TRIGGER annotate_append_only")
        yield cursor
        cursor.execute("ALTER TABLE annotate_annotation ENABLE TRIGGER annotate_append_only")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


class World:
    """Two campaigns, votes of a public dataset, and all that may happen to their votes."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.letters, self.books = worlds.source("letters"), worlds.source("books", "unknown")
        worlds.instructions(self.letters, [worlds.says(f"Letter {number}") for number in range(5)])
        self.texts = worlds.instructions(self.books, [worlds.says(f"Book {number}") for number in range(3)])
        self.run = ImportRun.objects.create(source=self.letters, format="convabuse", origin="a.csv")
        Instruction.objects.filter(pk=self.texts[0].pk).update(parent=self.texts[1])
        self.campaigns = [worlds.opened(self.letters, overlap=2), worlds.opened(self.books, overlap=4, slug="books")]
        self.people = [worlds.person(f"person-{number}") for number in range(5)]

    def answer(self) -> None:
        person, where = self.chance.choice(self.people), self.chance.choice(self.campaigns)
        if (mine := assignments.claim_next(person, where)) is not None:
            worlds.say(mine, self.chance.choice(CHOICES), self._tags(where))

    def answer_late(self) -> None:
        """After the lease ended and fewer votes are wanted: it is surplus."""
        person, where = self.chance.choice(self.people), self.chance.choice(self.campaigns)
        if (mine := assignments.claim_next(person, where)) is not None:
            Assignment.objects.filter(pk=mine.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
            assignments.release_expired(timezone.now())
            Unit.objects.filter(pk=mine.unit_id).update(overlap=F("taken"))
            assert worlds.say(mine, self.chance.choice(CHOICES), self._tags(where)) == Outcome.SURPLUS

    def revise(self) -> None:
        if (said := self._said()) is not None:
            worlds.revise(said, self.chance.choice(CHOICES), self._tags(said.unit.campaign))

    def withdraw(self) -> None:
        if (said := self._said()) is not None and said.assignment is not None and said.annotator is not None:
            annotations.withdraw(said.annotator, said.assignment.pk, Assignment.Reason.UNSURE)

    def import_votes(self) -> None:
        texts = self.chance.sample(list(Instruction.objects.filter(provenances__source=self.letters)), 3)
        choices = ("not-abusive", "ambiguous", "strongly-abusive")
        rows = [
            (text.pk, [SourceVote(name, self.chance.choice(choices), f"{text.pk} {name}")])
            for text in texts
            for name in (f"reader-{self.chance.randint(1, 3)}", None)
        ]
        external.write_votes(self.run, "convabuse", rows)

    def set_aside(self) -> None:
        removals.set_aside(self._text())

    def take_back(self) -> None:
        removals.take_back(Instruction.objects.filter(state=1))

    def rename_language(self) -> None:
        self._text().update(language=self.chance.choice(("en", "en-GB", "ja", "")))

    def change_ledger(self) -> None:
        """The sources are ranked anew, a text has one more; a rebuild follows."""
        for source in (self.letters, self.books):
            Source.objects.filter(pk=source.pk).update(
                precedence=self.chance.randint(1, 3), license=self.chance.choice(("unknown", "CC0-1.0"))
            )
        text, run = self._text().get(), self.run
        Provenance.objects.bulk_create(
            [Provenance(instruction=text, source=self.books, run=run, row="again")], ignore_conflicts=True
        )
        for campaign in Campaign.objects.all():
            tallies.rebuild(campaign)

    def adopt(self) -> None:
        """The next revision has one tag more."""
        where = self.chance.choice(self.campaigns)
        if where.label_set.revision == revisions.FIRST:
            guidelines.adopt(where, revisions.loaded(revisions.with_tag()))

    def age(self) -> None:
        """A vote was given in an earlier week; nobody can do that, so that the triggers are told off."""
        with changeable() as cursor:
            cursor.execute(
                "UPDATE annotate_annotation SET created_at = created_at - interval '7 days' WHERE id %% 3 = %s",
                [self.chance.randint(0, 2)],
            )

    def fold(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT annotate_fold(%s)", [self.chance.randint(1, 5)])

    def _tags(self, where: Campaign) -> dict[str, bool]:
        tags = list(Label.objects.filter(label_set__campaigns=where, kind="tag").values_list("code", flat=True))
        answered = tags if self.chance.random() < 0.5 else self.chance.sample(tags, 2)
        return {tag: self.chance.random() < 0.3 for tag in answered}

    def _said(self) -> Annotation | None:
        found = list(Annotation.objects.filter(choice__isnull=False, assignment__isnull=False, superseded_by=None))
        return self.chance.choice(found) if found else None

    def _text(self) -> QuerySet[Instruction]:
        texts = list(Instruction.objects.values_list("pk", flat=True))
        return Instruction.objects.filter(pk=self.chance.choice(texts))

    def acts(self) -> list[Callable[[], None]]:
        often = [self.answer] * 8 + [self.revise] * 3 + [self.fold] * 3
        rare = [self.withdraw, self.answer_late, self.import_votes, self.set_aside, self.take_back, self.adopt]
        return [*often, *rare, self.rename_language, self.change_ledger, self.age]


@pytest.mark.parametrize("seed", range(4))
def test_the_tables_are_what_the_votes_say_after_whatever_happened(seed: int) -> None:
    world = World(seed)
    for step in range(150):
        world.chance.choice(world.acts())()
        if step % 15 == 14:
            assert differences() == []
    assert Slice.objects.count() > 3
    assert {"base", "tags", "tag:hate"} <= set(PatternCount.objects.values_list("kind", flat=True))
    for campaign in Campaign.objects.all():
        tallies.rebuild(campaign)
    assert differences() == []


# What a hurried change of the fold or of its triggers might forget, and what it would say then.
FORGOTTEN = {
    "surplus votes": ("WHERE NOT said.surplus AND said.choice_id", "WHERE said.choice_id"),
    "earlier answers of a chain": ("WHERE later.supersedes_id = said.id", "WHERE false"),
    "withdrawn texts": ("AND said.state = 0", ""),
    "what was folded last": ("FROM before WHERE unit NOT IN (SELECT unit FROM same)", "FROM before WHERE false"),
    "the order of the ledger": (
        "array_agg(id ORDER BY id IN (SELECT id FROM withheld), precedence, id)",
        "array_agg(id)",
    ),
    "changes of an instruction": ("SELECT id FROM annotate_unit WHERE instruction_id = NEW.id", "SELECT 1 WHERE false"),
    "who said no to a tag": (
        "array_agg(voter ORDER BY answer, voter), array_agg(answer",
        "array_agg(voter ORDER BY answer DESC, voter), array_agg(answer",
    ),
    "tags of another revision": ("SELECT id FROM annotate_unit WHERE campaign_id = NEW.id", "SELECT 1 WHERE false"),
}


@pytest.mark.parametrize("forgotten", FORGOTTEN)
def test_it_is_noticed_when_a_fold_forgets(forgotten: str) -> None:
    right, wrong = FORGOTTEN[forgotten]
    assert TALLIES.count(right) == 1
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(TALLIES.replace(right, wrong))
    world = World(seed=0)
    for _ in range(1000):
        world.chance.choice(world.acts())()
        if differences():
            return
    pytest.fail("1000 steps, and nobody has noticed")


def test_nothing_is_left_of_a_vote_that_was_changed_and_taken_back() -> None:
    kindness = worlds.campaign(units=1, overlap=3)
    mine = worlds.claimed(worlds.person("ada"), kindness)
    worlds.say(mine, "casual", {"hate": True})
    assert differences() == []
    worlds.revise(Annotation.objects.get(), "needs-caution", {"hate": False})
    assert differences() == []
    assert dict(PatternCount.objects.values_list("kind", "pattern")) == {"base": [1], "tag:hate": [0]}
    assert annotations.withdraw(mine.annotator, mine.pk, Assignment.Reason.UNSURE)
    assert differences() == []
    assert [model.objects.count() for model in (PatternCount, VoterCount, UnitTally, Slice, TallyQueue)] == [0] * 5


def test_a_fold_of_what_is_known_writes_nothing() -> None:
    kindness = worlds.campaign(units=2, overlap=3)
    worlds.vote(worlds.person("ada"), kindness)
    tallies.fold()
    with connection.cursor() as cursor:
        written = "SELECT array_agg(xmin::text || ctid::text) FROM annotate_unittally"
        cursor.execute(written)
        before = cursor.fetchone()
        assert tallies.rebuild(kindness) == 2
        assert tallies.fold() == 2
        cursor.execute(written)
        assert cursor.fetchone() == before


def test_units_that_are_gone_leave_the_tables() -> None:
    kindness = worlds.campaign(units=1, overlap=3)
    worlds.vote(worlds.person("ada"), kindness)
    tallies.fold()
    with changeable() as cursor:
        for table in ("annotation", "assignment", "unit"):
            cursor.execute(f"DELETE FROM annotate_{table}")
    assert differences() == []
    assert not Slice.objects.exists()


# --- Reading ---------------------------------------------------------------------------------------------------------


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


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_a_fold_and_a_fold_that_is_lost_loses_nothing() -> None:
    kindness = worlds.campaign(units=1, overlap=3)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    worlds.vote(ada, kindness, "casual")
    with somebody_else() as other:
        assert other.execute("SELECT annotate_fold(10)").fetchone() == (1,)
        said = partial(worlds.vote, bob, kindness, "needs-caution")
        with meanwhile(said):  # returns although the other has committed nothing: it would never end otherwise
            pass
        with transaction.atomic():
            Unit.objects.select_for_update(nowait=True).get()
        assert removals.set_aside(Instruction.objects.all()) == 1
        assert tallies.fold() == 0
        assert tallies.waiting() == 3
        other.rollback()
    assert differences() == []
    removals.take_back(Instruction.objects.all())
    assert differences() == []
    assert list(PatternCount.objects.values_list("pattern", "units")) == [([0, 1], 1)]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_answer_that_is_not_committed_yet_is_folded_afterwards() -> None:
    kindness = worlds.campaign(units=1, overlap=3)
    mine = worlds.claimed(worlds.person("ada"), kindness)
    submit = """SELECT annotate_submit(%s, %s, (SELECT id FROM labels_label WHERE code = 'casual'), '{}',
                                       gen_random_uuid(), NULL, '', NULL)"""
    with somebody_else() as other:
        other.execute(submit, [mine.annotator_id, mine.pk])
        assert tallies.fold() == 0
        other.commit()
    assert tallies.fold() == 1
    assert differences() == []


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_people_curators_and_folds_at_once_end_in_equal_tables_and_never_in_a_deadlock() -> None:
    kindness, before = worlds.campaign(units=40, overlap=4), deadlocks()
    people = [worlds.person(f"person-{number}") for number in range(6)]
    texts, chance = list(Instruction.objects.values_list("pk", flat=True)), random.Random(1)
    folded: list[int] = []

    def label(person: Annotator) -> None:
        own = random.Random(person.pk)
        while (mine := assignments.claim_next(person, kindness)) is not None:
            worlds.say(mine, own.choice(CHOICES), {"hate": own.random() < 0.5})
            if own.random() < 0.3:
                tip = Annotation.objects.filter(annotator=person, superseded_by=None, choice__isnull=False).last()
                if tip is not None and own.random() < 0.5:
                    worlds.revise(tip, own.choice(CHOICES))
                elif tip is not None and tip.assignment_id is not None:
                    annotations.withdraw(person, tip.assignment_id, Assignment.Reason.UNSURE)

    def hide() -> None:
        some = Instruction.objects.filter(pk__in=chance.sample(texts, 5))
        removals.set_aside(some)
        some.update(language=chance.choice(("en", "ja")))
        removals.take_back(some)

    def fold() -> None:
        folded.append(tallies.fold(seconds=0.05))

    with Meanwhile(hide, 0.02) as curator, Meanwhile(fold, 0.005) as one, Meanwhile(fold, 0.005) as two:
        assert together([partial(label, person) for person in people]) == []
    assert list(chain(curator.faults, one.faults, two.faults)) == []
    assert sum(folded) > 50
    assert differences() == []
    assert deadlocks() == before
