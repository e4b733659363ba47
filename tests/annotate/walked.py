"""Small worlds for random walks: texts, people and campaigns in the database, and the same in the book.

What they are is decided by a number, and so is whatever is chosen in them. ``compare`` says where both differ.
"""

import random
import uuid
from collections.abc import Sequence
from typing import Any

import orjson
from django.contrib.auth.models import Group
from django.db import connection

from annotate import campaigns, care, statements
from annotate.models import Annotator, Assignment, Campaign, OrderRule, Unit
from labels import loading
from sources.models import ImportRun, Instruction, Provenance
from tests.annotate import book as books
from tests.annotate import tallied, worlds
from tests.annotate.book import Book, Lease, Person, Place, Rule, Said, Text

CHOICES, TAGS = ("casual", "needs-caution", "needs-intervention"), ("hate", "sexual-content")
LANGUAGES, TOPICS = ("en", "ja", "pt-BR", ""), ("hate", "abuse-related")
REASONS = (Assignment.Reason.UNSURE, Assignment.Reason.BROKEN, Assignment.Reason.DISTRESSING)


class Disagreement(AssertionError):
    """The database does or says something else than the book."""


def agree(what: str, database: object, book: object) -> None:
    if database != book:
        raise Disagreement(f"{what}: the database says {database!r}, the book {book!r}")


class World:
    """One world, as the database has it and as the book has it."""

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
            made = Annotator.objects.create(username=f"person-{number}", password="!", consented=care.CONSENT)
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

    # What changes it, from the beginning or later.

    def tell(self, words: str) -> None:
        self.story[-1] += f" {words}"

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

    def wish(self, person: Person) -> None:
        person.languages, person.avoided = self._some(("en", "ja", "pt"), 0.4), self._some(TOPICS, 0.2)
        person.is_active = self.chance.random() < 0.9
        person.groups = set(self._some(self.groups, 0.5))
        annotator = self.annotators[person.pk]
        annotator.languages, annotator.avoided_topics = person.languages, person.avoided
        annotator.is_active = person.is_active
        annotator.save()
        annotator.groups.set(person.groups)

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


UNITS = """
    SELECT unit.id, unit.taken, unit.overlap, unit.tier, unit.is_withdrawn, coalesce((
        SELECT jsonb_agg(jsonb_build_array(lease.id, lease.annotator_id, lease.state, lease.hand) ORDER BY lease.id)
        FROM annotate_assignment lease WHERE lease.unit_id = unit.id), '[]')::text
    FROM annotate_unit unit WHERE unit.id = ANY(%(units)s::bigint[])
"""
