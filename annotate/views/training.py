"""Practice and qualification: one text at a time, a plain form each; nothing is fetched ahead and nothing is a vote."""

import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotate import help_lines, training
from annotate.forms import TrialForm
from annotate.models import Annotator, Campaign, KnownAnswer, Trial
from annotate.remainder import Why
from annotate.shown import shown
from annotate.training import PRACTICE, QUALIFICATION, Demand, Score
from annotate.views.care import sent_elsewhere
from annotate.views.desk import LEFT, keyboard, known_campaign, number_in
from annotate.views.told import told
from annotate.views.visitor import annotator_of

# Which limit keeps the next text back.
TOO_MUCH = {
    Why.MINUTES: LEFT[Why.MINUTES],
    Why.SEVERE: _(
        "The next text here is severe, and you had as many of those as there should be in a day. Come again tomorrow."
    ),
    Why.CALM: _("The next text here is severe. Have a break first: in a quarter of an hour you can go on."),
}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def train(request: HttpRequest, slug: str, phase: str) -> HttpResponse:
    """The next text of a phase; ``?told=`` the explanation of one that was answered; at the end what it came to."""
    annotator, campaign = annotator_of(request), known_campaign(request, slug)
    if "skip" in request.POST:
        training.skip(annotator, campaign, phase, number_in(request.POST.get("known", "")))
        return redirect(phase, slug)
    form = TrialForm(campaign.label_set_id, request.POST if request.method == "POST" else None)
    if form.is_valid():
        known, said = form.cleaned_data["known"], form.answer
        trial = training.answer(annotator, campaign, phase, known, said.choice, said.tags)
        here = reverse(phase, args=[slug])
        return redirect(f"{here}?told={trial.pk}" if trial and phase == PRACTICE else here)
    if elsewhere := sent_elsewhere(request):
        return elsewhere
    if request.GET.get("told"):
        trial = _trial(annotator, campaign, request.GET["told"])
        return _page(request, campaign, phase, {"trial": trial} | _pressed(annotator, None))
    return _ask(request, campaign, phase, form)


def _ask(request: HttpRequest, campaign: Campaign, phase: str, form: TrialForm) -> HttpResponse:
    annotator = annotator_of(request)
    demand = training.demanded(annotator, campaign, timezone.now())
    is_asked = demand is Demand.QUALIFICATION or (
        phase == PRACTICE and demand not in (Demand.EXCLUDED, Demand.CURATORS)
    )
    known, limit = training.give(annotator, campaign, phase) if is_asked else training.Asked(None)
    if limit:
        return _page(request, campaign, phase, {"limit": TOO_MUCH[Why(limit)]})
    if known is None:
        return _page(request, campaign, phase, {"score": _last_round(annotator, campaign, phase)})
    if not form.is_bound:
        form = TrialForm(campaign.label_set_id, initial={"known": known.pk})
    total = training.texts(annotator, campaign, phase).count()
    context = {"form": form, "known": known, "total": total, "number": _number(annotator, campaign, phase)}
    return _page(request, campaign, phase, context | _pressed(annotator, form), 422 if form.is_bound else 200)


def _number(annotator: Annotator, campaign: Campaign, phase: str) -> int:
    here = training.joined(annotator, campaign)
    return 1 + (training.score(here, phase, training.round_of(here, phase)).total if here else 0)


def _pressed(annotator: Annotator, form: TrialForm | None) -> dict[str, Any]:
    """The keys of the desk that mean something here."""
    found = keyboard(annotator, form)
    pressed = json.loads(found["keys"])
    kept = {action: key for action, key in pressed.items() if action in ("submit", "context", "leave") or ":" in action}
    return found | {"keys": json.dumps(kept)}


def _trial(annotator: Annotator, campaign: Campaign, wanted: str) -> Trial:
    mine = Trial.objects.filter(participation__annotator=annotator, participation__campaign=campaign, phase=PRACTICE)
    found = mine.select_related("choice", "known__choice", "known__unit__instruction")
    trial = found.filter(pk=int(wanted)).first() if wanted.isdecimal() and len(wanted) < 19 else None
    if trial is None:
        raise Http404
    return trial


def _last_round(annotator: Annotator, campaign: Campaign, phase: str) -> Score | None:
    """The last round that was ended."""
    here = training.joined(annotator, campaign)
    if here is None:
        return None
    number = training.round_of(here, phase)
    if phase == QUALIFICATION and here.qualified_at is None:
        number -= 1
    return training.score(here, phase, number) if number >= 0 else None


def _page(
    request: HttpRequest, campaign: Campaign, phase: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    known: KnownAnswer | None = context.get("known") or (context["trial"].known if "trial" in context else None)
    turns = known.unit.instruction.turns if known and known.unit.is_available else []
    annotator = annotator_of(request)
    context = {
        "campaign": campaign,
        "phase": phase,
        "is_masked": annotator.is_masked,
        "countries": help_lines.by_country(get_language() or "en"),
        "target": campaign.target,
        "text": shown(turns, campaign.target),
        "language": known.unit.instruction.language if known else "",
        "told": told(annotator, campaign),
        "may_label": campaign.is_open,
        **context,
    }
    return render(request, "annotate/training.html", context, status=status)
