"""Where disputed texts are decided: the queue of a campaign, one text with its votes, and what was decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotate import adjudication, tallies, tasks
from annotate.adjudication import ORDERS, PAGE, Dispute, Ruling
from annotate.errors import AnnotateError
from annotate.models import Annotator, Campaign, Decision
from annotate.shown import shown
from annotate.views.visitor import annotator_of
from labels.taxonomy import LabelSetSpec

LONGEST = 2_000
WAYS = [("yes", _("Yes")), ("no", _("No")), ("", _("as the votes say"))]

type View = Callable[..., HttpResponse]


class DecisionForm(forms.Form):
    """A label, tags, and why."""

    label = forms.ChoiceField(error_messages={"required": _("Choose one of the labels.")})
    cause = forms.ChoiceField(choices=Decision.Cause, error_messages={"required": _("Choose a reason.")})
    words = forms.CharField(max_length=LONGEST, error_messages={"required": _("Say why: others learn from it.")})
    supersedes = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)

    def __init__(self, spec: LabelSetSpec, data: Mapping[str, Any] | None = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self.spec = spec
        self.fields["label"].choices = [(name, name) for name in spec.published]  # type: ignore[attr-defined]
        for tag in spec.tags:
            self.fields[f"tag-{tag.code}"] = forms.ChoiceField(choices=WAYS, required=False, label=tag.name)

    def ruling(self) -> Ruling:
        """What a valid form says."""
        said = self.cleaned_data
        answers = {tag.code: said[f"tag-{tag.code}"] for tag in self.spec.tags}
        tags = {code: answer == "yes" for code, answer in answers.items() if answer}
        return Ruling(said["label"], tags, said["cause"], said["words"])


class TakeBackForm(forms.Form):
    """Which decision is taken back, and why."""

    supersedes = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    words = forms.CharField(max_length=LONGEST)


def adjudicators_only(view: View) -> View:
    """403 for who has not the right; nothing of it is kept by a browser."""

    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not adjudication.may(annotator_of(request)):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


@require_safe
@adjudicators_only
def campaigns(request: HttpRequest) -> HttpResponse:
    """Which campaigns have texts that wait for this person."""
    tallies.fold(tallies.PATIENCE)
    person = annotator_of(request)
    placed = Campaign.objects.exclude(state=Campaign.State.DRAFT).select_related("label_set").order_by("slug")
    counted = [(campaign, adjudication.count_waiting(person, campaign)) for campaign in placed]
    return render(request, "annotate/adjudicate.html", {"campaigns": counted})


@require_safe
@adjudicators_only
def queue(request: HttpRequest, slug: str) -> HttpResponse:
    tallies.fold(tallies.PATIENCE)
    person, campaign = annotator_of(request), _campaign(slug)
    order = request.GET.get("order", "severity")
    if order not in ORDERS:
        raise Http404("no such order")
    offset = int(number) if (number := request.GET.get("from", "")).isdecimal() and len(number) < 9 else 0
    total = adjudication.count_waiting(person, campaign)
    context = {
        "campaign": campaign,
        "order": order,
        "waiting": adjudication.waiting(person, campaign, order, offset),
        "total": total,
        "earlier": max(offset - PAGE, 0) if offset else None,
        "later": offset + PAGE if offset + PAGE < total else None,
    }
    return render(request, "annotate/adjudicate_queue.html", context)


@require_safe
@adjudicators_only
def decided(request: HttpRequest, slug: str) -> HttpResponse:
    """What was decided; the gravest only where somebody asks for them."""
    campaign, severe = _campaign(slug), request.GET.get("severe") == "1"
    context = {"campaign": campaign, "severe": severe, "decisions": adjudication.decided(campaign, severe=severe)}
    return render(request, "annotate/adjudicate_decided.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@adjudicators_only
def unit(request: HttpRequest, slug: str, unit: int) -> HttpResponse:
    """One text with its votes, to be decided, or with what was decided."""
    person = annotator_of(request)
    seen = _dispute(person, slug, unit)
    spec = seen.unit.campaign.label_set.spec
    if request.method != "POST":
        return _page(request, seen, DecisionForm(spec, initial=_initial(seen)))
    form = DecisionForm(spec, request.POST)
    if form.is_valid():
        try:
            made = adjudication.decide(person, unit, form.ruling(), form.cleaned_data["supersedes"])
        except AnnotateError as error:
            form.add_error(None, str(error))
        else:
            return _decided(request, made)
    return _page(request, seen, form, status=422)


def _decided(request: HttpRequest, made: Decision) -> HttpResponse:
    settled = gettext("Decided. Releases that are cut from now on publish it.")
    words = settled if made.settled_by_id else gettext("Saved. It is decided when enough others have decided alike.")
    messages.success(request, words)
    return redirect("adjudication-unit", made.unit.campaign.slug, made.unit_id)


@require_POST
@adjudicators_only
def take_back(request: HttpRequest, slug: str, unit: int) -> HttpResponse:
    person = annotator_of(request)
    seen, form = _dispute(person, slug, unit), TakeBackForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Say why: others learn from it."))
        return redirect("adjudication-unit", slug, unit)
    try:
        adjudication.take_back(person, seen.unit.pk, form.cleaned_data["supersedes"], form.cleaned_data["words"])
    except AnnotateError as error:
        messages.error(request, str(error))
        return redirect("adjudication-unit", slug, unit)
    messages.success(request, gettext("Taken back. Releases that are published already keep it."))
    return redirect("adjudication-queue", slug)


@require_POST
@adjudicators_only
def known(request: HttpRequest, slug: str, unit: int) -> HttpResponse:
    """Make a known answer of what was decided."""
    seen = _dispute(annotator_of(request), slug, unit)
    done = gettext("It is a known answer now: votes on this text are compared with it.")
    if _tried(request, seen, adjudication.make_known, done) and seen.unit.campaign.stopping_id:
        # As the admin does: where votes are asked for until they settle a text, those with gold get as many as any.
        tasks.settle.delay_on_commit(seen.unit.campaign_id)  # type: ignore[attr-defined]
    return redirect("adjudication-unit", slug, unit)


@require_POST
@adjudicators_only
def example(request: HttpRequest, slug: str, unit: int) -> HttpResponse:
    """Show what was decided below the guidelines."""
    seen = _dispute(annotator_of(request), slug, unit)
    _tried(request, seen, adjudication.make_example, gettext("It stands below the guidelines now."))
    return redirect("adjudication-unit", slug, unit)


def _tried(request: HttpRequest, seen: Dispute, verb: Callable[..., Any], done: str) -> bool:
    try:
        verb(seen.unit, annotator_of(request))
    except AnnotateError as error:
        messages.error(request, str(error))
        return False
    messages.success(request, done)
    return True


def _campaign(slug: str) -> Campaign:
    placed = Campaign.objects.exclude(state=Campaign.State.DRAFT).select_related("label_set")
    return get_object_or_404(placed, slug=slug)


def _dispute(person: Annotator, slug: str, unit: int) -> Dispute:
    """The fetch is the access check."""
    seen = adjudication.dispute(person, slug, unit)
    if seen is None:
        raise Http404("no such unit, or none that this person may decide")
    return seen


def _initial(seen: Dispute) -> dict[str, Any]:
    """What was decided before, to be changed."""
    before = seen.own or seen.settled
    if before is None:
        return {}
    tags = {f"tag-{code}": "yes" if said else "no" for code, said in before.tags.items()}
    return {"label": before.label, "cause": before.cause, "words": before.words, **tags, "supersedes": before.pk}


def _page(request: HttpRequest, seen: Dispute, form: DecisionForm, status: int = 200) -> HttpResponse:
    campaign = seen.unit.campaign
    label_set = campaign.label_set
    named = {label.name: label for label in label_set.labels.all()}
    chosen = form["label"].value()
    context = {
        "campaign": campaign,
        "dispute": seen,
        "instruction": seen.unit.instruction,
        "text": shown(seen.unit.instruction.turns, campaign.target),
        "language": seen.unit.instruction.language,
        "target": campaign.target,
        "form": form,
        "options": [(name, named.get(name), name == chosen) for name in label_set.spec.published],
        "tags": [(tag, form[f"tag-{tag.code}"], tag.code in seen.tied) for tag in label_set.spec.tags],
        "wanted": campaign.adjudicators,
    }
    return render(request, "annotate/adjudicate_unit.html", context, status=status)
