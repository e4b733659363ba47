"""What there is to label, and how it is to be judged."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from annotate import adjudication
from annotate.guidelines import with_news
from annotate.models import Campaign
from annotate.shown import shown
from annotate.views.visitor import annotator_of


@require_GET
def campaigns(request: HttpRequest) -> HttpResponse:
    annotator = annotator_of(request)
    listed = Campaign.objects.open_to(annotator).with_progress().with_votes_of(annotator)
    context = {"campaigns": with_news(listed, annotator)}
    return render(request, "annotate/campaigns.html", context)


@require_GET
def guidelines(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign.objects.known_to(annotator_of(request)), slug=slug)
    context = {
        "campaign": campaign,
        "labels": campaign.label_set.labels.all(),
        "examples": [
            (one, shown(one.unit.instruction.turns, campaign.target), is_severe)
            for one, is_severe in adjudication.examples(campaign)
        ],
        "questions": campaign.questions.published().order_by("answered_at"),
    }
    return render(request, "annotate/guidelines.html", context)
