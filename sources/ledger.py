"""The ledger of licences: which public datasets there are, and under what terms."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import OperationalError, connection, transaction

from sources.errors import SourceError
from sources.importers.importer import Importer
from sources.models import Source, license_named


class SourceDiffers(SourceError):
    """source {source}: its {field} is {there!r}, not {given!r}: leave that out, or change it in the admin first"""


class LicenseMissing(SourceError):
    """source {source} is new and has no licence: give its SPDX identifier, or unknown, and it will not be published"""


class NotDerived(SourceError):
    """source {source}: is there and was not made of {parent}: choose another name"""


class WrongSource(SourceError):
    """source {source}: {field}: {problem}"""


# What a format may know of the dataset it was written for.
FACTS = ("license", "address", "attribution")


def entry(name: str, revision: str = "", importer: Importer | None = None, **facts: str) -> Source:
    """The source of that name and revision; if it is new, not saved yet, with ``facts`` (license, title, ...).

    What ``facts`` leave out of a new source, ``importer`` fills in if it was written for one dataset. Raises
    SourceDiffers where a fact that is given and not empty is another than the ledger's.
    """
    given = {field: _kept(field, fact) for field, fact in facts.items() if fact}
    known = Source.objects.filter(name=name, revision=revision).first()
    if known is None:
        given = {field: getattr(importer, field) for field in FACTS if importer and getattr(importer, field)} | given
        return _new(Source(name=name, revision=revision, **given), given)
    for field, fact in given.items():
        there = getattr(known, field)
        if _kept(field, there) != fact:
            raise SourceDiffers(source=known, field=field, there=there, given=fact)
    return known


# How long at a time the ledger is waited for: a chunk of an import is written in a second or two.
WAIT, TRIES, PAUSE = "10s", 12, 0.5


def given_until() -> datetime:
    """A moment such that no provenance from before it can still be committed.

    Waits for chunks that are being written, and keeps new ones out for the length of one query. Call it outside a
    transaction. Raises OperationalError if the table is never free.
    """
    for _ in range(TRIES - 1):
        with suppress(OperationalError):
            return _given_until()
        time.sleep(PAUSE)
    return _given_until()


def _given_until() -> datetime:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [WAIT])
        cursor.execute("LOCK TABLE sources_provenance IN SHARE MODE")
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment


def derived(source: Source, augmenter_name: str, name: str = "") -> Source:
    """The source of what an augmenter makes of ``source``; if it is new, not saved yet, under the terms of ``source``.

    Without a ``name`` it is called SOURCE-AUGMENTER. Raises NotDerived for the name of another one.
    """
    called = name or f"{source.name}-{augmenter_name}"
    known = Source.objects.filter(name=called, revision=source.revision).first()
    if known is None:
        made_from = f"Augmented from {source}"
        facts = {
            "title": f"{source.title or source.name}, augmented by {augmenter_name}"[:200],
            "license": source.license,
            "address": source.address,
            "attribution": f"{made_from}. {source.attribution}" if source.attribution else f"{made_from}.",
        }
        facts_of_new = Source(
            name=called, revision=source.revision, augments=source, precedence=source.precedence, **facts
        )
        return _new(facts_of_new, facts)
    if known.augments_id != source.pk:
        raise NotDerived(source=known, parent=source)
    return known


def _kept(field: str, fact: str) -> str:
    return license_named(fact) if field == "license" else fact


def _new(source: Source, given: dict[str, str]) -> Source:
    if "license" not in given:
        raise LicenseMissing(source=source)
    try:
        # The licence of another source was checked when it was written, by what was known then.
        source.full_clean(exclude={"license"} if source.augments else None)
    except ValidationError as error:
        field, problems = next(iter(error.message_dict.items()))
        raise WrongSource(source=repr(source.name), field=field, problem=problems[0]) from None
    return source
