from collections.abc import Callable
from functools import wraps
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from annotate import annotations, assignments
from annotate.annotations import Outcome
from annotate.errors import NothingToUndo
from annotate.forms import AnswerForm, SkipForm
from annotate.models import Annotator, Assignment, Campaign, Participation


def _annotator(request: HttpRequest) -> Annotator:
    """The signed-in person; LoginRequiredMiddleware lets nobody else come here."""
    return cast(Annotator, request.user)


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process can reach the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")


class SignOut(LogoutView):
    """Sign out, giving back what the person holds, so that nobody waits for it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Whoever comes here by a link, or after signing in again, is not signed out by it."""
        return redirect("front")

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.user.is_authenticated:
            assignments.release_all(request.user, Assignment.Reason.SIGNED_OUT)
        return super().post(request, *args, **kwargs)


@require_GET
def campaigns(request: HttpRequest) -> HttpResponse:
    annotator = _annotator(request)
    listed = Campaign.objects.open_to(annotator).with_progress().with_votes_of(annotator)
    return render(request, "annotate/campaigns.html", {"campaigns": listed})


@require_GET
def guidelines(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign.objects.known_to(_annotator(request)), slug=slug)
    return render(
        request, "annotate/guidelines.html", {"campaign": campaign, "labels": campaign.label_set.labels.all()}
    )


def _posted(view: Callable[[HttpRequest, str], HttpResponse]) -> Callable[[HttpRequest, str], HttpResponse]:
    """A view for POST that sends a GET to the labelling page, as after signing in again where a form was sent."""

    @wraps(view)
    def posted(request: HttpRequest, slug: str) -> HttpResponse:
        return view(request, slug) if request.method == "POST" else redirect("label", slug)

    return posted


@never_cache
@require_GET
def label(request: HttpRequest, slug: str) -> HttpResponse:
    """The labelling page; asking for it claims an instruction."""
    campaign = get_object_or_404(Campaign.objects.known_to(_annotator(request)), slug=slug)
    return _desk(request, campaign)


@_posted
def submit(request: HttpRequest, slug: str) -> HttpResponse:
    annotator = _annotator(request)
    campaign = get_object_or_404(Campaign.objects.known_to(annotator), slug=slug)
    assignment = _posted_assignment(request, campaign)
    form = AnswerForm(campaign.label_set, request.POST)
    if not form.is_valid():
        return _desk(request, campaign, assignment, form)
    outcome = annotations.submit(assignment, form.answer, form.cleaned_data["key"])
    _tell(request, outcome)
    return _next(request, campaign)


@_posted
def skip(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign.objects.known_to(_annotator(request)), slug=slug)
    assignment = _posted_assignment(request, campaign)
    form = SkipForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say why you skip this one: choose a reason from the list.")
        return _next(request, campaign)
    assignments.release(assignment, Assignment.Reason(form.cleaned_data["reason"]))
    messages.info(request, "Skipped. You will not see that one again.")
    return _next(request, campaign)


@_posted
def undo(request: HttpRequest, slug: str) -> HttpResponse:
    annotator = _annotator(request)
    campaign = get_object_or_404(Campaign.objects.known_to(annotator), slug=slug)
    try:
        annotations.undo(annotator, campaign)
        messages.info(request, "Taken back. Change your answer and submit it again.")
    except NothingToUndo as refusal:
        messages.info(request, str(refusal))
    return _next(request, campaign)


def _posted_assignment(request: HttpRequest, campaign: Campaign) -> Assignment:
    """The assignment that the form names, if it is this person's; else 404."""
    mine = Assignment.objects.filter(annotator=_annotator(request), unit__campaign=campaign)
    number = request.POST.get("assignment", "")
    return get_object_or_404(
        mine.select_related("unit__campaign__label_set", "unit__instruction", "annotator"),
        pk=number if number.isdecimal() and len(number) < 19 else 0,
    )


def _tell(request: HttpRequest, outcome: Outcome) -> None:
    level = messages.SUCCESS if outcome in (Outcome.SAVED, Outcome.ALREADY_SAVED) else messages.WARNING
    messages.add_message(request, level, f"{outcome.value[0].upper()}{outcome.value[1:]}.")


def _next(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """What follows an action: the next instruction at once, or, without JavaScript, a redirect to it."""
    if getattr(request, "htmx", False):
        return _desk(request, campaign)
    return redirect("label", campaign.slug)


def _desk(
    request: HttpRequest, campaign: Campaign, assignment: Assignment | None = None, form: AnswerForm | None = None
) -> HttpResponse:
    """The page, or for htmx the part of it that changes: one instruction and its form."""
    annotator = _annotator(request)
    if assignment is not None and not assignment.unit.is_available:
        messages.info(request, "The text that you had open was withdrawn meanwhile. Nothing you did was wrong.")
        assignment, form = None, None
    assignment = assignment or assignments.claim_next(annotator, campaign)
    if assignment is not None and form is None:
        form = AnswerForm.for_assignment(campaign.label_set, assignment, annotations.taken_back(assignment))
    template = "annotate/label.html#desk" if getattr(request, "htmx", False) else "annotate/label.html"
    context = {
        "campaign": campaign,
        "assignment": assignment,
        "turns": assignment.unit.judged_turns() if assignment else [],
        "form": form,
        "reasons": [(reason.value, reason.label) for reason in Assignment.DECLINES],
        "votes_given": Participation.objects.votes_of(annotator, campaign),
    }
    return render(request, template, context)
