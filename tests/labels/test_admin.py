"""The admin shows label sets and lets nobody edit them."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labels import loading
from labels.models import LabelSet
from tests.labels.specs import small

LIST = "admin:labels_labelset_changelist"
CHANGE = "admin:labels_labelset_change"
DELETE = "admin:labels_labelset_delete"


def queries(client: Client) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(reverse(LIST)).status_code == 200
    return len(captured)


def test_it_counts_labels_in_as_many_queries_for_many_sets_as_for_one(admin_client: Client) -> None:
    loading.load(small())
    one = queries(admin_client)
    for revision in range(2, 12):
        loading.load(small(revision=revision, tags="abc"))
    assert queries(admin_client) == one
    page = admin_client.get(reverse(LIST)).content.decode()
    assert page.count('<td class="field-tags">3</td>') == 10
    assert page.count('<td class="field-options">2</td>') == 11


@pytest.mark.parametrize(("words", "options"), [("personal", [3, 5]), ("casual", [3, 3, 5]), ("chatbot nobody", [])])
def test_it_finds_sets_by_their_labels_and_still_counts_all(
    admin_client: Client, words: str, options: list[int]
) -> None:
    loading.load_shipped()
    page = admin_client.get(reverse(LIST), {"q": words}).content.decode()
    assert sorted(map(int, re.findall(r'class="field-options">(\d)<', page))) == options


def test_it_lists_the_frozen_sets(admin_client: Client) -> None:
    for revision in (1, 2, 3):
        label_set, _ = loading.load(small(revision=revision))
    loading.freeze(label_set)
    for empty, found in (("0", 1), ("1", 2)):
        page = admin_client.get(reverse(LIST), {"frozen_at__isempty": empty}).content.decode()
        assert page.count('class="field-title"') == found


def test_it_shows_a_set_with_its_labels_and_no_way_to_save(admin_client: Client) -> None:
    label_set, _ = loading.load(small(tags="a"))
    page = admin_client.get(reverse(CHANGE, args=[label_set.pk])).content.decode()
    assert "A guideline." in page
    assert "tag a" in page
    assert 'name="_save"' not in page
    assert "<textarea" not in page


def test_it_refuses_to_add_and_to_change(admin_client: Client) -> None:
    label_set, _ = loading.load(small())
    assert admin_client.get(reverse("admin:labels_labelset_add")).status_code == 403
    assert admin_client.post(reverse(CHANGE, args=[label_set.pk]), {"title": "Other"}).status_code == 403
    assert LabelSet.objects.get().title == "Small"


def test_it_deletes_a_set_only_until_it_is_frozen(admin_client: Client) -> None:
    label_set, _ = loading.load(small())
    frozen, _ = loading.load(small(revision=2))
    loading.freeze(frozen)
    assert admin_client.post(reverse(DELETE, args=[label_set.pk]), {"post": "yes"}).status_code == 302
    assert admin_client.post(reverse(DELETE, args=[frozen.pk]), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [frozen.pk], "post": "yes"}
    assert admin_client.post(reverse(LIST), chosen).status_code == 403
    assert list(LabelSet.objects.all()) == [frozen]
