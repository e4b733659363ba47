import uuid
from dataclasses import replace

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotate import annotations, campaigns, guidelines
from annotate.annotations import Answer, Outcome
from annotate.errors import GuidelinesRefused
from annotate.guidelines import Piece
from annotate.models import Annotation, Annotator, Assignment, Campaign, Participation
from labels import loading
from labels.models import LabelSet
from labels.taxonomy import LabelSetSpec
from tests.annotate import revisions, worlds
from tests.annotate.revisions import FIRST, SECOND
from tests.labels import specs

OIG = specs.OIG_SAFETY
# The notice on a page; the sentence is there too, for a page that stays open.
NOTICE = "<strong>The guidelines have changed.</strong>"

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Annotator:
    return worlds.person("ada")


@pytest.fixture
def kindness() -> Campaign:
    return worlds.campaign(units=4)


@pytest.fixture
def second(kindness: Campaign) -> LabelSet:
    """The next revision, loaded and not adopted."""
    return revisions.loaded(revisions.with_tag())


def signed_in(annotator: Annotator) -> Client:
    client = Client()
    client.force_login(annotator)
    return client


def joined(annotator: Annotator, campaign: Campaign) -> Participation:
    return Participation.objects.get(annotator=annotator, campaign=campaign)


# --- What changed ----------------------------------------------------------------------------------------------------


def test_it_tells_words_that_came_and_went() -> None:
    assert guidelines.pieces("Ask what is wanted here.", "Ask what was wanted.") == [
        Piece("same", "Ask what "),
        Piece("removed", "is wanted here."),
        Piece("added", "was wanted."),
    ]
    assert guidelines.pieces("", "New words.") == [Piece("added", "New words.")]


def test_it_takes_another_line_break_for_no_change() -> None:
    assert guidelines.pieces("Ask what\nis wanted.", "Ask what is\nwanted.\n") == []


def test_it_tells_characters_of_languages_without_spaces() -> None:
    assert guidelines.pieces("猫が好き", "犬が好き") == [
        Piece("removed", "猫"),
        Piece("added", "犬"),
        Piece("same", "が好き"),
    ]


@pytest.mark.parametrize(
    ("before", "after"), [("a b c d", "a x c"), ("", "b"), ("one  two\n\nthree", "two three four")]
)
def test_it_gives_both_texts_whole(before: str, after: str) -> None:
    found = guidelines.pieces(before, after)
    assert "".join(text for kind, text in found if kind != "removed").split() == after.split()
    assert "".join(text for kind, text in found if kind != "added").split() == before.split()


def test_it_says_label_by_label_what_changed() -> None:
    changed, new = guidelines.changes(OIG, revisions.with_tag())
    assert (changed.code, changed.kind, changed.names, changed.guideline) == ("casual", "changed", [], [])
    assert Piece("added", "at once.") in changed.definition
    assert (new.code, new.kind) == ("rumour", "added")
    assert new.guideline == [Piece("added", "A guideline.")]
    assert new.yes_examples == [Piece("added", "one"), Piece("added", "two")]
    assert guidelines.changes(OIG, OIG) == []


def test_it_takes_examples_as_a_whole() -> None:
    mildest, *rest = OIG.options
    kept, gone = mildest.yes_examples
    swapped = replace(mildest, yes_examples=(kept, "Another."))
    (changed,) = guidelines.changes(OIG, replace(OIG, options=(swapped, *rest)))
    assert changed.yes_examples == [Piece("same", kept), Piece("added", "Another."), Piece("removed", gone)]
    assert changed.no_examples == []


# --- Adopting --------------------------------------------------------------------------------------------------------


def test_it_moves_a_campaign_to_a_newer_revision_and_freezes_it(kindness: Campaign, second: LabelSet) -> None:
    assert guidelines.newer_revisions(kindness) == [second]
    guidelines.adopt(kindness, second)
    assert revisions.of(kindness) == SECOND
    second.refresh_from_db()
    assert second.frozen_at is not None
    assert guidelines.newer_revisions(kindness) == []


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (specs.FIVE_OPTIONS, "another label set"),
        (revisions.reworded(revision=OIG.revision, title="The same number"), "not newer"),
        (revisions.reworded(options=OIG.options[:2]), "answers are others"),
        (revisions.reworded(options=OIG.options[::-1]), "answers are others"),
        (revisions.reworded(rule="median", published=OIG.option_names), "another rule"),
        (revisions.reworded(tags=OIG.tags[1:]), f"lacks the tag {OIG.tags[0].code}"),
    ],
)
def test_it_says_why_votes_could_not_be_counted_together(wanted: LabelSetSpec, why: str) -> None:
    assert why in guidelines.why_not(OIG, wanted)


def test_it_refuses_and_freezes_nothing(kindness: Campaign) -> None:
    other = revisions.loaded(specs.FIVE_OPTIONS)
    with pytest.raises(GuidelinesRefused, match="Kindness cannot adopt oig-safety-direct revision"):
        guidelines.adopt(kindness, other)
    other.refresh_from_db()
    assert (other.frozen_at, revisions.of(kindness)) == (None, FIRST)


def test_it_refuses_the_votes_of_a_dataset(kindness: Campaign, second: LabelSet) -> None:
    Campaign.objects.filter(pk=kindness.pk).update(kind=Campaign.Kind.EXTERNAL)
    with pytest.raises(GuidelinesRefused, match="public dataset"):
        guidelines.adopt(kindness, second)


def test_it_serves_the_revision_as_it_is_however_often_it_was_asked_for_before(
    ada: Annotator, kindness: Campaign, second: LabelSet
) -> None:
    # Somebody's form names the set before it is frozen, and then it is loaded with other words and other rows.
    assert loading.labels_of(second.pk)
    second = revisions.loaded(revisions.reworded(title="Corrected"))
    guidelines.adopt(kindness, second)
    worlds.vote(ada, kindness)
    assert Annotation.objects.get().choice in second.labels.all()


def test_an_answer_keeps_the_wording_that_its_author_was_shown(
    ada: Annotator, kindness: Campaign, second: LabelSet
) -> None:
    first = kindness.label_set
    assignment = worlds.claimed(ada, kindness)
    guidelines.adopt(kindness, second)
    answer = Answer("casual", {}, label_set=first.pk)
    assert annotations.submit(ada, assignment.pk, answer, uuid.uuid4()) == Outcome.SAVED
    worlds.vote(ada, kindness)
    sets = [said.choice.label_set_id for said in Annotation.objects.order_by("id") if said.choice]
    assert sets == [first.pk, second.pk]
    assert guidelines.under_older_wording(kindness) == 1


# --- Another look ----------------------------------------------------------------------------------------------------


def test_it_queues_what_counts_and_was_given_under_an_older_wording(
    ada: Annotator, kindness: Campaign, second: LabelSet
) -> None:
    older = worlds.vote(ada, kindness)
    changed = worlds.vote(ada, kindness)
    withdrawn = worlds.vote(ada, kindness)
    assert guidelines.queue_another_look(kindness) == 0
    guidelines.adopt(kindness, second)
    worlds.revise(Annotation.objects.get(assignment=changed))
    assert annotations.withdraw(ada, withdrawn.pk, Assignment.Reason.UNSURE)
    worlds.vote(ada, kindness)
    assert guidelines.under_older_wording(kindness) == 1
    assert guidelines.queue_another_look(kindness) == 1
    assert guidelines.queue_another_look(kindness) == 0
    assert list(Assignment.objects.filter(look_again=True)) == [older]
    assert worlds.problems(kindness) == []


def test_a_look_ends_by_submitting_the_same_or_by_taking_back(
    ada: Annotator, kindness: Campaign, second: LabelSet
) -> None:
    same, back = worlds.vote(ada, kindness), worlds.vote(ada, kindness)
    guidelines.adopt(kindness, second)
    guidelines.queue_another_look(kindness)
    said = guidelines.to_look_at(ada, kindness)
    assert [waiting.assignment_id for waiting in said] == [same.pk, back.pk]
    assert worlds.revise(Annotation.objects.get(assignment=same)) == Outcome.CHANGED
    assert annotations.withdraw(ada, back.pk, Assignment.Reason.UNSURE)
    assert not said.all().exists()
    assert not Assignment.objects.filter(look_again=True).exists()


def test_nothing_is_to_look_at_in_a_closed_campaign(ada: Annotator, kindness: Campaign, second: LabelSet) -> None:
    worlds.vote(ada, kindness)
    guidelines.adopt(kindness, second)
    guidelines.queue_another_look(kindness)
    kindness.state = Campaign.State.CLOSED
    assert not guidelines.to_look_at(ada, kindness).exists()


# --- The pages -------------------------------------------------------------------------------------------------------


def test_they_have_changed_until_one_says_to_have_read_it(ada: Annotator, kindness: Campaign, second: LabelSet) -> None:
    client, page = signed_in(ada), kindness.get_absolute_url()
    assert NOTICE not in client.get(page).text
    guidelines.adopt(kindness, second)
    assert joined(ada, kindness).guidelines_seen != second
    assert NOTICE in client.get(page).text
    assert NOTICE in client.get(reverse("campaigns")).text
    address = reverse("guideline-changes", args=[kindness.slug])
    for _ in range(2):  # looking at it says nothing
        changes = client.get(address).text
        assert f"From revision {FIRST} to revision {SECOND}" in changes
        assert "at once.</ins>" in changes
        assert "I have read it" in changes
    assert client.post(address, {"revision": FIRST})["Location"] == address
    assert client.post(address, {"revision": "x"})["Location"] == address
    assert joined(ada, kindness).guidelines_seen != second
    assert client.post(address, {"revision": SECOND})["Location"] == page
    assert joined(ada, kindness).guidelines_seen == second
    assert NOTICE not in client.get(page).text
    assert NOTICE not in client.get(reverse("campaigns")).text
    assert "I have read it" not in client.get(address).text


def test_who_joins_after_the_change_has_missed_nothing(ada: Annotator, kindness: Campaign, second: LabelSet) -> None:
    guidelines.adopt(kindness, second)
    worlds.claimed(ada, kindness)
    assert NOTICE not in signed_in(ada).get(kindness.get_absolute_url()).text
    guidelines.adopt(kindness, revisions.loaded(revisions.reworded(second.spec)))
    assert joined(ada, kindness).guidelines_seen == second


def test_opening_a_page_writes_nothing(ada: Annotator, kindness: Campaign, second: LabelSet) -> None:
    client = signed_in(ada)
    client.get(kindness.get_absolute_url())
    guidelines.adopt(kindness, second)
    for address in (reverse("campaigns"), reverse("guideline-changes", args=[kindness.slug])):
        with CaptureQueriesContext(connection) as queries:
            client.get(address)
        assert [query["sql"] for query in queries if "UPDATE" in query["sql"] or "INSERT" in query["sql"]] == []


def test_who_comes_back_to_the_page_is_shown_the_last_change(
    ada: Annotator, kindness: Campaign, second: LabelSet
) -> None:
    address = reverse("guideline-changes", args=[kindness.slug])
    assert "have not changed since" in signed_in(ada).get(address).text
    guidelines.adopt(kindness, second)
    for annotator in (ada, worlds.person("grace")):
        assert f"From revision {FIRST} to revision {SECOND}" in signed_in(annotator).get(address).text


def test_it_shows_all_that_changed_since_they_looked(ada: Annotator, kindness: Campaign, second: LabelSet) -> None:
    client = signed_in(ada)
    client.get(kindness.get_absolute_url())
    guidelines.adopt(kindness, second)
    third = replace(revisions.with_tag(), revision=SECOND + 1, question="Other?")
    guidelines.adopt(kindness, revisions.loaded(third))
    page = client.get(reverse("guideline-changes", args=[kindness.slug])).text
    assert f"From revision {FIRST} to revision {SECOND + 1}" in page
    assert "Other?</ins>" in page


def test_it_opens_the_oldest_however_many_answers_came_after(ada: Annotator) -> None:
    many = worlds.campaign(units=14, slug="many")
    given = [worlds.vote(ada, many) for _ in range(13)]
    guidelines.adopt(many, revisions.loaded(revisions.reworded()))
    guidelines.queue_another_look(many)
    client = signed_in(ada)
    page = client.get(f"{many.get_absolute_url()}?revise=again")
    assert page.context["earlier"].assignment_id == given[0].pk
    assert page.context["look_again"] == 13
    assert client.get(f"{many.get_absolute_url()}?revise={given[1].pk}").context["earlier"].assignment_id == given[1].pk
    # What is wrong with an answer is said beside the same text.
    form = page.context["form"]
    sent = {name: form[name].value() for name in ("assignment", "key", "label_set", "revises")} | {"again": "yes"}
    refused = client.post(reverse("submit", args=[many.slug]), sent)
    assert refused.context["earlier"].assignment_id == given[0].pk
    assert refused.context["is_again"]
    # The same answer, unchanged, leads to the next.
    done = client.post(reverse("submit", args=[many.slug]), sent | {"choice": "casual"}, follow=True)
    assert done.context["earlier"].assignment_id == given[1].pk
    assert done.context["look_again"] == 12


def test_who_only_changes_an_answer_goes_on_with_new_texts(
    ada: Annotator, kindness: Campaign, second: LabelSet
) -> None:
    for _ in range(2):
        worlds.vote(ada, kindness)
    guidelines.adopt(kindness, second)
    guidelines.queue_another_look(kindness)
    client = signed_in(ada)
    form = client.get(f"{kindness.get_absolute_url()}?revise=last").context["form"]
    sent = {name: form[name].value() for name in ("assignment", "key", "label_set", "revises")}
    done = client.post(reverse("submit", args=[kindness.slug]), sent | {"choice": "casual"}, follow=True)
    assert done.context["earlier"] is None


def test_it_opens_no_text_that_was_withdrawn(ada: Annotator, kindness: Campaign, second: LabelSet) -> None:
    gone = worlds.vote(ada, kindness)
    guidelines.adopt(kindness, second)
    guidelines.queue_another_look(kindness)
    gone.unit.instruction.state = 1
    gone.unit.instruction.save()
    page = signed_in(ada).get(f"{kindness.get_absolute_url()}?revise=again")
    assert page.context["earlier"] is None
    assert page.context["look_again"] == 0
    assert "none of your answers is left to look at again" in page.text


# --- Admin -----------------------------------------------------------------------------------------------------------


def test_a_curator_sees_what_a_revision_changes_adopts_it_and_queues_votes(ada: Annotator, kindness: Campaign) -> None:
    worlds.vote(ada, kindness)
    admin = signed_in(worlds.person("root", is_staff=True))
    change, page = (reverse(f"admin:annotate_campaign_{name}", args=[kindness.pk]) for name in ("change", "guidelines"))
    assert "Counted votes under an older wording: 0. <a" in admin.get(change).text
    assert "No newer revision is loaded" in admin.get(page).text
    revisions.loaded(revisions.with_tag())
    assert f"revision {SECOND} is loaded" in admin.get(change).text
    assert "at once.</ins>" in admin.get(page).text
    assert (
        f"kindness uses oig-safety revision {SECOND} now"
        in admin.post(page, {"adopt": SECOND}, follow=True).text.lower()
    )
    assert "Counted votes under an older wording: 1." in admin.get(change).text
    assert "Queued for another look: 1" in admin.post(page, {"queue": "yes"}, follow=True).text
    assert revisions.of(kindness) == SECOND
    assert guidelines.to_look_at(ada, kindness).count() == 1
    assert "Queue them" not in admin.get(page).text


def test_a_curator_is_told_why_a_revision_cannot_be_adopted(kindness: Campaign) -> None:
    revisions.loaded(revisions.reworded(tags=OIG.tags[1:]))
    admin = signed_in(worlds.person("root", is_staff=True))
    page = reverse("admin:annotate_campaign_guidelines", args=[kindness.pk])
    assert "It cannot be adopted: it lacks the tag" in admin.get(page).text
    assert "it lacks the tag" in admin.post(page, {"adopt": SECOND}, follow=True).text
    assert "There is no revision 77" in admin.post(page, {"adopt": "77"}, follow=True).text
    assert revisions.of(kindness) == FIRST
    campaigns.close(kindness)
    assert "is not open" in admin.post(page, {"adopt": SECOND}, follow=True).text


def test_adopting_takes_the_right_to_change_campaigns(ada: Annotator, kindness: Campaign, second: LabelSet) -> None:
    ada.is_staff = True
    ada.save()
    ada.user_permissions.add(Permission.objects.get(codename="view_campaign"))
    page = reverse("admin:annotate_campaign_guidelines", args=[kindness.pk])
    assert "Adopt revision" not in signed_in(ada).get(page).text
    assert signed_in(ada).post(page, {"adopt": SECOND}).status_code == 403
    assert revisions.of(kindness) == FIRST


def test_the_list_of_annotations_marks_those_under_an_older_wording(
    kindness: Campaign, second: LabelSet, ada: Annotator
) -> None:
    worlds.vote(ada, kindness)
    lists = "/admin/annotate/annotation/"
    client = signed_in(worlds.person("root", is_staff=True))
    assert "older than the present" not in client.get(lists).content.decode()
    guidelines.adopt(kindness, second)
    assert f"revision {FIRST}, older than the present" in client.get(lists).content.decode()
