"""Dynamic overlap: votes are asked for until they settle a unit, whoever votes, withdraws or leaves meanwhile."""

import json
import random
import threading
from collections.abc import Collection
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from annotate import annotations, assignments, campaigns, measures, sample, stopping
from annotate.annotations import Outcome
from annotate.errors import CampaignRefused
from annotate.models import Annotation, Annotator, Assignment, Campaign, KnownAnswer, StoppingRule, Unit
from annotate.tallies import Scope
from labels.models import Label
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

OPTIONS = ("casual", "needs-caution", "needs-intervention")
# Two the same are enough, three of which two are casual too; no unit gets more than four.
STOPS = ["0,0", "1,1", "2,2", "0,0,1"]
MINIMUM, CAP = 2, 4


def rule(campaign: Campaign) -> StoppingRule:
    return StoppingRule.objects.create(
        campaign=campaign, minimum=MINIMUM, cap=CAP, stops=STOPS, table={"version": "0" * 64}
    )


def used(units: int = 1, overlap: int = 3) -> Campaign:
    campaign = worlds.campaign(units=units, overlap=overlap)
    stopping.use(campaign, rule(campaign))
    campaign.refresh_from_db()
    return campaign


def vote(name: str, campaign: Campaign, choice: str) -> Assignment:
    person = Annotator.objects.filter(username=name).first() or worlds.person(name)
    return worlds.vote(person, campaign, choice)


def unsettled(campaign: Campaign, units: Collection[int] | None = None) -> list[str]:
    """Units that nobody reads and that want another number of votes than the rule says; decided here in Python."""
    found = []
    of = Unit.objects.filter(campaign=campaign)
    for unit in of if units is None else of.filter(pk__in=units):
        if Assignment.objects.live().filter(unit=unit).exists():
            continue
        choices = Annotation.objects.counted().filter(unit=unit).values_list("choice__code", flat=True)
        pattern = sorted(OPTIONS.index(choice) for choice in choices)
        is_enough = len(pattern) >= CAP or ",".join(map(str, pattern)) in STOPS
        wanted = max(MINIMUM, len(pattern) + (not is_enough))
        if KnownAnswer.objects.gold().filter(unit=unit).exists():
            wanted = max(CAP, unit.taken)
        if unit.overlap != wanted:
            found.append(f"{unit} has {pattern} and wants {unit.overlap} votes instead of {wanted}")
    return found


def test_every_unit_gets_the_minimum() -> None:
    campaign = used()
    assert campaign.overlap == campaign.units.get().overlap == MINIMUM


def test_votes_that_settle_a_unit_end_it() -> None:
    campaign = used()
    for name in ("ada", "bob"):
        vote(name, campaign, "casual")
    assert campaign.units.get().overlap == 2
    assert assignments.claim_next(worlds.person("cyd"), campaign) is None


def test_one_more_is_asked_until_they_do_or_the_cap_is_reached() -> None:
    campaign = used()
    for name, choice, wanted in [
        ("ada", "casual", 2),
        ("bob", "needs-intervention", 3),
        ("cyd", "needs-caution", 4),
        ("dan", "casual", 4),
    ]:
        vote(name, campaign, choice)
        assert campaign.units.get().overlap == wanted, name
    assert assignments.claim_next(worlds.person("eve"), campaign) is None


def test_somebody_whose_cursor_has_passed_it_is_given_a_unit_that_is_wanted_again() -> None:
    campaign = used(units=2)
    cyd = worlds.person("cyd")
    first = campaign.units.order_by("position").first()
    assert first is not None
    vote("ada", campaign, "casual")
    vote("bob", campaign, "needs-intervention")  # the first unit wants a third vote now, behind the second
    seen = {worlds.vote(cyd, campaign).unit_id, worlds.vote(cyd, campaign).unit_id}
    assert seen == set(campaign.units.values_list("pk", flat=True))


def test_nothing_is_decided_while_somebody_reads() -> None:
    campaign = used()
    ada, bob = worlds.person("ada"), worlds.person("bob")
    held = worlds.claimed(bob, campaign)
    worlds.vote(ada, campaign, "casual")
    assert campaign.units.get().overlap == 2
    worlds.say(held, "needs-intervention")
    assert campaign.units.get().overlap == 3


def test_a_changed_or_withdrawn_vote_is_looked_up_anew() -> None:
    campaign = used()
    vote("ada", campaign, "casual")
    vote("bob", campaign, "needs-intervention")
    assert campaign.units.get().overlap == 3
    said = Annotation.objects.get(annotator__username="bob")
    worlds.revise(said, "casual")
    assert campaign.units.get().overlap == 2
    latest = Annotation.objects.filter(annotator__username="bob").latest("pk")
    worlds.revise(latest, "needs-intervention")
    assert campaign.units.get().overlap == 3
    bob = said.annotator
    assert bob is not None
    assert said.assignment_id is not None
    annotations.withdraw(bob, said.assignment_id, Assignment.Reason.UNSURE)
    assert unsettled(campaign) == []


def test_a_rule_settles_what_was_voted_on_before_and_can_be_dropped_again() -> None:
    campaign = worlds.campaign(units=4, overlap=3)
    for name, choices in [("ada", ["casual"] * 4), ("bob", ["casual", "casual", "needs-intervention", "casual"])]:
        for choice in choices:
            vote(name, campaign, choice)
    stopping.use(campaign, rule(campaign))
    assert unsettled(campaign) == []
    assert sorted(campaign.units.values_list("overlap", flat=True)) == [2, 2, 2, 3]
    with pytest.raises(CampaignRefused, match="stop using its rule first"):
        campaigns.change_overlap(campaign, 5)
    stopping.drop(campaign, 3)
    assert set(campaign.units.values_list("overlap", flat=True)) == {3}


@pytest.mark.parametrize("seed", range(6))
def test_over_a_long_walk_every_unit_wants_what_the_rule_says(seed: int) -> None:
    campaign = used(units=4)
    chance = random.Random(seed)
    people = [worlds.person(f"person-{number}") for number in range(6)]
    for step in range(120):
        person = chance.choice(people)
        held = Assignment.objects.live().filter(annotator=person).first()
        mine = list(Annotation.objects.counted().filter(annotator=person))
        touched = {held.unit_id} if held else set[int]()
        match chance.choice(["claim", "claim", "say", "say", "say", "decline", "withdraw", "revise", "expire"]):
            case "claim":
                assignments.claim_next(person, campaign)
            case "say" if held:
                worlds.say(held, chance.choice(OPTIONS))
            case "decline" if held:
                assignments.release(held, Assignment.Reason.UNSURE)
            case "expire" if held:
                touched = set(Assignment.objects.live().values_list("unit", flat=True))
                assignments.release_expired(timezone.now() + campaign.lease * 2)
            case "withdraw" if mine and chance.random() < 0.3:
                said = chance.choice(mine)
                touched = {said.unit_id}
                annotations.withdraw(person, said.assignment_id or 0, Assignment.Reason.UNSURE)
            case "revise" if mine:
                said = chance.choice(mine)
                touched = {said.unit_id}
                worlds.revise(said, chance.choice(OPTIONS))
        assert unsettled(campaign, touched) == [], f"step {step}"
    assert unsettled(campaign) == []
    assert worlds.problems(campaign) == []
    assert Annotation.objects.count() > 10


def test_a_text_that_was_settled_meanwhile_asks_for_nobody_when_its_reader_leaves() -> None:
    campaign = used()
    vote("ada", campaign, "casual")
    vote("bob", campaign, "needs-intervention")
    cyd = worlds.person("cyd")
    held = worlds.claimed(cyd, campaign)
    worlds.revise(Annotation.objects.get(annotator__username="bob"), "casual")
    assert campaign.units.get().overlap == 3  # somebody reads it
    position = campaign.units.get().position
    assignments.release_expired(timezone.now() + campaign.lease * 2)
    unit = campaign.units.get()
    assert (unit.overlap, unit.taken, unit.position) == (2, 2, position)
    assert assignments.claim_next(worlds.person("dan"), campaign) is None
    assert worlds.say(held, "casual") == Outcome.SURPLUS


def test_a_text_with_gold_gets_the_cap_whatever_is_said_of_it() -> None:
    campaign = used(units=2)
    unit = campaign.units.order_by("position").first()
    assert unit is not None
    casual = Label.objects.get(label_set=campaign.label_set, code="casual")
    KnownAnswer.objects.create(unit=unit, choice=casual)
    stopping.settle_all(campaign)
    for name in ("ada", "bob", "cyd", "dan"):
        person = worlds.person(name)
        for _ in range(2):
            if assignments.claim_next(person, campaign):
                vote(name, campaign, "casual")
    assert dict(campaign.units.values_list("pk", "taken")) == {
        unit.pk: CAP,
        campaign.units.exclude(pk=unit.pk).get().pk: 2,
    }


def test_a_campaign_goes_back_to_the_overlap_that_it_had() -> None:
    campaign = worlds.campaign(overlap=3)
    first, second = rule(campaign), rule(campaign)
    for made in (first, first, second):
        stopping.use(campaign, made)
        campaign.refresh_from_db()
    assert campaign.overlap == MINIMUM
    assert stopping.overlap_without_rule(campaign) == 3
    stopping.drop(campaign)
    campaign.refresh_from_db()
    assert (campaign.overlap, campaign.stopping) == (3, None)
    assert stopping.overlap_without_rule(campaign) == 3


def test_measures_say_that_votes_were_stopped_early_also_afterwards() -> None:
    campaign = worlds.campaign()
    scope = Scope((campaign.pk,))
    assert measures.of_scope(scope)["warnings"] == []
    stopping.use(campaign, rule(campaign))
    campaign.refresh_from_db()
    stopping.drop(campaign)
    [warning] = measures.of_scope(scope)["warnings"]
    assert "AC1 come out too high" in warning


@pytest.mark.django_db(transaction=True)
def test_of_two_last_votes_at_once_the_later_decides() -> None:
    """Without the lock of ``annotate_hold`` neither would see the other's vote, and the unit would stay split."""
    campaign = used(units=12)
    people = [worlds.person(f"person-{number}") for number in range(4)]
    start = threading.Barrier(len(people))

    def work(person: Annotator, choice: str) -> None:
        with closing(connection):
            start.wait()
            while held := assignments.claim_next(person, campaign):
                worlds.say(held, choice)

    threads = [
        threading.Thread(target=work, args=(person, OPTIONS[number % 3])) for number, person in enumerate(people)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert unsettled(campaign) == []
    assert worlds.problems(campaign) == []
    assert not Unit.objects.filter(campaign=campaign, taken__lt=2).exists()


@pytest.fixture
def taught() -> Campaign:
    """Forty texts with three votes each, of which all but a few are right, and with known answers."""
    campaign = worlds.campaign(units=40, overlap=3)
    labels = {label.code: label for label in Label.objects.filter(label_set=campaign.label_set)}
    chance = random.Random(3)
    truth = {unit.pk: chance.choice(OPTIONS) for unit in campaign.units.all()}
    for name in ("ada", "bob", "cyd"):
        person = worlds.person(name)
        for _ in range(40):
            held = worlds.claimed(person, campaign)
            worlds.say(held, truth[held.unit_id] if chance.random() < 0.9 else chance.choice(OPTIONS))
    KnownAnswer.objects.bulk_create(KnownAnswer(unit_id=unit, choice=labels[code]) for unit, code in truth.items())
    return campaign


def test_it_tells_what_a_policy_would_have_cost_and_gained(taught: Campaign, tmp_path: Path) -> None:
    out = StringIO()
    written = tmp_path / "policies.json"
    call_command("simulate_overlap", campaign=taught.slug, minimum=2, cap=3, target=0.85, json=written, stdout=out)
    found = json.loads(written.read_bytes())
    policies = {row["policy"]: row for row in found["policies"]}
    assert policies["fixed 3"]["votes"] == 120
    assert 80 <= policies["2 to 3"]["votes"] < 120
    assert policies["2 to 3"]["accuracy"] == found["table"]["accuracy"] >= 0.85
    assert policies["fixed 3"]["same_published_as_all_votes"] == 1
    assert policies["2 to 3"]["same_published_as_usual"] < 1
    assert policies["fixed 5"]["is_lower_bound"]
    assert sum(policies["2 to 3"]["published"].values()) == 40
    with pytest.raises(CommandError, match=r"nowhere/a\.json: cannot be written \(No such file"):
        call_command("simulate_overlap", campaign=taught.slug, json=tmp_path / "nowhere" / "a.json", stdout=StringIO())
    said = out.getvalue()
    assert "on 40 known answers that were held out" in said
    assert "more gold tells more" in said
    assert "“possibly needs caution” goes from" in said
    assert "at least 120" in said


def test_it_warns_only_where_published_labels_say_how_readers_divide(taught: Campaign) -> None:
    assert "which nobody votes for" in stopping.simulate(taught, 2, 3, 0.85).warning
    with pytest.raises(CampaignRefused, match="Tick that you accept this"):
        stopping.make(taught, 2, 3, 0.85, None)
    taught.aggregation = Campaign.Aggregation.MEDIAN
    assert stopping.simulate(taught, 2, 3, 0.85).warning == ""
    assert stopping.make(taught, 2, 3, 0.85, None).stops


def make(campaign: Campaign, cap: int = 3, version: str | None = None) -> StoppingRule:
    return stopping.make(campaign, 2, cap, 0.85, None, version=version, labels_may_shift=True)


def test_a_rule_is_made_of_known_answers_and_kept_with_its_version(taught: Campaign) -> None:
    made, again = make(taught), make(taught)
    assert made.version == again.version
    assert made.stops
    assert set(made.stops) <= {f"{one},{two}" for one in range(3) for two in range(3)}
    assert make(taught, cap=4).version != made.version


def test_only_the_table_that_was_looked_at_is_put_to_use(taught: Campaign) -> None:
    seen = stopping.simulate(taught, 2, 3, 0.85).table.version
    KnownAnswer.objects.filter(pk=KnownAnswer.objects.first().pk).delete()  # type: ignore[union-attr]
    with pytest.raises(CampaignRefused, match="look again"):
        make(taught, version=seen)
    now = stopping.simulate(taught, 2, 3, 0.85).table.version
    assert make(taught, version=now).version == now


def test_a_large_campaign_is_read_in_part(taught: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """All texts with gold, and of the others those that the hash draws."""
    chosen = set(KnownAnswer.objects.order_by("pk").values_list("pk", flat=True)[:35])
    KnownAnswer.objects.exclude(pk__in=chosen).delete()
    whole = sample.read(taught)
    assert whole.is_drawn.all()
    assert (whole.about, len(whole.unit)) == ("", 120)
    monkeypatch.setattr(sample, "MOST_VOTES", 60)
    part = sample.read(taught)
    assert 35 <= len(part.gold) < 40
    assert 0 < part.is_drawn.sum() < 30
    assert (part.gold >= 0).sum() == 35
    assert "drawn of the campaign's 40 texts" in part.about
    found = stopping.simulate(taught, 2, 3, 0.85)
    assert found.replays[0].n_units == part.is_drawn.sum()
    assert found.table.n_gold == 35


@pytest.fixture
def untaught() -> Campaign:
    campaign = worlds.campaign()
    vote("ada", campaign, "casual")
    return campaign


def test_it_says_what_is_missing(untaught: Campaign) -> None:
    with pytest.raises(CampaignRefused, match="0 known answers have votes; give at least 30"):
        stopping.make(untaught, 2, 7, 0.9, None, labels_may_shift=True)
    for arguments, message in [
        ({"campaign": "nowhere"}, "There is no campaign 'nowhere'; the campaigns are: kindness."),
        ({"campaign": untaught.slug}, "0 known answers have votes; give at least 30."),
        ({"campaign": untaught.slug, "fixed": "x"}, "--fixed 'x': write whole numbers from 1, as 2,3,5."),
    ]:
        with pytest.raises(CommandError) as refused:
            call_command("simulate_overlap", **arguments)
        assert message in str(refused.value)
