"""The database refuses to change a frozen label set, whoever asks."""

import threading

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import F
from pytest_django import DjangoAssertNumQueries

from labels import loading
from labels.models import Label, LabelSet
from labels.taxonomy import LabelSetSpec
from tests.labels.locks import wait_until_blocked
from tests.labels.specs import SHIPPED, small

REMEDY = "label set small revision 1 is frozen: load it as the next revision"


@pytest.fixture
def frozen(db: None) -> LabelSet:
    label_set, _ = loading.load(small(tags="a"))
    loading.freeze(label_set)
    return label_set


def new_label(label_set: LabelSet) -> Label:
    return Label(
        label_set=label_set,
        kind=Label.Kind.TAG,
        code="late",
        name="late",
        position=9,
        key="l",
        colour_light="#1b6e3c",
        colour_dark="#6fd08c",
        definition="Late.",
        guideline="Too late.",
    )


@pytest.mark.django_db
@pytest.mark.parametrize("spec", SHIPPED.values(), ids=SHIPPED)
def test_it_gives_back_the_spec_that_was_loaded(spec: LabelSetSpec) -> None:
    label_set, _ = loading.load(spec)
    again = LabelSet.objects.get(pk=label_set.pk)
    assert again.spec == spec
    assert again.spec.digest == again.digest


@pytest.mark.django_db
def test_it_needs_no_query_for_a_spec_with_prefetched_labels(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    loading.load_shipped()
    with django_assert_num_queries(2):
        assert len([label_set.spec for label_set in LabelSet.objects.prefetch_related("labels")]) == len(SHIPPED)


@pytest.mark.django_db
def test_it_reads_as_what_it_is() -> None:
    label_set, _ = loading.load(small())
    assert str(label_set) == "small revision 1"
    assert [str(label) for label in label_set.labels.all()] == ["fine", "not fine"]


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Other"},
        {"question": "Why?"},
        {"published": []},
        {"revision": 2},
        {"frozen_at": None},
        {"frozen_at": F("created_at")},
    ],
    ids=str,
)
def test_it_refuses_to_change_a_frozen_set(frozen: LabelSet, change: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match=REMEDY):
        LabelSet.objects.filter(pk=frozen.pk).update(**change)


def test_it_refuses_to_delete_a_frozen_set(frozen: LabelSet) -> None:
    with pytest.raises(IntegrityError, match=REMEDY):
        frozen.delete()


def test_it_refuses_to_delete_a_frozen_set_in_sql(frozen: LabelSet) -> None:
    with pytest.raises(IntegrityError, match=REMEDY), connection.cursor() as cursor:
        cursor.execute("DELETE FROM labels_labelset WHERE id = %s", [frozen.pk])


def test_it_refuses_a_new_label_in_a_frozen_set(frozen: LabelSet) -> None:
    with pytest.raises(IntegrityError, match=REMEDY):
        new_label(frozen).save()


def test_it_refuses_to_change_a_label_of_a_frozen_set(frozen: LabelSet) -> None:
    with pytest.raises(IntegrityError, match=REMEDY):
        frozen.labels.update(guideline="Other.")


def test_it_refuses_to_delete_a_label_of_a_frozen_set(frozen: LabelSet) -> None:
    with pytest.raises(IntegrityError, match=REMEDY):
        frozen.labels.all().delete()


def test_it_refuses_to_move_a_label_out_of_or_into_a_frozen_set(frozen: LabelSet) -> None:
    other, _ = loading.load(small(revision=2))
    late = new_label(other)
    late.save()
    for label, target in ((frozen.labels.first(), other), (late, frozen)):
        assert label is not None
        with pytest.raises(IntegrityError, match=REMEDY), transaction.atomic():
            Label.objects.filter(pk=label.pk).update(label_set=target, position=20)


def test_it_lets_a_frozen_set_be_saved_unchanged(frozen: LabelSet) -> None:
    LabelSet.objects.get(pk=frozen.pk).save()
    assert LabelSet.objects.get(pk=frozen.pk).frozen_at == frozen.frozen_at


@pytest.mark.django_db
def test_it_lets_an_unfrozen_set_be_changed_and_deleted() -> None:
    label_set, _ = loading.load(small(tags="a"))
    label_set.labels.filter(code="tag-a").delete()
    label_set.title = "Other"
    label_set.save()
    label_set.delete()
    assert not Label.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_lets_no_label_slip_in_while_a_freeze_is_not_yet_committed() -> None:
    label_set, _ = loading.load(small())
    refused: list[str] = []

    def add_label() -> None:
        try:
            new_label(label_set).save()
        except IntegrityError as error:
            refused.append(str(error))
        finally:
            connections.close_all()

    late = threading.Thread(target=add_label)
    with transaction.atomic():
        loading.freeze(label_set)
        late.start()
        wait_until_blocked()
    late.join()
    assert len(refused) == 1
    assert REMEDY in refused[0]
    assert label_set.labels.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"code": "fine"}, "label_code_once_per_set"),
        ({"name": "fine"}, "label_name_once_per_set"),
        ({"key": "a"}, "label_key_once_per_set"),
        ({"position": 0}, "label_position_once_per_set"),
        ({"key": "7"}, "label_key_fits_kind"),
        ({"kind": "option"}, "label_key_fits_kind"),
        ({"kind": "other"}, "label_key_fits_kind"),
    ],
)
def test_it_refuses_labels_that_cannot_be_told_apart(change: dict[str, object], constraint: str) -> None:
    label_set, _ = loading.load(small(tags="a"))
    label = new_label(label_set)
    for field, value in change.items():
        setattr(label, field, value)
    with pytest.raises(IntegrityError, match=constraint):
        label.save()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"rule": "mean"}, "label_set_rule_known"),
        ({"revision": 0}, "label_set_revision_from_1"),
        ({"revision": 2}, "label_set_name_and_revision_once"),
    ],
)
def test_it_refuses_sets_that_cannot_be(change: dict[str, object], constraint: str) -> None:
    loading.load(small(revision=2))
    label_set, _ = loading.load(small())
    with pytest.raises(IntegrityError, match=constraint):
        LabelSet.objects.filter(pk=label_set.pk).update(**change)
