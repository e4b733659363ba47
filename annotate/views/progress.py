"""What one's own votes came to."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from annotate import care
from annotate import progress as reading
from annotate.views.visitor import annotator_of


@require_safe
def progress(request: HttpRequest) -> HttpResponse:
    annotator = annotator_of(request)
    agreements = reading.agreement(annotator)
    golds = reading.on_gold(annotator, now())
    if care.elsewhere(annotator):
        golds = {campaign: gold._replace(differing=()) for campaign, gold in golds.items()}
    campaigns = [
        (campaign, agreements.get(campaign.pk, reading.Agreement()), golds.get(campaign.pk))
        for campaign in reading.campaigns_of(annotator)
    ]
    told = {
        "campaigns": campaigns,
        "releases": reading.in_releases(annotator),
        "fewest": reading.FEWEST_COMPARED,
        "newest": reading.NEWEST,
    }
    return render(request, "annotate/progress.html", told)
