"""What changed in the guidelines since a person saw them."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotate import guidelines
from annotate.models import Annotator, Campaign, Participation
from annotate.views.visitor import annotator_of


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def changes(request: HttpRequest, slug: str) -> HttpResponse:
    """From the wording that this person saw last to the present one, until they say that they have read it.

    Who has seen the present one, or none, is shown what the last revision changed.
    """
    annotator = annotator_of(request)
    campaign = get_object_or_404(Campaign.objects.known_to(annotator).select_related("label_set"), slug=slug)
    if request.method == "POST":
        return _read(request, annotator, campaign)
    mine = Participation.objects.filter(annotator=annotator, campaign=campaign)
    joined = mine.select_related("guidelines_seen").first()
    after = campaign.label_set
    is_news = guidelines.has_changed_for(joined, campaign)
    before = joined.guidelines_seen if joined and is_news else guidelines.earlier_revision(campaign)
    context = {
        "campaign": campaign,
        "before": before,
        "is_news": is_news,
        "question": guidelines.pieces(before.question, after.question) if before else [],
        "changes": guidelines.changes(before.spec, after.spec) if before else [],
        "labels": after.labels.all(),
        "look_again": guidelines.to_look_at(annotator, campaign).count(),
    }
    return render(request, "annotate/guideline_changes.html", context)


def _read(request: HttpRequest, annotator: Annotator, campaign: Campaign) -> HttpResponse:
    """On to the texts; or back to the page, where the guidelines have changed again while it was open."""
    revision = request.POST.get("revision", "")
    if not guidelines.have_read(annotator, campaign, int(revision) if revision.isdecimal() else 0):
        return redirect("guideline-changes", campaign.slug)
    return redirect("label", campaign.slug) if campaign.is_open else redirect("campaigns")
