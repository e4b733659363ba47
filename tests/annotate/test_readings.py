"""Practice, qualification and gold keep to the limits and wishes of a person as every other text does."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.db.models import Case, Value, When
from django.test import Client
from django.utils import timezone

from annotate import assignments, care, known, readings, training
from annotate.models import (
    Annotator,
    Assignment,
    Campaign,
    DeskDay,
    KnownAnswer,
    Participation,
    Reading,
    Severity,
    Trial,
    Unit,
)
from annotate.training import PRACTICE, QUALIFICATION, Demand
from tests.annotate import worlds
from tests.annotate.test_gold import make_gold, set_up
from tests.annotate.test_severity import placed

pytestmark = pytest.mark.django_db

WISHES: list[dict[str, object]] = [
    {"severe_per_day": 0},
    {"severe_per_day": 2},
    {"severe_per_day": 6, "calm_after": 1},
    {"calm_after": 2, "avoided_topics": ["hate"]},
    {"severe_per_day": 12, "calm_after": 3},
    {"avoided_topics": ["abuse-related"]},
]


def person(name: str, **wishes: object) -> Annotator:
    made = worlds.person(name)
    Annotator.objects.filter(pk=made.pk).update(**wishes)
    made.refresh_from_db()
    return made


def known_letters(severe: int, calm: int, phases: dict[str, tuple[int, int]], **limits: int) -> Campaign:
    """A campaign in which so many severe and calm units of each phase have a known answer."""
    letters = placed(severe, calm, **limits)
    for phase, (hateful, harmless) in phases.items():
        free = Unit.objects.filter(campaign=letters, known_answer=None).order_by("pk")
        chosen = [
            *free.filter(severity__gte=Severity.SEVERE)[:hateful],
            *free.filter(severity__lt=Severity.SEVERE)[:harmless],
        ]
        known.add(letters, known.read("\n".join(f"{unit.pk},casual,because" for unit in chosen)), phase, None)
    return letters


def practise(who: Annotator, campaign: Campaign, phase: str = PRACTICE) -> Severity | None:
    """The severity of what somebody is given there, which they answer; None if it is nothing."""
    found, _ = training.give(who, campaign, phase)
    if found is None:
        return None
    assert training.answer(who, campaign, phase, found.pk, "casual", {})
    return Severity(found.unit.severity)


def given(who: Annotator) -> list[tuple[int, int]]:
    """Unit and severity of all that a person was given, in that order."""
    assigned = Assignment.objects.filter(annotator=who).values_list("claimed_at", "unit", "severity")
    read = Reading.objects.filter(annotator=who).values_list("given_at", "unit", "severity")
    return [(unit, severity) for _, unit, severity in sorted([*assigned, *read])]


def test_of_a_thousand_texts_of_every_phase_none_is_given_against_a_limit_or_a_wish() -> None:
    """Fetched ahead, answered, skipped, left at once, asked for again: in practice, qualification and labelling."""
    chance = random.Random(5)
    phases = {PRACTICE: (4, 6), QUALIFICATION: (3, 5), "gold": (20, 40)}
    letters = known_letters(90, 310, phases, overlap=4, severe_per_day=10)
    set_up(letters, practice=True, qualification_percent=10, gold_every=4, gold_seed=3)
    Unit.objects.filter(campaign=letters, severity__gte=Severity.SEVERE, pk__in=_some(letters, 3)).update(
        topics=["hate"]
    )
    Unit.objects.filter(campaign=letters, pk__in=_some(letters, 7)).update(topics=["abuse-related"])
    topics = dict(letters.units.values_list("pk", "topics"))
    people = [
        person(f"person-{number}", **wish) for number, wish in enumerate(wish for wish in WISHES for _ in range(2))
    ]
    for number in range(10_000):
        if number % 50 == 0 and Assignment.objects.count() + Reading.objects.count() >= 1_000:
            break
        who, mood = chance.choice(people), chance.random()
        demand = training.demanded(who, letters, timezone.now())
        if demand in (Demand.PRACTICE, Demand.QUALIFICATION):
            _train(who, letters, PRACTICE if demand is Demand.PRACTICE else QUALIFICATION, mood)
        else:
            _label(who, letters, mood, chance.choice((1, 2)))
    assert Assignment.objects.count() + Reading.objects.count() >= 1_000
    assert Reading.objects.filter(severity__gte=Severity.SEVERE).exists()
    assert Assignment.objects.filter(is_check=True).exists()
    assert Assignment.objects.filter(unit__known_answer__phase="gold", severity__gte=Severity.SEVERE).exists()
    for who in people:
        found = given(who)
        most = min(10, who.severe_per_day if who.severe_per_day is not None else 10)
        assert len({unit for unit, severity in found if severity >= Severity.SEVERE}) <= most, who
        assert not [unit for unit, _ in found if set(topics[unit]) & set(who.avoided_topics)], who
        for number, (_, severity) in enumerate(found):
            if severity >= Severity.SEVERE:
                following = found[number + 1 : number + 1 + who.calm_after]
                assert all(one < Severity.SEVERE for _, one in following), (who, number)


def _some(campaign: Campaign, every: int) -> list[int]:
    return list(campaign.units.order_by("pk").values_list("pk", flat=True))[::every]


def _train(who: Annotator, campaign: Campaign, phase: str, mood: float) -> None:
    found, _ = training.give(who, campaign, phase)
    if found is None:
        # Nothing more of it today: as if they came through by another way.
        Participation.objects.filter(annotator=who).update(practised_at=timezone.now(), qualified_at=timezone.now())
    elif mood < 0.8:
        assert training.answer(who, campaign, phase, found.pk, "casual", {})
    elif mood < 0.9:
        assert training.skip(who, campaign, phase, found.pk)
    elif mood < 0.95:
        assert training.give(who, campaign, phase) == (found, "")
    else:
        care.leave(who)
        assert training.give(who, campaign, phase) == (None, "")
        care.come_back(who)


def _label(who: Annotator, campaign: Campaign, mood: float, wanted: int) -> None:
    held = assignments._claimed(who, campaign, wanted, patient=mood < 0.1)
    for lease in held[:1]:
        mine = Assignment(pk=lease.assignment_id, unit_id=lease.unit_id, annotator=who)
        if mood < 0.85:
            state = Case(When(is_check=True, then=Value("surplus")), default=Value("submitted"))
            Assignment.objects.filter(pk=mine.pk, state="live").update(state=state, ended_at=timezone.now())
        elif mood < 0.93:
            assignments.release(mine, Assignment.Reason.DISTRESSING)
        elif mood < 0.97:
            assignments.release(mine, Assignment.Reason.SIGNED_OUT)
        else:
            care.leave(who)
            care.come_back(who)


def test_practice_counts_for_the_day_and_calm_texts_come_first() -> None:
    letters = known_letters(6, 6, {PRACTICE: (3, 1)}, severe_per_day=2)
    set_up(letters, practice=True)
    ada = worlds.person("ada")
    first = [practise(ada, letters) for _ in range(4)]
    assert (first.count(Severity.SEVERE), first.count(Severity.NONE), first[3]) == (2, 1, None)
    assert training.give(ada, letters, PRACTICE) == (None, "severe")
    set_up(letters, severe_per_day=None)
    assert practise(ada, letters) == Severity.SEVERE
    set_up(letters, severe_per_day=3)
    assert Assignment.objects.count() == 0
    assert all(lease.unit_id not in letters.units.filter(severity=2) for lease in assignments.claim(ada, letters, 2))
    assert care.exposure(ada, timezone.now()).severe == 3


def test_after_a_severe_practice_text_a_break_does_and_an_abandoned_one_ends_by_itself() -> None:
    letters = known_letters(4, 0, {PRACTICE: (3, 0)}, calm_after=1)
    set_up(letters, practice=True)
    ada = worlds.person("ada")
    assert practise(ada, letters) == Severity.SEVERE
    assert training.give(ada, letters, PRACTICE) == (None, "calm")
    Reading.objects.update(ended_at=timezone.now() - timedelta(minutes=16))
    known_answer, _ = training.give(ada, letters, PRACTICE)
    assert training.give(ada, letters, PRACTICE) == (known_answer, "")  # what is held is no other text
    Reading.objects.filter(ended_at=None).update(expires_at=timezone.now() - timedelta(minutes=16))
    again, _ = training.give(ada, letters, PRACTICE)
    assert again == known_answer
    assert Reading.objects.count() == 3


def test_the_day_s_minutes_end_practice_too() -> None:
    letters = known_letters(0, 4, {PRACTICE: (0, 3)}, minutes_per_day=10)
    ada = worlds.person("ada")
    set_up(letters, practice=True)
    assert practise(ada, letters) == Severity.NONE
    DeskDay.objects.update(milliseconds=10 * 60_000)
    assert training.give(ada, letters, PRACTICE) == (None, "minutes")


def test_nobody_is_given_practice_without_consent_or_after_the_quick_exit() -> None:
    letters = known_letters(0, 4, {PRACTICE: (0, 2)})
    set_up(letters, practice=True)
    ada = worlds.person("ada")
    stale = Annotator.objects.get(pk=ada.pk)
    care.withdraw_consent(ada)
    assert training.give(stale, letters, PRACTICE) == (None, "")
    care.consent(ada, care.CONSENT)
    first, _ = training.give(ada, letters, PRACTICE)
    care.leave(ada)
    assert training.give(stale, letters, PRACTICE) == (None, "")
    care.come_back(ada)
    second, _ = training.give(ada, letters, PRACTICE)
    assert second not in (None, first)
    assert not Trial.objects.exists()


def test_a_round_whose_last_texts_are_sent_away_is_over() -> None:
    letters = known_letters(0, 6, {PRACTICE: (0, 2), QUALIFICATION: (0, 2)})
    set_up(letters, practice=True, qualification_percent=50)
    ada = worlds.person("ada")
    first, _ = training.give(ada, letters, PRACTICE)
    assert first is not None
    assert training.skip(ada, letters, PRACTICE, first.pk)
    assert training.give(ada, letters, PRACTICE)[0] is not None
    care.leave(ada)
    care.come_back(ada)
    assert training.give(ada, letters, PRACTICE) == (None, "")
    assert training.demanded(ada, letters, timezone.now()) is Demand.QUALIFICATION
    found, _ = training.give(ada, letters, QUALIFICATION)
    assert found is not None
    assert training.skip(ada, letters, QUALIFICATION, found.pk)
    assert not training.skip(ada, letters, QUALIFICATION, found.pk)
    assert practise(ada, letters, QUALIFICATION) == Severity.NONE
    assert training.demanded(ada, letters, timezone.now()) is Demand.NOTHING


def test_who_sends_most_of_a_qualification_away_does_not_qualify_and_who_sends_all_away_lost_no_try() -> None:
    letters = known_letters(0, 6, {QUALIFICATION: (0, 3)})
    set_up(letters, qualification_percent=50)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    for who, away in ((ada, 2), (bob, 3)):
        for _ in range(away):
            found, _ = training.give(who, letters, QUALIFICATION)
            assert found is not None
            assert training.skip(who, letters, QUALIFICATION, found.pk)
    assert practise(ada, letters, QUALIFICATION) == Severity.NONE
    assert training.demanded(ada, letters, timezone.now()) is Demand.WAIT
    assert training.demanded(bob, letters, timezone.now()) is Demand.QUALIFICATION
    assert Participation.objects.get(annotator=bob).tries == 0


def test_who_reads_nothing_severe_is_asked_nothing_severe_and_gets_in() -> None:
    letters = known_letters(2, 4, {PRACTICE: (2, 0)})
    set_up(letters, practice=True)
    ada = person("ada", severe_per_day=0)
    assert training.give(ada, letters, PRACTICE) == (None, "")
    assert training.demanded(ada, letters, timezone.now()) is Demand.NOTHING
    assert assignments.claim(ada, letters)


def test_a_known_answer_tells_of_severity() -> None:
    letters = placed(0, 3)
    [unit] = make_gold(letters, 1, choice="needs-intervention", phase=PRACTICE)
    assert Unit.objects.get(pk=unit).severity == Severity.SEVERE
    KnownAnswer.objects.update(tags={"hate": True})
    assert Unit.objects.get(pk=unit).severity == Severity.GRAVE
    KnownAnswer.objects.all().delete()
    assert Unit.objects.get(pk=unit).severity == Severity.NONE


# The page.


def test_the_page_of_practice_is_masked_skips_and_says_which_limit_keeps_the_next_text_back(client: Client) -> None:
    letters = known_letters(2, 2, {PRACTICE: (2, 0)}, severe_per_day=1)
    set_up(letters, practice=True)
    ada, address = person("ada", is_masked=True), f"/campaigns/{letters.slug}/practice/"
    client.force_login(ada)
    page = client.get(address).content.decode()
    assert '<details class="more mask">' in page
    assert 'id="leave-at-once"' in page
    found, _ = training.give(ada, letters, PRACTICE)
    assert found is not None
    page = client.post(address, {"known": found.pk, "skip": "yes"}, follow=True).content.decode()
    assert "The next text here is severe" in page
    assert "Letter" not in page
    assert Reading.objects.get().is_declined


def test_whoever_left_reads_no_text_on_the_pages_of_practice_and_progress(client: Client) -> None:
    letters = known_letters(0, 2, {PRACTICE: (0, 1)})
    set_up(letters, practice=True)
    ada, address = worlds.person("ada"), f"/campaigns/{letters.slug}/practice/"
    client.force_login(ada)
    practise(ada, letters)
    care.leave(ada)
    for asked in (address, f"{address}?told={Trial.objects.get().pk}"):
        assert client.get(asked).headers["Location"] == "/away/"
    assert readings.never_again(ada).count() == 0
