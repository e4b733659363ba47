from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from annotate import person, quality, tallies
from annotate.models import Annotation, Annotator, Campaign, Unit
from annotate.quality import Votes
from labels import signals
from sources.models import Instruction, InstructionState
from tests.annotate import judged, worlds


@pytest.fixture
def kindness(db: None) -> Campaign:
    return judged.campaign()


def of(reports: list[quality.Report], name: str) -> quality.Report:
    return next(report for report in reports if report.name == name)


def test_the_one_that_answers_blindly_is_told_with_reasons_and_nobody_else(kindness: Campaign) -> None:
    found = quality.reports(kindness)
    assert [report.name for report in found] == sorted(judged.NAMES)
    ada = of(found, "ada")
    assert {one.code for one in ada.signals} == {signals.FAR, signals.LOWERS, signals.REPEATS, signals.TOO_FAST}
    assert all(one.reason for one in ada.signals)
    assert [report.signals for report in found if report.name != "ada"] == [()] * 5
    assert (ada.measured.n, ada.measured.n_compared) == (judged.UNITS, judged.UNITS)


def test_two_accounts_with_the_same_answers_are_told_to_both(kindness: Campaign) -> None:
    twin = worlds.person("zoe")
    for said in Annotation.objects.filter(annotator__username="bob"):
        Annotation.objects.create(unit=said.unit, annotator=twin, choice=said.choice, key=uuid.uuid4())
    found = {report.name: [one.reason for one in report.signals] for report in quality.reports(kindness)}
    assert "in common with zoe are the same" in found["bob"][0]
    assert "in common with bob are the same" in found["zoe"][0]
    assert (len(found["bob"]), len(found["zoe"]), found["cyd"]) == (1, 1, [])


def test_a_single_report_is_the_one_of_the_list(kindness: Campaign) -> None:
    judged.give_gold(kindness)
    ada = Annotator.objects.get(username="ada")
    alone, votes = quality.report(kindness, ada)
    assert alone == of(quality.reports(kindness), "ada")
    assert len(votes.of(ada.pk)) == judged.UNITS
    assert quality.report(kindness, worlds.person("zoe"))[0] is None


def test_only_counted_votes_on_served_texts_are_read(kindness: Campaign) -> None:
    ada = Annotator.objects.get(username="ada")
    first, second, third = Annotation.objects.filter(annotator=ada).order_by("unit")[:3]
    Annotation.objects.create(unit=first.unit, annotator=ada, supersedes=first, choice=None, key=uuid.uuid4())
    again = Annotation.objects.create(
        unit=second.unit, annotator=ada, supersedes=second, choice=third.choice, key=uuid.uuid4()
    )
    Instruction.objects.filter(pk=third.unit.instruction_id).update(state=InstructionState.QUARANTINED)
    votes = quality.read(kindness)
    own = votes.of(ada.pk)
    assert len(own) == judged.UNITS - 2
    # The later answer stands last, where it was given.
    assert votes.unit[own[-1]] == second.unit_id
    assert again.choice is not None
    assert votes.options[votes.option[own[-1]]] == again.choice.name


def test_votes_on_the_units_of_one_person_are_those_of_the_whole(kindness: Campaign) -> None:
    zoe = worlds.person("zoe")
    unit = Unit.objects.filter(campaign=kindness)[0]
    choice = kindness.label_set.labels.first()
    Annotation.objects.create(unit=unit, annotator=zoe, choice=choice, key=uuid.uuid4())
    votes = quality.read(kindness, zoe.pk)
    assert set(votes.unit.tolist()) == {unit.pk}
    assert len(votes.unit) == len(judged.NAMES) + 1


def test_accuracy_on_gold_has_an_interval(kindness: Campaign) -> None:
    judged.give_gold(kindness)
    found = quality.golds(kindness)
    bob = found[Annotator.objects.get(username="bob").pk]
    assert bob.n == 10
    assert bob.value is not None
    assert bob.value >= 0.7
    assert bob.low is not None
    assert bob.high is not None
    assert 0 < bob.low < bob.value <= bob.high <= 1


def test_a_campaign_without_votes_has_nobody(db: None) -> None:
    assert quality.reports(worlds.campaign()) == []


def votes_of(days: list[datetime], option: list[int], annotator: list[int]) -> Votes:
    size = len(days)
    unit = np.arange(size) // 2
    at = np.array([int(day.timestamp()) for day in days])
    rest = np.full(size, -1)
    return Votes(("mild", "severe"), unit, np.array(annotator), np.array(option), rest, rest, at)


def test_weeks_and_answers_are_totals_beside_the_others() -> None:
    monday, sunday = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 8, 23, 59, tzinfo=UTC)
    later = datetime(2026, 3, 9, tzinfo=UTC)
    votes = votes_of([monday, monday, sunday, sunday, later], [0, 0, 1, 0, 0], [1, 2, 1, 2, 1])
    new, old = person.weeks(votes, 1)
    assert (new.monday, new.votes, new.agreement.value) == (date(2026, 3, 9), 1, None)
    assert (old.monday, old.votes, old.agreement.value) == (date(2026, 3, 2), 2, 0.5)
    assert [(share.name, share.votes, share.others) for share in person.shares(votes, 1)] == [
        ("mild", 2, 1.0),
        ("severe", 1, 0.0),
    ]


def test_confusion_is_of_the_others_votes_where_there_are_others() -> None:
    day = datetime(2026, 3, 2, tzinfo=UTC)
    # Units of two votes: both mild; mild beside severe; and one alone.
    votes = votes_of([day] * 5, [0, 0, 0, 1, 1], [1, 2, 1, 2, 1])
    found = person.confusion(votes, 1)
    assert found.rows == [("mild", 0.5, 0.5, 2), ("severe", None, None, 0)]
    assert person.confusion(votes, 2).rows == [("mild", 1.0, 0.0, 1), ("severe", 1.0, 0.0, 1)]


# The pages.


@pytest.fixture
def admin(client: Client, db: None) -> Client:
    """A curator who labelled nothing; whoever may label in the campaign is invited by a group."""
    client.force_login(worlds.person("root", is_staff=True))
    return client


@pytest.fixture
def ask(admin: Client, kindness: Campaign) -> Callable[[str], str]:
    def asked(query: str) -> str:
        return admin.get(f"/admin/annotate/campaign/{kindness.pk}/quality/{query}").content.decode()

    return asked


def page_of(client: Client, name: str) -> str:
    person = Annotator.objects.get(username=name)
    return client.get(f"/admin/annotate/annotator/{person.pk}/quality/").content.decode()


def listed(page: str) -> list[str]:
    """The names in the list, in its order."""
    return re.findall(r"<bdi>(\w+)</bdi>", page)


def test_the_list_shows_signals_first_and_sorts_and_filters(ask: Callable[[str], str]) -> None:
    page = ask("")
    assert listed(page)[0] == "ada"
    assert "Faster than reading" in page
    assert 'aria-sort="descending"' in page
    assert listed(ask("?o=name")) == list(judged.NAMES)
    assert listed(ask("?o=-name")) == list(reversed(judged.NAMES))
    assert listed(ask("?o=agreement"))[0] == "ada"
    assert listed(ask("?signals=on")) == ["ada"]
    assert listed(ask("?q=A&o=name")) == ["ada", "dan", "fay"]
    assert listed(ask("?fewest=9999")) == []
    assert listed(ask("?o=nonsense&fewest=x"))[0] == "ada"


def test_the_page_of_a_person_tells_measures_signals_weeks_and_answers(admin: Client, kindness: Campaign) -> None:
    page = page_of(admin, "ada")
    assert "repeat casual, needs caution, needs intervention; by what the others said of them" in page
    assert "Agreement by week" in page
    assert "Confusion with the others" in page
    assert "Others: needs caution" in page
    assert "No vote on a known answer." in page
    assert "What could not be checked" in page_of(admin, "bob") or "None." in page_of(admin, "bob")
    assert "There is no counted vote of root" in page_of(admin, "root")
    change = Annotator.objects.get(username="ada").pk
    assert (
        f"/admin/annotate/annotator/{change}/quality/"
        in admin.get(f"/admin/annotate/annotator/{change}/change/").content.decode()
    )


def test_whoever_may_still_be_given_a_text_sees_no_vote_on_it(admin: Client, kindness: Campaign) -> None:
    judged.give_gold(kindness)
    page = page_of(admin, "ada")
    assert "are not shown: you may still be given those texts yourself" in page
    assert "the known answer is" not in page
    assert "Letter" not in page
    Campaign.objects.filter(pk=kindness.pk).update(state=Campaign.State.CLOSED)
    page = page_of(admin, "ada")
    assert "the known answer is <strong>" in page
    assert "Letter" in page


def test_votes_on_withdrawn_texts_are_not_shown_and_severe_texts_are_folded(admin: Client, kindness: Campaign) -> None:
    differing = judged.give_gold(kindness)
    Campaign.objects.filter(pk=kindness.pk).update(state=Campaign.State.CLOSED)
    ada, root = Annotator.objects.get(username="ada"), Annotator.objects.get(username="root")
    shown, hidden = person.disagreements(kindness, ada, root)
    assert hidden == 0
    gone, severe = shown[0].annotation.unit, shown[1].annotation.unit
    assert gone in differing
    Instruction.objects.filter(pk=gone.instruction_id).update(state=InstructionState.QUARANTINED)
    severe.instruction.provenances.update(suggested={"label": "needs-intervention"})
    page = page_of(admin, "ada")
    assert str(gone.instruction) not in page
    assert "Severe (needs intervention): open to read" in page


def test_only_the_last_votes_that_differ_from_gold_are_read(
    kindness: Campaign, django_assert_max_num_queries: Any
) -> None:
    judged.give_gold(kindness, count=40)
    Campaign.objects.filter(pk=kindness.pk).update(state=Campaign.State.CLOSED)
    ada, root = Annotator.objects.get(username="ada"), worlds.person("root")
    with django_assert_max_num_queries(5) as asked:
        shown, _ = person.disagreements(kindness, ada, root)
    assert len(shown) == person.DISAGREEMENTS
    assert all(one.annotation.choice != one.known.choice for one in shown)
    assert [one.annotation.pk for one in shown] == sorted((one.annotation.pk for one in shown), reverse=True)
    assert "LIMIT" in asked.captured_queries[0]["sql"]


@pytest.mark.parametrize("missing", ["view_annotation", "view_annotator", "view_campaign"])
def test_only_staff_with_permission_sees_quality(client: Client, kindness: Campaign, missing: str) -> None:
    Annotator.objects.filter(username="bob").update(is_staff=True)
    bob = Annotator.objects.get(username="bob")
    needed = {"view_annotation", "view_annotator", "view_campaign"}
    bob.user_permissions.set(Permission.objects.filter(codename__in=needed - {missing}))
    client.force_login(bob)
    for rest in ("", "annotators.csv", "pair/", "pair.json", "pair/pair-agreement.csv"):
        assert client.get(f"/admin/annotate/campaign/{kindness.pk}/quality/{rest}").status_code == 403
    expected = 200 if missing == "view_campaign" else 403
    assert client.get(f"/admin/annotate/annotator/{bob.pk}/quality/").status_code == expected
    bob.user_permissions.set(Permission.objects.filter(codename__in=needed))
    assert client.get(f"/admin/annotate/campaign/{kindness.pk}/quality/").status_code == 200


def test_of_a_large_campaign_the_tables_are_read_and_say_the_same(
    kindness: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    tallies.fold()
    read = {report.name: report for report in quality.reports(kindness)}
    ada = Annotator.objects.get(username="ada")
    alone = quality.report(kindness, ada)[0]
    monkeypatch.setattr(quality, "MOST_READ", 10)
    for report in quality.reports(kindness):
        assert report.measured == read[report.name].measured
        assert {one.code for one in report.signals} <= {signals.FAR, signals.LOWERS}
    assert quality.report(kindness, ada)[0] == alone


def test_the_list_is_made_anew_once_votes_or_known_answers_change(kindness: Campaign, monkeypatch: Any) -> None:
    tallies.fold()
    first = quality.listed(kindness)
    with monkeypatch.context() as patched:
        patched.setattr(quality, "reports", None)
        assert quality.listed(kindness).at == first.at
    judged.give_gold(kindness)
    second = quality.listed(kindness)
    assert (of(first.made, "bob").gold.n, of(second.made, "bob").gold.n) == (0, 10)
    Instruction.objects.filter(units__campaign=kindness).update(state=InstructionState.QUARANTINED)
    tallies.fold()
    assert quality.listed(kindness).made == []


def test_the_list_is_also_a_table_for_other_programs(kindness: Campaign, client: Client) -> None:
    client.force_login(worlds.person("root", is_staff=True))
    address = f"/admin/annotate/campaign/{kindness.pk}/quality/annotators.csv"
    rows = list(csv.DictReader(io.StringIO(client.get(f"{address}?o=-name&q=b").content.decode())))
    assert [row["Annotator"] for row in rows] == ["bob"]
    (bob,) = (one for one in quality.reports(kindness) if one.name == "bob")
    assert int(rows[0]["Votes"]) == bob.measured.n
    assert float(rows[0]["Agreement"]) == pytest.approx(bob.agreement.value, abs=1e-6)
    assert list(rows[0]) == list(dict.fromkeys(rows[0]))
