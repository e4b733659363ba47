"""Votes of two revisions of one label set are published together."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from annotate import guidelines
from annotate.models import Campaign, Unit
from exports import derivation, release_files
from exports.models import Snapshot
from sources.models import Source
from tests.annotate import revisions
from tests.exports import worlds

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def kindness() -> Campaign:
    return worlds.campaign("kindness")


@pytest.fixture
def letters() -> Source:
    return worlds.source("letters")


@pytest.fixture
def mixed(kindness: Campaign, letters: Source) -> Unit:
    """Two votes under the shipped revision and one under the next, which has a tag more."""
    placed = worlds.unit(kindness, worlds.instruction("Mixed: is this rude?", letters))
    three = worlds.people("ada ben cleo")
    worlds.vote(placed, three[0], worlds.CASUAL, hate=False)
    worlds.vote(placed, three[1], worlds.CAUTION, hate=True)
    guidelines.adopt(kindness, revisions.loaded(revisions.with_tag()))
    worlds.vote(Unit.objects.get(pk=placed.pk), three[2], worlds.CAUTION, hate=True, rumour=True)
    return placed


def only_line(snapshot: Snapshot) -> dict[str, Any]:
    (line,) = (snapshot.path / release_files.file_names(snapshot.version)["records"]).read_text().splitlines()
    found: dict[str, Any] = json.loads(line)["metadata"]
    return found


def test_it_counts_them_together_by_code(mixed: Unit) -> None:
    snapshot = worlds.published("0.3")
    line = only_line(snapshot)
    assert line["votes"] == {"casual": 1, "needs caution": 2, "needs intervention": 0}
    assert line["tag_votes"]["hate"] == {"yes": 2, "no": 1, "outcome": "yes"}
    assert line["tag_votes"]["rumour"] == {"yes": 1, "no": 0, "outcome": "yes"}
    assert snapshot.manifest["label_set"]["revision"] == revisions.SECOND
    assert snapshot.statistics["votes"] == 3
    assert snapshot.statistics["label_set"]["tags"][-1] == "rumour"


def test_a_tag_that_came_later_is_not_answered_in_older_votes(kindness: Campaign, letters: Source) -> None:
    worlds.agreeing(kindness, letters)
    guidelines.adopt(kindness, revisions.loaded(revisions.with_tag()))
    snapshot = worlds.published("0.3")
    assert only_line(snapshot)["tag_votes"]["rumour"] == {"yes": 0, "no": 0, "outcome": "not answered"}


def test_a_name_that_changed_is_published_as_it_is_now(kindness: Campaign, letters: Source) -> None:
    worlds.agreeing(kindness, letters)
    spec = revisions.reworded()
    hate, *rest = spec.tags
    guidelines.adopt(kindness, revisions.loaded(replace(spec, tags=(replace(hate, name="renamed"), *rest))))
    assert "renamed" in only_line(worlds.published("0.3"))["tag_votes"]


def test_what_was_published_before_keeps_its_bytes(kindness: Campaign, letters: Source) -> None:
    worlds.agreeing(kindness, letters)
    snapshot = worlds.published("0.3")
    guidelines.adopt(kindness, revisions.loaded(revisions.with_tag()))
    derivation.rederive(snapshot)
    assert derivation.selection(snapshot).label_set.revision == revisions.FIRST
