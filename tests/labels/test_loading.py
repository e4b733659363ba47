"""Label sets are loaded once, replaced while nobody uses them, and refused once they are frozen."""

import threading
from pathlib import Path

import pytest
from django.db import connections, transaction

from labels import loading
from labels.loading import FrozenLabelSet
from labels.models import Label, LabelSet
from labels.taxonomy import SHIPPED as FOLDER
from labels.taxonomy import TaxonomyError
from tests.labels.locks import wait_until_blocked
from tests.labels.specs import OIG_SAFETY, SHIPPED, small

pytestmark = pytest.mark.django_db


def test_it_loads_options_then_tags_in_order() -> None:
    label_set, created = loading.load(OIG_SAFETY)
    assert created
    assert [(label.position, label.kind, label.name, label.key) for label in label_set.labels.all()] == [
        (0, "option", "casual", "1"),
        (1, "option", "needs caution", "2"),
        (2, "option", "needs intervention", "3"),
        (3, "tag", "abuse related", "a"),
        (4, "tag", "personal information related", "p"),
        (5, "tag", "sexual content", "s"),
        (6, "tag", "hate", "h"),
    ]


def test_it_changes_nothing_the_second_time() -> None:
    first, _ = loading.load(OIG_SAFETY)
    labels = list(first.labels.values())
    again, created = loading.load(OIG_SAFETY)
    assert (again.pk, created) == (first.pk, False)
    assert list(again.labels.values()) == labels


def test_it_replaces_a_set_that_is_not_frozen() -> None:
    first, _ = loading.load(small(tags="ab"))
    again, created = loading.load(small(title="Better", tags="bc"))
    assert (again.pk, created, again.title) == (first.pk, False, "Better")
    assert LabelSet.objects.get().spec == small(title="Better", tags="bc")
    assert Label.objects.count() == 4


def test_it_refuses_other_content_for_a_frozen_set() -> None:
    first, _ = loading.load(small())
    loading.freeze(first)
    with pytest.raises(
        FrozenLabelSet, match=r"small revision 1 is frozen and its content differs; write revision = 2 in"
    ):
        loading.load(small(tags="a"))
    assert LabelSet.objects.get().spec == small()


def test_it_loads_a_frozen_set_again_and_its_next_revision() -> None:
    first, _ = loading.load(small())
    loading.freeze(first)
    assert loading.load(small()) == (first, False)
    second, created = loading.load(small(revision=2, tags="a"))
    assert created
    assert second.pk != first.pk
    assert list(LabelSet.objects.values_list("revision", flat=True)) == [2, 1]


def test_it_freezes_once() -> None:
    label_set, _ = loading.load(small())
    times = [label_set.frozen_at]
    for _ in range(2):
        loading.freeze(label_set)
        times.append(label_set.frozen_at)
    assert times[0] is None
    assert times[1] is not None
    assert times[1] == times[2] == LabelSet.objects.get().frozen_at


def test_it_loads_what_the_project_ships() -> None:
    assert [(label_set.name, created) for label_set, created in loading.load_shipped()] == [
        (name, True) for name in SHIPPED
    ]
    assert {label_set.name: label_set.spec for label_set in LabelSet.objects.all()} == SHIPPED


def test_it_loads_one_shipped_set_by_name() -> None:
    assert loading.load_shipped_set("convabuse").spec == SHIPPED["convabuse"]
    assert LabelSet.objects.count() == 1
    with pytest.raises(TaxonomyError, match=r"nothing\.toml: cannot be read"):
        loading.load_shipped_set("nothing")


def test_it_loads_all_files_or_none(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("name = 3")
    with pytest.raises(TaxonomyError, match=r"broken\.toml"):
        loading.load_files([FOLDER / "oig-safety.toml", broken])
    assert not LabelSet.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_loads_a_set_once_when_several_start_at_the_same_time() -> None:
    start, created = threading.Barrier(4), []

    def load() -> None:
        try:
            start.wait()
            created.append(loading.load(OIG_SAFETY)[1])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(created) == [False, False, False, True]
    assert LabelSet.objects.get().spec == OIG_SAFETY


@pytest.mark.django_db(transaction=True)
def test_it_sees_a_freeze_that_is_committed_while_it_waits() -> None:
    label_set, _ = loading.load(small())
    raised: list[Exception] = []

    def load() -> None:
        try:
            loading.load(small(title="Better"))
        except Exception as error:  # noqa: BLE001 - which one it is is the subject
            raised.append(error)
        finally:
            connections.close_all()

    late = threading.Thread(target=load)
    with transaction.atomic():
        loading.freeze(label_set)
        late.start()
        wait_until_blocked()
    late.join()
    assert [type(error) for error in raised] == [FrozenLabelSet]
    assert LabelSet.objects.get().spec == small()
