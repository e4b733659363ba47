"""A campaign in which everybody has judged everything, one of them blindly."""

from __future__ import annotations

import uuid

import numpy as np

from annotate import known
from annotate.models import Annotation, Campaign, KnownAnswer, Unit
from labels.models import Label
from tests.annotate import worlds

UNITS = 120
NAMES = ("ada", "bob", "cyd", "dan", "eve", "fay")
CODES = ("casual", "needs-caution", "needs-intervention")


def truth(number: int) -> int:
    """What all but Ada mostly see in the unit with this number: 0, 0, 0, 1, 1, 1, 2 and again."""
    return number % 7 // 3


def campaign() -> Campaign:
    """Six people on each of 120 units: five answer by the text, Ada in a row of her own and in no time."""
    made = worlds.campaign(units=UNITS, overlap=len(NAMES))
    options = list(made.label_set.labels.filter(kind=Label.Kind.OPTION))
    chance = np.random.default_rng(5)
    people = [worlds.person(name) for name in NAMES]
    said = []
    for number, unit in enumerate(Unit.objects.filter(campaign=made).order_by("pk")):
        for person in people:
            is_ada, slip = person.username == "ada", int(chance.random() < 0.1)
            option = options[number % 3 if is_ada else (truth(number) + slip) % 3]
            ms = 100 if is_ada else 5_000
            said.append(Annotation(unit=unit, annotator=person, choice=option, key=uuid.uuid4(), focused_ms=ms))
    Annotation.objects.bulk_create(said)
    return made


def give_gold(where: Campaign, count: int = 10) -> list[Unit]:
    """Make what all but Ada see the known answer of the first units."""
    chosen = list(Unit.objects.filter(campaign=where).order_by("pk")[:count])
    lines = [f"{unit.pk},{CODES[truth(number)]},as it says" for number, unit in enumerate(chosen)]
    known.add(where, known.read("\n".join(lines)), KnownAnswer.Phase.GOLD, None)
    return chosen
