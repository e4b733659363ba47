"""Who is signed in."""

from __future__ import annotations

import pytest
from django.contrib.auth.backends import ModelBackend
from django.forms import model_to_dict
from django.test import Client
from django.urls import reverse

from annotate.backends import PreparedBackend
from annotate.models import Annotator
from tests.annotate import worlds

pytestmark = pytest.mark.django_db


def test_a_person_is_the_one_that_django_would_load() -> None:
    ada = worlds.person("ada")
    ada.keys, ada.languages = {"undo": "x"}, ["de", "ja"]
    ada.save()
    loaded, usual = PreparedBackend().get_user(ada.pk), ModelBackend().get_user(ada.pk)
    assert loaded is not None
    assert usual is not None
    assert model_to_dict(loaded) == model_to_dict(usual)
    assert loaded == usual
    assert not loaded.get_deferred_fields()


def test_nobody_is_loaded_who_is_gone_or_blocked(client: Client) -> None:
    ada = worlds.person("ada")
    client.force_login(ada)
    assert client.get(reverse("progress")).status_code == 200
    Annotator.objects.filter(pk=ada.pk).update(is_active=False)
    assert client.get(reverse("progress")).status_code == 302
    assert PreparedBackend().get_user(ada.pk) is None
    assert PreparedBackend().get_user(ada.pk + 1) is None
