"""How the votes of each annotator of a campaign stand beside the others' and beside gold: totals, and signals.

Signals are for a person to look into and decide; nothing here takes a right away from anybody. What is read of a person
are their counted votes on texts that are served, as totals and by week: no list of what they read and when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotate import keeping, tallies
from annotate.figures import Estimate, Figure, Value
from annotate.keeping import Kept
from annotate.models import Annotator, Campaign
from annotate.statements import rows
from annotate.tallies import Scope
from labels import quality, signals
from labels.agreement import Level
from labels.quality import VoterQuality, gold_accuracy
from labels.signals import Expected, Finding, Signal, Unchecked, VoteSequence
from labels.votes import VoterTable

type Ints = NDArray[np.int64]

# Up to so many votes of a campaign are read. Beyond, the tables that follow the votes are: the list has their signals
# alone, since the others need every vote in order, and the page of a person reads the votes on this person's texts.
MOST_READ = 200_000

# In order of time: an annotation that supersedes another is a later one.
VOTES = """
    SELECT vote.unit_id, coalesce(vote.annotator_id, -1), array_position(%(codes)s::varchar[], option.code) - 1,
           coalesce(vote.focused_ms, -1), vote.characters, extract(epoch FROM vote.created_at)::bigint
    FROM annotate_counted vote JOIN labels_label option ON option.id = vote.choice_id
    WHERE vote.campaign_id = %(campaign)s AND option.code = ANY(%(codes)s::varchar[]) {of_person}
    ORDER BY vote.id
"""
OF_PERSON = (
    "AND vote.unit_id IN (SELECT said.unit_id FROM annotate_annotation said WHERE said.annotator_id = %(annotator)s)"
)
GOLD = """
    SELECT annotator_id, count(*) FILTER (WHERE is_right), count(*)
    FROM annotate_on_gold WHERE campaign_id = %(campaign)s GROUP BY annotator_id
"""

NAMES = {
    signals.FAR: "Far from the others",
    signals.LOWERS: "Lowers the agreement",
    signals.ONE_OPTION: "Always the same answer",
    signals.REPEATS: "The same row of answers again and again",
    signals.TOO_FAST: "Faster than reading",
    signals.SAME_AS: "Same answers as another person",
    signals.DRIFT: "Drift",
}


@dataclass(frozen=True, eq=False)
class Votes:
    """Counted votes of a campaign in order of time, all of them or those on the units of one person; (V,) each."""

    options: tuple[str, ...]  # names, mild to severe
    unit: Ints
    annotator: Ints  # id; -1 where nobody knows
    option: Ints
    focused_ms: Ints  # -1 where it was not measured
    characters: Ints
    at: Ints  # seconds since 1970

    @cached_property
    def others(self) -> Ints:
        """Counts (V, K) of the other votes on the unit of each vote."""
        units, place = np.unique(self.unit, return_inverse=True)
        size = len(self.options)
        counts = np.bincount(place * size + self.option, minlength=len(units) * size).reshape(len(units), size)
        others: Ints = counts[place] - np.eye(size, dtype=np.int64)[self.option]
        return others

    def of(self, annotator: int) -> Ints:
        """Which votes are of this person."""
        return np.flatnonzero(self.annotator == annotator)

    def sequence(self, chosen: Ints) -> VoteSequence:
        ms = self.focused_ms[chosen].astype(float)
        return VoteSequence(
            self.option[chosen], self.others[chosen], np.where(ms < 0, np.nan, ms), self.characters[chosen]
        )

    def week(self, vote: int) -> date:
        """The Monday of the week of a vote, in UTC."""
        return _monday(int(self.at[vote]))


class Told(NamedTuple):
    """A signal in words: what it is called, why, and the week since which it holds where that is known."""

    code: str
    name: str
    reason: str
    week: date | None


@dataclass(frozen=True, slots=True)
class Report:
    """One person in one campaign: measures, gold, signals, and the checks that could not be made and why."""

    annotator: int
    name: str
    measured: VoterQuality
    gold: Estimate
    signals: tuple[Told, ...]
    unchecked: tuple[Told, ...]

    @property
    def agreement(self) -> Estimate:
        return Estimate.of(self.measured.loo_agreement)

    @property
    def distance(self) -> Estimate:
        return Estimate.of(self.measured.loo_mean_abs_deviation)

    @property
    def bias(self) -> Estimate:
        return Estimate.of(self.measured.loo_signed_bias)

    @property
    def gain(self) -> Estimate:
        return Estimate.of(self.measured.alpha_gain_if_left_out)


def level(campaign: Campaign) -> Level:
    """How distances between the options of a campaign are measured."""
    return "ordinal" if campaign.label_set.ordinal else "nominal"


def read(campaign: Campaign, annotator: int | None = None) -> Votes:
    """The counted votes of a campaign; with ``annotator``, those of anybody on the units on which this person voted."""
    spec = campaign.label_set.spec
    values = {
        "campaign": campaign.pk,
        "codes": [option.code for option in spec.options],
        "annotator": annotator,
    }
    found = rows(VOTES.format(of_person="" if annotator is None else OF_PERSON), values)
    return Votes(spec.option_names, *np.array(found, dtype=np.int64).reshape(-1, 6).T)


def table(votes: Votes) -> VoterTable:
    """Who voted what beside which pattern; annotators are named by their ids."""
    known = np.unique(votes.annotator[votes.annotator >= 0])
    index = np.where(votes.annotator >= 0, np.searchsorted(known, votes.annotator), -1)
    return VoterTable.from_votes(votes.options, votes.unit, index, votes.option, [str(pk) for pk in known.tolist()])


def golds(campaign: Campaign) -> dict[int, Estimate]:
    """The share of each person's votes on gold that are the known answer; who has none is not among them."""
    return {pk: Estimate.of(gold_accuracy(equal, n)) for pk, equal, n in rows(GOLD, {"campaign": campaign.pk})}


def reports(campaign: Campaign) -> list[Report]:
    """Of everybody who has a counted vote in a campaign, by name."""
    voters = _large(campaign)
    votes = None if voters else read(campaign)
    found = _Reader(campaign, voters or table(votes), votes).everybody()  # type: ignore[arg-type]
    return sorted(found, key=lambda report: report.name)


def listed(campaign: Campaign) -> Kept[list[Report]]:
    """The same, kept until votes or known answers change; names as they were then."""
    return keeping.kept("quality", campaign, reports)


def figure(listed: Sequence[Report]) -> Figure:
    """The list as a table of numbers."""
    head = ("Annotator", "Signals", "Votes", "Beside others", "Agreement", "Distance", "More severe by")
    rows: list[tuple[Value, ...]] = [
        (
            one.name,
            "; ".join(signal.name for signal in one.signals),
            one.measured.n,
            one.measured.n_compared,
            one.agreement,
            one.distance,
            one.bias,
            one.gain,
            one.gold,
        )
        for one in listed
    ]
    return Figure("annotators", "Annotators", (*head, "Alpha without them", "Right on gold"), rows)


def report(campaign: Campaign, annotator: Annotator) -> tuple[Report | None, Votes]:
    """Of one person in a campaign, None without a counted vote there; and the votes that it was made of."""
    voters = _large(campaign)
    votes = read(campaign, annotator.pk if voters else None)
    reader = _Reader(campaign, voters or table(votes), votes)
    return reader.report(annotator.pk) if len(votes.of(annotator.pk)) else None, votes


def _large(campaign: Campaign) -> VoterTable | None:
    """The table that follows the votes, for a campaign of which not all votes are read; it may be a little behind."""
    voters = tallies.voters(Scope((campaign.pk,))).get(None)
    return voters if voters is not None and voters.patterns.n_votes > MOST_READ else None


class _Reader:
    """Makes the reports of people of one campaign; without ``votes``, with the signals of the table alone."""

    def __init__(self, campaign: Campaign, voters: VoterTable, votes: Votes | None) -> None:
        self.voters, self.votes = voters, votes
        measured = quality.measure(voters, level(campaign))
        self.measured = {one.annotator: one for one in measured}
        self.outliers = dict(zip(voters.annotators, signals.outliers(measured), strict=True))
        self.expected = Expected.of(voters.patterns, level(campaign))
        self.gold = golds(campaign)
        self.medians = _medians(votes) if votes else {}
        self.pairs = _Pairs.of(votes, self.expected) if votes else None
        people = {int(name) for name in voters.annotators}
        if votes:
            people |= set(votes.annotator.tolist())
        self.names = dict(Annotator.objects.filter(pk__in=people).values_list("pk", "username"))

    def everybody(self) -> list[Report]:
        return [found for name in self.voters.annotators if (found := self.report(int(name)))]

    def report(self, person: int) -> Report | None:
        """None of somebody of whom the table knows no vote."""
        measured = self.measured.get(str(person))
        if measured is None:
            return None
        findings = [*self.outliers[str(person)], *self._of_votes(person)]
        told = [(finding, _told(finding, self.votes, person)) for finding in findings]
        return Report(
            person,
            self.names.get(person, ""),
            measured,
            self.gold.get(person, Estimate.of(gold_accuracy(0, 0))),
            tuple(words for finding, words in told if isinstance(finding, Signal)),
            tuple(words for finding, words in told if isinstance(finding, Unchecked)),
        )

    def _of_votes(self, person: int) -> list[Finding]:
        """What only the votes themselves tell, in their order and beside those of each other person."""
        if self.votes is None or self.pairs is None:
            return []
        sequence = self.votes.sequence(self.votes.of(person))
        others = [median for other, median in self.medians.items() if other != person]
        return [
            *signals.repetition(sequence, self.expected, self.votes.options),
            *signals.too_fast(sequence, others),
            *signals.drift(sequence, self.expected),
            *self.pairs.findings(person, self.names),
        ]


def _told(finding: Finding, votes: Votes | None, person: int) -> Told:
    since = finding.since if isinstance(finding, Signal) else None
    week = None if since is None or votes is None else votes.week(int(votes.of(person)[since]))
    return Told(finding.code, NAMES[finding.code], finding.reason, week)


def _medians(votes: Votes) -> dict[int, float]:
    """The median time of everybody with enough votes whose time was measured."""
    measured = (votes.focused_ms >= 0) & (votes.annotator >= 0)
    people, ms = votes.annotator[measured], votes.focused_ms[measured]
    order = np.argsort(people, kind="stable")
    names, starts = np.unique(people[order], return_index=True)
    groups = np.split(ms[order], starts[1:]) if len(names) else []
    return {
        pk: float(np.median(group))
        for pk, group in zip(names.tolist(), groups, strict=True)
        if len(group) >= signals.FEWEST_VOTES
    }


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Every two known people with texts in common, once, (R,) each."""

    one: Ints  # id
    other: Ints
    common: Ints  # texts
    differing: Ints  # of these
    log_one: NDArray[np.float64]  # of how likely the answers there were
    log_other: NDArray[np.float64]

    @classmethod
    def of(cls, votes: Votes, expected: Expected) -> _Pairs:
        people, index = np.unique(votes.annotator, return_inverse=True)
        logs = expected.log_chances(votes.option, votes.others)
        first, second = _beside_each_other(votes)
        # The one with the lower id is the first of a pair.
        swapped = index[first] > index[second]
        first, second = np.where(swapped, second, first), np.where(swapped, first, second)
        codes, pair = np.unique(index[first] * len(people) + index[second], return_inverse=True)
        size = len(codes)
        return cls(
            people[codes // max(len(people), 1)],
            people[codes % max(len(people), 1)],
            np.bincount(pair, minlength=size),
            np.bincount(pair, votes.option[first] != votes.option[second], size).astype(np.int64),
            np.bincount(pair, logs[first], size),
            np.bincount(pair, logs[second], size),
        )

    def findings(self, person: int, names: dict[int, str]) -> list[Finding]:
        """Whether somebody's answers are all those of this person."""
        is_one, is_other = self.one == person, self.other == person
        which = is_one | is_other
        others = np.where(is_one, self.other, self.one)[which].tolist()
        log_chance = np.where(is_one, self.log_one, self.log_other)[which]
        called = [names.get(pk, "") for pk in others]
        return signals.same_as_another(self.common[which], self.differing[which], log_chance, called)


def _beside_each_other(votes: Votes) -> tuple[Ints, Ints]:
    """Every two votes of known people on one unit, as their places among the votes."""
    order = np.argsort(votes.unit, kind="stable")
    order = order[votes.annotator[order] >= 0]
    first, second = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for distance in range(1, len(order)):
        same = np.flatnonzero(votes.unit[order[distance:]] == votes.unit[order[:-distance]])
        if not len(same):
            break
        first.append(order[same])
        second.append(order[same + distance])
    return np.concatenate(first), np.concatenate(second)


def _monday(seconds: int) -> date:
    day = date(1970, 1, 1) + timedelta(days=seconds // 86_400)
    return day - timedelta(days=day.weekday())
