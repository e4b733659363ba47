from __future__ import annotations

import pytest
from django.test import Client

from annotate import assignments, progress
from annotate.annotations import Outcome, last_answers, withdraw
from annotate.models import Annotator, Assignment, Campaign, Participation
from annotate.progress import Agreement, InRelease
from exports import snapshots
from exports.models import Snapshot
from sources.models import InstructionState
from tests.annotate import worlds

pytestmark = pytest.mark.django_db


def everybody(campaign: Campaign, *says: tuple[Annotator, str]) -> None:
    """Each of them answers every unit of the campaign with the same."""
    for who, choice in says:
        for _ in range(campaign.units.count()):
            worlds.vote(who, campaign, choice)


@pytest.fixture
def people() -> list[Annotator]:
    return [worlds.person(name) for name in ("ada", "bob", "cyd", "dan")]


def of(annotator: Annotator, campaign: Campaign) -> Agreement | None:
    return progress.agreement(annotator).get(campaign.pk)


def test_it_compares_with_the_most_frequent_answer_of_the_others(people: list[Annotator]) -> None:
    ada, bob, cyd, _ = people
    kindness = worlds.campaign(units=2)
    everybody(kindness, (ada, "casual"), (bob, "casual"), (cyd, "casual"))
    assert of(ada, kindness) == Agreement(2, 2, 0)
    other = worlds.campaign(units=3, slug="other")
    everybody(other, (ada, "casual"), (bob, "needs-caution"), (cyd, "needs-caution"))
    assert of(ada, other) == Agreement(3, 0, 0)
    assert of(ada, kindness) == Agreement(2, 2, 0)


def test_it_leaves_ties_of_the_others_out_and_counts_them(people: list[Annotator]) -> None:
    ada, bob, cyd, _ = people
    kindness = worlds.campaign(units=2)
    everybody(kindness, (ada, "casual"), (bob, "casual"), (cyd, "needs-caution"))
    # Of Ada's own answer and Bob's, two to one, she would agree with the majority: but the others are divided.
    assert of(ada, kindness) == Agreement(0, 0, 2)
    assert of(cyd, kindness) == Agreement(2, 0, 0)


def test_it_says_nothing_of_what_is_not_complete(people: list[Annotator]) -> None:
    ada, bob, cyd, _ = people
    kindness = worlds.campaign(units=1)
    everybody(kindness, (ada, "casual"), (bob, "casual"))
    assert of(ada, kindness) is None
    lease = worlds.claimed(cyd, kindness)  # taken = overlap now, but one of it is not a vote
    assert of(ada, kindness) is None
    worlds.say(lease)
    assert of(ada, kindness) == Agreement(1, 1, 0)


def test_it_counts_only_what_counts_now(people: list[Annotator]) -> None:
    ada, bob, cyd, dan = people
    kindness = worlds.campaign(units=1, overlap=2)
    everybody(kindness, (ada, "casual"), (bob, "needs-caution"))
    assert worlds.revise(last_answers(bob, kindness)[0], "casual") == Outcome.CHANGED
    assert of(ada, kindness) == Agreement(1, 1, 0)
    bobs = Assignment.objects.get(annotator=bob)
    assert withdraw(bob, bobs.pk, Assignment.Reason.UNSURE)
    assert of(ada, kindness) is None
    everybody(kindness, (dan, "needs-intervention"))
    assert of(ada, kindness) == Agreement(1, 0, 0)
    assert of(bob, kindness) is None
    kindness.units.update(is_withdrawn=True)
    assert of(ada, kindness) is None
    assert cyd.annotations.count() == 0


def test_it_compares_nothing_where_nobody_else_votes(people: list[Annotator]) -> None:
    alone = worlds.campaign(units=2, overlap=1)
    everybody(alone, (people[0], "casual"))
    assert of(people[0], alone) is None


def test_it_looks_at_the_newest_of_each_campaign(people: list[Annotator], monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob, *_ = people
    kindness = worlds.campaign(units=4, overlap=2)
    first = {worlds.vote(ada, kindness, "casual").unit_id for _ in range(2)}
    for _ in range(2):
        worlds.vote(ada, kindness, "needs-caution")
    while lease := assignments.claim_next(bob, kindness):
        worlds.say(lease, "needs-caution" if lease.unit_id not in first else "needs-intervention")
    assert of(ada, kindness) == Agreement(4, 2, 0)
    monkeypatch.setattr(progress, "NEWEST", 2)
    assert of(ada, kindness) == Agreement(2, 2, 0)


def test_the_page_says_how_often_once_there_are_enough(client: Client, people: list[Annotator]) -> None:
    ada, bob, *_ = people
    kindness = worlds.campaign(units=progress.FEWEST_COMPARED, overlap=2)
    worlds.campaign(slug="elsewhere")
    everybody(kindness, (ada, "casual"))
    for number in range(progress.FEWEST_COMPARED - 1):
        worlds.vote(bob, kindness, "casual" if number % 2 else "needs-caution")
    client.force_login(ada)
    page = client.get("/progress/").content.decode()
    assert "You have labelled 20 texts here." in page
    assert "All together have given 39 of 40 votes." in page
    assert "Too few to say: 19 complete texts can be compared, and 20 are needed." in page
    assert "elsewhere" not in page.lower()
    worlds.vote(bob, kindness, "casual")
    page = client.get("/progress/").content.decode()
    assert "On 50% of 20 complete texts, your answer is the one that most of the others gave." in page
    assert "bob" not in page


def test_the_page_asks_the_database_as_often_for_many_campaigns(
    client: Client, people: list[Annotator], django_assert_num_queries: object
) -> None:
    client.force_login(people[0])
    worlds.vote(people[0], worlds.campaign())
    client.get("/progress/")
    with django_assert_num_queries(7) as few:  # type: ignore[operator]
        client.get("/progress/")
    for number in range(3):
        worlds.vote(people[0], worlds.campaign(slug=f"more-{number}"))
    with django_assert_num_queries(len(few)):  # type: ignore[operator]
        client.get("/progress/")


def test_the_page_of_who_gave_no_votes(client: Client, people: list[Annotator]) -> None:
    client.force_login(people[0])
    page = client.get("/progress/").content.decode()
    assert "No votes yet" in page
    assert "No release holds votes of yours yet." in page


def published(version: str, *campaigns: Campaign) -> Snapshot:
    snapshot = snapshots.prepare(version, list(campaigns))
    snapshots.work(snapshot)
    snapshot.refresh_from_db()
    assert snapshot.is_published, snapshot.error
    return snapshot


@pytest.mark.django_db(transaction=True)
def test_it_counts_the_votes_that_are_in_each_release(client: Client) -> None:
    ada, bob = worlds.person("ada"), worlds.person("bob")
    kindness = worlds.campaign(units=4, overlap=2)
    everybody(kindness, (bob, "casual"))
    published("0.1", kindness)
    for _ in range(3):
        worlds.vote(ada, kindness)
    release = published("0.9", kindness)
    worlds.vote(ada, kindness)  # after the cut
    first = Assignment.objects.filter(annotator=ada).order_by("pk")[0]
    assert withdraw(ada, first.pk, Assignment.Reason.UNSURE)  # after the cut: it is in 0.9, and not in 0.10
    again = published("0.10", kindness)
    assert progress.in_releases(ada) == [
        InRelease("0.10", again.get_absolute_url(), 3),
        InRelease("0.9", release.get_absolute_url(), 3),
    ]
    for found in (*progress.in_releases(bob), *progress.in_releases(ada)):
        assert found.votes <= Snapshot.objects.get(version=found.version).manifest["votes"]
    client.force_login(ada)
    assert "3 of your votes are in v0.9</a>" in client.get("/progress/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_one_person_is_one_reader_of_a_text_and_withheld_texts_are_in_no_release() -> None:
    ada, bob = worlds.person("ada"), worlds.person("bob")
    origin = worlds.source()
    worlds.instructions(origin, [worlds.says("One"), worlds.says("Two")])
    one, two = worlds.opened(origin, slug="one"), worlds.opened(origin, slug="two", family_distance=0)
    everybody(one, (ada, "casual"), (bob, "casual"))
    everybody(two, (ada, "needs-caution"))
    snapshot = published("0.1", one, two)
    assert [(found.version, found.votes) for found in progress.in_releases(ada)] == [("0.1", 2)]
    assert snapshot.manifest["left_out"]["votes"]["the same person again, in another campaign"] == 2
    text = one.units.order_by("pk")[0].instruction
    text.state = InstructionState.SET_ASIDE
    text.save()
    assert [found.votes for found in progress.in_releases(ada)] == [1]
    type(origin).objects.filter(pk=origin.pk).update(license="unknown")
    assert progress.in_releases(ada) == []
    assert Participation.objects.get(annotator=ada, campaign=one).votes == 2
