"""In which order units are served: rules, tiers, and what a person wishes to read."""

from __future__ import annotations

import random

import pytest
from django.db import connection

from annotate import assignments, campaigns, order
from annotate.annotations import Outcome, last_answers, withdraw
from annotate.models import Annotator, Assignment, Campaign, OrderRule, Unit
from sources.models import ImportRun, Instruction, Provenance
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

MANY = 20


def placed(*languages: str, topics: dict[int, str] | None = None, slug: str = "kindness", overlap: int = 3) -> Campaign:
    """A campaign of one text in each language; ``topics`` are what its source suggests, by number of text."""
    origin = worlds.source(f"{slug}-letters")
    made = worlds.instructions(origin, [worlds.says(f"Letter {number}, {slug}") for number in range(len(languages))])
    for number, (instruction, language) in enumerate(zip(made, languages, strict=True)):
        Instruction.objects.filter(pk=instruction.pk).update(language=language)
        tag = (topics or {}).get(number)
        if tag:
            suggested = {"tags": {tag: 1.0}}
            Provenance.objects.filter(instruction=instruction).update(suggested=suggested)
    return worlds.opened(origin, slug=slug, overlap=overlap)


def served(annotator: Annotator, campaign: Campaign) -> list[Unit]:
    """The units that ``annotator`` gets until nothing is left, in order, voting on each."""
    found = []
    while assignment := assignments.claim_next(annotator, campaign):
        found.append(assignment.unit)
        assert worlds.say(assignment) == Outcome.SAVED
    return found


def languages_of(units: list[Unit]) -> list[str]:
    return sorted(unit.instruction.language for unit in units)


def reader(name: str, **wishes: object) -> Annotator:
    person = worlds.person(name)
    Annotator.objects.filter(pk=person.pk).update(**wishes)
    person.refresh_from_db()
    return person


def positions(campaign: Campaign) -> dict[int, int]:
    return dict(Unit.objects.filter(campaign=campaign).values_list("pk", "position"))


def test_it_serves_only_the_languages_that_a_person_reads() -> None:
    letters = placed("en", "de", "pt", "en", "ja")
    assert languages_of(served(reader("ada", languages=["en", "ja"]), letters)) == ["en", "en", "ja"]
    assert languages_of(served(reader("bob", languages=[]), letters)) == ["de", "en", "en", "ja", "pt"]


def test_lanes_of_languages_keep_the_order_of_tiers_and_places() -> None:
    chance = random.Random(5)
    letters = placed(
        *(chance.choice(["en", "de", "ja", ""]) for _ in range(24)), topics=dict.fromkeys(range(8), "hate")
    )
    for tier, rule in ((2, {"language": "ja"}), (7, {"topic": "hate"})):
        OrderRule.objects.create(campaign=letters, tier=tier, **rule)
    order.apply_rules(letters)
    readable = letters.units.filter(language__in=["", "de", "ja"]).order_by("tier", "position")
    assert len(set(readable.values_list("language", "tier"))) > 4
    assert served(reader("ada", languages=["ja", "de"]), letters) == list(readable)


def test_a_claim_looks_at_no_text_in_a_language_that_a_person_does_not_read() -> None:
    letters = placed(*["en"] * 300, "mi", "", *["en"] * 300)
    ada = reader("ada", languages=["mi", "de"])
    with connection.cursor() as cursor:
        # Plans and statistics of earlier tests, and that reading so small a table whole is cheap, say nothing about a
        # large one.
        cursor.execute("ANALYZE; SET LOCAL enable_seqscan = off; DISCARD PLANS")
    before = units_read()
    assert {unit.language for unit in served(ada, letters)} == {"mi", ""}
    assert units_read() - before < 200


def units_read() -> int:
    """How many rows of units this transaction has fetched by an index so far, or read one after the other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'annotate_unit'"
        )
        return int(cursor.fetchone()[0])


def test_it_takes_a_text_of_a_region_for_its_language() -> None:
    letters = placed("pt-BR", "pt", "zh-Hant-TW", "en-GB")
    assert languages_of(served(reader("ada", languages=["pt"]), letters)) == ["pt", "pt-BR"]
    assert languages_of(served(reader("bob", languages=["zh"]), letters)) == ["zh-Hant-TW"]


def test_it_serves_a_text_whose_language_is_unknown_to_everybody() -> None:
    assert languages_of(served(reader("ada", languages=["de"]), placed("", "en", ""))) == ["", ""]


def test_it_follows_a_language_that_is_found_later() -> None:
    letters = placed("en", "en")
    Instruction.objects.filter(units=letters.units.first()).update(language="de-AT")
    assert languages_of(served(reader("ada", languages=["de"]), letters)) == ["de-AT"]


def test_it_serves_no_topic_that_a_person_does_not_want() -> None:
    letters = placed("en", "en", "en", topics={1: "hate", 2: "abuse-related"})
    ada = reader("ada", avoided_topics=["hate", "sexual-content"])
    assert sorted(topic for unit in served(ada, letters) for topic in unit.topics) == ["abuse-related"]
    assert len(served(reader("bob"), letters)) == 3


def test_it_serves_what_a_person_wants_again_once_they_changed_their_mind() -> None:
    letters = placed("en", "en", "de", topics={1: "hate"})
    ada = reader("ada", languages=["en"], avoided_topics=["hate"])
    assert len(served(ada, letters)) == 1
    Annotator.objects.update(languages=[], avoided_topics=[])
    assert len(served(Annotator.objects.get(), letters)) == 2


@pytest.mark.parametrize(
    ("rule", "first"),
    [({"language": "ja"}, {2}), ({"topic": "hate"}, {1}), ({"topic": "hate", "language": "ja"}, set())],
)
def test_it_serves_first_what_a_rule_names(rule: dict[str, str], first: set[int]) -> None:
    letters = placed("en", "en", "ja-JP", topics={1: "hate"})
    OrderRule.objects.create(campaign=letters, tier=1, **rule)
    assert order.apply_rules(letters) == len(first)
    got = served(reader("ada"), letters)
    named = {f"Letter {number}, kindness" for number in first}
    assert {unit.instruction.turns[0]["text"] for unit in got[: len(first)]} == named


def test_it_serves_a_source_first_or_last() -> None:
    letters = placed("en", "en", "en")
    other = worlds.source("poems")
    run = ImportRun.objects.create(source=other, format="columns", origin="poems.jsonl", state="finished")
    named = letters.units.order_by("-position")[0]
    Provenance.objects.create(instruction=named.instruction, source=other, run=run, row="line 1")
    rule = OrderRule.objects.create(campaign=letters, tier=0, source=other)
    assert order.apply_rules(letters) == 1
    assert served(reader("ada"), letters)[0] == named
    OrderRule.objects.filter(pk=rule.pk).update(tier=9)
    assert order.apply_rules(letters) == 1
    assert served(reader("bob"), letters)[-1] == named


def test_the_lowest_of_the_rules_that_fit_decides() -> None:
    letters = placed("en", topics={0: "hate"})
    for tier, rule in ((7, {"language": "en"}), (2, {"topic": "hate"}), (4, {})):
        OrderRule.objects.create(campaign=letters, tier=tier, **rule)
    order.apply_rules(letters)
    assert Unit.objects.get().tier == 2


def test_a_campaign_is_placed_in_the_order_of_its_rules() -> None:
    origin = worlds.source("letters")
    worlds.instructions(origin, [worlds.says(f"Letter {number}") for number in range(3)])
    letters = worlds.opened(origin)
    OrderRule.objects.create(campaign=letters, tier=3)
    worlds.instructions(origin, [worlds.says("A late letter")])
    assert campaigns.place(letters) == 1
    assert set(Unit.objects.values_list("tier", flat=True)) == {3}


def test_what_votes_differ_on_comes_next_and_goes_back_when_they_agree() -> None:
    letters = placed("en", "en", "en", overlap=3)
    OrderRule.objects.create(campaign=letters, tier=0, votes_differ=True)
    ada, bob, cyd = (reader(name) for name in ("ada", "bob", "cyd"))
    worlds.vote(ada, letters)
    worlds.vote(ada, letters)
    disputed = worlds.vote(ada, letters).unit
    Assignment.objects.create(
        unit=disputed,
        annotator=bob,
        claimed_at=disputed.assignments.get().claimed_at,
        expires_at="2100-01-01T00:00:00Z",
    )
    worlds.say(bob.assignments.get(), "needs-intervention")
    disputed.refresh_from_db()
    assert disputed.tier == 0
    assert worlds.claimed(cyd, letters).unit == disputed
    tip = last_answers(bob, letters)[0]
    assert worlds.revise(tip, "casual") == Outcome.CHANGED
    disputed.refresh_from_db()
    assert disputed.tier == 5


def test_a_unit_behind_somebody_is_served_to_them_next_once_its_tier_is_lower() -> None:
    letters = placed(*["en"] * MANY)
    passed_over = letters.units.order_by("position")[0]
    Instruction.objects.filter(pk=passed_over.instruction_id).update(language="de")
    ada = reader("ada", languages=["en"])
    for _ in range(MANY // 2):
        worlds.vote(ada, letters)
    Annotator.objects.update(languages=[])
    OrderRule.objects.create(campaign=letters, tier=1, language="de")
    assert order.apply_rules(letters) == 1
    assert worlds.claimed(ada, letters).unit == passed_over


def test_units_that_move_go_to_the_end_so_that_no_cursor_passes_over_them() -> None:
    letters = placed(*["en"] * MANY)
    ada = reader("ada", languages=["en"])
    Instruction.objects.filter(units__in=letters.units.order_by("position")[:5]).update(language="de")
    for _ in range(MANY // 2):
        worlds.vote(ada, letters)
    before = positions(letters)
    rule = OrderRule.objects.create(campaign=letters, tier=2, language="de")
    assert order.apply_rules(letters) == 5
    Annotator.objects.update(languages=[])
    ada.refresh_from_db()
    assert worlds.vote(ada, letters).unit.language == "de"
    rule.delete()
    assert order.apply_rules(letters) == 5
    after = positions(letters)
    moved = {pk for pk in before if before[pk] != after[pk]}
    assert len(moved) == 5
    assert min(after[pk] for pk in moved) > max(before.values())
    rest = served(ada, letters)
    assert len(rest) == MANY - MANY // 2 - 1
    assert worlds.problems(letters) == []


@pytest.mark.parametrize("seed", range(3))
def test_after_any_votes_tiers_are_those_computed_anew(seed: int) -> None:
    chance = random.Random(seed)
    letters = placed(*(chance.choice(["en", "de", "ja"]) for _ in range(6)), topics={0: "hate", 3: "hate"}, overlap=4)
    hateful, uncertain = {"topic": "hate"}, {"votes_differ": True}
    for tier, rule in ((1, uncertain), (2, hateful), (0, {**uncertain, **hateful})):
        OrderRule.objects.create(campaign=letters, tier=tier, **rule)
    order.apply_rules(letters)
    people = [reader(f"person {number}") for number in range(5)]
    highest = positions(letters)
    for _ in range(80):
        who = chance.choice(people)
        said = last_answers(who, letters)
        move = chance.random()
        if said and move < 0.25:
            withdraw(who, chance.choice(said).assignment_id or 0, Assignment.Reason.UNSURE)
        elif said and move < 0.5:
            worlds.revise(chance.choice(said), chance.choice(["casual", "needs-caution"]))
        elif lease := assignments.claim(who, letters):
            held = Assignment.objects.get(pk=lease[0].assignment_id)
            worlds.say(held, chance.choice(["casual", "needs-caution"]))
        now = positions(letters)
        assert all(now[pk] >= highest[pk] for pk in now)
        highest = now
    assert order.apply_rules(letters) == 0
    assert worlds.problems(letters) == []
