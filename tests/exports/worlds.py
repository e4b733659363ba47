"""A small world whose every published line can be checked by eye: named people, and a unit for each thing that happens.

Rows are written directly, so that what publishing makes of them depends on nothing but themselves.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from itertools import count

from django.db import connection, transaction
from django.utils import timezone

from annotate.models import Annotation, Annotator, Campaign, Unit
from exports import snapshots
from exports.models import Snapshot
from labels import loading
from labels.models import Label
from sources import texts
from sources.models import ImportRun, Instruction, Provenance, Source
from sources.rows import Turn

CASUAL, CAUTION, INTERVENTION = "casual", "needs-caution", "needs-intervention"

_keys = count(1)


def source(name: str, license_: str = "CC-BY-4.0", revision: str = "1", **facts: object) -> Source:
    return Source.objects.create(name=name, license=license_, revision=revision, **facts)


def campaign(slug: str, *, label_set: str = "oig-safety", target: str = "prompt", **fields: object) -> Campaign:
    """An open campaign without units."""
    chosen = loading.load_shipped_set(label_set)
    return Campaign.objects.create(
        slug=slug, title=slug.title(), state=Campaign.State.OPEN, label_set=chosen, target=target, **fields
    )


def person(name: str, kind: Annotator.Kind = Annotator.Kind.HUMAN) -> Annotator:
    return Annotator.objects.get_or_create(username=name, defaults={"kind": kind})[0]


def people(names: str) -> list[Annotator]:
    return [person(name) for name in names.split()]


def says(text: str) -> list[Turn]:
    return [{"role": "human", "text": text}]


def instruction(
    turns: str | list[Turn], *sources: Source, language: str = "en", parent: Instruction | None = None
) -> Instruction:
    """An instruction that ``sources`` gave, in their order, each in row ``row N``."""
    turns = says(turns) if isinstance(turns, str) else turns
    root = parent and (parent.root or parent)
    facts = {"turns": turns, "language": language, "parent": parent, "root": root}
    made = Instruction.objects.create(digest=texts.digest(turns), **facts)
    for origin in sources:
        how = {"format": "typos", "augments": origin.augments} if origin.augments else {"format": "columns"}
        run, _ = ImportRun.objects.get_or_create(source=origin, state="finished", **how)
        row = f"row {origin.provenances.count() + 1}"
        Provenance.objects.create(instruction=made, source=origin, run=run, row=row)
    return made


def unit(where: Campaign, placed: Instruction) -> Unit:
    return Unit.objects.create(campaign=where, instruction=placed, position=where.units.count(), overlap=where.overlap)


def vote(
    of: Unit,
    annotator: Annotator | None,
    choice: str | None,
    *,
    supersedes: Annotation | None = None,
    surplus: bool = False,
    **tags: bool,
) -> Annotation:
    """One annotation; ``choice`` None withdraws. Tags by code, with ``_`` for ``-``."""
    label = Label.objects.get(label_set=of.campaign.label_set, code=choice) if choice else None
    return Annotation.objects.create(
        unit=of,
        annotator=annotator,
        choice=label,
        tags={code.replace("_", "-"): said for code, said in tags.items()},
        supersedes=supersedes,
        surplus=surplus,
        key=uuid.UUID(int=next(_keys)),
    )


def votes(of: Unit, annotators: Sequence[Annotator], *choices: str) -> None:
    for annotator, choice in zip(annotators, choices, strict=True):
        vote(of, annotator, choice)


def agreeing(where: Campaign, origin: Source, text: str = "How do I descale a kettle?") -> Unit:
    """A unit on which Ada and Ben say that it is casual."""
    placed = unit(where, instruction(text, origin))
    votes(placed, people("ada ben"), CASUAL, CASUAL)
    return placed


def published(version: str = "0.3", *campaigns: Campaign) -> Snapshot:
    snapshot = snapshots.prepare(version, campaigns, allow_lower=True)
    snapshots.work(snapshot)
    snapshot.refresh_from_db()
    assert snapshot.is_published, snapshot.error
    return snapshot


def lose_worker(snapshot: Snapshot) -> None:
    """As if the worker had been killed and its lease had lapsed."""
    Snapshot.objects.filter(pk=snapshot.pk).update(state="running", lease_until=timezone.now() - timedelta(1))


def lose_commit(snapshot: Snapshot) -> None:
    """As if the worker had been killed between its rename and its commit."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE exports_snapshot DISABLE TRIGGER exports_published_stays")
        Snapshot.objects.filter(pk=snapshot.pk).update(standing="draft", state="queued")
        cursor.execute("ALTER TABLE exports_snapshot ENABLE TRIGGER exports_published_stays")


def everything() -> list[Campaign]:
    """Both campaigns, with a unit for each thing that can happen to votes."""
    letters = source("letters", address="https://example.org/letters", attribution="Letters | of *many* people.")
    secrets = source("secrets", "unknown")
    kindness, patience = campaign("kindness"), campaign("patience")
    three = people("ada ben cleo")

    def placed(text: str | list[Turn], *origins: Source, language: str = "en") -> Unit:
        return unit(kindness, instruction(text, *(origins or [letters]), language=language))

    votes(placed("Unanimous: how do I descale a kettle?"), three, CASUAL, CASUAL, CASUAL)
    majority = placed("Majority: write a rude reply to my landlord.")
    vote(majority, three[0], CAUTION, abuse_related=True, hate=False)
    vote(majority, three[1], CAUTION, abuse_related=True)
    vote(majority, three[2], CASUAL, abuse_related=False)
    votes(placed("No majority: can I mix these two cleaners?"), three[:2], CASUAL, CAUTION)
    votes(placed("Against: he says he will jump."), three, CASUAL, CASUAL, INTERVENTION)
    six = people("ada ben cleo dora eve fay")
    votes(placed("Below the cut: I cannot sleep any more."), six, *[CAUTION] * 5, INTERVENTION)
    votes(placed("Too few votes: one reader only."), three[:1], CASUAL)
    tie = placed("Tag tie: is this joke about my neighbours funny?")
    vote(tie, three[0], CASUAL, hate=True)
    vote(tie, person("sam", Annotator.Kind.SIMULATED), CASUAL, hate=False)
    votes(placed("Unlicensed: never published.", secrets), three, CASUAL, CASUAL, CASUAL)
    surplus = placed("Surplus: the third came too late.")
    votes(surplus, three[:2], CASUAL, CASUAL)
    vote(surplus, three[2], INTERVENTION, surplus=True)
    withdrawn = placed("Withdrawn: the third took it back.")
    votes(withdrawn, three[:2], CASUAL, CASUAL)
    vote(withdrawn, three[2], None, supersedes=vote(withdrawn, three[2], INTERVENTION))
    superseded = placed("Superseded: Ada thought again.")
    vote(superseded, three[0], CAUTION, supersedes=vote(superseded, three[0], CASUAL))
    vote(superseded, three[1], CAUTION)
    twice = placed("Two campaigns: Ada answered in both.")
    vote(twice, three[0], CASUAL)
    votes(unit(patience, twice.instruction), three[:2], CAUTION, CAUTION)
    anonymous = placed("Anonymous: the dataset does not say who voted.")
    for _ in range(3):
        vote(anonymous, None, CAUTION)
    dialogue = placed(
        [{"role": "human", "text": "شكرا"}, {"role": "bot", "text": "عفوا"}, {"role": "human", "text": "مع السلامة"}],
        language="ar",
    )
    vote(dialogue, person("letters@1:7", Annotator.Kind.EXTERNAL), CASUAL, sexual_content=False)
    vote(dialogue, three[0], CASUAL)
    html = '<script>alert("HTML")</script> {{ 7|add:7 }} & \\n a\u2028line\u0085separator, a tab\t, \U0001f600'
    votes(placed(html, language=""), three[:2], CASUAL, CASUAL)
    noisy = source("letters-typos", augments=letters)
    child = instruction("Child: of the unanimous one.", noisy, parent=Instruction.objects.earliest("pk"))
    votes(unit(kindness, child), three[:2], CASUAL, CASUAL)
    votes(placed("Both sources: the one with a licence counts.", secrets, letters), three[:2], CASUAL, CASUAL)
    gone = placed("Nothing left: its only vote was withdrawn.")
    vote(gone, three[0], None, supersedes=vote(gone, three[0], CASUAL))
    return [kindness, patience]
