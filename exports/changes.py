"""What changed from one release to a later one: lines that came or went, and lines that say something else.

Both files are read once, side by side; only counts and a few examples are kept, and no texts. Ids of lines that went
are not kept either: together they would point at what was taken down, in every copy of the earlier release.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, get_args

import orjson

from exports import differences
from exports.differences import NAMED, Pair
from exports.tables import Table
from labels.aggregation import Status

# Differing lines for which it is asked at a time why the second file has them not.
BATCH = 1_000

# How a line without a base label is shown.
NO_LABEL = "no label"

# Why a line has another label.
ADJUDICATED, TAKEN_BACK = "adjudicated", "a decision was taken back or changed"
OTHER_VOTES, OTHERWISE = "other votes", "another way of adding votes up"

# Fields that follow from the votes and labels, which are compared themselves.
DERIVED = frozenset(
    (
        *("label", "labels", "votes", "agreement", "n_votes", "n_simulated_votes", "tag_votes", "disputed_because"),
        *("distribution", "distribution_smoothed", "no_label_because", "model_label", "model_distribution"),
        *("label_of_votes", "adjudicators", "decided_because"),
    )
)

# Between these stands in a line of ours what it has in common with others; in a text the quotation marks are escaped.
LABEL, LINEAGE = b'"label":"', b',"lineage":{'
# Pairs of such parts that are kept: some kilobytes each.
MOST_KNOWN = 10_000

STATUSES = get_args(Status)

type Reasons = Callable[[Sequence[str]], Mapping[str, str]]  # why lines went, by their ids


@dataclass(frozen=True)
class Side:
    """One of the two releases."""

    version: str
    lines: Path  # in the order of their ids
    statistics: Mapping[str, Any]


class Told(NamedTuple):
    """How two lines of one text differ."""

    listed: dict[str, Any]  # as the listing has it
    votes: dict[str, dict[str, int]]  # before and after
    gained: tuple[str, ...]  # tags
    lost: tuple[str, ...]


class Parts(NamedTuple):
    """A line cut in two: what is its own, and what it has in common with others, empty where that is not told apart."""

    own: tuple[bytes, bytes]
    common: bytes


@dataclass
class Changes:
    """What is counted while the files are read; ``summary`` is what is kept of it."""

    before: Side
    after: Side
    same: int = 0
    changed: int = 0
    added: int = 0
    other_votes: int = 0  # lines with the same label, or another, of other votes
    removed: Counter[str] = field(default_factory=Counter)  # by why
    relabelled: Counter[tuple[str, str]] = field(default_factory=Counter)  # label before and after
    relabelled_because: Counter[str] = field(default_factory=Counter)
    agreement: Counter[tuple[str, str]] = field(default_factory=Counter)
    tags_gained: Counter[str] = field(default_factory=Counter)
    tags_lost: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)  # of relabelled lines
    came: list[str] = field(default_factory=list)  # ids of the first added lines
    known: dict[tuple[bytes, bytes], Told | None] = field(default_factory=dict)  # what was looked into already

    def read(self, reasons: Reasons, listing: BinaryIO | None = None) -> None:
        """Compare the files; write every line that differs to ``listing``, as JSON in the order of ids."""
        with ExitStack() as stack:
            first, second = (stack.enter_context(side.lines.open("rb")) for side in (self.before, self.after))
            for batch in batched(self._differing(differences.side_by_side(first, second)), BATCH):
                gone = [differences.id_of(line) for _, line, other in batch if line is not None and other is None]
                why = reasons(gone) if gone else {}
                for told in self._told(batch, why):
                    if listing:
                        listing.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))

    def _differing(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        for pair in pairs:
            if pair[1] == pair[2]:
                self.same += 1
            else:
                yield pair

    def _told(self, batch: Iterable[Pair], why: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """What is different of each line, counted."""
        for _, line, other in batch:
            if line is None and other is not None:
                self.added += 1
                public_id = differences.id_of(other)
                if len(self.came) < NAMED:
                    self.came.append(public_id)
                yield {"id": public_id, "change": "added"}
            elif line is not None and other is None:
                public_id = differences.id_of(line)
                self.removed[why[public_id]] += 1
                yield {"id": public_id, "change": "removed", "why": why[public_id]}
            elif line and other and (told := self._compared(line, other)):
                self.changed += 1
                public_id = differences.id_of(other)
                self._count(public_id, told)
                yield {"id": public_id, "change": "changed", **told.listed}
            else:
                self.same += 1

    def _compared(self, line: bytes, other: bytes) -> Told | None:
        """How two lines of one text differ; None where nothing does that both tell.

        Votes and what is made of them are the same bytes in thousands of lines: these are looked into once.
        """
        one, another = _parts(line), _parts(other)
        if one.own == another.own and one.common and another.common:
            key = (one.common, another.common)
            if key not in self.known:
                if len(self.known) >= MOST_KNOWN:
                    self.known.clear()
                first, second = (orjson.loads(b"{%b}" % part) for part in key)
                self.known[key] = _difference(first, second)
            return self.known[key]
        first, second = orjson.loads(line), orjson.loads(other)
        return _difference(first["metadata"], second["metadata"], has_other_text=first["text"] != second["text"])

    def _count(self, public_id: str, told: Told) -> None:
        listed = told.listed
        if "label" in listed:
            before, after = listed["label"]
            self.relabelled[(before, after)] += 1
            self.relabelled_because[listed["why"]] += 1
            if len(self.examples) < NAMED:
                self.examples.append({"id": public_id, "from": before, "to": after, **told.votes})
        if "agreement" in listed:
            self.agreement[(listed["agreement"][0], listed["agreement"][1])] += 1
        self.other_votes += "votes" in listed
        for tag in told.gained:
            self.tags_gained[tag] += 1
        for tag in told.lost:
            self.tags_lost[tag] += 1
        for name in listed.get("fields", ()):
            self.fields[name] += 1

    def summary(self) -> dict[str, Any]:
        """Ready for JSON. What is in an order is a list: the database puts keys in an order of its own."""
        first, second = self.before.statistics, self.after.statistics
        tags = list(dict.fromkeys((*second["label_set"]["tags"], *first["label_set"]["tags"])))
        labels = list(dict.fromkeys((*second["label_set"]["published"], *first["label_set"]["published"])))
        counts = [[name, *(side["labels"].get(name, 0) for side in (first, second))] for name in (*labels, *tags)]
        counts.insert(len(labels), [NO_LABEL, first["without_base_label"], second["without_base_label"]])
        statuses = [[s, *(side.get("agreement_status", {}).get(s, 0) for side in (first, second))] for s in STATUSES]
        return {
            "before": {"version": self.before.version, "lines": first["instructions"]},
            "after": {"version": self.after.version, "lines": second["instructions"]},
            "same": self.same,
            "changed": self.changed,
            "added": self.added,
            "removed": self.removed.total(),
            "removed_because": _by_count(self.removed),
            "labels": counts,
            "relabelled": self.relabelled.total(),
            "relabelled_moves": _moves(self.relabelled),
            "relabelled_because": _by_count(self.relabelled_because),
            "agreement_status": statuses if "agreement_status" in first and "agreement_status" in second else [],
            "agreement_changed": self.agreement.total(),
            "agreement_moves": _moves(self.agreement),
            "other_votes": self.other_votes,
            "tags": [[t, self.tags_gained[t], self.tags_lost[t]] for t in _named(tags, self)],
            "fields": _by_count(self.fields),
            "relabelled_examples": self.examples,
            "added_examples": self.came,
        }


def between(before: Side, after: Side, reasons: Reasons, listing: BinaryIO | None = None) -> dict[str, Any]:
    """The summary of what changed; see ``Changes.read``."""
    found = Changes(before, after)
    found.read(reasons, listing)
    return found.summary()


def tables(summary: Mapping[str, Any]) -> list[Table]:
    """The summary as tables of text: one definition for the page, the changelog and the command."""
    found = [
        _lines(summary),
        _counted("Why lines were removed", "Reason", summary["removed_because"]),
        _sides("Labels before and after", "Label", summary["labels"], summary),
        _moved("Relabelled", summary["relabelled_moves"]),
        _counted("Why lines were relabelled", "Reason", summary.get("relabelled_because", [])),
        _sides("Agreement before and after", "Agreement", summary["agreement_status"], summary),
        _moved("Agreement that changed", summary["agreement_moves"]),
        Table("Tags gained and lost", ("Tag", "Gained", "Lost"), [_cells(row) for row in summary["tags"]]),
        _counted("Other fields that changed", "Field", summary["fields"]),
        _examples(summary["relabelled_examples"], summary["relabelled"]),
        Table(
            _first("Added", len(summary["added_examples"]), summary["added"]),
            ("Id",),
            [(public_id,) for public_id in summary["added_examples"]],
            is_more=True,
        ),
    ]
    return [table for table in found if table.rows]


def sentence(summary: Mapping[str, Any]) -> str:
    """All of it in a line."""
    counted = ", ".join(f"{summary[what]:,} {what}" for what in ("added", "removed", "relabelled"))
    return f"Since {summary['before']['version']}: {counted}; {summary['same']:,} lines say the same"


def _lines(summary: Mapping[str, Any]) -> Table:
    rows = {
        f"in {summary['before']['version']}": summary["before"]["lines"],
        "removed": summary["removed"],
        "added": summary["added"],
        f"in {summary['after']['version']}": summary["after"]["lines"],
        "in both, nothing changed": summary["same"],
        "in both, something changed": summary["changed"],
        "of these: another label": summary["relabelled"],
        "of these: another agreement": summary["agreement_changed"],
        "of these: other votes": summary["other_votes"],
    }
    return Table("Lines", ("What", "Lines"), [(what, f"{n:,}") for what, n in rows.items()])


def _counted(title: str, what: str, counts: Iterable[Sequence[Any]]) -> Table:
    return Table(title, (what, "Lines"), [_cells(row) for row in counts])


def _sides(title: str, what: str, counts: Iterable[tuple[str, int, int]], summary: Mapping[str, Any]) -> Table:
    head = (what, summary["before"]["version"], summary["after"]["version"], "Difference")
    rows: list[tuple[str, ...]] = [
        (name, f"{one:,}", f"{other:,}", f"{other - one:+,}" if other != one else "0") for name, one, other in counts
    ]
    return Table(title, head, rows)


def _moved(title: str, moves: Iterable[tuple[str, str, int]]) -> Table:
    rows: list[tuple[str, ...]] = [(a or NO_LABEL, b or NO_LABEL, f"{n:,}") for a, b, n in moves]
    return Table(title, ("From", "To", "Lines"), rows, words=2)


def _examples(examples: Sequence[Mapping[str, Any]], total: int) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            one["id"],
            one["from"] or NO_LABEL,
            one["to"] or NO_LABEL,
            _votes(one["votes_before"]),
            _votes(one["votes_after"]),
        )
        for one in examples
    ]
    title = _first("Relabelled", len(rows), total)
    return Table(title, ("Id", "From", "To", "Votes before", "Votes after"), rows, is_more=True, words=5)


def _first(what: str, shown: int, total: int) -> str:
    return f"{what}, line by line" if shown == total else f"{what}, the first {shown} of {total:,} lines"


def _votes(votes: Mapping[str, int]) -> str:
    """By number, then name: the database has them in no order."""
    cast = sorted(((name, n) for name, n in votes.items() if n), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{n} {name}" for name, n in cast) or "–"


def _cells(row: Iterable[Any]) -> tuple[str, ...]:
    return tuple(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row)


def _parts(line: bytes) -> Parts:
    start, end = line.find(LABEL), line.rfind(LINEAGE)
    if start < 0 or end < start:
        return Parts((line, b""), b"")
    return Parts((line[:start], line[end:]), line[start:end])


def _difference(before: Mapping[str, Any], after: Mapping[str, Any], *, has_other_text: bool = False) -> Told | None:
    """What differs in the metadata; a release from elsewhere tells no votes: what only one tells is not compared."""
    listed: dict[str, Any] = {}
    for name in ("label", "agreement", "votes"):
        if name in before and name in after and before[name] != after[name]:
            listed[name] = [before[name], after[name]]
    if "label" in listed:
        listed["why"] = _why(before, after)
    tags, now = _tags(before), _tags(after)
    if tags != now:
        listed["tags"] = [sorted(tags), sorted(now)]
    if others := [*(["text"] * has_other_text), *_others(before, after)]:
        listed["fields"] = others
    votes = {"votes_before": before.get("votes", {}), "votes_after": after.get("votes", {})}
    return Told(listed, votes, tuple(now - tags), tuple(tags - now)) if listed else None


def _why(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Why the label of a text is another; of a release from elsewhere it may not be known."""
    if after.get("decision"):
        return ADJUDICATED if before.get("decision") != after["decision"] else OTHERWISE
    if before.get("decision"):
        return TAKEN_BACK
    if "votes" not in before or "votes" not in after:
        return differences.UNKNOWN
    return OTHER_VOTES if before["votes"] != after["votes"] else OTHERWISE


def _tags(told: Mapping[str, Any]) -> set[str]:
    return set(told["labels"]) - {told["label"]}


def _others(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(k for k in before.keys() & after.keys() if k not in DERIVED and before[k] != after[k])


def _named(tags: Iterable[str], found: Changes) -> list[str]:
    return [tag for tag in tags if found.tags_gained[tag] or found.tags_lost[tag]]


def _by_count(counts: Counter[str]) -> list[list[Any]]:
    return [[name, n] for name, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]


def _moves(counts: Counter[tuple[str, str]]) -> list[list[Any]]:
    return [[a, b, n] for (a, b), n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
