"""How severe texts are, and that nobody is given more of them, or labels for longer, than they or the campaign want."""

import random
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.utils import timezone

from annotate import annotations, assignments, campaigns, care, remainder
from annotate.models import Annotation, Annotator, Assignment, Campaign, DeskDay, Severity, Unit
from annotate.remainder import Why
from annotate.statements import one
from sources.models import Provenance
from tests.annotate import worlds

TOKYO = "Asia/Tokyo"
# Suggestions of sources, and the severity that they let expect.
EXPECTED = [
    (None, Severity.NONE),
    ({"label": "casual", "tags": {"hate": 0.4}}, Severity.NONE),
    ({"label": "needs-caution"}, Severity.MILD),
    ({"tags": {"abuse-related": 1.0}}, Severity.MILD),
    ({"tags": {"hate": 0.5}}, Severity.SEVERE),
    ({"label": "needs-intervention"}, Severity.SEVERE),
    ({"label": "needs-intervention", "tags": {"sexual-content": 1}}, Severity.GRAVE),
]
WISHES: list[dict[str, int]] = [
    {"severe_per_day": 0},
    {"severe_per_day": 3},
    {"severe_per_day": 10, "calm_after": 1},
    {"calm_after": 2},
    {"severe_per_day": 25, "calm_after": 3},
]
DRIFTED = "SELECT count(*) FROM annotate_unit unit WHERE unit.severity <> annotate_severity(unit)"


def placed(severe: int, calm: int, overlap: int = 3, **fields: object) -> Campaign:
    """A campaign of so many texts of which hatred is expected, and so many others."""
    origin = worlds.source("letters")
    made = worlds.instructions(origin, [worlds.says(f"Letter {number}") for number in range(severe + calm)])
    hateful = Provenance.objects.filter(instruction__in=made[:severe])
    hateful.update(suggested={"tags": {"hate": 1.0}})
    letters = worlds.opened(origin, overlap=overlap)
    Campaign.objects.filter(pk=letters.pk).update(**fields)
    letters.refresh_from_db()
    return letters


def given(annotator: Annotator) -> list[int]:
    """Severities of all that somebody was given, in that order."""
    return list(Assignment.objects.filter(annotator=annotator).order_by("id").values_list("severity", flat=True))


def _end(held: Assignment, mood: float, late: list[Assignment]) -> None:
    """Mostly an answer, sometimes another end of a lease, or an answer long after one."""
    if mood < 0.85:
        ended = Assignment.objects.filter(pk=held.pk, state="live")
        ended.update(state="submitted", ended_at=timezone.now())
    elif mood < 0.9:
        assignments.release(held, Assignment.Reason.DISTRESSING)
    elif mood < 0.95:
        assignments.release(held, Assignment.Reason.SIGNED_OUT)
        late.append(held)
    elif late:
        worlds.say(late.pop(0))
    else:
        care.leave(held.annotator)
        care.come_back(held.annotator)


def is_calm_again(annotator: Annotator) -> None:
    """As if everything so far had been an hour ago."""
    hour = timedelta(hours=1)
    Assignment.objects.filter(annotator=annotator, ended_at__isnull=False).update(ended_at=F("ended_at") - hour)


@pytest.mark.django_db
@pytest.mark.parametrize(("suggested", "severity"), EXPECTED)
def test_it_expects_what_the_sources_suggest(suggested: object, severity: Severity) -> None:
    origin = worlds.source()
    worlds.instructions(origin, [worlds.says("Letter")])
    Provenance.objects.update(suggested=suggested)
    assert worlds.opened(origin).units.get().severity == severity


@pytest.mark.django_db
def test_two_votes_take_the_place_of_what_was_expected_and_one_makes_it_worse() -> None:
    letters = placed(1, 0)
    ada, bob, cyd = (worlds.person(name) for name in ("ada", "bob", "cyd"))

    def now() -> int:
        return letters.units.get().severity

    worlds.vote(ada, letters)
    assert now() == Severity.SEVERE
    worlds.vote(bob, letters, "needs-caution")
    assert now() == Severity.MILD
    last = worlds.vote(cyd, letters, "needs-intervention")
    assert now() == Severity.SEVERE
    worlds.revise(Annotation.objects.get(assignment=last), "needs-intervention", {"hate": True})
    assert now() == Severity.GRAVE
    annotations.withdraw(cyd, last.pk, Assignment.Reason.UNSURE)
    assert now() == Severity.MILD


@pytest.mark.django_db
def test_severities_never_drift_from_the_votes() -> None:
    chance = random.Random(7)
    letters = placed(5, 15)
    people = [worlds.person(f"person-{number}") for number in range(6)]
    for _ in range(60):
        who = chance.choice(people)
        held = assignments.claim_next(who, letters)
        mine = list(Annotation.objects.counted().filter(annotator=who))
        choice = chance.choice(["casual", "casual", "needs-caution", "needs-intervention"])
        tags = {"hate": chance.random() < 0.3, "abuse-related": chance.random() < 0.3}
        if mine and (held is None or chance.random() < 0.3):
            said = chance.choice(mine)
            assert said.assignment_id is not None
            if chance.random() < 0.5:
                worlds.revise(said, choice, tags)
            else:
                annotations.withdraw(who, said.assignment_id, Assignment.Reason.UNSURE)
        elif held is not None:
            worlds.say(held, choice, tags)
        assert one(DRIFTED, {})[0] == 0
    assert len(set(letters.units.values_list("severity", flat=True))) > 2
    before = list(letters.units.order_by("pk").values_list("severity", flat=True))
    campaigns.weigh(letters)
    assert list(letters.units.order_by("pk").values_list("severity", flat=True)) == before


# Limits: a thousand assignments, and none against them.


@pytest.mark.django_db
def test_nothing_is_given_against_a_limit_in_a_thousand_assignments() -> None:
    """Texts fetched ahead, answered late, skipped, given back and left by the quick exit are among them."""
    chance = random.Random(11)
    letters = placed(60, 240, overlap=12, severe_per_day=20)
    people = [worlds.person(f"person-{number}") for number in range(len(WISHES))]
    for who, wish in zip(people, WISHES, strict=True):
        Annotator.objects.filter(pk=who.pk).update(**wish)
        who.refresh_from_db()
    late: list[Assignment] = []
    for _ in range(10_000):
        who, mood, wanted = chance.choice(people), chance.random(), chance.choice((1, 2))
        # What `assignments.claim` asks once or several times.
        held = assignments._claimed(who, letters, wanted, patient=chance.random() < 0.2)
        for lease in held[:1]:
            _end(Assignment(pk=lease.assignment_id, unit_id=lease.unit_id, annotator=who), mood, late)
        if len(held) < wanted and Assignment.objects.count() >= 1000:
            break
    assert Assignment.objects.count() >= 1000
    for who in people:
        units = Assignment.objects.filter(annotator=who, severity__gte=Severity.SEVERE).values_list("unit", flat=True)
        most = min(20, who.severe_per_day if who.severe_per_day is not None else 20)
        assert len(set(units)) <= most, who
        severities = given(who)
        for number, severity in enumerate(severities):
            if severity >= Severity.SEVERE:
                following = severities[number + 1 : number + 1 + who.calm_after]
                assert all(one < Severity.SEVERE for one in following), (who, number)
    assert sum(len(set(given(who))) for who in people) > len(people)


@pytest.mark.django_db
def test_a_limit_ends_with_the_day_of_the_person_s_time_zone() -> None:
    letters = placed(6, 0, severe_per_day=2)
    ada = worlds.person("ada")
    Annotator.objects.update(time_zone=TOKYO)
    ada.refresh_from_db()
    for _ in range(2):
        worlds.vote(ada, letters)
    assert assignments.claim(ada, letters, 2) == []
    assert remainder.why(ada, letters) == Why.SEVERE
    midnight = timezone.now().astimezone(ZoneInfo(TOKYO)).replace(hour=0, minute=0, second=0, microsecond=0)
    first, second = Assignment.objects.order_by("id")
    Assignment.objects.filter(pk=first.pk).update(claimed_at=midnight)
    assert assignments.claim(ada, letters, 2) == []
    Assignment.objects.filter(pk=first.pk).update(claimed_at=midnight - timedelta(microseconds=1))
    assert len(assignments.claim(ada, letters, 2)) == 1
    assert len([severity for severity in given(ada) if severity >= 2]) == 3
    assert second.claimed_at > midnight or second.claimed_at <= timezone.now()


@pytest.mark.django_db
def test_a_severe_text_that_comes_back_the_same_day_is_one_and_calm_ones_go_on() -> None:
    letters = placed(1, 2, severe_per_day=1)
    ada = worlds.person("ada")
    hateful = letters.units.get(severity=Severity.SEVERE)
    Unit.objects.exclude(pk=hateful.pk).update(overlap=0)
    held = worlds.claimed(ada, letters)
    assignments.release(held, Assignment.Reason.SIGNED_OUT)
    assert assignments.claim(ada, letters) == []
    Unit.objects.exclude(pk=hateful.pk).update(overlap=3)
    assert len(assignments.claim(ada, letters, 2)) == 2
    assert given(ada) == [Severity.SEVERE, Severity.NONE, Severity.NONE]


@pytest.mark.django_db
def test_after_a_severe_text_calm_ones_come_or_a_break() -> None:
    letters = placed(4, 0, calm_after=1)
    ada = worlds.person("ada")
    worlds.vote(ada, letters)
    assert assignments.claim(ada, letters, 2) == []
    assert remainder.why(ada, letters) == Why.CALM
    is_calm_again(ada)
    assert len(assignments.claim(ada, letters, 2)) == 1  # the other of the two hands waits again


@pytest.mark.django_db
def test_the_day_s_minutes_are_a_hard_stop_whatever_is_asked(client: Client) -> None:
    letters = placed(0, 9, minutes_per_day=60)
    ada = worlds.person("ada")
    Annotator.objects.update(minutes_per_day=30, time_zone=TOKYO)
    ada.refresh_from_db()
    held = worlds.claimed(ada, letters)
    day = DeskDay.objects.get()
    assert day.day == timezone.now().astimezone(ZoneInfo(TOKYO)).date()
    DeskDay.objects.update(milliseconds=30 * 60_000)
    assert worlds.claimed(ada, letters) == held  # what is held may be finished
    worlds.say(held)
    assert assignments.claim(ada, letters, 2) == []
    assert remainder.why(ada, letters) == Why.MINUTES
    client.force_login(ada)
    assert "Your time for today is over." in client.get(letters.get_absolute_url()).content.decode()
    DeskDay.objects.update(day=day.day - timedelta(days=1))
    assert len(assignments.claim(ada, letters, 2)) == 2


@pytest.mark.django_db
def test_time_counts_from_look_to_look_and_no_more_than_three_minutes_of_it() -> None:
    letters = placed(0, 9)
    ada = worlds.person("ada")
    worlds.claimed(ada, letters)

    def after(seconds: int) -> int:
        DeskDay.objects.update(seen_at=timezone.now() - timedelta(seconds=seconds))
        worlds.claimed(ada, letters)
        return round(DeskDay.objects.get().milliseconds / 1000)

    assert after(60) == 60
    assert after(60) == 120
    assert after(3600) == 300
    assert after(5) == 300  # a row is not written for every answer; the seconds come with the next look
    assert care.exposure(ada, timezone.now()).minutes == 5


@pytest.mark.django_db(transaction=True)
def test_two_tabs_at_once_share_one_limit() -> None:
    from tests.annotate.visitors import together

    letters = placed(12, 0, severe_per_day=3)
    ada = worlds.person("ada")

    def tab() -> None:
        for _ in range(6):
            for lease in assignments.claim(ada, letters, 2):
                with transaction.atomic():
                    held = Assignment.objects.select_related("annotator").get(pk=lease.assignment_id)
                worlds.say(held)

    assert together([tab, tab, tab]) == []
    assert len(given(ada)) == 3
    assert connection.is_usable()
    assert worlds.problems(letters) == []


# Pages.


@pytest.mark.django_db
def test_it_keeps_what_a_person_finds_comfortable(client: Client) -> None:
    ada, letters = worlds.person("ada"), placed(1, 1)
    client.force_login(ada)
    wish = {"severe_per_day": "5", "minutes_per_day": "45", "calm_after": "2", "time_zone": TOKYO, "is_masked": "on"}
    assert "Saved." in client.post("/preferences/", {**wish, "keys_enabled": "on"}, follow=True).content.decode()
    ada.refresh_from_db()
    assert (ada.severe_per_day, ada.minutes_per_day, ada.calm_after, ada.time_zone) == (5, 45, 2, TOKYO)
    assert (ada.is_masked, ada.is_still) == (True, False)
    assert '<details class="more mask">' in client.get(letters.get_absolute_url()).content.decode()
    cards = client.post(f"{letters.get_absolute_url()}cards/", {"holding": ""}, headers={"Accept": "application/json"})
    assert all('class="more mask"' in lease["text"] for lease in cards.json()["leases"])
    assert client.post("/preferences/", {"time_zone": "Mars/Olympus"}).status_code == 422
    assert client.post("/preferences/", {"severe_per_day": "-1"}).status_code == 422


@pytest.mark.django_db
def test_a_severe_text_is_folded_among_one_s_last_answers(client: Client) -> None:
    ada, letters = worlds.person("ada"), placed(1, 0)
    worlds.vote(ada, letters, "needs-intervention")
    client.force_login(ada)
    page = client.get(f"{letters.get_absolute_url()}answers/").content.decode()
    assert "A severe text: show its beginning" in page


@pytest.mark.django_db
def test_admins_see_totals_of_what_somebody_read(client: Client) -> None:
    ada, letters = worlds.person("ada"), placed(1, 1)
    for _ in range(2):
        worlds.vote(ada, letters)
    client.force_login(worlds.person("grace", is_staff=True))
    page = client.get(f"/admin/annotate/annotator/{ada.pk}/change/").content.decode()
    assert "1 severe texts of 2 given in the last 30 days; 0 minutes at the desk" in page
    assert "Letter 0" not in page
