"""What annotators tell curators from the labelling page and from the guidelines."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotate import remarks
from annotate.errors import NotTheirs
from annotate.forms import AskForm, FlagForm, ReportForm
from annotate.models import Campaign
from annotate.views.desk import is_queue, known_campaign, next_instruction, posted
from annotate.views.visitor import annotator_of

FLAGGED = _("The curators will look at it. Thank you.")
ASKED = _("Your question is on its way. The answer will stand below the guidelines, for all to read.")
REPORTED = _("Reported. Nobody sees that text now, until curators have decided.")
REPORTED_OFTEN = _(
    "You reported so many texts today that this one stays until a curator has looked at it. You will not see it again."
)


@posted
def flag(request: HttpRequest, slug: str) -> HttpResponse:
    form = FlagForm(request.POST)
    if not form.is_valid():
        return _refused(request, slug, form)
    try:
        remarks.flag(annotator_of(request), form.cleaned_data["assignment"], form.cleaned_data["words"])
    except NotTheirs as error:
        raise Http404 from error
    return _done(request, slug, FLAGGED)


@posted
def report(request: HttpRequest, slug: str) -> HttpResponse:
    form = ReportForm(request.POST)
    if not form.is_valid():
        raise Http404
    try:
        is_hidden = remarks.report_illegal(annotator_of(request), form.cleaned_data["assignment"])
    except NotTheirs as error:
        raise Http404 from error
    return _done(request, slug, REPORTED if is_hidden else REPORTED_OFTEN, good=is_hidden)


@posted
def ask(request: HttpRequest, slug: str) -> HttpResponse:
    """A question from beside a text, or from the guidelines, where there is none."""
    annotator = annotator_of(request)
    campaign = get_object_or_404(Campaign.objects.known_to(annotator), slug=slug)
    form = AskForm(request.POST)
    if not form.is_valid():
        return _refused(request, slug, form)
    number = form.cleaned_data["assignment"]
    try:
        remarks.ask(annotator, campaign, number, form.cleaned_data["words"])
    except NotTheirs as error:
        raise Http404 from error
    return _done(request, slug, ASKED)


def _refused(request: HttpRequest, slug: str, form: FlagForm | AskForm) -> HttpResponse:
    """Say what is missing. Browsers ask for the words themselves, so that nobody gets here who typed something."""
    if is_queue(request):
        return JsonResponse({"errors": form.errors}, status=422)
    if "assignment" in form.errors:
        raise Http404
    messages.error(request, str(form.errors["words"][0]))
    return _back(request, slug)


def _done(request: HttpRequest, slug: str, words: str | Promise, *, good: bool = True) -> HttpResponse:
    if is_queue(request):
        return JsonResponse({"words": str(words), "good": good})
    messages.add_message(request, messages.SUCCESS if good else messages.WARNING, str(words))
    return _back(request, slug)


def _back(request: HttpRequest, slug: str) -> HttpResponse:
    """The text again, or the next one; a question from the guidelines leads back to them."""
    if not request.POST.get("assignment"):
        return redirect("guidelines", slug)
    return next_instruction(request, known_campaign(request, slug))
