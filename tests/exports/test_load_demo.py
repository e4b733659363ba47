from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotate.models import Annotation, Annotator, Campaign, KnownAnswer
from exports.models import Snapshot
from sources.models import Instruction, Source
from tests.exports import worlds

pytestmark = pytest.mark.django_db(transaction=True)


def load_demo(password: str | None = "for the demo") -> str:
    out = StringIO()
    call_command("load_demo", password=password, yes=True, stdout=out, stderr=StringIO())
    return out.getvalue()


def counts() -> list[int]:
    return [
        model.objects.count() for model in (Source, Instruction, Campaign, Annotation, Annotator, Snapshot, KnownAnswer)
    ]


def test_it_loads_a_sample_that_says_what_is_simulated_and_may_run_twice() -> None:
    said = "Sign in as  volunteer  or as  admin  with the password  for the demo\nLabel: /campaigns/sample/label/ "
    assert load_demo().startswith(said)
    first, manifest = counts(), Snapshot.objects.get().manifest
    assert manifest["simulated_votes"] == manifest["votes"] == Annotation.objects.count() > 500
    assert Annotator.objects.filter(kind="simulated").count() == 12
    assert KnownAnswer.objects.gold().count() == Instruction.objects.count() / 3
    assert Annotator.objects.get(username="admin").is_superuser
    assert not Annotator.objects.get(username="volunteer").is_staff
    assert load_demo().startswith(said)
    assert (counts(), Snapshot.objects.get().manifest) == (first, manifest)
    # What was interrupted is completed, and a password that was changed stays.
    admin = Annotator.objects.get(username="admin")
    admin.set_password("changed by its owner")
    admin.save()
    worlds.lose_commit(Snapshot.objects.get())
    assert load_demo().splitlines()[:2] == [
        "Sign in as  volunteer  with the password  for the demo",
        "Sign in as  admin  with the password it had before",
    ]
    assert Snapshot.objects.get().is_published
    assert Annotator.objects.get(username="admin").check_password("changed by its owner")


def test_it_keeps_what_the_owner_made_of_the_source() -> None:
    load_demo()
    Source.objects.update(title="Ours")
    load_demo()
    assert Source.objects.get().title == "Ours"


def test_it_says_in_one_line_why_the_release_failed() -> None:
    load_demo()
    worlds.lose_commit(Snapshot.objects.get())
    Snapshot.objects.update(state="failed", error="earlier")
    Source.objects.update(license="unknown")
    with pytest.raises(CommandError, match=r"^Release 0\.1 was not published: No available instruction with votes"):
        load_demo()


def test_it_makes_a_password_where_none_is_given_and_shows_it_once() -> None:
    found = re.match(r"Sign in as  volunteer  or as  admin  with the password  (\S{12})\n", load_demo(None))
    assert found
    assert all(Annotator.objects.get(username=name).check_password(found[1]) for name in ("volunteer", "admin"))
    assert load_demo(None).startswith("Sign in as  volunteer  or as  admin  with the password it had before\n")


def test_it_loads_nothing_into_a_named_database_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/oig")
    with pytest.raises(CommandError, match=r"^DATABASE_URL names a database of your own: give --yes"):
        call_command("load_demo")
    assert not Annotator.objects.exists()
    monkeypatch.delenv("DATABASE_URL")
    call_command("load_demo", stdout=StringIO(), stderr=StringIO())
    assert Annotator.objects.filter(username="admin").exists()
