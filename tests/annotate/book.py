"""The rules of leases and votes in plain Python, as one careful person with a book would keep them.

No database and no Django: what the project does in SQL is compared with this, step by step (``walks``). Positions and
times are numbers that only grow; they order things as the database's do, but are not equal to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

USUAL_TIER, START, HANDS = 5, -1, 2
HOLDS_SLOT = ("live", "submitted")


@dataclass(eq=False)
class Person:
    """Somebody who labels, and what they wish to read; empty languages: all."""

    pk: int
    languages: list[str] = field(default_factory=list)
    avoided: list[str] = field(default_factory=list)
    is_active: bool = True
    groups: set[int] = field(default_factory=set)


@dataclass(eq=False)
class Rule:
    """One line of a campaign's order of service; empty: any."""

    pk: int
    tier: int
    source: int | None
    language: str
    topic: str
    votes_differ: bool


@dataclass(eq=False)
class Place:
    """A campaign."""

    pk: int
    slug: str
    sources: set[int]
    family_distance: int
    overlap: int
    state: str = "open"
    groups: set[int] = field(default_factory=set)
    rules: list[Rule] = field(default_factory=list)


@dataclass(eq=False)
class Text:
    """An instruction."""

    pk: int
    source: int
    language: str
    topics: list[str]
    family: int
    is_available: bool = True


@dataclass(eq=False)
class Unit:
    pk: int
    place: Place
    text: Text
    overlap: int
    position: int
    tier: int = USUAL_TIER


@dataclass(eq=False)
class Lease:
    """An assignment; ``pk`` is 0 until the database has said its number."""

    person: Person
    unit: Unit
    hand: int
    claimed: int
    state: str = "live"
    ended: int = 0
    lapsed: bool = False
    pk: int = 0


@dataclass(eq=False)
class Said:
    """An annotation; no ``choice``: the answer was taken back."""

    lease: Lease
    choice: str
    tags: dict[str, bool]
    surplus: bool
    key: str
    pk: int = 0


class Book:
    """Everything that is known of one small world, and what each act of a person or curator must lead to."""

    def __init__(self) -> None:
        self.people: list[Person] = []
        self.places: list[Place] = []
        self.units: list[Unit] = []
        self.leases: list[Lease] = []
        self.chains: dict[tuple[Person, Unit], list[Said]] = {}
        self.touched: set[Unit] = set()
        self._cursors: dict[tuple[Person, Place, int], int] = {}
        self._ticks = count(1)

    # What holds now.

    def at(self, unit: Unit) -> list[Lease]:
        return [lease for lease in self.leases if lease.unit is unit]

    def taken(self, unit: Unit) -> int:
        return sum(lease.state in HOLDS_SLOT for lease in self.at(unit))

    def has_slot(self, unit: Unit) -> bool:
        return unit.text.is_available and self.taken(unit) < unit.overlap

    def live(self, person: Person) -> list[Lease]:
        held = [lease for lease in self.leases if lease.person is person and lease.state == "live"]
        return sorted(held, key=lambda lease: lease.claimed)

    def held(self, person: Person, place: Place) -> list[Lease]:
        """What a person is shown in a campaign."""
        return [lease for lease in self.live(person) if lease.unit.place is place and lease.unit.text.is_available]

    def votes(self, person: Person, place: Place) -> int:
        counted = (lease for lease in self.leases if lease.state == "submitted")
        return sum(lease.person is person and lease.unit.place is place for lease in counted)

    def tip(self, person: Person, unit: Unit) -> Said | None:
        chain = self.chains.get((person, unit))
        return chain[-1] if chain else None

    def counted(self, unit: Unit) -> list[Said]:
        tips = (chain[-1] for (_, at), chain in self.chains.items() if at is unit)
        return [tip for tip in tips if tip.choice and not tip.surplus]

    # Serving.

    def serves(self, place: Place, person: Person) -> bool:
        invited = not place.groups or bool(place.groups & person.groups)
        return place.state == "open" and person.is_active and invited

    def may_have(self, person: Person, unit: Unit) -> bool:
        """Whether a unit that has an open slot may be given to this person now."""
        text, mine = unit.text, [lease for lease in self.leases if lease.person is person]
        if person.languages and text.language and text.language not in person.languages:
            return False
        if set(text.topics) & set(person.avoided):
            return False
        if any(lease.unit is unit and lease.state != "returned" for lease in mine):
            return False
        newest_first = sorted(mine, key=lambda lease: (lease.state != "live", -lease.ended))
        recent = [lease.unit for lease in newest_first[: unit.place.family_distance]]
        return unit in recent or all(text.family != other.text.family for other in recent)

    def next_unit(self, person: Person, place: Place, *, from_start: bool) -> Unit | None:
        """The first open unit behind the person's cursor, in the lowest tier that has one."""

        def ahead(unit: Unit) -> bool:
            cursor = START if from_start else self._cursors.get((person, place, unit.tier), START)
            return unit.place is place and unit.position > cursor and self.has_slot(unit)

        fitting = [unit for unit in self.units if ahead(unit) and self.may_have(person, unit)]
        return min(fitting, key=lambda unit: (unit.tier, unit.position), default=None)

    def claim(self, person: Person, place: Place, wanted: int) -> list[Lease]:
        """From the cursor first; then from the start, after making room; then once more after a sweep."""
        for lease in self.live(person):
            lease.lapsed = lease.lapsed and lease.unit.place is not place
        while self._take(person, place, wanted, from_start=False):
            pass
        self._take_patiently(person, place, wanted)
        if len(self.held(person, place)) < wanted and self.sweep(place):
            self._take_patiently(person, place, wanted)
        return self.held(person, place)

    def _take_patiently(self, person: Person, place: Place, wanted: int) -> None:
        progress = True
        while progress and len(self.held(person, place)) < wanted:
            made_room = self._make_room(person, place, wanted)
            progress = self._take(person, place, wanted, from_start=True) or made_room

    def _take(self, person: Person, place: Place, wanted: int, *, from_start: bool) -> bool:
        live = self.live(person)
        here = sum(lease.unit.place is place for lease in live)
        if here >= wanted or len(live) >= HANDS or not self.serves(place, person):
            return False
        unit = self.next_unit(person, place, from_start=from_start)
        if unit is None:
            return False
        hand = HANDS + 1 - live[0].hand if live else 1
        self.leases.append(Lease(person, unit, hand, next(self._ticks)))
        self._cursors[person, place, unit.tier] = unit.position
        self.touched.add(unit)
        return True

    def _make_room(self, person: Person, place: Place, wanted: int) -> bool:
        live = self.live(person)
        gone = [lease for lease in live if not lease.unit.text.is_available]
        elsewhere = [lease for lease in live if lease.unit.place is not place]
        too_many = len(elsewhere) + max(wanted, len(live) - len(elsewhere)) > HANDS
        given_back = gone or (elsewhere if too_many else [])
        return bool(given_back) and self.give_back(given_back[0])

    # Ends of leases.

    def give_back(self, lease: Lease) -> bool:
        """The unit is the next that its holder gets, if nobody else takes it."""
        if lease.state != "live":
            return False
        self._end(lease, "returned")
        lane = (lease.person, lease.unit.place, lease.unit.tier)
        self._cursors[lane] = min(self._cursors.get(lane, START), lease.unit.position - 1)
        return True

    def decline(self, lease: Lease) -> bool:
        mine = [other for other in self.at(lease.unit) if other.person is lease.person]
        ended = [other for other in mine if other.state in ("live", "returned")]
        moment = next(self._ticks)
        for other in ended:
            self._end(other, "declined", moment)
        return bool(ended)

    def sweep(self, place: Place | None = None) -> int:
        lapsed = [lease for lease in self.leases if lease.state == "live" and lease.lapsed]
        return self._return_all(lease for lease in lapsed if place is None or lease.unit.place is place)

    def sweep_withdrawn(self) -> int:
        live = [lease for lease in self.leases if lease.state == "live"]
        return self._return_all(lease for lease in live if not lease.unit.text.is_available)

    def sign_out(self, person: Person) -> int:
        return sum(self.give_back(lease) for lease in sorted(self.live(person), key=lambda lease: lease.pk))

    def _return_all(self, leases: Iterable[Lease]) -> int:
        ended = list(leases)
        for lease in ended:
            self._end(lease, "returned")
        return len(ended)

    def _end(self, lease: Lease, state: str, moment: int = 0) -> None:
        lease.state, lease.ended = state, moment or next(self._ticks)
        self.touched.add(lease.unit)

    # Answers.

    def submit(
        self, person: Person, named: Lease, choice: str, tags: dict[str, bool], key: str, revises: int | None
    ) -> str:
        """What becomes of an answer, in the words of ``annotations.Outcome``."""
        lease, tip = self._answered_under(named), self.tip(person, named.unit)
        answered = lease.state in ("submitted", "surplus")
        if tip and tip.key == key:
            return "already saved" if (tip.choice, tip.tags) == (choice, tags) else "already answered"
        if any(said.key == key for said in self.chains.get((person, lease.unit), [])):
            return "already answered"
        if answered and (tip is None or revises != tip.pk):
            return "already answered"
        if answered and lease.unit.place.state != "open":
            return "stands"
        is_there = lease.unit.text.is_available
        counts = lease.state == "submitted" or (is_there and (lease.state == "live" or self.has_slot(lease.unit)))
        self._say(lease, Said(lease, choice, tags, not counts, key), "submitted" if counts else "surplus")
        if counts:
            return "changed" if answered else "saved"
        return "surplus" if is_there else "withdrawn"

    def withdraw(self, person: Person, named: Lease) -> bool:
        lease = self._answered_under(named)
        if lease.state not in ("submitted", "surplus") or lease.unit.place.state != "open":
            return False
        self._say(lease, Said(lease, "", {}, False, ""), "declined")
        return True

    def _answered_under(self, named: Lease) -> Lease:
        mine = [lease for lease in self.at(named.unit) if lease.person is named.person]
        rank: Callable[[Lease], tuple[bool, ...]] = lambda lease: (  # noqa: E731
            lease.state in HOLDS_SLOT,
            lease.state == "surplus",
            lease is named,
        )
        return max(mine, key=rank)

    def _say(self, lease: Lease, said: Said, state: str) -> None:
        self.chains.setdefault((lease.person, lease.unit), []).append(said)
        if lease.state != state:
            self._end(lease, state)
        self.touched.add(lease.unit)
        # An answer that does not count moves nothing, except that one which is taken back.
        if any(rule.votes_differ for rule in lease.unit.place.rules) and not said.surplus:
            self.reorder(lease.unit.place, [lease.unit])

    # What curators do.

    def tier(self, unit: Unit) -> int:
        """The lowest of all rules that fit."""

        def fits(rule: Rule) -> bool:
            return (
                rule.source in (None, unit.text.source)
                and rule.language in ("", unit.text.language)
                and (not rule.topic or rule.topic in unit.text.topics)
                and (not rule.votes_differ or len({said.choice for said in self.counted(unit)}) > 1)
            )

        return min((rule.tier for rule in unit.place.rules if fits(rule)), default=USUAL_TIER)

    def reorder(self, place: Place, units: list[Unit] | None = None) -> int:
        """Who moves to another tier goes to its end, and those that move keep their order."""
        chosen = units if units is not None else [unit for unit in self.units if unit.place is place]
        moving = sorted((unit for unit in chosen if unit.tier != self.tier(unit)), key=lambda unit: unit.position)
        for unit in moving:
            unit.tier, unit.position = self.tier(unit), self.position()
            self.touched.add(unit)
        return len(moving)

    def position(self) -> int:
        """The end of the order of service."""
        return next(self._ticks)

    def change_overlap(self, place: Place, overlap: int) -> None:
        place.overlap = overlap
        for unit in self.units:
            if unit.place is place:
                unit.overlap = max(overlap, self.taken(unit))
                self.touched.add(unit)
