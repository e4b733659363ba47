"""How the admin shows one instruction: its texts in parts, what is known of it, and how two texts differ."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.db.models import Q

from sources import curation, personal, wording
from sources.duplicates import text_of
from sources.models import Escalation, Instruction, InstructionState, NearDuplicate, Tombstone

FOLDED_FROM = 2_000  # characters
RELATIVES = 20
ANCESTORS = 10
# Longer texts are shown whole, without what differs: comparing them takes seconds.
COMPARED_WORDS = 600

HIDDEN = (InstructionState.QUARANTINED, InstructionState.REMOVED)


class Part(NamedTuple):
    """A piece of a text; ``mark`` says what it is: a kind of personal information, "added" or "gone"; "" for plain."""

    text: str
    mark: str = ""


class ShownTurn(NamedTuple):
    role: str
    parts: list[Part]
    length: int
    is_folded: bool
    start: str  # of a text that is folded for its length


def turns(instruction: Instruction) -> list[ShownTurn]:
    """The turns with what is personal in them; none of an instruction whose text nobody may see."""
    if instruction.state in HIDDEN:
        return []
    spans: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
    for finding in instruction.personal.order_by("turn", "start"):
        spans[finding.turn].append((finding.start, finding.end, personal.KINDS.get(finding.kind, finding.kind)))
    return [_turn(turn["role"], turn["text"], spans[number]) for number, turn in enumerate(instruction.turns)]


def sample(instruction: Instruction) -> dict[str, Any]:
    """An instruction that ``curation.with_provenances`` gave, as the templates show one among others."""
    given = instruction.given  # type: ignore[attr-defined]
    return {
        "instruction": instruction,
        "turns": turns(instruction),
        "severity": wording.severity(one.suggested for one in given),
    }


def everything(instruction: Instruction) -> dict[str, Any]:
    """What the page of an instruction shows; of one whose text nobody may see, why that is, and nothing else."""
    if instruction.state in HIDDEN:
        return {"is_hidden": True, "reports": _reports(instruction), "tombstone": _tombstone(instruction)}
    curation.with_provenances([instruction])
    return {
        "text": sample(instruction),
        "given": [_given(one) for one in instruction.given],  # type: ignore[attr-defined]
        "near": _near(instruction),
        "children": [_named(child) for child in instruction.children.order_by("pk")[:RELATIVES]],
        "children_counted": instruction.children.count(),
        "parent": instruction.parent and _named(instruction.parent),
        "root": instruction.root and instruction.root != instruction.parent and _named(instruction.root),
        "log": _log(instruction),
    }


def name(instruction: Instruction) -> str:
    """What an instruction is called where its text should not stand."""
    return f"instruction {instruction.public_id[:12]}"


def difference(kept: Instruction, other: Instruction) -> list[Part]:
    """The text of ``other``; what it adds to that of ``kept`` is marked "added", what it lacks "gone"."""
    texts = [text_of(one.turns) for one in (kept, other)]
    before, after = (re.findall(r"\s+|\w+|[^\w\s]", text) for text in texts)
    if max(len(before), len(after)) > 2 * COMPARED_WORDS:
        return [Part(texts[1])]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return list(_changes(matcher.get_opcodes(), before, after))


def _changes(
    operations: Iterable[tuple[str, int, int, int, int]], before: Sequence[str], after: Sequence[str]
) -> Iterator[Part]:
    for operation, start, end, new_start, new_end in operations:
        if operation == "equal":
            yield Part("".join(after[new_start:new_end]))
            continue
        if start < end:
            yield Part("".join(before[start:end]), "gone")
        if new_start < new_end:
            yield Part("".join(after[new_start:new_end]), "added")


def _turn(role: str, text: str, spans: Sequence[tuple[int, int, str]]) -> ShownTurn:
    parts, at = list[Part](), 0
    for start, end, kind in spans:
        if start < at or end > len(text):  # found in another version of the detectors
            continue
        parts += [Part(text[at:start]), Part(text[start:end], kind)]
        at = end
    is_folded = len(text) >= FOLDED_FROM
    return ShownTurn(role, [*parts, Part(text[at:])], len(text), is_folded, text[:200] if is_folded else "")


def _given(given: Any) -> dict[str, Any]:
    labels = given.source_labels
    return {
        "source": given.source,
        "run": given.run,
        "row": given.row,
        "labels": [(label, _spelled(value)) for label, value in labels.items()],
        "meaning": wording.meaning(given.suggested) if given.suggested else "",
    }


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _named(instruction: Instruction) -> dict[str, Any]:
    """A link to another instruction, with the beginning of its text only if that is not severe."""
    [one] = curation.with_provenances([instruction])
    severity = wording.severity(given.suggested for given in one.given)  # type: ignore[attr-defined]
    return {"instruction": instruction, "name": name(instruction), "text": "" if severity else str(instruction)}


def _near(instruction: Instruction) -> dict[str, Any] | None:
    """Its cluster by the newest finished search; None if it is in none."""
    search = curation.newest_search()
    own = NearDuplicate.objects.filter(search=search).order_by()
    kept = own.filter(instruction=instruction).values_list("representative_id", flat=True).first() or instruction.pk
    found = own.filter(representative=kept).select_related("instruction").order_by("-similarity", "instruction")
    count = found.count()
    if search is None or not count:
        return None
    members = [
        {**_named(one.instruction), "similarity": one.similarity}
        for one in found[:RELATIVES]
        if one.instruction_id != instruction.pk
    ]
    is_kept = kept == instruction.pk
    representative = None if is_kept else _named(Instruction.objects.get(pk=kept))
    return {"search": search, "kept": representative, "members": members, "count": count, "representative_id": kept}


def _reports(instruction: Instruction) -> list[Escalation]:
    """The reports that hide an instruction: on itself, or on what it was made of."""
    ids, one = [instruction.pk], instruction
    while one.parent is not None and len(ids) < ANCESTORS:
        one = one.parent
        ids.append(one.pk)
    return list(Escalation.objects.filter(instruction__in=ids).select_related("instruction", "reported_by"))


def _tombstone(instruction: Instruction) -> Tombstone | None:
    return Tombstone.objects.filter(digest=bytes(instruction.digest)).select_related("take_down").first()


def _log(instruction: Instruction) -> list[LogEntry]:
    about = LogEntry.objects.filter(content_type=get_content_type_for_model(Instruction), object_id=str(instruction.pk))
    return list(about.filter(~Q(change_message="")).select_related("user").order_by("-action_time")[:RELATIVES])
