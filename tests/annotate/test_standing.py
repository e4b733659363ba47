"""Pauses lifted, people excluded and taken back; gold made of unanimous votes; what a person is told of gold."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from annotate import assignments, campaigns, known, progress, quality, standing
from annotate.annotations import Outcome
from annotate.errors import StandingRefused
from annotate.models import Annotation, Annotator, Assignment, Campaign, KnownAnswer, Participation, Unit
from labels.agreement import wilson
from tests.annotate import worlds
from tests.annotate.test_gold import label, make_gold, set_up

pytestmark = pytest.mark.django_db


@pytest.fixture
def kindness() -> Campaign:
    return worlds.campaign(units=6, overlap=2)


def here(person: Annotator, campaign: Campaign) -> Participation:
    return Participation.objects.get(annotator=person, campaign=campaign)


def test_who_is_excluded_is_served_nothing_and_their_slots_reopen_although_the_campaign_is_closed(
    kindness: Campaign,
) -> None:
    ada, bob, root = worlds.person("ada"), worlds.person("bob"), worlds.person("root")
    given = label(ada, kindness, 3)
    label(bob, kindness, 2)
    held = worlds.claimed(ada, kindness)
    before = Annotation.objects.count()
    cut = Annotation.objects.latest("pk").pk
    campaigns.close(kindness)
    with pytest.raises(StandingRefused, match="Say why"):
        standing.exclude(here(ada, kindness), " ", root)
    standing.exclude(here(ada, kindness), "a script", root)
    assert assignments.claim(ada, kindness, 2) == []
    assert worlds.say(held) == Outcome.PAUSED
    assert standing.withdraw_all() == 4
    assert standing.withdraw_all() == 0
    assert Annotation.objects.counted().filter(annotator=ada).count() == 0
    assert Annotation.objects.counted(cut).filter(annotator=ada).count() == 3  # a release of then has them
    assert Annotation.objects.count() == before + 1 + 4
    assert sum(Unit.objects.values_list("taken", flat=True)) == 2
    Campaign.objects.update(state=Campaign.State.OPEN)
    assert worlds.say(given[0]) == Outcome.PAUSED
    assert worlds.problems(kindness) == []
    assert len(label(worlds.person("cyd"), kindness, 6)) == 6
    standing.take_back(here(ada, kindness), root)
    assert {one.unit_id for one in label(ada, kindness, 2)}.isdisjoint(one.unit_id for one in given)
    with pytest.raises(StandingRefused, match="reload"):
        standing.lift(here(ada, kindness), root)


def test_the_bound_that_pauses_is_wilsons(kindness: Campaign) -> None:
    ada = worlds.person("ada")
    make_gold(kindness, 6)
    for choice in ("casual", "casual", "needs-caution", "casual", "needs-caution"):
        worlds.vote(ada, kindness, choice)
    found = standing.accuracy(here(ada, kindness))
    assert (found.right, found.n) == (3, 5)
    assert found.high == pytest.approx(wilson(3, 5)[1])
    Campaign.objects.update(gold_window=2)
    kindness.refresh_from_db()
    assert standing.accuracy(here(ada, kindness))[:2] == (1, 2)


def test_unanimous_texts_become_gold_for_those_who_did_not_vote(kindness: Campaign) -> None:
    ada, bob = worlds.person("ada"), worlds.person("bob")
    answers = ("casual", "casual", "casual", "needs-caution", "casual")
    for person in (ada, bob):
        for choice in answers:
            worlds.vote(person, kindness, choice if person == ada or choice != "needs-caution" else "casual")
    assert known.promote(kindness, 2, 2, None) == 2
    assert known.promote(kindness, 10, 2, None) == 2  # not the split one, nor the one with no votes
    assert known.promote(kindness, 10, 2, None) == 0
    assert quality.golds(kindness) == {}  # who made it agrees with it by construction
    set_up(kindness, gold_every=2, gold_seed=1)
    cyd = worlds.person("cyd")
    while cyd.pk not in quality.golds(kindness):
        if held := assignments.claim_next(cyd, kindness):
            worlds.say(held)
        else:
            Participation.objects.filter(annotator=cyd).update(draws=F("draws") + 1)  # chance decides anew


def test_gold_is_told_after_an_hour_as_it_was_answered_then(client: Client, kindness: Campaign) -> None:
    ada = worlds.person("ada")
    make_gold(kindness, 2, why="It only greets.")
    held = worlds.vote(ada, kindness, "needs-caution")
    assert progress.on_gold(ada, timezone.now()) == {}
    found = progress.on_gold(ada, timezone.now() + timedelta(hours=2))[kindness.pk]
    assert (found.n, found.right, len(found.differing)) == (1, 0, 1)
    Participation.objects.update(standing="paused", pauses=1)  # then nothing can be changed, and it is told at once
    said = Annotation.objects.get(assignment=held)
    assert worlds.revise(said, "casual") == Outcome.PAUSED
    client.force_login(ada)
    page = client.get("/progress/").content.decode()
    assert "It only greets." in page
    page = client.get(kindness.get_absolute_url()).content.decode()
    assert "This campaign is paused for you" in page


def test_a_curator_sees_why_lifts_and_excludes(client: Client, kindness: Campaign) -> None:
    ada, root = worlds.person("ada"), worlds.person("root", is_staff=True)
    label(ada, kindness, 2)
    Participation.objects.update(
        standing="paused", standing_why="2 of the last 9", standing_at=timezone.now(), pauses=3, tries=1
    )
    client.force_login(root)
    assert "2 of the last 9" in client.get(f"/admin/annotate/campaign/{kindness.pk}/quality/").content.decode()
    address = f"/admin/annotate/annotator/{ada.pk}/standing/"
    assert address in client.get(f"/admin/annotate/annotator/{ada.pk}/change/").content.decode()
    assert "2 of the last 9" in client.get(address).content.decode()
    sent = {"participation": here(ada, kindness).pk}
    client.post(address, sent | {"verb": "give_tries"})
    client.post(address, sent | {"verb": "lift"})
    assert (here(ada, kindness).standing, here(ada, kindness).tries) == ("", 0)
    assert "Say why" in client.post(address, sent | {"verb": "exclude"}, follow=True).content.decode()
    client.post(address, sent | {"verb": "exclude", "why": "a script"})
    found = here(ada, kindness)
    assert (found.standing, found.standing_why, found.standing_by) == ("excluded", "a script", root)
    standing.withdraw_all()
    assert not Assignment.objects.submitted().filter(annotator=ada).exists()
    page = client.post("/admin/annotate/knownanswer/promote/", {"campaign": kindness.pk, "most": 5, "fewest": 2})
    assert page.status_code == 302
    kindness.qualification_percent = 70
    [doubt] = known.doubts(kindness)
    assert doubt.startswith(
        "People are to qualify, and no known answer of Kindness is for qualification: nobody gets in"
    )
    assert not KnownAnswer.objects.exists()
