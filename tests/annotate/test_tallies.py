"""Pattern tables follow the votes, whatever happens to these."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import chain

import pytest
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F, QuerySet
from django.utils import timezone

from annotate import annotations, assignments, external, guidelines, tallies
from annotate.annotations import Outcome
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
from labels.models import Label
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
