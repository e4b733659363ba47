"""Pattern tables follow the votes, whatever happens to these."""

import pytest

from annotate import annotations, tallies
from annotate.models import Annotation, Assignment, PatternCount, UnitTally
from annotate.tallies import Scope
from tests.annotate import worlds
from tests.annotate.tallied import differences

pytestmark = pytest.mark.django_db


def test_votes_become_patterns_and_patterns_tables() -> None:
    kindness = worlds.campaign(units=2, overlap=3)
    for name, choices in {"ada": ["casual", "casual"], "bob": ["casual", "needs-intervention"]}.items():
        person = worlds.person(name)
        for choice in choices:
            worlds.vote(person, kindness, choice)
    assert tallies.waiting() == 4
    assert tallies.fold() == 4
    assert tallies.waiting() == 0
    table = tallies.patterns(Scope((kindness.pk,)))[None]
    assert table.options == ("casual", "needs-caution", "needs-intervention")
    assert table.counts.tolist() == [[1, 0, 1], [2, 0, 0]]
    assert table.multiplicity.tolist() == [1, 1]
    assert differences() == []


def test_a_vote_changed_and_taken_back_leaves_nothing() -> None:
    kindness = worlds.campaign(units=1, overlap=3)
    mine = worlds.claimed(worlds.person("ada"), kindness)
    worlds.say(mine, "casual", {"hate": True})
    assert differences() == []
    worlds.revise(Annotation.objects.get(), "needs-caution", {"hate": False})
    assert differences() == []
    assert dict(PatternCount.objects.values_list("kind", "pattern")) == {"base": [1], "tag:hate": [0]}
    assert annotations.withdraw(mine.annotator, mine.pk, Assignment.Reason.UNSURE)
    assert differences() == []
    assert not PatternCount.objects.exists()
    assert not UnitTally.objects.exists()
