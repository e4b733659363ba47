"""The single votes of those who allow it, under pseudonyms of one release, noted while its lines are made.

Who allows it is settled with the cut. Simulated annotators are no persons, and always among them; the annotators of
public datasets were never asked, and are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from annotate.models import VoteSharing
from exports.groups import DIGITS
from exports.statistics import FEWEST_ANNOTATORS
from labels.taxonomy import LabelSetSpec

if TYPE_CHECKING:
    from exports.groups import Ballot, Common

FORM = "votes"

NOBODY = "nobody who voted allows it"
TOO_FEW = f"fewer than {FEWEST_ANNOTATORS} people allow it: each would be known to the others"
# All counts are published: without the single votes of the others, those of the few are left.
REST = f"fewer than {FEWEST_ANNOTATORS} people do not allow it: what the counts leave would be theirs"

# Apart from the digests that number annotators in the statistics, which have the same key.
PERSON = b"single votes"
ANSWERS = {True: "yes", False: "no", None: "not answered"}


def settle(settled: Mapping[str, Any]) -> dict[str, Any]:
    """Who allows it, for ``Snapshot.settled``; of a release whose cut is older, who allowed it then and still does."""
    allowing = set(VoteSharing.objects.allowing().values_list("annotator", flat=True))
    before = settled.get("sharing")
    return {"sharing": sorted(allowing if before is None else allowing.intersection(before))}


@dataclass
class SingleVotes:
    """Notes the votes of lines that go by: each line of the form goes to ``write``, in a stable order."""

    spec: LabelSetSpec
    key: str  # of the release, in hexadecimal digits
    allowing: frozenset[int]  # ids of people
    write: Callable[[bytes], object]
    votes: int = 0
    people: set[int] = field(default_factory=set)
    simulated: set[int] = field(default_factory=set)
    _pseudonyms: dict[int, bytes] = field(default_factory=dict)
    _said: dict[tuple[int, tuple[bool | None, ...]], bytes] = field(default_factory=dict)

    def noted(self, rows: Iterable[list[bytes]], known: Mapping[bytes, Common]) -> Iterator[list[bytes]]:
        """The rows as they are; each is noted when its line was made, for only then ``known`` says if there is one."""
        for row in rows:
            yield row
            common = known[row[4]]
            if not common.left_out_by:
                self._note(row[2], row[3], common.group.ballots)

    def _note(self, digest: bytes, who: bytes, ballots: Iterable[Ballot]) -> None:
        found = []
        for at, ballot in enumerate(ballots):
            one = int(who[at * DIGITS : (at + 1) * DIGITS], 16)
            if ballot.is_simulated:
                self.simulated.add(one)
            elif one in self.allowing:
                self.people.add(one)
            else:
                continue
            found.append((self._pseudonym(one), self._answer(ballot)))
        for pseudonym, said in sorted(found):
            self.write(b'{"id":"%b","annotator":"%b",%b}\n' % (digest, pseudonym, said))
        self.votes += len(found)

    def _pseudonym(self, one: int) -> bytes:
        if one not in self._pseudonyms:
            key = bytes.fromhex(self.key)
            digest = hashlib.blake2b(str(one).encode(), key=key, digest_size=16, person=PERSON)
            self._pseudonyms[one] = digest.hexdigest().encode()
        return self._pseudonyms[one]

    def _answer(self, ballot: Ballot) -> bytes:
        asked = ballot.option, ballot.tags
        if asked not in self._said:
            tags = {name: ANSWERS[said] for name, said in zip(self.spec.tag_names, ballot.tags, strict=True)}
            said = {"option": self.spec.option_names[ballot.option], "tags": tags}
            self._said[asked] = orjson.dumps(said)[1:-1]
        return self._said[asked]

    def facts(self, annotators: Mapping[str, int]) -> dict[str, Any]:
        """What the manifest says, from how many annotators of each kind the lines have votes of.

        Where there is a ``reason``, nothing may be published.
        """
        without = annotators["human"] - len(self.people)
        reason = self._reason(without)
        return {
            "votes": 0 if reason else self.votes,
            "people": 0 if reason else len(self.people),
            "simulated": 0 if reason else len(self.simulated),
            "people_who_did_not_allow_it": without,
            "of_public_datasets_never_asked": annotators["external"],
            "reason": reason,
        }

    def _reason(self, without: int) -> str | None:
        if not self.votes:
            return NOBODY
        if 0 < len(self.people) < FEWEST_ANNOTATORS:
            return TOO_FEW
        return REST if 0 < without < FEWEST_ANNOTATORS else None


def schema(spec: LabelSetSpec) -> dict[str, Any]:
    """What each field of a line can be, as JSON Schemas."""
    hexadecimal = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
    return {
        "id": hexadecimal,
        "annotator": hexadecimal,
        "option": {"enum": [*spec.option_names]},
        "tags": {name: {"enum": [*ANSWERS.values()]} for name in spec.tag_names},
    }
