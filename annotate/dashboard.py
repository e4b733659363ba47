"""The figures of a campaign's dashboard, made of what ``measures.of_scope`` gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from annotate import blindness, measures, tallies
from annotate.figures import Estimate, Figure, Value
from annotate.models import Annotator, Campaign
from labels.taxonomy import LabelSetSpec
from sources.models import Instruction

# What each coefficient tells, for people who did not come for the statistics.
TITLES = {
    "krippendorff_alpha_ordinal": "Krippendorff's alpha, ordinal",
    "krippendorff_alpha_nominal": "Krippendorff's alpha, nominal",
    "krippendorff_alpha_interval": "Krippendorff's alpha, interval",
    "gwet_ac1": "Gwet's AC1",
    "gwet_ac2_ordinal": "Gwet's AC2, ordinal",
    "brennan_prediger": "Brennan and Prediger's kappa",
    "fleiss_kappa_generalized": "Fleiss' kappa, with missing votes",
    "conger_kappa": "Conger's kappa",
    "percent_agreement": "Percent agreement",
    "percent_agreement_within_1": "Percent agreement within one step",
    "share_unanimous": "Share of unanimous texts",
    "mean_entropy_bits": "Mean entropy of a text's votes (bits)",
    "alpha_masi": "Alpha, MASI distance",
    "alpha_jaccard": "Alpha, Jaccard distance",
    "exact_set_match": "Same set of tags",
    "prevalence": "Said yes",
    "positive_specific_agreement": "Agreement on yes",
    "negative_specific_agreement": "Agreement on no",
}
SLICES = {
    "source": ("by-source", "By source", "Source"),
    "language": ("by-language", "By language", "Language"),
    "is_augmented": ("by-origin", "Original and augmented texts", "Texts"),
    "week": ("over-time", "Over time", "Week of the last vote"),
}
# The slices of which everything is measured.
PARTS = ("source", "language", "is_augmented")
TAG_MEASURES = (
    "prevalence",
    "krippendorff_alpha_nominal",
    "gwet_ac1",
    "percent_agreement",
    "positive_specific_agreement",
    "negative_specific_agreement",
)


def figures(spec: LabelSetSpec, measured: Mapping[str, Any]) -> list[Figure]:
    """All figures that have rows, in reading order."""
    return [figure for figure in _figures(spec, measured) if figure.rows]


class Headline(NamedTuple):
    """One of the coefficients that are shown first."""

    name: str
    estimate: Estimate


def headline(measured: Mapping[str, Any]) -> list[Headline]:
    """Alpha, AC1 and percent agreement."""
    return [Headline(TITLES[name], Estimate.of(found)) for name, found in measures.headline(measured).items()]


def _figures(spec: LabelSetSpec, measured: Mapping[str, Any]) -> Iterator[Figure]:
    names = dict(zip(measured["options"], spec.option_names, strict=True))
    on = f" Computed on {measured['computed_on']}."
    yield _coefficients("agreement", "Agreement on the base vote", measured["base"], on)
    yield _slice("week", measured, chart="points")
    yield _labels(measured)
    yield _options(measured, names)
    yield _confusion(measured, names)
    yield _slice("source", measured)
    yield _slice("language", measured)
    yield _slice("is_augmented", measured)
    yield _answers_by_part(measured, names)
    yield _tags(measured)
    yield _tags_by_part(measured)
    yield _coefficients("tag-sets", "Agreement on whole sets of tags", measured["tag_sets"])
    yield _tag_sets_by_part(measured)
    yield _votes(measured)


def _coefficients(slug: str, title: str, found: Mapping[str, Any], more: str = "") -> Figure:
    rows = [
        (TITLES[name], Estimate.of(each), each["se_items"], each["se_annotators"], each["n_pairable"], each["n_votes"])
        for name, each in found.items()
    ]
    head = ("Coefficient", "Value (95 % interval)", "SE, texts", "SE, annotators", "Texts with 2 votes", "Votes")
    about = (
        "The interval tells how far the value would move with other texts and with other annotators. 1 is perfect "
        "agreement; 0 is what chance would give, for those that take chance into account."
    )
    return Figure(slug, title, head, list(rows), about + more)


def _slice(by: str, measured: Mapping[str, Any], chart: Any = "") -> Figure:
    slug, title, what = SLICES[by]
    shown = list(measures.headline(measured))
    rows: list[tuple[Value, ...]] = [
        (name, *(Estimate.of(found["base"][each]) for each in shown), found["units"], found["votes"], found["disputed"])
        for name, found in measured["slices"][by].items()
    ]
    head = (what, *(TITLES[name] for name in shown), "Texts", "Votes", "Disputed")
    return Figure(slug, title, head, rows, chart=chart)


def _labels(measured: Mapping[str, Any]) -> Figure:
    found = measured["labels"] or {"labels": {}, "without": {}}
    counts = [*found["labels"].items(), *((f"none: {why}", n) for why, n in found["without"].items())]
    total = sum(n for _, n in counts) or 1
    rows: list[tuple[Value, ...]] = [(name, n, n / total) for name, n in counts]
    about = "What the votes so far add up to, in the way that the campaign chose."
    return Figure("labels", "Published labels", ("Label", "Texts", "Share"), rows, about, "bars")


def _options(measured: Mapping[str, Any], names: Mapping[str, str]) -> Figure:
    rows: list[tuple[Value, ...]] = [
        (
            name,
            Estimate.of(measured["prevalence"][code]),
            Estimate.of(measured["specific_agreement"][code]),
            measured["corpus"]["options"][code],
        )
        for code, name in names.items()
    ]
    head = ("Answer", "Prevalence", "Another reader says the same", "Votes")
    about = "How common each answer is, and on which of them readers differ."
    return Figure("answers", "Answers", head, rows, about, "points")


def _confusion(measured: Mapping[str, Any], names: Mapping[str, str]) -> Figure:
    rows: list[tuple[Value, ...]] = []
    for name, met in zip(names.values(), measured["confusion"], strict=True):
        total = sum(met)
        rows.append((name, *(each / total if total else None for each in met)))
    about = "Where one reader gave the answer of the row, what share of the other readers gave that of the column."
    return Figure("confusion", "Confusion between readers", ("One says", *names.values()), rows, about, "heat")


def _tags(measured: Mapping[str, Any]) -> Figure:
    rows: list[tuple[Value, ...]] = [
        (tag, *(Estimate.of(found[name]) for name in TAG_MEASURES), found["prevalence"]["n_votes"])
        for tag, found in measured["tags"].items()
    ]
    about = "On rare tags alpha falls to about 0 while AC1 stays near 1: read them together, beside the prevalence."
    return Figure("tags", "Additional tags", ("Tag", *(TITLES[name] for name in TAG_MEASURES), "Answers"), rows, about)


def _parts(measured: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """What the votes are divided by, its name, and what is measured of it; a single part is the whole."""
    for by in PARTS:
        parts = measured["slices"][by]
        if len(parts) > 1:
            yield from ((SLICES[by][2], name, found) for name, found in parts.items())


def _answers_by_part(measured: Mapping[str, Any], names: Mapping[str, str]) -> Figure:
    rows: list[tuple[Value, ...]] = [
        (name, by, part, Estimate.of(found["prevalence"][code]), Estimate.of(found["specific_agreement"][code]))
        for code, name in names.items()
        for by, part, found in _parts(measured)
    ]
    head = ("Answer", "By", "Part", "Prevalence", "Another reader says the same")
    return Figure("answers-by-part", "Answers by source, language and origin", head, rows)


def _tags_by_part(measured: Mapping[str, Any]) -> Figure:
    rows: list[tuple[Value, ...]] = [
        (tag, by, part, *(Estimate.of(its[name]) for name in TAG_MEASURES), its["prevalence"]["n_votes"])
        for tag in measured["tags"]
        for by, part, found in _parts(measured)
        if (its := found["tags"].get(tag))
    ]
    head = ("Tag", "By", "Part", *(TITLES[name] for name in TAG_MEASURES), "Answers")
    return Figure("tags-by-part", "Tags by source, language and origin", head, rows)


def _tag_sets_by_part(measured: Mapping[str, Any]) -> Figure:
    shown = list(measured["tag_sets"])
    rows: list[tuple[Value, ...]] = [
        (part, by, *(Estimate.of(its[name]) for name in shown), its[shown[0]]["n_votes"])
        for by, part, found in _parts(measured)
        if (its := found["tag_sets"])
    ]
    head = ("Part", "By", *(TITLES[name] for name in shown), "Votes")
    return Figure("tag-sets-by-part", "Whole sets of tags by source, language and origin", head, rows)


def _votes(measured: Mapping[str, Any]) -> Figure:
    rows: list[tuple[Value, ...]] = [(n, units) for n, units in measured["corpus"]["votes_per_unit"].items()]
    return Figure("votes-per-text", "Votes per text", ("Votes", "Texts"), rows, chart="bars")


class Disputed(NamedTuple):
    """A text on which votes differ, with the votes as they are counted; ``gravest`` names the most severe answer if
    somebody gave it.
    """

    instruction: Instruction
    disagreement: float
    votes: list[tuple[str, int]]
    gravest: str


def disputed(campaign: Campaign, viewer: Annotator, *, severe: bool, limit: int = 50) -> list[Disputed]:
    """The most disputed texts, without those that ``viewer`` may still be given: nobody sees votes before voting."""
    names = campaign.label_set.spec.option_names
    hidden = blindness.still_to_be_given(viewer, campaign)
    found = []
    for tally in tallies.most_disputed(campaign, severe=severe, hidden=hidden, limit=limit):
        counted = Counter(tally.base)
        votes = [(name, counted[at]) for at, name in enumerate(names) if counted[at]]
        gravest = names[-1] if tally.is_severe else ""
        found.append(Disputed(tally.unit.instruction, tally.disagreement or 0.0, votes, gravest))
    return found
