"""What stands between a person and the next text of a campaign, in the words that they read."""

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotate import training
from annotate.models import Annotator, Campaign
from annotate.training import PRACTICE, Demand

# What is demanded, what it is for, and what leads there.
TOLD: dict[Demand, tuple[str | Promise, str | Promise]] = {
    Demand.PRACTICE: (
        _("Practise first"),
        _("A few texts with a known answer, each explained at once. Nothing here counts, and nobody looks at it."),
    ),
    Demand.QUALIFICATION: (
        _("A few texts before you begin"),
        _("They show whether you and the guidelines mean the same. The answers, and why, you read at the end."),
    ),
    Demand.WAIT: (
        _("Not yet, and that is fine"),
        _("Many need a second look at the guidelines. You can try again later, and practise until then."),
    ),
    Demand.NO_TRIES: (
        _("Your tries are used up"),
        _("Thank you for trying. The curators can give you more: ask them. Other campaigns are open to you."),
    ),
    Demand.RETURN: (
        _("This campaign is paused for you"),
        _(
            "Several of your answers differ from known ones. That happens, often by tiredness or by reading the "
            "guidelines in another way. Practise again, and you can go on; your earlier answers stay as they are."
        ),
    ),
    Demand.CURATORS: (
        _("This campaign is paused for you"),
        _(
            "Several of your answers differ from known ones. Talk with the curators about it: they can open the "
            "campaign for you again. Your earlier answers stay as they are."
        ),
    ),
    Demand.EXCLUDED: (
        _("You no longer take part in this campaign"),
        _("The curators have decided so, and your answers here are not counted. Ask them if you want to know more."),
    ),
}


def told(annotator: Annotator, campaign: Campaign) -> dict[str, Any] | None:
    """What the labelling page says instead of a text; None if nothing is demanded."""
    demand = training.demanded(annotator, campaign, timezone.now())
    if demand is Demand.NOTHING:
        return None
    title, words = TOLD[demand]
    here = training.joined(annotator, campaign)
    can_practise = demand not in (Demand.EXCLUDED, Demand.CURATORS) and bool(
        training.texts(annotator, campaign, PRACTICE).exists()
    )
    return {
        "title": title,
        "words": words,
        "at": training.next_try(here) if here and demand is Demand.WAIT else None,
        "practice": reverse("practice", args=[campaign.slug]) if can_practise else "",
        "qualification": reverse("qualification", args=[campaign.slug])
        if demand is Demand.QUALIFICATION or (here and here.tries)
        else "",
        "is_ready": demand is Demand.QUALIFICATION,
        "has_gold": demand in (Demand.RETURN, Demand.CURATORS),
    }
