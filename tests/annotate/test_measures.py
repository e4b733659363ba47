"""What is measured of a campaign, and the pages of the admin that show it."""

from __future__ import annotations

import csv
import html
import io
import json
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client

from annotate import dashboard, measures, slices, tallies
from annotate.models import Annotation, Campaign, Unit
from annotate.tallies import Scope
from labels import agreement
from labels.aggregation import aggregate
from labels.votes import PatternTable
from sources.models import Instruction
from tests.annotate import judged, worlds

pytestmark = pytest.mark.django_db

PATTERNS = [
    ["casual"] * 3,
    ["casual", "casual", "needs-caution"],
    ["casual", "needs-intervention", "needs-intervention"],
]


@pytest.fixture
def kindness() -> Campaign:
    """Three texts with three votes each; Cyd is the odd one out."""
    made = worlds.campaign(units=3)
    for name, answers in zip(("ada", "bob", "cyd"), zip(*PATTERNS, strict=True), strict=True):
        person = worlds.person(name)
        for answer in answers:
            worlds.vote(person, made, answer)
    return made


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(worlds.person("root", is_staff=True))
    return client


def address(campaign: Campaign, rest: str = "/") -> str:
    return f"/admin/annotate/campaign/{campaign.pk}/measures{rest}"


def test_it_measures_what_the_votes_say(kindness: Campaign) -> None:
    tallies.fold()
    found = measures.of_scope(Scope((kindness.pk,)))
    table = PatternTable.from_ratings(("casual", "needs-caution", "needs-intervention"), PATTERNS)
    for expected in agreement.measure(table, ordinal=True):
        assert found["base"][expected.name]["value"] == pytest.approx(expected.value), expected.name
    assert found["corpus"]["annotators"] == 3
    assert found["base"]["percent_agreement"]["se_annotators"] is not None
    assert found["labels"]["labels"]["needs intervention"] == 1
    assert found["disputed"] == 1
    assert found["slices"]["is_augmented"]["original"]["votes"] == 9
    assert [row["units"] for row in found["slices"]["source"].values()] == [3]


def test_agreement_is_of_original_texts_wherever_there_are_votes_on_such(kindness: Campaign) -> None:
    """What is made of a text is not independent of it; labels and the slice by origin are of all."""
    first, second, _ = kindness.units.order_by("position").values_list("instruction", flat=True)
    tallies.fold()
    assert measures.of_scope(Scope((kindness.pk,)))["computed_on"] == "original texts"
    Instruction.objects.filter(pk=second).update(parent=first)
    tallies.rebuild(kindness)
    tallies.fold()
    found = measures.of_scope(Scope((kindness.pk,)))
    table = PatternTable.from_ratings(("casual", "needs-caution", "needs-intervention"), [PATTERNS[0], PATTERNS[2]])
    for expected in agreement.measure(table, ordinal=True):
        assert found["base"][expected.name]["value"] == pytest.approx(expected.value), expected.name
    assert (found["computed_on"], found["corpus"]["units"]) == ("original texts", 2)
    assert sum(found["labels"]["labels"].values()) + sum(found["labels"]["without"].values()) == 3
    assert {name: one["units"] for name, one in found["slices"]["is_augmented"].items()} == {
        "original": 2,
        "augmented": 1,
    }
    alone = measures.of_scope(Scope((kindness.pk,), is_augmented=True))
    assert (alone["computed_on"], alone["corpus"]["units"]) == ("all texts", 1)


def test_what_is_disputed_depends_on_how_the_campaign_adds_votes_up() -> None:
    """A vote for intervention that a majority outvotes is looked at; by the set's rule it decides."""
    made = worlds.campaign(units=1)
    for name, answer in {"ada": "needs-caution", "bob": "needs-caution", "cyd": "needs-intervention"}.items():
        worlds.vote(worlds.person(name), made, answer)
    tallies.fold()
    told = {}
    for rule in ("rule", "majority", "ordinal_median"):
        Campaign.objects.update(aggregation=rule)
        found = measures.of_scope(Scope((made.pk,)))
        told[rule] = found["disputed"]
        assert [part["disputed"] for part in found["slices"]["source"].values()] == [found["disputed"]]
        reasons = aggregate(made.label_set.spec, (0, 2, 1), rule=rule).dispute_reasons  # type: ignore[arg-type]
        assert bool(reasons) == bool(found["disputed"])
    assert told == {"rule": 0, "majority": 1, "ordinal_median": 1}


def test_json_says_of_which_moment_it_is(kindness: Campaign, admin: Client) -> None:
    told = admin.get(address(kindness, ".json")).json()
    assert (told["measured_at"], told["is_behind"]) == (measures.kept(kindness).at.isoformat(), False)


def test_who_answered_a_tag_is_known_to_its_interval(kindness: Campaign) -> None:
    for said in Annotation.objects.all():
        worlds.revise(said, "casual", {"hate": said.pk % 2 == 0})
    tallies.fold()
    found = measures.of_scope(Scope((kindness.pk,)))["tags"]["hate"]
    assert found["prevalence"]["n_annotators"] == 3
    assert found["prevalence"]["ci95"] is not None
    assert found["prevalence"]["interval_reason"] is None


def test_confusion_spreads_every_vote_over_the_others_of_its_unit() -> None:
    table = PatternTable.from_ratings(("a", "b", "c"), [["a", "a", "b"], ["b", "c"], ["c"]])
    assert measures.confusion(table) == [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]


def test_a_campaign_without_votes_is_measured_as_null_with_a_reason() -> None:
    found = measures.of_scope(Scope((worlds.campaign().pk,)))
    assert found["base"]["gwet_ac1"]["value"] is None
    assert found["base"]["gwet_ac1"]["reason"] == "no unit has two votes, so there is nothing to compare"
    assert found["labels"] == {}


def test_the_page_shows_the_headline_and_every_figure(kindness: Campaign, admin: Client) -> None:
    page = admin.get(address(kindness)).content.decode()
    assert "9 of 9 votes (100.0 %) on 3 texts" in page
    assert "9 votes of 3 people" in page
    assert "Computed on original texts." in page
    for title in ("ordinal", "AC1", "Percent agreement", "Published labels", "Confusion between readers", "By source"):
        assert title in page
    assert page.index("alpha, ordinal") < page.index("AC1") < page.index("Percent agreement")


def test_the_page_of_a_campaign_without_votes_opens(admin: Client) -> None:
    assert "There are no votes yet." in admin.get(address(worlds.campaign())).content.decode()


def test_it_says_nothing_while_nothing_has_changed(kindness: Campaign, admin: Client) -> None:
    headers = {"HX-Request": "true"}
    stamp = admin.get(address(kindness)).context["stamp"]
    assert admin.get(address(kindness, f"/?stamp={stamp}"), headers=headers).status_code == 204
    worlds.vote(worlds.person("dan"), worlds.campaign(slug="other"))
    update = admin.get(address(kindness, f"/?stamp={stamp}"), headers=headers)
    assert update.status_code == 200
    assert b"<html" not in update.content
    assert b'id="labels-numbers" hx-swap-oob="true"' in update.content


def test_it_shows_what_a_worker_measured_anew_without_a_vote(kindness: Campaign, admin: Client) -> None:
    stamp = admin.get(address(kindness)).context["stamp"]
    before = measures.kept(kindness)
    cache.set(f"measures-{kindness.pk}", before._replace(at=before.at + timedelta(seconds=1), took=60.0))
    update = admin.get(address(kindness, f"/?stamp={stamp}"), headers={"HX-Request": "true"})
    assert (update.status_code, update.context["as_of"]) == (200, before.at + timedelta(seconds=1))


def test_numbers_are_the_same_as_csv_json_and_chart(kindness: Campaign, admin: Client) -> None:
    rows = list(csv.DictReader(io.StringIO(admin.get(address(kindness, "/labels.csv")).content.decode())))
    everything = json.loads(admin.get(address(kindness, ".json")).content)
    drawing = admin.get(address(kindness, "/labels-light.svg"))
    assert {row["Label"]: int(row["Texts"]) for row in rows} == everything["labels"]["labels"]
    assert drawing["Content-Type"] == "image/svg+xml"
    assert b"needs intervention" in drawing.content
    for missing in ("/nothing.csv", "/nothing-light.svg", "/labels-sepia.svg", "/agreement-light.svg"):
        assert admin.get(address(kindness, missing)).status_code == 404


def test_the_most_disputed_texts_come_first_and_grave_ones_only_when_asked_for(
    kindness: Campaign, admin: Client
) -> None:
    tallies.fold()
    order = kindness.units.order_by("position").values_list("instruction__turns", flat=True)
    agreed, split, grave = (turns[0]["text"] for turns in order)
    page = admin.get(address(kindness, "/disputed/")).content.decode()
    assert split in page
    assert grave not in page, "somebody voted for intervention there"
    page = admin.get(address(kindness, "/disputed/?severe=1")).content.decode()
    assert page.index(grave) < page.index(split)
    assert agreed not in page


def test_a_curator_who_may_still_be_asked_does_not_see_how_others_voted(client: Client) -> None:
    made = worlds.campaign(units=1)
    for name, answer in (("ada", "casual"), ("bob", "needs-caution")):
        worlds.vote(worlds.person(name), made, answer)
    tallies.fold()
    curator = worlds.person("root", is_staff=True)
    client.force_login(curator)
    assert b"Letter 0" not in client.get(address(made, "/disputed/")).content
    worlds.vote(curator, made, "casual")
    tallies.fold()
    assert b"Letter 0" in client.get(address(made, "/disputed/")).content


def test_a_curator_who_holds_the_last_slot_does_not_see_how_others_voted(client: Client) -> None:
    made = worlds.campaign(units=1)
    for name, answer in (("ada", "casual"), ("bob", "needs-caution")):
        worlds.vote(worlds.person(name), made, answer)
    curator = worlds.person("root", is_staff=True)
    client.force_login(curator)
    worlds.claimed(curator, made)
    assert not made.units.with_open_slots().exists()
    assert b"Letter 0" not in client.get(address(made, "/disputed/")).content


def test_while_a_lease_may_lapse_a_text_is_hidden_and_shown_once_every_slot_has_an_answer(client: Client) -> None:
    made = worlds.campaign(units=1)
    for name, answer in (("ada", "casual"), ("bob", "needs-caution")):
        worlds.vote(worlds.person(name), made, answer)
    held = worlds.claimed(worlds.person("cyd"), made)
    client.force_login(worlds.person("root", is_staff=True))
    assert b"Letter 0" not in client.get(address(made, "/disputed/")).content
    worlds.say(held)
    tallies.fold()
    assert b"Letter 0" in client.get(address(made, "/disputed/")).content


def test_hidden_texts_take_no_place_among_the_most_disputed() -> None:
    made = worlds.campaign(units=4, overlap=2)
    ada, bob = worlds.person("ada"), worlds.person("bob")
    for answer in ("casual", "casual", "casual", "casual"):
        worlds.vote(ada, made, answer)
    for answer in ("needs-caution", "needs-caution", "needs-caution"):
        worlds.vote(bob, made, answer)
    tallies.fold()
    first, second, *_ = made.units.order_by("pk")
    Unit.objects.filter(pk__in=[first.pk, second.pk]).update(overlap=3)
    found = dashboard.disputed(made, worlds.person("cyd"), severe=False, limit=1)
    assert [one.instruction for one in found] == [made.units.order_by("pk")[2].instruction]


def test_disputed_texts_are_folded_where_a_source_or_a_vote_says_that_they_are_severe(
    kindness: Campaign, admin: Client
) -> None:
    tallies.fold()
    split = kindness.units.order_by("position")[1].instruction
    page = admin.get(address(kindness, "/disputed/")).content.decode()
    assert "open to read" not in page
    split.provenances.update(suggested={"label": "needs-intervention"})
    assert "Severe (needs intervention): open to read" in admin.get(address(kindness, "/disputed/")).content.decode()
    split.provenances.update(suggested=None)
    page = admin.get(address(kindness, "/disputed/?severe=1")).content.decode()
    assert page.count("Severe (needs intervention): open to read") == 1


def test_who_may_not_see_annotations_sees_no_disputed_text(kindness: Campaign, client: Client) -> None:
    helper = worlds.person("helper")
    helper.is_staff = True
    helper.save()
    helper.user_permissions.set(Permission.objects.filter(codename="view_campaign"))
    client.force_login(helper)
    page = client.get(address(kindness))
    assert page.status_code == 200
    assert b"Most disputed texts" not in page.content
    assert client.get(address(kindness, "/disputed/")).status_code == 403


def test_an_interval_is_said_to_hold_for_other_annotators_only_where_it_does(admin: Client) -> None:
    alike = "hold for other texts and other annotators alike"
    made = judged.campaign()
    assert alike in admin.get(address(made)).content.decode()
    said = Annotation.objects.filter(unit__campaign=made)[0]
    Annotation.objects.create(unit=said.unit, choice=said.choice, key=uuid.uuid4())
    page = admin.get(address(made)).content.decode()
    assert alike not in page
    reason = measures.of_scope(Scope((made.pk,)))["base"]["gwet_ac1"]["interval_reason"]
    assert f"Intervals: {reason}." in page


def test_a_campaign_too_small_for_intervals_says_why(kindness: Campaign, admin: Client) -> None:
    tallies.fold()
    found = measures.of_scope(Scope((kindness.pk,)))["base"].values()
    reasons = {one["interval_reason"] for one in found if one["value"] is not None and one["ci95"] is None}
    page = html.unescape(admin.get(address(kindness)).content.decode())
    assert reasons
    assert all(f"Intervals: {reason}." in page for reason in reasons)


def test_unknown_slices_do_not_take_each_others_place() -> None:
    assert list(slices.names("source", [None, 998, 999]).values()) == ["(unknown)", "(unknown 998)", "(unknown 999)"]
    assert slices.names("language", ["", "unknown"]) == {"": "(unknown)", "unknown": "unknown"}


def test_tags_are_told_by_source_where_there_are_several(kindness: Campaign, admin: Client) -> None:
    other = worlds.source("poems")
    more = worlds.instructions(other, [worlds.says("A poem")])
    for number, instruction in enumerate(more):
        Unit.objects.create(campaign=kindness, instruction=instruction, position=10_000 + number, overlap=2)
    tag = kindness.label_set.spec.tags[0]
    dan, eve = worlds.person("dan"), worlds.person("eve")
    for person in (dan, eve):
        worlds.say(worlds.claimed(person, kindness), tags={tag.code: True})
    Unit.objects.filter(campaign=kindness).update(overlap=4)
    worlds.say(worlds.claimed(dan, kindness), tags={tag.code: False})
    tallies.fold()
    found = admin.get(address(kindness, ".json")).json()
    parts = found["slices"]["source"]
    assert {source: part["tags"][tag.name]["prevalence"]["value"] for source, part in parts.items()} == {
        str(other): 1.0,
        "kindness-letters@1": 0.0,
    }
    assert {source: part["tag_sets"] for source, part in parts.items()} == {source: {} for source in parts}
    shown = found["figures"]["tags-by-part"]["rows"]
    assert [(row["Tag"], row["By"], row["Part"], row["Said yes"]["value"]) for row in shown] == [
        (tag.name, "Source", "kindness-letters@1", 0.0),
        (tag.name, "Source", str(other), 1.0),
    ]
    said = found["figures"]["answers-by-part"]["rows"]
    assert [(row["Answer"], row["Part"], row["Prevalence"]["value"]) for row in said[:2]] == [
        ("casual", "kindness-letters@1", pytest.approx(2 / 3)),
        ("casual", str(other), 1.0),
    ]


def test_weeks_have_the_interval_over_texts_and_say_that_it_is_of_texts_alone(kindness: Campaign) -> None:
    tallies.fold()
    [week] = measures.of_scope(Scope((kindness.pk,)))["slices"]["week"].values()
    found = week["base"]["percent_agreement"]
    low, high = found["ci95_items"]
    assert (found["ci95"], found["interval_reason"]) == (None, slices.WEEKS_REASON)
    assert 0 <= low < found["value"] < high <= 1
    undefined = week["base"]["krippendorff_alpha_ordinal"]
    assert (undefined["ci95_items"], undefined["interval_reason"]) != (None, slices.WEEKS_REASON)


def test_nothing_is_measured_anew_until_a_fold_changes_something(
    kindness: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    tallies.fold()
    measured = measures.kept(kindness).measured
    with monkeypatch.context() as patched:
        patched.setattr(measures, "of_scope", None)
        assert measures.kept(kindness).measured == measured
    worlds.revise(Annotation.objects.filter(choice__code="casual")[0], "needs-caution")
    tallies.fold()
    after = measures.kept(kindness)
    assert after.measured["corpus"]["options"] != measured["corpus"]["options"]


def test_what_is_costly_is_measured_by_a_worker_after_a_while(kindness: Campaign) -> None:
    tallies.fold()
    quick = measures.kept(kindness)
    slow = quick._replace(took=60.0)
    cache.set(f"measures-{kindness.pk}", slow)
    assert (slow.is_behind, quick.is_behind) == (True, False)
    assert measures.refresh() == 0  # nothing has changed
    worlds.revise(Annotation.objects.filter(choice__code="casual")[0], "needs-caution")
    tallies.fold()
    assert measures.kept(kindness) == slow
    assert measures.refresh() == 0  # it is too young
    cache.set(f"measures-{kindness.pk}", slow._replace(at=slow.at - timedelta(seconds=60 * measures.PATIENCE)))
    assert measures.refresh() == 1
    anew = measures.kept(kindness)
    assert anew.measured["corpus"]["options"] != quick.measured["corpus"]["options"]
    assert measures.refresh() == 0


def test_several_campaigns_are_told_apart(kindness: Campaign) -> None:
    other = worlds.campaign(slug="other")
    worlds.vote(worlds.person("dan"), other)
    tallies.fold()
    found = measures.of_scope(Scope((kindness.pk, other.pk)))["slices"]["campaign"]
    assert {name: part["votes"] for name, part in found.items()} == {kindness.slug: 9, "other": 1}


@pytest.mark.parametrize("rest", ["/", ".json", "/labels.csv", "/labels-light.svg", "/disputed/"])
def test_nobody_else_gets_in(rest: str, client: Client) -> None:
    made = worlds.campaign()
    assert client.get(address(made, rest)).status_code == 302
    client.force_login(worlds.person("ada"))
    assert client.get(address(made, rest)).status_code == 302
    helper = worlds.person("helper")
    helper.is_staff = True
    helper.save()
    client.force_login(helper)
    assert client.get(address(made, rest)).status_code == 403, "staff who may not see campaigns"
