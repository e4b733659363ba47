"""Searches for near-duplicates, reports, take-downs and screening."""

from __future__ import annotations

from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from annotate.models import Annotator
from sources import removals
from sources.criteria import Criterion
from sources.models import DuplicateSearch, Instruction, InstructionState, NearDuplicate, Screening, Source, TakeDown
from tests.sources.curation.pages import SECRET, given, page_of, shown, states
from tests.sources.worlds import near


def test_it_starts_a_search_and_refuses_a_threshold_that_nothing_reaches(
    admin: Client, ada: Annotator, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        answer = admin.post("/admin/sources/duplicatesearch/add/", {"threshold": "0.7"})
    search = DuplicateSearch.objects.get()
    assert (answer["Location"], search.threshold, search.started_by) == (page_of(search), 0.7, ada)
    assert len(callbacks) == 1
    assert "All available instructions are compared" in shown(admin, page_of(search))
    for threshold in ("0.2", "1.2", "x"):
        page = admin.post("/admin/sources/duplicatesearch/add/", {"threshold": threshold}).content.decode()
        assert "errorlist" in page
    assert DuplicateSearch.objects.count() == 1


def test_it_shows_clusters_by_size_with_what_differs(admin: Client, letters: Source) -> None:
    made = given(letters, "see the red bike", "see the blue bike", "pair one", "pair two!", "pair two")
    search = near(made[0], made[1])
    DuplicateSearch.objects.update(clusters=2)
    for other in made[3:]:
        NearDuplicate.objects.create(search=search, representative=made[2], instruction=other, similarity=0.8)
    page = shown(admin, f"/admin/sources/duplicatesearch/{search.pk}/clusters/")
    assert page.index("3 that are nearly the same") < page.index("2 that are nearly the same")
    assert "see the <del>red</del><ins>blue</ins> bike" in page
    assert "Similarity 0.90" in page


def test_it_decides_on_a_report(admin: Client, letters: Source, ada: Annotator) -> None:
    [one] = given(letters, SECRET)
    report = removals.report(one, None, "Bad.")
    assert report.instruction.public_id in shown(admin, "/admin/sources/escalation/")
    page = admin.post(page_of(report), {"state": "referred", "outcome": ""}).content.decode()
    assert "Say what was decided and why." in page
    admin.post(page_of(report), {"state": "referred", "outcome": "Sent on.", "reference": "7/26"})
    report.refresh_from_db()
    assert (report.state, report.outcome, report.reference, report.decided_by) == ("referred", "Sent on.", "7/26", ada)
    assert states() == [InstructionState.QUARANTINED]
    admin.post(page_of(report), {"state": "removed", "outcome": "They said so."})
    assert states() == [InstructionState.REMOVED]
    page = admin.post(page_of(report), {"state": "released", "outcome": "No."}).content.decode()
    assert "The text was taken down: nothing is left to decide on." in page
    assert SECRET not in " ".join(LogEntry.objects.values_list("object_repr", flat=True))


def test_it_lists_take_downs_with_what_they_refuse(admin: Client, letters: Source) -> None:
    given(letters, "one", "two")
    removals.take_down(Criterion(TakeDown.By.PATTERN, "o", Instruction.objects.all), "Asked for.")
    page = shown(admin, "/admin/sources/takedown/")
    assert '<td class="field-tombstones">2</td>' in page
    assert admin.get("/admin/sources/takedown/add/").status_code == 403


def test_it_screens_everything_again(
    admin: Client, letters: Source, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    again = reverse("admin:sources_screening_again")
    assert "There is no instruction to screen" in admin.post(again, follow=True).content.decode()
    given(letters, "one")
    with django_capture_on_commit_callbacks() as callbacks:
        page = admin.post(again, follow=True).content.decode()
    assert "Everything is screened again, in 1 part." in page
    assert len(callbacks) == 1
    assert Screening.objects.get().state == "queued"
    assert admin.get(again).status_code == 405
