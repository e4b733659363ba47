"""The labelling page: one instruction and its form, and the queue of the page that fetches ahead and sends."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from annotate import annotations, assignments, care, guidelines, help_lines, keys, remainder, training
from annotate.annotations import Outcome, Saved
from annotate.assignments import Lease
from annotate.errors import AnswerRefused, NotTheirs
from annotate.forms import AnswerForm, SkipForm
from annotate.models import Annotation, Annotator, Assignment, Campaign, Participation
from annotate.remainder import Why
from annotate.shown import shown
from annotate.training import Demand
from annotate.views.care import sent_elsewhere
from annotate.views.told import told
from annotate.views.visitor import annotator_of

# What became of a submit, in the words that its author reads.
WORDS = {
    Outcome.SAVED: _("Saved."),
    Outcome.CHANGED: _("Your answer is changed."),
    Outcome.SURPLUS: _(
        "Saved; it came after the reservation had ended and others had filled the place, so it is not counted."
    ),
    Outcome.WITHDRAWN: _(
        "Saved; the text was withdrawn while you had it, so your answer, although in order, is not counted."
    ),
    Outcome.ALREADY_SAVED: _("Already saved."),
    Outcome.ALREADY_ANSWERED: _(
        "You had answered this one before, perhaps in another tab. That answer stands; you can change it."
    ),
    Outcome.PAUSED: _(
        "This campaign is paused for you, so this answer is not counted. Those before it stay as they are."
    ),
    Outcome.STANDS: _("The campaign is closed, so your earlier answer stands."),
}
# Why nothing is left.
LEFT = {
    Why.CLOSED: _("This campaign is closed: it takes no more answers."),
    Why.MINUTES: _(
        "Your time for today is over. Thank you; have a rest, and come again tomorrow. What you answered is saved."
    ),
    Why.SEVERE: _("You had as many severe texts as there should be in a day, and those that are left here are severe."),
    Why.CALM: _("Those that are left here are severe. Have a break first: in a quarter of an hour there are more."),
    Why.NOT_NOW: _(
        "What is left for you is with others at the moment, or too much like what you had last. "
        "Look again in a few minutes."
    ),
    Why.WISHES: _("What is left is in languages that you did not choose, or on topics that you do not want."),
    Why.OTHERS: _("You have labelled or skipped everything here that you could. What is still open is for others."),
    Why.DONE: _("Every text of this campaign has all the answers that it needs."),
}
AGAIN = "again"
NO_EARLIER = _("There is no earlier answer that could be changed.")
NO_EARLIER_TO_LOOK_AT = _("Thank you: none of your answers is left to look at again.")
GOOD = (Outcome.SAVED, Outcome.CHANGED, Outcome.ALREADY_SAVED)


def posted(view: Callable[[HttpRequest, str], HttpResponse]) -> Callable[[HttpRequest, str], HttpResponse]:
    """A view for POST that sends a GET to the labelling page, as after signing in again where a form was sent."""
    heard = judged(view)

    @wraps(view)
    def sent(request: HttpRequest, slug: str) -> HttpResponse:
        return heard(request, slug) if request.method == "POST" else redirect("label", slug)

    return sent


def judged(view: Callable[[HttpRequest, str], HttpResponse]) -> Callable[[HttpRequest, str], HttpResponse]:
    """A view that says "not found" to the page's queue in JSON: a page of HTML could come from a proxy in between."""

    @wraps(view)
    def judging(request: HttpRequest, slug: str) -> HttpResponse:
        try:
            return view(request, slug)
        except Http404:
            if not is_queue(request):
                raise
            return JsonResponse({"errors": {}}, status=404)

    return judging


@never_cache
@require_GET
def label(request: HttpRequest, slug: str) -> HttpResponse:
    """The labelling page; asking for it claims an instruction.

    ``?revise=last``, or the number of an assignment, opens an earlier answer instead, and ``?revise=again`` the oldest
    that waits for another look since the guidelines changed. Nothing is claimed or taken back by that: the answer
    stands until another is submitted in its place.
    """
    annotator = annotator_of(request)
    campaign = known_campaign(request, slug)
    wanted = request.GET.get("revise", "")
    earlier = _earlier(annotator, campaign, wanted) if wanted else None
    if wanted and earlier is None:
        messages.info(request, NO_EARLIER_TO_LOOK_AT if wanted == AGAIN else NO_EARLIER)
    return _desk(request, campaign, earlier=earlier)


@posted
def submit(request: HttpRequest, slug: str) -> HttpResponse:
    """Store an answer. The page's queue gets JSON: what became of it, and the texts it does not hold yet."""
    annotator = annotator_of(request)
    # The wording that the person was shown; whether it is one of this campaign's is checked where the answer is stored.
    wording = number_in(request.POST.get("label_set", ""))
    form = AnswerForm(wording or campaign_at(slug).label_set_id, request.POST)
    if not form.is_valid():
        return _refused(request, slug, form)
    number, key = form.cleaned_data["assignment"], form.cleaned_data["key"]
    try:
        if is_queue(request):
            # What waited for a campaign that the person has left meanwhile asks for no more texts of it.
            leases = 0 if request.POST.get("claims") == "no" else assignments.HANDS
            saved = annotations.submit_and_claim(annotator, slug, number, form.answer, key, leases)
            return _cards(request, slug, saved)
        outcome = annotations.submit(annotator, number, form.answer, key)
    except NotTheirs as error:
        raise Http404 from error
    except AnswerRefused as refusal:
        form.add_error(None, str(refusal))
        return _refused(request, slug, form)
    level = messages.SUCCESS if outcome in GOOD else messages.WARNING
    messages.add_message(request, level, WORDS[outcome])
    return next_instruction(request, known_campaign(request, slug))


@require_POST
@judged
def cards(request: HttpRequest, slug: str) -> HttpResponse:
    """For the page's queue: what the person holds, after claiming one more text to have at hand."""
    annotator = annotator_of(request)
    campaign = known_campaign(request, slug)
    votes = Participation.objects.labelled_by(annotator, campaign)
    held = assignments.claim(annotator, campaign, assignments.HANDS)
    return _cards(request, slug, Saved(None, votes, campaign.label_set_id, held))


@never_cache
@require_GET
def answers(request: HttpRequest, slug: str) -> HttpResponse:
    """The person's last answers here, each to be changed; for htmx the list alone, beside the text on the desk."""
    annotator = annotator_of(request)
    campaign = known_campaign(request, slug)
    if elsewhere := sent_elsewhere(request):
        return elsewhere
    template = "annotate/answers.html#list" if getattr(request, "htmx", False) else "annotate/answers.html"
    said = annotations.last_answers(annotator, campaign)
    names = {label.code: label.name for label in campaign.label_set.labels.all()}
    listed = [(one, [names.get(code, code) for code, yes in one.tags.items() if yes]) for one in said]
    return render(request, template, {"campaign": campaign, "answers": listed})


@posted
def skip(request: HttpRequest, slug: str) -> HttpResponse:
    annotator = annotator_of(request)
    campaign = known_campaign(request, slug)
    form = SkipForm(request.POST)
    mine = Assignment.objects.filter(annotator=annotator, unit__campaign=campaign).select_related("annotator")
    assignment = get_object_or_404(mine, pk=number_in(request.POST.get("assignment", "")))
    if not form.is_valid():
        messages.error(request, _("Say why you skip this one: choose a reason from the list."))
        return next_instruction(request, campaign)
    reason = Assignment.Reason(form.cleaned_data["reason"])
    if annotations.withdraw(annotator, assignment.pk, reason):
        messages.info(request, _("Your answer is taken back. You will not see that one again."))
    elif assignments.release(assignment, reason) or not mine.answered().filter(unit=assignment.unit_id).exists():
        messages.info(request, _("Skipped. You will not see that one again."))
    else:
        messages.warning(request, _("The campaign is closed, so your answer stands; it could not be taken back."))
    return next_instruction(request, campaign)


def known_campaign(request: HttpRequest, slug: str) -> Campaign:
    """The campaign of an address, if this person may see its pages; else 404."""
    return get_object_or_404(Campaign.objects.known_to(annotator_of(request)), slug=slug)


def campaign_at(slug: str) -> Campaign:
    """The campaign of an address. Who may answer in it is said by the assignment that they name."""
    return get_object_or_404(Campaign, slug=slug, kind=Campaign.Kind.VOLUNTEER)


def number_in(text: str) -> int:
    """What an address or a field names, 0 if that is no number."""
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _earlier(annotator: Annotator, campaign: Campaign, wanted: str) -> Annotation | None:
    """The answer that ``?revise=`` names, if it is this person's and may be changed."""
    if not campaign.is_open:
        return None
    waiting = guidelines.to_look_at(annotator, campaign).select_related("choice", "assignment", "unit__instruction")
    if wanted == AGAIN:
        return waiting.first()
    answers = annotations.last_answers(annotator, campaign)
    found = next((said for said in answers if wanted in ("last", str(said.assignment_id))), None)
    return found or waiting.filter(assignment=number_in(wanted)).first()


def is_queue(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


def _refused(request: HttpRequest, slug: str, form: AnswerForm) -> HttpResponse:
    """The same text again with what is wrong, or for the queue that alone."""
    if is_queue(request):
        return JsonResponse({"errors": form.errors}, status=422)
    campaign = known_campaign(request, slug)
    mine = Assignment.objects.filter(annotator=annotator_of(request), unit__campaign=campaign)
    named = get_object_or_404(mine.select_related("unit__instruction"), pk=number_in(form["assignment"].value() or ""))
    if not named.unit.is_available:
        messages.info(request, _("The text that you had open was withdrawn meanwhile. Nothing you did was wrong."))
        return _desk(request, campaign)
    earlier = _earlier(annotator_of(request), campaign, str(named.pk)) if form["revises"].value() else None
    return _desk(request, campaign, form=form, earlier=earlier)


def _cards(request: HttpRequest, slug: str, saved: Saved) -> JsonResponse:
    """What the queue needs to go on: the leases of this person here, each with its text if the page lacks it.

    ``wording`` is the label set by which the campaign goes now, so that a page which shows an older one notices.
    """
    outcome, votes, wording, held = saved
    annotator = annotator_of(request)
    has = set(request.POST.get("holding", "").split())
    lost = has - {str(lease.assignment_id) for lease in held} - {request.POST.get("assignment", "")}
    return JsonResponse(
        {
            "outcome": outcome.value if outcome else "",
            "words": str(WORDS[outcome]) if outcome else "",
            "good": outcome in GOOD,
            "votes": votes,
            "tally": _tally(votes),
            "wording": wording,
            "elsewhere": care.elsewhere(annotator),
            "leases": [_card(lease, whole=str(lease.assignment_id) not in has, reader=annotator) for lease in held],
            "paused": not held and bool(training.standing(annotator, slug)),
            "withdrawn": _withdrawn(annotator, lost) if lost else [],
        }
    )


def _withdrawn(annotator: Annotator, numbers: set[str]) -> list[int]:
    """Of the texts that the page has and the person no longer holds, those that nobody may see any more."""
    mine = Assignment.objects.filter(annotator=annotator, pk__in=[number_in(number) for number in numbers])
    return list(mine.filter(unit__is_withdrawn=True).values_list("pk", flat=True))


def _tally(votes: int) -> str:
    if not votes:
        return str(_("Your first one here"))
    return ngettext("You have labelled %(votes)d here", "You have labelled %(votes)d here", votes) % {"votes": votes}


def _card(lease: Lease, *, whole: bool, reader: Annotator) -> dict[str, Any]:
    """A lease as the queue knows it; ``text`` is the HTML of its text, empty if the page has it."""
    hints = {"context": keys.hint(reader.keys.get("context", keys.ACTIONS["context"]))} if reader.keys_enabled else {}
    context = {
        "is_masked": reader.is_masked,
        "hints": hints,
        "target": lease.target,
        "text": shown(lease.turns, lease.target),
        "language": lease.language,
    }
    return {
        "assignment": lease.assignment_id,
        "key": str(uuid4()) if whole else "",
        "until": lease.expires_at.isoformat(),
        "text": render_to_string("annotate/label.html#text", context) if whole else "",
    }


def next_instruction(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """What follows an action: the next instruction at once, or, without JavaScript, a redirect to it.

    Whoever looks at earlier answers again gets the next of those until none is left.
    """
    wanted = AGAIN if request.POST.get(AGAIN) else ""
    if not getattr(request, "htmx", False):
        return redirect(f"{reverse('label', args=[campaign.slug])}{'?revise=again' if wanted else ''}")
    earlier = _earlier(annotator_of(request), campaign, AGAIN) if wanted else None
    if wanted and earlier is None:
        messages.info(request, NO_EARLIER_TO_LOOK_AT)
    return _desk(request, campaign, earlier=earlier)


def _desk(
    request: HttpRequest, campaign: Campaign, *, form: AnswerForm | None = None, earlier: Annotation | None = None
) -> HttpResponse:
    """The page, or for htmx the part of it that changes: one instruction and its form."""
    if elsewhere := sent_elsewhere(request):
        return elsewhere
    annotator = annotator_of(request)
    lease = None if earlier else next(iter(assignments.claim(annotator, campaign)), None)
    if earlier is not None:
        form = form or AnswerForm.for_revision(campaign.label_set_id, earlier)
    elif lease is not None and (form is None or form["assignment"].value() != str(lease.assignment_id)):
        form = AnswerForm.for_lease(campaign.label_set_id, lease)
    turns = earlier.unit.instruction.turns if earlier else lease.turns if lease else []
    template = "annotate/label.html#desk" if getattr(request, "htmx", False) else "annotate/label.html"
    joined = Participation.objects.filter(annotator=annotator, campaign=campaign).first()
    votes = joined.labelled if joined else 0
    demanded = None if form else training.demanded(annotator, campaign, now())
    why = remainder.why(annotator, campaign) if demanded is Demand.NOTHING else None
    context = {
        "campaign": campaign,
        "target": campaign.target,
        "lease": lease,
        "earlier": earlier,
        "text": shown(turns, campaign.target),
        "language": earlier.unit.instruction.language if earlier else lease.language if lease else "",
        "form": form,
        "reasons": [(reason.value, reason.label) for reason in Assignment.DECLINES],
        "votes_given": votes,
        "told": told(annotator, campaign) if demanded else None,
        "why": LEFT[why] if why else "",
        "is_for_wishes": why in (Why.WISHES, Why.MINUTES, Why.SEVERE, Why.CALM),
        "is_masked": annotator.is_masked,
        "tally": _tally(votes),
        "now": now(),
        "countries": help_lines.by_country(get_language() or "en"),
        "guidelines_changed": guidelines.has_changed_for(joined, campaign),
        "look_again": guidelines.to_look_at(annotator, campaign).count(),
        "is_again": earlier is not None and AGAIN in (request.GET.get("revise"), *request.POST),
        **keyboard(annotator, form),
    }
    return render(request, template, context)


def keyboard(annotator: Annotator, form: AnswerForm | None) -> dict[str, Any]:
    """This person's keys for the script, and as hints beside what they do; none if they switched them off."""
    options, tags = (form.option_labels, form.tag_labels) if form else ([], [])
    pressed = keys.effective(annotator, [*options, *tags]) if annotator.keys_enabled else {}
    hints = {action: keys.hint(key) for action, key in pressed.items()}
    named = {label.code: hints.get(f"{keys.LABEL}{label.code}", "") for label in [*options, *tags]}
    return {
        "keys": json.dumps(pressed),
        "hints": hints,
        "keymap": [(hints[action], words) for action, words in keys.WORDS.items() if hints.get(action)],
        "options": [(label, chosen, named[label.code]) for label, chosen in form.options()] if form else [],
        "tags": [(label, said, named[label.code]) for label, said in form.tags()] if form else [],
    }
