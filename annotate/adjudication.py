"""Deciding what votes leave disputed: the queue of such units, one of them with its votes, and what was decided.

Nobody is shown a unit here that they were given to label, nor one that still collects votes: whoever decides has seen
the votes, and must not vote any more. The database keeps the rules of deciding (``sql/adjudication.sql``); the verbs
ask the same under the same locks, in words for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from annotate import assignments, known, tallies
from annotate.errors import DecisionRefused
from annotate.models import (
    Annotation,
    Annotator,
    Assignment,
    Campaign,
    DecidedExample,
    Decision,
    Flag,
    KnownAnswer,
    Unit,
)
from annotate.statements import one, rows
from annotate.tallies import Scope
from labels.aggregation import Aggregate, Rule, aggregate, dispute_reasons
from sources import curation, wording
from sources.models import Instruction, InstructionState

PERMISSION = "annotate.adjudicate"
PAGE = 50
# What an open campaign may still give to somebody is not decided yet.
SETTLED = """
    NOT EXISTS (SELECT 1 FROM annotate_assignment lease WHERE lease.unit_id = unit.id AND lease.state = 'live')
    AND (unit.taken >= unit.overlap OR NOT EXISTS (
        SELECT 1 FROM annotate_campaign place
        WHERE place.id = unit.campaign_id AND place.state = 'open' AND place.kind = 'volunteer'))
"""
# Whom it was given to label, and who has a decision that stands. Who took theirs back may decide again.
NOT_FOR_THEM = """
    EXISTS (
        SELECT 1 FROM annotate_assignment held WHERE held.unit_id = unit.id AND held.annotator_id = %(viewer)s
          AND NOT EXISTS (SELECT 1 FROM annotate_decision own
                          WHERE own.unit_id = unit.id AND own.adjudicator_id = %(viewer)s))
    OR EXISTS (
        SELECT 1 FROM annotate_decision own
        WHERE own.unit_id = unit.id AND own.adjudicator_id = %(viewer)s AND own.label <> ''
          AND NOT EXISTS (SELECT 1 FROM annotate_decision later WHERE later.supersedes_id = own.id))
"""
# The votes on a tag tie, on any: bits of the tags, one number for each vote.
TAG_TIES = """
    EXISTS (
        SELECT 1 FROM generate_series(0, %(tags)s - 1) tag(bit), LATERAL (
            SELECT count(*) FILTER (WHERE said.answered >> tag.bit & 1 = 1) AS answers,
                   count(*) FILTER (WHERE said.yes >> tag.bit & 1 = 1) AS yes
            FROM unnest(tally.tags_yes, tally.tags_answered) said(yes, answered)
        ) sums WHERE sums.answers > 0 AND 2 * sums.yes = sums.answers)
"""
FLAGGED = "EXISTS (SELECT 1 FROM annotate_flag flag WHERE flag.unit_id = unit.id AND flag.closed_at IS NULL)"
SETTLED_BY = """
    (SELECT newest.settled_by_id FROM annotate_decision newest WHERE newest.unit_id = unit.id
     ORDER BY newest.id DESC LIMIT 1)
"""
WAITING = f"""
    FROM annotate_unittally tally
    JOIN annotate_unit unit ON unit.id = tally.unit_id
    JOIN annotate_slice slice ON slice.id = tally.slice_id
    JOIN sources_instruction said ON said.id = unit.instruction_id
    WHERE tally.campaign_id = %(campaign)s AND NOT unit.is_withdrawn AND said.state = 0
      AND cardinality(tally.base) > 1
      AND (array_to_string(tally.base, ',') = ANY(%(patterns)s) OR {TAG_TIES} OR {FLAGGED})
      AND {SETTLED_BY} IS NULL AND {SETTLED} AND NOT ({NOT_FOR_THEM})
"""
# The gravest answer that somebody gave; the week of the last vote; how far votes lie apart.
SEVERITY, AGE, SPLIT = "tally.base[cardinality(tally.base)] DESC", "slice.week", "tally.disagreement DESC"
ORDERS = {
    "severity": (SEVERITY, AGE, SPLIT),
    "age": (AGE, SEVERITY, SPLIT),
    "split": (SPLIT, SEVERITY, AGE),
}
LIST = "SELECT unit.id, tally.base, slice.week {waiting} ORDER BY {order}, unit.id LIMIT %(most)s OFFSET %(offset)s"


class Waiting(NamedTuple):
    """A disputed unit in the queue: how often each answer was given, and the Monday before its last vote."""

    unit: Unit
    votes: list[tuple[str, int]]
    week: date
    is_severe: bool


class Vote(NamedTuple):
    """What somebody said, without who: the answer by code and name, the tags with yes or no, and their note."""

    code: str
    choice: str
    tags: list[tuple[str, bool]]
    note: str


@dataclass(frozen=True)
class Ruling:
    """What an adjudicator says: a published base label, decided tags by code, and why, as a code and in words."""

    label: str
    tags: Mapping[str, bool]
    cause: str
    words: str


@dataclass(frozen=True)
class Dispute:
    """One unit as an adjudicator sees it.

    ``decisions`` are what others decided before, the first of them first, as far as this person may know; ``rulings``
    how many stand.
    """

    unit: Unit
    votes: list[Vote]
    flags: list[str]
    found: Aggregate
    settled: Decision | None
    own: Decision | None
    decisions: list[Decision]
    rulings: int
    is_severe: bool

    @property
    def tied(self) -> list[str]:
        """Codes of the tags that tie."""
        return [tag.code for tag in self.unit.campaign.label_set.spec.tags if tag.name in self.found.tied_tags]

    @property
    def is_known_option(self) -> bool:
        """Whether what was decided is an answer that people can give."""
        options = self.unit.campaign.label_set.spec.option_names
        return self.settled is not None and self.settled.label in options


def may(person: Annotator) -> bool:
    """Whether somebody may adjudicate: who was given the right, and curators who may change campaigns."""
    return person.has_perm(PERMISSION) or (person.is_staff and person.has_perm("annotate.change_campaign"))


def waiting(viewer: Annotator, campaign: Campaign, order: str = "severity", offset: int = 0) -> list[Waiting]:
    """A page of the queue: disputed units that nobody decided and ``viewer`` may, in one of ``ORDERS``.

    As the votes were folded last: a moment ago, while a worker runs.
    """
    spec = campaign.label_set.spec
    statement = LIST.format(waiting=WAITING, order=", ".join(ORDERS[order]))
    found = rows(statement, _asked(viewer, campaign) | {"most": PAGE, "offset": offset})
    units = Unit.objects.select_related("campaign__label_set", "instruction").in_bulk([row[0] for row in found])
    severe = _severe([unit.instruction for unit in units.values()])
    last = len(spec.options) - 1
    return [
        Waiting(
            units[pk],
            [(name, base.count(at)) for at, name in enumerate(spec.option_names) if at in base],
            week,
            last in base or units[pk].instruction_id in severe,
        )
        for pk, base, week in found
    ]


def count_waiting(viewer: Annotator, campaign: Campaign) -> int:
    """How many units ``waiting`` has."""
    return int(one(f"SELECT count(*) {WAITING}", _asked(viewer, campaign))[0])


def _asked(viewer: Annotator, campaign: Campaign) -> dict[str, Any]:
    spec = campaign.label_set.spec
    table = tallies.patterns(Scope((campaign.pk,))).get(None)
    counts = table.counts.tolist() if table else []
    disputed = [said for said in counts if dispute_reasons(spec, said, rule=cast(Rule, campaign.aggregation))]
    bases = [",".join(str(at) for at, count in enumerate(said) for _ in range(count)) for said in disputed]
    return {"campaign": campaign.pk, "viewer": viewer.pk, "patterns": bases, "tags": len(spec.tags)}


class Shown(NamedTuple):
    """A decision by which its unit is published, and whether its text is one that somebody must ask for."""

    decision: Decision
    is_severe: bool


def decided(campaign: Campaign, *, severe: bool = False, limit: int = PAGE) -> list[Shown]:
    """The newest decisions by which units of a campaign are published; for the gravest label only with ``severe``."""
    gravest = campaign.label_set.spec.published[-1]
    settling = Decision.objects.settling().filter(unit__campaign=campaign, unit__is_withdrawn=False)
    chosen = settling if severe else settling.exclude(label=gravest)
    return _shown(list(chosen.select_related("unit__instruction").order_by("-pk")[:limit]), gravest)


def dispute(viewer: Annotator, slug: str, unit_id: int) -> Dispute | None:
    """One unit for ``viewer``; None where there is none, or none that they may decide or have decided."""
    units = Unit.objects.served().filter(pk=unit_id, campaign__slug=slug)
    unit = units.select_related("campaign__label_set", "instruction").first()
    if unit is None or unit.instruction.state != InstructionState.AVAILABLE or _why_not(viewer, unit):
        return None
    own = _own(viewer, unit)
    found, settled = _added_up(unit), settled_by(unit)
    standing = unit.decisions.standing().count()
    if settled is None and not standing and found.status != "disputed":
        return None
    # Several adjudicators do not copy from each other.
    may_know = settled is not None or own is not None
    return Dispute(
        unit=unit,
        votes=_votes(unit),
        flags=list(Flag.objects.open().filter(unit=unit).exclude(words="").values_list("words", flat=True)),
        found=found,
        settled=settled,
        own=own,
        decisions=list(unit.decisions.order_by("pk")) if may_know else [],
        rulings=standing,
        is_severe=bool(found.n_votes and _gravest(unit)) or bool(_severe([unit.instruction])),
    )


@transaction.atomic
def decide(adjudicator: Annotator, unit_id: int, ruling: Ruling, supersedes: int | None = None) -> Decision:
    """Store what an adjudicator says of a disputed unit; ``settled_by`` of it says whether the unit is decided now.

    ``supersedes`` is the decision that it takes the place of, their own or another's. The same again is the same
    decision. Raises DecisionRefused.
    """
    unit = _held(adjudicator, unit_id)
    own, settled = _own(adjudicator, unit), settled_by(unit)
    if own and _is_same(own, ruling):
        return own
    if supersedes is None and settled is not None:
        raise DecisionRefused(gettext("Somebody decided this text meanwhile. Look at it again before you change that."))
    if own and own.pk != supersedes:
        raise DecisionRefused(gettext("You have decided this text already. Change that decision instead."))
    if supersedes is not None and not unit.decisions.standing().filter(pk=supersedes).exists():
        raise DecisionRefused(gettext("That decision was changed meanwhile. Look at it again."))
    _check(unit, ruling, is_first=not unit.decisions.standing().exists())
    return _append(unit, adjudicator, ruling, supersedes)


@transaction.atomic
def take_back(adjudicator: Annotator, unit_id: int, supersedes: int, words: str) -> Decision:
    """Take a decision back, one's own or another's: what the votes leave is in force again. Raises DecisionRefused."""
    unit = _held(adjudicator, unit_id)
    own = _own(adjudicator, unit)
    if (own and own.pk != supersedes) or not unit.decisions.standing().filter(pk=supersedes).exists():
        raise DecisionRefused(gettext("That decision was changed meanwhile. Look at it again."))
    return _append(unit, adjudicator, Ruling("", {}, Decision.Cause.OTHER, _reason(words)), supersedes)


def settled_by(unit: Unit) -> Decision | None:
    """The decision by which a unit is published now; None if it is not decided."""
    newest = unit.decisions.select_related("settled_by").order_by("-pk").first()
    return newest.settled_by if newest else None


def alike(unit: Unit) -> int:
    """How many adjudicators stand behind that."""
    newest = unit.decisions.order_by("-pk").first()
    return newest.alike if newest else 0


def make_known(unit: Unit, by: Annotator) -> KnownAnswer:
    """Make a gold answer of what was decided, with its reason. Raises DecisionRefused, KnownAnswersRefused."""
    decision = _settled(unit)
    if decision.label not in unit.campaign.label_set.spec.option_names:
        words = gettext("“%(label)s” is no answer that people can give, so it cannot be a known one.")
        raise DecisionRefused(words % {"label": decision.label})
    if DecidedExample.objects.filter(unit=unit).exists():
        raise DecisionRefused(gettext("It stands in the guidelines as an example, where everybody reads the answer."))
    line = known.Line(1, str(unit.pk), decision.label, decision.words)
    known.add(unit.campaign, [line], KnownAnswer.Phase.GOLD, by)
    return KnownAnswer.objects.get(unit=unit)


def make_example(unit: Unit, by: Annotator) -> DecidedExample:
    """Show what was decided, with its reason, below the guidelines of the campaign. Raises DecisionRefused."""
    decision = _settled(unit)
    if KnownAnswer.objects.exclude(phase=KnownAnswer.Phase.PRACTICE).filter(unit=unit).exists():
        raise DecisionRefused(gettext("Its answer is a known one: votes are compared with it, so nobody may read it."))
    facts = {"decision": decision, "words": decision.words, "added_by": by}
    return DecidedExample.objects.update_or_create(unit=unit, defaults=facts)[0]


def examples(campaign: Campaign) -> list[tuple[DecidedExample, bool]]:
    """What stands below the guidelines of a campaign, each with whether its text is one that somebody must ask for."""
    found = list(
        DecidedExample.objects.shown()
        .filter(unit__campaign=campaign)
        .select_related("decision__unit__instruction", "unit__instruction")
    )
    shown = _shown([example.decision for example in found], campaign.label_set.spec.published[-1])
    return [(example, one.is_severe) for example, one in zip(found, shown, strict=True)]


def _shown(decisions: Sequence[Decision], gravest: str) -> list[Shown]:
    severe = _severe([decision.unit.instruction for decision in decisions])
    return [Shown(one, one.label == gravest or one.unit.instruction_id in severe) for one in decisions]


def _held(adjudicator: Annotator, unit_id: int) -> Unit:
    """The unit, locked after the person, or DecisionRefused if this person must not decide it."""
    if not may(adjudicator):
        raise DecisionRefused(gettext("You have not been asked to decide texts. A curator can give you the right."))
    assignments.lock(adjudicator.pk)
    locked = Unit.objects.select_for_update(no_key=True, of=("self",)).filter(pk=unit_id)
    unit = locked.select_related("campaign__label_set", "instruction").first()
    if unit is None or unit.is_withdrawn:
        raise DecisionRefused(gettext("This text was withdrawn. There is nothing to decide any more."))
    if why := _why_not(adjudicator, unit):
        raise DecisionRefused(why)
    return unit


def _why_not(person: Annotator, unit: Unit) -> str:
    """Why somebody must not decide a unit, nor see the votes on it here; empty if they may."""
    given = (
        unit.assignments.filter(annotator=person).exists() and not unit.decisions.filter(adjudicator=person).exists()
    )
    if given or unit.annotations.filter(annotator=person).exists():
        return gettext("You were given this text to label, so others decide it.")
    is_settled = one(f"SELECT {SETTLED} FROM annotate_unit unit WHERE unit.id = %(unit)s", {"unit": unit.pk})[0]  # noqa: S608 - constants
    return "" if is_settled else gettext("This text still waits for votes. Decide it when they are there.")


def _own(person: Annotator, unit: Unit) -> Decision | None:
    return unit.decisions.standing().filter(adjudicator=person).first()


def _is_same(own: Decision, ruling: Ruling) -> bool:
    said = (own.label, own.tags, own.cause, own.words)
    return said == (ruling.label, dict(ruling.tags), ruling.cause, ruling.words.strip())


def _check(unit: Unit, ruling: Ruling, *, is_first: bool) -> None:
    spec, found = unit.campaign.label_set.spec, _added_up(unit)
    codes = {tag.code: tag.name for tag in spec.tags}
    if is_first and found.status != "disputed":
        raise DecisionRefused(gettext("The votes on this text are not disputed any more."))
    if ruling.label not in spec.published:
        raise DecisionRefused(gettext("Choose one of the labels."))
    if unknown := sorted(set(ruling.tags) - set(codes)):
        raise DecisionRefused(gettext("There is no tag “%(code)s” here.") % {"code": unknown[0]})
    for code, name in codes.items():
        if name in found.tied_tags and code not in ruling.tags:
            raise DecisionRefused(gettext("The votes on the tag “%(name)s” tie: say yes or no.") % {"name": name})
    if ruling.cause not in Decision.Cause.values:
        raise DecisionRefused(gettext("Choose a reason."))
    _reason(ruling.words)


def _reason(words: str) -> str:
    if not words.strip():
        raise DecisionRefused(gettext("Say why: others learn from it."))
    return words.strip()


def _append(unit: Unit, adjudicator: Annotator, ruling: Ruling, supersedes: int | None) -> Decision:
    is_first_of_theirs = not unit.decisions.filter(adjudicator=adjudicator).exists()
    decision = Decision.objects.create(
        unit=unit,
        adjudicator=adjudicator,
        supersedes_id=supersedes,
        label_set=unit.campaign.label_set,
        label=ruling.label,
        tags=dict(ruling.tags),
        cause=ruling.cause,
        words=ruling.words.strip(),
    )
    if is_first_of_theirs:
        # As if they had sent it away: it is never given to them to label, should it want votes again.
        now = timezone.now()
        Assignment.objects.create(
            unit=unit,
            annotator=adjudicator,
            state=Assignment.State.DECLINED,
            claimed_at=now,
            expires_at=now,
            ended_at=now,
        )
    decision.refresh_from_db()  # what the trigger made of it
    return decision


def _settled(unit: Unit) -> Decision:
    decision = settled_by(unit)
    if decision is None or unit.is_withdrawn:
        raise DecisionRefused(gettext("This text is not decided."))
    return decision


def _counted(unit: Unit) -> list[Annotation]:
    """The votes that count, in an order that tells nothing of who gave them."""
    counted = Annotation.objects.counted().filter(unit=unit).select_related("choice")
    return list(counted.order_by("choice__position", "key"))


def _added_up(unit: Unit) -> Aggregate:
    """What the votes on a unit come to now."""
    spec, votes = unit.campaign.label_set.spec, _counted(unit)
    said = [vote.choice.code for vote in votes if vote.choice]
    counts = [said.count(option.code) for option in spec.options]
    answers = [[vote.tags.get(tag.code) for vote in votes] for tag in spec.tags]
    tag_counts = [(given.count(True), given.count(False)) for given in answers]
    is_flagged = Flag.objects.open().filter(unit=unit).exists()
    return aggregate(spec, counts, tag_counts, is_flagged=is_flagged, rule=cast(Rule, unit.campaign.aggregation))


def _votes(unit: Unit) -> list[Vote]:
    names = {tag.code: tag.name for tag in unit.campaign.label_set.spec.tags}
    return [
        Vote(
            vote.choice.code if vote.choice else "",
            vote.choice.name if vote.choice else "",
            [(names[code], yes) for code, yes in sorted(vote.tags.items()) if code in names],
            vote.note,
        )
        for vote in _counted(unit)
    ]


def _gravest(unit: Unit) -> bool:
    """Whether somebody gave the most severe answer."""
    last = unit.campaign.label_set.spec.options[-1].code
    return any(vote.choice and vote.choice.code == last for vote in _counted(unit))


def _severe(instructions: Sequence[Instruction]) -> set[int]:
    """Ids of those of which a source says that they are severe."""
    given = curation.with_provenances(list(instructions))
    return {one.pk for one in given if wording.severity(row.suggested for row in one.given)}  # type: ignore[attr-defined]
