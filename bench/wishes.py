"""What a claim costs whom the campaign suits badly: who reads a language of one text in a thousand, who avoids a topic.

`python -m bench.wishes [--units 200000] [--claims 100]` starts an embedded database of its own. Each line: milliseconds
of a claim, the median, and its ratio to that of somebody who reads everything; for languages the limit is 2.
What a topic costs that nearly all texts have has none: docs/order-of-service.md says it. Exit code 1 if it is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import TYPE_CHECKING

from bench.label_load import campaign, embedded

if TYPE_CHECKING:
    from annotate.models import Annotator, Campaign

RATIO = 2.0
RARE = 1000  # one text of so many is in the rare language, or has not the common topic

# Every thousandth text is in Maori, and half of the others in German; all but every thousandth are of one topic.
MIXED = """
    UPDATE sources_instruction SET language = CASE WHEN id %% %(rare)s = 0 THEN 'mi' ELSE 'de' END WHERE id %% 2 = 0;
    UPDATE annotate_unit
    SET topics = CASE WHEN instruction_id %% %(rare)s = 0 THEN '{rare}'::varchar[] ELSE '{hate}' END;
"""

WISHES: dict[str, dict[str, list[str]]] = {
    "reads everything": {},
    "reads most": {"languages": ["en", "de"]},
    "reads a rare language": {"languages": ["mi"]},
    "reads that and nineteen more": {"languages": ["mi", *(f"x{letter}" for letter in "abcdefghijklmnopqrs")]},
    "avoids what nearly all have": {"avoided_topics": ["hate"]},
    "reads what nobody wrote": {"languages": ["xx"]},
    "avoids what all have": {"avoided_topics": ["hate", "rare"]},
}
EMPTY = ("reads what nobody wrote", "avoids what all have")


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=200_000)
    parser.add_argument("--claims", type=int, default=100)
    asked = parser.parse_args()
    with embedded():
        campaign(asked.units)
        mix()
        found = milliseconds(asked.claims)
    whole = found["reads everything"]
    print(f"{asked.units:,} units, one of {RARE:,} in the rare language; ms of a claim, median of {asked.claims}")
    for name, figure in found.items():
        limit = f"limit {RATIO}" if name.startswith("reads") else ""
        print(f"{name:32} {figure:>8.2f}   {figure / whole:>8.2f}   {limit}")
    return int(any(figure / whole > RATIO for name, figure in found.items() if name.startswith("reads")))


def mix() -> None:
    """Languages and topics."""
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in MIXED.split(";"):
            if statement.strip():
                cursor.execute(statement, {"rare": RARE})
        cursor.execute("VACUUM ANALYZE")
        # Waiting for the disk is most of a claim, and the same for everybody.
        cursor.execute("SET synchronous_commit = off")


def milliseconds(claims: int) -> dict[str, float]:
    """The median of so many claims of each person, each of the next text, in turn: what else runs here hits all."""
    from annotate import care
    from annotate.models import Annotator, Campaign

    place = Campaign.objects.get()
    people = {
        name: Annotator.objects.create_user(name, consented=care.CONSENT, **wishes) for name, wishes in WISHES.items()
    }
    taken: dict[str, list[float]] = {name: [] for name in people}
    for _ in range(claims):
        for name, person in people.items():
            taken[name].append(claimed(person, place, is_patient=name in EMPTY))
    return {name: statistics.median(each) for name, each in taken.items()}


def claimed(person: Annotator, place: Campaign, *, is_patient: bool) -> float:
    """The milliseconds of a claim; what was claimed is sent away afterwards."""
    from django.utils import timezone

    from annotate.assignments import _claimed
    from annotate.models import Assignment

    began = time.perf_counter()
    held = _claimed(person, place, 1, patient=is_patient)
    taken = (time.perf_counter() - began) * 1000
    assert bool(held) is not is_patient
    Assignment.objects.filter(annotator=person, state="live").update(state="declined", ended_at=timezone.now())
    return taken


if __name__ == "__main__":
    sys.exit(main())
