"""Random walks through small worlds: each step is done in the database and in the book, and both must agree.

A walk is a seed and a list of numbers, one for each step, which decide everything. So it can be walked again, and made
shorter when it fails. Nothing is committed: a world is rolled back when its walk ends.
"""

import random
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone

from annotate import annotations, assignments, campaigns, order, statements
from annotate.annotations import Answer
from annotate.errors import AnswerRefused, CampaignRefused, NotTheirs
from annotate.models import Annotator, Assignment, Campaign, OrderRule, Unit
from labels import loading
from sources import removals
from sources.models import ImportRun, Instruction, Provenance
from tests.annotate import book as books
from tests.annotate import tallied, worlds
from tests.annotate.book import Book, Lease, Person, Place, Rule, Said, Text

LENGTH, FULL_CHECK = 500, 100  # steps of one walk; steps between looks at everything
CHOICES, TAGS = ("casual", "needs-caution", "needs-intervention"), ("hate", "sexual-content")
LANGUAGES, TOPICS = ("en", "ja", "pt-BR", ""), ("hate", "abuse-related")
REASONS = (Assignment.Reason.UNSURE, Assignment.Reason.BROKEN, Assignment.Reason.DISTRESSING)


class Disagreement(AssertionError):
    """The database does or says something else than the book."""


def agree(what: str, database: object, book: object) -> None:
    if database != book:
        raise Disagreement(f"{what}: the database says {database!r}, the book {book!r}")


@dataclass
class Failure:
    """A walk that ended in a disagreement or an error, as short as it could be made."""

    seed: int
    numbers: list[int]
    story: list[str]
    error: str

    def __str__(self) -> str:
        told = "\n".join(f"  {number}. {step}" for number, step in enumerate(self.story, start=1))
        return f"world {self.seed}, {len(self.numbers)} steps {self.numbers}:\n{told}\n  {self.error}"


class Walk:
    """One world and the steps through it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.book = Book()
        self.story: list[str] = []
        self.label_set = loading.load_shipped_set("oig-safety").pk
        self.annotators: dict[int, Annotator] = {}
        self.campaigns: dict[int, Campaign] = {}
        self.texts: dict[int, Text] = {}
        self._place_texts()
        self._gather_people()
        for number in range(self.chance.randint(2, 3)):
            self._open_campaign(f"campaign-{number}")

    # The world.

    def _place_texts(self) -> None:
        for number in range(2):
            origin = worlds.source(f"letters-{number}")
            run = ImportRun.objects.create(source=origin, format="columns", origin="letters.jsonl", state="finished")
            for line in range(self.chance.randint(2, 5)):
                self._place_text(run, f"line {line}", f"Letter {line} of {origin.name}")

    def _place_text(self, run: ImportRun, row: str, words: str) -> None:
        language, topics = self.chance.choice(LANGUAGES), self._some(TOPICS, 0.25)
        relative = self.chance.choice([*self.texts.values()]) if self.texts and self.chance.random() < 0.2 else None
        made = Instruction(
            digest=uuid.uuid5(uuid.NAMESPACE_OID, words).bytes, turns=worlds.says(words), language=language
        )
        if relative is not None:
            made.root_id = relative.family
        made.save()
        suggested = {"tags": dict.fromkeys(topics, 1.0)}
        Provenance.objects.bulk_create(
            [Provenance(instruction=made, source=run.source, run=run, row=row, suggested=suggested)]
        )
        family = relative.family if relative else made.pk
        self.texts[made.pk] = Text(made.pk, run.source_id, language.partition("-")[0], sorted(topics), family)

    def _gather_people(self) -> None:
        self.groups = [Group.objects.create(name=f"group {number}").pk for number in range(2)]
        for number in range(self.chance.randint(3, 5)):
            made = Annotator.objects.create(username=f"person-{number}", password="!")
            self.annotators[made.pk] = made
            self.book.people.append(Person(made.pk))
            if self.chance.random() < 0.5:
                self.wish(self.book.people[-1])

    def _open_campaign(self, slug: str) -> None:
        chosen = self._some(sorted({text.source for text in self.texts.values()}), 0.7)
        chosen = chosen or [next(iter(self.texts.values())).source]
        overlap, distance = self.chance.randint(1, 3), self.chance.choice((0, 0, 1, 2, 20))
        made = Campaign.objects.create(
            slug=slug, title=slug, overlap=overlap, label_set_id=self.label_set, family_distance=distance
        )
        made.sources.set(chosen)
        self.campaigns[made.pk] = made
        place = Place(made.pk, slug, set(chosen), distance, overlap, state="draft")
        self.book.places.append(place)
        for _ in range(self.chance.choice((0, 0, 1, 2))):
            self._add_rule(place)
        self._open(place)

    def _open(self, place: Place) -> None:
        campaigns.request_opening(self.campaigns[place.pk])
        agree(f"opening {place.slug}", campaigns.open_requested(place.pk), True)
        place.state = "open"
        known = {unit.pk for unit in self.book.units}
        new = Unit.objects.filter(campaign=place.pk).exclude(pk__in=known).order_by("position")
        for pk, instruction in new.values_list("pk", "instruction"):
            text, position = self.texts[instruction], self.book.position()
            self.book.units.append(books.Unit(pk, place, text, place.overlap, position))
        placed = {unit.text for unit in self.book.units if unit.place is place}
        fitting = {text for text in self.texts.values() if text.source in place.sources and text.is_available}
        agree(f"units of {place.slug}", fitting - placed, set())
        if place.rules:
            self.book.reorder(place)

    # One step.

    def step(self, number: int) -> None:
        """Do what the number says, in the database and in the book, and compare all that it touched."""
        self.chance = random.Random(number)
        self.book.touched.clear()
        act = self.chance.choices(ACTS, WEIGHTS)[0]
        self.story.append(act.__name__)
        act(self)
        self.compare(self.book.touched)

    def tell(self, words: str) -> None:
        self.story[-1] += f" {words}"

    def claim(self) -> None:
        person, place, wanted = self._person(), self._place(), self.chance.choice((1, 2, 2))
        self.tell(f"person {person.pk} in {place.slug}: {wanted}")
        found = assignments.claim(self.annotators[person.pk], self.campaigns[place.pk], wanted)
        self._agree_on_leases(found, self.book.claim(person, place, wanted))

    def _agree_on_leases(self, found: list[assignments.Lease], told: list[Lease]) -> None:
        agree("leases", [(lease.unit_id, lease.hand) for lease in found], [(at.unit.pk, at.hand) for at in told])
        for lease, at in zip(found, told, strict=True):
            at.pk = at.pk or lease.assignment_id
            agree("number of the lease", lease.assignment_id, at.pk)

    def answer(self) -> None:
        """Answer a text on the desk, and perhaps be given the next with it."""
        lease = self._lease("live")
        if lease is not None:
            self._submit(lease, str(uuid.UUID(int=self.chance.getrandbits(128))))

    def answer_late(self) -> None:
        """Answer under any assignment there ever was, as a page does that was open for long."""
        lease = self._lease("returned", "declined", "surplus", "submitted")
        if lease is not None:
            self._submit(lease, str(uuid.UUID(int=self.chance.getrandbits(128))))

    def repeat(self) -> None:
        """Send what was sent before: the same, or something else under the same key."""
        said = self._said()
        if said is not None:
            choice = said.choice if self.chance.random() < 0.6 else self.chance.choice(CHOICES)
            revises = self.chance.choice((None, said.pk))
            self._submit(said.lease, said.key, choice=choice, tags=said.tags, revises=revises)

    def revise(self) -> None:
        """Change an answer; now and then one that was changed meanwhile in another tab."""
        said = self._said()
        if said is not None:
            self._submit(said.lease, str(uuid.UUID(int=self.chance.getrandbits(128))), revises=said.pk)

    def answer_for_somebody_else(self) -> None:
        lease, thief = self._lease("live", "submitted", "returned"), self._person()
        if lease is None or lease.person is thief:
            return
        try:
            annotations.submit(self.annotators[thief.pk], lease.pk, Answer("casual", {}), uuid.uuid4())
        except NotTheirs:
            return
        raise Disagreement(f"person {thief.pk} answered for person {lease.person.pk}")

    def answer_nonsense(self) -> None:
        lease = self._lease("live")
        if lease is not None:
            with suppress(AnswerRefused):
                annotations.submit(self.annotators[lease.person.pk], lease.pk, Answer("nice", {}), uuid.uuid4())
                raise Disagreement("an answer was stored that the label set does not have")

    def _submit(
        self,
        lease: Lease,
        key: str,
        *,
        choice: str = "",
        tags: dict[str, bool] | None = None,
        revises: int | None = None,
    ) -> None:
        choice = choice or self.chance.choice(CHOICES)
        tags = {tag: self.chance.random() < 0.5 for tag in self._some(TAGS, 0.5)} if tags is None else tags
        person, place = lease.person, lease.unit.place
        self.tell(f"person {person.pk} under {lease.pk} ({lease.state}): {choice} {tags} {key[:4]} revises {revises}")
        answer, told_key = Answer(choice, tags, self.label_set, revises), uuid.UUID(key)
        said_before = len(self.book.chains.get((person, lease.unit), []))
        told = self.book.submit(person, lease, choice, tags, key, revises)
        annotator = self.annotators[person.pk]
        if self.chance.random() < 0.5:
            outcome, votes, found = annotations.submit_and_claim(annotator, place.slug, lease.pk, answer, told_key, 2)
            agree("votes", votes, self.book.votes(person, place))
            self._agree_on_leases(found, self.book.claim(person, place, 2))
        else:
            outcome = annotations.submit(annotator, lease.pk, answer, told_key)
        agree("outcome", outcome.value, told)
        if len(self.book.chains.get((person, lease.unit), [])) > said_before:
            self._number_last(person, lease)

    def _number_last(self, person: Person, lease: Lease) -> None:
        tip = self.book.tip(person, lease.unit)
        assert tip is not None
        tip.pk, key, *stored = statements.one(NEWEST, {"unit": lease.unit.pk, "person": person.pk})
        stored[2] = orjson.loads(stored[2])
        tip.key = tip.key or str(key)
        earlier = [said.pk for said in self.book.chains[person, lease.unit][-2:-1]]
        told = [tip.lease.pk, tip.choice, tip.tags, tip.surplus, earlier[0] if earlier else None]
        agree("annotation", [str(key), *stored], [tip.key, *told])

    def withdraw(self) -> None:
        lease = self._lease("submitted", "surplus", "submitted", "live")
        if lease is not None:
            self.tell(f"person {lease.person.pk} under {lease.pk} ({lease.state})")
            told = self.book.withdraw(lease.person, lease)
            done = annotations.withdraw(self.annotators[lease.person.pk], lease.pk, self.chance.choice(REASONS))
            agree("withdrawn", done, told)
            if done:
                self._number_last(lease.person, lease)

    def decline(self) -> None:
        self._release(self._lease("live", "returned"), self.chance.choice(REASONS), self.book.decline)

    def give_back(self) -> None:
        self._release(self._lease("live", "live", "declined"), Assignment.Reason.MOVED_ON, self.book.give_back)

    def _release(self, lease: Lease | None, reason: Assignment.Reason, told: Callable[[Lease], bool]) -> None:
        if lease is not None:
            self.tell(f"person {lease.person.pk} under {lease.pk} ({lease.state})")
            given = Assignment(pk=lease.pk, unit_id=lease.unit.pk, annotator_id=lease.person.pk)
            agree("released", assignments.release(given, reason), told(lease))

    def sign_out(self) -> None:
        person = self._person()
        self.tell(f"person {person.pk}")
        done = assignments.release_all(self.annotators[person.pk], Assignment.Reason.SIGNED_OUT)
        agree("given back at sign-out", done, self.book.sign_out(person))

    def lapse(self) -> None:
        """The time of a lease is over. One of each person: the order of two that end at once is nobody's business."""
        lease = self._lease("live")
        if lease is not None and not any(other.lapsed for other in self.book.live(lease.person)):
            self.tell(f"{lease.pk}")
            lease.lapsed = True
            past = timezone.now() - timedelta(minutes=1)
            Assignment.objects.filter(pk=lease.pk).update(expires_at=past)

    def sweep(self) -> None:
        agree("swept", assignments.release_expired(timezone.now()), self.book.sweep())

    def sweep_withdrawn(self) -> None:
        """What follows a withdrawal when it is committed, or later."""
        two = [person for person in self.book.people if len(self._gone(person)) > 1]
        if not two:  # the order of two that end at once is nobody's business
            agree("swept", assignments.release_withdrawn(), self.book.sweep_withdrawn())

    def _gone(self, person: Person) -> list[Lease]:
        return [lease for lease in self.book.live(person) if not lease.unit.text.is_available]

    def set_aside(self) -> None:
        text = self.chance.choice(list(self.texts.values()))
        self.tell(f"text {text.pk}")
        agree("set aside", removals.set_aside(Instruction.objects.filter(pk=text.pk)), int(text.is_available))
        self._now_available(text, yes=False)

    def take_back(self) -> None:
        for text in [text for text in self.texts.values() if not text.is_available][:1]:
            self.tell(f"text {text.pk}")
            agree("taken back", removals.take_back(Instruction.objects.filter(pk=text.pk)), 1)
            self._now_available(text, yes=True)

    def _now_available(self, text: Text, *, yes: bool) -> None:
        text.is_available = yes
        self.book.touched.update(unit for unit in self.book.units if unit.text is text)

    def close(self) -> None:
        place = self._place()
        self.tell(place.slug)
        try:
            campaigns.close(self.campaigns[place.pk])
        except CampaignRefused:
            agree("closing was refused to", place.state, "closed")
        else:
            agree("closed was", place.state, "open")
            place.state = "closed"

    def reopen(self) -> None:
        closed = [place for place in self.book.places if place.state != "open"]
        for place in closed[:1]:
            self.tell(place.slug)
            if any(text.is_available and text.source in place.sources for text in self.texts.values()):
                self._open(place)

    def change_overlap(self) -> None:
        place, overlap = self._place(), self.chance.randint(1, 4)
        self.tell(f"{place.slug} to {overlap}")
        campaigns.change_overlap(self.campaigns[place.pk], overlap)
        self.campaigns[place.pk].overlap = overlap
        self.book.change_overlap(place, overlap)

    def change_rules(self) -> None:
        place = self._place()
        self.tell(place.slug)
        if place.rules and self.chance.random() < 0.5:
            OrderRule.objects.filter(pk=place.rules.pop().pk).delete()
        else:
            self._add_rule(place)
        agree("moved", order.apply_rules(self.campaigns[place.pk]), self.book.reorder(place))

    def _add_rule(self, place: Place) -> None:
        rule = OrderRule(
            campaign_id=place.pk,
            tier=self.chance.choice((0, 2, 5, 9)),
            source_id=self.chance.choice((None, None, *place.sources)),
            language=self.chance.choice(("", "", "en", "pt")),
            topic=self.chance.choice(("", "", *TOPICS)),
            votes_differ=self.chance.random() < 0.5,
        )
        rule.save()
        place.rules.append(Rule(rule.pk, rule.tier, rule.source_id, rule.language, rule.topic, rule.votes_differ))

    def fold(self) -> None:
        """Some of what is queued; the rest is behind."""
        statements.one("SELECT annotate_fold(%(most)s)", {"most": self.chance.randint(1, 20)})

    def change_wishes(self) -> None:
        person = self._person()
        self.tell(f"of person {person.pk}")
        self.wish(person)

    def wish(self, person: Person) -> None:
        person.languages, person.avoided = self._some(("en", "ja", "pt"), 0.4), self._some(TOPICS, 0.2)
        person.is_active = self.chance.random() < 0.9
        person.groups = set(self._some(self.groups, 0.5))
        annotator = self.annotators[person.pk]
        annotator.languages, annotator.avoided_topics = person.languages, person.avoided
        annotator.is_active = person.is_active
        annotator.save()
        annotator.groups.set(person.groups)

    def invite(self) -> None:
        place = self._place()
        place.groups = set(self._some(self.groups, 0.3))
        self.tell(f"{place.groups} to {place.slug}")
        self.campaigns[place.pk].groups.set(place.groups)

    # Chance.

    def _some[T](self, of: Sequence[T], share: float) -> list[T]:
        return [one for one in of if self.chance.random() < share]

    def _person(self) -> Person:
        return self.chance.choice(self.book.people)

    def _place(self) -> Place:
        return self.chance.choice(self.book.places)

    def _lease(self, *states: str) -> Lease | None:
        state = self.chance.choice(states)
        found = [lease for lease in self.book.leases if lease.state == state]
        return self.chance.choice(found) if found else None

    def _said(self) -> Said | None:
        chains = list(self.book.chains.values())
        chain = self.chance.choice(chains) if chains else []
        answers = [said for said in chain if said.choice]
        tip = bool(answers) and self.chance.random() < 0.7
        return answers[-1] if tip else self.chance.choice(answers) if answers else None

    # Comparing.

    def compare(self, touched: set[books.Unit]) -> None:
        """Units, and all assignments on them, as the database has them and as the book has them."""
        if not touched:
            return
        rows = statements.rows(UNITS, {"units": [unit.pk for unit in touched]})
        found = {pk: (*counts, orjson.loads(leases)) for pk, *counts, leases in rows}
        for unit in touched:
            agree(f"unit {unit.pk}", found[unit.pk], self._told(unit))

    def _told(self, unit: books.Unit) -> tuple[Any, ...]:
        leases = sorted((lease.pk, lease.person.pk, lease.state, lease.hand) for lease in self.book.at(unit))
        holding = [lease for lease in leases if lease[2] in books.HOLDS_SLOT]
        if len(holding) > unit.overlap or len({lease[1] for lease in holding}) < len(holding):
            raise Disagreement(f"unit {unit.pk}: the book itself is wrong: {holding}")
        return len(holding), unit.overlap, unit.tier, not unit.text.is_available, [list(lease) for lease in leases]

    def compare_all(self) -> None:
        """All units in their order, what people gave, and every annotation."""
        self.compare(set(self.book.units))
        with connection.cursor() as cursor:
            cursor.execute("SELECT campaign_id, id FROM annotate_unit ORDER BY campaign_id, tier, position")
            there = cursor.fetchall()
            cursor.execute("SELECT annotator_id, campaign_id, votes FROM annotate_participation WHERE votes > 0")
            votes = set(cursor.fetchall())
            cursor.execute("SELECT id, key FROM annotate_annotation")
            kept = set(cursor.fetchall())
        in_order = sorted(self.book.units, key=lambda unit: (unit.place.pk, unit.tier, unit.position))
        agree("order of service", there, [(unit.place.pk, unit.pk) for unit in in_order])
        both = [(person, place) for person in self.book.people for place in self.book.places]
        given = {(person.pk, place.pk, self.book.votes(person, place)) for person, place in both}
        agree("votes", votes, {row for row in given if row[2]})
        said = {(one.pk, uuid.UUID(one.key)) for chain in self.book.chains.values() for one in chain}
        agree("annotations that are not in both", kept ^ said, set())

    def end(self) -> None:
        """The last look: everything, the promises counted afresh from the rows, and the pattern tables."""
        self.compare_all()
        agree("pattern tables", tallied.differences(), [])
        for place in self.book.places:
            agree(f"problems of {place.slug}", worlds.problems(self.campaigns[place.pk]), [])


NEWEST = """
    SELECT said.id, said.key, said.assignment_id, coalesce(label.code, ''), said.tags::text, said.surplus,
           said.supersedes_id
    FROM annotate_annotation said LEFT JOIN labels_label label ON label.id = said.choice_id
    WHERE said.unit_id = %(unit)s AND said.annotator_id = %(person)s ORDER BY said.id DESC LIMIT 1
"""
UNITS = """
    SELECT unit.id, unit.taken, unit.overlap, unit.tier, unit.is_withdrawn, coalesce((
        SELECT jsonb_agg(jsonb_build_array(lease.id, lease.annotator_id, lease.state, lease.hand) ORDER BY lease.id)
        FROM annotate_assignment lease WHERE lease.unit_id = unit.id), '[]')::text
    FROM annotate_unit unit WHERE unit.id = ANY(%(units)s::bigint[])
"""

_WEIGHED: list[tuple[Callable[[Walk], None], float]] = [
    (Walk.claim, 24),
    (Walk.answer, 20),
    (Walk.answer_late, 8),
    (Walk.repeat, 6),
    (Walk.revise, 8),
    (Walk.answer_for_somebody_else, 0.5),
    (Walk.answer_nonsense, 0.5),
    (Walk.withdraw, 5),
    (Walk.decline, 3),
    (Walk.give_back, 4),
    (Walk.sign_out, 2),
    (Walk.lapse, 6),
    (Walk.sweep, 2),
    (Walk.sweep_withdrawn, 2),
    (Walk.set_aside, 2),
    (Walk.take_back, 3),
    (Walk.close, 1),
    (Walk.reopen, 3),
    (Walk.change_overlap, 2),
    (Walk.change_rules, 1),
    (Walk.change_wishes, 1.5),
    (Walk.fold, 3),
    (Walk.invite, 0.5),
]
ACTS = [act for act, _ in _WEIGHED]
WEIGHTS = [weight for _, weight in _WEIGHED]


def walk(seed: int, numbers: Sequence[int]) -> Failure | None:
    """Walk through one world and leave nothing behind; what went wrong, if something did."""
    done: list[int] = []
    through: Walk | None = None
    with transaction.atomic():
        try:
            through = Walk(seed)
            for number in numbers:
                done.append(number)
                through.step(number)
                if len(done) % FULL_CHECK == 0:
                    through.compare_all()
            through.end()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported with the steps that lead to it
            return Failure(seed, done, through.story if through else [], f"{type(error).__name__}: {error}")
        finally:
            transaction.set_rollback(True)
    return None


def numbers_of(seed: int, steps: int) -> list[int]:
    """The steps of a world."""
    chance = random.Random(f"steps of {seed}")
    return [chance.getrandbits(32) for _ in range(steps)]


def shortened(failure: Failure, tries: int) -> Failure:
    """The same or another failure of this world with fewer steps; leaves out ever smaller parts."""
    size = max(1, len(failure.numbers) // 2)
    while tries > 0:
        start, smaller = 0, False
        while start < len(failure.numbers) and tries > 0:
            tries -= 1
            fewer = failure.numbers[:start] + failure.numbers[start + size :]
            again = walk(failure.seed, fewer)
            if again is not None:
                failure, smaller = again, True
            else:
                start += size
        if size == 1 and not smaller:
            break
        size = max(1, size // 2)
    return failure


def explore(steps: int, seed: int, tries: int = 150) -> Failure | None:
    """Walk ``steps`` steps through one world after another; the first failure, made short."""
    for world in range(-(-steps // LENGTH)):
        number = seed * 1_000_000 + world
        failure = walk(number, numbers_of(number, min(LENGTH, steps - world * LENGTH)))
        if failure is not None:
            return shortened(failure, tries)
    return None
