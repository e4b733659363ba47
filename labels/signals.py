"""Signals that somebody should look at a person's votes. A signal gives a reason with its numbers, and decides nothing.

Every check says one of three things: nothing (it was made and found nothing), a ``Signal``, or ``Unchecked`` with the
reason why it could not be made. Honest people raise signals too: a rare reader of a hard language is far from the
others and right.

Where the others' votes on a unit are known, a vote is measured against what voters in general say beside such others:
``Expected``, the leave-one-out frequencies of the whole table. So agreeing on easy units proves nothing, and
disagreeing on disputed ones costs nothing. Shapes: V votes of one person in order of time, K options.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from labels.agreement import Level
from labels.quality import VoterQuality
from labels.votes import PatternTable, distinct_rows

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]

FAR, LOWERS, ONE_OPTION, REPEATS, TOO_FAST, SAME_AS, DRIFT = (
    "far-from-others",
    "lowers-agreement",
    "one-option",
    "repeats",
    "too-fast",
    "same-as-another",
    "drift",
)

# Below so many votes beside others' a mean says more about chance than about the person.
FEWEST_VOTES = 20
# Below so many people there is no distribution of the others.
FEWEST_PEOPLE = 5
# From here a robust z counts as an outlier (Iglewicz & Hoaglin, "How to Detect and Handle Outliers", 1993), and so much
# more, shared by the people beyond four, where there are few: in 19 of 20 groups of normal values nobody passes it.
OUTLIER_Z, OUTLIER_Z_OF_FEW = 3.5, 2.0
# Gains in alpha go with squares of distances: their distribution has a longer tail.
LONG_TAIL = 4 / 3
# The median absolute deviation of a normal distribution is its standard deviation divided by this.
MAD_TO_SD = 1.4826
# Coincidences are told when they happen to one honest person in a million.
UNLIKELY = 1e-6
LONGEST_PERIOD = 6
# Nobody reads and decides faster: half a second to react, and 10 ms for each character, 1,000 words a minute in
# English, four times what fast readers do; texts are taken to be skimmed from 2,000 characters on.
REACTION_MS, MS_PER_CHARACTER, SKIMMED_FROM = 500, 10, 2_000
# Of the others' usual time, what is told although it is not impossible.
FAST_SHARE = 0.2
# CUSUM (Page 1954): slack and threshold in standard deviations of one vote.
CUSUM_K, CUSUM_H = 0.5, 12.0
# The person's usual level is that of their first votes.
BASELINE_VOTES = 30


@dataclass(frozen=True)
class Signal:
    """Something to look at: what it is called, why in plain words, and from which vote on (0 is the first) if known."""

    code: str
    reason: str
    since: int | None = None


@dataclass(frozen=True)
class Unchecked:
    """A check that could not be made, and why."""

    code: str
    reason: str


type Finding = Signal | Unchecked


@dataclass(frozen=True, eq=False)
class VoteSequence:
    """The votes of one person in order of time. Votes beside nobody else's have a row of zeros in ``others``."""

    option: Ints  # (V,) index of the chosen option
    others: Ints  # (V, K) counts of the other votes on the unit
    focused_ms: Floats  # (V,) milliseconds for which the text was in front of them; NaN if not measured
    characters: Ints  # (V,) length of the text


@dataclass(frozen=True, eq=False)
class Expected:
    """What voters say of a unit of which the others' votes are known: leave-one-out frequencies of a whole table."""

    level: Level
    shares: Floats  # (K,) of all votes
    frequencies: dict[tuple[int, ...], Floats]  # others' counts -> (K,) how often each option stood beside them
    spread: float  # the standard deviation of (distance to the others - its expectation), over all votes
    known_probabilities: dict[tuple[int, ...], Floats] = field(default_factory=dict)  # what was asked before

    @classmethod
    def of(cls, table: PatternTable, level: Level = "nominal") -> Self:
        """Taken from every vote of ``table`` in turn, as the one left out."""
        used = (table.multiplicity @ table.counts).astype(float)
        shares = used / used.sum() if used.any() else np.full(len(table.options), 1 / len(table.options))
        frequencies: dict[tuple[int, ...], Floats] = {}
        row, option = np.nonzero(table.counts * (table.per_unit >= 2)[:, None])
        others = table.counts[row] - np.eye(len(table.options), dtype=np.int64)[option]
        votes = (table.counts[row, option] * table.multiplicity[row]).astype(float)
        for beside, chosen, n in zip(map(tuple, others.tolist()), option, votes, strict=True):
            frequencies.setdefault(beside, np.zeros(len(table.options)))[chosen] += n
        unscaled = cls(level, shares, frequencies, 1.0)
        if not row.size:
            return unscaled
        squares = unscaled.surprise(option.astype(np.int64), others) ** 2
        return cls(level, shares, frequencies, float(np.sqrt(votes @ squares / votes.sum())) or 1.0)

    def probabilities(self, others: Ints) -> Floats:
        """Of each option beside each row of ``others`` (V, K); smoothed by one vote like the others and the whole."""
        if not len(others):
            return np.zeros(others.shape)
        distinct, which = distinct_rows(others)
        known = self.known_probabilities
        for row in map(tuple, distinct.tolist()):
            if row not in known:
                known[row] = self._probability(row)
        found = np.stack([known[tuple(row)] for row in distinct.tolist()])
        return found[which]

    def log_chances(self, option: Ints, others: Ints) -> Floats:
        """The logarithm of how likely each vote is beside the others' (V,)."""
        chosen = np.take_along_axis(self.probabilities(others), option[:, None], axis=1)[:, 0]
        found: Floats = np.log(np.maximum(chosen, 1e-12))
        return found

    def _probability(self, others: tuple[int, ...]) -> Floats:
        nearby = (np.array(others) + self.shares) / (sum(others) + 1)
        known = self.frequencies.get(others)
        return nearby if known is None else (known + nearby) / (known.sum() + 1)

    def surprise(self, option: Ints, others: Ints) -> Floats:
        """Distance of each vote to the others' less what is expected there, in standard deviations of one vote (V,).

        Every row of ``others`` has a vote.
        """
        positions = np.arange(others.shape[1])
        far = np.abs(positions[:, None] - positions[None, :]).astype(float)
        distances = others @ (np.minimum(far, 1) if self.level == "nominal" else far) / others.sum(axis=1)[:, None]
        usual = (self.probabilities(others) * distances).sum(axis=1)
        surprise: Floats = (np.take_along_axis(distances, option[:, None], axis=1)[:, 0] - usual) / self.spread
        return surprise


def outliers(people: Sequence[VoterQuality]) -> list[list[Finding]]:
    """Who of the annotators of one table is far outside the distribution of them all, in the order given."""
    enough = [person for person in people if person.n_compared >= FEWEST_VOTES]
    distances = [person.loo_mean_abs_deviation.value or 0.0 for person in enough]
    gains = [_gain_each(person) for person in enough if person.alpha_gain_if_left_out.value is not None]
    found: list[list[Finding]] = []
    for person in people:
        why = _too_few(person.n_compared, len(enough))
        if why:
            found.append([Unchecked(FAR, why), Unchecked(LOWERS, why)])
        else:
            found.append([*_far(person, distances), *_lowers(person, gains)])
    return found


def robust_z(value: float, error: float, values: Sequence[float]) -> float:
    """How many standard deviations ``value`` is above the median of ``values``; infinite above equal values.

    The scale is the median absolute deviation, joined with the value's own standard error: a mean of few votes
    is far from the others by chance.
    """
    middle = float(np.median(values))
    scale = math.hypot(MAD_TO_SD * float(np.median(np.abs(np.asarray(values) - middle))), error)
    if scale == 0:
        return 0.0 if value == middle else math.copysign(math.inf, value - middle)
    return (value - middle) / scale


def outlying(people: int) -> float:
    """From which robust z on one of so many people, five or more, is an outlier."""
    return OUTLIER_Z + OUTLIER_Z_OF_FEW / (people - FEWEST_PEOPLE + 1)


def _far(person: VoterQuality, distances: Sequence[float]) -> Iterator[Finding]:
    measured = person.loo_mean_abs_deviation
    value = measured.value or 0.0
    z = robust_z(value, measured.error or 0.0, distances)
    if z >= outlying(len(distances)):
        yield Signal(
            FAR,
            f"The votes are on average {value:.2f} away from the others' on the same texts ({measured.n:,} votes); the "
            f"middle of {len(distances):,} people is {np.median(distances):.2f}, which makes this {z:.1f} robust "
            f"standard deviations more.",
        )


def _lowers(person: VoterQuality, gains: Sequence[float]) -> Iterator[Finding]:
    gain = person.alpha_gain_if_left_out
    if gain.value is None:
        yield Unchecked(LOWERS, gain.reason or "")
        return
    z = robust_z(_gain_each(person), 0.0, gains)
    if gain.value > 0 and z >= LONG_TAIL * outlying(len(gains)):
        yield Signal(
            LOWERS,
            f"Without these votes alpha would be {gain.value:.4f} higher; for their number that is {z:.1f} robust "
            f"standard deviations more than in the middle of {len(gains):,} people.",
        )


def _gain_each(person: VoterQuality) -> float:
    """The gain for each vote: else who votes much would be far from the others for that alone."""
    return (person.alpha_gain_if_left_out.value or 0.0) / person.n_compared


def _too_few(votes: int, people: int) -> str | None:
    if votes < FEWEST_VOTES:
        return f"{votes:,} votes stand beside somebody else's; at least {FEWEST_VOTES} are compared"
    if people < FEWEST_PEOPLE:
        return f"only {people:,} people have {FEWEST_VOTES} votes beside others'; a comparison needs {FEWEST_PEOPLE}"
    return None


def repetition(votes: VoteSequence, expected: Expected, options: Sequence[str]) -> list[Finding]:
    """Whether a person gave the same option, or the same row of options again and again, as chance would not have it.

    How likely each answer was is known from the others' votes on the text, or, where there are none, from all votes.
    """
    if len(votes.option) < FEWEST_VOTES:
        return [Unchecked(code, _few(len(votes.option))) for code in (ONE_OPTION, REPEATS)]
    logs = expected.log_chances(votes.option, votes.others)
    for period in range(1, LONGEST_PERIOD + 1):
        start, length, log = _unlikeliest_run(votes.option, logs, period)
        if length >= FEWEST_VOTES and log <= math.log(UNLIKELY / len(votes.option)):
            row = [options[at] for at in votes.option[start : start + period]]
            odds = f"by what the others said of them, chance would do that once in 10^{-log / math.log(10):.0f} times"
            if period == 1:
                reason = f"{length:,} votes one after the other are all for {row[0]}; {odds}."
                return [Signal(ONE_OPTION, reason, start)]
            reason = f"{length:,} votes one after the other repeat {', '.join(row)}; {odds}."
            return [Signal(REPEATS, reason, start)]
    return []


def _unlikeliest_run(option: Ints, logs: Floats, period: int) -> tuple[int, int, float]:
    """Start, length and log probability of the least likely run in which each vote equals the one a period before."""
    again = option[period:] == option[:-period]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], again, [False]])))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0, 0.0
    sums = np.concatenate([[0.0], np.cumsum(logs)])
    # The first period is free: it says what is repeated.
    run_logs = sums[ends + period] - sums[starts + period]
    least = int(run_logs.argmin())
    return int(starts[least]), int(ends[least] - starts[least]) + period, float(run_logs[least])


def too_fast(votes: VoteSequence, others_ms: Sequence[float] = ()) -> list[Finding]:
    """Whether half of the votes came faster than anybody can read the text, or far faster than the others' do.

    ``others_ms`` are the median times of the other people.
    """
    measured = np.flatnonzero(~np.isnan(votes.focused_ms))
    if len(measured) < FEWEST_VOTES:
        return [Unchecked(TOO_FAST, f"the time was measured for {len(measured):,} votes; {FEWEST_VOTES} are needed")]
    ms = votes.focused_ms[measured]
    least = REACTION_MS + MS_PER_CHARACTER * np.minimum(votes.characters[measured], SKIMMED_FROM)
    hasty = ms < least
    median = float(np.median(ms)) / 1000
    if hasty.mean() > 0.5:
        # The walk is lowest where hasty votes begin to be more than half.
        began = int(np.argmin(np.concatenate([[0], np.cumsum(np.where(hasty, 1, -1))])))
        reason = (
            f"{hasty.sum():,} of {len(ms):,} votes came faster than the text can be read (median {median:.1f} s; the "
            f"texts would take {np.median(least) / 1000:.1f} s at 1,000 words a minute)."
        )
        return [Signal(TOO_FAST, reason, int(measured[began]))]
    usual = float(np.median(others_ms)) / 1000 if len(others_ms) >= FEWEST_PEOPLE else 0.0
    if median < FAST_SHARE * usual:
        reason = f"The median time is {median:.1f} s; that of {len(others_ms):,} other people is {usual:.1f} s."
        return [Signal(TOO_FAST, reason)]
    return []


def same_as_another(common: Ints, differing: Ints, log_chance: Floats, names: Sequence[str]) -> list[Finding]:
    """Whether all answers of a person are those of somebody else, on so many common texts that chance is no reason.

    Of each of the other people ``names``: texts in common, on how many of these the two differ, and the logarithm of
    how likely the person's answers there were. Two accounts of one person look like this.
    """
    if not (common >= FEWEST_VOTES).any():
        return [Unchecked(SAME_AS, f"nobody shares {FEWEST_VOTES} texts with this person")]
    is_same = (common >= FEWEST_VOTES) & (differing == 0) & (log_chance <= math.log(UNLIKELY / len(names)))
    return [
        Signal(
            SAME_AS,
            f"All {common[at]:,} answers on texts in common with {names[at]} are the same; by what voters say of such "
            f"texts, chance would do that once in 10^{-log_chance[at] / math.log(10):.0f} times.",
        )
        for at in np.flatnonzero(is_same).tolist()
    ]


def drift(votes: VoteSequence, expected: Expected) -> list[Finding]:
    """Whether the votes moved away from the others' at some time, by a CUSUM of standardised disagreement."""
    beside, above_usual = disagreement(votes, expected)
    if len(beside) < FEWEST_VOTES:
        return [Unchecked(DRIFT, _few(len(beside), " beside somebody else's"))]
    alarm = cusum(above_usual)
    if alarm is None:
        return []
    began, at = alarm
    before = f"{above_usual[:began].mean():+.2f} before, " if began else ""
    reason = (
        f"From vote {beside[began] + 1:,} on the votes disagree with the others' more than before: {before}"
        f"{above_usual[began : at + 1].mean():+.2f} in the {at - began + 1:,} votes until it was certain (standard "
        f"deviations of one vote above what is usual for this person on such texts)."
    )
    return [Signal(DRIFT, reason, int(beside[began]))]


def disagreement(votes: VoteSequence, expected: Expected) -> tuple[Ints, Floats]:
    """Which votes stand beside others', and how much more each disagrees than the person's first ones did (V',)."""
    beside = np.flatnonzero(votes.others.any(axis=1))
    surprise = expected.surprise(votes.option[beside], votes.others[beside])
    return beside, surprise - usual_level(surprise)


def usual_level(surprise: Floats) -> float:
    """How far above 0 a person's first votes are: who always differed somewhat does not drift."""
    return max(0.0, float(surprise[:BASELINE_VOTES].mean())) if len(surprise) else 0.0


def cusum(values: Floats, k: float = CUSUM_K, h: float = CUSUM_H) -> tuple[int, int] | None:
    """Where a rise of the mean of ``values`` (V,) began and where it was noticed; None if it never was.

    S_i = max(0, S_{i-1} + x_i - k), noticed when S_i > h (Page, "Continuous inspection schemes", Biometrika 1954); it
    began after S was 0 for the last time.
    """
    walk = np.concatenate([[0.0], np.cumsum(np.asarray(values) - k)])
    above = np.flatnonzero(walk - np.minimum.accumulate(walk) > h)
    if not len(above):
        return None
    noticed = int(above[0])
    lowest = walk[: noticed + 1]
    began = int(len(lowest) - 1 - lowest[::-1].argmin())
    return began, noticed - 1


def _few(votes: int, where: str = "") -> str:
    return f"{votes:,} votes{where}; at least {FEWEST_VOTES} are needed"
