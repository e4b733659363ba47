from __future__ import annotations

import pytest
from django.db import connection

from annotate import assignments, campaigns
from annotate.errors import CampaignRefused
from annotate.models import Campaign, Unit, judged_turns
from labels import loading
from sources.rows import Turn
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

ASKS: Turn = {"role": "human", "text": "May I?"}
ANSWERS: Turn = {"role": "bot", "text": "You may."}


def draft(slug: str = "kindness", **fields: object) -> Campaign:
    label_set = loading.load_shipped_set("oig-safety")
    return Campaign.objects.create(slug=slug, title=slug.title(), label_set=label_set, **fields)


def test_opening_places_every_instruction_of_its_sources_once_and_freezes_the_label_set() -> None:
    kindness = worlds.campaign(units=5)
    assert kindness.is_open
    assert Unit.objects.values("position").distinct().count() == 5
    kindness.label_set.refresh_from_db()
    assert kindness.label_set.frozen_at is not None
    assert campaigns.place(kindness) == 0


def test_instructions_that_arrive_later_are_placed_behind_the_others() -> None:
    kindness = worlds.campaign(units=2)
    worlds.instructions(worlds.source("kindness-letters"), [worlds.says("a late letter")])
    assert campaigns.place(kindness) == 1
    assert Unit.objects.order_by("position")[2].instruction.turns == worlds.says("a late letter")


def test_the_order_is_decided_by_the_seed() -> None:
    origin = worlds.source()
    worlds.instructions(origin, [worlds.says(f"letter {n}") for n in range(20)])

    def order(slug: str, seed: int) -> list[int]:
        where = worlds.opened(origin, slug=slug, seed=seed)
        return list(where.units.order_by("position").values_list("instruction", flat=True))

    assert order("one", 7) == order("two", 7) != order("three", 8)


@pytest.mark.parametrize(("target", "placed"), [("prompt", 1), ("reply", 1), ("dialogue", 2)])
def test_only_what_has_something_to_judge_is_placed(target: str, placed: int) -> None:
    origin = worlds.source()
    worlds.instructions(origin, [[ASKS], [ANSWERS]])
    assert worlds.opened(origin, target=target).units.count() == placed


@pytest.mark.parametrize(
    ("target", "judged"), [("prompt", [False, False, True, False]), ("reply", [False, False, False, True])]
)
def test_the_last_turn_of_the_judged_side_is_marked(target: str, judged: list[bool]) -> None:
    origin = worlds.source()
    worlds.instructions(origin, [[ASKS, ANSWERS, ASKS, ANSWERS]])
    unit = worlds.opened(origin, target=target).units.get()
    assert [mark for _, mark in judged_turns(unit.instruction.turns, unit.campaign.target)] == judged


def test_the_whole_of_a_dialogue_is_marked() -> None:
    origin = worlds.source()
    worlds.instructions(origin, [[ASKS, ANSWERS]])
    unit = worlds.opened(origin, target="dialogue").units.get()
    assert [mark for _, mark in judged_turns(unit.instruction.turns, unit.campaign.target)] == [True, True]


def test_a_campaign_without_instructions_is_not_opened() -> None:
    empty = draft()
    empty.sources.add(worlds.source())
    with pytest.raises(CampaignRefused, match="import one of its sources first"):
        campaigns.request_opening(empty)


def test_a_campaign_whose_target_is_in_no_instruction_stays_a_draft_and_says_why() -> None:
    origin = worlds.source()
    worlds.instructions(origin, [[ASKS]])
    replies = draft(target="reply")
    replies.sources.add(origin)
    campaigns.request_opening(replies)
    campaigns.open_requested(replies.pk)
    replies.refresh_from_db()
    assert (replies.state, replies.error) == ("draft", "no instruction of its sources has reply")


def test_only_what_is_open_can_be_closed() -> None:
    planned = draft()
    with pytest.raises(CampaignRefused, match="not open"):
        campaigns.close(planned)
    planned.refresh_from_db()
    assert planned.state == Campaign.State.DRAFT


def test_nobody_labels_in_a_campaign_of_external_votes() -> None:
    with pytest.raises(CampaignRefused, match="nobody labels in it"):
        campaigns.request_opening(draft(kind="external"))


def test_only_the_open_campaigns_are_open_to_an_annotator() -> None:
    kindness, courage = worlds.campaign(), worlds.campaign(slug="courage")
    draft("not-yet")
    campaigns.close(courage)
    ada = worlds.person("ada")
    assert list(Campaign.objects.open_to(ada)) == [kindness]
    assert not Campaign.objects.open_to(worlds.person("bob", is_active=False)).exists()


def test_a_closed_campaign_stays_known_to_those_who_took_part() -> None:
    kindness, ada, bob = worlds.campaign(), worlds.person("ada"), worlds.person("bob")
    worlds.claimed(ada, kindness)
    campaigns.close(kindness)
    assert list(Campaign.objects.known_to(ada)) == [kindness]
    assert not Campaign.objects.known_to(bob).exists()


def test_progress_is_counted_by_one_query() -> None:
    kindness = worlds.campaign(units=4, overlap=3)
    ada = worlds.person("ada")
    worlds.vote(ada, kindness)
    counted = dict(Campaign.objects.with_progress().with_votes_of(ada).values().get())
    assert {name: counted[name] for name in ("units_count", "wanted", "given", "own_votes")} == {
        "units_count": 4,
        "wanted": 12,
        "given": 1,
        "own_votes": 1,
    }


def test_a_claim_walks_the_index_of_open_slots() -> None:
    """Units whose slots are taken cost nothing: a claim reads the few open ones from the partial index alone."""
    kindness = worlds.campaign(units=3000, overlap=1)
    ada = worlds.person("ada")
    with connection.cursor() as cursor:
        cursor.execute("""UPDATE annotate_unit SET taken = 1 WHERE id IN (
                SELECT id FROM annotate_unit ORDER BY position LIMIT 2990)""")
        cursor.execute("ANALYZE annotate_unit")
        cursor.execute("SELECT pg_stat_force_next_flush()")
        read = "SELECT pg_stat_get_xact_tuples_returned('annotate_unit'::regclass)"
        cursor.execute(read)
        before = cursor.fetchone()[0]
        assert assignments.claim_next(ada, kindness) is not None
        cursor.execute(read)
        assert cursor.fetchone()[0] - before < 100
