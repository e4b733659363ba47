"""What lines have in common: the same votes, source and language, with the JSON that follows from these.

It is made once for a group and kept while lines are made: there are few groups, whatever the number of lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from exports.modelled import Model
from labels.aggregation import Aggregate, adjudicated, aggregate, tag_outcome
from labels.taxonomy import LabelSetSpec

if TYPE_CHECKING:
    from exports.records import Reader

# A vote travels as one number: two bits for each tag, four for the option, one for a simulated annotator, and before
# them the place of its campaign. Its annotator travels beside it, eight bytes each, as hexadecimal digits.
NO, YES = 1, 2
OPTION_BITS = 4
MOST_TAGS = 20
DIGITS = 16

# Why an instruction with votes has no line.
UNLICENSED = "no source with a known licence"
WITHDRAWN = "set aside, quarantined or taken down"

# Stands for what a model says of one line alone; in JSON it would be escaped.
OF_MODEL = b"\x03"

# Below this many counted votes nothing is published as a label.
FEWEST_VOTES = 2

# BCP 47 for "undetermined".
UNDETERMINED = "und"

NO_SOURCE = dict.fromkeys(("name", "revision", "license", "address", "attribution"), "")


class Ballot(NamedTuple):
    """What one vote says: the option's position, the campaign's, and the answer on each tag, None without one."""

    option: int
    campaign: int
    tags: tuple[bool | None, ...]
    is_simulated: bool


class Group(NamedTuple):
    """What lines have in common: the same votes, source and language. There are few, whatever the number of lines."""

    counts: tuple[int, ...]
    tag_counts: tuple[tuple[int, int], ...]
    simulated: int
    aggregate: Aggregate
    labels: tuple[str, ...]
    source: str
    license: str
    language: str
    is_augmented: bool
    has_personal: bool  # known only where a filter asks for it
    ballots: tuple[Ballot, ...]  # in rising order of the numbers as which they travel


type Count = Callable[[Group, int], None]  # takes a group and how many more lines it has


@dataclass(frozen=True, slots=True)
class Cast:
    """What lines with the same votes have in common, with the JSON before and after what their source has to say."""

    counts: tuple[int, ...]
    tag_counts: tuple[tuple[int, int], ...]
    ballots: tuple[Ballot, ...]
    simulated: int
    aggregate: Aggregate
    labels: tuple[str, ...]
    before: bytes
    after: bytes


@dataclass(slots=True)
class Common:
    """What a group of lines has in common, as JSON, and how many of them there were."""

    group: Group
    of_votes: bytes
    of_augmenter: bytes
    left_out_by: str
    lines: int = 0
    place: int = 0


def cast_of(reader: Reader, model: Model | None, written: bytes, is_flagged: bool, decided: bytes = b"") -> Cast:
    spec = reader.spec
    numbers = [int(written[at : at + DIGITS], 16) for at in range(0, len(written), DIGITS)]
    ballots = tuple(_ballot(number, len(spec.tags)) for number in numbers)
    options = Counter(ballot.option for ballot in ballots)
    counts = tuple(options[at] for at in range(len(spec.options)))
    answers = [[ballot.tags[at] for ballot in ballots] for at in range(len(spec.tags))]
    tag_counts = tuple((said.count(True), said.count(False)) for said in answers)
    simulated = sum(ballot.is_simulated for ballot in ballots)
    of_votes = aggregate(spec, counts, tag_counts, is_flagged=is_flagged, rule=reader.selection.rule)
    decision = _decision(spec, decided)
    found = adjudicated(spec, of_votes, decision["label"], decision["tags"]) if decision else of_votes
    labels = _labels(found)
    before = {"label": found.label or "", "labels": labels}
    after = {
        "n_votes": found.n_votes,
        "n_simulated_votes": simulated,
        "votes": dict(zip(spec.option_names, counts, strict=True)),
        "tag_votes": {
            name: {"yes": yes, "no": no, "outcome": tag_outcome(yes, no) or "not answered"}
            for name, (yes, no) in zip(spec.tag_names, tag_counts, strict=True)
        },
        "distribution": _named(spec, found.distribution),
        "distribution_smoothed": _named(spec, found.distribution_smoothed),
        "agreement": found.status,
        "no_label_because": found.reason or "",
        "disputed_because": "; ".join(found.dispute_reasons),
        "label_of_votes": (of_votes.label or "") if decision else "",
        **_told(decision),
    }
    beside = b"," + (model.of_votes(counts) or OF_MODEL) if model else b""
    return Cast(counts, tag_counts, ballots, simulated, found, labels, _members(before), _members(after) + beside)


def _decision(spec: LabelSetSpec, written: bytes) -> dict[str, Any] | None:
    """What was decided, as ``statements.DECIDED`` has it; None where nothing was, or a label of another revision."""
    decision: dict[str, Any] = orjson.loads(bytes.fromhex(written.decode())) if written else {}
    return decision if decision.get("label") in spec.published else None


def _told(decision: Mapping[str, Any] | None) -> dict[str, Any]:
    told = decision or {"adjudicators": 0, "decision": 0, "because": ""}
    return {
        "adjudicators": told["adjudicators"],
        "decision": told["decision"],
        "decided_because": told["because"],
    }


def _ballot(number: int, n_tags: int) -> Ballot:
    answers = {0: None, NO: False, YES: True}
    tags = tuple(answers[number >> 2 * at & 3] for at in range(n_tags))
    rest = number >> 2 * n_tags
    campaign, is_simulated = divmod(rest >> OPTION_BITS, 2)
    return Ballot(rest & (1 << OPTION_BITS) - 1, campaign, tags, bool(is_simulated))


class Origin(NamedTuple):
    """What lines of one source and language have in common, however they were voted on, with its JSON."""

    source: str
    license: str
    language: str
    is_augmented: bool
    has_personal: bool
    left_out_by: str  # why there is no line, whatever the filters say
    told: bytes
    lineage: bytes
    augmenter: bytes


def origin_of(reader: Reader, written: bytes) -> Origin:
    *numbers, rest = written.split(b",", 4)
    is_augmented, has_personal, is_available, source = map(int, numbers)
    augmenter, language = orjson.loads(b"[%b]" % rest)
    facts = reader.sources_by_id.get(source, NO_SOURCE)
    named = source_key(facts["name"], facts["revision"])
    told = {
        "source": facts["name"],
        "license": facts["license"],
        "language": language or UNDETERMINED,
        "target": reader.selection.target,
    }
    return Origin(
        named,
        facts["license"],
        told["language"],
        bool(is_augmented),
        bool(has_personal),
        UNLICENSED if source not in reader.sources_by_id else "" if is_available else WITHDRAWN,
        _members(told),
        # Cut where the row stands, which is the line's own.
        orjson.dumps({"lineage": {"source": named, "row": ""}})[1:].removesuffix(b'""}}'),
        b'",' + orjson.dumps({"augmenter": augmenter, "family": ""})[1:].removesuffix(b'"}'),
    )


def common_of(reader: Reader, cast: Cast, origin: Origin) -> Common:
    group = Group(
        cast.counts,
        cast.tag_counts,
        cast.simulated,
        cast.aggregate,
        cast.labels,
        origin.source,
        origin.license,
        origin.language,
        origin.is_augmented,
        origin.has_personal,
        cast.ballots,
    )
    of_votes = b",".join((b"", cast.before, origin.told, cast.after, origin.lineage))
    left_out_by = origin.left_out_by or reader.selection.filters.left_out_by(group)
    return Common(group, of_votes, origin.augmenter, left_out_by)


def _members(found: dict[str, Any]) -> bytes:
    """The members of an object as JSON, without its braces."""
    return orjson.dumps(found)[1:-1]


def source_key(name: str, revision: str) -> str:
    """A source as ``name@revision``: two revisions of one dataset may differ in licence."""
    return f"{name}@{revision}" if revision else name


def _labels(found: Aggregate) -> tuple[str, ...]:
    """The base label, if there is one, then the tags; no single reader decides on a tag either, but adjudicators do."""
    if found.n_votes < FEWEST_VOTES and found.status != "adjudicated":
        return ()
    return (*([found.label] if found.label else []), *found.tags)


def _named(spec: LabelSetSpec, shares: Sequence[float]) -> dict[str, float]:
    """Shares by option name, to six decimals: enough for any use, and the same text on every machine."""
    return {name: round(share, 6) for name, share in zip(spec.option_names, shares, strict=True)}
