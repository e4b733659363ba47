"""docs/api.md shows an answer, its fields and a script: they are compared and run here."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client

from annotate import measures
from annotate.models import Annotator
from exports.api import AskedSerializer, FiltersSerializer, FormsSerializer, WholeSnapshotSerializer
from sources.api import ImportPages, ImportSerializer
from sources.models import Source
from tests import ROOT
from tests.annotate import worlds
from tests.processes import Web
from tests.sources.worlds import imported, jsonl

PAGE = (ROOT / "docs/api.md").read_text()
AGREEMENT = PAGE.partition("## Agreement\n")[2].partition("\n## ")[0]
ANNOTATORS = PAGE.partition("## Annotators\n")[2].partition("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}$\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_it_describes_every_field() -> None:
    of_import = PAGE.partition("## An import\n")[2].partition("\n## ")[0]
    described = re.findall(r"^\| `(\w+)` \|", of_import, re.MULTILINE)
    assert described == list(ImportSerializer.Meta.fields)
    assert f"{ImportPages.page_size} a page" in PAGE


@pytest.mark.django_db
def test_it_describes_every_key_of_agreement() -> None:
    keys = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", AGREEMENT, re.MULTILINE))))
    assert keys == set(measures.kept(worlds.campaign()).as_dict)


@pytest.mark.django_db
def test_it_describes_every_key_of_an_annotator(client: Client) -> None:
    campaign = worlds.campaign()
    worlds.vote(worlds.person("ada"), campaign)
    client.force_login(worlds.person("root", is_staff=True))
    found = client.get(f"/api/v1/campaigns/{campaign.slug}/annotators/").json()
    keys = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", ANNOTATORS, re.MULTILINE))))
    assert keys == set(found["annotators"][0])
    for key in {*found, *found["annotators"][0]["loo_agreement"]}:
        assert f"`{key}`" in ANNOTATORS


def test_it_describes_every_field_of_a_release() -> None:
    of_release = PAGE.partition("## A release\n")[2].partition("\n## ")[0]
    described = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", of_release, re.MULTILINE)))
    assert described == list(WholeSnapshotSerializer.Meta.fields)


@pytest.mark.django_db
def test_it_shows_all_that_can_be_asked_of_a_version() -> None:
    worlds.campaign(slug="sample")
    asked = json.loads(blocks("json")[2])
    serializer = AskedSerializer(data=asked)
    assert serializer.is_valid(), serializer.errors
    assert list(asked) == list(AskedSerializer().fields)
    for name, part in (("forms", FormsSerializer()), ("filters", FiltersSerializer())):
        assert list(asked[name]) == list(part.fields)


def test_its_script_is_told_what_it_shows(web: Web, tmp_path: Path) -> None:
    # The web processes do not know the fast hash of the other tests.
    password = PBKDF2PasswordHasher().encode("ada's password", "salt", iterations=1)
    Annotator.objects.create_superuser("ada")
    Annotator.objects.update(password=password)
    source = Source.objects.create(name="invented", revision="2026-01", license="MIT")
    path = jsonl(tmp_path / "a.jsonl", ["a", "b", "a"])
    path.write_text(path.read_text() + '{"text": \n')
    run = imported(source, path)
    names: dict[str, Any] = {"ADDRESS": web.url, "NAME": "ada", "PASSWORD": "ada's password"}
    (script,) = blocks("python")
    exec(script, names)
    shown, empty, _ = map(json.loads, blocks("json"))
    own = {name: names["newest"][name] for name in ("id", "created_at", "started_at", "finished_at")}
    assert {**shown, **own} == names["newest"]
    assert own["id"] == run.pk
    assert list(empty) == ["next", "previous", "results"]
