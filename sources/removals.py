"""Taking texts down, hiding what is illegal, setting aside what nobody wants: what an instruction's state means.

A take-down empties the turns of an instruction and of all that was made of it, and leaves a tombstone: its digest, so
that no import brings it in again. Each verb changes everything in one transaction of a few statements over sets, and
may be run twice. What other apps have of the instructions follows: they register here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from sources import gate, leftovers, screening, texts
from sources.criteria import Criterion, kind, read_digests
from sources.errors import SourceError
from sources.models import (
    Escalation,
    ImportChunk,
    Instruction,
    InstructionState,
    Screening,
    TakeDown,
    Tombstone,
)

# Counts, in words, what an app has of the instructions whose ids are selected.
type Concerned = Callable[[RawSQL], Mapping[str, int]]
# Blanks, in the transaction of a take-down, what an app holds of the words of instructions whose ids are selected.
type Forget = Callable[[RawSQL], object]

_concerned: list[Concerned] = []
_forgetting: list[Forget] = []
_afterwards: list[Callable[[], object]] = []

# Who goes and who stays, in tables of the transaction: a million ids stay in the database.
_CHOSEN = "CREATE TEMPORARY TABLE chosen (id) ON COMMIT DROP AS {found}"
# That a source which is not made of another one gives a text; of a source that is taken down, another one than it.
_IS_GIVEN = """
    EXISTS (SELECT 1 FROM sources_source AS origin
            JOIN sources_provenance AS given ON given.source_id = origin.id AND given.instruction_id = {text}
            WHERE origin.augments_id IS NULL AND origin.id IS DISTINCT FROM %(source)s)
"""
_LEAVING = f"""
    CREATE TEMPORARY TABLE leaving ON COMMIT DROP AS
    WITH RECURSIVE family AS (
        SELECT id FROM chosen WHERE %(source)s::bigint IS NULL OR NOT {_IS_GIVEN.format(text="chosen.id")}
        UNION
        SELECT child.id FROM family JOIN sources_instruction AS child ON child.parent_id = family.id
        WHERE child.state <> %(removed)s AND NOT {_IS_GIVEN.format(text="child.id")}
    )
    SELECT id FROM family
"""  # noqa: S608 - made of constants
_STAYING = """
    CREATE TEMPORARY TABLE staying ON COMMIT DROP AS
    SELECT kept.id, bool_or(kept.is_made) AS is_made FROM (
        SELECT id, false AS is_made FROM chosen
        UNION ALL
        SELECT child.id, true FROM leaving JOIN sources_instruction AS child ON child.parent_id = leaving.id
        WHERE child.state <> %(removed)s
    ) AS kept
    WHERE NOT EXISTS (SELECT 1 FROM leaving WHERE leaving.id = kept.id) GROUP BY kept.id
"""
# Everybody who changes several instructions locks them in one order.
_LOCK = """
    SELECT 1 FROM sources_instruction WHERE id IN (SELECT id FROM leaving) ORDER BY id FOR NO KEY UPDATE
"""
_EMPTY = """
    UPDATE sources_instruction SET turns = '[]', language = '', characters = 0, state = %(removed)s
    WHERE id IN (SELECT id FROM leaving)
"""
_FORGET = (
    """
    UPDATE sources_provenance SET source_labels = '{}', suggested = NULL
    WHERE instruction_id IN (SELECT id FROM leaving)
    """,
    "DELETE FROM sources_personalfinding WHERE instruction_id IN (SELECT id FROM leaving)",
    """
    DELETE FROM sources_nearduplicate
    WHERE instruction_id IN (SELECT id FROM leaving) OR representative_id IN (SELECT id FROM leaving)
    """,
    # What stays is no longer said to come from the source, or from what was made of a text that is gone.
    """
    DELETE FROM sources_provenance AS given USING staying, sources_source AS origin
    WHERE given.instruction_id = staying.id AND origin.id = given.source_id
      AND (origin.id = %(source)s OR staying.is_made AND origin.augments_id IS NOT NULL)
    """,
    """
    INSERT INTO sources_tombstone (kind, digest, take_down_id, created_at)
    SELECT 'instruction', digest, %(take_down)s, now() FROM sources_instruction
    WHERE id IN (SELECT id FROM leaving) ORDER BY digest
    ON CONFLICT (digest) DO UPDATE SET take_down_id = excluded.take_down_id
    """,
)
# Joined, not "IN": with stale statistics the planner asked for the locked rows anew for each row, for minutes.
_CHANGE = """
    WITH locked (id) AS ({found})
    UPDATE sources_instruction AS changed SET state = %s FROM locked WHERE changed.id = locked.id
"""
_FAMILY = """
    WITH RECURSIVE family AS (
        SELECT %(instruction)s::bigint AS id
        UNION
        SELECT child.id FROM family JOIN sources_instruction AS child ON child.parent_id = family.id
    )
"""
_QUARANTINE = f"""
    {_FAMILY}, locked AS (
        SELECT id FROM sources_instruction WHERE id IN (SELECT id FROM family) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE sources_instruction SET state = %(quarantined)s
    WHERE id IN (SELECT id FROM locked) AND state IN (%(available)s, %(set_aside)s)
"""  # noqa: S608 - made of constants
# What another report still hides stays hidden.
_RELEASE = f"""
    {_FAMILY}, hidden AS (
        SELECT instruction_id AS id FROM sources_escalation WHERE state IN ('open', 'referred') AND id <> %(escalation)s
        UNION
        SELECT child.id FROM hidden JOIN sources_instruction AS child ON child.parent_id = hidden.id
    ), locked AS (
        SELECT id FROM sources_instruction
        WHERE id IN (SELECT id FROM family EXCEPT SELECT id FROM hidden) ORDER BY id FOR NO KEY UPDATE
    ), released AS (
        UPDATE sources_instruction SET state = %(available)s
        WHERE id IN (SELECT id FROM locked) AND state = %(quarantined)s RETURNING id
    )
    SELECT min(id), max(id) FROM released GROUP BY id / {screening.RANGE}
"""  # noqa: S608 - made of constants
_STATES = {
    "available": InstructionState.AVAILABLE,
    "set_aside": InstructionState.SET_ASIDE,
    "quarantined": InstructionState.QUARANTINED,
    "removed": InstructionState.REMOVED,
}


class TextIsGone(SourceError):
    """{escalation}: its text was taken down: there is nothing left to decide on"""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a take-down would do."""

    texts: int  # that go, those in ``augmented`` among them
    augmented: int  # that go because of what they were made of
    kept: int  # that stay, because another source gives them
    concerned: dict[str, int]  # what other apps have of those that go, in words


@dataclass(slots=True)
class Removal:
    """What a take-down did. Files are deleted when its transaction is committed; their lists are filled then."""

    take_down: TakeDown | None  # None where there was nothing to do
    effect: Effect
    deleted: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # sentences about files that still hold the texts


def register(
    concerned: Concerned, *, forget: Forget | None = None, afterwards: Callable[[], object] | None = None
) -> None:
    """Have a preview ask ``concerned``, a take-down ``forget``, and call ``afterwards`` when states were committed."""
    _concerned.append(concerned)
    if forget is not None:
        _forgetting.append(forget)
    if afterwards is not None:
        _afterwards.append(afterwards)


@transaction.atomic
def preview(criterion: Criterion) -> Effect:
    """What ``take_down`` would do now; changes nothing."""
    with connection.cursor() as cursor:
        return _gathered(cursor, criterion)


@transaction.atomic
def take_down(criterion: Criterion, reason: str, decided_by: Any = None) -> Removal:
    """Empty the texts that are found and all that was made of them; refuse them, and what the list names, for ever.

    What a source gave stays where another one gives it; the source is then no longer said to give it. So does an
    augmented text that a source gives as well. Uploads and staged files that may hold the texts are deleted.
    """
    gate.take_out()
    with connection.cursor() as cursor:
        removal = Removal(None, _gathered(cursor, criterion))
        found = removal.effect.texts + removal.effect.kept
        if found or _new(criterion.digests):
            removal.take_down = _record(criterion.by, criterion.words, reason, decided_by, removal.effect)
            _bury(criterion.digests, removal.take_down)
            gave = _sources(cursor, criterion)
            cursor.execute(_LOCK)
            cursor.execute(_EMPTY, _STATES)
            named = {"take_down": removal.take_down.pk, "source": criterion.source_id}
            for statement in _FORGET:
                cursor.execute(statement, named)
            for forget in _forgetting:
                forget(_leaving())
            # Words of a file in the reports of its imports may be the text.
            ImportChunk.objects.filter(run__source__in=gave).update(unmapped={}, first_offenders=[])
            if criterion.source is not None:
                # The same bytes are read again when they come again: what they gave is not all there any more.
                ImportChunk.objects.filter(run__source=criterion.source).update(content=None)
            transaction.on_commit(lambda: removal.left.extend(leftovers.foreign(gave)))
        transaction.on_commit(lambda: _delete_files(criterion, removal))
        _follow()
    return removal


@transaction.atomic
def refuse(name: str, lines: Iterable[str], reason: str, decided_by: Any = None) -> tuple[TakeDown | None, int]:
    """Let no import bring in what a list of digests names. Returns the record and how many digests are new.

    Texts that are here stay. Raises WrongDigests.
    """
    digests = read_digests(name, lines)
    gate.take_out()
    new = _new(digests)
    if not new:
        return None, 0
    record = _record(TakeDown.By.REFUSAL, name, reason, decided_by, Effect(0, 0, 0, {}))
    _bury(digests, record)
    return record, new


@transaction.atomic
def set_aside(instructions: QuerySet[Instruction]) -> int:
    """A curator rejects these: they are neither placed nor served nor published. Returns how many were available."""
    _follow()
    return _change(instructions, InstructionState.AVAILABLE, InstructionState.SET_ASIDE)


@transaction.atomic
def take_back(instructions: QuerySet[Instruction]) -> int:
    """Undo ``set_aside``. Returns how many are available again."""
    return _change(instructions, InstructionState.SET_ASIDE, InstructionState.AVAILABLE)


def report(instruction: Instruction, by: Any, reason: str = "") -> Escalation:
    """Somebody says that this is illegal: at once nobody is shown it any more, nor what was made of it."""
    hide(instruction, by, reason)
    # Once more when all are through who were making something of it, or releasing it, at that moment.
    with transaction.atomic():
        gate.take_out()
        return hide(instruction, by, reason)


@transaction.atomic
def hide(instruction: Instruction, by: Any, reason: str) -> Escalation:
    """The first half of ``report``, which waits for nobody who is making something of the instruction."""
    said = {"reason": texts.printable(reason), "reported_by": by}
    with connection.cursor() as cursor:
        cursor.execute(_QUARANTINE, {"instruction": instruction.pk, **_STATES})
    escalation, created = Escalation.objects.get_or_create(instruction=instruction, defaults=said)
    if not created and escalation.state == Escalation.State.RELEASED:
        now = timezone.now()
        Escalation.objects.filter(pk=escalation.pk).update(state=Escalation.State.OPEN, reported_at=now, **said)
        escalation.refresh_from_db()
    _follow()
    return escalation


@transaction.atomic
def decide(
    escalation: Escalation, state: Escalation.State, *, outcome: str = "", reference: str = "", by: Any = None
) -> Escalation:
    """Release what was reported, refer it (it stays hidden), or remove it with all that was made of it.

    What was released is available again, whatever it was before the report. Raises TextIsGone.
    """
    gate.take_out()
    decided = Escalation.objects.select_for_update().select_related("instruction").get(pk=escalation.pk)
    instruction = decided.instruction
    if instruction.state == InstructionState.REMOVED and state != Escalation.State.REMOVED:
        raise TextIsGone(escalation=decided)
    decided.state, decided.outcome, decided.reference = state, outcome, reference
    decided.decided_by, decided.decided_at = by, timezone.now()
    decided.save()
    named = {"instruction": instruction.pk, "escalation": decided.pk, **_STATES}
    if state == Escalation.State.REMOVED:
        family = RawSQL(f"{_FAMILY} SELECT id FROM family" % {"instruction": "%s"}, [instruction.pk])  # noqa: S608, S611
        left = Instruction.objects.filter(pk__in=family).exclude(state=InstructionState.REMOVED)
        take_down(Criterion(TakeDown.By.ID, instruction.public_id, lambda: left), f"escalation {decided.pk}", by)
    else:
        with connection.cursor() as cursor:
            if state == Escalation.State.RELEASED:
                _release(cursor, named)
            else:
                cursor.execute(_QUARANTINE, named)
        _follow()
    decided.refresh_from_db()
    return decided


def _release(cursor: CursorWrapper, named: Mapping[str, Any]) -> None:
    """Make available what no other report hides, and have it screened: that was left out while it was hidden."""
    cursor.execute(_RELEASE, named)
    Screening.objects.bulk_create(Screening(lowest=lowest, highest=highest) for lowest, highest in cursor.fetchall())


def _follow() -> None:
    for afterwards in _afterwards:
        transaction.on_commit(afterwards)


def _change(instructions: QuerySet[Instruction], before: InstructionState, after: InstructionState) -> int:
    chosen = Instruction.objects.filter(pk__in=instructions.values("pk"), state=before).order_by("pk")
    try:
        found, values = chosen.select_for_update(no_key=True).values("pk").query.sql_with_params()
    except EmptyResultSet:  # Django asks the database nothing where it knows that nothing is chosen
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_CHANGE.format(found=found), [*values, after])
        return int(cursor.rowcount)


def _gathered(cursor: CursorWrapper, criterion: Criterion) -> Effect:
    """Make the tables ``leaving`` and ``staying``, and count them."""
    named = {"source": criterion.source_id, **_STATES}
    cursor.execute("SET LOCAL client_min_messages = warning")
    cursor.execute("DROP TABLE IF EXISTS chosen, leaving, staying")
    found, values = criterion.found().order_by().values("pk").query.sql_with_params()
    cursor.execute(_CHOSEN.format(found=found), values)
    # The planner knows nothing of new tables: one id and a million ask for different plans.
    cursor.execute("ANALYZE chosen")
    cursor.execute(_LEAVING, named)
    cursor.execute(_STAYING, named)
    cursor.execute("CREATE UNIQUE INDEX ON leaving (id)")
    cursor.execute("ANALYZE leaving, staying")
    cursor.execute("""
        SELECT count(*), count(*) FILTER (WHERE chosen.id IS NULL), (SELECT count(*) FROM staying)
        FROM leaving LEFT JOIN chosen ON chosen.id = leaving.id
    """)
    counted, augmented, kept = cursor.fetchone() or (0, 0, 0)
    return Effect(counted, augmented, kept, {w: n for count in _concerned for w, n in count(_leaving()).items()})


def _leaving() -> RawSQL:
    return RawSQL("SELECT id FROM leaving", [])


def _record(by: TakeDown.By, words: str, reason: str, decided_by: Any, effect: Effect) -> TakeDown:
    return TakeDown.objects.create(
        by=by,
        criterion=texts.printable(words),
        reason=texts.printable(reason),
        removed=effect.texts,
        kept=effect.kept,
        decided_by=decided_by,
    )


def _new(digests: tuple[bytes, ...]) -> int:
    return len(digests) - Tombstone.objects.filter(digest__in=digests).count() if digests else 0


def _bury(digests: tuple[bytes, ...], record: TakeDown) -> None:
    stones = (Tombstone(kind=kind(digest), digest=digest, take_down=record) for digest in sorted(digests))
    Tombstone.objects.bulk_create(stones, batch_size=5_000, ignore_conflicts=True)


def _sources(cursor: CursorWrapper, criterion: Criterion) -> set[int]:
    """Those that gave what leaves, and the one that is taken down."""
    cursor.execute("SELECT DISTINCT source_id FROM sources_provenance WHERE instruction_id IN (SELECT id FROM leaving)")
    return {source for (source,) in cursor.fetchall()} | ({criterion.source_id} if criterion.source_id else set())


def _delete_files(criterion: Criterion, removal: Removal) -> None:
    deleted, left = leftovers.delete(criterion.source)
    removal.deleted += deleted
    removal.left += left
