"""The sets of coefficients that are published: of the base label, of a tag, of sets of tags; and what the corpus is.

Always the same names in the same order. A value that its formula does not define is None with the reason, never 0 and
never 1.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from math import isnan, log2
from typing import Any

import numpy as np

from labels.agreement import formulas
from labels.agreement.formulas import AgreementError, Formula
from labels.agreement.intervals import Resamples, Spread, Units
from labels.agreement.tag_sets import jaccard_distance, masi_distance
from labels.votes import PatternTable, VoterTable

type Table = PatternTable | VoterTable

NO_PAIRS = "no unit has two votes, so there is nothing to compare"
NO_VOTES = "there is no vote"
NO_VARIATION = "only one option was ever used, so the expected disagreement is 0"
ONE_OPTION = "there is only one option, so no other could have been chosen"
NO_ORDER = "the options have no order"
NOT_CHOSEN = "no vote in a unit with two votes is for it"


@dataclass(frozen=True)
class Coefficient:
    """One coefficient: a ``value``, or None and the ``reason``.

    ``se_items`` and ``se_annotators`` are its standard errors over units and over annotators, ``ci95`` the interval of
    both; where one is None, ``interval_reason`` says why. ``n_pairable`` units had two votes or more; ``n_annotators``
    is None where votes have no known annotator.
    """

    name: str
    value: float | None
    reason: str | None
    se_items: float | None
    se_annotators: float | None
    ci95: tuple[float, float] | None
    interval_reason: str | None
    n_pairable: int
    n_votes: int
    n_annotators: int | None

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Measure:
    """A coefficient to compute: its formula (None where it has no meaning), why it may be undefined, its limits.

    ``of`` are the units that it is a mean over; ``is_share`` where it is a share of them or of their votes.
    """

    name: str
    formula: Formula | None
    undefined: str = NO_PAIRS
    limits: tuple[float, float] = (-1.0, 1.0)
    of: Units = formulas.is_pairable
    is_share: bool = False


def share(name: str, formula: Formula | None, undefined: str = NO_PAIRS, of: Units = formulas.is_pairable) -> Measure:
    """A share, 0 to 1."""
    return Measure(name, formula, undefined, (0.0, 1.0), of, is_share=True)


def prevalence(name: str, option: int) -> Measure:
    """How common an option is."""
    return share(name, partial(formulas.prevalence, option=option), NO_VOTES, formulas.has_votes)


def specific_agreement(name: str, option: int) -> Measure:
    """How often another vote beside one for an option is for it too; its units are those with such a vote."""
    units = partial(formulas.is_pairable, option=option)
    return share(name, partial(formulas.specific_agreement, option=option), NOT_CHOSEN, units)


def base_measures(options: tuple[str, ...], ordinal: bool) -> list[Measure]:
    """Those of a base label; the ones that need an order are there without a formula where there is none."""
    within_1 = formulas.percent_agreement_within_1 if ordinal else None

    def ordered(name: str, formula: Formula, undefined: str) -> Measure:
        return Measure(name, formula, undefined) if ordinal else Measure(name, None, NO_ORDER)

    return [
        Measure("krippendorff_alpha_nominal", partial(formulas.krippendorff_alpha, level="nominal"), NO_VARIATION),
        ordered("krippendorff_alpha_ordinal", partial(formulas.krippendorff_alpha, level="ordinal"), NO_VARIATION),
        ordered("krippendorff_alpha_interval", partial(formulas.krippendorff_alpha, level="interval"), NO_VARIATION),
        Measure("gwet_ac1", formulas.gwet_ac1, ONE_OPTION),
        ordered("gwet_ac2_ordinal", formulas.gwet_ac2_ordinal, ONE_OPTION),
        Measure("brennan_prediger", formulas.brennan_prediger, ONE_OPTION),
        Measure("fleiss_kappa_generalized", formulas.fleiss_kappa_generalized, NO_VARIATION),
        share("percent_agreement", formulas.percent_agreement),
        share("percent_agreement_within_1", within_1, NO_PAIRS if ordinal else NO_ORDER),
        share("share_unanimous", formulas.share_unanimous),
        Measure("mean_entropy_bits", formulas.mean_entropy_bits, NO_PAIRS, (0.0, log2(len(options)))),
    ]


def tag_measures(options: tuple[str, ...]) -> list[Measure]:
    """Those of one tag, whose options are ``yes`` and ``no``. On rare tags alpha falls to 0 while AC1 stays near 1."""
    if sorted(options) != ["no", "yes"]:
        raise AgreementError(f"the options of a tag are {list(options)}; name them yes and no.")
    yes, no = options.index("yes"), options.index("no")
    return [
        prevalence("prevalence", yes),
        share("percent_agreement", formulas.percent_agreement),
        Measure("krippendorff_alpha_nominal", partial(formulas.krippendorff_alpha, level="nominal"), NO_VARIATION),
        Measure("gwet_ac1", formulas.gwet_ac1, ONE_OPTION),
        specific_agreement("positive_specific_agreement", yes),
        specific_agreement("negative_specific_agreement", no),
    ]


def tag_set_measures(options: tuple[str, ...]) -> list[Measure]:
    """Those of sets of tags; an option is a set that occurs, as the decimal number whose bits are its tags."""
    if not all(option.isdecimal() for option in options):
        raise AgreementError(f"sets of tags are {list(options)}; write each as the number whose bits are its tags.")
    by = formulas.alpha_by_distance
    return [
        Measure("alpha_masi", partial(by, distance=masi_distance(options)), NO_VARIATION),
        Measure("alpha_jaccard", partial(by, distance=jaccard_distance(options)), NO_VARIATION),
        share("exact_set_match", formulas.percent_agreement),
    ]


def measure(table: Table, ordinal: bool) -> list[Coefficient]:
    """The coefficients of a base label; annotators are told of only by a table of voters."""
    return measure_all(table, base_measures(_patterns(table).options, ordinal))


def measure_tag(table: Table) -> list[Coefficient]:
    """The coefficients of one tag with its prevalence; the options are ``yes`` and ``no``, in any order."""
    return measure_all(table, tag_measures(_patterns(table).options))


def measure_tag_sets(table: Table) -> list[Coefficient]:
    """The coefficients of sets of tags; the options are those that occur, as decimal numbers: "5" is tags 0 and 2."""
    return measure_all(table, tag_set_measures(_patterns(table).options))


def measure_all(table: Table, measures: Iterable[Measure]) -> list[Coefficient]:
    """Any coefficients of one table, each with its intervals."""
    patterns, resamples = _patterns(table), Resamples.of(table)
    counted = patterns.n_pairable, patterns.n_votes, resamples.n_annotators

    def one(wanted: Measure) -> Coefficient:
        value = resamples.value(wanted.formula) if wanted.formula else float("nan")
        if wanted.formula is None or isnan(value):
            reason = _why(wanted, patterns)
            return Coefficient(wanted.name, None, reason, None, None, None, reason, *counted)
        spread = resamples.spread(
            wanted.formula,
            value,
            wanted.limits,
            wanted.of,
            is_share=wanted.is_share,
            needs_variation=wanted.undefined == NO_VARIATION,
        )
        return Coefficient(wanted.name, value, None, *_fields(spread), *counted)

    return [one(wanted) for wanted in measures]


def items_interval(
    table: Table, wanted: Measure, value: float | None, se_items: float | None
) -> tuple[float, float] | None:
    """The 95 % interval of a measured coefficient over units alone, for the same annotators; None where there is none.

    Taken for one over all annotators it is far too narrow (``intervals``): show it only with that said beside it.
    """
    if value is None or se_items is None:
        return None
    return Resamples.of(_patterns(table)).over_units(
        value,
        se_items,
        wanted.limits,
        wanted.of,
        is_share=wanted.is_share,
        needs_variation=wanted.undefined == NO_VARIATION,
    )


def describe_corpus(table: Table) -> dict[str, Any]:
    """What was counted, ready for JSON: units, votes, annotators, votes per unit, votes per option and all patterns."""
    patterns = _patterns(table)
    units = patterns.multiplicity.tolist()
    histogram = np.bincount(patterns.per_unit, patterns.multiplicity).astype(int).tolist()
    cast = (patterns.multiplicity @ patterns.counts).tolist()
    return {
        "units": patterns.n_units,
        "pairable": patterns.n_pairable,
        "votes": patterns.n_votes,
        "annotators": None if isinstance(table, PatternTable) or table.n_unknown else table.n_annotators,
        "votes_per_unit": {str(number): times for number, times in enumerate(histogram) if times},
        "options": dict(zip(patterns.options, cast, strict=True)),
        "patterns": [
            {"votes": counts, "units": times} for counts, times in zip(patterns.counts.tolist(), units, strict=True)
        ],
    }


def _patterns(table: Table) -> PatternTable:
    return table if isinstance(table, PatternTable) else table.patterns


def _why(wanted: Measure, patterns: PatternTable) -> str:
    if wanted.formula is None:
        return wanted.undefined
    if not patterns.n_votes and wanted.undefined == NO_VOTES:
        return NO_VOTES
    if not patterns.n_pairable:
        return NO_PAIRS
    return ONE_OPTION if len(patterns.options) < 2 else wanted.undefined


def _fields(spread: Spread) -> tuple[float | None, float | None, tuple[float, float] | None, str | None]:
    return spread.se_items, spread.se_annotators, spread.ci95, spread.reason
