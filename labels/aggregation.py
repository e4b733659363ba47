"""What many votes add up to: the published label, the tags, and whether people agreed.

Pure and in whole numbers: no share is rounded on the way to a label. ``counts`` are the counted votes per option in the
order of ``spec.options``, mild to severe; ``tag_counts`` one pair (yes, no) per tag in the order of ``spec.tags``, or
empty where no tag was asked. A tie is an outcome with its reason, never an accident of ordering.

The rule is the label set's own unless another is asked for. The others, and the models beside them (``dawid_skene``,
``shared_confusion``), choose among the vote options, so what they publish is the chosen option's name. Every label set
publishes its options' names (``taxonomy`` refuses one that does not), but may publish more: of the five labels of
``oig-safety`` only "casual", "needs caution" and "needs intervention" are options. "possibly" and "probably needs
caution" say how readers divide; only the rule ``fresh-readers`` says that, the other rules call it a tie or outvote it.
So shares of labels compare within one rule, never across two, and an outvoted vote for intervention stays disputed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal, get_args

from labels.errors import LabelsError
from labels.taxonomy import LabelSetSpec

Status = Literal["unanimous", "majority", "disputed", "adjudicated", "too few votes"]
TagOutcome = Literal["yes", "no", "tie"]
TagCounts = Sequence[Sequence[int]]
# "rule" is the label set's own; the other two choose among its vote options.
Rule = Literal["rule", "ordinal_median", "majority"]
RULES: Final[tuple[Rule, ...]] = get_args(Rule)

NO_VOTES = "no votes"
TOO_FEW: Final = "too few votes"
FLAGGED = "flagged by an annotator"
# Half a vote added to each option (Jeffreys' prior): on three votes, soft labels smoothed so predict further voters
# better than raw shares do.
SMOOTHING = 0.5


class AggregationError(LabelsError):
    """Counts that do not fit the label set; the message says how many were expected."""


@dataclass(frozen=True)
class Aggregate:
    """What the votes on one instruction add up to; names are published spellings.

    ``label`` is None where there is none, with the ``reason``. ``distribution`` (raw shares) and
    ``distribution_smoothed`` have one number per option, adding up to 1, and are empty without votes.
    """

    n_votes: int
    label: str | None
    reason: str | None
    tags: tuple[str, ...]
    tied_tags: tuple[str, ...]
    status: Status
    dispute_reasons: tuple[str, ...]
    distribution: tuple[float, ...]
    distribution_smoothed: tuple[float, ...]


def aggregate(
    spec: LabelSetSpec,
    counts: Sequence[int],
    tag_counts: TagCounts = (),
    *,
    is_flagged: bool = False,
    rule: Rule = "rule",
) -> Aggregate:
    """Everything of this module about one instruction. Cached: an export has far more instructions than patterns."""
    pairs = tuple((int(yes), int(no)) for yes, no in tag_counts)
    return _aggregate(spec, tuple(map(int, counts)), pairs, is_flagged, rule)


@lru_cache(maxsize=65536)
def _aggregate(
    spec: LabelSetSpec, counts: tuple[int, ...], tag_counts: tuple[tuple[int, int], ...], is_flagged: bool, rule: Rule
) -> Aggregate:
    label, reason = published_label(spec, counts, rule)
    outcomes = _tag_outcomes(spec, tag_counts)
    return Aggregate(
        n_votes=sum(counts),
        label=label,
        reason=reason,
        tags=tuple(name for name, outcome in outcomes if outcome == "yes"),
        tied_tags=tuple(name for name, outcome in outcomes if outcome == "tie"),
        status=agreement_status(spec, counts, tag_counts, is_flagged=is_flagged, rule=rule),
        dispute_reasons=dispute_reasons(spec, counts, tag_counts, is_flagged=is_flagged, rule=rule),
        distribution=soft_distribution(counts),
        distribution_smoothed=soft_distribution(counts, SMOOTHING),
    )


def adjudicated(spec: LabelSetSpec, found: Aggregate, label: str, tags: Mapping[str, bool]) -> Aggregate:
    """What is published where adjudicators decided for ``label``, and for tags by their codes; the votes stay.

    Of a tag that was not decided, the votes decide. Why it was disputed stays too. Raises AggregationError for a label
    that the set does not publish.
    """
    if label not in spec.published:
        raise AggregationError(f"{spec.name} publishes no {label!r}.")
    decided = {tag.name: tags[tag.code] for tag in spec.tags if tag.code in tags}
    return replace(
        found,
        label=label,
        reason=None,
        tags=tuple(name for name in spec.tag_names if decided.get(name, name in found.tags)),
        tied_tags=tuple(name for name in found.tied_tags if name not in decided),
        status="adjudicated",
    )


def published_label(spec: LabelSetSpec, counts: Sequence[int], rule: Rule = "rule") -> tuple[str | None, str | None]:
    """The published label by the set's rule, or by another, and None; or None and the reason why there is none."""
    _check(spec, counts, ())
    if sum(counts) < 1 and (spec.rule == "median" or rule != "rule"):
        return None, NO_VOTES
    if sum(counts) < 2:
        return None, TOO_FEW
    if _is_fresh_readers(spec, rule):
        return spec.published[_fresh_readers(counts)], None
    tied = _tied(counts, rule)
    if len(tied) > 1:
        return None, _tie(spec, tied, rule)
    return spec.option_names[tied[0]], None


def ordinal_median(spec: LabelSetSpec, counts: Sequence[int]) -> tuple[str | None, str | None]:
    """The option of the middle vote, mild to severe, whatever the set's rule; two middle votes that differ are a tie.

    Half a step between two options has no name, and taking either would lean to the mild or to the severe side.
    """
    return published_label(spec, counts, "ordinal_median")


def majority(spec: LabelSetSpec, counts: Sequence[int]) -> tuple[str | None, str | None]:
    """The option with most votes, be they fewer than half; options that share first place are a tie that names them."""
    return published_label(spec, counts, "majority")


def _is_fresh_readers(spec: LabelSetSpec, rule: Rule) -> bool:
    return rule == "rule" and spec.rule == "fresh-readers"


def _fresh_readers(counts: Sequence[int]) -> int:
    """The position of the label that three fresh readers would most likely give, 0 (mild) to 4 (severe).

    For three votes it is ProsocialDialog's rule exactly (Kim et al. 2022, appendix A.4); it is steady in the number of
    votes and never ties.
    """
    votes, severe = sum(counts), counts[2]
    caution = counts[1] + severe
    if 5 * severe >= votes:
        return 4
    if 4 * caution < votes:
        # One reader who asks for intervention is heard, however many do not: never "casual".
        return 1 if severe else 0
    if 2 * caution < votes:
        return 1
    if 4 * caution < 3 * votes:
        return 2
    return 3


def _tied(counts: Sequence[int], rule: Rule) -> tuple[int, ...]:
    """The positions of the options that the median or the majority leaves: one, or those that tie."""
    if rule == "majority":
        return tuple(option for option, count in enumerate(counts) if count == max(counts))
    return tuple(sorted(set(_middle_options(counts))))


def _middle_options(counts: Sequence[int]) -> tuple[int, int]:
    """The positions of the options of the two middle votes; with an odd number of votes, of the one, twice."""
    votes = [option for option, count in enumerate(counts) for _ in range(count)]
    return votes[(len(votes) - 1) // 2], votes[len(votes) // 2]


def _tie(spec: LabelSetSpec, tied: Sequence[int], rule: Rule) -> str:
    *firsts, last = [repr(spec.option_names[option]) for option in tied]
    return f"the {'majority' if rule == 'majority' else 'median'} ties between {', '.join(firsts)} and {last}"


def tag_outcome(yes: int, no: int) -> TagOutcome | None:
    """``yes`` when more say yes than no, ``tie`` when as many, None when nobody was asked: that is not a no."""
    if yes + no == 0:
        return None
    if yes == no:
        return "tie"
    return "yes" if yes > no else "no"


def _tag_outcomes(spec: LabelSetSpec, tag_counts: TagCounts) -> list[tuple[str, TagOutcome | None]]:
    return [(name, tag_outcome(*pair)) for name, pair in zip(spec.tag_names, tag_counts, strict=False)]


def dispute_reasons(
    spec: LabelSetSpec,
    counts: Sequence[int],
    tag_counts: TagCounts = (),
    *,
    is_flagged: bool = False,
    rule: Rule = "rule",
) -> tuple[str, ...]:
    """Why this needs adjudication, one sentence each; empty where it does not, and below two votes."""
    _check(spec, counts, tag_counts)
    if sum(counts) < 2:
        return ()
    reasons = _outvoted(spec, counts, rule) if spec.rule == "fresh-readers" else []
    tied = () if _is_fresh_readers(spec, rule) else _tied(counts, rule)
    reasons += [_tie(spec, tied, rule)] if len(tied) > 1 else []
    reasons += _extremes(spec, counts)
    if 2 * max(counts) <= sum(counts):
        reasons.append("no option has a majority")
    reasons += [f"the tag {name!r} ties" for name, outcome in _tag_outcomes(spec, tag_counts) if outcome == "tie"]
    return (*reasons, *([FLAGGED] if is_flagged else []))


def _outvoted(spec: LabelSetSpec, counts: Sequence[int], rule: Rule) -> list[str]:
    """A vote for intervention is always looked at again, by whichever rule it does not become the label."""
    severe = spec.option_names[-1]
    if not counts[-1] or published_label(spec, counts, rule)[0] == severe:
        return []
    return [f"a vote for {severe!r} " + ("stands below the cut" if rule == "rule" else "is outvoted")]


def _extremes(spec: LabelSetSpec, counts: Sequence[int]) -> list[str]:
    """The mildest option against the most severe: no rule can settle that between readers."""
    against = counts[0] and counts[-1]
    return [f"{spec.option_names[0]!r} stands against {spec.option_names[-1]!r}"] if against else []


def agreement_status(
    spec: LabelSetSpec,
    counts: Sequence[int],
    tag_counts: TagCounts = (),
    *,
    is_flagged: bool = False,
    rule: Rule = "rule",
) -> Status:
    """Below two votes ``too few votes``; else ``disputed`` with any reason; else ``unanimous`` or ``majority``."""
    if sum(counts) < 2:
        return TOO_FEW
    if dispute_reasons(spec, counts, tag_counts, is_flagged=is_flagged, rule=rule):
        return "disputed"
    return "unanimous" if max(counts) == sum(counts) else "majority"


def soft_distribution(counts: Sequence[int], smoothing: float = 0.0) -> tuple[float, ...]:
    """The share of each option, (count + smoothing) / (votes + K smoothing), adding up to 1; empty without votes."""
    votes = sum(counts)
    if not votes:
        return ()
    return tuple((count + smoothing) / (votes + len(counts) * smoothing) for count in counts)


def _check(spec: LabelSetSpec, counts: Sequence[int], tag_counts: TagCounts) -> None:
    """A vector of the wrong set would give a plausible label: refuse it."""
    if len(counts) != len(spec.options) or min(counts) < 0:
        raise AggregationError(f"counts {list(counts)} do not fit {spec.name}; give {len(spec.options)} from 0.")
    if tag_counts and (len(tag_counts) != len(spec.tags) or min(map(min, tag_counts)) < 0):
        raise AggregationError(
            f"{len(tag_counts)} tag counts do not fit {spec.name}; give {len(spec.tags)} pairs from 0."
        )
