"""Known answers: adding them from a table, and reading gold beside what people said."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from annotate.errors import KnownAnswersRefused
from annotate.models import Annotator, Campaign, KnownAnswer, Unit
from annotate.statements import rows
from labels.models import Label

MOST_LINES = 100_000
DIGEST = re.compile(r"[0-9a-f]{32}")


AGREED = """
    WITH agreed AS (
        SELECT vote.unit_id, min(option.code) AS code, count(*) AS votes
        FROM annotate_counted vote
        JOIN labels_label option ON option.id = vote.choice_id
        JOIN annotate_unit unit ON unit.id = vote.unit_id AND unit.taken = unit.overlap
        WHERE vote.campaign_id = %(campaign)s
          AND NOT EXISTS (SELECT 1 FROM annotate_knownanswer known WHERE known.unit_id = vote.unit_id)
          AND NOT EXISTS (SELECT 1 FROM annotate_flag flag WHERE flag.unit_id = vote.unit_id AND flag.closed_at IS NULL)
        GROUP BY vote.unit_id HAVING count(*) >= %(fewest)s AND count(DISTINCT option.code) = 1
    )
    SELECT unit_id, code, votes FROM agreed
    ORDER BY row_number() OVER (PARTITION BY code ORDER BY annotate_chance(unit_id::text, %(seed)s)), code
    LIMIT %(most)s
"""


class Line(NamedTuple):
    """One known answer as it was written: the unit's id or the text's public id, and the answer's code or name."""

    number: int
    unit: str
    choice: str
    explanation: str


class Added(NamedTuple):
    """What adding came to: ``same`` were there before, word for word."""

    new: int
    changed: int
    same: int


class Gold(NamedTuple):
    """G known answers, (G,) each: ids of units in rising order, and positions of the options in the label set."""

    unit: NDArray[np.int64]
    option: NDArray[np.int64]

    def beside(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        """The option of each of ``units`` (N,), or -1 where none is known."""
        answers = dict(zip(self.unit.tolist(), self.option.tolist(), strict=True))
        return np.array([answers.get(unit, -1) for unit in units.tolist()], dtype=np.int64)


def read(text: str) -> list[Line]:
    """The lines of a CSV table ``unit,choice[,explanation]``; a first line with these words is its head.

    Raises KnownAnswersRefused for a line of another form.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        lines = [_line(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise KnownAnswersRefused(f"line {reader.line_num}: {error}; write unit,choice,explanation") from error
    if lines and lines[0].choice == "choice":
        lines = lines[1:]
    if not lines:
        raise KnownAnswersRefused("the table is empty; write one line unit,choice,explanation for each answer")
    if len(lines) > MOST_LINES:
        raise KnownAnswersRefused(f"the table has {len(lines):,} lines; add at most {MOST_LINES:,} at once")
    return lines


def _line(number: int, row: list[str]) -> Line:
    cells = [cell.strip() for cell in row]
    if not 2 <= len(cells) <= 3 or not all(cells[:2]):
        raise KnownAnswersRefused(f"line {number}: has {len(cells)} cells; write unit,choice,explanation")
    return Line(number, cells[0].lower(), cells[1], cells[2] if len(cells) == 3 else "")


def add(campaign: Campaign, lines: Iterable[Line], phase: str, by: Annotator | None) -> Added:
    """Store known answers, all or none; one that is there already is changed to what is written now.

    Raises KnownAnswersRefused for the first line that names no unit, no answer, or a unit for the second time.
    """
    lines = list(lines)
    options = _options(campaign)
    units = _units(campaign, lines)
    wanted: dict[int, KnownAnswer] = {}
    for line in lines:
        unit, choice = units.get(line.unit), options.get(line.choice.lower())
        if unit is None:
            remedy = f"give the id of one of its units, or the public id of its text ({DIGEST.pattern})"
            raise KnownAnswersRefused(f"line {line.number}: {campaign} has no unit {line.unit[:40]!r}; {remedy}")
        if choice is None:
            names = ", ".join(campaign.label_set.spec.option_names)
            raise KnownAnswersRefused(f"line {line.number}: {line.choice[:40]!r} is no answer; they are {names}")
        if unit in wanted:
            raise KnownAnswersRefused(f"line {line.number}: names a unit that another line names; keep one of them")
        wanted[unit] = KnownAnswer(unit_id=unit, choice=choice, phase=phase, explanation=line.explanation, added_by=by)
    # In one order, whoever adds them: each holds its unit until the end.
    return _store({unit: wanted[unit] for unit in sorted(wanted)})


@transaction.atomic
def _store(wanted: dict[int, KnownAnswer]) -> Added:
    there = {one.unit_id: one for one in KnownAnswer.objects.select_for_update().filter(unit__in=wanted)}
    KnownAnswer.objects.bulk_create([one for unit, one in wanted.items() if unit not in there])
    changed = [one for unit, one in there.items() if _differs(one, wanted[unit])]
    for one in changed:
        new = wanted[one.unit_id]
        one.choice, one.phase, one.explanation, one.added_by = new.choice, new.phase, new.explanation, new.added_by
    KnownAnswer.objects.bulk_update(changed, ["choice", "phase", "explanation", "added_by"])
    return Added(len(wanted) - len(there), len(changed), len(there) - len(changed))


def promote(campaign: Campaign, most: int, fewest: int, by: Annotator | None) -> int:
    """Make gold of complete units with ``fewest`` votes or more that all agree and no open flag; returns how many.

    Evenly of each answer, as far as there are such units, and by a chance that the campaign's hidden seed decides.
    """
    options = {option.code: option for option in campaign.label_set.labels.filter(kind=Label.Kind.OPTION)}
    found = rows(AGREED, {"campaign": campaign.pk, "seed": campaign.gold_seed, "fewest": fewest, "most": most})
    made = [
        KnownAnswer(
            unit_id=unit,
            choice=options[code],
            explanation=f"All {votes} people who read it before gave this answer.",
            added_by=by,
            is_promoted=True,
        )
        for unit, code, votes in sorted(found)
        if code in options
    ]
    return len(KnownAnswer.objects.bulk_create(made, ignore_conflicts=True))


def doubts(campaign: Campaign) -> list[str]:
    """What the campaign asks of people and has no known answers for, in sentences for the curator."""
    phases = set(KnownAnswer.objects.of(campaign).values_list("phase", flat=True))
    asked = [
        (KnownAnswer.Phase.PRACTICE, campaign.practice, "practise first", "nobody gets in"),
        (KnownAnswer.Phase.QUALIFICATION, campaign.qualification_percent, "qualify", "nobody gets in"),
        (KnownAnswer.Phase.GOLD, campaign.gold_every or campaign.gold_least, "answer gold", "none is served"),
    ]
    return [
        f"People are to {what}, and no known answer of {campaign} is for {phase}: {so} until you add some."
        for phase, is_asked, what, so in asked
        if is_asked and phase not in phases
    ]


def _differs(one: KnownAnswer, new: KnownAnswer) -> bool:
    return (one.choice_id, one.phase, one.explanation) != (new.choice_id, new.phase, new.explanation)


def _options(campaign: Campaign) -> dict[str, Label]:
    """The vote options by code and by name, in lower case."""
    options = campaign.label_set.labels.filter(kind=Label.Kind.OPTION)
    return {name.lower(): option for option in options for name in (option.code, option.name)}


def _units(campaign: Campaign, lines: Iterable[Line]) -> dict[str, int]:
    """Unit ids by what the lines call them: 32 hexadecimal digits are a text's public id, others a unit's id."""
    called = {line.unit for line in lines}
    of_campaign = Unit.objects.filter(campaign=campaign)
    digests = {bytes.fromhex(name) for name in called if DIGEST.fullmatch(name)}
    numbers = {int(name) for name in called if name.isdecimal() and len(name) <= 18}
    by_digest = of_campaign.filter(instruction__digest__in=digests).values_list("instruction__digest", "pk")
    by_number = of_campaign.filter(pk__in=numbers).values_list("pk", flat=True)
    return {**{str(pk): pk for pk in by_number}, **{bytes(digest).hex(): pk for digest, pk in by_digest}}


def gold(campaign: Campaign) -> Gold:
    """The gold answers of a campaign by unit, of texts that are served; what its label set has no code for is not."""
    position = {option.code: at for at, option in enumerate(campaign.label_set.spec.options)}
    known = KnownAnswer.objects.gold().of(campaign).filter(unit__is_withdrawn=False, choice__code__in=position)
    pairs = list(known.order_by("unit").values_list("unit", "choice__code"))
    units, options = [unit for unit, _ in pairs], [position[code] for _, code in pairs]
    return Gold(np.array(units, dtype=np.int64), np.array(options, dtype=np.int64))
