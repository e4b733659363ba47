"""Texts that are reported, and texts that a curator sets aside."""

from __future__ import annotations

import pytest
from django.db.models import Q

from sources import criteria, removals
from sources.models import (
    Escalation,
    Instruction,
    TakeDown,
)
from sources.removals import TextIsGone
from tests.sources.letters import (
    AVAILABLE,
    QUARANTINED,
    REMOVED,
    SET_ASIDE,
    WHY,
    said,
    source,
    states,
)

pytestmark = pytest.mark.django_db


# --- Quarantine -------------------------------------------------------------------------------------------------------


def test_a_report_hides_a_text_and_what_was_made_of_it() -> None:
    letters = source()
    noise = source("noise", augments=letters)
    parent = said("parent", letters)
    child = said("child", noise, letters, parent=parent)
    other = said("other", letters)
    escalation = removals.report(parent, None, "looks illegal")
    assert states(parent, child, other) == [QUARANTINED, QUARANTINED, AVAILABLE]
    assert (escalation.state, escalation.reason) == ("open", "looks illegal")
    assert removals.report(parent, None).pk == escalation.pk
    assert list(Instruction.objects.visible()) == [other]
    assert "parent" not in str(parent)


def test_it_is_released_or_referred_or_removed() -> None:
    letters = source()
    noise = source("noise", augments=letters)
    parent = said("parent", letters)
    child = said("child", noise, letters, parent=parent)
    escalation = removals.report(parent, None)
    removals.decide(escalation, Escalation.State.REFERRED, reference="case 7")
    assert states(parent, child) == [QUARANTINED, QUARANTINED]
    released = removals.decide(escalation, Escalation.State.RELEASED, outcome="a quotation")
    assert states(parent, child) == [AVAILABLE, AVAILABLE]
    assert (released.state, released.outcome) == ("released", "a quotation")
    assert released.decided_at is not None
    assert removals.report(parent, None, "again").state == "open"
    removals.decide(escalation, Escalation.State.REMOVED, outcome="it was illegal")
    # What was made of illegal material goes, whoever gives it.
    assert states(parent, child) == [REMOVED, REMOVED]
    assert TakeDown.objects.get().removed == 2
    with pytest.raises(TextIsGone, match="nothing left to decide"):
        removals.decide(escalation, Escalation.State.RELEASED)
    assert states(parent, child) == [REMOVED, REMOVED]


def test_what_another_report_hides_stays_hidden() -> None:
    letters = source()
    noise = source("noise", augments=letters)
    parent = said("parent", letters)
    child = said("child", noise, parent=parent)
    grandchild = said("grandchild", noise, parent=child)
    of_parent, of_child = removals.report(parent, None), removals.report(child, None)
    removals.decide(of_parent, Escalation.State.RELEASED)
    assert states(parent, child, grandchild) == [AVAILABLE, QUARANTINED, QUARANTINED]
    removals.report(parent, None)
    removals.decide(of_child, Escalation.State.RELEASED)
    assert states(parent, child, grandchild) == [QUARANTINED] * 3
    removals.decide(of_parent, Escalation.State.RELEASED)
    assert states(parent, child, grandchild) == [AVAILABLE] * 3


def test_a_quarantined_text_can_be_taken_down_by_any_way() -> None:
    hidden = said("hidden", source())
    removals.report(hidden, None)
    assert removals.take_down(criteria.by_pattern("hidden"), WHY).effect.texts == 1


# --- Set aside --------------------------------------------------------------------------------------------------------


def test_a_curator_sets_aside_and_takes_back() -> None:
    letters = source()
    first, second = said("first", letters), said("second", letters)
    hidden = said("hidden", letters)
    removals.report(hidden, None)
    of_letters = Instruction.objects.filter(Q(provenances__source=letters)).distinct()
    assert removals.set_aside(of_letters) == 2
    assert removals.set_aside(of_letters) == 0
    assert states(first, second, hidden) == [SET_ASIDE, SET_ASIDE, QUARANTINED]
    assert removals.take_back(Instruction.objects.filter(pk=first.pk)) == 1
    assert removals.take_back(of_letters[:1]) == 0
    assert removals.set_aside(Instruction.objects.none()) == 0
    assert states(first, second, hidden) == [AVAILABLE, SET_ASIDE, QUARANTINED]
