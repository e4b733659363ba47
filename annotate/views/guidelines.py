"""What changed in the guidelines since a person saw them."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from annotate import guidelines
from annotate.models import Campaign, Participation
from annotate.views.visitor import annotator_of


@never_cache
@require_GET
def changes(request: HttpRequest, slug: str) -> HttpResponse:
    """From the wording that this person saw last to the present one; opening it is seeing that.

    Who has seen the present one, or none, is shown what the last revision changed.
    """
    annotator = annotator_of(request)
    campaign = get_object_or_404(Campaign.objects.known_to(annotator).select_related("label_set"), slug=slug)
    mine = Participation.objects.filter(annotator=annotator, campaign=campaign)
    joined = mine.select_related("guidelines_seen").first()
    after = campaign.label_set
    before = joined.guidelines_seen if joined and guidelines.has_changed_for(joined, campaign) else None
    before = before or guidelines.earlier_revision(campaign)
    if joined:
        guidelines.see(joined, campaign)
    context = {
        "campaign": campaign,
        "before": before,
        "question": guidelines.pieces(before.question, after.question) if before else [],
        "changes": guidelines.changes(before.spec, after.spec) if before else [],
        "labels": after.labels.all(),
        "look_again": guidelines.to_look_at(annotator, campaign).count(),
    }
    return render(request, "annotate/guideline_changes.html", context)
